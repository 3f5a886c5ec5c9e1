//! The provider token: a JWT signed with ES256, one for all connections of a key, renewed as rarely as Apple asks.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use push_core::{Clock, Secret, Timestamp};
use push_kit::{
    key::{self, KeyKind},
    pem::{self, PemFault},
};

/// A token is replaced when it is this old. Apple refuses one older than an hour.
pub(crate) const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);

/// Apple refuses a connection that shows new tokens more often than this.
pub(crate) const MIN_BETWEEN: Duration = Duration::from_secs(20 * 60);

/// The private key of a `.p8` file, with key id and team id. `Debug` shows nothing of the key.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    key_id: String,
    team_id: String,
}

impl SigningKey {
    /// Reads the text of a `.p8` file (PKCS#8; SEC 1 is read too), in every form that [`pem::private_key`] takes.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of the sentence "the key …".
    pub(crate) fn from_pem(pem: &Secret, key_id: &str, team_id: &str) -> Result<Self, String> {
        let der = pem::private_key(pem.expose()).map_err(|fault| match fault {
            PemFault::Encrypted => "is encrypted; use the .p8 file as Apple's site provided it",
            PemFault::Unfinished => "is cut off: the line -----END PRIVATE KEY----- is missing; use the whole .p8 file",
            PemFault::Damaged => "is damaged: the text between BEGIN PRIVATE KEY and END PRIVATE KEY is not base64; use the whole .p8 file",
            _ => "is not the text of a .p8 file; use the whole file, from BEGIN PRIVATE KEY to END PRIVATE KEY",
        })?;
        let pair =
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.expose())
                .map_err(|_| unusable(der.expose()))?;
        Ok(Self {
            pair,
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
        })
    }

    #[cfg(test)]
    /// The public key as an uncompressed point of 65 bytes.
    pub(crate) fn public_key(&self) -> &[u8] {
        aws_lc_rs::signature::KeyPair::public_key(&self.pair).as_ref()
    }

    /// Signs a token dated `issued`: header, claims and signature (r‖s, RFC 7518 §3.4), in base64url without padding.
    /// `None` if the cryptographic library fails, which it does not once the key is read.
    pub(crate) fn sign(&self, issued: Timestamp) -> Option<String> {
        // Key and team ids are letters and digits (checked in the configuration): nothing to escape.
        let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.key_id);
        let claims = format!(
            r#"{{"iss":"{}","iat":{}}}"#,
            self.team_id,
            issued.unix_seconds()
        );
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Some(token)
    }
}

/// What is wrong with a key that cannot sign, as the end of the sentence "the key …".
fn unusable(der: &[u8]) -> String {
    let what = match key::kind(der) {
        Err(fault) => fault.to_string(),
        Ok(KeyKind::P256) => "is damaged: its numbers are not a key of the curve P-256".to_owned(),
        Ok(kind) => format!("is {kind}, where an EC key on the curve P-256 belongs"),
    };
    format!("{what}; use the .p8 file as Apple's site provided it for APNs")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("key_id", &self.key_id)
            .field("team_id", &self.team_id)
            .finish_non_exhaustive()
    }
}

/// A token as it goes on the wire.
#[derive(Clone)]
pub(crate) struct Bearer {
    /// The value of the `authorization` header, marked sensitive.
    pub(crate) header: HeaderValue,
    issued: Timestamp,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("issued", &self.issued)
            .finish_non_exhaustive()
    }
}

/// What to do after Apple refused a token as too old.
#[derive(Debug)]
pub(crate) enum Renewed {
    /// Send the same request again with this token.
    Again(Bearer),
    /// No other token may be signed for this long.
    TooEarly(Duration),
}

/// The signing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SigningFailed;

/// The one token of a key, shared by everything that sends with it.
///
/// Signing takes tens of microseconds and happens under the lock: when many sends find the token too old at the same time,
/// one token is signed.
#[derive(Debug)]
pub(crate) struct TokenSource {
    key: SigningKey,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Bearer>>,
}

