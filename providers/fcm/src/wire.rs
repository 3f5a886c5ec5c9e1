//! What FCM is sent (`projects.messages.send`).
use std::time::Duration;

use bytes::Bytes;
use push_core::{
    Badge, Channel, DeliveryId, DeviceToken, Notification, NotificationKind, Priority, Sound,
    Timestamp, Verdict, api::DELIVERY_KEY,
};
use serde_json::{Map, Value, json};

/// The most bytes of notification and data together.
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// The longest that FCM keeps a message for an absent phone.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// The topic that a dry run names: valid, and nobody is subscribed to it.
const DRY_RUN_TOPIC: &str = "offline-push-verify";

/// What the operator set for every message.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) channel_id: Option<String>,
    pub(crate) click_action: Option<String>,
}

/// What naming the delivery adds to a payload at most, in bytes: `{"delivery":"<UUID>"}` or `,"delivery":"<UUID>"`.
const DELIVERY_BYTES: usize = DELIVERY_KEY.len() + 36 + 7;

/// A message without its token, as JSON.
#[derive(Clone)]
pub(crate) struct Message {
    /// The object without its data; it is never empty.
    rest: String,
    /// The object `data`; empty text if there is none.
    data: String,
    /// Whether each message names its delivery, so that the app can say what became of it.
    names_delivery: bool,
}

impl Message {
    /// Renders `notification` as of `now`.
    ///
    /// # Errors
    /// The verdict on every target, if it cannot be sent to any.
    pub(crate) fn render(
        notification: &Notification,
        defaults: &Defaults,
        now: Timestamp,
    ) -> Result<Self, Verdict> {
        let mut message = match notification.kind {
            NotificationKind::Alert => alert(notification, defaults),
            NotificationKind::Background | NotificationKind::Voip => Map::new(),
            _ => {
                return Err(Verdict::payload_refused(
                    "unsupported-kind",
                    "FCM has no push of this kind",
                ));
            }
        };
        if !notification.ext.is_empty() {
            merge(
                &mut message,
                &json!({ "data": { "ext": notification.ext } }),
            );
        }
        merge(
            &mut message,
            &json!({ "android": android(notification, now) }),
        );
        if let Some(vendor) = notification.vendor.get(&Channel::FCM) {
            merge(&mut message, vendor);
        }
        let size = check(&message)?;
        let android = message.get("android").unwrap_or(&Value::Null);
        let has_delivery = [message.get("data"), android.get("data")]
            .into_iter()
            .flatten()
            .any(|it| it.get(DELIVERY_KEY).is_some());
        Ok(Self {
            // Only what a person sees is reported on, and a receipt is not worth a word of the text.
            names_delivery: notification.kind == NotificationKind::Alert
                && size + DELIVERY_BYTES <= MAX_PAYLOAD
                && !has_delivery,
            data: message
                .remove("data")
                .map(|it| it.to_string())
                .unwrap_or_default(),
            rest: Value::Object(message).to_string(),
        })
    }

