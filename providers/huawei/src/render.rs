//! What Huawei is sent (`messages:send`).
use std::{fmt::Write, time::Duration};

use push_core::{
    Badge, Content, DeliveryId, DeviceToken, Interruption, Notification, NotificationKind,
    Priority, Sound, TextLimits, TextUnit, Timestamp, UserId, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
    payload::Ext,
};
use push_kit::{intent::IntentUri, payload::fit};
use serde_json::{Map, Value, json};

use self::fields::OVERLAY;
use crate::{MAX_PAYLOAD, MAX_TTL};

pub(crate) mod fields;
mod forms;

/// The texts that Huawei shows.
pub(crate) const TEXT: TextLimits = TextLimits::new(60, 600, TextUnit::Utf16);

/// The shortest `ttl`.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(1);

/// The largest number that Huawei shows on an icon, and adds to it.
const MAX_BADGE: u32 = 99;

/// The texts that are cut where a message is too large, in this order.
const TEXTS: [&str; 2] = ["/android/notification/body", "/android/notification/title"];

/// How every message of one credential looks.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) click: Click,
    /// Empty: Huawei classifies by itself.
    pub(crate) category: String,
    /// The same for calls.
    pub(crate) call_category: String,
    pub(crate) target_user_type: u8,
    /// Empty: no badge.
    pub(crate) badge_class: String,
    pub(crate) channel_id: String,
    pub(crate) receipt_id: String,
    pub(crate) high_urgency: bool,
}

/// What a click opens.
#[derive(Clone, Debug)]
pub(crate) enum Click {
    /// An activity, by its intent URI.
    Intent(IntentUri),
    /// An activity, by the action of its intent filter.
    Action(String),
}

/// What belongs to one request and not to its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) badge: Badge,
    /// The delivery that receipts name: the first one.
    pub(crate) tag: Option<DeliveryId>,
    /// The delivery, if there is only one.
    pub(crate) delivery: Option<DeliveryId>,
    /// The user, if all deliveries are for one.
    pub(crate) receiver: Option<&'a UserId>,
}

/// A request body that lacks only its tokens.
pub(crate) struct Rendered {
    /// Everything up to the token list.
    head: String,
}

impl Rendered {
    /// The whole body for these tokens, in their order.
    pub(crate) fn body<'a>(&self, tokens: impl IntoIterator<Item = &'a DeviceToken>) -> String {
        let mut body = self.head.clone();
        for (at, token) in tokens.into_iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            // Writing to a string does not fail.
            write!(body, "{}", Value::from(token.expose())).unwrap_or_default();
        }
        body.push_str(TAIL);
        body
    }
}

