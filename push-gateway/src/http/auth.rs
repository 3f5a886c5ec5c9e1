//! Who calls: servers with API keys, phones with tickets or, for receipts, the key of their device.
use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::FromRequestParts;
use http::{StatusCode, header, request::Parts};
use push_core::{AppId, DeviceId, Result, api};

use super::{
    Api,
    extract::InPath,
    key::{ApiKey, KeyScope, digests, sha256_of},
    limits::{Kind, Place},
    problem::Problem,
    room::OfApp,
    serve::Tracked,
};
use crate::{
    receipt_key::SignedDigest,
    ticket::{Ticket, TicketUse},
};

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
        let entries = digests(keys)?.into_iter().zip(keys);
        Ok(Self(
            entries
                .map(|(digest, it)| Entry {
                    digest,
                    app: it.app.clone(),
                    scopes: it.scopes.clone(),
                })
                .collect(),
        ))
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

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| credential.trim())
}

/// The address of the client; `None` if another server than this one serves the connection.
fn peer(parts: &Parts) -> Option<IpAddr> {
    let tracked = parts.extensions.get::<Tracked>()?;
    Some(tracked.0.peer().ip())
}

fn key_caller(
    parts: &mut Parts,
    api: &Api,
    scope: Option<KeyScope>,
) -> Result<(AppId, Place), Problem> {
    let refused = || {
        Problem::new(StatusCode::UNAUTHORIZED, "key-refused")
            .detail("the request carries no API key that this gateway knows; send `authorization: Bearer <key>`")
    };
    let Some(key) = bearer(parts) else {
        api.refused("api-key", "missing");
        return Err(refused());
    };
    let (peer, now) = (peer(parts), api.gateway.now());
    api.limits
        .may_show_key(peer, now)
        .inspect_err(|_| api.refused("api-key", "limited"))?;
    let Some(entry) = api.keys.find(key) else {
        let shown = api
            .limits
            .wrong_key(peer, now)
            .inspect_err(|_| api.refused("api-key", "limited"))?;
        api.refused("api-key", "wrong");
        if shown.is_power_of_two() {
            tracing::warn!(
                peer = peer.map(tracing::field::display),
                shown,
                "a request showed a wrong API key"
            );
        }
        return Err(refused());
    };
    api.limits.right_key(peer, now);
    if let Some(tracked) = parts.extensions.get::<Tracked>() {
        tracked.0.showed_api_key();
    }
    if scope.is_some_and(|scope| !entry.scopes.contains(&scope)) {
        api.refused("api-key", "scope");
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope-missing").detail(
            "the API key is not allowed to do this; give it the scope in the configuration",
        ));
    }
    let place = api.limits.place_of(Kind::Server, &entry.app)?;
    parts.extensions.insert(OfApp(entry.app.clone()));
    Ok((entry.app.clone(), place))
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

/// A phone on which a user is logged in, if the ticket is good for its device.
#[derive(Debug)]
pub(crate) struct Phone<const LOGOUT: bool> {
    pub(crate) ticket: Ticket,
    _place: Place,
}

impl<const LOGOUT: bool> FromRequestParts<Arc<Api>> for Phone<LOGOUT> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let refused = |why, detail: String| {
            api.refused("ticket", why);
            Problem::new(StatusCode::UNAUTHORIZED, api::code::TICKET_REFUSED).detail(detail)
        };
        let ticket = bearer(parts).ok_or_else(|| {
            let detail = "the request carries no ticket; send `authorization: Bearer <ticket>`";
            refused("missing", detail.to_owned())
        })?;
        let for_use = if LOGOUT {
            TicketUse::Logout
        } else {
            TicketUse::Login
        };
        let now = api.gateway.now();
        let ticket = api
            .gateway
            .tickets()
            .check(ticket, for_use, now)
            .map_err(|error| refused("wrong", error.to_string()))?;
        api.limits
            .count_ticket(&ticket, now)
            .inspect_err(|_| api.refused("ticket", "limited"))?;
        Ok(Self {
            _place: api.limits.place_of(Kind::Phone, &ticket.app)?,
            ticket,
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
            .ok_or_else(|| {
                api.refused("receipt-key", "wrong");
                Self::refused("the signature is not by this device's receipt key")
            })?;
        api.limits
            .count_device(&app, &device, api.gateway.now())
            .inspect_err(|_| api.refused("receipt-key", "limited"))?;
        Ok(Self {
            _place: api.limits.place_of(Kind::Phone, &app)?,
            app,
            device,
            digest,
        })
    }
}
