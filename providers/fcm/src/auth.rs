//! The access token: a signed assertion traded for it (RFC 7523), kept, shared, and renewed.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use push_core::{Clock, Error, Result, Retry, Timestamp, VendorAnswer, Verdict, VerdictKind};
use push_http::{Client, HttpClient};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Serialize;
use serde_json::Value;

use crate::config::{FcmConfig, ServiceAccount, wrong};

/// What the access token allows: sending messages, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long an assertion is valid: the longest that Google allows.
const ASSERTION: Duration = Duration::from_secs(3600);

/// An access token is renewed this long before it expires, or at half its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// How long a failed renewal is not repeated while the old token is still good.
const PAUSE: Duration = Duration::from_secs(30);

/// One service account, and the one access token that everything it sends shares.
pub(crate) struct Auth(Arc<Inner>);

struct Inner {
    account: ServiceAccount,
    key: RsaKeyPair,
    url: Uri,
    client: Client,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Access>>,
    /// Not before this is a token that is still good renewed.
    quiet_until: Timestamp,
    /// The fetch that everyone joins. Weak: a fetch that nobody waits for any more is given up, not resumed an hour later.
    flight: Option<WeakShared<BoxFuture<'static, Fetched>>>,
}

/// A verdict, because all that follows from a failure is one for each target.
type Fetched = Result<Arc<Access>, Verdict>;

/// An access token.
pub(crate) struct Access {
    /// The value of `authorization`, marked as sensitive.
    pub(crate) bearer: HeaderValue,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Auth {
    /// Checks the key. Pure.
    pub(crate) fn new(config: &FcmConfig, client: Client, clock: Arc<dyn Clock>) -> Result<Self> {
        let account = config.service_account.clone();
        let key = signing_key(&account)?;
        Ok(Self(Arc::new(Inner {
            url: config.token_url()?,
            account,
            key,
            client,
            clock,
            state: Mutex::default(),
        })))
    }

    /// The access token, fetched if need be. However many ask at once, one request goes out.
    ///
    /// # Errors
    /// Why nothing can be sent.
    pub(crate) async fn access(&self) -> Fetched {
        let now = self.0.clock.now();
        let (flight, old) = {
            let mut state = self.0.lock();
            let old = state.current.clone().filter(|it| now < it.expires_at);
            match old {
                Some(it) if now < it.renew_at.max(state.quiet_until) => return Ok(it),
                old => (self.join(&mut state), old),
            }
        };
        match (flight.await, old) {
            (Err(_), Some(old)) => Ok(old),
            (fetched, _) => fetched,
        }
    }

    /// Another access token than `refused`, which FCM no longer takes. Whoever comes second gets what the first one fetched.
    pub(crate) async fn renew(&self, refused: &Arc<Access>) -> Fetched {
        let flight = {
            let mut state = self.0.lock();
            match &state.current {
                Some(it) if !Arc::ptr_eq(it, refused) => return Ok(Arc::clone(it)),
                _ => state.current = None,
            }
            self.join(&mut state)
        };
        flight.await
    }

    /// An access token that was asked for just now: for a check of the credential.
    pub(crate) async fn fetch(&self) -> Fetched {
        let flight = self.join(&mut self.0.lock());
        flight.await
    }

    fn join(&self, state: &mut State) -> Shared<BoxFuture<'static, Fetched>> {
        if let Some(flight) = state.flight.as_ref().and_then(WeakShared::upgrade) {
            return flight;
        }
        let inner = Arc::clone(&self.0);
        let flight = async move { inner.fetch().await }.boxed().shared();
        state.flight = flight.downgrade();
        flight
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Fetched {
        let fetched = self.ask().await;
        let mut state = self.lock();
        state.flight = None;
        match &fetched {
            Ok(access) => state.current = Some(Arc::clone(access)),
            Err(_) => state.quiet_until = self.clock.now() + PAUSE,
        }
        fetched
    }

    async fn ask(&self) -> Fetched {
        let now = self.clock.now();
        let request = self.request(now).ok_or_else(|| {
            Verdict::unavailable("the assertion for the access token could not be signed")
        })?;
        let response = self.client.send(request).await.map_err(|error| {
            // Whatever became of this request, no message was in it.
            Verdict::unavailable(format!("no access token: {error}"))
        })?;
        let json: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status() == StatusCode::OK {
            return Access::read(&json, now).ok_or_else(|| {
                Verdict::unavailable("the token endpoint granted nothing that can be used")
            });
        }
        let retry = Retry::from_headers(response.headers(), now);
        Err(refusal(response.status(), &json, retry))
    }

    fn request(&self, now: Timestamp) -> Option<Request<Bytes>> {
        let assertion = assertion(&self.account, &self.key, now)?;
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into())
            .ok()
    }
}

impl Access {
    fn read(json: &Value, now: Timestamp) -> Option<Arc<Self>> {
        let token = json["access_token"].as_str().filter(|it| !it.is_empty())?;
        let life = Duration::from_secs(json["expires_in"].as_u64().filter(|it| *it > 0)?);
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        bearer.set_sensitive(true);
        Some(Arc::new(Self {
            bearer,
            renew_at: now + (life - MARGIN.min(life / 2)),
            expires_at: now + life,
        }))
    }
}

