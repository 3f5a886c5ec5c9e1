//! A notification in Huawei's words.
use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use push_core::{
    Badge, Channel, DeliveryId, DeviceToken, Interruption, Notification, NotificationKind,
    Priority, Sound, Timestamp, Verdict, payload::Ext,
};
use serde_json::{Map, Value, json};

use crate::{MAX_PAYLOAD, MAX_TTL};

/// What ends a text that was cut; the three dots that a person knows.
const ELLIPSIS: &str = "...";

/// The largest number that Huawei shows on an icon.
const MAX_BADGE: u32 = 99;

/// What Android's `Uri.encode` leaves alone, so that `Intent.parseUri` reads back exactly what was sent.
const INTENT_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'-')
    .remove(b'!')
    .remove(b'.')
    .remove(b'~')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// How every message of one credential looks.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) click: Click,
    /// Empty: Huawei classifies by itself.
    pub(crate) category: String,
    pub(crate) target_user_type: u8,
    /// Empty: no badge.
    pub(crate) badge_class: String,
    pub(crate) channel_id: String,
    pub(crate) receipt_id: String,
    pub(crate) high_urgency: bool,
}

/// What a click opens.
#[derive(Clone, Debug)]
pub(crate) enum Click {
    /// An intent URI without its `;end`.
    Intent(String),
    /// The action of an intent filter.
    Action(String),
}

/// A request body that lacks only its tokens.
pub(crate) struct Rendered {
    /// Everything up to the token list.
    head: String,
}

impl Rendered {
    /// The whole body for these tokens, in their order.
    pub(crate) fn body<'a>(&self, tokens: impl IntoIterator<Item = &'a DeviceToken>) -> String {
        let mut body = self.head.clone();
        for (at, token) in tokens.into_iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            quote(token.expose(), &mut body);
        }
        body.push_str("]}}");
        body
    }
}

fn quote(text: &str, to: &mut String) {
    // Writing to a string never fails.
    write!(to, "{}", Value::from(text)).unwrap_or_default();
}

