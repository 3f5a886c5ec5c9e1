//! What the vendor gave the app's owner.
use push_core::{Describe, Error, ErrorKind, Result, Secret};
use push_http::HttpConfig;
use serde::Deserialize;

use crate::fault::Fault;

#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::provider::Acme)]
pub(crate) struct Config {
    /// The app's id.
    #[describe(example = "1001")]
    pub(crate) app_id: String,
    /// The app's secret.
    #[describe(example = "from the console")]
    pub(crate) app_secret: Secret,
    /// Where the vendor listens.
    #[describe(example = "https://push.acme.example")]
    pub(crate) endpoint: String,
    /// The category of messages that name none.
    #[serde(default)]
    #[describe(example = "im")]
    pub(crate) category: Option<String>,
    /// Whether a push takes two requests.
    #[serde(default)]
    pub(crate) two_steps: bool,
    /// Whether a push to a single target takes one request all the same.
    #[serde(default)]
    pub(crate) single_in_one: bool,
    /// How to connect.
    #[serde(default)]
    pub(crate) http: HttpConfig,
    /// What the provider does wrong.
    #[serde(default)]
    pub(crate) broken: Option<Fault>,
}

impl Config {
    /// Refuses what cannot work, with every key that is wrong.
    pub(crate) fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let added = |c: char| c.is_whitespace() || c == '\u{feff}';
        let app_id = match self.broken {
            Some(Fault::EndsCount) => &self.app_id,
            _ => self.app_id.trim_matches(added).trim_end_matches("\\n"),
        };
        if app_id.is_empty() || !app_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            wrong.push("`app_id` is empty or has a space");
        }
        let endpoint = self.endpoint.trim_matches(added);
        let secure = endpoint.starts_with("https://");
        let loopback = endpoint.starts_with("http://localhost");
        if !(secure || loopback || self.broken == Some(Fault::ClearText)) {
            wrong.push("`endpoint` is not https://host");
        }
        if !wrong.is_empty() && self.broken == Some(Fault::ValueRepeated) {
            wrong.push(&self.endpoint);
        }
        if self.broken == Some(Fault::FaultsOneByOne) {
            wrong.truncate(1);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, wrong.join(", ")).advise("copy them from the console"))
    }
}
