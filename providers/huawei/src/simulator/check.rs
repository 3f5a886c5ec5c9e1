//! Whether a message is one that Huawei takes, field by field.
use std::time::Duration;

use serde_json::{Map, Value};

mod notification;

// The reference of the downlink message.
const MAX_TOKENS: usize = 1000;
/// Without the tokens, in bytes.
const MAX_PAYLOAD: usize = 4096;
pub(super) const MAX_TTL: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// A code and Huawei's words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) msg: String,
}

fn no<T>(code: &'static str, msg: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        msg: msg.into(),
    })
}

fn wrong_structure<T>(msg: impl Into<String>) -> Result<T, Refusal> {
    no("80100003", msg)
}

/// A message that passed.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) validate_only: bool,
    /// `message` without its tokens.
    pub(super) message: Value,
    pub(super) tokens: Vec<String>,
}

const CATEGORIES: &[&str] = &[
    "IM",
    "VOIP",
    "SUBSCRIPTION",
    "TRAVEL",
    "HEALTH",
    "WORK",
    "ACCOUNT",
    "EXPRESS",
    "FINANCE",
    "DEVICE_REMINDER",
    "MAIL",
    "PLAY_VOICE",
    "MARKETING",
];

const MESSAGE_FIELDS: &[&str] = &[
    "data",
    "notification",
    "android",
    "apns",
    "webpush",
    "token",
    "topic",
    "condition",
];

const ANDROID_FIELDS: &[&str] = &[
    "collapse_key",
    "urgency",
    "category",
    "ttl",
    "bi_tag",
    "receipt_id",
    "fast_app_target",
    "target_user_type",
    "data",
    "notification",
];

/// Checks the body of a request. `may_be_urgent`: whether the app may ask for high urgency.
pub(super) fn check(body: &[u8], may_be_urgent: bool) -> Result<Accepted, Refusal> {
    let Ok(Value::Object(mut request)) = serde_json::from_slice(body) else {
        return wrong_structure("the body is not a JSON object");
    };
    let Some(Value::Object(mut message)) = request.remove("message") else {
        // Its tokens are missing with it, and that is what Huawei complains of, also where the name is misspelt.
        return no("80300010", "message is missing, and its tokens with it");
    };
    only(&request, &["validate_only", "review"])?;
    let validate_only = flag(&request, "validate_only")?.unwrap_or(false);
    only(&message, MESSAGE_FIELDS)?;
    let tokens = tokens(&mut message, body.len())?;
    text(&message, "data")?;
    for key in ["apns", "webpush"] {
        object(&message, key)?;
    }
    if let Some(common) = object(&message, "notification")? {
        only(common, &["title", "body", "image"])?;
    }
    list(&request, "review")?;
    let android = object(&message, "android")?;
    if let Some(android) = android {
        let common = object(&message, "notification")?;
        check_android(android, common, may_be_urgent)?;
    }
    let shows = android.is_some_and(|it| it.contains_key("notification"));
    if !shows && !message.contains_key("data") {
        return wrong_structure("neither data nor android.notification is there");
    }
    Ok(Accepted {
        validate_only,
        message: message.into(),
        tokens,
    })
}

/// Takes the tokens out, and checks how many and how large the rest is.
fn tokens(message: &mut Map<String, Value>, size: usize) -> Result<Vec<String>, Refusal> {
    if message.contains_key("topic") || message.contains_key("condition") {
        return wrong_structure("the simulator knows tokens, no topics");
    }
    let Some(list) = message.remove("token") else {
        return no("80300010", "message.token is missing");
    };
    if size - list.to_string().len().min(size) > MAX_PAYLOAD {
        return no("80300008", "the message body is larger than 4096 bytes");
    }
    let Value::Array(list) = list else {
        return wrong_structure("message.token is not an array");
    };
    if list.len() > MAX_TOKENS {
        return no("80300010", "more than 1000 tokens");
    }
    let tokens: Option<Vec<String>> = list
        .into_iter()
        .map(|it| match it {
            Value::String(token) if !token.is_empty() => Some(token),
            _ => None,
        })
        .collect();
    match tokens {
        Some(tokens) if !tokens.is_empty() => Ok(tokens),
        Some(_) => no("80300010", "message.token is empty"),
        None => no("80100001", "message.token holds what is no text"),
    }
}

