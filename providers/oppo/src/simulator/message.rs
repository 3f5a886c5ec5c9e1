//! Requests that send: one message, several, or the fields of one to save.
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    Options,
    check::{Notification, Refusal},
};

const MISSING: i64 = 40;
const WRONG: i64 = 41;

/// The most messages in one `unicast_batch`, and the most ids of a `broadcast`.
const MOST: usize = 1000;

/// A message to one phone.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) notification: Notification,
}

/// Reads `message`.
pub(super) fn one(fields: &HashMap<String, String>, options: &Options) -> Result<Message, Refusal> {
    let text = fields.get("message");
    let text = text.ok_or_else(|| (MISSING, "message: missing".to_owned()))?;
    message(parse(text)?, options)
}

/// Reads `messages`.
pub(super) fn several(
    fields: &HashMap<String, String>,
    options: &Options,
) -> Result<Vec<Message>, Refusal> {
    let text = fields.get("messages");
    let text = text.ok_or_else(|| (MISSING, "messages: missing".to_owned()))?;
    let list: Vec<Value> = parse(text)?;
    if list.is_empty() || list.len() > MOST {
        return Err((WRONG, "messages: 1 to 1000".to_owned()));
    }
    let list = list.into_iter().map(|entry| match entry {
        Value::Object(entry) => message(entry, options),
        _ => Err((WRONG, "messages: not objects".to_owned())),
    });
    list.collect()
}

fn message(mut entry: Map<String, Value>, options: &Options) -> Result<Message, Refusal> {
    if entry.get("target_type") != Some(&Value::from(2)) {
        return Err((WRONG, "target_type: only 2 is simulated".to_owned()));
    }
    let Some(Value::String(id)) = entry.remove("target_value") else {
        return Err((MISSING, "target_value: missing".to_owned()));
    };
    if !entry
        .get("verify_registration_id")
        .is_none_or(Value::is_boolean)
    {
        return Err((WRONG, "verify_registration_id: true or false".to_owned()));
    }
    let Some(Value::Object(notification)) = entry.remove("notification") else {
        return Err((MISSING, "notification: missing".to_owned()));
    };
    let known = ["target_type", "verify_registration_id"];
    if let Some(key) = entry.keys().find(|key| !known.contains(&key.as_str())) {
        return Err((WRONG, format!("{key}: unknown")));
    }
    let notification = Notification::read(notification, false, options)?;
    Ok(Message { id, notification })
}

/// Reads the flat fields of a message to save. Fields of the form that are none of a notification are tolerated, as OPPO's own
/// library sends one.
pub(super) fn flat(
    fields: &HashMap<String, String>,
    options: &Options,
) -> Result<Notification, Refusal> {
    const TEXTS: [&str; 14] = [
        "app_message_id",
        "title",
        "sub_title",
        "content",
        "big_picture_id",
        "small_picture_id",
        "click_action_activity",
        "click_action_url",
        "action_parameters",
        "call_back_url",
        "call_back_parameter",
        "channel_id",
        "category",
        "private_msg_template_id",
    ];
    let ignored = ["auth_token", "sdk_version", "time_zone"];
    let read = |(key, text): (&String, &String)| {
        if ignored.contains(&key.as_str()) {
            return None;
        }
        let value = if TEXTS.contains(&key.as_str()) {
            Value::from(text.as_str())
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()))
        };
        Some((key.clone(), value))
    };
    Notification::read(fields.iter().filter_map(read).collect(), true, options)
}

/// Reads the ids of a broadcast.
pub(super) fn receivers(fields: &HashMap<String, String>) -> Result<Vec<&str>, Refusal> {
    if fields.get("target_type").map(String::as_str) != Some("2") {
        return Err((WRONG, "target_type: only 2 is simulated".to_owned()));
    }
    let ids = fields.get("target_value").map_or("", String::as_str);
    let ids: Vec<&str> = ids.split(';').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > MOST {
        return Err((WRONG, "target_value: 1 to 1000 ids".to_owned()));
    }
    Ok(ids)
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| (WRONG, format!("not JSON: {error}")))
}
