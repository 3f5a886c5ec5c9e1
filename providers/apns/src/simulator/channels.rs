//! Broadcast channels: their management, and who listens.
use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use push_core::{Environment, Timestamp};
use push_testkit::{Peer, Reply, simulator::random};
use serde_json::{Value, json};

use super::{
    World,
    auth::{Caller, authenticate},
    checks::id_of,
    lock,
    phone::{self, Arrival, Keep},
    read,
    refusal::{Refused, refuse},
};

/// Channels of one app in one environment at most.
const MAX_CHANNELS: usize = 10_000;

/// The longest id, in characters. Apple says "too long" without a number; its own are 16.
const MAX_ID: usize = 64;

/// The longest that a channel keeps its last message.
const MAX_KEPT: Duration = Duration::from_secs(8 * 60 * 60);

/// The channels of one environment, by id.
#[derive(Default)]
pub(super) struct Channels(HashMap<String, Channel>);

struct Channel {
    bundle_id: String,
    keeps_last: bool,
    last: Option<(Arrival, Timestamp)>,
    listeners: Vec<Arc<phone::Inner>>,
}

impl Channels {
    pub(super) fn listen(&mut self, id: &str, phone: Arc<phone::Inner>) {
        if let Some(channel) = self.0.get_mut(id) {
            if let Some((last, until)) = &channel.last {
                phone.deliver(last.clone(), Keep::Until(*until));
            }
            channel.listeners.push(phone);
        }
    }

    pub(super) fn broadcast(
        &mut self,
        bundle_id: &str,
        arrival: Arrival,
        keep: Keep,
    ) -> Result<(), Refused> {
        let channel = self.of(bundle_id, &arrival.topic)?;
        if !channel.keeps_last && keep != Keep::Never {
            return Err(refuse(400, "BadExpirationDate"));
        }
        channel.last = match keep {
            Keep::Until(until) => Some((arrival.clone(), until.min(arrival.at + MAX_KEPT))),
            _ => None,
        };
        for phone in &channel.listeners {
            phone.deliver(arrival.clone(), keep);
        }
        Ok(())
    }

    fn of(&mut self, bundle_id: &str, id: &str) -> Result<&mut Channel, Refused> {
        if id.len() > MAX_ID || STANDARD.decode(id).is_err() {
            return Err(refuse(400, "BadChannelId"));
        }
        self.0
            .get_mut(id)
            .filter(|it| it.bundle_id == bundle_id)
            .ok_or(refuse(400, "ChannelNotRegistered"))
    }
}

/// Answers a request of the management API.
pub(super) fn manage(world: &World, environment: Environment, request: &Request<Bytes>) -> Reply {
    let id = match id_of(request.headers(), "apns-request-id") {
        Ok(id) => id,
        Err(refused) => return refusal(refused),
    };
    answer(world, environment, request)
        .unwrap_or_else(refusal)
        .header("apns-request-id", &id.to_string())
}

fn refusal(refused: Refused) -> Reply {
    Reply::new(refused.status).json(json!({ "reason": refused.reason }))
}

fn answer(
    world: &World,
    environment: Environment,
    request: &Request<Bytes>,
) -> Result<Reply, Refused> {
    let peer = request.extensions().get::<Peer>();
    let certificate = match peer.and_then(|peer| peer.certificate.as_ref()) {
        None => None,
        Some(der) => {
            let issued = read(&world.issued).get(&der[..]).cloned();
            Some(issued.ok_or(refuse(403, "BadCertificate"))?)
        }
    };
    let caller = Caller::new(certificate);
    let allowed = authenticate(world, environment, &caller, request.headers())?;
    let path = request.uri().path();
    if request.uri().query().is_some() {
        return Err(refuse(404, "BadPath"));
    }
    let (bundle_id, what) = path
        .strip_prefix("/1/apps/")
        .and_then(|it| it.split_once('/'))
        .ok_or(refuse(404, "BadPath"))?;
    if !allowed.has(bundle_id) {
        return Err(refuse(403, "TopicMismatch"));
    }
    let mut channels = lock(&world.environment(environment).channels);
    let id = || {
        request
            .headers()
            .get("apns-channel-id")
            .ok_or(refuse(400, "MissingChannelId"))?
            .to_str()
            .map_err(|_| refuse(400, "BadChannelId"))
    };
    match (request.method(), what) {
        (&Method::POST, "channels") => create(&mut channels, bundle_id, request.body()),
        (&Method::GET, "channels") => {
            let channel = channels.of(bundle_id, id()?)?;
            Ok(Reply::new(200).json(json!({
                "message-storage-policy": u8::from(channel.keeps_last),
                "push-type": "LiveActivity",
            })))
        }
        (&Method::DELETE, "channels") => {
            let id = id()?;
            channels.of(bundle_id, id)?;
            channels.0.remove(id);
            Ok(Reply::new(204))
        }
        (&Method::GET, "all-channels") => {
            let mut ids: Vec<_> = channels
                .0
                .iter()
                .filter(|(_, it)| it.bundle_id == bundle_id)
                .map(|(id, _)| id.as_str())
                .collect();
            ids.sort_unstable();
            Ok(Reply::new(200).json(json!({ "channels": ids })))
        }
        (_, "channels" | "all-channels") => Err(refuse(405, "MethodNotAllowed")),
        _ => Err(refuse(404, "BadPath")),
    }
}

fn create(channels: &mut Channels, bundle_id: &str, body: &[u8]) -> Result<Reply, Refused> {
    if body.is_empty() {
        return Err(refuse(400, "PayloadEmpty"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| refuse(400, "BadRequestPayload"))?;
    let known = ["message-storage-policy", "push-type"];
    if body
        .as_object()
        .is_some_and(|body| body.keys().any(|key| !known.contains(&key.as_str())))
    {
        return Err(refuse(400, "BadRequestParams"));
    }
    let keeps_last = match body["message-storage-policy"].as_u64() {
        Some(policy @ (0 | 1)) => policy == 1,
        _ => return Err(refuse(400, "BadRequestPayload")),
    };
    match body["push-type"].as_str() {
        // Apple's table spells it `Liveactivity` in places.
        Some(word) if word.eq_ignore_ascii_case("liveactivity") => {}
        Some(_) => return Err(refuse(400, "InvalidPushType")),
        None => return Err(refuse(400, "MissingPushType")),
    }
    let of_app = channels
        .0
        .values()
        .filter(|it| it.bundle_id == bundle_id)
        .count();
    if of_app >= MAX_CHANNELS {
        return Err(refuse(400, "CannotCreateChannelConfig"));
    }
    let id = STANDARD.encode(random::<12>());
    let reply = Reply::new(201).header("apns-channel-id", &id);
    channels.0.insert(
        id,
        Channel {
            bundle_id: bundle_id.to_owned(),
            keeps_last,
            last: None,
            listeners: Vec::new(),
        },
    );
    Ok(reply)
}