impl TokenSource {
    pub(crate) fn new(key: SigningKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            key,
            clock,
            current: Mutex::new(None),
        }
    }

    /// Returns the token to send with now.
    pub(crate) fn bearer(&self) -> Result<Bearer, SigningFailed> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        match &*current {
            Some(bearer) if !is_stale(bearer.issued, now) => Ok(bearer.clone()),
            _ => self.renew(&mut current, now),
        }
    }

    /// Returns a token to use after Apple refused `refused` for its date: the one that another send has signed since, or a
    /// new one, unless the last one is too young to be replaced.
    pub(crate) fn after_refusal(&self, refused: &Bearer) -> Result<Renewed, SigningFailed> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if let Some(bearer) = &*current {
            if bearer.issued != refused.issued {
                return Ok(Renewed::Again(bearer.clone()));
            }
            let distance = apart(bearer.issued, now);
            if distance < MIN_BETWEEN {
                return Ok(Renewed::TooEarly(MIN_BETWEEN - distance));
            }
        }
        self.renew(&mut current, now).map(Renewed::Again)
    }

    /// Returns `true` if `bearer` is dated in the future because the clock was set back since. Apple considers such a token
    /// invalid.
    pub(crate) fn is_from_the_future(&self, bearer: &Bearer) -> bool {
        bearer.issued > self.clock.now()
    }

    fn renew(&self, current: &mut Option<Bearer>, now: Timestamp) -> Result<Bearer, SigningFailed> {
        let token = self.key.sign(now).ok_or(SigningFailed)?;
        let mut header =
            HeaderValue::try_from(format!("bearer {token}")).map_err(|_| SigningFailed)?;
        header.set_sensitive(true);
        let bearer = Bearer {
            header,
            issued: now,
        };
        *current = Some(bearer.clone());
        Ok(bearer)
    }
}

