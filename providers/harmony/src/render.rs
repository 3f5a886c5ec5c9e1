//! Notification to request, as in the pages "push-scenariozed-api-request-param" and "-struct" (September 2026).
use std::time::Duration;

use push_core::{
    Badge, Batch, Content, Notification, NotificationKind, Sound, TextLimits, TextUnit, Timestamp,
    Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{
    collapse::collapse_number,
    overlay::{
        Field, Overlay,
        Shape::{Flag, List, Object, Text, Whole, Word},
    },
    payload::fit,
};
use serde_json::{Map, Value, json};

use crate::MAX_PAYLOAD;

/// `ttl` has whole seconds.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(1);

/// The longest `ttl`: 15 days.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(1_296_000);

/// How long a call may ring.
const CALL_TTL: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60));

/// The pages name no limit of title and text but that of the message.
pub(crate) const TEXT: TextLimits = TextLimits::NONE;

/// How much of title and text a call has, which the app draws from `extraData`, where nothing is cut.
const CALL_TEXT: TextLimits = TextLimits::new(64, 256, TextUnit::Utf16);

/// The largest number that a push sets on an icon, or adds to it.
const MAX_BADGE: u32 = 99;

/// The fields that a message or a class policy may set. `clickAction` and `extraData` carry the click data; `appMessageId` is by
/// what a phone recognises a repetition; `biTag` and `receiptId` belong to receipts; `testMessage` chooses between test and
/// release, as the credential does.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "payload.extraData",
    "payload.notification.appMessageId",
    "payload.notification.clickAction",
    "pushOptions.biTag",
    "pushOptions.receiptId",
    "pushOptions.testMessage",
])
.with_fields(&[
    (
        "payload",
        Object(&[
            ("notification", Object(NOTIFICATION)),
            ("proxyData", Word(&["ENABLE"])),
        ]),
    ),
    (
        "pushOptions",
        Object(&[
            ("ttl", Whole(1, 1_296_000)),
            ("collapseKey", Whole(-1, 100)),
        ]),
    ),
]);

const NOTIFICATION: &[Field] = &[
    // Not a list of words, so that a new category needs no new version.
    ("category", Text),
    ("title", Text),
    ("body", Text),
    ("image", Text),
    ("style", Whole(0, 3)),
    ("bigTitle", Text),
    ("bigBody", Text),
    ("inboxContent", List(&Text)),
    ("notifyId", Whole(-1, i32::MAX as i64)),
    ("profileId", Text),
    (
        "badge",
        Object(&[("addNum", Whole(1, 99)), ("setNum", Whole(0, 99))]),
    ),
    ("sound", Text),
    ("soundDuration", Whole(1, 60)),
    ("foregroundShow", Flag),
];

/// The header `push-type`: what kind of message a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushType {
    /// A notification. Needs no right of its own.
    Alert = 0,
    /// A notification that passes through the app's extension ability.
    Extension = 2,
    /// Data for the app, which shows nothing.
    Background = 6,
    /// An incoming call.
    Call = 10,
}

/// How all messages of a credential look.
pub(crate) struct Style {
    pub(crate) category: String,
    /// `clickAction` without its data.
    pub(crate) click: Map<String, Value>,
    pub(crate) test_message: bool,
    pub(crate) extension: bool,
    /// Empty: that of the app.
    pub(crate) receipt_id: String,
}

/// A request that lacks only the JWT.
pub(crate) struct Rendered {
    pub(crate) push_type: PushType,
    pub(crate) body: String,
}

impl Style {
    /// Renders the request that sends `batch`, all of one `content`, to `tokens`, as of `now`.
    ///
    /// # Errors
    /// The verdict on every target: both texts are empty, a vendor field is protected, or the message is too large.
    pub(crate) fn render(
        &self,
        batch: &Batch,
        content: &Content,
        tokens: &[&str],
        now: Timestamp,
    ) -> Result<Rendered, Verdict> {
        let wanted = &content.notification;
        let push_type = self.push_type(wanted);
        let mut data = click_data(batch, &wanted.ext);
        let mut payload = Map::new();
        if matches!(push_type, PushType::Alert | PushType::Extension) {
            let badge = batch.targets.first().map(|target| target.badge);
            let mut shown = self.shown(wanted, badge.unwrap_or_default())?;
            shown["notifyId"] = notify_id(content).into();
            // The same as at the last attempt where that may have succeeded: phones drop a repetition for 24 hours.
            shown["appMessageId"] = batch.id.to_string().into();
            shown["clickAction"]["data"] = data.clone().into();
            payload.insert("notification".into(), shown);
        }
        if push_type == PushType::Call {
            // The app draws the call, and has nothing else to show.
            data.insert("title".into(), CALL_TEXT.cut_title(&wanted.title).into());
            data.insert("body".into(), CALL_TEXT.cut_body(&wanted.body).into());
        }
        if push_type != PushType::Alert {
            let text = Value::Object(data).to_string();
            payload.insert("extraData".into(), text.into());
        }
        let mut options = self.options();
        if let Some(first) = batch.targets.first() {
            options.insert("biTag".into(), first.delivery.to_string().into());
        }
        let left = wanted.expires_at.map(|at| at.since(now));
        let ttl = match push_type {
            PushType::Call => left
                .or(Some(CALL_TTL.1))
                .map(|left| left.clamp(CALL_TTL.0, CALL_TTL.1)),
            _ => left.map(|left| left.clamp(MIN_TTL, MAX_TTL)),
        };
        if let Some(ttl) = ttl {
            // Rounded up, so that what is left of the last second counts.
            let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
            options.insert("ttl".into(), seconds.into());
        }
        let mut message = Map::new();
        message.insert("payload".into(), payload.into());
        message.insert("pushOptions".into(), options.into());
        OVERLAY.lay(&wanted.vendor, &mut message)?;
        let mut message = Value::Object(message);
        for (pointer, key, is_known) in [
            // Fields for every message of a class must not make a background push a shown one, or one that is refused.
            (
                "/payload",
                "notification",
                push_type != PushType::Background && push_type != PushType::Call,
            ),
            ("/payload", "proxyData", push_type == PushType::Background),
            (
                "/pushOptions",
                "collapseKey",
                matches!(push_type, PushType::Alert | PushType::Extension),
            ),
        ] {
            if let Some(Value::Object(fields)) = message.pointer_mut(pointer)
                && !is_known
            {
                fields.remove(key);
            }
        }
        finish(message, push_type, tokens)
    }

