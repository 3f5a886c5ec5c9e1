//! The JSON of a push: rendered once for a content, completed for each target.
use bytes::Bytes;
use push_core::{
    DeliveryId, Interruption, Notification, Target, Timestamp,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{overlay::merge, payload::fit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Alert, AlertFields, Aps, CriticalSound, Event, PushType, Refusal, Sound, Text, VendorFields,
    number,
};

/// The texts that are cut, the first one first.
const TEXTS: [&str; 4] = ["/alert", "/alert/body", "/alert/subtitle", "/alert/title"];

/// A payload without what differs by target.
#[derive(Debug)]
pub(super) struct Payload {
    push_type: PushType,
    aps: Aps,
    /// The members of `aps` as JSON, without braces.
    aps_members: String,
    /// The members beside `aps` as JSON, without braces.
    beside_members: String,
    /// Whether a target's badge is added: the push can carry one, and the vendor fields set none.
    takes_badge: bool,
    /// Whether the target's delivery is named: the app runs or a person sees it, so that it can be reported on.
    names_delivery: bool,
    /// Whether the time of a Live Activity's change is added.
    is_dated: bool,
}

impl Payload {
    /// Renders `notification`, with `fields` laid over it.
    pub(super) fn new(
        notification: &Notification,
        fields: &VendorFields,
        push_type: PushType,
        has_badge: bool,
    ) -> Result<Self, Refusal> {
        let is_silent = has_badge && !shows_text(notification, fields, push_type);
        let mut aps = overlaid(usual(notification, push_type, is_silent), &fields.aps)?;
        if push_type == PushType::LiveActivity {
            aps.event = aps.event.or(Some(Event::Update));
        }
        check(&aps, push_type)?;
        let takes_badge = push_type == PushType::Alert && aps.badge.is_none();
        if push_type == PushType::Alert && aps == Aps::default() && !has_badge {
            return Err(Refusal::new(
                "PayloadEmpty",
                "the notification has neither text nor sound nor a number for the icon: nothing would be seen",
            ));
        }
        Ok(Self {
            push_type,
            aps_members: members(&aps)?,
            beside_members: members(&beside(notification, fields))?,
            takes_badge,
            names_delivery: match push_type {
                PushType::Alert => {
                    aps.alert.is_some() || aps.sound.is_some() || aps.content_available
                }
                PushType::Background | PushType::Voip => true,
                _ => false,
            },
            is_dated: push_type == PushType::LiveActivity && aps.timestamp.is_none(),
            aps,
        })
    }

    /// Returns `true` if nothing is shown or heard, but for the number on the icon.
    pub(super) fn is_silent(&self) -> bool {
        self.push_type == PushType::Alert && self.aps.alert.is_none() && self.aps.sound.is_none()
    }

    /// Returns the body for `target`. Texts are cut, first the body, then subtitle and title, if it would be too large;
    /// nothing else ever is. The delivery, which is needed for receipts only, is left out if it does not fit even so.
    pub(super) fn body(&self, target: &Target) -> Result<Bytes, Refusal> {
        let max = self.push_type.max_payload();
        let front = self.front(target);
        let receiver = target
            .receiver
            .as_ref()
            .map(|user| json!(user.as_str()).to_string());
        let receiver = receiver.as_deref();
        let delivery = self.names_delivery.then_some(target.delivery);
        let body = self.write(&front, &self.aps_members, receiver, delivery);
        if body.len() <= max {
            return Ok(body.into());
        }
        let mut aps = Value::Object(object(&self.aps)?);
        let excess = body.len() - max;
        let room = self.aps_members.len().saturating_sub(excess);
        let size = |aps: &Value| aps.to_string().len() - "{}".len();
        // If it is still too large, what follows reports that.
        fit(&mut aps, room, &TEXTS, size).ok();
        let aps = members(&aps)?;
        let mut bytes = 0;
        for delivery in [delivery, None] {
            let body = self.write(&front, &aps, receiver, delivery);
            if body.len() <= max {
                return Ok(body.into());
            }
            bytes = body.len();
        }
        Err(Refusal::new(
            "PayloadTooLarge",
            format!(
                "the payload has {bytes} bytes even without its texts, and a push of type {} may have {max}; make ext and the other fields smaller",
                self.push_type.as_str(),
            ),
        ))
    }

    /// Returns the members of `aps` that differ by target.
    fn front(&self, target: &Target) -> String {
        if self.takes_badge
            && let Some(number) = number(target.badge)
        {
            return format!(r#""badge":{number}"#);
        }
        if self.is_dated {
            // The time of the delivery and not of the attempt: a repeated change is not a newer one.
            let seconds = made_at(target.delivery).unix_seconds();
            return format!(r#""timestamp":{seconds}"#);
        }
        String::new()
    }

    fn write(
        &self,
        front: &str,
        aps: &str,
        receiver: Option<&str>,
        delivery: Option<DeliveryId>,
    ) -> String {
        let mut body =
            String::with_capacity(front.len() + aps.len() + self.beside_members.len() + 256);
        body.push_str(r#"{"aps":{"#);
        body.push_str(front);
        if !front.is_empty() && !aps.is_empty() {
            body.push(',');
        }
        body.push_str(aps);
        body.push('}');
        if !self.beside_members.is_empty() {
            body.push(',');
            body.push_str(&self.beside_members);
        }
        if let Some(delivery) = delivery {
            let delivery = delivery.to_string();
            body.extend([",\"", DELIVERY_KEY, "\":\"", &delivery, "\""]);
        }
        if let Some(receiver) = receiver {
            body.extend([",\"", RECEIVER_KEY, "\":", receiver]);
        }
        body.push('}');
        body
    }
}

/// Returns when the delivery was made, which its id says (RFC 9562 §5.7).
fn made_at(delivery: DeliveryId) -> Timestamp {
    let Some(time) = delivery.as_uuid().get_timestamp() else {
        return Timestamp::default();
    };
    let (seconds, _) = time.to_unix();
    Timestamp::from_unix_seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1000))
}

fn shows_text(notification: &Notification, fields: &VendorFields, push_type: PushType) -> bool {
    push_type == PushType::Alert
        && (fields
            .aps
            .get("alert")
            .is_some_and(|alert| !alert.is_null())
            || (notification.kind != push_core::NotificationKind::Background
                && texts(notification).is_some()))
}

/// Returns what a notification means in Apple's format. `is_silent`: it sets the number on the icon and nothing else.
fn usual(notification: &Notification, push_type: PushType, is_silent: bool) -> Aps {
    match push_type {
        PushType::Alert if is_silent => Aps {
            content_available: notification.wakes_app
                || notification.kind == push_core::NotificationKind::Background,
            ..Aps::default()
        },
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
            alert: texts(notification).map(|alert| with_sound(alert, notification)),
            ..Aps::default()
        },
        // WidgetKit takes no other key, and reloads nothing without this one.
        PushType::Widgets | PushType::Controls => Aps {
            content_changed: true,
            ..Aps::default()
        },
        _ => Aps::default(),
    }
}

fn alert(notification: &Notification) -> Aps {
    let critical = notification.interruption == Some(Interruption::Critical);
    let sound = sound_name(notification).map(|name| {
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
        sound,
        thread_id: some(&notification.thread),
        content_available: notification.wakes_app,
        // Without a service extension the picture is not loaded.
        mutable_content: notification.mutable || !notification.image.is_empty(),
        interruption_level: notification.interruption.map(Into::into),
        ..Aps::default()
    }
}

fn sound_name(notification: &Notification) -> Option<String> {
    match &notification.sound {
        push_core::Sound::Silent => None,
        push_core::Sound::Default => Some("default".to_owned()),
        push_core::Sound::Named(name) => Some(name.clone()),
    }
}

fn texts(notification: &Notification) -> Option<Alert> {
    let text = |text: &str| some(text).map(Text::Plain);
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
    fields.sound = sound_name(notification);
    Alert::Fields(fields)
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Lays `over` over `aps`: objects are merged key by key, everything else is replaced, and `null` removes.
fn overlaid(aps: Aps, over: &Map<String, Value>) -> Result<Aps, Refusal> {
    if over.is_empty() {
        return Ok(aps);
    }
    let mut under = object(&aps)?;
    if let (Some(alert), Some(Value::Object(over))) = (under.get_mut("alert"), over.get("alert")) {
        // A text alone is short for an alert with a body.
        if alert.is_string() {
            *alert = json!({ "body": alert.take() });
        }
        // A key for localised text replaces the plain text.
        for (key, plain) in [
            ("loc-key", "body"),
            ("title-loc-key", "title"),
            ("subtitle-loc-key", "subtitle"),
        ] {
            if over.contains_key(key)
                && let Some(alert) = alert.as_object_mut()
            {
                alert.remove(plain);
            }
        }
    }
    merge(&mut under, over);
    Aps::deserialize(Value::Object(under)).map_err(|_| {
        Refusal::new(
            "BadVendorFields",
            "`aps` does not fit the notification that it is laid over",
        )
    })
}

/// Returns what stands beside `aps`: `ext` as a string (S2), `image`, and the vendor fields' own keys.
fn beside(notification: &Notification, fields: &VendorFields) -> Map<String, Value> {
    let mut beside = Map::new();
    for (key, text) in [("ext", &notification.ext), ("image", &notification.image)] {
        if !text.is_empty() {
            beside.insert(key.to_owned(), Value::String(text.clone()));
        }
    }
    merge(&mut beside, &fields.payload);
    beside
}

fn object(value: &impl Serialize) -> Result<Map<String, Value>, Refusal> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Refusal::new(
            "BadVendorFields",
            "the payload cannot be written as JSON",
        )),
    }
}

