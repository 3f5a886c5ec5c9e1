//! VAPID (RFC 8292): a JSON Web Token for each origin, signed with ES256 and used for half of its life.
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD,
    },
};
use http::HeaderValue;
use push_core::{Clock, Secret, Timestamp};
use push_kit::{
    key::{self, KeyKind},
    pem::{self, Der},
};
use serde_json::Value;

/// How long a token is valid. RFC 8292 §2 allows 24 hours; half of that leaves room for clocks that differ.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// A token is replaced when it is this old.
pub(crate) const RENEW_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

/// Apple asks for no more than one new token an hour.
pub(crate) const MIN_BETWEEN: Duration = Duration::from_secs(60 * 60);

/// How many origins have a token at a time. There are a handful of push services; more are made up by who registers.
const MANY: usize = 1024;

/// The length of a P-256 private key.
const KEY_BYTES: usize = 32;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Reads base64url, with or without padding, and base64, which some libraries write instead.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    URL.decode(text).or_else(|_| STANDARD.decode(text)).ok()
}

/// The application server's key pair. `Debug` shows its public half.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    public: String,
}

impl Key {
    /// Reads a private key: 32 bytes in base64url, as tools of Web Push write it, or PEM.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of the sentence "the key …".
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let raw = base64(text).map(Der::new);
        let pair = match raw.filter(|raw| raw.expose().len() == KEY_BYTES) {
            Some(raw) => of_number(raw.expose())
                .ok_or_else(|| "is not a private key of the curve P-256".to_owned())?,
            None => of_der(text)?,
        };
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The public key, in base64url: what the web page gives to `subscribe` as `applicationServerKey`.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// Signs a token for `origin` that expires at `expires`. `None` if the cryptographic library fails.
    pub(crate) fn sign(&self, origin: &str, expires: Timestamp, subject: &str) -> Option<String> {
        let claims = format!(
            r#"{{"aud":{},"exp":{},"sub":{}}}"#,
            Value::from(origin),
            expires.unix_seconds(),
            Value::from(subject)
        );
        let mut token = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signed = self.pair.sign(&SystemRandom::new(), token.as_bytes());
        let signature = signed.ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Some(token)
    }
}

fn of_number(number: &[u8]) -> Option<EcdsaKeyPair> {
    let private = PrivateKey::from_private_key(&ECDH_P256, number).ok()?;
    let public = private.compute_public_key().ok()?;
    let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(curve, number, public.as_ref()).ok()
}

fn of_der(text: &str) -> Result<EcdsaKeyPair, String> {
    let der = pem::private_key(text).map_err(|fault| match fault {
        pem::PemFault::Missing => "is neither 32 bytes in base64url nor PEM".to_owned(),
        fault => fault.to_string(),
    })?;
    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.expose()).map_err(
        |_| match key::kind(der.expose()) {
            Err(fault) => fault.to_string(),
            Ok(KeyKind::P256) => "is damaged: its numbers are not a key of the curve P-256".into(),
            Ok(kind) => format!("is {kind}, where an EC key on the curve P-256 belongs"),
        },
    )
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// The header `Authorization` for one origin.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) header: HeaderValue,
    pub(crate) token: Secret,
    issued: Timestamp,
}

/// Signs for one credential, one token for each origin. Signing takes tens of microseconds and happens under the lock: when
/// many sends need a token at the same time, one is signed.
pub(crate) struct Vapid {
    key: Key,
    subject: String,
    clock: Arc<dyn Clock>,
    signed: Mutex<HashMap<String, Signed>>,
}

impl Vapid {
    pub(crate) fn new(key: Key, subject: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            key,
            subject,
            clock,
            signed: Mutex::default(),
        }
    }

    pub(crate) fn public(&self) -> &str {
        self.key.public()
    }

    /// Returns the header for requests to `origin`. `None` if the cryptographic library fails.
    pub(crate) fn header(&self, origin: &str) -> Option<Signed> {
        self.current(origin, |_, _| false)
    }

    /// Returns a header other than `refused`, which the push service at `origin` no longer accepts. `None` if `refused` is so
    /// young that another one would not be accepted either.
    pub(crate) fn renewed(&self, origin: &str, refused: &Signed) -> Option<Signed> {
        let signed = self.current(origin, |issued, now| {
            issued == refused.issued && apart(issued, now) >= MIN_BETWEEN
        })?;
        (signed.issued != refused.issued).then_some(signed)
    }

    fn current(
        &self,
        origin: &str,
        is_refused: impl Fn(Timestamp, Timestamp) -> bool,
    ) -> Option<Signed> {
        let now = self.clock.now();
        let mut all = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = all.get(origin)
            && !is_stale(signed.issued, now)
            && !is_refused(signed.issued, now)
        {
            return Some(signed.clone());
        }
        let token = self.key.sign(origin, now + LIFE, &self.subject)?;
        let header = format!("vapid t={token}, k={}", self.key.public);
        let mut header = HeaderValue::try_from(header).ok()?;
        header.set_sensitive(true);
        let signed = Signed {
            header,
            token: Secret::new(token),
            issued: now,
        };
        if all.len() >= MANY {
            all.retain(|_, signed| !is_stale(signed.issued, now));
        }
        // Where there are more, those that came first keep theirs: the services that everybody uses.
        if all.len() < MANY || all.contains_key(origin) {
            all.insert(origin.to_owned(), signed.clone());
        }
        Some(signed)
    }
}

