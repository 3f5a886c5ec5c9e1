//! What an operator and a provider can set.
use std::{collections::BTreeMap, fmt, time::Duration};

use push_core::{Error, ErrorKind, Result, Secret};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;

/// How the client connects, waits and gives up. In every provider's configuration it is the table `http`.
///
/// ```
/// let config: push_http::HttpConfig = serde_json::from_str(r#"{
///     "proxy": "http://user:password@proxy.example.com:3128",
///     "request_deadline": "10s",
///     "resolve": { "api.push.apple.com:443": "127.0.0.1:9443" }
/// }"#).unwrap();
/// assert!(!format!("{config:?}").contains("password"));
/// ```
///
/// Durations are written as in [`duration`](crate::duration). Every key has a default; an unknown key is an error.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Certificates of authorities to trust, as PEM text, besides the built-in Mozilla roots. Default: none.
    pub extra_ca_pem: Option<String>,
    /// Trust only `extra_ca_pem` and not the built-in roots. Default: false.
    pub only_extra_ca: bool,
    /// An HTTP proxy to reach every peer through by CONNECT: `http://[user:password@]host:port`. A secret, because it may
    /// hold a password. Reserved characters in user and password are percent-encoded. Default: none.
    pub proxy: Option<Secret>,
    /// Where to connect instead of where a name resolves to: `"host:port" = "address:port"`, the left side as in the URL
    /// with the port always written, the right side an address or a name. TLS and HTTP still use the host of the URL.
    /// Default: empty.
    pub resolve: BTreeMap<String, String>,
    /// Time for a connection to be ready: name, TCP, proxy, TLS and the peer's SETTINGS together. Default: 10 s.
    #[serde(with = "crate::duration")]
    pub connect_timeout: Duration,
    /// Time for a whole exchange: waiting for a connection, sending, and reading the whole answer. Default: 30 s.
    #[serde(with = "crate::duration")]
    pub request_deadline: Duration,
    /// A connection with requests in flight on which nothing was heard for so long gets a PING. Default: 20 s.
    #[serde(with = "crate::duration")]
    pub ping_interval: Duration,
    /// A PING not answered for so long (and nothing else heard) means that the peer is gone. Default: 10 s.
    #[serde(with = "crate::duration")]
    pub ping_timeout: Duration,
    /// An idle connection gets a PING this often, so that middle boxes remember it. Default: 1 h, as Apple asks.
    #[serde(with = "crate::duration")]
    pub idle_ping_interval: Duration,
    /// A connection without a request for at least this, and at most twice this, is closed. For HTTP/1.1 never more than 60 s.
    /// Default: 12 h; APNs takes frequent opening and closing for an attack.
    #[serde(with = "crate::duration")]
    pub idle_timeout: Duration,
    /// Connections to one origin at most, 1 to 1,000. Default: 32.
    pub max_connections: usize,
    /// Streams on one connection at most, whatever more the peer allows, 1 to 100,000. Default: 1,000.
    pub max_streams: u32,
    /// Requests that may wait for room to one origin, 1 to 10,000,000; the next fails as busy. Default: 10,000.
    pub max_waiting: usize,
    /// The largest response body that is accepted, in bytes, up to 1 GiB. Default: 1 MiB.
    pub max_response_bytes: usize,
    #[serde(skip)]
    pub(crate) client_certificate: Option<ClientCertificate>,
    #[serde(skip)]
    pub(crate) protocols: Protocols,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            extra_ca_pem: None,
            only_extra_ca: false,
            proxy: None,
            resolve: BTreeMap::new(),
            connect_timeout: Duration::from_secs(10),
            request_deadline: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            idle_ping_interval: Duration::from_secs(60 * 60),
            idle_timeout: Duration::from_secs(12 * 60 * 60),
            max_connections: 32,
            max_streams: 1000,
            max_waiting: 10_000,
            max_response_bytes: 1024 * 1024,
            client_certificate: None,
            protocols: Protocols::default(),
        }
    }
}

impl HttpConfig {
    /// Presents `certificate` to every `https` peer that asks for one.
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// Chooses what is offered to `https` peers.
    #[must_use]
    pub fn with_protocols(mut self, protocols: Protocols) -> Self {
        self.protocols = protocols;
        self
    }

