//! Notification to request: the vendor's fields, its limits, and the vendor fields of messages.
use std::time::Duration;

use bytes::Bytes;
use push_core::{
    Badge, Batch, Content, TextLimits, TextUnit, Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{overlay::Overlay, payload};
use serde_json::{Map, Value, json};

/// The most tokens in one request.
pub(crate) const MAX_TOKENS: usize = 1;
/// The largest message without its tokens, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 4096;
/// The shortest time to live.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(60);
/// The longest time to live.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest texts.
pub(crate) const TEXT: TextLimits = TextLimits::new(50, 200, TextUnit::Utf16);

/// Vendor fields: everything but the receivers, the request's id and the click data.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "id",
    "to",
    "topic",
    "data.ext",
    "data.delivery",
    "data.receiver",
]);

/// The body of the request that sends `batch`, which has one content.
///
/// # Errors
/// The verdict on every target, if the message cannot be sent: too large, or with a vendor field that is protected.
pub(crate) fn body(
    batch: &Batch,
    content: &Content,
    category: Option<&str>,
    now: Timestamp,
) -> Result<Bytes, Verdict> {
    let wanted = &content.notification;
    let mut message = Map::new();
    let mut put = |key: &str, value: Value| drop(message.insert(key.to_owned(), value));
    put("title", TEXT.cut_title(&wanted.title).into());
    put("text", TEXT.cut_body(&wanted.body).into());
    put("data", data(batch, &wanted.ext));
    if let Some(Badge::Set(badge)) = batch.targets.first().map(|target| target.badge) {
        put("badge", badge.into());
    }
    if let Some(at) = wanted.expires_at {
        put(
            "ttl",
            at.since(now).clamp(MIN_TTL, MAX_TTL).as_secs().into(),
        );
    }
    if !wanted.collapse.is_empty() {
        put("replaces", wanted.collapse.as_str().into());
    }
    if let Some(category) = category {
        put("category", category.into());
    }
    OVERLAY.lay(&wanted.vendor, &mut message)?;
    let mut message = Value::Object(message);
    payload::fit(&mut message, MAX_PAYLOAD, &["/text"], |message| {
        message.to_string().len()
    })
    .map_err(|excess| {
        let text = format!("{excess} bytes more than the {MAX_PAYLOAD} that are allowed");
        Verdict::payload_refused("too-large", text)
    })?;
    let tokens = batch.targets.iter().map(|target| target.token.expose());
    message["to"] = tokens.collect::<Vec<_>>().into();
    message["id"] = batch.id.to_string().into();
    Ok(message.to_string().into())
}

/// What the app gets with a click.
fn data(batch: &Batch, ext: &str) -> Value {
    let mut data = Map::new();
    if !ext.is_empty() {
        data.insert("ext".to_owned(), ext.into());
    }
    if let [only] = batch.targets.as_slice() {
        data.insert(DELIVERY_KEY.to_owned(), only.delivery.to_string().into());
    }
    if let Some(user) = batch.receiver() {
        data.insert(RECEIVER_KEY.to_owned(), json!(user));
    }
    data.into()
}
