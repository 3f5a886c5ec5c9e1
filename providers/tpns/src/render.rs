//! Notification to request, as in Tencent's page on the push API (tencentyun/intlcloud-documents, read November 2026).
use std::time::Duration;

use push_core::{
    Badge, Batch, Content, Describe, Environment, Error, Interruption, Notification,
    NotificationKind, Sound, TextLimits, Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
    payload::Ext,
};
use push_kit::{collapse::collapse_number, form, input::one_of, overlay::merge, payload::fit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

mod fields;

pub(crate) use self::fields::OVERLAY;

/// The largest `message`, in bytes. Not documented; Apple and most vendors of Android phones take 4,096 bytes, and TPNS adds
/// members of its own.
pub(crate) const MAX_PAYLOAD: usize = 3840;

/// What TPNS raises a shorter `expire_time` to; 0 is for phones that are connected now.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(800);

/// The longest `expire_time`, above which the push fails: three days.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(259_200);

/// The largest number on the icon of an Android phone.
const MAX_BADGE: u32 = 99;

/// What the app gets with a click.
pub(crate) const CLICK_KEYS: [&str; 3] = ["ext", DELIVERY_KEY, RECEIVER_KEY];

/// Title and text of a message that is not shown, which TPNS requires on Android all the same.
const UNSHOWN: &str = "background";

/// The platform of an app: TPNS gives each an Access ID of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum System {
    /// Android, by TPNS's own connection and by the channels of the phones' vendors.
    Android,
    /// iOS, by APNs.
    Ios,
}

impl TryFrom<String> for System {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        one_of(&text, &[("android", Self::Android), ("ios", Self::Ios)])
    }
}

