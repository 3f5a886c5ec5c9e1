//! `offline-push demo`: the whole product in one process, over real HTTP/2 and TLS on 127.0.0.1.
//!
//! Nothing is scripted: the values of the steps are read from the simulators' connections, the phones' screens and the
//! gateway's API, and each is checked.
mod alice;
mod app;
mod channels;
mod mistakes;
mod report;
mod scene;
mod story;
mod vendors;
mod world;

use std::process::ExitCode;

use offline_push::{Error, ErrorKind};

use super::{Errors, output::Output};

pub(crate) async fn run(all_channels: bool, output: &mut Output) -> Result<ExitCode, Errors> {
    story::run(all_channels, output).await?;
    Ok(ExitCode::SUCCESS)
}

/// Returns an error of the demo itself.
fn trouble(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, what).at("demo")
}
