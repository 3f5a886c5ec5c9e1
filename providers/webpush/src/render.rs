//! Notification to request: the headers of RFC 8030 §5 and the JSON that the service worker reads.
pub(crate) mod encrypt;
pub(crate) mod subscription;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use push_core::{
    Badge, Content, Describe, Error, Interruption, NotificationKind, Priority, Sound, Target,
    Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{
    input::one_of,
    overlay::{
        Field, Overlay,
        Shape::{Any, Flag, List, Object, Text, Whole, Word},
    },
    payload::fit,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest body of a request: RFC 8030 §7.2 lets a push service refuse more.
const LARGEST_BODY: usize = 4096;

/// The largest text of a message.
pub(crate) const MAX_PAYLOAD: usize = LARGEST_BODY - encrypt::OVERHEAD;

/// The lengths of bodies: the push service learns no more about the length of the text. Firefox on Android takes
/// 2,744 bytes, so texts are cut to that if they give way.
const BODIES: [usize; 5] = [512, 1024, 2048, BRIDGED, LARGEST_BODY];
const BRIDGED: usize = 2744;

/// 0 means now or never (RFC 8030 §5.2), and Apple takes only a positive number.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(1);

/// The longest time that each of the large push services keeps a message: four weeks.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// The bytes of the hash in `Topic`: 32 characters of base64url, the most that RFC 8030 §5.4 allows, and as many as can be decoded.
const TOPIC_BYTES: usize = 24;

/// What a message or a class policy may lay over the JSON: options of `showNotification`, in the spelling of this project, and
/// `urgency`, which becomes the header. The tag is the collapse key.
pub(crate) const OVERLAY: Overlay =
    Overlay::new(&["ext", DELIVERY_KEY, RECEIVER_KEY, "tag", "background"]).with_fields(FIELDS);

const FIELDS: &[Field] = &[
    ("urgency", Word(&["very-low", "low", "normal", "high"])),
    ("title", Text),
    ("body", Text),
    ("image", Text),
    ("icon", Text),
    ("badge_icon", Text),
    ("badge", Whole(0, u32::MAX as i64)),
    ("silent", Flag),
    ("renotify", Flag),
    ("require_interaction", Flag),
    ("timestamp", Whole(0, i64::MAX)),
    ("lang", Text),
    ("dir", Word(&["auto", "ltr", "rtl"])),
    ("vibrate", List(&Whole(0, 10_000))),
    (
        "actions",
        List(&Object(&[
            ("action", Text),
            ("title", Text),
            ("icon", Text),
        ])),
    ),
    ("data", Any),
];

/// How important it is to wake a device for a message (RFC 8030 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either.
    Low,
    /// On neither.
    Normal,
    /// Also with a low battery.
    High,
}

impl TryFrom<String> for Urgency {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let all = [Self::VeryLow, Self::Low, Self::Normal, Self::High];
        one_of(&text, &all.map(|urgency| (urgency.as_str(), urgency)))
    }
}

impl Urgency {
    /// The word of the header.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// How all notifications of a credential look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) urgency: Option<Urgency>,
    pub(crate) icon: String,
    pub(crate) badge_icon: String,
    /// The time to live of what does not expire.
    pub(crate) ttl: Duration,
}

/// A message before it is encrypted.
pub(crate) struct Push {
    /// All headers but the signature.
    pub(crate) headers: HeaderMap,
    /// The JSON.
    pub(crate) text: String,
    /// The length of the body.
    pub(crate) size: usize,
}

impl Look {
    /// Returns what is sent to `target` as of `now`.
    ///
    /// # Errors
    /// The verdict on the target: a vendor field is protected, or the message is too large.
    pub(crate) fn push(&self, target: &Target, now: Timestamp) -> Result<Push, Verdict> {
        let content = &*target.content;
        let wanted = &content.notification;
        let mut json = self.json(target);
        OVERLAY.lay(&wanted.vendor, &mut json)?;
        let urgency = json.remove("urgency");
        let urgency = urgency.as_ref().and_then(Value::as_str);
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(TTL, &seconds(self.life(wanted.expires_at, now)).to_string());
        set(TOPIC, &topic(content));
        if let Some(urgency) = urgency {
            set(URGENCY, &urgency.to_ascii_lowercase());
        }
        set(header::CONTENT_TYPE, "application/octet-stream");
        set(header::CONTENT_ENCODING, "aes128gcm");
        let text = cut(json.into())?.to_string();
        let bodies = BODIES.into_iter();
        let size = bodies.filter(|body| *body >= text.len() + encrypt::OVERHEAD);
        Ok(Push {
            headers,
            size: size.min().unwrap_or(LARGEST_BODY),
            text,
        })
    }

