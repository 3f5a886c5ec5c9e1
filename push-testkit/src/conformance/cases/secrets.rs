//! What must not be seen.
use push_core::{VendorAnswer, Verdict};
use serde_json::{Value, json};

use crate::conformance::{Vendor, check::send_one, stage::Stage};
use crate::{Authority, Reply, block_on, sample};

/// A vendor that repeats `text` in every field of its error message.
fn echo(vendor: &Vendor, status: u16, text: &str) -> Vec<Reply> {
    let error = json!({
        "error": { "code": status, "message": text, "status": text },
        "reason": text, "msg": text, "message": text, "result": text, "desc": text, "description": text,
        "error_description": text, "requestId": text, "request_id": text,
    });
    let mut coded = error.clone();
    coded["code"] = json!(text);
    // Also inside the vendor's own format.
    let mut replies = vec![
        Reply::new(status).json(error),
        Reply::new(status).json(coded),
    ];
    let own = vendor.unknown_reply(status, "9898");
    if let Some(mut own) = own_json(&own) {
        fill(&mut own, text);
        replies.push(Reply::new(status).json(own));
    }
    replies
}

fn own_json(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(reply.bytes()?).ok()
}

/// Writes `text` into every text that is not the code, and beside the texts.
fn fill(value: &mut Value, text: &str) {
    match value {
        Value::Object(map) => {
            for value in map.values_mut() {
                fill(value, text);
            }
            for key in ["message", "msg", "desc", "description", "reason", "result"] {
                map.entry(key).or_insert_with(|| json!(text));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| fill(value, text)),
        Value::String(inner) if inner != "9898" => text.clone_into(inner),
        _ => {}
    }
}

/// Neither the configuration, nor the provider, nor a verdict, nor a report on the credential, nor an error shows a token,
/// a text or a secret: not even if the vendor repeats it.
pub fn no_token_text_or_secret_shows(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let token = stage.token(0);
        let seen = stage.seen(0);
        let config = vendor.configured(&stage.server.url(), &Authority::new().pem());
        let mut shown = (vendor.show_config)(config).expect("the configuration reads");
        let replies = vendor
            .refusals()
            .into_iter()
            .chain([vendor.ok_reply(), Reply::reset()]);
        for reply in replies {
            shown += &describe(&stage, &reply).await;
        }
        // The bound on an answer's length may cut the token in two.
        let cut = VendorAnswer::MAX_BYTES - token.len().min(200) + 2;
        let mut texts = vec![
            format!("{seen} is no token"),
            format!("{}{seen} is no token", " ".repeat(cut)),
            format!(
                "title: {}, body: {}, ext: {}",
                sample::TITLE,
                sample::BODY,
                sample::EXT
            ),
        ];
        let sent = texts.len();
        let secrets = vendor.secrets.iter();
        texts.extend(secrets.map(|secret| format!("the secret {secret} is wrong")));
        for (number, text) in texts.iter().enumerate() {
            for status in [200, 400, 401, 403, 500] {
                for reply in echo(vendor, status, text) {
                    // Only a send holds token and text; a check of the credential and the token endpoint see the secrets.
                    if number < sent {
                        stage.sends.always(reply);
                        shown += &words(&send_one(&stage.provider, &token).await);
                    } else {
                        shown += &describe(&stage, &reply).await;
                        shown += &at_auth(vendor, &reply).await;
                    }
                }
            }
        }
        shown += &format!("{:?}\n{:#?}", stage.provider, stage.provider);
        let texts = [sample::TITLE, sample::BODY, sample::EXT].map(str::to_owned);
        // Most of a token is as good as a token.
        let most = token[..token.len() * 3 / 4].to_owned();
        let tokens = [&token, &seen, &most];
        for secret in vendor.secrets.iter().chain(&texts).chain(tokens) {
            if let Some(at) = shown.find(secret.as_str()) {
                let line = shown[..at].lines().last().unwrap_or_default();
                panic!("{secret:?} shows after {line:?}");
            }
        }
    });
}

/// Everything that is said about a send and a check that are answered so.
async fn describe(stage: &Stage<'_>, reply: &Reply) -> String {
    stage.sends.always(reply.clone());
    let verdict = send_one(&stage.provider, &stage.token(0)).await;
    let health = stage.provider.verify().await;
    let error = health.as_ref().err().map(ToString::to_string);
    format!("{}\n{health:?}\n{error:?}\n", words(&verdict))
}

fn words(verdict: &Verdict) -> String {
    format!("{verdict:?}\n{verdict:#?}")
}

/// The same at the token endpoint.
async fn at_auth(vendor: &Vendor, reply: &Reply) -> String {
    if vendor.auth.is_none() {
        return String::new();
    }
    let stage = Stage::new(vendor).await;
    stage.auth.always(reply.clone());
    let verdict = send_one(&stage.provider, &stage.token(0)).await;
    let mut said = words(&verdict);
    stage.clock.advance(crate::conformance::stage::PAUSE);
    let health = stage.provider.verify().await;
    let error = health.as_ref().err().map(ToString::to_string);
    said += &format!("\n{health:?}\n{error:?}\n{:?}\n", stage.provider);
    said
}
