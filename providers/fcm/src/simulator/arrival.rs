//! A message as a phone got it: an Android phone, an iPhone by way of Apple, or a browser by way of its push service.
use std::{collections::BTreeMap, fmt, time::Duration};

use push_core::{Timestamp, payload::Payload};
use push_testkit::{
    json,
    serde_json::{Map, Value},
    simulator::Arrives,
};

use super::{PROJECT_NUMBER, rules};

/// How long FCM keeps a message that names no time to live: four weeks, which is also the longest (`AndroidConfig.ttl`).
const DEFAULT_TTL: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// What an app runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Platform {
    /// A phone with Google's services: `android` or `android_v2`.
    #[default]
    Android,
    /// A phone of Apple's: `apns`.
    Iphone,
    /// A page with a service worker: `webpush`.
    Browser,
}

/// One message as the phone got it. `Debug` shows its id only.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Arrival {
    /// Google's id of the message.
    pub id: String,
    /// Whether it was to wake the phone.
    pub high_priority: bool,
    /// What replaces a message that still waits; empty if nothing does.
    pub collapse_key: String,
    /// What the system shows; `None` for a message that only the app sees. Of an iPhone the members of `aps` but `alert`, whose own
    /// members stand beside them, and the collapse id as `tag`.
    pub notification: Option<Value>,
    /// What the app gets.
    pub data: BTreeMap<String, String>,
    /// The number that it sets on the icon.
    number: Option<u64>,
    /// What a tap starts instead of the app's first page.
    action: Option<String>,
}

impl Arrival {
    pub(super) fn read(message: &Value, id: &str, platform: Platform) -> Self {
        let arrival = match platform {
            Platform::Android => Self::on_android(message),
            Platform::Iphone => Self::on_an_iphone(message),
            Platform::Browser => Self::in_a_browser(message),
        };
        Self {
            id: id.to_owned(),
            ..arrival
        }
    }

    fn on_android(message: &Value) -> Self {
        let (android, notification) = match &message["android_v2"] {
            Value::Null => (&message["android"], &message["android"]["notification"]),
            preview => (preview, &preview["remote_notification"]["notification"]),
        };
        let mut shown = message["notification"].as_object().cloned();
        if let Some(own) = notification.as_object() {
            shown.get_or_insert_default().extend(own.clone());
        }
        let number = notification["notification_count"].as_u64();
        Self {
            id: String::new(),
            high_priority: android["priority"] == "HIGH"
                || android.get("remote_notification").is_some(),
            collapse_key: text(&android["collapse_key"]),
            action: notification["click_action"].as_str().map(str::to_owned),
            notification: shown.filter(|shown| !shown.is_empty()).map(Value::from),
            data: data(message, android),
            number,
        }
    }

