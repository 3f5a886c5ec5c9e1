//! Who sends a request: a signature over its body, or Basic. Both as in Tencent's pages on signatures and on Basic
//! authentication, read November 2026.
use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use push_core::{Clock, Describe, Error, Result, Secret};
use push_kit::input::one_of;
use serde::Deserialize;

const ACCESS_ID: HeaderName = HeaderName::from_static("accessid");
const TIMESTAMP: HeaderName = HeaderName::from_static("timestamp");
const SIGN: HeaderName = HeaderName::from_static("sign");

/// How requests are authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum Authentication {
    /// Each body is signed, as Tencent recommends. The server's clock must be right.
    #[default]
    Sign,
    /// The secret key itself is sent, as most clients do.
    Basic,
}

impl TryFrom<String> for Authentication {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(&text, &[("sign", Self::Sign), ("basic", Self::Basic)])
    }
}

/// Authenticates requests with one credential.
pub(crate) struct Auth {
    access_id: String,
    secret_key: Secret,
    by: Authentication,
    clock: Arc<dyn Clock>,
}

impl Auth {
    pub(crate) fn new(
        access_id: &str,
        secret_key: &Secret,
        by: Authentication,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            access_id: access_id.to_owned(),
            secret_key: secret_key.clone(),
            by,
            clock,
        }
    }

    /// The headers of a request with this body that is sent now, secrets marked as sensitive.
    pub(crate) fn headers(&self, body: &str) -> HeaderMap {
        let secret = self.secret_key.expose();
        let mut headers = HeaderMap::new();
        let mut set = |name, text: String, is_sensitive| {
            // Ids, digits and base64, which a header can hold: the configuration was checked.
            if let Ok(mut value) = HeaderValue::try_from(text) {
                value.set_sensitive(is_sensitive);
                headers.insert(name, value);
            }
        };
        match self.by {
            Authentication::Basic => {
                let pair = STANDARD.encode(format!("{}:{secret}", self.access_id));
                set(AUTHORIZATION, format!("Basic {pair}"), true);
            }
            Authentication::Sign => {
                let seconds = self.clock.now().unix_millis().div_euclid(1000).to_string();
                set(SIGN, sign(secret, &seconds, &self.access_id, body), true);
                set(ACCESS_ID, self.access_id.clone(), false);
                set(TIMESTAMP, seconds, false);
            }
        }
        headers
    }
}

/// The base64 of the hexadecimal text of HMAC-SHA-256 over time, id and body, in this order.
fn sign(secret: &str, seconds: &str, access_id: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = hmac::Context::with_key(&key);
    for part in [seconds, access_id, body] {
        signed.update(part.as_bytes());
    }
    let digits = signed.sign();
    let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}"));
    STANDARD.encode(digits.collect::<String>())
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Auth");
        shown
            .field("access_id", &self.access_id)
            .field("by", &self.by);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use push_core::{ManualClock, Timestamp};
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/fixtures/vectors.json")).expect("JSON")
    }

    fn headers(by: Authentication, id: &str, secret: &str, seconds: i64, body: &str) -> HeaderMap {
        let clock = ManualClock::new(Timestamp::from_unix_seconds(seconds));
        Auth::new(id, &Secret::new(secret), by, Arc::new(clock)).headers(body)
    }

    #[test]
    fn every_signature_on_record_is_made_byte_for_byte() {
        let vectors = vectors();
        let rows = vectors["tpns"].as_array().expect("an array");
        assert_eq!(rows.len(), 7);
        for row in rows {
            let [seconds, id, body, secret, hex, wanted] =
                std::array::from_fn(|at| row[at].as_str().expect("text"));
            let at = seconds.parse().expect("seconds");
            let made = headers(Authentication::Sign, id, secret, at, body);
            assert_eq!(made[SIGN], wanted);
            assert!(made[SIGN].is_sensitive());
            assert_eq!(STANDARD.decode(wanted).expect("base64"), hex.as_bytes());
            assert_eq!(
                (&made[ACCESS_ID], &made[TIMESTAMP]),
                (&text(id), &text(seconds))
            );
            assert_eq!(made.len(), 3);
        }
    }

    fn text(text: &str) -> HeaderValue {
        HeaderValue::try_from(text).expect("the value of a header")
    }

    #[test]
    fn basic_sends_id_and_key_as_on_record() {
        let vectors = vectors();
        let wanted = vectors["tpns_basic"][0][2].as_str().expect("text");
        let made = headers(
            Authentication::Basic,
            "1500000001",
            "tpns-test-secret",
            0,
            "{}",
        );
        assert_eq!(made[AUTHORIZATION], wanted);
        assert!(made[AUTHORIZATION].is_sensitive());
        assert_eq!(made.len(), 1);
    }
}
