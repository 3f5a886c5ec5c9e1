//! Phones that TPNS reaches.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use push_core::{Clock, Environment, Timestamp, payload::Payload};
use push_testkit::simulator::{Arrives, Inbox, form};
use serde_json::{Map, Value, json};

use super::{ACTIVITY, check::Push};

/// The way by which TPNS reaches a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// TPNS's own connection, on any Android phone.
    Tpns,
    /// The channel of Huawei.
    Huawei,
    /// The channel of Honor.
    Honor,
    /// The channel of Xiaomi.
    Xiaomi,
    /// The channel of OPPO.
    Oppo,
    /// The channel of vivo.
    Vivo,
    /// The channel of Meizu.
    Meizu,
    /// FCM.
    Fcm,
    /// Apple's service.
    Apns,
}

impl Route {
    /// Its name in `channel_rules`.
    pub(super) const fn channel(self) -> &'static str {
        match self {
            Self::Tpns => "xg",
            Self::Huawei => "hw",
            Self::Honor => "honor",
            Self::Xiaomi => "xm",
            Self::Oppo => "oppo",
            Self::Vivo => "vivo",
            Self::Meizu => "mz",
            Self::Fcm => "fcm",
            Self::Apns => "apns",
        }
    }

    /// The longest title and text, and how the vendor counts an ideograph, as TPNS's page on the vendors' limits says.
    const fn longest(self) -> (usize, usize, usize) {
        match self {
            Self::Xiaomi | Self::Oppo => (50, 128, 1),
            Self::Huawei => (40, 80, 1),
            Self::Vivo => (40, 100, 2),
            Self::Meizu => (32, 100, 1),
            _ => (usize::MAX, usize::MAX, 1),
        }
    }

    /// Whether the channel passes `push` on.
    pub(super) fn takes(self, push: &Push) -> bool {
        let is_own = matches!(self, Self::Tpns | Self::Apns);
        let is_open = push.is_shown || is_own;
        let is_disabled = push.disabled.iter().any(|name| name == self.channel())
            || self == Self::Tpns && push.is_only_for_vendors;
        let (title, content, wide) = self.longest();
        let columns = |name: &str| -> usize {
            let text = push.message[name].as_str().unwrap_or_default();
            let columns = text
                .chars()
                .map(|one| if one.is_ascii() { 1 } else { wide });
            columns.sum()
        };
        let category = push.message["android"]["vivo_category"].as_str();
        let is_right = self != Self::Vivo
            || category.is_none_or(|word| !word.bytes().any(|byte| byte.is_ascii_lowercase()));
        is_open
            && !is_disabled
            && is_right
            && (!push.is_shown || columns("title") <= title && columns("content") <= content)
    }
}

/// A phone with the app. Clones are one phone.
#[derive(Clone, Debug)]
pub struct Phone {
    token: String,
    route: Route,
    environment: Environment,
    clock: Arc<dyn Clock>,
    gone: Arc<AtomicBool>,
    pub(super) inbox: Inbox<Arrival>,
}

impl Phone {
    pub(super) fn new(
        token: &str,
        route: Route,
        environment: Environment,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            token: token.to_owned(),
            route,
            environment,
            clock: Arc::clone(clock),
            gone: Arc::default(),
            inbox: Inbox::default(),
        }
    }

    /// Its token of TPNS.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The way by which TPNS reaches it.
    pub const fn route(&self) -> Route {
        self.route
    }

    /// The pushes that reached it, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inbox.arrivals()
    }

    /// The notifications on its screen, oldest first.
    pub fn screen(&self) -> Vec<Arrival> {
        self.inbox.screen()
    }

    /// What the app is given when a person clicks on the newest notification; `None` if there is none.
    pub fn click(&self) -> Option<Payload> {
        self.inbox.screen().last()?.click_payload()
    }

    /// The number on the app's icon.
    pub fn badge(&self) -> u32 {
        self.inbox.badge()
    }

    /// Deletes the app; its token is invalid from now on.
    pub fn uninstall(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Switches it on or off. While it is off, TPNS keeps what is sent.
    pub fn set_power(&self, on: bool) {
        if !on {
            return self.inbox.switch_off();
        }
        let kept = self.inbox.switch_on(self.clock.now());
        kept.into_iter()
            .for_each(|arrival| self.inbox.receive(arrival));
    }

    /// Whether a push to `environment` knows its token; Android has no environments.
    pub(super) fn is_known(&self, environment: &str) -> bool {
        let own = match (self.route, self.environment) {
            (Route::Apns, Environment::Sandbox) => "dev",
            (Route::Apns, Environment::Production) => "product",
            _ => "",
        };
        !self.gone.load(SeqCst) && own == environment
    }

    /// Takes a push over; it is kept until `until` if the phone is off.
    pub(super) fn take(&self, push: &Push, until: Timestamp) {
        let arrival = Arrival::new(push, self.route);
        if !self.inbox.is_off() {
            self.inbox.receive(arrival);
        } else if push.kept > 0 {
            self.inbox.keep(arrival, until, |_| false);
        }
    }
}