/// The body up to the tokens.
fn head(message: &Value, validate_only: bool) -> String {
    let mut head = format!(r#"{{"validate_only":{validate_only},"message":{message}"#);
    head.pop();
    head.push_str(r#","token":["#);
    head
}

/// The body behind the tokens.
const TAIL: &str = "]}}";

impl Style {
    /// Renders `content` as of `now`.
    ///
    /// Where the body would be too large, the second copy of the click data goes first, then the end of the texts; `ext`
    /// itself is never shortened (S98).
    ///
    /// # Errors
    /// The verdict on every target, if Huawei could never accept it.
    pub(crate) fn render(
        &self,
        content: &Content,
        now: Timestamp,
        request: &Request<'_>,
    ) -> Result<Rendered, Verdict> {
        let notification = &content.notification;
        Ext::check_for("Huawei", &notification.ext)
            .map_err(|error| Verdict::payload_refused("ext", error.to_string()))?;
        let extras = Extras::new(&notification.ext, request);
        let mut android = self.android(notification, now);
        if let Some(tag) = request.tag {
            put(&mut android, "bi_tag", &tag.to_string());
        }
        if notification.kind == NotificationKind::Background {
            let high = self.high_urgency && notification.priority == Priority::High;
            put(
                &mut android,
                "urgency",
                if high { "HIGH" } else { "NORMAL" },
            );
        } else {
            let mut shown = self.shown(notification, request.badge)?;
            put(&mut shown, "tag", &collapse(content));
            shown.insert("click_action".into(), self.click.action(&extras));
            android.insert("notification".into(), shown.into());
        }
        fields::check(&notification.vendor)
            .map_err(|error| Verdict::payload_refused("vendor-field", error.to_string()))?;
        OVERLAY.lay(&notification.vendor, &mut android)?;
        if notification.kind == NotificationKind::Background {
            // Fields for every message of a class must not make a background push a shown one.
            android.remove("notification");
        }
        let message = json!({ "android": android, "data": extras.to_json() });
        let is_copied = android_shows(&message) && matches!(self.click, Click::Intent(_));
        cut(message, is_copied, false)
    }

    /// Renders a message that Huawei checks and does not deliver.
    ///
    /// # Errors
    /// None in practice: the message is small.
    pub(crate) fn render_check(&self) -> Result<Rendered, Verdict> {
        let question = Notification::default()
            .with_title("verify")
            .with_body("verify");
        let extras = Extras(Vec::new());
        let mut shown = self.shown(&question, Badge::Leave)?;
        shown.insert("click_action".into(), self.click.action(&extras));
        let mut android = self.android(&question, Timestamp::default());
        android.insert("notification".into(), shown.into());
        cut(json!({ "android": android }), false, true)
    }

    /// The fields that all kinds of message have.
    fn android(&self, notification: &Notification, now: Timestamp) -> Map<String, Value> {
        let mut android = Map::new();
        android.insert("target_user_type".into(), self.target_user_type.into());
        let category = match notification.kind {
            NotificationKind::Voip => &self.call_category,
            _ => &self.category,
        };
        put(&mut android, "category", category);
        put(&mut android, "receipt_id", &self.receipt_id);
        if let Some(at) = notification.expires_at {
            put(&mut android, "ttl", &ttl(at, now));
        }
        android
    }

    fn shown(
        &self,
        notification: &Notification,
        badge: Badge,
    ) -> Result<Map<String, Value>, Verdict> {
        let (title, body) = match (notification.title.as_str(), notification.body.as_str()) {
            ("", "") => {
                return Err(Verdict::payload_refused(
                    "empty",
                    "Huawei shows nothing without title and text, and both are empty",
                ));
            }
            (title, "") => (title, title),
            ("", body) => (body, body),
            both => both,
        };
        let mut shown = Map::new();
        put(&mut shown, "title", &TEXT.cut_title(title));
        put(&mut shown, "body", &TEXT.cut_body(body));
        let quiet = notification.sound == Sound::Silent
            || notification.priority == Priority::Low
            || notification.interruption == Some(Interruption::Passive);
        put(
            &mut shown,
            "importance",
            if quiet { "LOW" } else { "NORMAL" },
        );
        let is_default = notification.sound == Sound::Default;
        shown.insert("default_sound".into(), is_default.into());
        if let Sound::Named(file) = &notification.sound {
            put(&mut shown, "sound", &raw_resource(file));
        }
        if let (Some(badge), false) = (badge_field(badge), self.badge_class.is_empty()) {
            let (key, number) = badge;
            shown.insert(
                "badge".into(),
                json!({ key: number, "class": self.badge_class }),
            );
        }
        put(&mut shown, "group", &notification.thread);
        put(&mut shown, "channel_id", &self.channel_id);
        // Huawei would refuse the whole message for a picture that it cannot fetch safely.
        if notification.image.starts_with("https://") {
            put(&mut shown, "image", &notification.image);
        }
        Ok(shown)
    }
}

impl Click {
    fn action(&self, extras: &Extras) -> Value {
        match self {
            Self::Action(action) => json!({ "type": 1, "action": action }),
            Self::Intent(intent) => {
                let extras = extras.0.iter().map(|(key, value)| (*key, value.as_str()));
                json!({ "type": 1, "intent": intent.with_extras(extras) })
            }
        }
    }
}

/// What the app gets with a click: `ext`, and whom it is for.
struct Extras(Vec<(&'static str, String)>);

impl Extras {
    fn new(ext: &str, request: &Request<'_>) -> Self {
        let delivery = request.delivery.map(|delivery| delivery.to_string());
        let receiver = request.receiver.map(|user| user.as_str().to_owned());
        let ext = (!ext.is_empty()).then(|| ext.to_owned());
        let extras = [
            ("ext", ext),
            (DELIVERY_KEY, delivery),
            (RECEIVER_KEY, receiver),
        ];
        Self(
            extras
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
        )
    }

    /// `message.data`: JSON as text.
    fn to_json(&self) -> String {
        let object: Map<_, _> = self
            .0
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_str().into()))
            .collect();
        Value::Object(object).to_string()
    }
}

/// The key by which a later notification replaces this one; every message has one.
fn collapse(content: &Content) -> String {
    match content.notification.collapse.as_str() {
        "" => content.id.to_string(),
        key => key.to_owned(),
    }
}

/// A sound lies in the app's `res/raw` and is named without its suffix.
fn raw_resource(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if stem.starts_with('/') {
        stem.to_owned()
    } else {
        format!("/raw/{stem}")
    }
}

fn badge_field(badge: Badge) -> Option<(&'static str, u32)> {
    match badge {
        Badge::Set(number) => Some(("set_num", number.min(MAX_BADGE))),
        Badge::Add(number) => Some(("add_num", number.clamp(1, MAX_BADGE))),
        _ => None,
    }
}

/// Whole seconds, rounded up: a notification with a moment left still gets one second.
fn ttl(expires_at: Timestamp, now: Timestamp) -> String {
    let left = expires_at.since(now).clamp(MIN_TTL, MAX_TTL);
    format!("{}s", left.as_millis().div_ceil(1000))
}

fn android_shows(message: &Value) -> bool {
    message.pointer("/android/notification").is_some()
}

/// Makes `message` fit. `is_copied`: the click data is also in the intent.
fn cut(mut message: Value, is_copied: bool, validate_only: bool) -> Result<Rendered, Verdict> {
    let size_of = |message: &Value| head(message, validate_only).len() + TAIL.len();
    if is_copied
        && size_of(&message) > MAX_PAYLOAD
        && let Some(fields) = message.as_object_mut()
    {
        fields.remove("data");
    }
    fit(&mut message, MAX_PAYLOAD, &TEXTS, size_of).map_err(|excess| {
        Verdict::payload_refused(
            "80300008",
            format!(
                "the message takes {excess} bytes more than the {MAX_PAYLOAD} that Huawei accepts, and there is too little \
                 text to cut; shorten `ext` or the vendor fields"
            ),
        )
    })?;
    Ok(Rendered {
        head: head(&message, validate_only),
    })
}

fn put(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests;
