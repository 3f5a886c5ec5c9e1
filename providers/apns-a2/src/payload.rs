//! Renders the payload, because the types of `a2` have no threads, interruption levels or top-level strings.
use a2::{NotificationOptions, request::payload::PayloadLike};
use push_core::{
    Badge, Interruption, NotificationKind, Sound, Target, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A rendered payload, in the form that `a2` sends.
#[derive(Serialize)]
pub(crate) struct Rendered<'a> {
    #[serde(skip)]
    pub(crate) json: &'a str,
    #[serde(skip)]
    pub(crate) token: &'a str,
    #[serde(skip)]
    pub(crate) options: NotificationOptions<'a>,
}

// `PayloadLike` asks for `Debug`; a derived one would print the token and the text.
impl std::fmt::Debug for Rendered<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rendered({} bytes)", self.json.len())
    }
}

impl PayloadLike for Rendered<'_> {
    fn to_json_string(&self) -> Result<String, a2::Error> {
        Ok(self.json.to_owned())
    }
    fn get_device_token(&self) -> &str {
        self.token
    }
    fn get_options(&self) -> &NotificationOptions<'_> {
        &self.options
    }
}

/// Returns the payload for `target` as JSON, or why there is none. Texts are not cut; `provider-apns` does that.
pub(crate) fn render(target: &Target, max_bytes: usize) -> Result<String, Verdict> {
    let notification = &target.content.notification;
    if let Some(field) = notification.vendor.keys().next() {
        return Err(Verdict::payload_refused(
            "BadVendorFields",
            format!("this engine takes no vendor fields, but there is `{field}`"),
        ));
    }
    let mut aps = Map::new();
    if notification.kind == NotificationKind::Background {
        aps.insert("content-available".into(), json!(1));
    } else {
        let mut alert = Map::new();
        for (key, text) in [
            ("title", &notification.title),
            ("subtitle", &notification.subtitle),
            ("body", &notification.body),
        ] {
            if !text.is_empty() {
                alert.insert(key.into(), json!(text));
            }
        }
        if !alert.is_empty() {
            aps.insert("alert".into(), Value::Object(alert));
        }
        if let Badge::Set(number) = target.badge {
            aps.insert("badge".into(), json!(number));
        }
        match &notification.sound {
            Sound::Silent => {}
            Sound::Default => drop(aps.insert("sound".into(), json!("default"))),
            Sound::Named(name) => drop(aps.insert("sound".into(), json!(name))),
        }
        if !notification.thread.is_empty() {
            aps.insert("thread-id".into(), json!(notification.thread));
        }
        if let Some(level) = notification.interruption {
            let word = match level {
                Interruption::Passive => "passive",
                Interruption::Active => "active",
                Interruption::TimeSensitive => "time-sensitive",
                Interruption::Critical => "critical",
            };
            aps.insert("interruption-level".into(), json!(word));
        }
        if notification.mutable || !notification.image.is_empty() {
            aps.insert("mutable-content".into(), json!(1));
        }
        if notification.wakes_app {
            aps.insert("content-available".into(), json!(1));
        }
    }
    let mut payload = Map::new();
    payload.insert("aps".into(), Value::Object(aps));
    for (key, text) in [("ext", &notification.ext), ("image", &notification.image)] {
        if !text.is_empty() {
            payload.insert(key.into(), json!(text));
        }
    }
    payload.insert(DELIVERY_KEY.into(), json!(target.delivery.to_string()));
    if let Some(receiver) = &target.receiver {
        payload.insert(RECEIVER_KEY.into(), json!(receiver.as_str()));
    }
    let json = Value::Object(payload).to_string();
    if json.len() > max_bytes {
        return Err(Verdict::payload_refused(
            "PayloadTooLarge",
            format!(
                "the payload has {} bytes; APNs takes {max_bytes}, and this engine shortens nothing",
                json.len()
            ),
        ));
    }
    Ok(json)
}
