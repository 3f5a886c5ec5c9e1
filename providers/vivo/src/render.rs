//! Notification to message, as in vivo's API document 2.9.2 (read November 2026).
use std::{borrow::Cow, time::Duration};

use push_core::{
    Badge, Batch, Content, Interruption, Notification, Sound, TextLimits, TextUnit, Timestamp,
    Verdict,
};
use push_kit::{
    click,
    collapse::collapse_number,
    intent::IntentUri,
    overlay::{
        Overlay,
        Shape::{Any, Flag, Text, TextMap, Whole},
    },
};
use serde_json::{Map, Value, json};

/// Where vivo limits `title` and `content`. Every character counts one; it was two for Chinese ones.
pub(crate) const TEXT: TextLimits = TextLimits::new(40, 100, TextUnit::Utf16);

/// The shortest `timeToLive`.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(60);

/// The longest `timeToLive`, and the default: a day. It was a week in older versions.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(86_400);

/// What all keys and values of `clientCustomMap` may have together, in UTF-16 units. vivo limits each field and not the message;
/// this is the field that holds what an app sends.
pub(crate) const MAX_CUSTOM: usize = 1024;

/// The most pairs in `clientCustomMap`.
const MOST_PAIRS: usize = 10;

/// The longest `skipContent`. Another reading is 2,048.
pub(crate) const MAX_SKIP_CONTENT: usize = 1024;

/// The longest `callback`.
const MAX_CALLBACK: usize = 128;

/// The fields that a message or a class policy may set. `skipType` and `skipContent` are what a click opens, `extra` is where
/// receipts go, and `pushMode` chooses between test and release, as the credential does.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "appId",
    "regId",
    "regIds",
    "alias",
    "aliases",
    "tagExpression",
    "taskId",
    "requestId",
    "pushMode",
    "skipType",
    "skipContent",
    "extra",
    "clientCustomMap.ext",
    "clientCustomMap.delivery",
    "clientCustomMap.receiver",
])
.with_fields(&[
    ("title", Text),
    ("content", Text),
    ("notifyType", Whole(1, 4)),
    ("timeToLive", Whole(60, 86_400)),
    ("networkType", Whole(-1, 1)),
    ("classification", Whole(0, 1)),
    ("category", Text),
    ("notifyId", Whole(1, i32::MAX as i64)),
    ("clientCustomMap", TextMap),
    ("addBadge", Flag),
    // Newer fields; the document that could be read has their names only.
    ("sendOnline", Flag),
    ("foregroundShow", Flag),
    ("profileId", Text),
    ("timedDisplay", Any),
    ("auditReview", Any),
]);

/// The class of a category: 1 for system messages, 0 for operation messages; `None` if it is not known.
pub(crate) fn class_of(category: &str) -> Option<u8> {
    match category {
        "IM" | "ACCOUNT" | "TODO" | "DEVICE_REMINDER" | "ORDER" | "SUBSCRIPTION" => Some(1),
        "NEWS" | "CONTENT" | "MARKETING" | "SOCIAL" => Some(0),
        _ => None,
    }
}

/// What a click opens.
pub(crate) enum Click {
    /// The app's entry activity, with the click data in `clientCustomMap`.
    App,
    /// This activity, with the click data in `clientCustomMap`.
    Activity(IntentUri),
    /// This activity, with the click data in its intent.
    ActivityWithExtras(IntentUri),
}

/// How all notifications of a credential look.
pub(crate) struct Look {
    pub(crate) app_id: u64,
    pub(crate) click: Click,
    /// In capitals; empty for none.
    pub(crate) category: String,
    pub(crate) classification: Option<u8>,
    pub(crate) notify_type: u8,
    pub(crate) count_badge: bool,
    pub(crate) push_mode: u8,
}

