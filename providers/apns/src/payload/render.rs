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
        PushType::Widgets => Aps {
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

fn write(
    aps: &Aps,
    beside: &Map<String, Value>,
    push_type: PushType,
) -> Result<Vec<u8>, Refusal> {
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
