//! Notification to message, as in OPPO's page "单点推送" (11236), read in copies in November 2026.
use std::time::Duration;

use push_core::{
    Badge, Content, Error, ErrorKind, NotificationKind, Result, Target, TextLimits, TextUnit,
    Timestamp, UserId, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
    payload::Ext,
};
use push_kit::{
    collapse::collapse_number,
    overlay::{
        Overlay,
        Shape::{Any, Flag, Text, TextMap, Whole},
    },
    payload::fit,
};
use serde_json::{Map, Value, json};

pub(crate) mod region;

/// The largest `notification`, in bytes. OPPO documents no limit but those of the fields, of which `action_parameters` is the
/// largest.
pub(crate) const MAX_PAYLOAD: usize = 16 * 1024;

/// The longest `action_parameters`, in UTF-16 units.
const MAX_PARAMETERS: usize = 4000;

/// The longest `off_line_ttl`: ten days. OPPO takes a longer one for ten days.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(864_000);

/// The limits of title and text. OPPO counts every character as one; UTF-16 units are never fewer.
pub(crate) const TEXT: TextLimits = TextLimits::new(50, 50, TextUnit::Utf16);

/// The same for a long text (style 2).
pub(crate) const LONG_TEXT: TextLimits = TextLimits::new(50, 128, TextUnit::Utf16);

/// The longest `sub_title`.
const MAX_SUBTITLE: usize = 10;

/// Styles: one line; all of a long text; a picture, which only a broadcast can have.
const STANDARD: i64 = 1;
const LONG: i64 = 2;
const PICTURE: i64 = 3;

/// How a notification alerts: in the list; also on the lock screen; also with banner, sound and vibration.
pub(crate) const LEVELS: [u8; 3] = [1, 2, 16];

/// What a click starts.
const APP: u8 = 0;
const ACTION: u8 = 1;
const ACTIVITY: u8 = 4;

/// A day of `show_ttl`: the longest for private messages.
const DAY: i64 = 86_400;

/// The fields of `notification` that a message or a class policy may set. The protected ones recognise a repetition, carry the click
/// data, or say where receipts go.
const OVERLAY: Overlay = Overlay::new(&[
    "app_message_id",
    "click_action_type",
    "click_action_activity",
    "click_action_url",
    "action_parameters",
    "call_back_url",
    "call_back_parameter",
])
.with_fields(&[
    ("title", Text),
    ("sub_title", Text),
    ("content", Text),
    ("style", Whole(STANDARD, PICTURE)),
    ("big_picture_id", Text),
    ("small_picture_id", Text),
    ("channel_id", Text),
    ("category", Text),
    ("notify_level", Whole(1, 16)),
    ("private_msg_template_id", Text),
    ("private_title_parameters", TextMap),
    ("private_content_parameters", TextMap),
    ("notify_id", Whole(0, i32::MAX as i64)),
    ("badge_operation_type", Whole(0, 1)),
    ("badge_message_count", Whole(0, i32::MAX as i64)),
    ("off_line", Flag),
    ("off_line_ttl", Whole(1, 864_000)),
    ("show_ttl", Whole(0, DAY)),
    ("show_time_type", Whole(0, 1)),
    ("show_start_time", Whole(0, i64::MAX)),
    ("show_end_time", Whole(0, i64::MAX)),
    ("push_time_type", Whole(0, 1)),
    ("push_start_time", Whole(0, i64::MAX)),
    ("time_zone", Text),
    ("fix_speed", Flag),
    ("fix_speed_rate", Whole(1000, 10_000)),
    ("network_type", Whole(0, 1)),
    // Only named in OPPO's own library.
    ("auditResponse", Any),
]);

/// Checks vendor fields.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the first field that is protected, unknown, or of another form.
pub(crate) fn check(fields: &Map<String, Value>) -> Result<()> {
    OVERLAY.check(fields)?;
    match fields.get("notify_level").and_then(Value::as_i64) {
        Some(number) if !LEVELS.iter().any(|level| i64::from(*level) == number) => {
            let what = "the vendor field `notify_level` must be 1, 2 or 16";
            Err(Error::new(ErrorKind::Invalid, what))
        }
        _ => Ok(()),
    }
}

/// What a click starts.
pub(crate) enum Click {
    /// The app's entry activity.
    App,
    /// The activity with this action.
    Action(String),
    /// The activity of this class.
    Activity(String),
}

/// A template of private messages, and the parameters of it that get title and text.
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) content: Option<String>,
}

