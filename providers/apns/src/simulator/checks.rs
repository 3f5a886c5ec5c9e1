//! What the service checks of a request, in which order, and what it answers.
//!
//! First the credential: that a request with a bad one to any token is answered with 403 is how everybody tests theirs.
//! Then in the order of a mock server that is in wide use (`jchambers/pushy`): id, method, path, topic, collapse id,
//! expiration, priority, push type, token, payload. Apple publishes no order. What Apple does not say, and what is decided
//! here: a token dated more than five minutes ahead is invalid; a topic without the suffix of its push type is `BadTopic`;
//! a payload that is no JSON object, or lacks what its push type needs, is `BadRequestPayload`.
use std::{sync::Arc, sync::atomic::Ordering};

use http::{HeaderMap, HeaderValue, Method, Uri, header::AUTHORIZATION};
use push_core::{Environment, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Counted, World,
    auth::{Allowed, Caller, authenticate},
    lock,
    phone::{self, Arrival, Keep},
    random_bytes,
};
use crate::{
    push_type::PushType,
    request::{MAX_COLLAPSE_ID, MAX_TTL, is_token},
};

const MAX_BROADCAST: usize = 5120;

/// A request that was read to its end.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.header(name)?.to_str().ok()
    }

    fn has_duplicates(&self) -> bool {
        self.headers.keys().any(|name| {
            (name == AUTHORIZATION || name.as_str().starts_with("apns-"))
                && self.headers.get_all(name).iter().nth(1).is_some()
        })
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) timestamp: Option<Timestamp>,
}

pub(super) const fn refuse(status: u16, reason: &'static str) -> Refused {
    Refused {
        status,
        reason,
        timestamp: None,
    }
}

/// The id of a request: its own, or a new one.
pub(super) fn id_of(headers: &HeaderMap, name: &str) -> Result<Uuid, Refused> {
    let Some(value) = headers.get(name) else {
        return Ok(random_id());
    };
    value
        .to_str()
        .ok()
        .filter(|it| it.len() == 36)
        .and_then(|it| Uuid::parse_str(it).ok())
        .ok_or(refuse(400, "BadMessageId"))
}

