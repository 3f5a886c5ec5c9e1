//! `offline-push trace`: shows where a push is, and why it did not arrive.
use std::process::ExitCode;

use offline_push::{DeliveryId, Result};
use serde_json::Value;

use super::{
    Errors,
    output::{Output, Style, table},
    remote::{Server, segment},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,
    /// A delivery's id (a UUID), or a message's id
    id: String,
}

pub(crate) async fn run(arguments: Arguments, output: &mut Output) -> Result<ExitCode, Errors> {
    execute(arguments, output)
        .await
        .map_err(|error| vec![error])
}

async fn execute(arguments: Arguments, output: &mut Output) -> Result<ExitCode> {
    let remote = arguments.server.connect()?;
    let of = if arguments.id.parse::<DeliveryId>().is_ok() {
        "deliveries"
    } else {
        "messages"
    };
    let path = format!("/v1/{of}/{}/trace", segment(&arguments.id));
    let trace = remote.get(&path).await?;
    output.object(&trace);
    for line in lines(&trace, output) {
        output.line(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats a trace for people: a line for each event, the advice of the reasons below.
pub(crate) fn lines(trace: &Value, output: &Output) -> Vec<String> {
    let events: Vec<&Value> = trace["events"].as_array().into_iter().flatten().collect();
    let first = events.first().and_then(|it| it["at"].as_i64()).unwrap_or(0);
    let mut rows = Vec::new();
    let mut advice = Vec::new();
    for event in &events {
        let after = event["at"].as_i64().unwrap_or(first) - first;
        let mut what = Vec::new();
        if let Some(code) = event["reason"]["code"].as_str() {
            what.push(format!("{code}: {}", word(&event["reason"]["text"])));
            let line = word(&event["reason"]["advice"]);
            if !line.is_empty() && !advice.contains(&line) {
                advice.push(line);
            }
        }
        let answer = &event["answer"];
        let said = answered(answer);
        if !said.is_empty() {
            what.push(said);
        }
        rows.push(vec![
            format!("+{after} ms"),
            word(&event["stage"]),
            word(&event["user"]),
            word(&event["channel"]),
            what.join("; "),
        ]);
    }
    let mut lines = table(&rows);
    for waiting in trace["waiting"].as_array().into_iter().flatten() {
        let reason = &waiting["reason"];
        lines.push(format!("waits: {}", waits(waiting)));
        let line = word(&reason["advice"]);
        if !line.is_empty() && !advice.contains(&line) {
            advice.push(line);
        }
    }
    for it in advice {
        lines.push(format!("{} {it}", output.paint(Style::Accent, "→")));
    }
    lines
}

/// The longest message of a vendor that is shown, in characters.
const MESSAGE: usize = 300;

/// The vendor's answer: `403 InvalidProviderToken: the key was revoked`. The gateway has removed tokens, secrets and the text of
/// the push.
fn answered(answer: &Value) -> String {
    let status = answer["status"].as_u64().map(|status| status.to_string());
    let code = [status.unwrap_or_default(), word(&answer["code"])];
    let code: Vec<_> = code.into_iter().filter(|part| !part.is_empty()).collect();
    let text: String = word(&answer["text"])
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MESSAGE)
        .collect();
    [code.join(" "), text]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

/// What a delivery waits for: `certificate 5 is suspended, credential-refused: …; 403 InvalidProviderToken`.
fn waits(waiting: &Value) -> String {
    let state = match waiting["state"].as_str() {
        Some("backing-off") => "backs off",
        _ => "is suspended",
    };
    let reason = &waiting["reason"];
    let mut line = format!(
        "certificate {} {state}, {}: {}",
        waiting["certificate"],
        word(&reason["code"]),
        word(&reason["text"])
    );
    let evidence = word(&waiting["evidence"]);
    if !evidence.is_empty() {
        line.push_str("; ");
        line.push_str(&evidence);
    }
    line
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::Program;

    #[test]
    fn the_vendors_message_stands_beside_its_status_and_code() {
        let shown = |answer: Value| {
            let trace = json!({"events": [{"at": 5, "stage": "answered", "answer": answer}]});
            lines(&trace, &Output::new(true, Program::stock())).remove(0)
        };
        let line = shown(
            json!({"status": 403, "code": "InvalidProviderToken", "text": "the key was revoked"}),
        );
        assert!(
            line.ends_with("403 InvalidProviderToken: the key was revoked"),
            "{line}"
        );
        let line = shown(json!({"status": 302, "text": "not the vendor's answer"}));
        assert!(line.ends_with("302: not the vendor's answer"), "{line}");
        let line = shown(json!({"text": "the name does not resolve"}));
        assert!(line.ends_with("  the name does not resolve"), "{line}");
        let line = shown(json!({"status": 200}));
        assert!(line.ends_with("  200"), "{line}");
        let line = shown(json!({"status": 400, "text": format!("\u{1b}[31m{}", "x".repeat(5000))}));
        assert!(line.len() < 400 && !line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn a_delivery_that_waits_says_for_what_and_how_it_goes_on() {
        let reason =
            json!({"code": "credential-refused", "text": "refused", "advice": "rotate it"});
        let trace = json!({
            "events": [{"at": 5, "stage": "queued", "channel": "sample", "reason": reason}],
            "waiting": [{
                "delivery": "d", "certificate": 5, "state": "suspended", "reason": reason,
                "evidence": "403 Wrong", "next_try": 9,
            }],
        });
        let lines = lines(&trace, &Output::new(true, Program::stock()));
        assert_eq!(
            lines[1..],
            [
                "waits: certificate 5 is suspended, credential-refused: refused; 403 Wrong",
                "→ rotate it",
            ]
        );
    }
}
