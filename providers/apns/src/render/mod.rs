//! From a content to the headers and bodies of its requests.
mod aps;
mod cache;
mod fields;
mod payload;
mod push_type;
pub(crate) mod request;

use http::{HeaderName, HeaderValue};
use push_core::{Badge, Content, Slot, Target, Timestamp};

pub use self::{
    aps::{Alert, AlertFields, Aps, CriticalSound, Event, InterruptionLevel, Sound, Text},
    fields::VendorFields,
    push_type::PushType,
};
pub(crate) use self::{
    cache::Cache,
    request::{MAX_TTL, MIN_TTL, Path},
};
use self::{payload::Payload, request::Expiration};
use crate::classify::TopicOrigin;

/// Why a content cannot be sent as it is. Never holds its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Apple's reason for the same, or a code of this provider if Apple has none.
    pub(crate) code: &'static str,
    /// What is wrong, and what to do about it.
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

/// What of the credential a request depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// The bundle id.
    pub(crate) topic: &'a str,
    /// Whether the connection is authenticated with a certificate.
    pub(crate) by_certificate: bool,
}

/// A content rendered once: everything that the requests to all its targets share.
#[derive(Debug)]
pub(crate) struct Rendered {
    headers: Vec<(HeaderName, HeaderValue)>,
    expiration: Expiration,
    payload: Payload,
    /// Where the topic comes from.
    pub(crate) topic: TopicOrigin,
}

impl Rendered {
    /// Renders `content` for tokens of `slot`, for targets that set the number on the icon (`has_badge`) or do not.
    ///
    /// # Errors
    /// What Apple would refuse, or accept and not deliver.
    pub(crate) fn new(
        content: &Content,
        slot: Slot,
        has_badge: bool,
        context: Context<'_>,
    ) -> Result<Self, Refusal> {
        let notification = &content.notification;
        let fields = VendorFields::read(&notification.vendor, context.by_certificate)?;
        let usual = PushType::usual(notification.kind, slot, has_badge);
        let push_type = fields.push_type.unwrap_or(usual);
        if slot != Slot::Alert && push_type != usual {
            return Err(Refusal::new(
                "InvalidPushType",
                format!(
                    "a push of type {} cannot go to a token of slot {slot}: remove `push-type`",
                    push_type.as_str()
                ),
            ));
        }
        let suffix = push_type.topic_suffix();
        let topic = if suffix.is_empty() {
            TopicOrigin::Credential
        } else if suffix == usual.topic_suffix() {
            TopicOrigin::Slot
        } else {
            TopicOrigin::Message
        };
        let payload = Payload::new(notification, &fields, push_type, has_badge)?;
        let headers = request::headers(content, &fields, push_type, &payload, context.topic)?;
        Ok(Self {
            headers,
            expiration: Expiration::new(notification, &fields, push_type),
            payload,
            topic,
        })
    }

    /// Returns the headers that every request has, without `apns-id` and `authorization`.
    ///
    /// # Errors
    /// The time to deliver it is over.
    pub(crate) fn headers(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
        // Room for `apns-expiration` and `apns-id`.
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        headers.extend(self.headers.iter().cloned());
        headers.extend(self.expiration.header(now)?);
        Ok(headers)
    }

    /// Returns the body for `target`: with its badge, delivery and receiver, and with texts cut to what then fits.
    ///
    /// # Errors
    /// It does not fit even without texts.
    pub(crate) fn body(&self, target: &Target) -> Result<bytes::Bytes, Refusal> {
        self.payload.body(target)
    }
}

/// Returns the number on the icon that `badge` sets.
pub(crate) const fn number(badge: Badge) -> Option<u32> {
    match badge {
        Badge::Set(number) => Some(number),
        // Apple has no way to add, and the gateway counts for vendors of this style.
        _ => None,
    }
}
