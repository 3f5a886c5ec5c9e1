//! From a notification to the bytes of a payload.
use bytes::Bytes;
use push_core::{Badge, Interruption, Notification, Timestamp};
use serde_json::{Map, Value};

use super::{
    Alert, AlertFields, Aps, CriticalSound, Event, Sound, Text,
    fit::{json_len, shortened},
};
use crate::{push_type::PushType, vendor::VendorFields};

/// Why a notification cannot be sent as it is. Never holds its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Apple's reason for the same, or our own word where Apple has none.
    pub(crate) code: &'static str,
    /// What is wrong, and what to do about it.
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

/// Renders `notification` as a push of this kind. `dated` is when it was made: it dates changes of Live Activities.
///
/// Texts are cut, first the body, then subtitle and title, where the payload would be too large; nothing else ever is.
pub(crate) fn render(
    notification: &Notification,
    vendor: &VendorFields,
    push_type: PushType,
    dated: Timestamp,
) -> Result<Bytes, Refusal> {
    let mut aps = usual(notification, push_type).overlaid(&vendor.aps);
    if push_type == PushType::LiveActivity {
        aps.timestamp = aps.timestamp.or(Some(dated.unix_seconds()));
        aps.event = aps.event.or(Some(Event::Update));
    }
    check(&aps, push_type)?;
    let beside = beside(notification, vendor)?;
    let mut bytes = write(&aps, &beside, push_type)?;
    let max = push_type.max_payload();
    if bytes.len() > max {
        shorten(&mut aps, bytes.len() - max);
        bytes = write(&aps, &beside, push_type)?;
    }
    if bytes.len() > max {
        return Err(Refusal::new(
            "PayloadTooLarge",
            format!(
                "the payload has {} bytes even without its texts, and a push of type {} may have {max}; make ext and the other fields smaller",
                bytes.len(),
                push_type.as_str(),
            ),
        ));
    }
    Ok(bytes.into())
}

/// What a notification means in Apple's words.
fn usual(notification: &Notification, push_type: PushType) -> Aps {
    match push_type {
        PushType::Alert => alert(notification),
        PushType::Background => Aps {
            content_available: true,
            ..Aps::default()
        },
        PushType::Voip => Aps {
            alert: texts(notification),
            ..Aps::default()
        },
        PushType::LiveActivity => Aps {
            alert: texts(notification).map(|it| with_sound(it, notification)),
            ..Aps::default()
        },
        PushType::Widgets | PushType::Controls => Aps {
            content_changed: true,
            ..Aps::default()
        },
        _ => Aps::default(),
    }
}

fn alert(notification: &Notification) -> Aps {
    let critical = notification.interruption == Some(Interruption::Critical);
    let sound = match &notification.sound {
        push_core::Sound::Silent => None,
        push_core::Sound::Default => Some("default".to_owned()),
        push_core::Sound::Named(name) => Some(name.clone()),
    };
    let sound = sound.map(|name| {
        if critical {
            Sound::Critical(CriticalSound {
                critical: true,
                name,
                volume: Some(1.0),
            })
        } else {
            Sound::Named(name)
        }
    });
    Aps {
        alert: texts(notification),
        badge: match notification.badge {
            Badge::Leave => None,
            Badge::Set(number) => Some(number),
        },
        sound,
        thread_id: some(&notification.thread),
        content_available: notification.wakes_app,
        // Without a service extension nobody would load the picture.
        mutable_content: notification.mutable || !notification.image.is_empty(),
        interruption_level: notification.interruption.map(Into::into),
        ..Aps::default()
    }
}

fn texts(notification: &Notification) -> Option<Alert> {
    let text = |it: &str| some(it).map(Text::Plain);
    let (title, subtitle) = (text(&notification.title), text(&notification.subtitle));
    match (title, subtitle, some(&notification.body)) {
        (None, None, None) => None,
        (None, None, Some(body)) => Some(Alert::Body(body)),
        (title, subtitle, body) => Some(Alert::Fields(Box::new(AlertFields {
            title,
            subtitle,
            body: body.map(Text::Plain),
            ..AlertFields::default()
        }))),
    }
}