    /// Renders a test message to `token`, which no phone has.
    ///
    /// # Errors
    /// None in practice: the message is small.
    pub(crate) fn question(&self, token: &str) -> Result<Rendered, Verdict> {
        let text = Notification::default()
            .with_title("verify")
            .with_body("verify");
        let shown = self.shown(&text, Badge::Leave)?;
        let message =
            json!({ "payload": { "notification": shown }, "pushOptions": { "testMessage": true } });
        finish(message, PushType::Alert, &[token])
    }

    /// Returns what kind of message carries `notification`.
    pub(crate) const fn push_type(&self, notification: &Notification) -> PushType {
        match notification.kind {
            NotificationKind::Background => PushType::Background,
            NotificationKind::Voip => PushType::Call,
            _ if self.extension && notification.mutable => PushType::Extension,
            _ => PushType::Alert,
        }
    }

    /// What a person sees, and what a click opens.
    fn shown(&self, wanted: &Notification, badge: Badge) -> Result<Value, Verdict> {
        // Push Kit requires both texts: an empty one is replaced by the other.
        let (title, body) = match (wanted.title.as_str(), wanted.body.as_str()) {
            ("", "") => {
                let text = "title and text are empty, and Push Kit requires both";
                return Err(Verdict::payload_refused("empty", text));
            }
            (title, "") => (title, title),
            ("", body) => (body, body),
            both => both,
        };
        let mut shown = json!({
            "category": self.category,
            "title": TEXT.cut_title(title),
            "body": TEXT.cut_body(body),
            "clickAction": self.click,
        });
        match badge {
            Badge::Set(number) => shown["badge"] = json!({ "setNum": number.min(MAX_BADGE) }),
            Badge::Add(number @ 1..) => shown["badge"] = json!({ "addNum": number.min(MAX_BADGE) }),
            _ => {}
        }
        if let Sound::Named(file) = &wanted.sound {
            shown["sound"] = file.as_str().into();
        }
        // The whole message would be refused for a picture that is not https.
        if wanted.image.starts_with("https://") {
            shown["image"] = wanted.image.as_str().into();
        }
        Ok(shown)
    }

    /// `pushOptions` of every message.
    fn options(&self) -> Map<String, Value> {
        let mut options = Map::new();
        if self.test_message {
            options.insert("testMessage".into(), true.into());
        }
        if !self.receipt_id.is_empty() {
            options.insert("receiptId".into(), self.receipt_id.as_str().into());
        }
        options
    }
}

/// The number by which a later notification replaces this one, and a recall finds it; every notification has one.
pub(crate) fn notify_id(content: &Content) -> u32 {
    match content.notification.collapse.as_str() {
        "" => collapse_number(&content.id.to_string()),
        key => collapse_number(key),
    }
}

/// What the app gets with a click: `ext`, the delivery if there is one target, the receiver if all targets share one.
fn click_data(batch: &Batch, ext: &str) -> Map<String, Value> {
    let mut data = Map::new();
    if !ext.is_empty() {
        data.insert("ext".into(), ext.into());
    }
    if let [only] = batch.targets.as_slice() {
        data.insert(DELIVERY_KEY.into(), only.delivery.to_string().into());
    }
    if let Some(user) = batch.receiver() {
        data.insert(RECEIVER_KEY.into(), user.as_str().into());
    }
    data
}

/// Cuts the texts until the message fits, and adds the tokens.
fn finish(mut message: Value, push_type: PushType, tokens: &[&str]) -> Result<Rendered, Verdict> {
    const TEXTS: [&str; 2] = ["/payload/notification/body", "/payload/notification/title"];
    message["target"] = json!({ "token": [] });
    let size_of = |message: &Value| message.to_string().len();
    fit(&mut message, MAX_PAYLOAD, &TEXTS, size_of).map_err(|excess| {
        let text = format!(
            "{excess} bytes more than the {MAX_PAYLOAD} that Push Kit accepts; shorten `ext` or the vendor fields"
        );
        Verdict::payload_refused("80300008", text)
    })?;
    message["target"]["token"] = json!(tokens);
    Ok(Rendered {
        push_type,
        body: message.to_string(),
    })
}

#[cfg(test)]
mod tests;
