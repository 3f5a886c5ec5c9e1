//! The fields that a message or a class policy may set for APNs alone: `notification.vendor`.
use http::HeaderValue;
use push_core::{
    Error, ErrorKind, Result,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Aps, PushType, Refusal, Sound};

/// The longest collapse id, in bytes.
pub(crate) const MAX_COLLAPSE_ID: usize = 64;

/// Fields that say who receives, or as whom the gateway sends. They belong to the credential and the registration.
const PROTECTED: [&str; 17] = [
    "topic",
    "apns-topic",
    "environment",
    "authorization",
    "certificate",
    "key",
    "key_id",
    "team_id",
    "token",
    "device-token",
    "device_token",
    "endpoint",
    "host",
    "path",
    "headers",
    "apns-id",
    "apns-channel-id",
];

/// Keys beside `aps` that the gateway itself writes.
const PROTECTED_KEYS: [&str; 4] = ["aps", "ext", DELIVERY_KEY, RECEIVER_KEY];

/// The fields that a message or a class policy may set for APNs alone, laid over what the notification yields: objects are
/// merged key by key, everything else is replaced.
///
/// ```
/// let fields: push_provider_apns::VendorFields = serde_json::from_str(r#"{
///     "push-type": "alert",
///     "aps": { "category": "MESSAGE", "relevance-score": 0.8, "alert": { "loc-key": "NEW_MESSAGE", "loc-args": ["Ann"] } },
///     "payload": { "conversation": "42" }
/// }"#).unwrap();
/// assert_eq!(fields.aps["category"], "MESSAGE");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct VendorFields {
    /// The push type, where the notification's kind does not say it: `widgets`, `location`, …. Not `voip`, `liveactivity` or
    /// `mdm`: the token's slot decides on the first two, and `mdm` has another receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_type: Option<PushType>,
    /// 10, 5 or 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Seconds since 1970; 0: try once and never store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u64>,
    /// At most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_id: Option<String>,
    /// Keys of `aps`, as in [`Aps`].
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub aps: Map<String, Value>,
    /// Keys beside `aps`; not `ext`, which comes from the notification, nor `delivery` and `receiver`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub payload: Map<String, Value>,
}

impl VendorFields {
    const NAMES: &[&str] = &[
        "push-type",
        "priority",
        "expiration",
        "collapse-id",
        "aps",
        "payload",
    ];

    /// Reads and checks `fields`, as far as that does not depend on the notification.
    pub(crate) fn read(fields: &Map<String, Value>, by_certificate: bool) -> Result<Self, Refusal> {
        if let Some(name) = fields.keys().find(|name| is_protected(name)) {
            return Err(wrong(format!(
                "`{name}` belongs to the credential or the registration: a message cannot change who receives it or as whom it is sent"
            )));
        }
        if let Some(name) = fields
            .keys()
            .find(|name| !Self::NAMES.contains(&name.as_str()))
        {
            return Err(wrong(format!(
                "`{name}` is unknown; the fields are {}",
                Self::NAMES.join(", ")
            )));
        }
        for (name, value) in fields {
            // Field by field, so that the refusal names the field and never its value.
            let one = Map::from_iter([(name.clone(), value.clone())]);
            if Self::deserialize(Value::Object(one)).is_err() {
                return Err(wrong(format!("`{name}` {}", wanted(name))));
            }
        }
        let read = Self::deserialize(Value::Object(fields.clone()))
            .map_err(|_| wrong("the fields cannot be read"))?;
        read.check(by_certificate)?;
        Ok(read)
    }

    fn check(&self, by_certificate: bool) -> Result<(), Refusal> {
        if let Some(push_type) = self.push_type {
            let word = push_type.as_str();
            if !push_type.is_for_messages() {
                return Err(Refusal::new(
                    "InvalidPushType",
                    format!(
                        "`push-type` {word} changes the receiver: the token's slot decides whether a push is a call or a Live Activity's change"
                    ),
                ));
            }
            if push_type == PushType::Location && by_certificate {
                return Err(Refusal::new(
                    "InvalidPushType",
                    "`push-type` location needs a credential with a .p8 key: Apple takes it with no certificate",
                ));
            }
        }
        if let Some(priority) = self.priority
            && !self.push_type.unwrap_or_default().allows_priority(priority)
        {
            return Err(Refusal::new(
                "BadPriority",
                format!(
                    "`priority` {priority} is not allowed: it is 10, 5 or 1, and 5 for a background push"
                ),
            ));
        }
        if let Some(id) = &self.collapse_id {
            if id.is_empty() || id.len() > MAX_COLLAPSE_ID {
                return Err(Refusal::new(
                    "BadCollapseId",
                    format!(
                        "`collapse-id` has {} bytes, and Apple takes 1 to {MAX_COLLAPSE_ID}",
                        id.len()
                    ),
                ));
            }
            if HeaderValue::from_bytes(id.as_bytes()).is_err() {
                return Err(Refusal::new(
                    "BadCollapseId",
                    "`collapse-id` has a character that no header may have",
                ));
            }
        }
        for (key, value) in &self.aps {
            let one = Map::from_iter([(key.clone(), value.clone())]);
            let aps = Aps::deserialize(Value::Object(one))
                .map_err(|_| wrong(format!("`aps.{key}` has a value of the wrong type")))?;
            check_ranges(&aps)?;
        }
        match self
            .payload
            .keys()
            .find(|key| PROTECTED_KEYS.contains(&key.as_str()))
        {
            Some(key) => Err(wrong(format!(
                "`payload` may not hold `{key}`: the gateway writes it itself"
            ))),
            None => Ok(()),
        }
    }
}

