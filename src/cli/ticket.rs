//! `offline-push ticket`: the ticket with which a phone registers for its user.
use std::process::ExitCode;

use offline_push::Result;
use serde_json::{Value, json};

use super::{Errors, output::Output, remote::Server};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,
    /// The user who logged in
    user: String,
    /// Its lifetime in seconds: 60 to 15552000; without, the gateway's default
    #[arg(long, value_name = "SECONDS")]
    life: Option<u64>,
}

pub(crate) async fn run(arguments: Arguments, output: &mut Output) -> Result<ExitCode, Errors> {
    execute(arguments, output)
        .await
        .map_err(|error| vec![error])
}

async fn execute(arguments: Arguments, output: &mut Output) -> Result<ExitCode> {
    let mut body = json!({"user": arguments.user});
    if let Some(life) = arguments.life {
        body["life_seconds"] = json!(life);
    }
    let answer = arguments
        .server
        .connect()?
        .post("/v1/tickets", &body)
        .await?;
    output.object(&answer);
    output.line(
        answer["ticket"]
            .as_str()
            .map(str::to_owned)
            .unwrap_or_else(|| Value::to_string(&answer)),
    );
    Ok(ExitCode::SUCCESS)
}
