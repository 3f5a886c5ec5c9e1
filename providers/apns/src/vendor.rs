//! What a sender may say for this vendor alone: `notification.vendor["apns"]`.
use push_core::{Channel, Notification};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    payload::{Aps, Refusal},
    push_type::PushType,
};

/// The fields of `notification.vendor["apns"]`. Whatever is set replaces what the notification itself would yield.
///
/// ```
/// let fields: push_provider_apns::VendorFields = serde_json::from_str(r#"{
///     "push-type": "alert",
///     "aps": { "category": "MESSAGE", "relevance-score": 0.8, "alert": { "loc-key": "NEW_MESSAGE", "loc-args": ["Ann"] } },
///     "payload": { "conversation": "42" }
/// }"#).unwrap();
/// assert_eq!(fields.aps.category.as_deref(), Some("MESSAGE"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VendorFields {
    /// The kind of push, where the notification's kind and the token's slot do not say it: `widgets`, `location`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_type: Option<PushType>,
    /// The whole topic, where it is not the bundle id with the suffix of the push type (`mdm`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// 10, 5 or 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Seconds since 1970; 0: try once and never store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u64>,
    /// At most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_id: Option<String>,
    /// Keys of `aps`, laid over what the notification yields.
    pub aps: Aps,
    /// Keys beside `aps`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub payload: Map<String, Value>,
}

impl VendorFields {
    /// Reads the fields out of `notification`.
    pub(crate) fn of(notification: &Notification) -> Result<Self, Refusal> {
        match notification.vendor.get(&Channel::APNS) {
            None => Ok(Self::default()),
            // The reader's words name keys and types, but may quote a value: they stay out of the answer.
            Some(fields) => Self::deserialize(fields).map_err(|error| {
                Refusal::new(
                    "BadVendorFields",
                    format!(
                        "vendor.apns does not read ({}); see VendorFields for its keys",
                        without_values(&error.to_string())
                    ),
                )
            }),
        }
    }
}

/// Takes quoted values out of a message of `serde`: from the first double quote to the last. Keys are between backticks.
fn without_values(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &message[..first], &message[last + 1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_type_is_refused_without_the_value() {
        let mut notification = Notification::default();
        notification.vendor.insert(
            Channel::APNS,
            json!({ "aps": { "badge": "a secret \"quoted\" text" } }),
        );
        let refusal = VendorFields::of(&notification).unwrap_err();
        assert!(refusal.text.contains("vendor.apns"));
        assert!(!refusal.text.contains("secret"), "{}", refusal.text);
        assert!(!refusal.text.contains("quoted"), "{}", refusal.text);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let mut notification = Notification::default();
        notification
            .vendor
            .insert(Channel::APNS, json!({ "pushtype": "alert" }));
        let refusal = VendorFields::of(&notification).unwrap_err();
        assert!(refusal.text.contains("pushtype"), "{}", refusal.text);
    }
}