    /// FCM hands `apns` to Apple, with title and body of `notification` in the alert if it has none of its own, and the data beside
    /// `aps`.
    fn on_an_iphone(message: &Value) -> Self {
        let apns = &message["apns"];
        let (headers, payload) = (&apns["headers"], &apns["payload"]);
        let aps = &payload["aps"];
        let mut shown = match &aps["alert"] {
            Value::Object(alert) => alert.clone(),
            Value::String(body) => Map::from_iter([("body".to_owned(), body.as_str().into())]),
            _ => message["notification"]
                .as_object()
                .cloned()
                .unwrap_or_default(),
        };
        let is_shown = !shown.is_empty() || aps["sound"].is_string() || aps["sound"].is_object();
        let others = aps.as_object().into_iter().flatten();
        shown.extend(
            others
                .filter(|(key, _)| *key != "alert")
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        let collapse = text(&headers["apns-collapse-id"]);
        if !collapse.is_empty() {
            shown.insert("tag".into(), collapse.as_str().into());
        }
        let mut data = data(message, &Value::Null);
        let beside = payload.as_object().into_iter().flatten();
        data.extend(
            beside
                .filter(|(key, _)| *key != "aps")
                .map(|(key, value)| (key.clone(), text(value))),
        );
        Self {
            id: String::new(),
            high_priority: headers["apns-priority"] != "5" && headers["apns-priority"] != "1",
            collapse_key: collapse,
            notification: is_shown.then(|| shown.into()),
            data,
            number: aps["badge"].as_u64(),
            action: None,
        }
    }

    fn in_a_browser(message: &Value) -> Self {
        let web = &message["webpush"];
        let mut shown = message["notification"].as_object().cloned();
        if let Some(own) = web["notification"].as_object() {
            shown.get_or_insert_default().extend(own.clone());
        }
        let header = |name: &str| {
            let mut headers = web["headers"].as_object().into_iter().flatten();
            headers
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map_or_else(String::new, |(_, value)| text(value))
        };
        Self {
            id: String::new(),
            high_priority: header("urgency") == "high",
            collapse_key: header("topic"),
            notification: shown.filter(|shown| !shown.is_empty()).map(Value::from),
            data: data(message, web),
            number: None,
            action: web["fcm_options"]["link"].as_str().map(str::to_owned),
        }
    }

    /// Until when `message` is kept for a phone that is off.
    pub(super) fn kept_until(message: &Value, platform: Platform, now: Timestamp) -> Timestamp {
        let ttl = |value: &Value| value.as_str().and_then(rules::seconds);
        let seconds = match platform {
            Platform::Android => {
                ttl(&message["android"]["ttl"]).or_else(|| ttl(&message["android_v2"]["ttl"]))
            }
            Platform::Iphone => {
                let at = message["apns"]["headers"]["apns-expiration"].as_str();
                let at = at.and_then(|at| at.parse().ok());
                at.map(|at| Timestamp::from_unix_seconds(at).since(now).as_secs_f64())
            }
            Platform::Browser => {
                let ttl = message["webpush"]["headers"]["TTL"].as_str();
                ttl.and_then(|ttl| ttl.parse().ok())
            }
        };
        now + seconds.map_or(DEFAULT_TTL, |seconds: f64| {
            Duration::try_from_secs_f64(seconds).unwrap_or(DEFAULT_TTL)
        })
    }

    fn text_of(&self, key: &str) -> Option<&str> {
        self.notification.as_ref()?[key].as_str()
    }

    /// The first line.
    pub fn title(&self) -> Option<&str> {
        self.text_of("title")
    }

    /// The text.
    pub fn body(&self) -> Option<&str> {
        self.text_of("body")
    }

    /// What is heard: `default`, or a resource of the app; `None` for silence.
    pub fn sound(&self) -> Option<&str> {
        self.text_of("sound")
    }

    /// The notification channel of the app.
    pub fn channel_id(&self) -> Option<&str> {
        self.text_of("channel_id")
    }

    /// The number for the icon.
    pub const fn badge(&self) -> Option<u64> {
        self.number
    }

    /// The `ext` string in the data.
    pub fn ext(&self) -> Option<&str> {
        self.data.get("ext").map(String::as_str)
    }

    /// What a tap on it starts.
    pub(super) fn tapped(self) -> Tapped {
        let mut extras = self.data;
        extras.insert("google.message_id".into(), self.id);
        extras.insert("from".into(), PROJECT_NUMBER.into());
        if !self.collapse_key.is_empty() {
            extras.insert("collapse_key".into(), self.collapse_key);
        }
        Tapped {
            action: self.action,
            extras,
        }
    }
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.notification.is_some()
    }

    fn replaces(&self, earlier: &Self) -> bool {
        self.text_of("tag").is_some() && self.text_of("tag") == earlier.text_of("tag")
    }

    fn badge_after(&self, now: u32) -> u32 {
        self.badge()
            .map_or(now, |count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "high_priority": self.high_priority,
            "collapse_key": self.collapse_key,
            "notification": self.notification,
            "data": self.data,
        })
    }

    fn click_payload(&self) -> Option<Payload> {
        let extras = self.clone().tapped().extras.into_iter();
        let extras: Map<String, Value> = extras.map(|(name, text)| (name, text.into())).collect();
        Some(Payload::intent_extras(extras))
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrival({})", self.id)
    }
}

/// What a tap starts.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Tapped {
    /// The action of the intent, from `click_action`; `None` starts the launcher activity. In a browser the page that opens.
    pub action: Option<String>,
    /// The extras of the intent: the data, and what FCM adds.
    pub extras: BTreeMap<String, String>,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapped")
            .field("action", &self.action)
            .field("extras", &self.extras.keys())
            .finish()
    }
}

/// The data that an app gets: those of its platform replace the general ones completely.
fn data(message: &Value, platform: &Value) -> BTreeMap<String, String> {
    let map = match &platform["data"] {
        Value::Null => &message["data"],
        own => own,
    };
    let map = map.as_object().into_iter().flatten();
    map.map(|(key, value)| (key.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