/// A Live Activity's sound stands inside the alert.
fn with_sound(alert: Alert, notification: &Notification) -> Alert {
    let mut fields = match alert {
        Alert::Fields(fields) => fields,
        Alert::Body(body) => Box::new(AlertFields {
            body: Some(Text::Plain(body)),
            ..AlertFields::default()
        }),
    };
    fields.sound = match &notification.sound {
        push_core::Sound::Silent => None,
        push_core::Sound::Default => Some("default".to_owned()),
        push_core::Sound::Named(name) => Some(name.clone()),
    };
    Alert::Fields(fields)
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What stands beside `aps`: `ext` as a string (S2), `image`, and the vendor's own fields.
fn beside(
    notification: &Notification,
    vendor: &VendorFields,
) -> Result<Map<String, Value>, Refusal> {
    let mut beside = Map::new();
    for (key, text) in [("ext", &notification.ext), ("image", &notification.image)] {
        if !text.is_empty() {
            beside.insert(key.to_owned(), Value::String(text.clone()));
        }
    }
    for (key, value) in &vendor.payload {
        if key == "aps" || (key == "ext" && !notification.ext.is_empty()) {
            return Err(Refusal::new(
                "BadVendorFields",
                format!(
                    "vendor.apns.payload may not hold `{key}`: aps has a table of its own, and ext comes from the notification"
                ),
            ));
        }
        beside.insert(key.clone(), value.clone());
    }
    Ok(beside)
}

fn write(aps: &Aps, beside: &Map<String, Value>, push_type: PushType) -> Result<Vec<u8>, Refusal> {
    #[derive(serde::Serialize)]
    struct Payload<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        aps: Option<&'a Aps>,
        #[serde(flatten)]
        beside: &'a Map<String, Value>,
    }
    // A push for device management is `{"mdm": …}` alone.
    let bare = push_type == PushType::Mdm && *aps == Aps::default();
    let payload = Payload {
        aps: (!bare).then_some(aps),
        beside,
    };
    serde_json::to_vec(&payload).map_err(|error| {
        Refusal::new(
            "BadVendorFields",
            format!("the payload cannot be written as JSON: {error}"),
        )
    })
}

/// Takes `over` bytes out of body, subtitle and title, in this order.
fn shorten(aps: &mut Aps, mut over: usize) {
    let mut cut = |text: &mut String| {
        if over == 0 {
            return;
        }
        let length = json_len(text);
        let short = shortened(text, length.saturating_sub(over));
        let saved = length.saturating_sub(json_len(&short));
        if saved > 0 {
            *text = short;
            over = over.saturating_sub(saved);
        }
    };
    match &mut aps.alert {
        None => {}
        Some(Alert::Body(body)) => cut(body),
        Some(Alert::Fields(fields)) => {
            let AlertFields {
                title,
                subtitle,
                body,
                ..
            } = fields.as_mut();
            for text in [body, subtitle, title] {
                if let Some(Text::Plain(text)) = text {
                    cut(text);
                }
            }
        }
    }
}