pub(super) fn random_id() -> Uuid {
    let bytes = random_bytes(16).try_into().unwrap_or_default();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The headers that devices and channels have in common.
fn priority(asked: &Asked<'_>, push_type: PushType) -> Result<u8, Refused> {
    let priority = match asked.header("apns-priority") {
        None => push_type.priority(10),
        Some(_) => match asked.text("apns-priority") {
            Some("10") => 10,
            Some("5") => 5,
            Some("1") => 1,
            _ => return Err(refuse(400, "BadPriority")),
        },
    };
    if push_type.allows_priority(priority) {
        Ok(priority)
    } else {
        Err(refuse(400, "BadPriority"))
    }
}

fn expiration(asked: &Asked<'_>, now: Timestamp) -> Result<Keep, Refused> {
    if asked.header("apns-expiration").is_none() {
        return Ok(Keep::ByDefault);
    }
    let seconds = asked
        .text("apns-expiration")
        .and_then(|it| it.parse::<i64>().ok())
        .filter(|it| *it >= 0)
        .ok_or(refuse(400, "BadExpirationDate"))?;
    let until = Timestamp::from_unix_seconds(seconds).min(now + MAX_TTL);
    Ok(if until <= now {
        Keep::Never
    } else {
        Keep::Until(until)
    })
}

fn payload(body: &[u8], max: usize) -> Result<Value, Refused> {
    if body.is_empty() {
        return Err(refuse(400, "PayloadEmpty"));
    }
    if body.len() > max {
        return Err(refuse(413, "PayloadTooLarge"));
    }
    serde_json::from_slice(body)
        .ok()
        .filter(Value::is_object)
        .ok_or(refuse(400, "BadRequestPayload"))
}

/// Checks a push to a device and delivers it. Returns the request's id.
pub(super) fn push(
    world: &World,
    environment: Environment,
    caller: &Caller,
    asked: &Asked<'_>,
) -> Result<Uuid, Refused> {
    if asked.has_duplicates() {
        return Err(refuse(400, "DuplicateHeaders"));
    }
    let allowed = authenticate(world, environment, caller, asked.headers)?;
    if let Some(bundle_id) = asked.uri.path().strip_prefix("/4/broadcasts/apps/") {
        return broadcast(world, environment, asked, bundle_id, &allowed);
    }
    let now = world.now();
    let id = id_of(asked.headers, "apns-id")?;
    if asked.method != Method::POST {
        return Err(refuse(405, "MethodNotAllowed"));
    }
    let token = match asked.uri.path().strip_prefix("/3/device") {
        Some("" | "/") => return Err(refuse(400, "MissingDeviceToken")),
        Some(token) if token.starts_with('/') => &token[1..],
        _ => return Err(refuse(404, "BadPath")),
    };
    let topic = topic(asked, caller)?;
    let collapse_id = collapse_id(asked)?;
    let keep = expiration(asked, now)?;
    let push_type = match asked.header("apns-push-type") {
        None => PushType::Alert,
        Some(_) => asked
            .text("apns-push-type")
            .and_then(PushType::from_header)
            .ok_or(refuse(400, "InvalidPushType"))?,
    };
    let priority = priority(asked, push_type)?;
    if push_type == PushType::Location && caller.certificate.is_some() {
        return Err(refuse(400, "InvalidPushType"));
    }
    if !agrees(&topic, push_type) {
        return Err(refuse(400, "BadTopic"));
    }
    if !allowed.has(&topic) {
        return Err(refuse(400, "TopicDisallowed"));
    }
    let phone = receiver(world, environment, token, &topic)?;
    let payload = payload(asked.body, push_type.max_payload())?;
    if !suits(&payload, push_type) {
        return Err(refuse(400, "BadRequestPayload"));
    }
    {
        let mut counted = lock(&world.counted);
        Counted::count(&mut counted.accepted, id);
    }
    if let Some(phone) = phone {
        world.numbers.delivered.fetch_add(1, Ordering::Relaxed);
        let arrival = Arrival {
            apns_id: id.to_string(),
            push_type,
            topic,
            priority,
            collapse_id,
            payload,
            at: now,
        };
        phone.deliver(arrival, keep);
    }
    Ok(id)
}

fn topic(asked: &Asked<'_>, caller: &Caller) -> Result<String, Refused> {
    let Some(topic) = asked.header("apns-topic") else {
        // A certificate for one topic says it by itself.
        let topics = caller.certificate.as_ref().map(|it| it.topics.as_slice());
        return match topics {
            Some([only]) => Ok(only.topic.clone()),
            _ => Err(refuse(400, "MissingTopic")),
        };
    };
    topic
        .to_str()
        .ok()
        .filter(|it| {
            !it.is_empty()
                && it
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_'))
        })
        .map(str::to_owned)
        .ok_or(refuse(400, "BadTopic"))
}

fn collapse_id(asked: &Asked<'_>) -> Result<Option<String>, Refused> {
    match asked.header("apns-collapse-id") {
        None => Ok(None),
        Some(id) if id.len() > MAX_COLLAPSE_ID => Err(refuse(400, "BadCollapseId")),
        Some(id) => String::from_utf8(id.as_bytes().to_vec())
            .map(Some)
            .map_err(|_| refuse(400, "BadCollapseId")),
    }
}

/// Whether the topic has the suffix of the push type, and no other's.
fn agrees(topic: &str, push_type: PushType) -> bool {
    let own = push_type.topic_suffix();
    if own.is_empty() {
        PushType::ALL
            .iter()
            .map(|it| it.topic_suffix())
            .all(|it| it.is_empty() || !topic.ends_with(it))
    } else {
        topic.len() > own.len() && topic.ends_with(own)
    }
}

/// The phone behind a token; none where every token is taken.
fn receiver(
    world: &World,
    environment: Environment,
    token: &str,
    topic: &str,
) -> Result<Option<Arc<phone::Inner>>, Refused> {
    let bad = refuse(400, "BadDeviceToken");
    if !is_token(token) {
        return Err(bad);
    }
    let Some(device) = world.environment(environment).device(token) else {
        // A token of the other environment looks like no token at all.
        return if world.any_token { Ok(None) } else { Err(bad) };
    };
    if let Some(since) = device.phone.gone_since() {
        return Err(Refused {
            timestamp: Some(since),
            ..refuse(410, "Unregistered")
        });
    }
    if device.topic != topic {
        return Err(refuse(400, "DeviceTokenNotForTopic"));
    }
    Ok(Some(device.phone))
}

/// Whether the payload has what its push type needs.
fn suits(payload: &Value, push_type: PushType) -> bool {
    let aps = &payload["aps"];
    let has = |key: &str| !aps[key].is_null();
    match push_type {
        PushType::Mdm => payload["mdm"].is_string(),
        PushType::Background => {
            aps["content-available"] == 1 && !has("alert") && !has("badge") && !has("sound")
        }
        PushType::LiveActivity => {
            has("timestamp")
                && match aps["event"].as_str() {
                    Some("start") => {
                        has("alert")
                            && has("attributes")
                            && has("attributes-type")
                            && has("content-state")
                    }
                    Some("update") => has("content-state"),
                    Some("end") => true,
                    _ => false,
                }
        }
        PushType::Widgets => aps["content-changed"] == true,
        _ => aps.is_object(),
    }
}

/// Checks a push to a channel and hands it to whoever listens.
fn broadcast(
    world: &World,
    environment: Environment,
    asked: &Asked<'_>,
    bundle_id: &str,
    allowed: &Allowed,
) -> Result<Uuid, Refused> {
    let now = world.now();
    let id = id_of(asked.headers, "apns-request-id")?;
    if asked.method != Method::POST {
        return Err(refuse(405, "MethodNotAllowed"));
    }
    if bundle_id.is_empty() || bundle_id.contains('/') {
        return Err(refuse(404, "BadPath"));
    }
    // A bundle id with a suffix is a topic, which a broadcast has not.
    if !agrees(bundle_id, PushType::Alert) || !allowed.has(bundle_id) {
        return Err(refuse(400, "TopicDisallowed"));
    }
    if asked.header("apns-topic").is_some() {
        return Err(refuse(400, "BadRequestParams"));
    }
    let channel = asked
        .header("apns-channel-id")
        .ok_or(refuse(400, "MissingChannelId"))?;
    let channel = channel.to_str().map_err(|_| refuse(400, "BadChannelId"))?;
    match asked.text("apns-push-type") {
        None => return Err(refuse(400, "MissingPushType")),
        Some("liveactivity") => {}
        Some(_) => return Err(refuse(400, "InvalidPushType")),
    }
    // Unlike a device's, a channel's priority may be 1.
    let priority = priority(asked, PushType::Alert)?;
    if asked.header("apns-expiration").is_none() {
        return Err(refuse(400, "BadExpirationDate"));
    }
    let keep = expiration(asked, now)?;
    let payload = payload(asked.body, MAX_BROADCAST)?;
    if payload["aps"]["event"] == "start" || !suits(&payload, PushType::LiveActivity) {
        return Err(refuse(400, "BadRequestPayload"));
    }
    let arrival = Arrival {
        apns_id: id.to_string(),
        push_type: PushType::LiveActivity,
        topic: channel.to_owned(),
        priority,
        collapse_id: None,
        payload,
        at: now,
    };
    lock(&world.environment(environment).channels).broadcast(bundle_id, arrival, keep)?;
    Ok(id)
}