/// A push that reached a phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    message: Value,
    is_shown: bool,
    /// `n_id`, where the channel has it.
    id: Option<i64>,
    badge: Option<i64>,
    extras: Map<String, Value>,
    user_info: Value,
}

impl Arrival {
    fn new(push: &Push, route: Route) -> Self {
        let message = &push.message;
        let android = &message["android"];
        let badge = match route {
            Route::Apns => &message["ios"]["aps"]["badge_type"],
            Route::Huawei | Route::Vivo => &android["badge_type"],
            _ => &Value::Null,
        };
        let id = android["n_id"].as_i64();
        Self {
            is_shown: push.is_shown,
            id: id.filter(|id| route == Route::Tpns && *id > 0),
            badge: badge.as_i64(),
            extras: extras(android, route),
            user_info: match route {
                Route::Apns => user_info(message, push.is_shown),
                _ => Value::Null,
            },
            message: message.clone(),
        }
    }

    /// The title that is shown; empty if nothing is.
    pub fn title(&self) -> &str {
        self.shown("title")
    }

    /// The text that is shown; empty if nothing is.
    pub fn text(&self) -> &str {
        self.shown("content")
    }

    fn shown(&self, name: &str) -> &str {
        let text = self.message[name].as_str().filter(|_| self.is_shown);
        text.unwrap_or_default()
    }

    /// The whole `message` of the request.
    pub const fn message(&self) -> &Value {
        &self.message
    }

    /// What an Android app reads when it is clicked, or when a message arrives that is not shown, as in `ext`.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extras.get(name)?.as_str()
    }

    /// The `userInfo` of an iPhone's app; `null` on Android.
    pub const fn user_info(&self) -> &Value {
        &self.user_info
    }
}

/// The query of the URL that starts the app's activity, or the members of the custom content.
fn extras(android: &Value, route: Route) -> Map<String, Value> {
    let action = &android["action"];
    if action["action_type"] == 3 {
        let url = action["intent"].as_str().unwrap_or_default();
        let (activity, query) = url.split_once('?').unwrap_or((url, ""));
        return match activity == ACTIVITY {
            true => form(query.as_bytes())
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
            false => Map::new(),
        };
    }
    // Huawei's interface has no field for it any more.
    let custom = android["custom_content"].as_str();
    let custom = custom.filter(|_| route != Route::Huawei);
    custom
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// What TPNS makes of a push for Apple's service.
fn user_info(message: &Value, is_shown: bool) -> Value {
    let (ios, mut aps) = (&message["ios"], message["ios"]["aps"].clone());
    let badge = aps.as_object_mut().and_then(|aps| aps.remove("badge_type"));
    if let Some(number) = badge.and_then(|badge| badge.as_u64()) {
        aps["badge"] = number.into();
    }
    if is_shown {
        aps["alert"]["title"] = message["title"].clone();
        aps["alert"]["body"] = message["content"].clone();
    }
    let mut user_info = json!({ "aps": aps, "xg": { "bid": 0, "ts": 0 } });
    if let Some(custom) = ios.get("custom_content") {
        user_info["custom"] = custom.clone();
    }
    user_info
}

impl Arrives for Arrival {
    fn is_shown(&self) -> bool {
        self.is_shown
    }

    fn replaces(&self, earlier: &Self) -> bool {
        self.id.is_some() && self.id == earlier.id
    }

    fn badge_after(&self, now: u32) -> u32 {
        match self.badge {
            Some(-2) => now.saturating_add(1),
            Some(number) => u32::try_from(number).unwrap_or(now),
            None => now,
        }
    }

    fn click_payload(&self) -> Option<Payload> {
        Some(match &self.user_info {
            Value::Null => Payload::intent_extras(self.extras.clone()),
            user_info => Payload::tpns(user_info.clone()),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "shown": self.is_shown,
            "message": self.message,
            "extras": self.extras,
            "user_info": self.user_info,
        })
    }
}
