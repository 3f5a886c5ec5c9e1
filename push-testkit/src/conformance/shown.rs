//! What a phone would show of a request, as the vendor's documentation says.
use std::{collections::HashMap, ops::Deref, sync::Arc, time::Duration};

use push_core::{Badge, Timestamp};
use serde_json::Value;

use crate::Recorded;

/// One request to the vendor's send path, with what was saved at the vendor before it.
#[derive(Clone, Debug)]
pub struct Sent {
    request: Recorded,
    saved: Arc<HashMap<String, Recorded>>,
}

impl Sent {
    pub(super) const fn new(request: Recorded, saved: Arc<HashMap<String, Recorded>>) -> Self {
        Self { request, saved }
    }

    /// The request that was answered with this id at [`Vendor::step`](super::Vendor::step).
    ///
    /// # Panics
    /// If the vendor gave no such id.
    pub fn saved(&self, id: &str) -> &Recorded {
        self.saved
            .get(id)
            .expect("the request names a message that the vendor saved")
    }
}

impl Deref for Sent {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        &self.request
    }
}

/// What one request, or one part of it, makes phones show.
///
/// A request whose targets all get the same is one `Shown` with all their tokens; a request with a message for each target is
/// one `Shown` for each.
///
/// ```
/// use push_testkit::{conformance::Shown, json};
/// let payload = json!({ "to": ["t1", "t2"], "alert": { "title": "Ann", "body": "hi" }, "ttl": 60, "icon": 0 });
/// let shown = Shown::new(payload)
///     .tokens_at("/to")
///     .title_at("/alert/title")
///     .body_at("/alert/body")
///     .ttl_at("/ttl")
///     .badge_at("/icon");
/// assert_eq!(shown.tokens, ["t1", "t2"]);
/// assert_eq!(shown.ttl, Some(std::time::Duration::from_secs(60)));
/// assert_eq!(shown.badge, push_core::Badge::Set(0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Shown {
    /// The tokens it goes to, in the form of [`Vendor::seen_as`](super::Vendor::seen_as).
    pub tokens: Vec<String>,
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// The click data, as the app gets it.
    pub ext: Option<String>,
    /// What happens to the number on the icon; [`Badge::Leave`] if the request does not say.
    pub badge: Badge,
    /// How long the vendor keeps it, where the request says so as a duration.
    pub ttl: Option<Duration>,
    /// When the vendor discards it, where the request says so as a date.
    pub expires_at: Option<Timestamp>,
    /// The delivery's id, as the app gets it.
    pub delivery: Option<String>,
    /// The user it is for, as the app gets it.
    pub receiver: Option<String>,
    /// What makes a later notification replace this one, in the vendor's form.
    pub collapse: Option<String>,
    /// What the vendor returns in receipts.
    pub tag: Option<String>,
    /// The id by which the vendor recognises a repeated request.
    pub dedup: Option<String>,
    /// The whole message as JSON: what [`Vendor::overlay`](super::Vendor::overlay) is laid over. `null` if there is none.
    pub payload: Value,
}

impl Shown {
    /// Reads from `payload`, which becomes [`Shown::payload`]. Nothing is shown yet.
    pub fn new(payload: Value) -> Self {
        Self {
            payload,
            ..Self::default()
        }
    }

    /// Adds a token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens.push(token.into());
        self
    }

    /// Adds the token, or the array of tokens, at this JSON pointer (RFC 6901) of the payload.
    ///
    /// # Panics
    /// If there is something else.
    #[must_use]
    pub fn tokens_at(mut self, pointer: &str) -> Self {
        let text = |value: &Value| value.as_str().expect("a token is a string").to_owned();
        match self.payload.pointer(pointer) {
            Some(Value::Array(list)) => self.tokens.extend(list.iter().map(text)),
            Some(one) => self.tokens.push(text(one)),
            None => panic!("the payload has no `{pointer}`"),
        }
        self
    }

    /// Reads the number on the icon, which the push sets, at this pointer.
    #[must_use]
    pub fn badge_at(mut self, pointer: &str) -> Self {
        if let Some(number) = self.number(pointer) {
            self.badge = Badge::Set(number);
        }
        self
    }

    /// Reads the number that the push adds to that on the icon, at this pointer.
    #[must_use]
    pub fn badge_added_at(mut self, pointer: &str) -> Self {
        if let Some(number) = self.number(pointer) {
            self.badge = Badge::Add(number);
        }
        self
    }

    /// Reads the time to live at this pointer: seconds, as a number or as text with or without an `s` behind it.
    ///
    /// # Panics
    /// If there is something else.
    #[must_use]
    pub fn ttl_at(mut self, pointer: &str) -> Self {
        if let Some(text) = self.text(pointer) {
            let seconds = text.strip_suffix('s').unwrap_or(&text).parse();
            self.ttl = Some(Duration::from_secs(seconds.expect("seconds")));
        }
        self
    }

    /// Text, or a number as text; `None` for `null`.
    fn text(&self, pointer: &str) -> Option<String> {
        match self.payload.pointer(pointer)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn number(&self, pointer: &str) -> Option<u32> {
        self.text(pointer)
            .map(|text| text.parse().expect("a number for the icon"))
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident => $field:ident;)*) => {
        impl Shown {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(mut self, pointer: &str) -> Self {
                    self.$field = self.text(pointer);
                    self
                }
            )*
        }
    };
}

texts! {
    /// Reads the title at this pointer.
    title_at => title;
    /// Reads the text at this pointer.
    body_at => body;
    /// Reads the click data at this pointer.
    ext_at => ext;
    /// Reads the delivery's id at this pointer.
    delivery_at => delivery;
    /// Reads the receiver at this pointer.
    receiver_at => receiver;
    /// Reads the collapse key at this pointer.
    collapse_at => collapse;
    /// Reads the receipts' tag at this pointer.
    tag_at => tag;
    /// Reads the id of the request at this pointer.
    dedup_at => dedup;
}

impl Shown {
    /// How long the vendor keeps it, as seen at `now`.
    pub(super) fn kept(&self, now: Timestamp) -> Option<Duration> {
        self.ttl.or_else(|| Some(self.expires_at?.since(now)))
    }
}

impl From<Shown> for Vec<Shown> {
    fn from(shown: Shown) -> Self {
        vec![shown]
    }
}