impl Look {
    /// Returns the message of `batch`, all of one `content`, as of `now`: without target and without id of the request.
    /// `receipts` says where receipts go.
    ///
    /// # Errors
    /// The verdict on every target: both texts are empty, a vendor field is protected, or a field is too large.
    pub(crate) fn message(
        &self,
        batch: &Batch,
        content: &Content,
        receipts: &Receipts<'_>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, Verdict> {
        let wanted = &content.notification;
        let (title, body) = texts(wanted)?;
        let mut message = Map::new();
        let mut set = |key: &str, value: Value| drop(message.insert(key.to_owned(), value));
        set("appId", self.app_id.into());
        set("title", TEXT.cut_title(title).into());
        set("content", TEXT.cut_body(body).into());
        set("notifyType", self.notify_type(wanted).into());
        set("networkType", (-1).into());
        if let Some(at) = wanted.expires_at {
            set("timeToLive", seconds(at.since(now)).into());
        }
        if !self.category.is_empty() {
            set("category", self.category.as_str().into());
        }
        if let Some(class) = self.classification {
            set("classification", class.into());
        }
        let key = match wanted.collapse.as_str() {
            "" => Cow::Owned(content.id.to_string()),
            key => Cow::Borrowed(key),
        };
        set("notifyId", collapse_number(&key).into());
        let badge = batch.targets.first().map(|target| target.badge);
        if let (true, Some(Badge::Add(1..))) = (self.count_badge, badge) {
            set("addBadge", true.into());
        }
        if let Some(extra) = receipts.extra(batch) {
            set("extra", extra);
        }
        self.click(&mut message, click::data(batch, &wanted.ext))?;
        OVERLAY.lay(&wanted.vendor, &mut message)?;
        agree(&mut message, &wanted.vendor);
        check_custom(message.get("clientCustomMap"))?;
        Ok(message)
    }

    fn notify_type(&self, wanted: &Notification) -> u8 {
        if wanted.interruption == Some(Interruption::Passive) {
            return 1;
        }
        match (&wanted.sound, self.notify_type) {
            // Without the sound, and the vibration as configured.
            (Sound::Silent, 2) => 1,
            (Sound::Silent, 4) => 3,
            // vivo has no sounds of an app's own.
            (_, configured) => configured,
        }
    }

    fn click(
        &self,
        message: &mut Map<String, Value>,
        data: Vec<(&'static str, String)>,
    ) -> Result<(), Verdict> {
        let (kind, content, in_map) = match &self.click {
            Click::App => (1, None, true),
            Click::Activity(intent) => (4, Some(intent.to_string()), true),
            Click::ActivityWithExtras(intent) => {
                let extras = data.iter().map(|(key, value)| (*key, value.as_str()));
                (4, Some(intent.with_extras(extras)), false)
            }
        };
        if let Some(uri) = content {
            let excess = uri.len().saturating_sub(MAX_SKIP_CONTENT);
            if excess > 0 {
                return Err(too_large(excess, "skipContent"));
            }
            message.insert("skipContent".to_owned(), uri.into());
        }
        message.insert("skipType".to_owned(), kind.into());
        let pairs = data.into_iter().filter(|_| in_map);
        let map: Map<_, _> = pairs
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        if !map.is_empty() {
            message.insert("clientCustomMap".to_owned(), map.into());
        }
        Ok(())
    }

    /// The body of the request that sends `message` to one target.
    pub(crate) fn single(
        &self,
        mut message: Map<String, Value>,
        token: &str,
        request_id: &str,
    ) -> String {
        message.insert("regId".to_owned(), token.into());
        message.insert("pushMode".to_owned(), self.push_mode.into());
        message.insert("requestId".to_owned(), request_id.into());
        Value::Object(message).to_string()
    }

    /// The body of the request that sends the saved message `task` to all targets of `batch`.
    pub(crate) fn list(&self, batch: &Batch, task: &str) -> String {
        let targets = batch.targets.iter();
        let tokens: Vec<&str> = targets.map(|target| target.token.expose()).collect();
        let mut list = json!({
            "appId": self.app_id,
            "regIds": tokens,
            "taskId": task,
            "requestId": batch.id.to_string(),
        });
        if self.push_mode != 0 {
            list["pushMode"] = self.push_mode.into();
        }
        list.to_string()
    }

    /// A test message to `token`, which no phone has.
    pub(crate) fn question(&self, token: &str, now: Timestamp) -> String {
        json!({
            "appId": self.app_id,
            "regId": token,
            "title": "verify",
            "content": "verify",
            "notifyType": 1,
            "skipType": 1,
            "networkType": -1,
            "classification": 1,
            "category": "IM",
            "pushMode": 1,
            "requestId": format!("verify-{}", now.unix_millis()),
        })
        .to_string()
    }
}

/// The body of the request that saves `message` for a list of targets.
pub(crate) fn saved(mut message: Map<String, Value>, request_id: &str) -> String {
    message.insert("requestId".to_owned(), request_id.into());
    Value::Object(message).to_string()
}

/// Where receipts go.
pub(crate) struct Receipts<'a> {
    /// The id of an address that is registered in the console: for all pushes.
    pub(crate) id: Option<&'a str>,
    /// The credential's receipt address, for the older kind: single pushes that are no tests.
    pub(crate) address: Option<&'a str>,
    pub(crate) is_test: bool,
}

