//! `offline-push demo` of a build without simulators.
use std::process::ExitCode;

use offline_push::{Error, ErrorKind};

use super::{Errors, output::Output};

pub(crate) async fn run(_: bool, output: &mut Output) -> Result<ExitCode, Errors> {
    std::future::ready(Err(vec![
        Error::new(
            ErrorKind::Unsupported,
            "this build has no simulators, so there is no phone to show a push on",
        )
        .at("demo")
        .advise(output.program().enable("demo")),
    ]))
    .await
}
