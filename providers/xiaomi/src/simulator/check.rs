//! Whether Xiaomi takes a message.
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use push_core::Timestamp;
use push_kit::intent::IntentUri;
use push_testkit::simulator::form;
use serde_json::{Map, Value};

use super::PACKAGE;

/// The app's private and its public channel.
pub(super) const PRIVATE: &str = "104086";
pub(super) const PUBLIC: &str = "104087";

/// The template of the private channel, and its variables.
pub(super) const TEMPLATE: &str = "T10001";
const VARIABLES: [&str; 2] = ["sender", "text"];
const LONGEST_VALUE: usize = 128;

const LARGEST_PAYLOAD: usize = 4096;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_OWN: usize = 10;
const LONGEST_OWN: usize = 1024;

/// A title has fewer UTF-16 units than this, a description fewer than that.
const TITLE: usize = 50;
const DESCRIPTION: usize = 128;

/// A message's fields besides `extra.…` and the targets.
const FIELDS: [&str; 8] = [
    "payload",
    "restricted_package_name",
    "pass_through",
    "title",
    "description",
    "notify_type",
    "notify_id",
    "time_to_live",
];

/// The extras that Xiaomi gives a meaning to; any other is the app's own.
const KNOWN: [&str; 25] = [
    "channel_id",
    "channel_name",
    "channel_description",
    "template_id",
    "template_param",
    "notify_effect",
    "intent_uri",
    "web_uri",
    "notify_foreground",
    "sound_uri",
    "ticker",
    "flow_control",
    "jobkey",
    "only_send_once",
    "connpt",
    "locale",
    "locale_not_in",
    "model",
    "model_not_in",
    "app_version",
    "app_version_not_in",
    "callback",
    "callback.param",
    "callback.type",
    "badge",
];

/// Why a request is refused: code and reason.
pub(super) type Refusal = (i64, String);

/// The fields of a form.
pub(super) type Fields = HashMap<String, String>;

/// Which kind of channel a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Default,
    Public,
    Private,
}

impl Kind {
    /// The longest that a message is kept.
    fn longest(self) -> Duration {
        match self {
            Self::Private => DAY * 10,
            Self::Default | Self::Public => DAY,
        }
    }

    /// How many messages a phone gets a day.
    pub(super) const fn daily(self) -> Option<u64> {
        match self {
            Self::Default => Some(1),
            Self::Public => Some(5),
            Self::Private => None,
        }
    }
}

/// A message that passed.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    /// Title and description; `None` for a data message.
    pub(super) shown: Option<(String, String)>,
    pub(super) payload: String,
    pub(super) notify_id: Option<u32>,
    pub(super) notify_type: i64,
    pub(super) ttl: Duration,
    pub(super) kind: Kind,
    pub(super) extra: BTreeMap<String, String>,
}

/// The number of the day in China, where Xiaomi counts quotas.
pub(super) fn day(now: Timestamp) -> i64 {
    (now.unix_millis() + 8 * 3_600_000).div_euclid(86_400_000)
}

fn require(is_right: bool, code: i64, what: &str) -> Result<(), Refusal> {
    if is_right {
        Ok(())
    } else {
        Err((code, what.to_owned()))
    }
}

/// The messages of `/v2/multi_messages/regids`, each with its target, as the fields of a form.
pub(super) fn messages(list: &str) -> Result<Vec<(String, Fields)>, Refusal> {
    let wrong = |what: &str| (65_030, format!("messages: {what}"));
    let list: Vec<Map<String, Value>> =
        serde_json::from_str(list).map_err(|_| wrong("not a JSON array of objects"))?;
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(wrong("a value is neither text nor a number")),
    };
    let mut read = Vec::new();
    for mut entry in list {
        let target = entry.remove("target").unwrap_or_default();
        let target = target.as_str().filter(|target| !target.is_empty());
        let target = target.ok_or_else(|| wrong("no target"))?.to_owned();
        let Some(Value::Object(message)) = entry.remove("message") else {
            return Err(wrong("no message"));
        };
        if !entry.is_empty() {
            return Err(wrong("an unknown member beside `target` and `message`"));
        }
        let mut fields = Fields::new();
        for (key, value) in &message {
            match value {
                Value::Object(extra) if key == "extra" => {
                    for (key, value) in extra {
                        let is_prefixed = key.starts_with("extra.");
                        require(!is_prefixed, 10_017, "an extra has the prefix `extra.`")?;
                        fields.insert(format!("extra.{key}"), text(value)?);
                    }
                }
                value => drop(fields.insert(key.clone(), text(value)?)),
            }
        }
        read.push((target, fields));
    }
    Ok(read)
}