/// Checks the numbers that Apple limits.
fn check_ranges(aps: &Aps) -> Result<(), Refusal> {
    if let Some(Sound::Critical(sound)) = &aps.sound
        && let Some(volume) = sound.volume
        && !(0.0..=1.0).contains(&volume)
    {
        return Err(wrong("`aps.sound.volume` is outside 0 to 1"));
    }
    Ok(())
}

fn is_protected(name: &str) -> bool {
    PROTECTED
        .iter()
        .chain(&PROTECTED_KEYS[1..])
        .any(|protected| name.eq_ignore_ascii_case(protected))
}

fn wanted(name: &str) -> &'static str {
    match name {
        "push-type" => "is a push type of Apple's, as in `alert`, `background` or `widgets`",
        "priority" => "is the number 10, 5 or 1",
        "expiration" => "is a number of seconds since 1970",
        "collapse-id" => "is a text of 1 to 64 bytes",
        _ => "is an object",
    }
}

fn wrong(text: impl Into<String>) -> Refusal {
    Refusal::new("BadVendorFields", text)
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::Invalid, refusal.text).at("the fields for apns")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(fields: &Value) -> Refusal {
        VendorFields::read(fields.as_object().unwrap(), false).unwrap_err()
    }

    #[test]
    fn a_field_of_the_wrong_type_is_refused_by_name_and_without_its_value() {
        for (fields, name) in [
            (
                json!({ "aps": { "badge": "a secret \"quoted\" text" } }),
                "`aps.badge`",
            ),
            (
                json!({ "aps": { "content-available": "secret" } }),
                "`aps.content-available`",
            ),
            (json!({ "aps": "secret" }), "`aps`"),
            (json!({ "payload": ["secret"] }), "`payload`"),
            (json!({ "priority": "secret" }), "`priority`"),
            (json!({ "push-type": "secret" }), "`push-type`"),
        ] {
            let refusal = refusal(&fields);
            assert_eq!(refusal.code, "BadVendorFields");
            assert!(refusal.text.contains(name), "{}", refusal.text);
            assert!(!refusal.text.contains("secret"), "{}", refusal.text);
        }
    }

    #[test]
    fn an_unknown_field_is_named_together_with_the_known_ones() {
        let text = refusal(&json!({ "pushtype": "alert" })).text;
        assert!(text.contains("`pushtype` is unknown"), "{text}");
        assert!(text.contains("push-type, priority"), "{text}");
    }

    #[test]
    fn a_message_cannot_change_the_receiver_or_the_credential() {
        for name in [
            "topic",
            "apns-topic",
            "environment",
            "authorization",
            "Authorization",
            "token",
            "endpoint",
            "headers",
            "ext",
            "receiver",
            "delivery",
        ] {
            let text = refusal(&json!({ name: "com.example.other" })).text;
            assert!(text.contains(&format!("`{name}` belongs to")), "{text}");
        }
        for word in ["voip", "liveactivity", "Liveactivity", "mdm"] {
            let refusal = refusal(&json!({ "push-type": word }));
            assert_eq!(refusal.code, "InvalidPushType");
            assert!(
                refusal.text.contains("changes the receiver"),
                "{}",
                refusal.text
            );
        }
        for key in ["aps", "ext", "delivery", "receiver"] {
            let text = refusal(&json!({ "payload": { key: "x" } })).text;
            assert!(text.contains(&format!("may not hold `{key}`")), "{text}");
        }
    }

    #[test]
    fn a_location_push_needs_a_key() {
        let fields = json!({ "push-type": "location" });
        let fields = fields.as_object().unwrap();
        assert!(VendorFields::read(fields, false).is_ok());
        let refusal = VendorFields::read(fields, true).unwrap_err();
        assert_eq!(refusal.code, "InvalidPushType");
    }

    #[test]
    fn fields_that_are_null_are_unset() {
        let fields = json!({ "push-type": null, "priority": null, "collapse-id": null });
        let read = VendorFields::read(fields.as_object().unwrap(), false).unwrap();
        assert_eq!(read, VendorFields::default());
    }
}
