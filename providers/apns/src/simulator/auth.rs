//! Credentials: provider tokens and certificates, and what a connection remembers of them.
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};
use push_core::{Environment, Timestamp};
use push_testkit::simulator::bearer;
use serde_json::Value;

use super::{
    Key, World,
    certificates::Issued,
    kinds::is_topic_of,
    lock, read,
    refusal::{Refused, refuse},
    write,
};

// *Establishing a token-based connection to APNs*: the date lies within one hour of now, and a new token comes no more often
// than every 20 minutes.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
const MAX_AHEAD: Duration = Duration::from_secs(60 * 60);
const MIN_BETWEEN: Duration = Duration::from_secs(20 * 60);
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
    pub(super) certificate: Option<Arc<Issued>>,
    session: Mutex<Session>,
}

#[derive(Debug, Default)]
struct Session {
    /// Key and team of the first accepted token, to which the connection is bound.
    bound: Option<(String, String)>,
    /// When the last new token of a key was shown, and its date.
    changed: HashMap<String, (Timestamp, Timestamp)>,
    tokens: HashSet<String>,
}

impl Caller {
    pub(super) fn new(certificate: Option<Arc<Issued>>) -> Self {
        Self {
            certificate,
            session: Mutex::default(),
        }
    }
}

/// The topics that an accepted credential may send to.
pub(super) enum Allowed {
    /// A team-scoped key: every topic.
    Everything,
    /// A topic-specific key: these bundle ids, with the suffix of any push type.
    Apps(Vec<String>),
    /// A certificate: these topics and no other.
    Topics(Arc<Issued>),
}

impl Allowed {
    pub(super) fn has(&self, topic: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Apps(apps) => apps.iter().any(|app| is_topic_of(topic, app)),
            Self::Topics(issued) => issued.topics.iter().any(|allowed| allowed == topic),
        }
    }
}

/// Checks the credential.
pub(super) fn authenticate(
    world: &World,
    environment: Environment,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Allowed, Refused> {
    let now = world.now();
    if let Some(issued) = &caller.certificate {
        if now < issued.valid.0 || now > issued.valid.1 {
            return Err(refuse(403, "BadCertificate"));
        }
        if !issued.environments.contains(&environment) {
            return Err(refuse(403, "BadCertificateEnvironment"));
        }
        return Ok(Allowed::Topics(Arc::clone(issued)));
    }
    let invalid = refuse(403, "InvalidProviderToken");
    if !headers.contains_key(AUTHORIZATION) {
        return Err(refuse(403, "MissingProviderToken"));
    }
    let token = bearer(headers).ok_or(invalid)?;
    let verified = verify(world, token).ok_or(invalid)?;
    let mut session = lock(&caller.session);
    let topics = {
        let keys = read(&world.keys);
        let key = keys.get(&verified.kid).ok_or(invalid)?;
        if let Some((kid, team)) = &session.bound {
            if *team != verified.team {
                return Err(invalid);
            }
            let first = keys.get(kid);
            let related =
                first.is_some_and(|first| are_related(first, key, &verified.kid, environment));
            if *kid != verified.kid && !related {
                return Err(refuse(403, "UnrelatedKeyIdInToken"));
            }
        }
        if key.environment.is_some_and(|of| of != environment) {
            return Err(refuse(403, "BadEnvironmentKeyInToken"));
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
        if let Some((at, issued)) = session.changed.get(&verified.kid)
            && now.since(*at) < MIN_BETWEEN
            && verified.issued.since(*issued) < MIN_BETWEEN
        {
            return Err(refuse(429, "TooManyProviderTokenUpdates"));
        }
        if session.tokens.len() >= REMEMBERED {
            session.tokens.clear();
        }
        session.tokens.insert(token.to_owned());
        let changed = (now, verified.issued);
        session.changed.insert(verified.kid.clone(), changed);
        session.bound.get_or_insert((verified.kid, verified.team));
    }
    Ok(if topics.is_empty() {
        Allowed::Everything
    } else {
        Allowed::Apps(topics)
    })
}

/// Whether a connection that showed `first` accepts `key`, whose id is `kid`: after a team-scoped key another one of the same
/// environment, after a topic-specific key its one related key (*Establishing a token-based connection to APNs*).
fn are_related(first: &Key, key: &Key, kid: &str, environment: Environment) -> bool {
    let here = key.environment.is_none_or(|of| of == environment);
    if first.topics.is_empty() {
        here && key.topics.is_empty()
    } else {
        here && !key.topics.is_empty() && first.related.as_deref() == Some(kid)
    }
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
    let issued = date(&claims["iat"])?;
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

/// The date of a provider token, in seconds. RFC 7519 lets a `NumericDate` have a fraction, and clients that divide milliseconds
/// send one; kalyke sends text and works, so text that is a whole number is read, too.
fn date(iat: &Value) -> Option<Timestamp> {
    let seconds = match iat {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()?
        }
        other => other.as_f64()?,
    };
    #[allow(clippy::cast_possible_truncation)]
    (0.0..1e11)
        .contains(&seconds)
        .then(|| Timestamp::from_unix_millis((seconds * 1000.0) as i64))
}

/// Base64url without padding, as RFC 7515 has it; and what Apple takes beside it, the plain alphabet with padding.
fn decode(part: &str) -> Option<Vec<u8>> {
    let part = part
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    URL_SAFE_NO_PAD.decode(part).ok()
}
