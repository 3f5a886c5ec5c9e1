//! What the service checks of a request, in which order, and what it answers.
//!
//! First the credential: a bad one is answered with 403 whatever the token, which is how clients test theirs. Then in the
//! order of a mock server in wide use (`jchambers/pushy`): id, method, path, topic, collapse id, expiration, push type,
//! priority, token, payload. Apple publishes no order. A topic without the suffix of its push type is `BadTopic`.
use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Uri, header::COOKIE};
use push_core::{Environment, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Counted, World,
    auth::{Allowed, Caller, authenticate},
    kinds::{ALERT, Kind, LIVE_ACTIVITY},
    lock,
    phone::{self, Arrival, Keep},
    refusal::{Refused, refuse},
};
use crate::PushType;

// *Sending notification requests to APNs* and *Sending broadcast push notification requests to APNs*.
const MAX_BROADCAST: usize = 5120;
const MAX_COLLAPSE_ID: usize = 64;
const MAX_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Hexadecimal digits of a token. Apple says that the size may change; those of Live Activities are the longest seen.
const TOKEN: std::ops::RangeInclusive<usize> = 64..=512;

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
        self.headers
            .keys()
            .any(|name| name != COOKIE && self.headers.get_all(name).iter().nth(1).is_some())
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
    uuid::Builder::from_random_bytes(push_testkit::simulator::random()).into_uuid()
}

/// The priority, which is one of `allowed`. A push that names none has 10, Apple's default.
fn priority(asked: &Asked<'_>, allowed: &[u8]) -> Result<u8, Refused> {
    match asked.header("apns-priority").map(HeaderValue::as_bytes) {
        None | Some(b"10") => Some(10),
        Some(b"5") => Some(5),
        Some(b"1") => Some(1),
        Some(_) => None,
    }
    .filter(|priority| allowed.contains(priority))
    .ok_or(refuse(400, "BadPriority"))
}

fn expiration(asked: &Asked<'_>, now: Timestamp) -> Result<Keep, Refused> {
    if asked.header("apns-expiration").is_none() {
        return Ok(Keep::ByDefault);
    }
    let seconds = asked
        .text("apns-expiration")
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse::<i64>().ok())
        .ok_or(refuse(400, "BadExpirationDate"))?;
    let until = Timestamp::from_unix_seconds(seconds).min(now + MAX_KEPT);
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
    if asked.uri.query().is_some() {
        return Err(refuse(404, "BadPath"));
    }
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
    let (kind, push_type) = match asked.header("apns-push-type") {
        None => Kind::of_topic(&topic),
        Some(_) => asked
            .text("apns-push-type")
            .and_then(Kind::named)
            .ok_or(refuse(400, "InvalidPushType"))?,
    };
    let priority = priority(asked, kind.priorities)?;
    if push_type == PushType::Location && caller.certificate.is_some() {
        return Err(refuse(400, "InvalidPushType"));
    }
    if !kind.agrees_with(&topic) {
        return Err(refuse(400, "BadTopic"));
    }
    if !allowed.has(&topic) {
        return Err(refuse(400, "TopicDisallowed"));
    }
    let phone = receiver(world, environment, token, &topic)?;
    let payload = payload(asked.body, kind.max_payload)?;
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
            Some([only]) => Ok(only.clone()),
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

/// The phone behind a token; none where every token is taken.
fn receiver(
    world: &World,
    environment: Environment,
    token: &str,
    topic: &str,
) -> Result<Option<Arc<phone::Inner>>, Refused> {
    let bad = refuse(400, "BadDeviceToken");
    let is_token = TOKEN.contains(&token.len())
        && token.len().is_multiple_of(2)
        && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_token {
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
                            && !(has("input-push-channel") && has("input-push-token"))
                    }
                    Some("update") => has("content-state"),
                    Some("end") => true,
                    _ => false,
                }
        }
        PushType::Widgets | PushType::Controls => {
            let changed = &aps["content-changed"];
            *changed == true || *changed == 1
        }
        PushType::Alert => aps.is_object(),
        // What the app itself reads: Apple asks for no `aps` there, and its File Provider sample has none.
        _ => true,
    }
}

/// Checks a push to a channel and delivers it to the phones that are subscribed.
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
    if !ALERT.agrees_with(bundle_id) {
        return Err(refuse(400, "TopicDisallowed"));
    }
    if !allowed.has(bundle_id) {
        return Err(refuse(403, "TopicMismatch"));
    }
    let channel = asked
        .header("apns-channel-id")
        .ok_or(refuse(400, "MissingChannelId"))?;
    let channel = channel.to_str().map_err(|_| refuse(400, "BadChannelId"))?;
    match asked.text("apns-push-type") {
        None => return Err(refuse(400, "MissingPushType")),
        // Apple's table and its recipe for curl spell it `Liveactivity`, its samples in lower case.
        Some(word) if word.eq_ignore_ascii_case(LIVE_ACTIVITY.word) => {}
        Some(_) => return Err(refuse(400, "InvalidPushType")),
    }
    // Unlike a device's, a channel's priority may be 1.
    let priority = priority(asked, ALERT.priorities)?;
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