/// The body with everything but the tokens; what `validate_only` asks for is checked and not delivered.
fn head(message: &Value, validate_only: bool) -> String {
    let mut head = format!(r#"{{"validate_only":{validate_only},"message":{message}"#);
    head.pop();
    head.push_str(r#","token":["#);
    head
}

/// What a body has after the tokens: `]}}`.
const TAIL: usize = 3;

impl Style {
    /// Renders `notification` as of `now`. `bi_tag` comes back in receipts.
    ///
    /// Where the body would be too large, the second copy of `ext` goes first, then the end of the text; `ext` itself is
    /// never shortened (S98).
    ///
    /// # Errors
    /// The verdict on every target, if Huawei could never take it.
    pub(crate) fn render(
        &self,
        notification: &Notification,
        now: Timestamp,
        bi_tag: Option<DeliveryId>,
        validate_only: bool,
    ) -> Result<Rendered, Verdict> {
        Ext::check_for("Huawei", &notification.ext)
            .map_err(|error| Verdict::payload_refused("ext", error.to_string()))?;
        let mut android = match notification.kind {
            NotificationKind::Background => self.data_message(notification),
            NotificationKind::Alert | NotificationKind::Voip => self.alert(notification)?,
            _ => {
                return Err(Verdict::payload_refused(
                    "kind",
                    "Huawei has nothing like a Live Activity",
                ));
            }
        };
        if let Some(at) = notification.expires_at {
            android.insert("ttl".into(), ttl(at, now).into());
        }
        if let Some(tag) = bi_tag {
            android.insert("bi_tag".into(), tag.to_string().into());
        }
        match notification.vendor.get(&Channel::HUAWEI) {
            None | Some(Value::Null) => {}
            Some(Value::Object(fields)) => merge(&mut android, fields),
            Some(_) => {
                return Err(Verdict::payload_refused(
                    "vendor",
                    "the fields for Huawei are not an object, as in {\"category\":\"IM\"}",
                ));
            }
        }
        let mut message = json!({ "android": android });
        if !notification.ext.is_empty() || notification.kind == NotificationKind::Background {
            message["data"] = data(&notification.ext).into();
        }
        fit(&mut message, validate_only).map(|head| Rendered { head })
    }

    /// The fields that both kinds of message have.
    fn common(&self) -> Map<String, Value> {
        let mut android = Map::new();
        android.insert("target_user_type".into(), self.target_user_type.into());
        for (key, text) in [
            ("category", &self.category),
            ("receipt_id", &self.receipt_id),
        ] {
            if !text.is_empty() {
                android.insert(key.into(), text.as_str().into());
            }
        }
        android
    }

    fn data_message(&self, notification: &Notification) -> Map<String, Value> {
        let mut android = self.common();
        let high = self.high_urgency && notification.priority == Priority::High;
        let urgency = if high { "HIGH" } else { "NORMAL" };
        android.insert("urgency".into(), urgency.into());
        android
    }

    fn alert(&self, notification: &Notification) -> Result<Map<String, Value>, Verdict> {
        let (title, body) = match (notification.title.as_str(), notification.body.as_str()) {
            ("", "") => {
                return Err(Verdict::payload_refused(
                    "empty",
                    "Huawei shows nothing without title and text, and both are empty",
                ));
            }
            (title, "") => (title, title),
            ("", body) => (body, body),
            both => both,
        };
        let quiet = notification.sound == Sound::Silent
            || notification.priority == Priority::Low
            || notification.interruption == Some(Interruption::Passive);
        let mut it = Map::new();
        let mut put = |key: &str, value: Value| it.insert(key.to_owned(), value);
        put("title", title.into());
        put("body", body.into());
        put("importance", if quiet { "LOW" } else { "NORMAL" }.into());
        put("click_action", self.click.action(&notification.ext));
        match &notification.sound {
            Sound::Default => drop(put("default_sound", true.into())),
            Sound::Silent => drop(put("default_sound", false.into())),
            Sound::Named(file) => {
                put("default_sound", false.into());
                put("sound", raw_resource(file).into());
            }
        }
        if let (Badge::Set(number), false) = (notification.badge, self.badge_class.is_empty()) {
            let number = number.min(MAX_BADGE);
            put(
                "badge",
                json!({ "set_num": number, "class": self.badge_class }),
            );
        }
        for (key, text) in [
            ("tag", &notification.collapse),
            ("group", &notification.thread),
            ("channel_id", &self.channel_id),
        ] {
            if !text.is_empty() {
                put(key, text.as_str().into());
            }
        }
        // Huawei would refuse the whole message for a picture that it cannot fetch safely.
        if notification.image.starts_with("https://") {
            put("image", notification.image.as_str().into());
        }
        let mut android = self.common();
        android.insert("notification".into(), it.into());
        Ok(android)
    }
}

impl Click {
    fn action(&self, ext: &str) -> Value {
        match self {
            Self::Action(action) => json!({ "type": 1, "action": action }),
            Self::Intent(stem) if ext.is_empty() => {
                json!({ "type": 1, "intent": format!("{stem};end") })
            }
            Self::Intent(stem) => {
                let ext = utf8_percent_encode(ext, INTENT_VALUE);
                json!({ "type": 1, "intent": format!("{stem};S.ext={ext};end") })
            }
        }
    }
}

/// What the app reads besides the intent: JSON as text, with `ext` as text in it.
fn data(ext: &str) -> String {
    if ext.is_empty() {
        "{}".to_owned()
    } else {
        json!({ "ext": ext }).to_string()
    }
}

/// A sound lies in the app's `res/raw` and is named without its suffix.
fn raw_resource(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if stem.starts_with('/') {
        stem.to_owned()
    } else {
        format!("/raw/{stem}")
    }
}

/// Whole seconds, rounded up: what has a moment left is still worth one second.
fn ttl(expires_at: Timestamp, now: Timestamp) -> String {
    let left = expires_at.since(now);
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    format!("{}s", seconds.clamp(1, MAX_TTL.as_secs()))
}

/// Merges objects into objects; anything else replaces. An empty category or channel leaves the credential's own (S100).
fn merge(into: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (key, value) in fields {
        let unset = matches!(key.as_str(), "category" | "channel_id") && value == "";
        match (into.get_mut(key), value) {
            _ if unset => {}
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn fit(message: &mut Value, validate_only: bool) -> Result<String, Verdict> {
    let mut whole = head(message, validate_only);
    if whole.len() + TAIL > MAX_PAYLOAD
        && ext_is_in_the_intent(message)
        && let Some(fields) = message.as_object_mut()
    {
        fields.remove("data");
        whole = head(message, validate_only);
    }
    let excess = (whole.len() + TAIL).saturating_sub(MAX_PAYLOAD);
    if excess == 0 {
        return Ok(whole);
    }
    if let Some(Value::String(text)) = message.pointer_mut("/android/notification/body")
        && shorten(text, excess)
    {
        return Ok(head(message, validate_only));
    }
    Err(Verdict::payload_refused(
        "80300008",
        format!(
            "{excess} bytes more than the {MAX_PAYLOAD} that Huawei takes, and too little text to cut"
        ),
    ))
}

fn ext_is_in_the_intent(message: &Value) -> bool {
    message
        .pointer("/android/notification/click_action/intent")
        .and_then(Value::as_str)
        .is_some_and(|it| it.contains(";S.ext="))
}

/// Takes at least `excess` bytes of JSON off the end of `text`, on a character boundary, and marks the cut. `false` if
/// the text is not that long.
fn shorten(text: &mut String, excess: usize) -> bool {
    let mut freed = 0;
    let mut end = text.len();
    for (at, character) in text.char_indices().rev() {
        if freed >= excess + ELLIPSIS.len() {
            break;
        }
        freed += escaped_len(character);
        end = at;
    }
    if freed < excess + ELLIPSIS.len() {
        return false;
    }
    text.truncate(end);
    text.push_str(ELLIPSIS);
    true
}

/// How many bytes a character takes in a JSON string.
fn escaped_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn style(click: Click) -> Style {
        Style {
            click,
            category: "IM".into(),
            target_user_type: 0,
            badge_class: "com.example.im.MainActivity".into(),
            channel_id: String::new(),
            receipt_id: String::new(),
            high_urgency: false,
        }
    }

    fn clicks() -> [Click; 2] {
        [
            Click::Intent("intent://im/chat#Intent;scheme=push".into()),
            Click::Action("com.example.im.OPEN_CHAT".into()),
        ]
    }

    fn body(style: &Style, notification: &Notification) -> Result<Value, Verdict> {
        let rendered = style.render(notification, NOW, None, false)?;
        assert!(rendered.body([]).len() <= MAX_PAYLOAD);
        let token = DeviceToken::new("phone-1").expect("a token");
        let body = rendered.body([&token, &token]);
        Ok(serde_json::from_str(&body).expect("the body is JSON"))
    }

    proptest! {
        /// S98
        #[test]
        fn whatever_people_write_fits_or_is_refused_and_no_character_breaks(
            title in "\\PC{0,80}",
            text in any::<String>(),
            repeat in 1_usize..100,
            sender in any::<String>(),
        ) {
            let whole = text.repeat(repeat);
            let ext = json!({ "entity": { "sender": sender } }).to_string();
            let notification = Notification {
                title,
                body: whole.clone(),
                ext: ext.clone(),
                badge: Badge::Set(1),
                ..Notification::default()
            };
            for click in clicks() {
                let message = match body(&style(click), &notification) {
                    Ok(body) => body["message"].clone(),
                    Err(verdict) => {
                        let empty = whole.is_empty() && notification.title.is_empty();
                        prop_assert!(empty || verdict.answer.code == "80300008");
                        continue;
                    }
                };
                let shown = message["android"]["notification"]["body"].as_str().expect("a text");
                let cut = shown
                    .strip_suffix(ELLIPSIS)
                    .is_some_and(|kept| whole.starts_with(kept));
                prop_assert!(shown == whole || cut || whole.is_empty());
                let click = &message["android"]["notification"]["click_action"];
                let found = match click["intent"].as_str() {
                    Some(uri) => {
                        let encoded = uri
                            .split_once(";S.ext=")
                            .and_then(|it| it.1.strip_suffix(";end"))
                            .expect("an extra");
                        percent_encoding::percent_decode_str(encoded)
                            .decode_utf8()
                            .expect("UTF-8")
                            .into_owned()
                    }
                    None => {
                        let data: Value =
                            serde_json::from_str(message["data"].as_str().expect("data"))
                                .expect("JSON");
                        data["ext"].as_str().expect("ext").to_owned()
                    }
                };
                prop_assert_eq!(found, ext.clone());
            }
        }

        #[test]
        fn the_length_of_a_character_in_json_is_known(character in any::<char>()) {
            let quoted = Value::from(character.to_string()).to_string();
            prop_assert_eq!(escaped_len(character), quoted.len() - 2);
        }
    }

    #[test]
    fn the_second_copy_of_ext_goes_before_any_text_does() {
        let notification = |bytes: usize| Notification {
            title: "Ann".into(),
            body: "b".repeat(600),
            ext: json!({ "entity": { "sender": "s".repeat(bytes) } }).to_string(),
            ..Notification::default()
        };
        let [intent, action] = clicks().map(style);
        let small = body(&intent, &notification(1000)).unwrap();
        assert!(small["message"]["data"].is_string());
        let large = body(&intent, &notification(2000)).unwrap();
        assert!(large["message"].get("data").is_none());
        let text = &large["message"]["android"]["notification"]["body"];
        assert_eq!(text.as_str().unwrap().len(), 600);
        // Where `data` is the only copy it stays.
        let only = body(&action, &notification(3300)).unwrap();
        assert!(only["message"]["data"].is_string());
        let text = &only["message"]["android"]["notification"]["body"];
        assert!(text.as_str().unwrap().len() < 600);
    }

    #[test]
    fn a_picture_that_is_not_https_is_left_out() {
        let [intent, _] = clicks().map(style);
        for (image, sent) in [
            ("https://example.com/a.png", true),
            ("http://example.com/a.png", false),
        ] {
            let notification = Notification {
                title: "Ann".into(),
                image: image.into(),
                ..Notification::default()
            };
            let body = body(&intent, &notification).unwrap();
            let it = &body["message"]["android"]["notification"]["image"];
            assert_eq!(it.is_string(), sent);
        }
    }
}