/// How all notifications of a credential look.
pub(crate) struct Look {
    pub(crate) channel_id: String,
    pub(crate) category: String,
    /// One of [`LEVELS`].
    pub(crate) notify_level: Option<u8>,
    pub(crate) template: Option<Template>,
    pub(crate) click: Click,
    pub(crate) long_text: bool,
    pub(crate) badge: bool,
    pub(crate) min_ttl: Duration,
    /// Where OPPO posts receipts.
    pub(crate) receipts: Option<String>,
}

impl Look {
    /// The limits of the texts.
    pub(crate) const fn text(&self) -> TextLimits {
        if self.long_text { LONG_TEXT } else { TEXT }
    }

    /// Returns the `message` of a unicast to `target`, as of `now`.
    ///
    /// # Errors
    /// The verdict on the target: both texts are empty, a vendor field is protected or does not fit, or the message is too large.
    pub(crate) fn message(&self, target: &Target, now: Timestamp) -> Result<Value, Verdict> {
        let mut shown = self.shown(target, target.receiver.as_ref(), true, now)?;
        // A picture needs a broadcast: the message would be refused for it.
        shown.remove("big_picture_id");
        shown.remove("small_picture_id");
        if shown.get("style").and_then(Value::as_i64) == Some(PICTURE) {
            shown.remove("style");
        }
        // OPPO sends one id to one phone once, so that a repetition after an unknown outcome is not shown twice.
        shown.insert("app_message_id".into(), target.delivery.to_string().into());
        Ok(json!({
            "target_type": 2,
            "target_value": target.token.expose(),
            // The phone drops what is for a registration that it no longer has.
            "verify_registration_id": true,
            "notification": self.finish(shown)?,
        }))
    }