/// What it means that the token endpoint answered with `status` (RFC 6749 §5.2).
fn refusal(status: StatusCode, json: &Value, retry: Option<Retry>) -> Verdict {
    let code = json["error"].as_str().unwrap_or_default();
    let words = json["error_description"].as_str().unwrap_or_default();
    let answer = VendorAnswer::new(status.as_u16(), code).with_text(if words.is_empty() {
        "the token endpoint refused access"
    } else {
        words
    });
    // Without an OAuth error it was a proxy or a wrong URL that spoke, not Google about this account.
    let about_us = status.is_client_error()
        && status != StatusCode::TOO_MANY_REQUESTS
        && !matches!(code, "" | "temporarily_unavailable");
    if about_us {
        Verdict::new(VerdictKind::CredentialRefused, answer)
    } else {
        Verdict::new(VerdictKind::Unavailable, answer).with_retry(retry.unwrap_or(Retry::Backoff))
    }
}

fn signing_key(account: &ServiceAccount) -> Result<RsaKeyPair> {
    let bad = || -> Error {
        wrong(
            "service_account.private_key",
            "is no RSA key in PKCS#8 PEM",
            "use the key file as Google made it; line ends are written \\n in it",
        )
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(account.private_key.expose().as_bytes())
        .map_err(|_| bad())?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| bad())
}

/// The assertion of RFC 7523 §3, signed with RS256; `None` if the key cannot sign.
fn assertion(account: &ServiceAccount, key: &RsaKeyPair, now: Timestamp) -> Option<String> {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        typ: &'a str,
        kid: &'a str,
    }
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        scope: &'a str,
        aud: &'a str,
        iat: i64,
        exp: i64,
    }
    let header = Header {
        alg: "RS256",
        typ: "JWT",
        kid: &account.private_key_id,
    };
    let claims = Claims {
        iss: &account.client_email,
        scope: SCOPE,
        aud: &account.token_uri,
        iat: now.unix_seconds(),
        exp: (now + ASSERTION).unix_seconds(),
    };
    let mut jwt = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).ok()?, &mut jwt);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        jwt.as_bytes(),
        &mut signature,
    )
    .ok()?;
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Some(jwt)
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("account", &self.0.account)
            .field(
                "expires_at",
                &self.0.lock().current.as_ref().map(|it| it.expires_at),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::fixtures;
    use serde_json::json;

    use super::*;

    fn account(email: &str) -> ServiceAccount {
        let json = json!({
            "type": "service_account",
            "project_id": "demo-project",
            "private_key_id": "0123456789abcdef0123456789abcdef01234567",
            "private_key": fixtures::rsa_key(),
            "client_email": email,
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        ServiceAccount::from_json(&json.to_string()).expect("a key file")
    }

    #[test]
    fn an_assertion_is_byte_for_byte_the_one_of_the_vectors() {
        let account = account("push@demo-project.iam.gserviceaccount.com");
        let key = signing_key(&account).unwrap();
        let vectors = fixtures::vectors();
        let mut compared = 0;
        for vector in vectors["fcm_jwt"].as_array().unwrap() {
            let claims = &vector["claims"];
            let iat = claims["iat"].as_i64().unwrap();
            // The others ask for another scope, or for longer than Google grants.
            if claims["scope"] == SCOPE && claims["exp"] == iat + 3600 {
                let jwt = assertion(&account, &key, Timestamp::from_unix_seconds(iat)).unwrap();
                assert_eq!(Value::from(jwt), vector["jwt"]);
                compared += 1;
            }
        }
        assert_eq!(compared, 2);
    }

    #[test]
    fn a_token_is_renewed_five_minutes_early_or_at_half_its_life() {
        let now = Timestamp::from_unix_seconds(1_700_000_000);
        let renewed_after = |life: u64| {
            let json = json!({"access_token": "ya29.x", "expires_in": life});
            Access::read(&json, now).map(|it| it.renew_at.since(now).as_secs())
        };
        assert_eq!(renewed_after(3599), Some(3299));
        assert_eq!(renewed_after(600), Some(300));
        assert_eq!(renewed_after(100), Some(50));
        assert_eq!(renewed_after(0), None);
        let json = json!({"access_token": "ya29.x", "expires_in": 3599});
        let access = Access::read(&json, now).unwrap();
        assert!(
            access.bearer.is_sensitive(),
            "neither shown nor kept in a header table"
        );
    }

    #[test]
    fn only_an_oauth_error_refuses_the_credential() {
        let kind = |status: u16, json: Value| {
            refusal(StatusCode::from_u16(status).unwrap(), &json, None).kind
        };
        let refused = VerdictKind::CredentialRefused;
        assert_eq!(kind(400, json!({"error": "invalid_grant"})), refused);
        assert_eq!(kind(401, json!({"error": "invalid_client"})), refused);
        let down = VerdictKind::Unavailable;
        assert_eq!(kind(400, json!({})), down);
        assert_eq!(kind(404, Value::Null), down);
        assert_eq!(kind(429, json!({"error": "rate_limited"})), down);
        assert_eq!(kind(500, json!({"error": "internal_failure"})), down);
        assert_eq!(kind(302, json!({"error": "x"})), down);
    }
}
