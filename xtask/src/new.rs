use crate::Result;
use std::path::Path;
pub(crate) const PROVIDER_HELP: &str = "";
pub(crate) const PLUGIN_HELP: &str = "";
pub(crate) fn provider(_: &Path, _: &[&str]) -> Result {
    Ok(())
}
pub(crate) fn plugin(_: &Path, _: &[&str]) -> Result {
    Ok(())
}