    /// Refuses what cannot work. Touches nothing outside.
    pub(crate) fn check(&self) -> Result<()> {
        fn within<T: PartialOrd + fmt::Display>(key: &str, it: T, from: T, to: T) -> Result<()> {
            if it >= from && it <= to {
                return Ok(());
            }
            Err(bad(
                key,
                format!("{it} is out of range"),
                format!("set it to {from} … {to}"),
            ))
        }
        within("max_connections", self.max_connections, 1, 1000)?;
        within("max_streams", self.max_streams, 1, 100_000)?;
        within("max_waiting", self.max_waiting, 1, 10_000_000)?;
        within(
            "max_response_bytes",
            self.max_response_bytes,
            0,
            1024 * 1024 * 1024,
        )?;
        for (key, duration) in [
            ("connect_timeout", self.connect_timeout),
            ("request_deadline", self.request_deadline),
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("idle_ping_interval", self.idle_ping_interval),
            ("idle_timeout", self.idle_timeout),
        ] {
            if duration.is_zero() || duration > crate::duration::MAX {
                return Err(bad(
                    key,
                    "must be longer than zero and at most 3650 days".into(),
                    "write it like \"20s\"".into(),
                ));
            }
        }
        for (from, to) in &self.resolve {
            for side in [from, to] {
                if split_host_port(side).is_none() {
                    return Err(bad(
                        "resolve",
                        format!("`{side}` is not host:port"),
                        "write \"api.push.apple.com:443\" = \"127.0.0.1:9443\"".into(),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("extra_ca_pem", &self.extra_ca_pem.as_ref().map(String::len))
            .field("only_extra_ca", &self.only_extra_ca)
            .field("proxy", &self.proxy)
            .field("resolve", &self.resolve)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_deadline", &self.request_deadline)
            .field("ping_interval", &self.ping_interval)
            .field("ping_timeout", &self.ping_timeout)
            .field("idle_ping_interval", &self.idle_ping_interval)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_connections", &self.max_connections)
            .field("max_streams", &self.max_streams)
            .field("max_waiting", &self.max_waiting)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("client_certificate", &self.client_certificate)
            .field("protocols", &self.protocols)
            .finish()
    }
}

/// An error of the configuration key `key`.
pub(crate) fn bad(key: &str, message: String, advice: String) -> Error {
    Error::new(ErrorKind::Config, message)
        .at(format!("http.{key}"))
        .advise(advice)
}

/// `host:port`, with an IPv6 host in brackets. The host comes back without them.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port = port.parse().ok()?;
    (!host.is_empty() && port != 0).then_some((host, port))
}

/// What is offered to an `https` peer by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocols {
    /// HTTP/2 and nothing else; a peer without it is an error. For APNs.
    H2Only,
    /// HTTP/2 or HTTP/1.1, as the peer likes; a peer that does not answer to ALPN gets HTTP/1.1.
    #[default]
    Negotiate,
}

/// A certificate chain and its private key, to authenticate to a peer. `Debug` shows nothing of the key.
pub struct ClientCertificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl ClientCertificate {
    /// Takes DER: the chain with the leaf first, and the key as PKCS#8, PKCS#1 or SEC 1.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the chain is empty or the key is none of these.
    pub fn from_der(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<Self> {
        let key = PrivateKeyDer::try_from(key).map_err(|_| {
            invalid("the client certificate's private key is not PKCS#8, PKCS#1 or SEC 1 DER")
        })?;
        Self::checked(chain.into_iter().map(CertificateDer::from).collect(), key)
    }

    /// Takes PEM: one or more certificates with the leaf first, and one unencrypted private key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if there is no certificate or no key in them, or they are damaged.
    pub fn from_pem(chain: &str, key: &Secret) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                invalid("the client certificate is not PEM").because(error.to_string())
            })?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
            invalid("the client certificate's private key is not PEM").advise(
                "give an unencrypted key between BEGIN PRIVATE KEY and END PRIVATE KEY lines",
            )
        })?;
        Self::checked(chain, key)
    }

    fn checked(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self> {
        if chain.is_empty() {
            return Err(invalid("there is no client certificate"));
        }
        Ok(Self { chain, key })
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

impl Clone for ClientCertificate {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate(chain of {})", self.chain.len())
    }
}
