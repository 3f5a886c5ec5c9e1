//! Notification to request, as in Honor's guide to downlink messages ("发送下行消息能力指导", read November 2026).
use std::time::Duration;

use push_core::{
    Badge, Batch, Content, Describe, Error, Notification, NotificationKind, TextLimits, TextUnit,
    Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{
    collapse::collapse_word,
    input::one_of,
    intent::IntentUri,
    overlay::{
        Field, Overlay,
        Shape::{Any, Flag, List, Object, Text, Whole, Word},
    },
    payload::fit,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The largest message without its tokens, in bytes. Not documented where it could be read; other Android vendors have it.
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// `ttl` has whole seconds.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(1);

/// The longest `ttl`: 15 days.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(1_296_000);

/// Where an IM server that sends to Honor cuts texts; Honor's own limits are not documented where they could be read.
pub(crate) const TEXT: TextLimits = TextLimits::new(40, 256, TextUnit::Utf16);

/// The largest number on an icon.
const MAX_BADGE: u32 = 99;

/// What the app gets with a click.
pub(crate) const CLICK_KEYS: [&str; 3] = ["ext", DELIVERY_KEY, RECEIVER_KEY];

/// The fields of `android` that a message or a class policy may set. `biTag` names the delivery in receipts; `data` and
/// `clickAction` carry the click data; `targetUserType` chooses between test and release, as the credential does.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "biTag",
    "data",
    "notification.clickAction",
    "targetUserType",
])
.with_fields(&[("ttl", Text), ("notification", Object(NOTIFICATION))]);

const NOTIFICATION: &[Field] = &[
    ("title", Text),
    ("body", Text),
    ("image", Text),
    ("importance", Word(&["LOW", "NORMAL"])),
    ("style", Whole(0, 1)),
    ("bigTitle", Text),
    ("bigBody", Text),
    ("when", Text),
    ("notifyId", Whole(-1, i32::MAX as i64)),
    ("tag", Text),
    ("group", Text),
    ("badge", Object(BADGE)),
    ("buttons", List(&Any)),
    // Third-party clients send these; their effect is not documented.
    ("channelId", Text),
    ("foregroundShow", Flag),
    ("useDefaultVibrate", Flag),
    ("useDefaultLight", Flag),
    ("visibility", Text),
];

const BADGE: &[Field] = &[
    ("addNum", Whole(1, 99)),
    ("setNum", Whole(0, 99)),
    ("badgeClass", Text),
];

/// Honor's two classes of notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "UPPERCASE")]
pub enum Importance {
    /// Marketing: two a day for a phone, five for apps of news.
    Low,
    /// Service and communication: no daily limit.
    #[default]
    Normal,
}

impl TryFrom<String> for Importance {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        one_of(&text, &[("NORMAL", Self::Normal), ("LOW", Self::Low)])
    }
}

/// How all notifications of a credential look.
pub(crate) struct Look {
    /// The activity that a click opens; `None` for the app's entry activity.
    pub(crate) click: Option<IntentUri>,
    /// The class that holds the number on the icon; `None` leaves the number alone.
    pub(crate) badge_class: Option<String>,
    pub(crate) importance: Importance,
    pub(crate) target_user_type: u8,
}

impl Look {
    /// Returns the body of the request that sends `batch`, all of one `content`, as of `now`.
    ///
    /// # Errors
    /// The verdict on every target: both texts are empty, a vendor field is protected, or the message is too large.
    pub(crate) fn body(
        &self,
        batch: &Batch,
        content: &Content,
        now: Timestamp,
    ) -> Result<String, Verdict> {
        let wanted = &content.notification;
        let click = click_data(batch, &wanted.ext);
        let mut android = Map::new();
        let mut set = |key: &str, value: Value| drop(android.insert(key.to_owned(), value));
        set("targetUserType", self.target_user_type.into());
        if let Some(first) = batch.targets.first() {
            set("biTag", first.delivery.to_string().into());
        }
        if let Some(at) = wanted.expires_at {
            set("ttl", ttl(at.since(now)).into());
        }
        if wanted.kind == NotificationKind::Background {
            // `data` without a notification makes it a pass-through message.
            set("data", object(&click).to_string().into());
        } else {
            let badge = batch
                .targets
                .first()
                .map_or(Badge::Leave, |target| target.badge);
            let mut shown = self.shown(wanted, badge)?;
            let tag = match wanted.collapse.as_str() {
                "" => content.id.to_string(),
                key => collapse_word(key, 64).into_owned(),
            };
            shown["tag"] = tag.into();
            if let Some(intent) = &self.click {
                let extras = click.iter().map(|(key, value)| (*key, value.as_str()));
                shown["clickAction"] = json!({ "type": 1, "intent": intent.with_extras(extras) });
            } else {
                shown["clickAction"] = json!({ "type": 3 });
                set("data", object(&click).to_string().into());
            }
            set("notification", shown);
        }
        OVERLAY.lay(&wanted.vendor, &mut android)?;
        if wanted.kind == NotificationKind::Background {
            // A policy of its class would make it a notification, which is shown.
            android.remove("notification");
        } else if let Some(Value::Object(shown)) = android.get_mut("notification")
            && shown
                .get("importance")
                .is_none_or(|class| class != "NORMAL")
        {
            // A picture is for service and communication only: the message would be refused for it.
            shown.remove("image");
        }
        finish(android, batch)
    }

