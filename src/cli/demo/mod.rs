//! `offline-push demo`: the whole story in one process, over real HTTP/2 and TLS on 127.0.0.1.
//!
//! Nothing here is scripted: what the steps show was read from the simulators' wires, the phones' screens and the
//! gateway's API, and each is checked.
mod alice;
mod app;
mod mistakes;
mod report;
mod scene;
mod story;
mod vendors;
mod world;

use std::process::ExitCode;

use offline_push::{Error, ErrorKind};

use super::{Errors, output::Output};

pub(crate) async fn run(output: &mut Output) -> Result<ExitCode, Errors> {
    story::tell(output).await?;
    Ok(ExitCode::SUCCESS)
}

/// What the demo could not do at all.
fn trouble(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, what).at("demo")
}
