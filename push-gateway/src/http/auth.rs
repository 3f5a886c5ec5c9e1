//! Who calls: servers with API keys, phones with tickets or, for receipts, the key of their device.
use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use axum::extract::FromRequestParts;
use http::{StatusCode, header, request::Parts};
use push_core::{AppId, DeviceId, Error, ErrorKind, Result, Secret, UserId, api};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{Api, extract::InPath, problem::Problem};
use crate::{receipt_key::SignedDigest, seal::hex, ticket::TicketUse};

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyScope {
    /// What an IM server does: messages, presence, tickets, traces.
    Server,
    /// What an operator does: credentials, metrics.
    Admin,
}

/// An API key in the configuration. A key belongs to exactly one app.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// A name for logs.
    pub name: String,
    /// The app.
    pub app: AppId,
    /// What it may be used for.
    pub scopes: Vec<KeyScope>,
    /// SHA-256 of the key, 64 hexadecimal digits. Better than `key`: the configuration then holds no secret.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The key itself, at least 16 characters.
    #[serde(default)]
    pub key: Option<Secret>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("app", &self.app)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    digest: Vec<u8>,
    app: AppId,
    scopes: Vec<KeyScope>,
}

/// The API keys, as digests.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Entry>);

impl Keys {
    pub(crate) fn new(keys: &[ApiKey]) -> Result<Self> {
        let entry = |it: &ApiKey| {
            let wrong = |what: &str| {
                Error::new(ErrorKind::Config, what).at(format!("api key `{}`", it.name))
            };
            let digest = match (&it.sha256, &it.key) {
                (Some(sha256), None) => hex(sha256.trim())
                    .filter(|it| it.len() == 32)
                    .ok_or_else(|| wrong("`sha256` is not 64 hexadecimal digits"))?,
                (None, Some(key)) if key.expose().len() >= 16 => sha256_of(key.expose()),
                (None, Some(_)) => {
                    return Err(wrong("the key is shorter than 16 characters")
                        .advise("make one with `openssl rand -base64 32`"));
                }
                _ => return Err(wrong("write either `sha256` or `key`")),
            };
            if it.scopes.is_empty() {
                return Err(
                    wrong("the key has no scope").advise("write `server`, `admin`, or both")
                );
            }
            Ok(Entry {
                digest,
                app: it.app.clone(),
                scopes: it.scopes.clone(),
            })
        };
        keys.iter().map(entry).collect::<Result<_>>().map(Self)
    }

    /// The entry of `key`. Looks at all of them, each in constant time.
    fn find(&self, key: &str) -> Option<&Entry> {
        let digest = sha256_of(key);
        let mut found = None;
        for entry in &self.0 {
            if verify_slices_are_equal(&entry.digest, &digest).is_ok() {
                found = Some(entry);
            }
        }
        found
    }
}

fn sha256_of(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| credential.trim())
}

/// A place among the requests of one app that may run at the same time, held while one runs.
pub(crate) type Place = OwnedSemaphorePermit;

pub(super) fn place(api: &Api, app: &AppId) -> Result<Place, Problem> {
    Arc::clone(&api.limiter(app))
        .try_acquire_owned()
        .map_err(|_| {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, api::code::TOO_FREQUENT)
                .detail("this app has as many requests under way as it may")
                .retry_after(Duration::from_secs(1))
        })
}

fn key_caller(
    parts: &Parts,
    api: &Api,
    scope: Option<KeyScope>,
) -> Result<(AppId, Place), Problem> {
    let refused = || {
        Problem::new(StatusCode::UNAUTHORIZED, "key-refused")
            .detail("the request carries no API key that this gateway knows; send `authorization: Bearer <key>`")
    };
    let entry = bearer(parts)
        .and_then(|key| api.keys.find(key))
        .ok_or_else(refused)?;
    if scope.is_some_and(|it| !entry.scopes.contains(&it)) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope-missing").detail(
            "the API key is not allowed to do this; give it the scope in the configuration",
        ));
    }
    Ok((entry.app.clone(), place(api, &entry.app)?))
}

macro_rules! key_callers {
    ($($(#[$doc:meta])* $name:ident = $scope:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name {
            #[allow(dead_code)] // not every caller's app matters
            pub(crate) app: AppId,
            _place: Place,
        }

        impl FromRequestParts<Arc<Api>> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
                let (app, place) = key_caller(parts, api, $scope)?;
                Ok(Self { app, _place: place })
            }
        }
    )*};
}

key_callers! {
    /// An IM server.
    Server = Some(KeyScope::Server);
    /// An operator.
    Admin = Some(KeyScope::Admin);
    /// Anybody with a key.
    Anybody = None;
}

/// A phone on which a user is logged in.
#[derive(Debug)]
pub(crate) struct Phone<const LOGOUT: bool> {
    pub(crate) app: AppId,
    pub(crate) user: UserId,
    _place: Place,
}

impl<const LOGOUT: bool> FromRequestParts<Arc<Api>> for Phone<LOGOUT> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let refused = |detail: String| {
            Problem::new(StatusCode::UNAUTHORIZED, api::code::TICKET_REFUSED).detail(detail)
        };
        let ticket = bearer(parts).ok_or_else(|| {
            refused("the request carries no ticket; send `authorization: Bearer <ticket>`".into())
        })?;
        let for_use = if LOGOUT {
            TicketUse::Logout
        } else {
            TicketUse::Login
        };
        let ticket = api
            .gateway
            .tickets()
            .check(ticket, for_use, api.gateway.now())
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            _place: place(api, &ticket.app)?,
            app: ticket.app,
            user: ticket.user,
        })
    }
}

/// A device that signed its request, known from the head alone.
pub(crate) struct Signer {
    pub(crate) app: AppId,
    pub(crate) device: DeviceId,
    digest: SignedDigest,
    _place: Place,
}

impl Signer {
    fn refused(detail: &str) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, api::code::RECEIPT_KEY_REFUSED).detail(format!(
            "{detail}; register the device again, the answer has its key"
        ))
    }

    /// Whether this is the body that was signed.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), Problem> {
        if self.digest.is_of(body) {
            Ok(())
        } else {
            Err(Self::refused("the body is not the one that was signed"))
        }
    }
}

impl FromRequestParts<Arc<Api>> for Signer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let InPath((app, device)) =
            InPath::<(AppId, DeviceId)>::from_request_parts(parts, api).await?;
        let signature = parts
            .headers
            .get(api::RECEIPT_SIGNATURE)
            .and_then(|it| it.to_str().ok())
            .ok_or_else(|| {
                Self::refused(&format!(
                    "the header `{}` is missing",
                    api::RECEIPT_SIGNATURE
                ))
            })?;
        let digest = api
            .gateway
            .0
            .receipt_keys
            .check(&app, &device, signature)?
            .ok_or_else(|| Self::refused("the signature is not by this device's receipt key"))?;
        Ok(Self {
            _place: place(api, &app)?,
            app,
            device,
            digest,
        })
    }
}