/// The packages of a message are the app's.
pub(super) fn package(fields: &Fields, version: u8) -> Result<(), Refusal> {
    let Some(names) = fields.get("restricted_package_name") else {
        return Err((21_305, "restricted_package_name is missing".to_owned()));
    };
    let names: Vec<&str> = names.split(',').collect();
    require(
        version > 2 || names.len() == 1,
        10_017,
        "restricted_package_name: one package only",
    )?;
    require(
        names.contains(&PACKAGE),
        22_022,
        "restricted_package_name: not a package of the app",
    )
}

impl Message {
    /// Reads the fields of a form.
    ///
    /// # Errors
    /// Code and reason of the refusal.
    pub(super) fn read(mut fields: Fields, requires_template: bool) -> Result<Self, Refusal> {
        let mut extra = BTreeMap::new();
        fields.retain(|key, value| match key.strip_prefix("extra.") {
            Some(key) => {
                extra.insert(key.to_owned(), std::mem::take(value));
                false
            }
            None => true,
        });
        let unknown = fields.keys().find(|key| !FIELDS.contains(&key.as_str()));
        if let Some(key) = unknown {
            return Err((10_008, format!("there is no parameter {key}")));
        }
        let number = |key: &str, range: std::ops::RangeInclusive<i64>| {
            let text = fields.get(key);
            let number = text.map(|text| text.parse().ok().filter(|number| range.contains(number)));
            match number {
                Some(None) => Err((10_017, format!("{key}: not a number in its range"))),
                number => Ok(number.flatten()),
            }
        };
        let is_data = match number("pass_through", 0..=1)? {
            None => return Err((21_305, "pass_through is missing".to_owned())),
            Some(kind) => kind == 1,
        };
        let payload = fields.get("payload").cloned().unwrap_or_default();
        require(
            payload.len() <= LARGEST_PAYLOAD,
            65_009,
            "payload: longer than 4096 bytes",
        )?;
        require(!is_encoded(&payload), 10_008, "payload: encoded twice")?;
        let shown = if is_data {
            require(!payload.is_empty(), 21_305, "payload is missing")?;
            None
        } else {
            let title = shown_text(fields.get("title"), "title", TITLE)?;
            let text = shown_text(fields.get("description"), "description", DESCRIPTION)?;
            Some((title, text))
        };
        let kind = channel(&extra)?;
        if kind == Kind::Private && requires_template {
            template(&extra)?;
        }
        extras(&extra)?;
        let ttl = number("time_to_live", 1..=i64::MAX)?.map(i64::unsigned_abs);
        let ttl = ttl.map_or(kind.longest(), Duration::from_millis);
        Ok(Self {
            shown,
            payload,
            notify_id: number("notify_id", 0..=2_147_483_647)?
                .and_then(|id| u32::try_from(id).ok()),
            notify_type: number("notify_type", -1..=7)?.unwrap_or(-1),
            // A longer one is accepted.
            ttl: ttl.min(kind.longest()),
            kind,
            extra,
        })
    }
}

fn shown_text(text: Option<&String>, key: &str, limit: usize) -> Result<String, Refusal> {
    let Some(text) = text else {
        return Err((21_305, format!("{key} is missing")));
    };
    require(!text.trim().is_empty(), 10_017, &format!("{key} is blank"))?;
    let units = text.encode_utf16().count();
    let what = format!("{key}: {limit} characters or more");
    require(units < limit, 10_017, &what)?;
    Ok(text.clone())
}

