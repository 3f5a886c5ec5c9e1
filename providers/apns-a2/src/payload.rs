//! Renders the payload, because the types of `a2` have no threads, interruption levels or top-level strings.
use a2::{NotificationOptions, request::payload::PayloadLike};
use push_core::{
    Badge, Interruption, Notification, NotificationKind, Sound, Target, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::payload::fit;
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

/// The texts that are cut, the first one first.
const TEXTS: [&str; 3] = ["/aps/alert/body", "/aps/alert/subtitle", "/aps/alert/title"];

/// Returns `true` if `notification` has a text to show.
pub(crate) fn shows_text(notification: &Notification) -> bool {
    let texts = [
        &notification.title,
        &notification.subtitle,
        &notification.body,
    ];
    notification.kind != NotificationKind::Background && texts.iter().any(|text| !text.is_empty())
}

/// Returns `true` if the push sets the number on the icon.
pub(crate) const fn sets_badge(target: &Target) -> bool {
    matches!(target.badge, Badge::Set(_))
}

/// Returns the payload for `target` as JSON, or why there is none. Texts are cut until it fits.
pub(crate) fn render(target: &Target, max_bytes: usize) -> Result<String, Verdict> {
    let notification = &target.content.notification;
    if let Some(field) = notification.vendor.keys().next() {
        return Err(Verdict::payload_refused(
            "BadVendorFields",
            format!("this engine takes no vendor fields, but there is `{field}`"),
        ));
    }
    let wakes_app = notification.kind == NotificationKind::Background || notification.wakes_app;
    let mut aps = Map::new();
    if shows_text(notification) || notification.kind == NotificationKind::Voip {
        aps = shown(notification);
    } else if !wakes_app && !sets_badge(target) {
        return Err(Verdict::payload_refused(
            "PayloadEmpty",
            "the notification has neither text nor a number for the icon: nothing would be seen",
        ));
    }
    if wakes_app {
        aps.insert("content-available".into(), json!(1));
    }
    if let Badge::Set(number) = target.badge {
        aps.insert("badge".into(), json!(number));
    }
    let is_reported = shows_text(notification) || wakes_app;
    let mut payload = Map::new();
    payload.insert("aps".into(), Value::Object(aps));
    for (key, text) in [("ext", &notification.ext), ("image", &notification.image)] {
        if !text.is_empty() {
            payload.insert(key.into(), json!(text));
        }
    }
    // Where only the number changes, no app runs that could report the delivery.
    if is_reported || notification.kind == NotificationKind::Voip {
        payload.insert(DELIVERY_KEY.into(), json!(target.delivery.to_string()));
    }
    if let Some(receiver) = &target.receiver {
        payload.insert(RECEIVER_KEY.into(), json!(receiver.as_str()));
    }
    let mut payload = Value::Object(payload);
    let size = |payload: &Value| payload.to_string().len();
    match fit(&mut payload, max_bytes, &TEXTS, size) {
        Ok(()) => Ok(payload.to_string()),
        Err(excess) => Err(Verdict::payload_refused(
            "PayloadTooLarge",
            format!(
                "the payload has {excess} bytes more than the {max_bytes} that APNs takes, even without its texts; make ext smaller"
            ),
        )),
    }
}

/// What a person sees and hears.
fn shown(notification: &Notification) -> Map<String, Value> {
    let mut aps = Map::new();
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
    aps
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use push_testkit::sample;

    use super::*;

    fn rendered(notification: Notification, badge: Badge) -> Value {
        let content = sample::content(notification);
        let target = sample::target("aa", &Arc::clone(&content)).with_badge(badge);
        let json = render(&target, 4096).expect("it renders");
        assert!(json.len() <= 4096);
        serde_json::from_str(&json).expect("JSON")
    }

    #[test]
    fn a_number_alone_is_all_that_a_push_without_text_carries() {
        let number = rendered(Notification::default(), Badge::Set(0));
        assert_eq!(number, json!({ "aps": { "badge": 0 } }));
        let woken = Notification::default().with_kind(NotificationKind::Background);
        let woken = rendered(woken, Badge::Set(4));
        assert_eq!(woken["aps"], json!({ "content-available": 1, "badge": 4 }));
    }

    #[test]
    fn a_long_text_is_cut_and_ext_stays_whole() {
        let text = "中".repeat(2000);
        let notification = sample::notification().with_body(text.clone());
        let shown = rendered(notification, Badge::Leave);
        let body = shown["aps"]["alert"]["body"].as_str().expect("text");
        let kept = body.strip_suffix('…').expect("the cut is marked");
        assert!(text.starts_with(kept) && kept.len() > 3000);
        assert_eq!(shown["ext"], sample::EXT);
    }
}
