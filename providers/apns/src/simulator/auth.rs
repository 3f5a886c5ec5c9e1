//! Credentials: provider tokens and certificates, and what a connection remembers of them.
use std::{collections::HashSet, sync::Mutex, time::Duration};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use push_core::{Environment, Timestamp};
use serde_json::Value;

use super::{
    World,
    checks::{Refused, refuse},
    lock, read, write,
};
use crate::{certificate::CertificateFacts, push_type::PushType};

const MAX_AGE: Duration = Duration::from_secs(60 * 60);
const MIN_BETWEEN: Duration = Duration::from_secs(20 * 60);
const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Verified tokens that are remembered, for all connections together.
const REMEMBERED: usize = 4096;

/// A provider token whose signature was found good.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    kid: String,
    team: String,
    issued: Timestamp,
}

/// Who is at the other end of a connection, and what it showed so far.
#[derive(Debug, Default)]
pub(super) struct Caller {
    pub(super) certificate: Option<CertificateFacts>,
    session: Mutex<Session>,
}

#[derive(Debug, Default)]
struct Session {
    /// Key and team that the connection is bound to.
    bound: Option<(String, String)>,
    /// When the last new token was shown, and its date.
    changed: Option<(Timestamp, Timestamp)>,
    tokens: HashSet<String>,
}

impl Caller {
    pub(super) fn new(certificate: Option<CertificateFacts>) -> Self {
        Self {
            certificate,
            session: Mutex::default(),
        }
    }
}

/// What an accepted credential may send to; empty: everything.
pub(super) struct Allowed(Vec<String>);

impl Allowed {
    pub(super) fn has(&self, topic: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|it| it == topic || is_of(topic, it))
    }
}

/// Whether `topic` is `bundle_id` with the suffix of a push type.
fn is_of(topic: &str, bundle_id: &str) -> bool {
    topic
        .strip_prefix(bundle_id)
        .is_some_and(|suffix| PushType::ALL.iter().any(|it| it.topic_suffix() == suffix))
}

/// Checks the credential.
pub(super) fn authenticate(
    world: &World,
    environment: Environment,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Allowed, Refused> {
    let now = world.now();
    if let Some(facts) = &caller.certificate {
        if now < facts.valid_from || now > facts.valid_until {
            return Err(refuse(403, "BadCertificate"));
        }
        if !facts.environments.contains(&environment) {
            return Err(refuse(403, "BadCertificateEnvironment"));
        }
        let topics = facts.topics.iter().map(|it| it.topic.clone()).collect();
        return Ok(Allowed(topics));
    }
    let invalid = refuse(403, "InvalidProviderToken");
    let header = headers
        .get(AUTHORIZATION)
        .ok_or(refuse(403, "MissingProviderToken"))?;
    let token = header
        .to_str()
        .ok()
        .and_then(|it| {
            let (scheme, token) = it.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        })
        .ok_or(invalid)?;
    let verified = verify(world, token).ok_or(invalid)?;
    let mut session = lock(&caller.session);
    if let Some((kid, team)) = &session.bound {
        if *team != verified.team {
            return Err(invalid);
        }
        if *kid != verified.kid {
            return Err(refuse(403, "UnrelatedKeyIdInToken"));
        }
    }
    let topics = {
        let keys = read(&world.keys);
        let key = keys.get(&verified.kid).ok_or(invalid)?;
        if key.environment.is_some_and(|it| it != environment) {
            return Err(refuse(403, "BadEnvironmentKeyIdInToken"));
        }
        key.topics.clone()
    };
    if verified.issued.since(now) > MAX_AHEAD {
        return Err(invalid);
    }
    if now.since(verified.issued) > MAX_AGE {
        return Err(refuse(403, "ExpiredProviderToken"));
    }
    if !session.tokens.contains(token) {
        if let Some((at, issued)) = session.changed
            && now.since(at) < MIN_BETWEEN
            && verified.issued.since(issued) < MIN_BETWEEN
        {
            return Err(refuse(429, "TooManyProviderTokenUpdates"));
        }
        if session.tokens.len() >= REMEMBERED {
            session.tokens.clear();
        }
        session.tokens.insert(token.to_owned());
        session.changed = Some((now, verified.issued));
        session.bound = Some((verified.kid, verified.team));
    }
    Ok(Allowed(topics))
}

fn verify(world: &World, token: &str) -> Option<Verified> {
    if let Some(verified) = read(&world.verified).get(token) {
        return Some(verified.clone());
    }
    {
        let mut counted = lock(&world.counted);
        if counted.tokens.len() < REMEMBERED {
            counted.tokens.insert(token.to_owned());
        }
    }
    let verified = check_signature(world, token)?;
    let mut remembered = write(&world.verified);
    if remembered.len() >= REMEMBERED {
        remembered.clear();
    }
    remembered.insert(token.to_owned(), verified.clone());
    Some(verified)
}

fn check_signature(world: &World, token: &str) -> Option<Verified> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let claims: Value = serde_json::from_slice(&decode(claims)?).ok()?;
    let kid = header["kid"].as_str()?;
    let team = claims["iss"].as_str()?;
    let issued = Timestamp::from_unix_seconds(claims["iat"].as_i64()?);
    let signature = decode(signature)?;
    let keys = read(&world.keys);
    let key = keys.get(kid)?;
    if header["alg"] != "ES256" || key.team_id != team {
        return None;
    }
    // Apple's own recipe for a shell makes DER; RFC 7518 wants r‖s.
    let good = [&ECDSA_P256_SHA256_FIXED, &ECDSA_P256_SHA256_ASN1]
        .into_iter()
        .any(|algorithm| {
            UnparsedPublicKey::new(algorithm, &key.public)
                .verify(signed.as_bytes(), &signature)
                .is_ok()
        });
    good.then(|| Verified {
        kid: kid.to_owned(),
        team: team.to_owned(),
        issued,
    })
}

/// Base64url without padding, as RFC 7515 has it; and what Apple takes beside it, the plain alphabet with padding.
fn decode(part: &str) -> Option<Vec<u8>> {
    let part = part
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    URL_SAFE_NO_PAD.decode(part).ok()
}
