//! Notification to message, as in Xiaomi's documents 1558 (HTTP interface), 1854 (time to live) and 2314 (templates) of dev.mi.com,
//! read November 2026. A message has one form in both calls: the extras are an object in the call for many messages, and fields
//! with the prefix `extra.` in the call for one.
use std::time::Duration;

use push_core::{
    Badge, ContentId, DeliveryId, Describe, Error, Notification, NotificationKind, Sound,
    TextLimits, TextUnit, Timestamp, UserId, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{
    collapse::collapse_number,
    form,
    input::one_of,
    intent::IntentUri,
    overlay::{
        Field, Overlay,
        Shape::{Object, Text, Whole, Word},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

mod template;

pub(crate) use template::Template;

/// The largest `payload`, in bytes, by an older page of questions.
pub(crate) const MAX_PAYLOAD: usize = 4096;

/// `time_to_live` is in milliseconds; less than a second reaches no phone.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(1);

/// A title has less than 50 characters, a description less than 128. Whether a character beyond the first 65,536 counts once or
/// twice is not documented; counted twice it is within the limit either way.
pub(crate) const TEXT: TextLimits = TextLimits::new(49, 127, TextUnit::Utf16);

/// What the app gets with a click.
pub(crate) const CLICK_KEYS: [&str; 3] = ["ext", DELIVERY_KEY, RECEIVER_KEY];

/// The bit of `notify_type` for sound, and those for vibration and light.
const SOUND: i64 = 1;
const VIBRATION_AND_LIGHT: i64 = 6;

/// The fields of a message that a message or a class policy may set. `payload` and the extras named here carry the click data and
/// the address of receipts; the others choose the receiver, the kind of message, or what a click opens.
const OVERLAY: Overlay = Overlay::new(&[
    "alias",
    "aliases",
    "description",
    "messages",
    "pass_through",
    "payload",
    "time_to_send",
    "title",
    "topic_op",
    "topics",
    "user_account",
    "extra.callback",
    "extra.callback.param",
    "extra.callback.type",
    "extra.delivery",
    "extra.ext",
    "extra.intent_uri",
    "extra.notify_effect",
    "extra.receiver",
    "extra.web_uri",
])
.with_fields(&[
    ("notify_type", Whole(-1, 7)),
    ("notify_id", Whole(0, i32::MAX as i64)),
    ("time_to_live", Whole(1, 864_000_000)),
    ("extra", Object(EXTRA)),
]);

const EXTRA: &[Field] = &[
    ("app_version", Text),
    ("app_version_not_in", Text),
    ("badge", Text),
    ("channel_description", Text),
    ("channel_id", Text),
    ("channel_name", Text),
    ("connpt", Word(&["wifi"])),
    ("flow_control", Text),
    ("jobkey", Text),
    ("locale", Text),
    ("locale_not_in", Text),
    ("model", Text),
    ("model_not_in", Text),
    ("notify_foreground", Word(&["0", "1"])),
    ("only_send_once", Word(&["1"])),
    ("sound_uri", Text),
    ("template_id", Text),
    ("template_param", Text),
    ("ticker", Text),
];

/// What a click on a notification does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "lowercase")]
pub enum Click {
    /// Opens the app's launcher activity, which finds the message in the intent extra `key_message`.
    #[default]
    Launcher,
    /// Opens the activity of `intent`, which finds `ext` as an extra of its intent, and the message in `key_message`.
    Activity,
    /// Calls `onNotificationMessageClicked` of the app's receiver, which opens an activity itself.
    Receiver,
}

impl TryFrom<String> for Click {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        one_of(
            &text,
            &[
                ("launcher", Self::Launcher),
                ("activity", Self::Activity),
                ("receiver", Self::Receiver),
            ],
        )
    }
}

/// How all notifications of a credential look.
pub(crate) struct Look {
    /// The packages, with commas between them.
    pub(crate) packages: String,
    /// Empty for the default channel.
    pub(crate) channel_id: String,
    /// The template's id and values.
    pub(crate) template: Option<(String, Template)>,
    pub(crate) click: Click,
    /// The activity of [`Click::Activity`].
    pub(crate) intent: Option<IntentUri>,
    pub(crate) notify_type: i64,
    pub(crate) notify_foreground: bool,
    pub(crate) sends_badge: bool,
    /// Where receipts are posted, and which: a sum of bits.
    pub(crate) callback: Option<(String, u32)>,
    pub(crate) max_ttl: Duration,
    /// The longest value of an extra, in UTF-16 units.
    pub(crate) max_extra: usize,
}

/// What one message is made of.
pub(crate) struct Wanted<'a> {
    pub(crate) notification: &'a Notification,
    /// The collapse key of a notification that has none.
    pub(crate) content: ContentId,
    pub(crate) badge: Badge,
    /// What receipts repeat; `None` for no receipts.
    pub(crate) tag: Option<DeliveryId>,
    /// The delivery, if the message is for one target.
    pub(crate) delivery: Option<DeliveryId>,
    /// The user that all targets belong to.
    pub(crate) receiver: Option<&'a UserId>,
}

/// A message in Xiaomi's format, without target.
pub(crate) type Message = Map<String, Value>;

impl Look {
    /// Returns the message that shows `wanted`, as of `now`.
    ///
    /// # Errors
    /// The verdict on every target: there is no text, `ext` is too large, or a vendor field is protected or no template's
    /// values.
    pub(crate) fn message(&self, wanted: &Wanted<'_>, now: Timestamp) -> Result<Message, Verdict> {
        let notification = wanted.notification;
        let is_shown = notification.kind != NotificationKind::Background;
        let (title, body) = texts(notification);
        if is_shown && title.is_empty() {
            let text = "title and text are empty or blank, and Xiaomi requires both";
            return Err(Verdict::payload_refused("empty", text));
        }
        if let Some(excess) = notification.ext.len().checked_sub(MAX_PAYLOAD + 1) {
            let text = format!(
                "`ext` has {} bytes more than the {MAX_PAYLOAD} that Xiaomi takes; shorten it",
                excess + 1
            );
            return Err(Verdict::payload_refused("too-large", text));
        }
        let mut extra = Map::new();
        let mut set = |key: &str, value: &str| {
            if !value.is_empty() {
                extra.insert(key.to_owned(), value.into());
            }
        };
        let click = click_data(wanted);
        for (key, value) in &click {
            if TextUnit::Utf16.count(value) <= self.max_extra {
                set(key, value);
            }
        }
        set("channel_id", &self.channel_id);
        if let Some((id, template)) = &self.template {
            set("template_id", id);
            set("template_param", template.as_str());
        }
        if let (Some((url, types)), Some(tag)) = (&self.callback, wanted.tag) {
            set("callback", url);
            set("callback.param", &tag.to_string());
            set("callback.type", &types.to_string());
        }
        let mut message = json!({
            "restricted_package_name": self.packages,
            "pass_through": i32::from(!is_shown),
        });
        // A message without a notification is nothing but its payload.
        match notification.ext.as_str() {
            "" if is_shown => {}
            "" => message["payload"] = "{}".into(),
            ext => message["payload"] = ext.into(),
        }
        if let Some(at) = notification.expires_at {
            message["time_to_live"] = self.ttl(at.since(now)).into();
        }
        if is_shown {
            message["title"] = TEXT.cut_title(title).into();
            message["description"] = TEXT.cut_body(body).into();
            message["notify_id"] = match notification.collapse.as_str() {
                "" => collapse_number(&wanted.content.to_string()),
                key => collapse_number(key),
            }
            .into();
            message["notify_type"] = self.notify_type(&notification.sound).into();
            let is_foreground = if self.notify_foreground { "1" } else { "0" };
            set("notify_foreground", is_foreground);
            if let Some(name) = resource(&notification.sound) {
                let package = self.packages.split(',').next().unwrap_or_default();
                set(
                    "sound_uri",
                    &format!("android.resource://{package}/raw/{name}"),
                );
            }
            if let (Badge::Set(number), true) = (wanted.badge, self.sends_badge) {
                set("badge", &number.to_string());
            }
            match (self.click, &self.intent) {
                (Click::Activity, Some(intent)) => {
                    set("notify_effect", "2");
                    set("intent_uri", &self.intent_uri(intent, &click));
                }
                (Click::Receiver, _) => {}
                _ => set("notify_effect", "1"),
            }
        }
        message["extra"] = extra.into();
        let mut message = match message {
            Value::Object(message) => message,
            _ => Map::new(),
        };
        OVERLAY.lay(&without_empty(&notification.vendor), &mut message)?;
        template::fill(&mut message, title, body)?;
        Ok(message)
    }

    /// The intent with the click data as extras; without `ext` where it would be longer than an extra may be: the activity finds
    /// it in the message then.
    fn intent_uri(&self, intent: &IntentUri, click: &[(&'static str, String)]) -> String {
        let with = |from: usize| {
            let extras = click.get(from..).unwrap_or_default().iter();
            intent.with_extras(extras.map(|(key, value)| (*key, value.as_str())))
        };
        let whole = with(0);
        if whole.len() <= self.max_extra || click.first().is_none_or(|(key, _)| *key != "ext") {
            whole
        } else {
            with(1)
        }
    }

    /// Milliseconds, rounded up.
    fn ttl(&self, left: Duration) -> u64 {
        let left = left.clamp(MIN_TTL, self.max_ttl);
        u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    fn notify_type(&self, sound: &Sound) -> i64 {
        match sound {
            Sound::Silent if self.notify_type & VIBRATION_AND_LIGHT == 0 => VIBRATION_AND_LIGHT,
            Sound::Silent => self.notify_type & VIBRATION_AND_LIGHT,
            Sound::Named(_) if self.notify_type >= 0 => self.notify_type | SOUND,
            _ => self.notify_type,
        }
    }
}

/// Title and text without blanks around them. Xiaomi requires both: a missing one is replaced by the other.
fn texts(notification: &Notification) -> (&str, &str) {
    match (notification.title.trim(), notification.body.trim()) {
        ("", body) => (body, body),
        (title, "") => (title, title),
        both => both,
    }
}

/// What the app gets with a click, `ext` first.
fn click_data(wanted: &Wanted<'_>) -> Vec<(&'static str, String)> {
    let values = [
        wanted.notification.ext.clone(),
        wanted.delivery.map(|id| id.to_string()).unwrap_or_default(),
        wanted
            .receiver
            .map(|user| user.as_str().to_owned())
            .unwrap_or_default(),
    ];
    let pairs = CLICK_KEYS.into_iter().zip(values);
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

/// The name of a sound of the app, by the rules for resources; `None` if it can be none.
fn resource(sound: &Sound) -> Option<&str> {
    let Sound::Named(file) = sound else {
        return None;
    };
    let stem = file.split_once('.').map_or(file.as_str(), |(stem, _)| stem);
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!stem.is_empty() && stem.bytes().all(is_plain)).then_some(stem)
}

/// The fields without extras that are the empty text: these leave the credential's as they are (S100).
fn without_empty(vendor: &Map<String, Value>) -> Map<String, Value> {
    let mut vendor = vendor.clone();
    if let Some(Value::Object(extra)) = vendor.get_mut("extra") {
        extra.retain(|_, value| value != "");
    }
    vendor
}

/// Checks the vendor fields of a message or a class policy.
///
/// # Errors
/// [`ErrorKind::Invalid`](push_core::ErrorKind::Invalid), naming the first field that is protected, unknown or of another form.
pub(crate) fn check_fields(fields: &Map<String, Value>) -> Result<(), Error> {
    OVERLAY.check(fields)?;
    match fields.get("extra").map(|extra| &extra["template_param"]) {
        Some(Value::String(values)) => template::check(values),
        _ => Ok(()),
    }
}

/// The body of the request that sends `message` to `tokens`.
pub(crate) fn one(message: &Message, tokens: &[&str]) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut fields = vec![("registration_id".to_owned(), tokens.join(","))];
    for (key, value) in message {
        match value {
            Value::Object(extra) => fields.extend(
                extra
                    .iter()
                    .map(|(key, value)| (format!("extra.{key}"), text(value))),
            ),
            other => fields.push((key.clone(), text(other))),
        }
    }
    encoded(
        fields
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    )
}

/// The body of the request that sends each message to its token.
pub(crate) fn multi<'a>(messages: impl IntoIterator<Item = (&'a str, Message)>) -> String {
    let messages = messages.into_iter();
    let messages: Value = messages
        .map(|(target, message)| json!({ "target": target, "message": message }))
        .collect();
    encoded([("messages", messages.to_string().as_str())])
}

/// A blank is `+`, as Xiaomi's library writes it.
fn encoded<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form::encode(fields).expose().replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_values_are_encoded_once_as_on_record() {
        let vectors = include_str!("../tests/fixtures/vectors.json");
        let vectors: Value = serde_json::from_str(vectors).expect("the vectors are JSON");
        let pairs: Vec<(String, String)> =
            serde_json::from_value(vectors["form"].clone()).expect("pairs of texts");
        assert_eq!(pairs.len(), 8);
        for (value, wanted) in &pairs {
            assert_eq!(encoded([("f", value.as_str())]), format!("f={wanted}"));
        }
        // The last is a request for several messages.
        let (list, _) = pairs.last().expect("a pair");
        let list: Vec<Value> = serde_json::from_str(list).expect("an array");
        let messages = list.iter().map(|entry| {
            let message = entry["message"].as_object().expect("an object");
            (entry["target"].as_str().expect("text"), message.clone())
        });
        let sent = multi(messages);
        let decoded = form::field(sent.as_bytes(), "messages").expect("the field");
        assert_eq!(
            serde_json::from_str::<Vec<Value>>(&decoded).expect("JSON"),
            list
        );
    }

    #[test]
    fn the_time_to_live_is_in_milliseconds_rounded_up() {
        let config = crate::XiaomiConfig::new("secret", "com.example.im");
        let look = config.check(None).expect("it is complete").look;
        for (left, wanted) in [
            (Duration::ZERO, 1000),
            (Duration::from_millis(1), 1000),
            (Duration::from_micros(1_000_001), 1001),
            (Duration::from_secs(86_400), 86_400_000),
            (Duration::MAX, 864_000_000),
        ] {
            assert_eq!(look.ttl(left), wanted, "{left:?}");
        }
    }

    #[test]
    fn only_the_name_of_a_resource_is_sent_as_a_sound() {
        for (file, wanted) in [
            ("private_ring.mp3", Some("private_ring")),
            ("ring", Some("ring")),
            ("Ring.caf", None),
            ("../ring", None),
            (".mp3", None),
            ("ring&x=1", None),
        ] {
            assert_eq!(resource(&Sound::Named(file.to_owned())), wanted, "{file}");
        }
        assert_eq!(resource(&Sound::Silent), None);
    }
}