/// A text that a client encoded before it encoded the form.
fn is_encoded(payload: &str) -> bool {
    let once = form(format!("p={payload}").as_bytes());
    payload.starts_with("%7B") && once.get("p").is_some_and(|text| text.starts_with('{'))
}

fn channel(extra: &BTreeMap<String, String>) -> Result<Kind, Refusal> {
    match extra.get("channel_id").map(String::as_str) {
        None => Ok(Kind::Default),
        Some(PRIVATE) => Ok(Kind::Private),
        Some(PUBLIC) => Ok(Kind::Public),
        Some(_) => Err((27_001, "invalid channel info!".to_owned())),
    }
}

fn template(extra: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let Some(id) = extra.get("template_id") else {
        return Err((21_305, "extra.template_id is missing".to_owned()));
    };
    require(id == TEMPLATE, 10_017, "extra.template_id: unknown")?;
    let values = extra.get("template_param");
    let values = values.and_then(|text| serde_json::from_str(text).ok());
    let values: Option<BTreeMap<String, String>> = values;
    let values = values.unwrap_or_default();
    let wrong = "extra.template_param: not the template's variables";
    require(values.keys().eq(VARIABLES.iter()), 10_017, wrong)?;
    for value in values.values() {
        let length = value.chars().count();
        let is_right = (1..=LONGEST_VALUE).contains(&length)
            && !value.trim().is_empty()
            && !value.chars().any(is_emoji);
        require(is_right, 10_017, "extra.template_param: an illegal value")?;
    }
    Ok(())
}

/// Emoji, dingbats and other pictures.
fn is_emoji(character: char) -> bool {
    let code = u32::from(character);
    matches!(code, 0xa9 | 0xae | 0x2300..=0x23ff | 0x2500..=0x27bf | 0x2b00..=0x2bff)
        || (0x1_f000..=0x1_faff).contains(&code)
}

fn extras(extra: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let get = |key: &str| extra.get(key).map(String::as_str);
    let one_of = |key: &str, words: &[&str]| {
        let is_right = get(key).is_none_or(|value| words.contains(&value));
        require(is_right, 10_017, &format!("extra.{key}: illegal value"))
    };
    one_of("notify_effect", &["1", "2", "3"])?;
    one_of("notify_foreground", &["0", "1"])?;
    one_of("only_send_once", &["1"])?;
    one_of("connpt", &["wifi"])?;
    let is_url = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    match get("notify_effect") {
        Some("2") => {
            let uri = get("intent_uri").unwrap_or_default();
            let is_intent = IntentUri::parse(uri).is_ok();
            require(is_intent, 10_017, "extra.intent_uri: not an intent URI")?;
        }
        Some("3") => {
            let is_right = get("web_uri").is_some_and(is_url);
            require(is_right, 10_017, "extra.web_uri: not a URL")?;
        }
        _ => {}
    }
    if let Some(key) = get("jobkey") {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_right =
            (1..=20).contains(&key.len()) && key.bytes().all(is_plain) && !key.starts_with('_');
        require(is_right, 10_017, "extra.jobkey: illegal value")?;
    }
    let param = get("callback.param").unwrap_or_default();
    require(param.len() <= 64, 65_036, "extra.callback.param: too long")?;
    let is_right = get("callback").is_none_or(is_url);
    require(is_right, 65_038, "extra.callback: not a URL")?;
    let kinds = get("callback.type").map(str::parse::<u32>);
    let is_right = kinds.is_none_or(|kinds| kinds.is_ok());
    require(is_right, 10_017, "extra.callback.type: not a number")?;
    let own = || {
        extra
            .iter()
            .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
    };
    require(own().count() <= MOST_OWN, 65_014, "too many extras")?;
    let is_short = |text: &str| text.chars().count() <= LONGEST_OWN;
    require(
        own().all(|(key, value)| is_short(key) && is_short(value)),
        65_015,
        "an extra is too long",
    )
}
