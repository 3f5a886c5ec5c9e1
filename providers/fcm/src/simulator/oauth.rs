//! The token endpoint: a signed assertion for an access token (RFC 7523).
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header};
use push_core::Timestamp;
use push_testkit::{
    Reply, fixtures, json,
    jwt::{Algorithm, Verifier},
    simulator::{AccessTokens, NotGranted, form, random_text},
};

/// The only account.
pub(super) const EMAIL: &str = "push@demo-project.iam.gserviceaccount.com";

/// The only key of the account.
pub(super) const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// The scopes that allow sending.
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
];

/// How far the clocks may differ, in seconds.
const SKEW: i64 = 60;

pub(super) struct Accounts {
    verifier: Verifier,
    life: Duration,
    granted: AccessTokens<()>,
    state: Mutex<State>,
}

struct State {
    audiences: Vec<String>,
    key_is_known: bool,
}

impl Accounts {
    pub(super) fn new(life: Duration) -> Self {
        Self {
            verifier: Verifier::of_private_pem(Algorithm::Rs256, &fixtures::rsa_key()),
            life,
            granted: AccessTokens::default(),
            state: Mutex::new(State {
                audiences: vec!["https://oauth2.googleapis.com/token".to_owned()],
                key_is_known: true,
            }),
        }
    }

    /// Takes assertions for the token endpoint at `url`, too.
    pub(super) fn listen_at(&self, url: &str) {
        self.lock().audiences.push(format!("{url}/token"));
    }

    pub(super) fn revoke_key(&self) {
        self.lock().key_is_known = false;
    }

    pub(super) fn expire_access(&self) {
        self.granted.forget();
    }

    /// Checks that `token` was granted and is still valid.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn admits(&self, token: &str, now: Timestamp) -> Result<(), NotGranted> {
        self.granted.holder(token, now)
    }

    pub(super) fn answer(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        match self.grant(request, now) {
            Ok(token) => Reply::new(200).json(json!({
                "access_token": token,
                "expires_in": self.life.as_secs(),
                "token_type": "Bearer",
            })),
            Err((status, error, words)) => {
                Reply::new(status).json(json!({ "error": error, "error_description": words }))
            }
        }
    }

    fn grant(
        &self,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Result<String, (u16, &'static str, String)> {
        let bad = |error, words: &str| (400, error, words.to_owned());
        let kind = request.headers().get(header::CONTENT_TYPE);
        if request.method() != Method::POST
            || !kind.is_some_and(|kind| {
                kind.as_bytes()
                    .starts_with(b"application/x-www-form-urlencoded")
            })
        {
            return Err(bad("invalid_request", "A form is posted here."));
        }
        let form = form(request.body());
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return Err(bad("unsupported_grant_type", "Invalid grant_type"));
        }
        let grant = |words: &str| bad("invalid_grant", words);
        let jwt = self
            .verifier
            .verify(field("assertion"))
            .map_err(|it| grant(&format!("Invalid JWT Signature: {it}")))?;
        let state = self.lock();
        // Google's own library for Node.js names no key.
        let names_another_key = jwt.header.get("kid").is_some_and(|kid| *kid != KEY_ID);
        if names_another_key || jwt.claims["iss"] != EMAIL || !state.key_is_known {
            return Err(grant("Invalid JWT Signature: account or key not found"));
        }
        if !state
            .audiences
            .iter()
            .any(|it| jwt.claims["aud"] == *it.as_str())
        {
            return Err(grant("Invalid JWT: Failed audience check."));
        }
        jwt.check_dates(now, 3600, SKEW)
            .map_err(|it| grant(&format!("Invalid JWT: {it}")))?;
        let scope = jwt.claims["scope"].as_str().unwrap_or_default();
        if !scope.split(' ').any(|it| SCOPES.contains(&it)) {
            return Err(bad(
                "invalid_scope",
                "Invalid OAuth scope or ID token audience provided.",
            ));
        }
        let token = format!("ya29.{}", random_text(24));
        self.granted.grant(&token, (), now, self.life);
        Ok(token)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
