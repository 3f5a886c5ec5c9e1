//! `offline-push send`: a message, as an IM server would send it.
use std::process::ExitCode;

use offline_push::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{
    Errors,
    output::{Output, Style, table},
    remote::Server,
};

/// The exit code of a message of which every receiver was skipped.
const ALL_SKIPPED: u8 = 3;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 if a push is on its way or the message was sent before, 3 if every receiver is skipped (the reasons are \
    printed), 1 if the gateway refused the call or cannot be reached, 2 if an argument is wrong."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,
    /// The receiver; may be given several times
    #[arg(long, required = true, value_name = "USER")]
    to: Vec<String>,
    /// The sender; without, it is a push from the server
    #[arg(long, value_name = "USER")]
    from: Option<String>,
    /// The sender's name
    #[arg(long, requires = "from", default_value = "")]
    nickname: String,
    /// The group that it is sent to
    #[arg(long, requires = "from", value_name = "GROUP")]
    group: Option<String>,
    /// The message's id; by default a new one. A repeated id is the same message
    #[arg(long)]
    id: Option<String>,
    /// The notification's title
    #[arg(long, default_value = "")]
    title: String,
    /// The text
    text: String,
}

pub(crate) async fn run(arguments: Arguments, output: &mut Output) -> Result<ExitCode, Errors> {
    execute(arguments, output)
        .await
        .map_err(|error| vec![error])
}

async fn execute(arguments: Arguments, output: &mut Output) -> Result<ExitCode> {
    let id = match arguments.id {
        Some(id) => id,
        None => {
            let mut bytes = [0; 8];
            aws_lc_rs::rand::fill(&mut bytes)
                .map_err(|_| Error::new(ErrorKind::Internal, "the system has no randomness"))?;
            format!("cli-{:016x}", u64::from_be_bytes(bytes))
        }
    };
    let mut message = json!({"id": id, "receivers": arguments.to});
    if let Some(user) = arguments.from {
        message["sender"] = json!({"user": user, "nickname": arguments.nickname});
        message["elements"] = json!([{"type": "text", "text": arguments.text}]);
    } else {
        message["kind"] = json!("push");
        message["push"] = json!({"desc": arguments.text});
    }
    if let Some(group) = arguments.group {
        message["group"] = json!({"id": group});
    }
    if !arguments.title.is_empty() {
        message["push"]["title"] = json!(arguments.title);
    }
    let answer = arguments
        .server
        .connect()?
        .post("/v1/messages", &message)
        .await?;
    let submitted = &answer["messages"][0];
    output.object(submitted);
    output.line(format!("message {id}"));
    let mut rows = Vec::new();
    for it in submitted["deliveries"].as_array().into_iter().flatten() {
        let mark = output.paint(Style::Good, "→");
        rows.push(vec![
            mark,
            word(&it["user"]),
            word(&it["channel"]),
            word(&it["id"]),
        ]);
    }
    for it in submitted["skipped"].as_array().into_iter().flatten() {
        let mark = output.paint(Style::Bad, "✗");
        rows.push(vec![
            mark,
            word(&it["user"]),
            "no push".to_owned(),
            word(&it["reason"]),
        ]);
    }
    for line in table(&rows) {
        output.line(format!("  {line}"));
    }
    output.line(format!("`offline-push trace {id}` shows its progress"));
    let of = |list: &str| submitted[list].as_array().cloned().unwrap_or_default();
    let is_repeated = |it: &Value| it["reason"] == json!("duplicate-message");
    if of("deliveries").is_empty() && !of("skipped").iter().any(is_repeated) {
        return Ok(ExitCode::from(ALL_SKIPPED));
    }
    Ok(ExitCode::SUCCESS)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("everybody").to_owned()
}
