//! The device token: the subscription that a browser gave the web page.
use std::{fmt, net::IpAddr};

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Uri, uri::Scheme};
use push_core::{DeviceToken, Error, ErrorKind, Result};
use push_http::port_of;
use push_kit::{answer::json, endpoint::Endpoint, input::trimmed};
use serde::Serialize;

use crate::auth::base64;

/// The length of `auth` (RFC 8291 §3.2).
const AUTH_BYTES: usize = 16;

/// A point of P-256 in uncompressed form.
const POINT: (u8, usize) = (4, 65);

/// A push subscription. `Debug` shows its origin.
pub(crate) struct Subscription {
    /// Where to post, as the browser wrote it.
    pub(crate) endpoint: Uri,
    /// Scheme, host and port of the endpoint (RFC 6454 §6.2).
    pub(crate) origin: String,
    /// The browser's public key.
    pub(crate) public: Vec<u8>,
    /// The secret that only browser and application server know.
    pub(crate) auth: [u8; AUTH_BYTES],
    written: Written,
}

/// The canonical form: the members of `PushSubscription.toJSON()` that matter, in the order of browsers.
#[derive(Serialize)]
struct Written {
    endpoint: String,
    keys: Keys,
}

#[derive(Serialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// Reads what `JSON.stringify(subscription)` gives in a browser. Keys beside the endpoint, as some servers store them, and
    /// keys in other forms of base64 are accepted.
    ///
    /// # Errors
    /// What is wrong with it, as the end of the sentence "the device token …"; holds nothing of it.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        let read = json(trimmed(text).as_bytes());
        if !read.is_object() {
            return Err("is not the JSON of a push subscription");
        }
        let text = read["endpoint"].as_str();
        let (endpoint, origin) = endpoint(text.ok_or("has no `endpoint`")?)?;
        let key = |name: &str| {
            let written = read["keys"][name].as_str().or(read[name].as_str());
            base64(written.unwrap_or_default().trim())
        };
        let public = key("p256dh").filter(|key| is_point(key));
        let public = public.ok_or("has no `p256dh` that is a point of the curve P-256")?;
        let auth = key("auth").and_then(|auth| <[u8; AUTH_BYTES]>::try_from(auth).ok());
        let auth = auth.ok_or("has no `auth` of 16 bytes in base64url")?;
        let written = Written {
            endpoint: text.unwrap_or_default().to_owned(),
            keys: Keys {
                p256dh: URL_SAFE_NO_PAD.encode(&public),
                auth: URL_SAFE_NO_PAD.encode(auth),
            },
        };
        Ok(Self {
            endpoint,
            origin,
            public,
            auth,
            written,
        })
    }

    /// Its canonical form.
    pub(crate) fn token(&self) -> Result<DeviceToken> {
        DeviceToken::new(serde_json::to_string(&self.written).map_err(|_| wrong("is no JSON"))?)
    }

    /// The address that stands in the endpoint in place of a name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        let host = self.endpoint.host()?;
        host.trim_matches(['[', ']']).parse().ok()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.endpoint.scheme() == Some(&Scheme::HTTPS)
    }

    /// What must not be seen: the endpoint with its path and the end of it, which are a right to push, and both keys.
    pub(crate) fn private(&self) -> [&str; 5] {
        let path = self.endpoint.path_and_query();
        let path = path.map_or("", |path| path.as_str());
        let end = path.rsplit(['/', '=']).next().unwrap_or_default();
        let Keys { p256dh, auth } = &self.written.keys;
        [&self.written.endpoint, path, end, p256dh, auth]
    }
}

/// Checks an endpoint: an absolute URL without user information and fragment. Everything else about it is the push service's.
fn endpoint(text: &str) -> Result<(Uri, String), &'static str> {
    let is_of_url =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\');
    let uri = text.parse::<Uri>().ok();
    let uri = uri.filter(|_| text.bytes().all(is_of_url));
    let uri = uri.ok_or("has an `endpoint` that is not a URL")?;
    if text.contains('#') {
        return Err("has an `endpoint` with a fragment");
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err("has an `endpoint` with a user name or password");
    }
    let origin = origin(&uri).ok_or("has an `endpoint` that is not an https URL")?;
    Ok((uri, origin))
}

/// The origin of `uri`, in lower case and without the usual port; `None` if it is no URL of HTTP.
fn origin(uri: &Uri) -> Option<String> {
    let (scheme, host) = (uri.scheme_str()?, uri.host()?.to_ascii_lowercase());
    let port = port_of(uri).filter(|_| !host.is_empty())?;
    Some(match (scheme, port) {
        ("https", 443) | ("http", 80) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    })
}

fn is_point(key: &[u8]) -> bool {
    let point = UnparsedPublicKey::new(&ECDH_P256, key);
    (key.first().copied().unwrap_or_default(), key.len()) == POINT
        && ParsedPublicKey::try_from(&point).is_ok()
}

/// The error for a token that `what`, as in "has no `endpoint`".
pub(crate) fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the device token {what}"))
        .advise("register JSON.stringify(subscription), where `subscription` is what pushManager.subscribe() returned")
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Origins, written out or as `https://*.push.example`, which is every host below that name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// Reads a list.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for the first that is no origin. `http` is for this machine only.
    pub(crate) fn read(list: &[String]) -> Result<Self> {
        let one = |text: &String| {
            let text = trimmed(text);
            let wildcard = text.strip_prefix("https://*.");
            let plain = wildcard.map(|rest| format!("https://{rest}"));
            let checked = Endpoint::origin(plain.as_deref().unwrap_or(text))?;
            let origin = origin(checked.uri()).unwrap_or_default();
            Ok(match origin.strip_prefix("https://") {
                Some(rest) if wildcard.is_some() => format!("https://*.{rest}"),
                _ => origin,
            })
        };
        list.iter().map(one).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `origin` is one of them.
    pub(crate) fn contain(&self, origin: &str) -> bool {
        self.0.iter().any(|listed| match listed.split_once("://*") {
            None => listed == origin,
            Some((_, below)) => origin
                .strip_prefix("https://")
                .is_some_and(|host| host.len() > below.len() && host.ends_with(below)),
        })
    }
}
