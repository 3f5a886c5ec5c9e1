//! An app on a phone: what arrived, what is on the screen, what a tap opens.
use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use super::{
    intent::Intent,
    service::{Device, Install, Service},
};

/// One app on one phone, reached by one token. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    service: Arc<Service>,
    token: String,
}

/// A push that arrived. `Debug` shows sizes, not text.
#[derive(Clone, PartialEq)]
pub struct Arrival {
    /// The how-many-th of its phone, from 1.
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
    /// `message.data`; empty if there was none.
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
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let number = |it: &Value| it.as_u64().and_then(|it| u32::try_from(it).ok());
        Self {
            number: 0,
            request_id: request_id.to_owned(),
            title: text(&notification["title"]),
            body: text(&notification["body"]),
            badge: number(&notification["badge"]["set_num"]),
            tag: text(&notification["tag"]),
            data: text(&message["data"]),
            sounds: notification["importance"] != "LOW"
                && (notification["default_sound"] == true || notification["sound"].is_string()),
            shown: notification.is_object(),
            android: android.clone(),
        }
    }

    /// The `badge.add_num` it came with.
    pub(super) fn badge_add(&self) -> Option<u32> {
        let add = &self.android["notification"]["badge"]["add_num"];
        add.as_u64().and_then(|it| u32::try_from(it).ok())
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

impl Phone {
    pub(super) fn new(service: Arc<Service>, app_id: &str, token: String) -> Self {
        service.install(app_id, &token);
        Self { service, token }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Everything that arrived, oldest first, shown or not.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.device(|it| it.arrivals.clone())
    }

    /// Completes when at least `count` pushes have arrived since the app was installed, and gives them all.
    pub async fn wait_for(&self, count: usize) -> Vec<Arrival> {
        let mut watch = self.service.watch();
        loop {
            watch.mark_unchanged();
            let arrivals = self.arrivals();
            // The sender lives in the service, which lives in `self`.
            if arrivals.len() >= count || watch.changed().await.is_err() {
                return arrivals;
            }
        }
    }

    /// What is on the screen, oldest first: a later notification with the same tag has replaced an earlier one, and what
    /// was tapped is gone.
    pub fn screen(&self) -> Vec<Arrival> {
        self.device(|it| it.screen.clone())
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.device(|it| it.badge)
    }

    /// Taps a notification, which goes from the screen. `None` if it is not there, or a click opens nothing.
    pub fn tap(&self, arrival: &Arrival) -> Option<Intent> {
        self.device(|it| {
            let at = it
                .screen
                .iter()
                .position(|other| other.number == arrival.number)?;
            it.screen.remove(at).click()
        })
    }

    /// Switches the app's notifications off or on: pushes arrive and do not show (receipt 6).
    pub fn set_muted(&self, muted: bool) {
        self.device(|it| it.muted = muted);
    }

    /// Takes the app off the phone: its token is illegal from now on.
    pub fn uninstall(&self) {
        self.device(|it| it.install = Install::Gone);
    }

    /// Takes the app off a phone that is out of reach: Huawei takes the next push, learns it, and says so in a receipt
    /// (2); from then on the token is illegal.
    pub fn uninstall_unnoticed(&self) {
        self.device(|it| it.install = Install::GoneUnnoticed);
    }

    fn device<T: Default>(&self, act: impl FnOnce(&mut Device) -> T) -> T {
        self.service.device(&self.token, act)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("arrivals", &self.arrivals().len())
            .field("badge", &self.badge())
            .finish_non_exhaustive()
    }
}
