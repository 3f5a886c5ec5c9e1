//! `offline-push simulate` of a build without simulators.
use std::process::ExitCode;

use offline_push::{Error, ErrorKind};

use super::{Errors, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments, output: &mut Output) -> Result<ExitCode, Errors> {
    drop(arguments.rest);
    std::future::ready(Err(vec![
        Error::new(ErrorKind::Unsupported, "this build has no simulators")
            .at("simulate")
            .advise(output.program().enable("demo")),
    ]))
    .await
}