/// The wall clock may have jumped: a token that is dated well ahead was dated by a wrong clock, and expires too late.
fn is_stale(issued: Timestamp, now: Timestamp) -> bool {
    now.since(issued) >= RENEW_AFTER || issued.since(now) >= MIN_BETWEEN
}

fn apart(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use push_core::ManualClock;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
    const ORIGIN: &str = "https://push.example.net";

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/fixtures/vectors.json"))
            .expect("the vectors are JSON")
    }

    fn key() -> Key {
        let vectors = vectors();
        Key::read(vectors["vapid"]["private"].as_str().expect("text")).expect("a key")
    }

    fn vapid() -> (Vapid, ManualClock) {
        let clock = ManualClock::new(NOW);
        let own: Arc<dyn Clock> = Arc::new(clock.clone());
        (Vapid::new(key(), "mailto:a@b.c".to_owned(), own), clock)
    }

    #[test]
    fn a_signature_has_the_bytes_on_record_and_those_on_record_verify() {
        let vectors = vectors();
        let vector = &vectors["vapid"];
        let text = |name: &str| vector[name].as_str().expect("text");
        let key = key();
        assert_eq!(key.public(), text("public"));
        let expires = Timestamp::from_unix_seconds(vector["exp"].as_i64().expect("a number"));
        let own = key
            .sign(text("aud"), expires, text("sub"))
            .expect("it is signed");
        let point = URL_SAFE_NO_PAD.decode(text("public")).expect("base64url");
        let point = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let signed = |token: &str| {
            let (signed, signature) = token.rsplit_once('.').expect("three parts");
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            point
                .verify(signed.as_bytes(), &signature)
                .expect("the signature fits");
            signed.to_owned()
        };
        assert_eq!(signed(&own), signed(text("jwt")));
    }

    #[test]
    fn a_key_is_read_in_every_form_that_tools_write() {
        let vectors = vectors();
        let raw = vectors["vapid"]["private"].as_str().expect("text");
        let number = base64(raw).expect("base64url");
        let pair = of_number(&number).expect("a key");
        let pkcs8 = Der::new(pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec());
        let pem = pem::write("PRIVATE KEY", &pkcs8);
        let standard = raw.replace('-', "+").replace('_', "/") + "=";
        for text in [raw, &format!("{raw}="), &standard, pem.expose()] {
            assert_eq!(Key::read(text).expect("a key").public(), key().public());
        }
        for (text, words) in [
            ("", "neither 32 bytes in base64url nor PEM"),
            ("c2hvcnQ", "neither 32 bytes in base64url nor PEM"),
            (
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "is not a private key of the curve P-256",
            ),
            ("-----BEGIN PRIVATE KEY-----", "cut off"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----",
                "encrypted",
            ),
        ] {
            let error = Key::read(text).expect_err(words);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn an_origin_has_one_signature_for_half_of_its_life() {
        let (vapid, clock) = vapid();
        let header = |origin: &str| vapid.header(origin).expect("it is signed").header;
        let first = header(ORIGIN);
        assert_ne!(header("https://push.example.org"), first);
        clock.advance(RENEW_AFTER - Duration::from_secs(1));
        assert_eq!(header(ORIGIN), first);
        clock.advance(Duration::from_secs(1));
        assert_ne!(header(ORIGIN), first);
        assert!(LIFE <= Duration::from_secs(24 * 60 * 60) && RENEW_AFTER * 2 <= LIFE);
    }

    #[test]
    fn a_refused_signature_is_made_anew_at_most_once_an_hour() {
        let (vapid, clock) = vapid();
        let first = vapid.header(ORIGIN).expect("it is signed");
        assert!(vapid.renewed(ORIGIN, &first).is_none());
        clock.advance(MIN_BETWEEN);
        let second = vapid.renewed(ORIGIN, &first).expect("it is an hour old");
        assert_ne!(second.header, first.header);
        // Of many that were refused with the first one, each sends with the second one.
        let third = vapid.renewed(ORIGIN, &first).expect("there is another");
        assert_eq!(third.header, second.header);
        assert!(vapid.renewed(ORIGIN, &second).is_none());
    }

    #[test]
    fn a_clock_that_was_ahead_leaves_no_signature_that_expires_too_late() {
        let (vapid, clock) = vapid();
        let first = vapid.header(ORIGIN).expect("it is signed");
        clock.jump_to(NOW - MIN_BETWEEN);
        let second = vapid.header(ORIGIN).expect("it is signed");
        assert_ne!(second.header, first.header);
    }

    #[test]
    fn origins_that_are_made_up_do_not_fill_the_memory() {
        let (vapid, clock) = vapid();
        let first = || {
            vapid
                .header("https://0.example")
                .expect("it is signed")
                .header
        };
        let before = first();
        for number in 0..MANY + 10 {
            let header = vapid.header(&format!("https://{number}.example"));
            assert!(header.is_some());
        }
        assert_eq!(vapid.signed.lock().expect("no panic").len(), MANY);
        clock.advance(RENEW_AFTER - Duration::from_secs(1));
        assert_eq!(first(), before, "the first ones keep theirs");
        clock.advance(Duration::from_secs(1));
        assert_ne!(first(), before);
        assert_eq!(vapid.signed.lock().expect("no panic").len(), 1);
    }
}