impl Receipts<'_> {
    /// `extra`, whose `callback.param` comes back with each receipt: the first delivery.
    fn extra(&self, batch: &Batch) -> Option<Value> {
        let param = batch.targets.first()?.delivery.to_string();
        if let Some(id) = self.id {
            return Some(json!({ "callback.id": id, "callback.param": param }));
        }
        let address = self.address.filter(|url| url.len() <= MAX_CALLBACK)?;
        let is_called_back = batch.targets.len() == 1 && !self.is_test;
        is_called_back.then(|| json!({ "callback": address, "callback.param": param }))
    }
}

/// Title and text. vivo requires both: a missing one is replaced by the other.
fn texts(wanted: &Notification) -> Result<(&str, &str), Verdict> {
    match (wanted.title.as_str(), wanted.body.as_str()) {
        ("", "") => {
            let text = "title and text are empty, and vivo requires both";
            Err(Verdict::payload_refused("empty", text))
        }
        ("", body) => Ok((body, body)),
        (title, "") => Ok((title, title)),
        both => Ok(both),
    }
}

/// Rounded up, so that what is left of the last second counts.
fn seconds(left: Duration) -> u64 {
    let left = left.clamp(MIN_TTL, MAX_TTL);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// Makes class and category agree where the vendor fields set one of them only: what they set counts. The category is written in
/// capitals, which vivo requires.
fn agree(message: &mut Map<String, Value>, fields: &Map<String, Value>) {
    let Some(Value::String(category)) = message.get_mut("category") else {
        return;
    };
    category.make_ascii_uppercase();
    let class = class_of(category);
    let is_set = ["category", "classification"].map(|field| fields.contains_key(field));
    match (is_set, class) {
        ([true, false], Some(class)) => {
            message.insert("classification".to_owned(), class.into());
        }
        ([true, false], None) => drop(message.remove("classification")),
        ([false, true], Some(class)) if message.get("classification") != Some(&class.into()) => {
            message.remove("category");
        }
        _ => {}
    }
}

fn check_custom(map: Option<&Value>) -> Result<(), Verdict> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    let (mut count, mut size) = (0, 0);
    for (key, value) in pairs {
        count += 1;
        size += TextUnit::Utf16.count(key) + TextUnit::Utf16.count(value.as_str().unwrap_or(""));
    }
    if count > MOST_PAIRS {
        let text = format!("{count} pairs in `clientCustomMap`, of which vivo takes {MOST_PAIRS}");
        return Err(Verdict::payload_refused("too-large", text));
    }
    match size.saturating_sub(MAX_CUSTOM) {
        0 => Ok(()),
        excess => Err(too_large(excess, "clientCustomMap")),
    }
}

fn too_large(excess: usize, field: &str) -> Verdict {
    let text = format!(
        "{excess} characters more than the {MAX_CUSTOM} that vivo takes in `{field}`; shorten `ext` or the vendor fields"
    );
    Verdict::payload_refused("too-large", text)
}