/// Refuses what Apple would refuse, or silently not deliver, for its contents.
fn check(aps: &Aps, push_type: PushType) -> Result<(), Refusal> {
    let wrong = |text: &str| Err(Refusal::new("BadVendorFields", format!("aps {text}")));
    if push_type == PushType::Background
        && (aps.alert.is_some() || aps.badge.is_some() || aps.sound.is_some())
    {
        return wrong(
            "of a background push may not hold alert, badge or sound: send it as an alert that wakes the app",
        );
    }
    if push_type == PushType::LiveActivity {
        if aps.input_push_channel.is_some() && aps.input_push_token {
            return wrong("holds both input-push-channel and input-push-token: keep one");
        }
        match aps.event {
            Some(Event::Start)
                if aps.alert.is_none()
                    || aps.attributes.is_none()
                    || aps.attributes_type.is_none()
                    || aps.content_state.is_none() =>
            {
                return wrong(
                    "starts a Live Activity and needs alert, attributes-type, attributes and content-state",
                );
            }
            Some(Event::Update) | None if aps.content_state.is_none() => {
                return wrong("changes a Live Activity and needs content-state");
            }
            _ => {}
        }
    } else if let Some(score) = aps.relevance_score
        && !(0.0..=1.0).contains(&score)
    {
        return wrong("holds a relevance-score outside 0 to 1");
    }
    if let Some(Sound::Critical(CriticalSound {
        volume: Some(volume),
        ..
    })) = &aps.sound
        && !(0.0..=1.0).contains(volume)
    {
        return wrong("holds a volume outside 0 to 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use push_core::Channel;
    use serde_json::json;

    use super::*;

    const DATED: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn rendered(notification: &Notification, push_type: PushType) -> Result<Value, Refusal> {
        let vendor = VendorFields::of(notification)?;
        let bytes = render(notification, &vendor, push_type, DATED)?;
        assert!(bytes.len() <= push_type.max_payload());
        Ok(serde_json::from_slice(&bytes).expect("a payload is JSON"))
    }

    fn with(fields: Value) -> Notification {
        let mut notification = Notification {
            title: "Ann".into(),
            body: "hello".into(),
            ..Notification::default()
        };
        notification.vendor.insert(Channel::APNS, fields);
        notification
    }

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z ]{1,80}",
            "[一-龥]{1,60}",
            "[\"\\\\\n\u{1}]{1,10}",
            Just("👨‍👩‍👧‍👦".repeat(5)),
            Just("🇨🇳👍🏽é".repeat(5)),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|it| it.concat())
    }

    fn is_cut(text: &str, original: &str) -> bool {
        text == original
            || text
                .strip_suffix('…')
                .is_some_and(|it| original.starts_with(it))
    }

    proptest! {
        /// S98+: the texts are cut on a character boundary, and nothing else ever is.
        #[test]
        fn a_payload_fits_and_its_ext_is_whole(title in text(), subtitle in text(), body in text(), ext in "[a-z{}\":\\\\]{0,2500}") {
            let notification = Notification {
                title: title.clone(),
                subtitle: subtitle.clone(),
                body: body.clone(),
                ext: ext.clone(),
                badge: Badge::Set(7),
                ..Notification::default()
            };
            let payload = match rendered(&notification, PushType::Alert) {
                Ok(payload) => payload,
                Err(refusal) => {
                    // Only an ext that leaves no room at all.
                    prop_assert_eq!(refusal.code, "PayloadTooLarge");
                    prop_assert!(serde_json::to_string(&ext).unwrap().len() > 3900);
                    return Ok(());
                }
            };
            prop_assert_eq!(payload["aps"]["badge"].as_u64(), Some(7));
            if !ext.is_empty() {
                prop_assert_eq!(payload["ext"].as_str(), Some(ext.as_str()));
            }
            let alert = &payload["aps"]["alert"];
            let shown = |key: &str| alert[key].as_str().unwrap_or_default();
            let shown_body = alert.as_str().unwrap_or_else(|| shown("body"));
            prop_assert!(is_cut(shown_body, &body));
            prop_assert!(is_cut(shown("subtitle"), &subtitle));
            prop_assert!(is_cut(shown("title"), &title));
            // The title is touched only when nothing is left of the body, and the subtitle before the title.
            if shown("title") != title && !body.is_empty() {
                prop_assert!(shown_body == "…" || json_len(&body) <= 3);
            }
        }
    }

    #[test]
    fn a_body_is_cut_to_the_last_byte_that_fits() {
        let notification = Notification {
            body: "x".repeat(5000),
            sound: push_core::Sound::Silent,
            ..Notification::default()
        };
        let vendor = VendorFields::default();
        let bytes = render(&notification, &vendor, PushType::Alert, DATED).unwrap();
        assert_eq!(bytes.len(), 4096);
        let bytes = render(&notification, &vendor, PushType::Voip, DATED).unwrap();
        assert_eq!(bytes.len(), r#"{"aps":{"alert":""}}"#.len() + 5000);
    }

    #[test]
    fn a_background_push_shows_nothing_and_keeps_its_data() {
        let notification = Notification {
            title: "Ann".into(),
            badge: Badge::Set(1),
            ext: "{}".into(),
            ..Notification::default()
        };
        let payload = rendered(&notification, PushType::Background).unwrap();
        assert_eq!(
            payload,
            json!({ "aps": { "content-available": 1 }, "ext": "{}" })
        );
    }

    #[test]
    fn a_live_activity_has_all_its_keys() {
        let keys = json!({
            "timestamp": 1_700_000_001,
            "event": "start",
            "content-state": { "goals": [1, 2] },
            "stale-date": 1_700_000_100,
            "dismissal-date": 1_700_000_200,
            "attributes-type": "Match",
            "attributes": { "home": "A" },
            "input-push-token": 1,
            "relevance-score": 75.0,
            "alert": { "title": { "loc-key": "GOAL", "loc-args": ["A"] } },
        });
        let payload = rendered(
            &with(json!({ "aps": keys.clone() })),
            PushType::LiveActivity,
        )
        .unwrap();
        let mut wanted = keys;
        // Its sound stands in the alert; the body of the notification stays where only the title is laid over.
        wanted["alert"]["body"] = json!("hello");
        wanted["alert"]["sound"] = json!("default");
        assert_eq!(payload["aps"], wanted);
    }

    #[test]
    fn a_live_activity_without_what_it_needs_is_refused() {
        for (aps, word) in [
            (json!({}), "content-state"),
            (
                json!({ "event": "start", "content-state": {} }),
                "attributes-type",
            ),
            (
                json!({ "content-state": {}, "input-push-token": 1, "input-push-channel": "x" }),
                "keep one",
            ),
        ] {
            let refusal =
                rendered(&with(json!({ "aps": aps })), PushType::LiveActivity).unwrap_err();
            assert!(refusal.text.contains(word), "{}", refusal.text);
        }
        let end = with(json!({ "aps": { "event": "end" } }));
        let payload = rendered(&end, PushType::LiveActivity).unwrap();
        assert_eq!(payload["aps"]["timestamp"], DATED.unix_seconds());
    }

    #[test]
    fn every_key_of_aps_survives_reading_and_writing() {
        let keys = json!({
            "alert": {
                "title": "t", "subtitle": "s", "body": "b", "launch-image": "i",
                "title-loc-key": "tk", "title-loc-args": ["1"], "subtitle-loc-key": "sk",
                "subtitle-loc-args": ["2"], "loc-key": "k", "loc-args": ["3"], "summary-arg": "later",
            },
            "badge": 0, "sound": { "critical": 1, "name": "x.caf", "volume": 0.5 }, "thread-id": "t",
            "category": "c", "content-available": 1, "mutable-content": 1, "target-content-id": "w",
            "interruption-level": "passive", "relevance-score": 0.25, "filter-criteria": "f",
            "url-args": ["a", "b"], "content-changed": true, "timestamp": 1, "event": "end",
            "content-state": { "a": null }, "stale-date": 2, "dismissal-date": 3, "attributes-type": "T",
            "attributes": {}, "input-push-channel": "c", "input-push-token": 1, "later": { "x": 1 },
        });
        let aps: Aps = serde_json::from_value(keys.clone()).unwrap();
        assert_eq!(serde_json::to_value(&aps).unwrap(), keys);
        let shown = format!("{aps:?} {:?}", aps.alert);
        assert!(
            shown.contains("thread-id") && !shown.contains("x.caf"),
            "{shown}"
        );
    }

    #[test]
    fn device_management_gets_its_word_and_no_aps() {
        let mut notification = with(json!({ "payload": { "mdm": "magic" } }));
        notification.ext.clear();
        let payload = rendered(&notification, PushType::Mdm).unwrap();
        assert_eq!(payload, json!({ "mdm": "magic" }));
    }
}