    fn life(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Duration {
        expires_at.map_or(self.ttl, |at| at.since(now).clamp(MIN_TTL, MAX_TTL))
    }

    /// The JSON before vendor fields. A text or a field that is empty is absent.
    fn json(&self, target: &Target) -> Map<String, Value> {
        let wanted = &target.content.notification;
        let mut json = Map::new();
        let mut set = |key: &str, value: Value| {
            if value != "" {
                json.insert(key.to_owned(), value);
            }
        };
        set("urgency", self.urgency(wanted).as_str().into());
        set("ext", wanted.ext.as_str().into());
        set(DELIVERY_KEY, target.delivery.to_string().into());
        if let Some(receiver) = &target.receiver {
            set(RECEIVER_KEY, receiver.as_str().into());
        }
        if let Badge::Set(number) = target.badge {
            set("badge", number.into());
        }
        if wanted.kind == NotificationKind::Background {
            set("background", true.into());
            return json;
        }
        set("title", wanted.title.as_str().into());
        set("body", wanted.body.as_str().into());
        set("tag", key(&target.content).into());
        set("thread", wanted.thread.as_str().into());
        if wanted.image.starts_with("https://") {
            set("image", wanted.image.as_str().into());
        }
        if wanted.sound == Sound::Silent {
            set("silent", true.into());
        }
        set("icon", self.icon.as_str().into());
        set("badge_icon", self.badge_icon.as_str().into());
        json
    }

    fn urgency(&self, wanted: &push_core::Notification) -> Urgency {
        self.urgency
            .unwrap_or(match (wanted.priority, wanted.interruption) {
                (Priority::Low, _) | (_, Some(Interruption::Passive)) => Urgency::Low,
                (Priority::Normal, _) => Urgency::Normal,
                (Priority::High, _) => Urgency::High,
            })
    }
}

/// How long the push service keeps a message (RFC 8030 §5.2).
pub(crate) const TTL: HeaderName = HeaderName::from_static("ttl");
const TOPIC: HeaderName = HeaderName::from_static("topic");
const URGENCY: HeaderName = HeaderName::from_static("urgency");

/// The collapse key. Without one, a notification replaces only its own repetitions.
fn key(content: &Content) -> String {
    match content.notification.collapse.as_str() {
        "" => content.id.to_string(),
        key => key.to_owned(),
    }
}

/// The collapse key as `Topic`: a hash, so that the push service does not learn which conversation it is.
fn topic(content: &Content) -> String {
    let hash = digest(&SHA256, key(content).as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..TOPIC_BYTES).unwrap_or_default())
}

/// Rounded up, so that what is left of the last second counts.
fn seconds(life: Duration) -> u64 {
    life.as_secs() + u64::from(life.subsec_nanos() > 0)
}

/// Cuts the texts until every browser takes the message, or, if `ext` needs the room, until most do.
fn cut(json: Value) -> Result<Value, Verdict> {
    const TEXTS: [&str; 2] = ["/body", "/title"];
    let size = |json: &Value| json.to_string().len();
    let mut short = json.clone();
    if fit(&mut short, BRIDGED - encrypt::OVERHEAD, &TEXTS, size).is_ok() {
        return Ok(short);
    }
    let mut long = json;
    match fit(&mut long, MAX_PAYLOAD, &TEXTS, size) {
        Ok(()) => Ok(long),
        Err(excess) => {
            let text = format!(
                "{excess} bytes more than the {MAX_PAYLOAD} that a push service must take; shorten `ext` or the vendor fields"
            );
            Err(Verdict::payload_refused("too-large", text))
        }
    }
}