/// How all notifications of a credential look.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) system: System,
    /// The URL that a click on Android opens; `None` for the app's entry activity.
    pub(crate) click: Option<String>,
    /// Fields of a request that give way to all others.
    pub(crate) fields: Map<String, Value>,
    pub(crate) text: TextLimits,
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
        let is_shown = wanted.kind != NotificationKind::Background;
        let message = match (is_shown, self.system) {
            (false, system) => silent(system, &click)?,
            (true, System::Android) => self.android(batch, content, &click)?,
            (true, System::Ios) => self.ios(batch, wanted, &click)?,
        };
        let mut request = Map::new();
        // The credential's fields first, so that what the message says replaces them.
        merge(&mut request, &self.fields);
        let mut own = self.envelope(batch, is_shown);
        if let Some(at) = wanted.expires_at {
            own.insert("expire_time".to_owned(), ttl(at.since(now)).into());
        }
        own.insert("message".to_owned(), message.clone());
        merge(&mut request, &own);
        OVERLAY.lay(&wanted.vendor, &mut request)?;
        if is_shown {
            // A policy of a class holds for credentials of both platforms.
            let other = match self.system {
                System::Android => "ios",
                System::Ios => "android",
            };
            if let Some(Value::Object(message)) = request.get_mut("message") {
                message.remove(other);
            }
        } else {
            // A policy of its class would make it a notification, which is shown, or one that TPNS refuses.
            request.insert("message".to_owned(), message);
        }
        finish(request, batch)
    }

    /// To whom and as what it is sent, without the tokens.
    fn envelope(&self, batch: &Batch, is_shown: bool) -> Map<String, Value> {
        let audience = match batch.targets.len() {
            0 | 1 => "token",
            _ => "token_list",
        };
        let mut own = Map::new();
        let mut set = |key: &str, value: Value| drop(own.insert(key.to_owned(), value));
        set("audience_type", audience.into());
        set(
            "message_type",
            if is_shown { "notify" } else { "message" }.into(),
        );
        // One token that TPNS does not know would fail the whole request; so it is named in the answer.
        set("ignore_invalid_token", 1.into());
        if self.system == System::Ios {
            set("environment", environment(batch.environment).into());
        }
        own
    }

    /// What both platforms have: the texts, of which TPNS requires both, the group and the picture.
    fn shown(&self, wanted: &Notification) -> Result<Value, Verdict> {
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        let (title, body) = (
            or(&wanted.title, &wanted.body),
            or(&wanted.body, &wanted.title),
        );
        if title.is_empty() {
            let text = "title and text are empty, and TPNS requires both";
            return Err(Verdict::payload_refused("empty", text));
        }
        let mut shown = json!({
            "title": self.text.cut_title(&title),
            "content": self.text.cut_body(&body),
        });
        if !wanted.thread.is_empty() {
            shown["thread_id"] = wanted.thread.as_str().into();
        }
        if wanted.image.starts_with("https://") {
            shown["xg_media_resources"] = wanted.image.as_str().into();
        }
        Ok(shown)
    }

    fn android(
        &self,
        batch: &Batch,
        content: &Content,
        click: &[(&'static str, String)],
    ) -> Result<Value, Verdict> {
        let wanted = &content.notification;
        let mut shown = self.shown(wanted)?;
        let id = match wanted.collapse.as_str() {
            "" => collapse_number(&content.id.to_string()),
            key => collapse_number(key),
        };
        let mut android = json!({ "n_id": id });
        if let Badge::Set(number) = badge(batch) {
            android["badge_type"] = number.min(MAX_BADGE).into();
        }
        match &wanted.sound {
            Sound::Default => {}
            Sound::Silent => android["ring"] = 0.into(),
            // The name of a resource of the app, which has no suffix.
            Sound::Named(file) => {
                let name = file
                    .rsplit_once('.')
                    .map_or(file.as_str(), |(name, _)| name);
                android["ring_raw"] = name.into();
            }
        }
        if let Some(url) = &self.click {
            android["action"] = json!({ "action_type": 3, "intent": with_query(url, click) });
        } else {
            android["action"] = json!({ "action_type": 1 });
            android["custom_content"] = object(click).to_string().into();
        }
        shown["android"] = android;
        Ok(shown)
    }

    fn ios(
        &self,
        batch: &Batch,
        wanted: &Notification,
        click: &[(&'static str, String)],
    ) -> Result<Value, Verdict> {
        let mut shown = self.shown(wanted)?;
        // Title and text of the message take their places in it.
        let mut aps = json!({ "alert": {} });
        if !wanted.subtitle.is_empty() {
            aps["alert"]["subtitle"] = wanted.subtitle.as_str().into();
        }
        if let Badge::Set(number) = badge(batch) {
            aps["badge_type"] = number.into();
        }
        match &wanted.sound {
            Sound::Default => aps["sound"] = "default".into(),
            Sound::Silent => {}
            Sound::Named(file) => aps["sound"] = file.as_str().into(),
        }
        if wanted.mutable {
            aps["mutable-content"] = 1.into();
        }
        if let Some(level) = wanted.interruption {
            aps["interruption-level"] = match level {
                Interruption::Passive => "passive",
                Interruption::Active => "active",
                Interruption::TimeSensitive => "time-sensitive",
                Interruption::Critical => "critical",
            }
            .into();
        }
        shown["ios"] = json!({ "aps": aps });
        if let Some(custom) = custom(click)? {
            shown["ios"]["custom_content"] = custom.into();
        }
        Ok(shown)
    }

    /// Returns a message to `token`, which no phone has: not shown, and not kept.
    pub(crate) fn question(&self, token: &str) -> String {
        let mut request = json!({
            "audience_type": "token",
            "token_list": [token],
            "message_type": "message",
            "ignore_invalid_token": 1,
            "expire_time": 0,
            "message": match self.system {
                System::Android => json!({ "title": UNSHOWN, "content": UNSHOWN }),
                System::Ios => json!({ "ios": { "aps": { "content-available": 1 } } }),
            },
        });
        if self.system == System::Ios {
            request["environment"] = environment(Environment::Production).into();
        }
        request.to_string()
    }
}

/// A message that the app gets and the phone does not show.
fn silent(system: System, click: &[(&'static str, String)]) -> Result<Value, Verdict> {
    Ok(match system {
        System::Android => json!({
            "title": UNSHOWN,
            "content": UNSHOWN,
            "android": { "custom_content": object(click).to_string() },
        }),
        System::Ios => {
            let mut ios = json!({ "aps": { "content-available": 1 } });
            if let Some(custom) = custom(click)? {
                ios["custom_content"] = custom.into();
            }
            json!({ "ios": ios })
        }
    })
}

/// TPNS keeps a token of a debug build apart from one of a released app.
const fn environment(environment: Environment) -> &'static str {
    match environment {
        Environment::Sandbox => "dev",
        Environment::Production => "product",
    }
}

fn badge(batch: &Batch) -> Badge {
    let first = batch.targets.first();
    first.map_or(Badge::Leave, |target| target.badge)
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

/// `url` with the click data as further parameters of its query.
fn with_query(url: &str, click: &[(&'static str, String)]) -> String {
    let pairs = click.iter().map(|(key, value)| (*key, value.as_str()));
    let query = form::encode(pairs);
    match query.expose() {
        "" => url.to_owned(),
        query if url.contains('?') => format!("{url}&{query}"),
        query => format!("{url}?{query}"),
    }
}

fn object(pairs: &[(&'static str, String)]) -> Value {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

/// The custom content of an iPhone, which the app finds as the text `userInfo["custom"]` (S18): `ext` as it is, with delivery
/// and receiver as further members, because TPNS passes on nothing beside it. `None` if there is nothing to pass on.
///
/// # Errors
/// `ext` is larger than any vendor delivers.
fn custom(click: &[(&'static str, String)]) -> Result<Option<String>, Verdict> {
    let (ext, beside) = match click {
        [] => return Ok(None),
        [("ext", ext), beside @ ..] => (ext.as_str(), beside),
        // Opens nothing.
        beside => (r#"{"entity":null}"#, beside),
    };
    let ext = Ext::wrap_for("TPNS", ext)
        .map_err(|error| Verdict::payload_refused("ext", error.to_string()))?;
    let open = ext.trim_end_matches([' ', '\t', '\r', '\n']);
    let mut text = open.strip_suffix('}').unwrap_or(open).to_owned();
    let mut is_first = text.trim_end().ends_with('{');
    for (key, value) in beside {
        if !std::mem::take(&mut is_first) {
            text.push(',');
        }
        text += &format!("\"{key}\":{}", Value::from(value.as_str()));
    }
    text.push('}');
    Ok(Some(text))
}

/// `expire_time`: rounded up, so that what is left of the last second counts. What has expired reaches connected phones only.
fn ttl(left: Duration) -> u64 {
    if left.is_zero() {
        return 0;
    }
    let left = left.clamp(MIN_TTL, MAX_TTL);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// Cuts the texts until the message fits, and adds the tokens.
fn finish(request: Map<String, Value>, batch: &Batch) -> Result<String, Verdict> {
    const TEXTS: [&str; 2] = ["/message/content", "/message/title"];
    let mut request = Value::Object(request);
    let size_of = |request: &Value| request["message"].to_string().len();
    fit(&mut request, MAX_PAYLOAD, &TEXTS, size_of).map_err(|excess| {
        let text = format!(
            "{excess} bytes more than the {MAX_PAYLOAD} that are sent to TPNS; shorten `ext` or the vendor fields"
        );
        Verdict::payload_refused("too-large", text)
    })?;
    request["token_list"] = batch
        .targets
        .iter()
        .map(|target| target.token.expose())
        .collect();
    Ok(request.to_string())
}

#[cfg(test)]
mod tests;