    fn shown(&self, wanted: &Notification, badge: Badge) -> Result<Value, Verdict> {
        // Honor requires both texts: a missing one is replaced by the other.
        let or =
            |text: &'_ str, other: &'_ str| if text.is_empty() { other } else { text }.to_owned();
        let (title, body) = (
            or(&wanted.title, &wanted.body),
            or(&wanted.body, &wanted.title),
        );
        if title.is_empty() {
            let text = "title and text are empty, and Honor requires both";
            return Err(Verdict::payload_refused("empty", text));
        }
        let mut shown = json!({
            "title": TEXT.cut_title(&title),
            "body": TEXT.cut_body(&body),
            "importance": match self.importance {
                Importance::Low => "LOW",
                Importance::Normal => "NORMAL",
            },
        });
        if wanted.image.starts_with("https://") {
            shown["image"] = wanted.image.as_str().into();
        }
        if !wanted.thread.is_empty() {
            shown["group"] = wanted.thread.as_str().into();
        }
        if let (Badge::Set(number), Some(class)) = (badge, &self.badge_class) {
            shown["badge"] = json!({ "badgeClass": class, "setNum": number.min(MAX_BADGE) });
        }
        Ok(shown)
    }

    /// Returns a test message to `token`, which no phone has.
    pub(crate) fn question(&self, token: &str) -> String {
        let shown = json!({
            "title": "verify",
            "body": "verify",
            "importance": "LOW",
            "clickAction": { "type": 3 },
        });
        json!({ "android": { "targetUserType": 1, "notification": shown }, "token": [token] })
            .to_string()
    }
}

/// What the app gets with a click: `ext`, the delivery if there is one target, the receiver if all targets share one.
fn click_data(batch: &Batch, ext: &str) -> Vec<(&'static str, String)> {
    let only = match batch.targets.as_slice() {
        [only] => Some(only.delivery.to_string()),
        _ => None,
    };
    let values = [
        Some(ext.to_owned()).filter(|ext| !ext.is_empty()),
        only,
        batch.receiver().map(|user| user.as_str().to_owned()),
    ];
    let pairs = CLICK_KEYS.into_iter().zip(values);
    pairs
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

fn object(pairs: &[(&str, String)]) -> Value {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

/// Rounded up, so that what is left of the last second counts.
fn ttl(left: Duration) -> String {
    let left = left.clamp(MIN_TTL, MAX_TTL);
    format!("{}s", left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

/// Cuts the texts until the message fits, and adds the tokens.
fn finish(android: Map<String, Value>, batch: &Batch) -> Result<String, Verdict> {
    const TEXTS: [&str; 2] = ["/android/notification/body", "/android/notification/title"];
    let mut message = json!({ "android": android });
    fit(&mut message, MAX_PAYLOAD, &TEXTS, |message| message.to_string().len()).map_err(
        |excess| {
            let text = format!(
                "{excess} bytes more than the {MAX_PAYLOAD} that are sent to Honor; shorten `ext` or the vendor fields"
            );
            Verdict::payload_refused("too-large", text)
        },
    )?;
    message["token"] = batch
        .targets
        .iter()
        .map(|target| target.token.expose())
        .collect();
    Ok(message.to_string())
}
