//! One rendered push, and the requests that carry it to each token.
use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::AUTHORIZATION,
    uri::{Authority, PathAndQuery, Scheme},
};
use push_core::{
    DeliveryId, DeviceToken, Notification, Priority, Slot, Timestamp, api::DELIVERY_KEY,
};

use crate::{
    payload::{Refusal, render},
    push_type::PushType,
    vendor::VendorFields,
};

const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");

/// The longest that Apple stores a push.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest collapse id, in bytes.
pub(crate) const MAX_COLLAPSE_ID: usize = 64;

/// The longest token in hexadecimal digits. Apple names no limit; the longest seen (Live Activities) have 160 or so.
const MAX_TOKEN: usize = 200;

/// What naming the delivery adds to a payload, in bytes: `,"delivery":"<UUID>"`.
const DELIVERY_BYTES: usize = DELIVERY_KEY.len() + 36 + 6;

/// What of the configuration a request depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// The bundle id.
    pub(crate) topic: &'a str,
    /// Whether the connection is authenticated by a certificate.
    pub(crate) by_certificate: bool,
    pub(crate) now: Timestamp,
}

/// A push rendered once: what the requests of a whole batch share.
#[derive(Debug)]
pub(crate) struct Prepared {
    headers: HeaderMap,
    body: Bytes,
    /// Whether each push names its delivery, so that the app can say what became of it.
    names_delivery: bool,
}

impl Prepared {
    /// Renders `notification` for tokens of `slot`. `dated` is when the notification was made.
    pub(crate) fn new(
        notification: &Notification,
        slot: Slot,
        dated: Timestamp,
        context: Context<'_>,
    ) -> Result<Self, Refusal> {
        let vendor = VendorFields::of(notification)?;
        let push_type = vendor
            .push_type
            .unwrap_or_else(|| PushType::usual(notification.kind, slot));
        if !push_type.suits(slot) {
            return Err(Refusal::new(
                "InvalidPushType",
                format!(
                    "a push of type {} cannot go to a token of slot {slot}",
                    push_type.as_str()
                ),
            ));
        }
        if push_type == PushType::Location && context.by_certificate {
            return Err(Refusal::new(
                "InvalidPushType",
                "Apple takes pushes of type location with a .p8 key only, not with a certificate",
            ));
        }
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(APNS_PUSH_TYPE, HeaderValue::from_static(push_type.as_str()));
        headers.insert(APNS_TOPIC, topic(&vendor, push_type, context.topic)?);
        headers.insert(
            APNS_PRIORITY,
            priority(notification.priority, &vendor, push_type)?,
        );
        if let Some(expiration) = expiration(notification, &vendor, push_type, context.now)? {
            headers.insert(APNS_EXPIRATION, expiration);
        }
        if let Some(collapse_id) = collapse_id(notification, &vendor)? {
            headers.insert(APNS_COLLAPSE_ID, collapse_id);
        }
        let body = render(notification, &vendor, push_type, dated)?;
        // Only what a person sees is reported on, and a receipt is not worth a word of the text.
        let names_delivery = push_type == PushType::Alert
            && body.len() + DELIVERY_BYTES <= push_type.max_payload()
            && !vendor.payload.contains_key(DELIVERY_KEY);
        Ok(Self {
            headers,
            body,
            names_delivery,
        })
    }

    fn body(&self, delivery: DeliveryId) -> Bytes {
        match self.body.strip_suffix(b"}") {
            Some(open) if self.names_delivery => {
                let mut body = Vec::with_capacity(self.body.len() + DELIVERY_BYTES);
                body.extend_from_slice(open);
                body.extend_from_slice(format!(",\"{DELIVERY_KEY}\":\"{delivery}\"}}").as_bytes());
                body.into()
            }
            _ => self.body.clone(),
        }
    }