/// Returns `true` if a token issued at `issued` must be replaced. The wall clock may have jumped: a token dated further ahead
/// than Apple's interval between two tokens was dated by a wrong clock, and would be kept for far too long.
fn is_stale(issued: Timestamp, now: Timestamp) -> bool {
    now.since(issued) >= RENEW_AFTER || issued.since(now) >= MIN_BETWEEN
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey,
    };
    use push_core::ManualClock;
    use serde_json::Value;

    use super::*;

    const VECTORS: &str = include_str!("../../tests/fixtures/vectors.json");
    const START: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn vectors() -> Value {
        serde_json::from_str(VECTORS).expect("the vectors are JSON")
    }

    fn key(number: u64) -> (SigningKey, Vec<u8>) {
        let vectors = vectors();
        let pem = vectors[format!("key{number}")]
            .as_str()
            .expect("a key in PEM")
            .to_owned();
        let key = SigningKey::from_pem(&Secret::new(pem), "ABC123DEFG", "DEF123GHIJ")
            .expect("the key reads");
        let public = key.public_key().to_vec();
        (key, public)
    }

    fn source() -> (TokenSource, ManualClock) {
        let clock = ManualClock::new(START);
        (TokenSource::new(key(1).0, Arc::new(clock.clone())), clock)
    }

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(n * 60)
    }

    #[test]
    fn every_vector_verifies_and_a_signed_token_has_its_header_and_claims() {
        let vectors = vectors();
        let tokens = vectors["jwt"].as_array().unwrap();
        assert_eq!(tokens.len(), 6);
        for vector in tokens {
            let (_, public) = key(vector["key"].as_u64().unwrap());
            let token = vector["jwt"].as_str().unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public)
                .verify(signed.as_bytes(), &signature)
                .unwrap();
            let der = URL_SAFE_NO_PAD
                .decode(vector["der_sig_jwt_tail"].as_str().unwrap())
                .unwrap();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public)
                .verify(signed.as_bytes(), &der)
                .unwrap();

            if vector["typ"].as_bool() == Some(true) {
                continue;
            }
            let ours = SigningKey::from_pem(
                &Secret::new(
                    vectors[format!("key{}", vector["key"])]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                ),
                vector["kid"].as_str().unwrap(),
                vector["team"].as_str().unwrap(),
            )
            .unwrap()
            .sign(Timestamp::from_unix_seconds(
                vector["iat"].as_i64().unwrap(),
            ))
            .unwrap();
            let (our_signed, our_signature) = ours.rsplit_once('.').unwrap();
            assert_eq!(our_signed, signed);
            let our_signature = URL_SAFE_NO_PAD.decode(our_signature).unwrap();
            assert_eq!(our_signature.len(), 64);
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public)
                .verify(our_signed.as_bytes(), &our_signature)
                .unwrap();
        }
    }

    #[test]
    fn a_token_is_kept_for_fifty_minutes() {
        let (source, clock) = source();
        let first = source.bearer().unwrap();
        clock.advance(minutes(50) - Duration::from_millis(1));
        assert_eq!(source.bearer().unwrap().header, first.header);
        clock.advance(Duration::from_millis(1));
        assert_ne!(source.bearer().unwrap().header, first.header);
    }

    #[test]
    fn a_hundred_threads_that_need_a_token_sign_one() {
        let (source, clock) = source();
        for round in 0..2 {
            let barrier = std::sync::Barrier::new(100);
            let seen = std::thread::scope(|scope| {
                let tasks: Vec<_> = (0..100)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            source.bearer().unwrap().header.as_bytes().to_vec()
                        })
                    })
                    .collect();
                tasks
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect::<BTreeSet<_>>()
            });
            assert_eq!(seen.len(), 1, "round {round}");
            clock.advance(minutes(51));
        }
    }

    #[test]
    fn a_refused_token_is_not_renewed_within_twenty_minutes() {
        let (source, clock) = source();
        let first = source.bearer().unwrap();
        clock.advance(minutes(5));
        let Renewed::TooEarly(wait) = source.after_refusal(&first).unwrap() else {
            panic!("renewed after five minutes");
        };
        assert_eq!(wait, minutes(15));
        clock.advance(minutes(15));
        let Renewed::Again(second) = source.after_refusal(&first).unwrap() else {
            panic!("not renewed after twenty minutes");
        };
        assert_ne!(first.header, second.header);
        // The others whose request was refused with the first token get the one that is already there.
        let Renewed::Again(third) = source.after_refusal(&first).unwrap() else {
            panic!("no token for the second refusal");
        };
        assert_eq!(third.header, second.header);
    }

    #[test]
    fn a_clock_set_forward_makes_a_new_token_possible_at_once() {
        let (source, clock) = source();
        let first = source.bearer().unwrap();
        // It was an hour slow when it dated the first token.
        clock.jump_to(START + minutes(45));
        assert_eq!(source.bearer().unwrap().header, first.header);
        assert!(matches!(
            source.after_refusal(&first).unwrap(),
            Renewed::Again(_)
        ));
    }

    #[test]
    fn a_clock_set_back_does_not_keep_a_token_for_ever() {
        let (source, clock) = source();
        let first = source.bearer().unwrap();
        clock.jump_to(START - minutes(5));
        assert!(source.is_from_the_future(&first));
        assert_eq!(source.bearer().unwrap().header, first.header);
        clock.jump_to(START - minutes(120));
        let second = source.bearer().unwrap();
        assert_ne!(first.header, second.header);
        assert!(!source.is_from_the_future(&second));
    }

    #[test]
    fn a_key_that_is_not_one_of_apples_is_refused_with_the_cause() {
        let wrong = |pem: &str| SigningKey::from_pem(&Secret::new(pem), "A", "B").unwrap_err();
        assert!(wrong("nonsense").starts_with("is not the text of a .p8 file"));
        assert!(
            wrong(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
            )
            .starts_with("is encrypted")
        );
        let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert!(wrong(&p384.serialize_pem()).starts_with("is an EC key on another curve"));
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        assert!(wrong(&other.serialize_pem()).starts_with("is a key that is neither EC nor RSA"));
        let rsa = wrong(&push_testkit::fixtures::rsa_key());
        assert!(rsa.starts_with("is an RSA key of 2048 bits"), "{rsa}");
    }

    #[test]
    fn a_key_that_was_cut_or_changed_is_called_damaged() {
        let wrong = |pem: &str| SigningKey::from_pem(&Secret::new(pem), "A", "B").unwrap_err();
        let whole = push_testkit::fixtures::apns_key(1);
        let lines: Vec<&str> = whole.lines().collect();
        let without = |line: usize| {
            let mut lines = lines.clone();
            lines.remove(line);
            lines.join("\n")
        };
        // One of the key's own lines is gone, and one of its bits is another.
        for line in 1..lines.len() - 1 {
            let text = wrong(&without(line));
            assert!(text.starts_with("is damaged"), "{line}: {text}");
            assert!(text.contains("use the .p8 file"), "{text}");
        }
        let mut der = pem::private_key(&whole).expect("a key").expose().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        let changed = pem::write("PRIVATE KEY", &pem::Der::new(der));
        let text = wrong(changed.expose());
        assert!(text.starts_with("is damaged: its numbers"), "{text}");
    }

    #[test]
    fn debug_shows_neither_key_nor_token() {
        let (source, _) = source();
        let bearer = source.bearer().unwrap();
        let token = bearer
            .header
            .to_str()
            .unwrap()
            .trim_start_matches("bearer ")
            .to_owned();
        let shown = format!("{source:?} {bearer:?} {:?}", bearer.header);
        assert!(!shown.contains(&token[..20]), "{shown}");
        assert!(!shown.contains("MIGH"), "{shown}");
    }
}
