//! The URL of a vendor's service.
use std::fmt;

use http::Uri;
use push_core::{Error, ErrorKind, Result};
use push_http::port_of;
use serde::{Deserialize, Serialize};

use crate::input::trimmed;

/// The longest URL, in bytes.
const MAX_BYTES: usize = 2048;

/// The checked URL of a service: `https`, a host, perhaps a port and a path.
///
/// `http` is accepted only for `localhost`, 127.0.0.0/8 and `[::1]`, because secrets travel to it. There is no user information,
/// query or fragment. Parsed once: [`Endpoint::uri`] and a joined URL are cloned for each request, not parsed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], saying what is wrong with it; holds nothing of it, because it may be a secret in the wrong place.
    pub fn new(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::new(ErrorKind::Config, what)
                .advise("write a URL like \"https://push.example.com\"")
        };
        let text = trimmed(text);
        if text.len() > MAX_BYTES {
            return Err(wrong("is longer than 2048 bytes"));
        }
        if text.contains('#') {
            return Err(wrong("has a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("is not a URL with scheme and host"));
        };
        if authority.host().is_empty() {
            return Err(wrong("has no host"));
        }
        if authority.as_str().contains('@') {
            return Err(wrong("has a user name or password"));
        }
        if matches!(scheme, "http" | "https") && port_of(&uri).is_none() {
            return Err(wrong("has a port that is not a number from 1 to 65535"));
        }
        if uri.query().is_some() {
            return Err(wrong("has a query"));
        }
        match scheme {
            "https" => Ok(Self(uri)),
            "http" if is_this_machine(authority.host()) => Ok(Self(uri)),
            "http" => Err(wrong(
                "is not https, so the secret would be sent unencrypted",
            )),
            _ => Err(wrong("is not https")),
        }
    }

    /// Checks `text` and that it has no path, for a service whose paths are known.
    ///
    /// # Errors
    /// As [`Endpoint::new`], and if there is a path.
    pub fn origin(text: &str) -> Result<Self> {
        let endpoint = Self::new(text)?;
        if endpoint.0.path() == "/" {
            return Ok(endpoint);
        }
        Err(Error::new(ErrorKind::Config, "has a path")
            .advise("write only scheme, host and port: the path is known"))
    }

    /// The URL.
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Returns this URL with `path` behind its own, for requests.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `path` does not begin with `/` or has a character that a path cannot have.
    pub fn join(&self, path: &str) -> Result<Uri> {
        let wrong = || Error::new(ErrorKind::Config, "does not give a valid path");
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            return Err(wrong());
        }
        let base = self.0.path().trim_end_matches('/');
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(format!("{base}{path}").parse().map_err(|_| wrong())?);
        Uri::from_parts(parts).map_err(|_| wrong())
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_over_which_a_secret_may_travel_is_accepted() {
        for text in [
            "https://push.example.com",
            "https://push.example.com:8443/base/",
            "https://10.0.0.1",
            "http://localhost:1",
            "http://127.9.0.1/",
            "http://[::1]:1",
            "\u{feff}https://push.example.com\r\n",
        ] {
            let endpoint = Endpoint::new(text).expect(text);
            let json = serde_json::to_string(&endpoint).unwrap();
            assert_eq!(serde_json::from_str::<Endpoint>(&json).unwrap(), endpoint);
        }
    }

    #[test]
    fn any_other_url_is_refused_without_repeating_it() {
        for text in [
            "",
            "push.acme.test",
            "/v1",
            "ftp://localhost",
            "http://push.acme.test",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "https://user:pass@push.acme.test",
            "https://push.acme.test?a=b",
            "https://push.acme.test/#x",
            "https://push.acme.test:port",
            "https://push.acme.test:",
            "https://push.acme.test:65536",
            "https://push.acme.test:99999",
            "https://push.acme.test:0",
            "https://[::1]:99999",
            "http://localhost:99999",
            "https://",
            "https://push acme.test",
        ] {
            let error = Endpoint::new(text).expect_err(text).to_string();
            assert!(text.len() < 9 || !error.contains(text), "{error}");
        }
        let error = Endpoint::new(&format!("https://a/{}", "x".repeat(2048)));
        assert!(error.is_err());
    }

    #[test]
    fn paths_are_appended_to_the_path_of_the_endpoint() {
        let join = |endpoint: &str, path: &str| {
            let endpoint = Endpoint::new(endpoint).unwrap();
            endpoint.join(path).map(|uri| uri.to_string())
        };
        let sent = "https://push.example.com/v1/messages:send";
        assert_eq!(
            join("https://push.example.com", "/v1/messages:send").unwrap(),
            sent
        );
        assert_eq!(
            join("https://push.example.com/", "/v1/messages:send").unwrap(),
            sent
        );
        assert_eq!(
            join("https://push.example.com/v1/", "/messages:send").unwrap(),
            sent
        );
        for path in ["v1", "", "/a b", "/a?b", "/a#b", "/ä"] {
            assert!(join("https://push.example.com", path).is_err(), "{path}");
        }
        assert!(Endpoint::origin("https://push.example.com/").is_ok());
        assert!(Endpoint::origin("https://push.example.com/v1").is_err());
        assert!(Endpoint::origin("https://push.example.com//").is_err());
    }
}
