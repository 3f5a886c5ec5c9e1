//! A push that arrived on a phone.
use std::{collections::BTreeMap, fmt, time::Duration};

use push_core::payload::Payload;
use push_testkit::simulator::Arrives;
use serde_json::{Map, Value, json};

use super::{check, intent::Intent};

/// How long Huawei keeps a message that names no time to live.
const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// A push that arrived. `Debug` shows sizes, not text.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Arrival {
    /// Its number on its phone, from 1.
    pub number: u64,
    /// Huawei's id of the request that sent it.
    pub request_id: String,
    /// The title; empty for a data message.
    pub title: String,
    /// The text; empty for a data message.
    pub body: String,
    /// The number it set on the icon, if any.
    pub badge: Option<u32>,
    /// What a later one with the same tag replaces; empty for none.
    pub tag: String,
    /// `android.data`, else `message.data`; empty if there was neither.
    pub data: String,
    /// Whether it makes a sound.
    pub sounds: bool,
    /// Whether it shows: a data message does not, nor does one to an app whose notifications are off.
    pub shown: bool,
    /// `message.android` as it was sent.
    pub android: Value,
}

impl Arrival {
    pub(super) fn new(request_id: &str, message: &Value) -> Self {
        let android = &message["android"];
        let notification = &android["notification"];
        let common = &message["notification"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // What is said for Android replaces what is said for all.
        let first = |own: &Value, other: &Value| text(if own.is_null() { other } else { own });
        let number = |it: &Value| it.as_u64().and_then(|it| u32::try_from(it).ok());
        Self {
            number: 0,
            request_id: request_id.to_owned(),
            title: first(&notification["title"], &common["title"]),
            body: first(&notification["body"], &common["body"]),
            badge: number(&notification["badge"]["set_num"]),
            tag: text(&notification["tag"]),
            data: first(&android["data"], &message["data"]),
            sounds: notification["importance"] != "LOW"
                && (notification["default_sound"] == true || notification["sound"].is_string()),
            shown: notification.is_object(),
            android: android.clone(),
        }
    }

    /// How long Huawei keeps it for a phone that is off.
    pub(super) fn ttl(&self) -> Duration {
        self.android["ttl"]
            .as_str()
            .and_then(check::seconds)
            .map_or(DEFAULT_TTL, Duration::from_secs)
            .min(check::MAX_TTL)
    }

    /// -1: beside all others; 0: instead of all others; 1 to 100: instead of those with the same.
    pub(super) fn collapse_key(&self) -> i64 {
        self.android["collapse_key"].as_i64().unwrap_or(-1)
    }

    /// The `badge.add_num` it came with.
    pub(super) fn badge_add(&self) -> Option<u32> {
        let add = &self.android["notification"]["badge"]["add_num"];
        add.as_u64().and_then(|it| u32::try_from(it).ok())
    }

    /// Whether it counts as marketing.
    pub(super) fn is_marketing(&self) -> bool {
        self.android["category"] == "MARKETING"
    }

    /// The profile that it is for; empty for every user of the phone.
    pub(super) fn profile(&self) -> &str {
        let profile = &self.android["notification"]["profile_id"];
        profile.as_str().unwrap_or_default()
    }

    /// Whether it is not shown while the app is in front.
    pub(super) fn is_for_background(&self) -> bool {
        self.android["notification"]["foreground_show"] == false
    }

    pub(super) fn opens_web_page(&self) -> bool {
        self.android["notification"]["click_action"]["type"] == 2
    }

    /// What a click starts; `None` for a data message, a web page, and an intent that Android cannot read.
    pub fn click(&self) -> Option<Intent> {
        let action = &self.android["notification"]["click_action"];
        if let Some(uri) = action["intent"].as_str() {
            return Intent::parse(uri);
        }
        match (action["type"].as_u64()?, action["action"].as_str()) {
            (1, Some(name)) => Some(Intent {
                action: Some(name.to_owned()),
                extras: self.data_extras(),
                ..Intent::default()
            }),
            (3, _) => Some(Intent {
                action: Some("android.intent.action.MAIN".to_owned()),
                extras: self.data_extras(),
                ..Intent::default()
            }),
            _ => None,
        }
    }

    /// Without an intent URI the members of `data` become the extras.
    fn data_extras(&self) -> BTreeMap<String, String> {
        match serde_json::from_str(&self.data) {
            Ok(Value::Object(members)) => members
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(text) => (name, text),
                    other => (name, other.to_string()),
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.shown
    }

    fn replaces(&self, earlier: &Self) -> bool {
        !self.tag.is_empty() && self.tag == earlier.tag
    }

    fn badge_after(&self, now: u32) -> u32 {
        match (self.shown, self.badge, self.badge_add()) {
            (false, ..) | (true, None, None) => now,
            (true, Some(number), _) => number,
            (true, None, Some(more)) => now.saturating_add(more),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "request_id": self.request_id,
            "title": self.title,
            "body": self.body,
            "data": self.data,
            "shown": self.shown,
            "sounds": self.sounds,
            "android": self.android,
        })
    }

    fn set_number(&mut self, number: u64) {
        self.number = number;
    }

    fn click_payload(&self) -> Option<Payload> {
        let intent = self.click()?;
        let extras = intent
            .extras
            .into_iter()
            .map(|(name, text)| (name, text.into()));
        Some(Payload::intent_extras(
            extras.collect::<Map<String, Value>>(),
        ))
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("number", &self.number)
            .field("request_id", &self.request_id)
            .field("title_bytes", &self.title.len())
            .field("body_bytes", &self.body.len())
            .field("badge", &self.badge)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}