    /// Returns the fields of a saved message for `targets`, all of one content and badge, as of `now`.
    ///
    /// # Errors
    /// As [`Look::message`], on every target.
    pub(crate) fn saved(
        &self,
        targets: &[&Target],
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, Verdict> {
        let Some((first, rest)) = targets.split_first() else {
            return Ok(Vec::new());
        };
        let receiver = first.receiver.as_ref();
        let receiver = receiver.filter(|_| {
            rest.iter()
                .all(|target| target.receiver.as_ref() == receiver)
        });
        let shown = self.shown(first, receiver, rest.is_empty(), now)?;
        let Value::Object(shown) = self.finish(shown)? else {
            return Ok(Vec::new());
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(shown
            .into_iter()
            .map(|(key, value)| (key, text(value)))
            .collect())
    }

    /// The `notification` for `target` and those that are like it; `is_only` says that there is no other.
    fn shown(
        &self,
        target: &Target,
        receiver: Option<&UserId>,
        is_only: bool,
        now: Timestamp,
    ) -> Result<Map<String, Value>, Verdict> {
        let content: &Content = &target.content;
        let wanted = &content.notification;
        debug_assert_eq!(wanted.kind, NotificationKind::Alert);
        // OPPO requires both texts: a missing one is replaced by the other.
        let or =
            |text: &'_ str, other: &'_ str| if text.is_empty() { other } else { text }.to_owned();
        let limits = self.text();
        let title = limits
            .cut_title(&or(&wanted.title, &wanted.body))
            .into_owned();
        let text = limits
            .cut_body(&or(&wanted.body, &wanted.title))
            .into_owned();
        if title.is_empty() {
            let what = "title and text are empty, and OPPO requires both";
            return Err(Verdict::payload_refused("empty", what));
        }
        let mut shown = Map::new();
        let mut set = |key: &str, value: Value| drop(shown.insert(key.to_owned(), value));
        if let Some(template) = &self.template {
            set("private_msg_template_id", template.id.as_str().into());
            if let Some(name) = &template.title {
                set("private_title_parameters", json!({ name: title }));
            }
            if let Some(name) = &template.content {
                set("private_content_parameters", json!({ name: text }));
            }
        }
        set("title", title.into());
        set("content", text.into());
        if !wanted.subtitle.is_empty() {
            set(
                "sub_title",
                TextUnit::Utf16.cut(&wanted.subtitle, MAX_SUBTITLE).into(),
            );
        }
        if self.long_text {
            set("style", LONG.into());
        }
        for (key, value) in [
            ("channel_id", &self.channel_id),
            ("category", &self.category),
        ] {
            if !value.is_empty() {
                set(key, value.as_str().into());
            }
        }
        if let Some(level) = self.notify_level {
            set("notify_level", level.into());
        }
        let number = match wanted.collapse.as_str() {
            "" => collapse_number(&content.id.to_string()),
            key => collapse_number(key),
        };
        set("notify_id", number.into());
        if let (Badge::Set(number), true) = (target.badge, self.badge) {
            set("badge_operation_type", 0.into());
            set(
                "badge_message_count",
                number.min(i32::MAX.unsigned_abs()).into(),
            );
        }
        if let Some(at) = wanted.expires_at {
            set("off_line", true.into());
            set("off_line_ttl", self.ttl(at.since(now)).into());
        }
        check(&wanted.vendor)
            .map_err(|error| Verdict::payload_refused("vendor-field", error.to_string()))?;
        OVERLAY.lay(&wanted.vendor, &mut shown)?;
        self.click(&mut shown);
        let delivery = target.delivery.to_string();
        let parameters = parameters(&wanted.ext, is_only.then_some(&delivery), receiver)?;
        shown.insert("action_parameters".into(), parameters.into());
        if let Some(url) = &self.receipts {
            shown.insert("call_back_url".into(), url.as_str().into());
            shown.insert("call_back_parameter".into(), delivery.into());
        }
        Ok(shown)
    }

    fn click(&self, shown: &mut Map<String, Value>) {
        let (kind, name) = match &self.click {
            Click::App => (APP, None),
            Click::Action(name) => (ACTION, Some(name)),
            Click::Activity(name) => (ACTIVITY, Some(name)),
        };
        shown.insert("click_action_type".into(), kind.into());
        if let Some(name) = name {
            shown.insert("click_action_activity".into(), name.as_str().into());
        }
    }

    /// Rounded up, so that what is left of the last second counts.
    fn ttl(&self, left: Duration) -> u64 {
        let left = left.clamp(self.min_ttl, MAX_TTL);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }

    /// Checks what vendor fields made of the notification, and cuts its texts until it fits.
    fn finish(&self, mut shown: Map<String, Value>) -> Result<Value, Verdict> {
        if shown.contains_key("notify_level") && !shown.contains_key("category") {
            let what =
                "`notify_level` needs a `category`; set one in the class policy or the credential";
            return Err(Verdict::payload_refused("vendor-field", what));
        }
        let limits = match shown.get("style").and_then(Value::as_i64) {
            Some(LONG) => LONG_TEXT,
            _ => TEXT,
        };
        if let Some(Value::String(text)) = shown.get_mut("content") {
            *text = limits.cut_body(text).into_owned();
        }
        let mut shown = Value::Object(shown);
        let size = |shown: &Value| shown.to_string().len();
        fit(&mut shown, MAX_PAYLOAD, &["/content", "/title"], size).map_err(|excess| {
            let what = format!(
                "{excess} bytes more than the {MAX_PAYLOAD} that are sent to OPPO; shorten `ext` or the vendor fields"
            );
            Verdict::payload_refused("too-large", what)
        })?;
        Ok(shown)
    }
}

/// Returns `action_parameters`: the members of `ext`, each of which the phone makes an extra of the activity's intent, with
/// delivery and receiver beside them (S16). What is no JSON object, has members of these
/// names, or has none, is one extra `ext` (S19).
fn parameters(
    ext: &str,
    delivery: Option<&String>,
    receiver: Option<&UserId>,
) -> Result<String, Verdict> {
    let refused = |error: Error| Verdict::payload_refused("ext", error.to_string());
    let is_member = |members: &Map<String, Value>| {
        let is_taken = members.contains_key(DELIVERY_KEY) || members.contains_key(RECEIVER_KEY);
        !members.is_empty() && !is_taken
    };
    let mut text = match Ext::wrap_for("OPPO", ext).map_err(refused)?.trim() {
        "" => "{}".to_owned(),
        text if serde_json::from_str(text).is_ok_and(|members| is_member(&members)) => {
            text.to_owned()
        }
        _ => json!({ "ext": ext }).to_string(),
    };
    Ext::check_for("OPPO", &text).map_err(refused)?;
    let ours: Map<String, Value> = [
        (DELIVERY_KEY, delivery.map(|id| Value::from(id.as_str()))),
        (RECEIVER_KEY, receiver.map(|user| user.as_str().into())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    // Ours go behind the last member, so that `ext` stays as it was written: order, blanks, numbers of any size.
    if !ours.is_empty() {
        let ours = Value::from(ours).to_string();
        let comma = if ext.is_empty() { "" } else { "," };
        text.truncate(text.len() - 1);
        text.extend([comma, &ours[1..]]);
    }
    let units = text.encode_utf16().count();
    if units > MAX_PARAMETERS {
        let what = format!(
            "`ext` with receiver and delivery has {units} characters, and OPPO takes {MAX_PARAMETERS}; shorten `ext`"
        );
        return Err(Verdict::payload_refused("too-large", what));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