    /// The request body for one token.
    pub(crate) fn to(&self, token: &DeviceToken, delivery: DeliveryId) -> Bytes {
        let token = Value::from(token.expose());
        let data = if self.names_delivery {
            let open = self.data.strip_suffix('}').unwrap_or("{");
            let comma = if open == "{" { "" } else { "," };
            format!(r#""data":{open}{comma}"{DELIVERY_KEY}":"{delivery}"}},"#)
        } else if self.data.is_empty() {
            String::new()
        } else {
            format!(r#""data":{},"#, self.data)
        };
        // `android` is always there, so there is a field to follow the comma.
        let rest = &self.rest[1..];
        format!(r#"{{"message":{{"token":{token},{data}{rest}}}"#).into()
    }
}

/// The body of a message that FCM checks and sends to nobody.
pub(crate) fn dry_run() -> Bytes {
    json!({ "validate_only": true, "message": { "topic": DRY_RUN_TOPIC } })
        .to_string()
        .into()
}

/// What the system shows by itself.
fn alert(notification: &Notification, defaults: &Defaults) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut android = Map::new();
    let set = |map: &mut Map<String, Value>, key: &str, text: &str| {
        if !text.is_empty() {
            map.insert(key.to_owned(), text.into());
        }
    };
    set(&mut shown, "title", &notification.title);
    set(&mut shown, "body", &notification.body);
    set(&mut shown, "image", &notification.image);
    // On the phone a tag replaces what is shown; `collapse_key` replaces what still waits at FCM.
    set(&mut android, "tag", &notification.collapse);
    set(
        &mut android,
        "channel_id",
        defaults.channel_id.as_deref().unwrap_or_default(),
    );
    set(
        &mut android,
        "click_action",
        defaults.click_action.as_deref().unwrap_or_default(),
    );
    match &notification.sound {
        Sound::Default => set(&mut android, "sound", "default"),
        Sound::Silent => {}
        // A resource of the app is found by its name, which has no suffix.
        Sound::Named(file) => {
            set(
                &mut android,
                "sound",
                file.rsplit_once('.').map_or(file, |it| it.0),
            );
        }
    }
    if let Badge::Set(count) = notification.badge {
        android.insert(
            "notification_count".to_owned(),
            count.min(i32::MAX as u32).into(),
        );
    }
    let mut message = Map::new();
    message.insert("notification".to_owned(), shown.into());
    if !android.is_empty() {
        message.insert("android".to_owned(), json!({ "notification": android }));
    }
    message
}

/// How the message travels.
fn android(notification: &Notification, now: Timestamp) -> Map<String, Value> {
    let mut android = Map::new();
    let priority = match notification.priority {
        Priority::High => "HIGH",
        Priority::Normal | Priority::Low => "NORMAL",
    };
    android.insert("priority".to_owned(), priority.into());
    if let Some(at) = notification.expires_at {
        let ttl = at.since(now).min(MAX_TTL).as_secs();
        android.insert("ttl".to_owned(), format!("{ttl}s").into());
    }
    if !notification.collapse.is_empty() {
        android.insert(
            "collapse_key".to_owned(),
            notification.collapse.as_str().into(),
        );
    }
    android
}

/// Puts `from` into `into`: objects are merged, everything else replaces what was there.
fn merge(into: &mut Map<String, Value>, from: &Value) {
    let Value::Object(from) = from else { return };
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(_)) => merge(old, value),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Refuses what FCM would certainly refuse, or what would send it to somebody else. Answers how many bytes of
/// [`MAX_PAYLOAD`] it takes.
fn check(message: &Map<String, Value>) -> Result<usize, Verdict> {
    for target in ["token", "topic", "condition", "fid"] {
        if message.contains_key(target) {
            return Err(Verdict::payload_refused(
                "target-in-vendor-fields",
                format!(
                    "the vendor fields name a `{target}`: targets come from registrations alone"
                ),
            ));
        }
    }
    let is_text_map = |it: &Value| {
        it.as_object()
            .is_some_and(|map| map.values().all(Value::is_string))
    };
    let android = message.get("android").unwrap_or(&Value::Null);
    for data in [message.get("data"), android.get("data")] {
        if data.is_some_and(|it| !is_text_map(it)) {
            return Err(Verdict::payload_refused(
                "data-is-not-text",
                "every value of `data` is a string",
            ));
        }
    }
    let size: usize = [
        message.get("notification"),
        message.get("data"),
        android.get("notification"),
        android.get("data"),
    ]
    .into_iter()
    .flatten()
    .map(|it| it.to_string().len())
    .sum();
    if size > MAX_PAYLOAD {
        return Err(Verdict::payload_refused(
            "payload-too-large",
            format!("notification and data take {size} bytes, and FCM takes {MAX_PAYLOAD}"),
        ));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use push_testkit::sample;

    use super::*;

    const DELIVERY: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

    fn delivery() -> DeliveryId {
        DELIVERY.parse().expect("a delivery id")
    }

    fn rendered(notification: &Notification, defaults: &Defaults) -> Value {
        let message = Message::render(notification, defaults, sample::NOW).expect("it renders");
        let token = DeviceToken::new("dJ7x:APA91b").expect("a token");
        serde_json::from_slice(&message.to(&token, delivery())).expect("the body is JSON")
    }

    fn refused(notification: &Notification) -> String {
        match Message::render(notification, &Defaults::default(), sample::NOW) {
            Ok(_) => panic!("it is refused"),
            Err(verdict) => verdict.answer.code,
        }
    }

    #[test]
    fn a_chat_message_becomes_a_notification_with_its_ext_as_data() {
        let notification = Notification {
            image: "https://example.com/a.png".into(),
            collapse: "conv-42".into(),
            expires_at: Some(sample::NOW + Duration::from_secs(3600)),
            ..sample::notification()
        };
        let defaults = Defaults {
            channel_id: Some("im".into()),
            click_action: Some("OPEN_CHAT".into()),
        };
        assert_eq!(
            rendered(&notification, &defaults),
            json!({"message": {
                "token": "dJ7x:APA91b",
                "notification": {
                    "title": sample::TITLE, "body": sample::BODY, "image": "https://example.com/a.png",
                },
                "data": {"ext": sample::EXT, "delivery": DELIVERY},
                "android": {
                    "priority": "HIGH",
                    "ttl": "3600s",
                    "collapse_key": "conv-42",
                    "notification": {
                        "channel_id": "im",
                        "click_action": "OPEN_CHAT",
                        "notification_count": 3,
                        "sound": "default",
                        "tag": "conv-42",
                    },
                },
            }})
        );
    }

    #[test]
    fn what_only_wakes_the_app_shows_nothing() {
        let notification = Notification {
            kind: NotificationKind::Background,
            priority: Priority::Normal,
            ext: "{}".into(),
            ..Notification::default()
        };
        assert_eq!(
            rendered(&notification, &Defaults::default())["message"],
            json!({"token": "dJ7x:APA91b", "data": {"ext": "{}"}, "android": {"priority": "NORMAL"}})
        );
    }

    /// S124
    #[test]
    fn a_badge_of_zero_is_sent_as_zero_and_no_badge_is_not_sent() {
        let count = |badge| {
            let notification = Notification {
                badge,
                ..sample::notification()
            };
            let json = rendered(&notification, &Defaults::default());
            json["message"]["android"]["notification"]["notification_count"].clone()
        };
        assert_eq!(count(Badge::Set(0)), 0);
        assert_eq!(count(Badge::Set(u32::MAX)), i32::MAX);
        assert_eq!(count(Badge::Leave), Value::Null);
    }

    #[test]
    fn the_time_to_live_is_what_is_left_and_four_weeks_at_most() {
        let ttl = |at| {
            let notification = Notification {
                expires_at: Some(at),
                ..sample::notification()
            };
            rendered(&notification, &Defaults::default())["message"]["android"]["ttl"].clone()
        };
        assert_eq!(ttl(sample::NOW + Duration::from_millis(59_999)), "59s");
        assert_eq!(ttl(sample::NOW - Duration::from_secs(5)), "0s");
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        assert_eq!(ttl(sample::NOW + year), "2419200s");
    }

    #[test]
    fn a_sound_is_named_without_its_suffix_and_silence_is_no_sound() {
        let sound = |sound| {
            let notification = Notification {
                sound,
                ..sample::notification()
            };
            let json = rendered(&notification, &Defaults::default());
            json["message"]["android"]["notification"]["sound"].clone()
        };
        assert_eq!(sound(Sound::Default), "default");
        assert_eq!(sound(Sound::Silent), Value::Null);
        assert_eq!(sound(Sound::Named("bell.ogg".into())), "bell");
        assert_eq!(sound(Sound::Named("bell".into())), "bell");
    }

    #[test]
    fn vendor_fields_are_merged_and_have_the_last_word() {
        let mut notification = sample::notification();
        notification.vendor.insert(
            Channel::FCM,
            json!({
                "android": {"notification": {"channel_id": "calls", "color": "#ff0000"}},
                "data": {"more": "1"},
                "fcm_options": {"analytics_label": "chat"},
            }),
        );
        let defaults = Defaults {
            channel_id: Some("im".into()),
            click_action: None,
        };
        let json = rendered(&notification, &defaults);
        let message = &json["message"];
        assert_eq!(message["android"]["notification"]["channel_id"], "calls");
        assert_eq!(message["android"]["notification"]["color"], "#ff0000");
        assert_eq!(message["android"]["notification"]["notification_count"], 3);
        assert_eq!(message["android"]["priority"], "HIGH");
        assert_eq!(
            message["data"],
            json!({"ext": sample::EXT, "more": "1", "delivery": DELIVERY})
        );
        assert_eq!(message["fcm_options"]["analytics_label"], "chat");
    }

    #[test]
    fn vendor_fields_can_neither_redirect_a_message_nor_break_its_data() {
        for (vendor, code) in [
            (json!({"topic": "everybody"}), "target-in-vendor-fields"),
            (json!({"token": "somebody"}), "target-in-vendor-fields"),
            (json!({"data": {"count": 1}}), "data-is-not-text"),
            (json!({"data": "x"}), "data-is-not-text"),
            (
                json!({"android": {"data": {"x": null}}}),
                "data-is-not-text",
            ),
        ] {
            let mut notification = sample::notification();
            notification.vendor.insert(Channel::FCM, vendor);
            assert_eq!(refused(&notification), code);
        }
    }

    #[test]
    fn the_limit_is_on_notification_and_data_to_the_byte() {
        let with_ext = |bytes: usize| Notification {
            sound: Sound::Silent,
            badge: Badge::Leave,
            title: String::new(),
            body: String::new(),
            ext: "x".repeat(bytes),
            ..sample::notification()
        };
        // {} and {"ext":"…"}
        let most = MAX_PAYLOAD - 2 - 10;
        rendered(&with_ext(most), &Defaults::default());
        assert_eq!(refused(&with_ext(most + 1)), "payload-too-large");
        // Whatever is said fits before a receipt is asked for.
        let names_delivery = |bytes: usize| {
            let json = rendered(&with_ext(bytes), &Defaults::default());
            let data = &json["message"]["data"];
            assert!(data.to_string().len() + 2 <= MAX_PAYLOAD, "{bytes}");
            data.get("delivery").is_some()
        };
        assert!(!names_delivery(most));
        assert!(names_delivery(most - DELIVERY_BYTES));
        assert!(!names_delivery(most - DELIVERY_BYTES + 1));
    }

    #[test]
    fn a_delivery_is_named_wherever_the_app_can_answer_and_the_sender_says_nothing_else() {
        let data = |ext: &str, vendor: Value| {
            let mut notification = Notification {
                ext: ext.into(),
                ..sample::notification()
            };
            notification.vendor.insert(Channel::FCM, vendor);
            rendered(&notification, &Defaults::default())["message"]["data"].clone()
        };
        assert_eq!(data("", json!({})), json!({"delivery": DELIVERY}));
        assert_eq!(data("", json!({"data": {}})), json!({"delivery": DELIVERY}));
        let own = json!({"delivery": "mine"});
        assert_eq!(data("", json!({"data": own})), own);
        let android = json!({"android": {"data": own}});
        assert_eq!(data("{}", android), json!({"ext": "{}"}));
    }

    #[test]
    fn a_live_activity_is_refused() {
        let notification = Notification {
            kind: NotificationKind::LiveActivity,
            ..Notification::default()
        };
        assert_eq!(refused(&notification), "unsupported-kind");
    }

    proptest! {
        #[test]
        fn what_people_write_arrives_as_they_wrote_it(
            title in "\\PC{1,40}|[\"\\\\{}\r\n\u{0}]{1,20}",
            body in any::<String>(),
            token in "[ -~]{1,80}",
        ) {
            let notification = Notification {
                title: title.clone(),
                body: body.clone(),
                ext: body.clone(),
                ..Notification::default()
            };
            let message = Message::render(&notification, &Defaults::default(), sample::NOW);
            if let Ok(message) = message {
                let to = DeviceToken::new(token.clone()).unwrap();
                let json: Value = serde_json::from_slice(&message.to(&to, delivery())).unwrap();
                let message = &json["message"];
                prop_assert_eq!(&message["token"], &Value::from(token));
                prop_assert_eq!(&message["notification"]["title"], &Value::from(title));
                let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
                prop_assert_eq!(text(&message["notification"]["body"]), body.clone());
                prop_assert_eq!(text(&message["data"]["ext"]), body);
            }
        }
    }
}