    /// The request that carries the push to `token`, or `None` if that is not a token of Apple's.
    pub(crate) fn request(
        &self,
        origin: (&Scheme, &Authority),
        token: &DeviceToken,
        delivery: DeliveryId,
        authorization: Option<HeaderValue>,
    ) -> Option<Request<Bytes>> {
        if !is_token(token.expose()) {
            return None;
        }
        let path = PathAndQuery::try_from(format!("/3/device/{}", token.expose())).ok()?;
        let uri = Uri::builder()
            .scheme(origin.0.clone())
            .authority(origin.1.clone())
            .path_and_query(path)
            .build()
            .ok()?;
        let mut id = HeaderValue::try_from(delivery.to_string()).ok()?;
        // Never indexed by HPACK: it is another one each time, and would push out of the table what repeats.
        id.set_sensitive(true);
        let mut headers = self.headers.clone();
        headers.insert(APNS_ID, id);
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        let mut request = Request::new(self.body(delivery));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// Whether `token` can be one of Apple's: an even number of hexadecimal digits. Apple says that their size may change.
pub(crate) fn is_token(token: &str) -> bool {
    (2..=MAX_TOKEN).contains(&token.len())
        && token.len().is_multiple_of(2)
        && token.bytes().all(|it| it.is_ascii_hexdigit())
}

fn topic(
    vendor: &VendorFields,
    push_type: PushType,
    bundle_id: &str,
) -> Result<HeaderValue, Refusal> {
    let topic = match &vendor.topic {
        Some(topic) => topic.clone(),
        None if bundle_id.ends_with(push_type.topic_suffix()) => bundle_id.to_owned(),
        None => format!("{bundle_id}{}", push_type.topic_suffix()),
    };
    HeaderValue::try_from(topic)
        .ok()
        .filter(|it| !it.is_empty())
        .ok_or_else(|| {
            Refusal::new(
                "BadTopic",
                "vendor.apns.topic is empty or has a character that no header may have",
            )
        })
}

fn priority(
    wanted: Priority,
    vendor: &VendorFields,
    push_type: PushType,
) -> Result<HeaderValue, Refusal> {
    let priority = match vendor.priority {
        Some(priority) if push_type.allows_priority(priority) => priority,
        Some(priority) => {
            return Err(Refusal::new(
                "BadPriority",
                format!(
                    "vendor.apns.priority is {priority}, which a push of type {} cannot have",
                    push_type.as_str()
                ),
            ));
        }
        None => push_type.priority(match wanted {
            Priority::High => 10,
            Priority::Normal => 5,
            Priority::Low => 1,
        }),
    };
    Ok(HeaderValue::from_static(match priority {
        10 => "10",
        5 => "5",
        _ => "1",
    }))
}

/// Until when Apple keeps the push for an absent phone. `None` leaves it to Apple; zero, "try once", is only ever sent
/// because somebody wants it: calls and Push to Talk, which nobody wants to hear later, and `vendor.apns.expiration`.
fn expiration(
    notification: &Notification,
    vendor: &VendorFields,
    push_type: PushType,
    now: Timestamp,
) -> Result<Option<HeaderValue>, Refusal> {
    let latest = (now + MAX_TTL).unix_seconds();
    let over = || {
        Refusal::new(
            "BadExpirationDate",
            "its time is over: it expired before it was sent",
        )
    };
    let seconds = match (vendor.expiration, notification.expires_at) {
        (Some(0), _) => 0,
        (Some(at), _) => {
            let at = i64::try_from(at).unwrap_or(i64::MAX).min(latest);
            if at <= now.unix_seconds() {
                return Err(over());
            }
            at
        }
        (None, Some(at)) if at <= now => return Err(over()),
        // Up to the next whole second: never a moment that is already over.
        (None, Some(at)) => (at.unix_millis().saturating_add(999) / 1000).min(latest),
        (None, None) if matches!(push_type, PushType::Voip | PushType::PushToTalk) => 0,
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from(seconds);
    value.set_sensitive(true);
    Ok(Some(value))
}

fn collapse_id(
    notification: &Notification,
    vendor: &VendorFields,
) -> Result<Option<HeaderValue>, Refusal> {
    let id = vendor
        .collapse_id
        .as_deref()
        .unwrap_or(&notification.collapse);
    if id.is_empty() {
        return Ok(None);
    }
    if id.len() > MAX_COLLAPSE_ID {
        return Err(Refusal::new(
            "BadCollapseId",
            format!(
                "the collapse key has {} bytes, and {MAX_COLLAPSE_ID} is the most",
                id.len()
            ),
        ));
    }
    HeaderValue::from_bytes(id.as_bytes())
        .map(Some)
        .map_err(|_| {
            Refusal::new(
                "BadCollapseId",
                "the collapse key has a character that no header may have",
            )
        })
}