/// The whole seconds of `86400s`; Huawei's own demo also takes a number alone and a fraction.
pub(super) fn seconds(ttl: &str) -> Option<u64> {
    let number = ttl.strip_suffix('s').unwrap_or(ttl);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| whole.parse().ok())?
}

fn check_android(
    android: &Map<String, Value>,
    common: Option<&Map<String, Value>>,
    may_be_urgent: bool,
) -> Result<(), Refusal> {
    only(android, ANDROID_FIELDS)?;
    for key in ["bi_tag", "receipt_id", "data"] {
        text(android, key)?;
    }
    if let Some(it) = android.get("collapse_key")
        && !it.as_i64().is_some_and(|it| (-1..=100).contains(&it))
    {
        return no("80100013", "collapse_key is not from -1 to 100");
    }
    match text(android, "urgency")? {
        None | Some("NORMAL") => {}
        Some("HIGH") if may_be_urgent => {}
        Some("HIGH") => return no("80300011", "no right to send high-level messages"),
        Some(_) => return no("80100001", "urgency is neither HIGH nor NORMAL"),
    }
    if let Some(category) = text(android, "category")?
        && !CATEGORIES.contains(&category)
    {
        return no("80100001", "category is not known");
    }
    if let Some(ttl) = text(android, "ttl")? {
        match seconds(ttl) {
            None => return no("80100001", "ttl is not like 86400s"),
            Some(0) => return no("80100004", "ttl is over already"),
            Some(seconds) if seconds > MAX_TTL.as_secs() => {
                return no("80100001", "ttl is more than 15 days");
            }
            Some(_) => {}
        }
    }
    for (key, from, to) in [("target_user_type", 0, 1), ("fast_app_target", 1, 2)] {
        number(android, key, from, to)?;
    }
    match object(android, "notification")? {
        Some(notification) => notification::check(notification, common),
        None => Ok(()),
    }
}

fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match object.keys().find(|it| !known.contains(&it.as_str())) {
        Some(key) => wrong_structure(format!("the field {key} is not known here")),
        None => Ok(()),
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => wrong_structure(format!("{key} is not text")),
    }
}

fn flag(object: &Map<String, Value>, key: &str) -> Result<Option<bool>, Refusal> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::Bool(it)) => Ok(Some(*it)),
        Some(_) => wrong_structure(format!("{key} is neither true nor false")),
    }
}

fn number(object: &Map<String, Value>, key: &str, from: i64, to: i64) -> Result<(), Refusal> {
    match object.get(key) {
        None => Ok(()),
        Some(it) if it.as_i64().is_some_and(|it| (from..=to).contains(&it)) => Ok(()),
        Some(_) => wrong_structure(format!("{key} is not a number from {from} to {to}")),
    }
}

fn object<'a>(
    parent: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    match parent.get(key) {
        None => Ok(None),
        Some(Value::Object(it)) => Ok(Some(it)),
        Some(_) => wrong_structure(format!("{key} is not an object")),
    }
}

/// The elements of an array; none if it is not there.
fn list<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], Refusal> {
    match object.get(key) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => wrong_structure(format!("{key} is not a list")),
    }
}

/// The texts of an array, at most `most`.
fn texts(object: &Map<String, Value>, key: &str, most: usize) -> Result<(), Refusal> {
    let list = list(object, key)?;
    if list.len() > most || !list.iter().all(Value::is_string) {
        return wrong_structure(format!("{key} is not a list of {most} texts at most"));
    }
    Ok(())
}