/// Returns the members of an object as JSON, without its braces.
fn members(value: &impl Serialize) -> Result<String, Refusal> {
    let json = serde_json::to_string(value)
        .ok()
        .and_then(|json| Some(json.strip_prefix('{')?.strip_suffix('}')?.to_owned()));
    json.ok_or_else(|| Refusal::new("BadVendorFields", "the payload cannot be written as JSON"))
}

/// Refuses what Apple would refuse, or accept and not deliver, for its contents.
fn check(aps: &Aps, push_type: PushType) -> Result<(), Refusal> {
    let wrong = |text: &str| Err(Refusal::new("BadVendorFields", format!("`aps` {text}")));
    if push_type == PushType::Background
        && (aps.alert.is_some() || aps.badge.is_some() || aps.sound.is_some())
    {
        return wrong(
            "of a background push may not hold alert, badge or sound: send it as an alert that wakes the app",
        );
    }
    if push_type != PushType::LiveActivity {
        return match aps.relevance_score {
            Some(score) if !(0.0..=1.0).contains(&score) => {
                wrong("holds a relevance-score outside 0 to 1")
            }
            _ => Ok(()),
        };
    }
    if aps.input_push_channel.is_some() && aps.input_push_token {
        return wrong("holds both input-push-channel and input-push-token: keep one");
    }
    match aps.event {
        Some(Event::Start)
            if aps.alert.is_none() || aps.attributes.is_none() || aps.attributes_type.is_none() =>
        {
            wrong("starts a Live Activity and needs alert, attributes-type and attributes")
        }
        Some(Event::Update) | None if aps.content_state.is_none() => {
            wrong("changes a Live Activity and needs content-state")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
