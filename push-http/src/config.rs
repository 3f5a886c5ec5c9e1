//! What an operator and a provider can set.
use std::{collections::BTreeMap, fmt, time::Duration};

use push_core::{
    AddressPolicy, BuildContext, Describe, Error, ErrorKind, Faults, Result, Secret, Written,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;

use crate::{duration, port::number};

/// The largest value of [`HttpConfig::max_response_bytes`].
pub const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;
/// The largest value of [`HttpConfig::max_waiting`].
pub const MAX_WAITING: usize = 100_000;
/// The largest value of [`HttpConfig::connect_timeout`] and [`HttpConfig::request_deadline`].
pub const MAX_WAIT: Duration = Duration::from_secs(60 * 60);
/// The shortest duration that can be written and is longer than zero.
const LEAST_WAIT: Duration = Duration::from_millis(1);
/// The most entries in [`HttpConfig::resolve`].
const MAX_RESOLVE: usize = 100;
/// The longest [`HttpConfig::extra_ca_pem`], in bytes.
const MAX_CA_PEM: usize = 1024 * 1024;

/// How the client connects, waits and gives up. In every provider's configuration it is the table `http`.
///
/// In a credential that is uploaded, these values come from a tenant, so each has an upper limit. What is the operator's
/// alone cannot be deserialized: [`within`](Self::within), [`with_addresses`](Self::with_addresses) and
/// [`with_operator_proxy`](Self::with_operator_proxy).
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
#[derive(Clone, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[describe(part)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Certificates of authorities to trust, as PEM text, besides the built-in Mozilla roots.
    #[describe(example_file = "authority.pem", max_len = MAX_CA_PEM)]
    pub extra_ca_pem: Option<String>,
    /// Trust only `extra_ca_pem` and not the built-in roots.
    pub only_extra_ca: bool,
    /// An HTTP proxy through which every peer is reached by CONNECT: `http://[user:password@]host:port`. A secret, because it may
    /// hold a password.
    ///
    /// Reserved characters in user and password are percent-encoded. Refused where the operator limits addresses.
    #[describe(example = "http://user:password@proxy.example.com:3128")]
    pub proxy: Option<Secret>,
    /// Where to connect instead of where a name resolves to: `"host:port" = "address:port"`.
    ///
    /// The left side is as in the URL with the port always written, the right side an address or a name. TLS and HTTP still use the
    /// host of the URL.
    #[describe(example = Written::from_iter([("push.example.com:443", "127.0.0.1:9443")]), max_len = MAX_RESOLVE)]
    pub resolve: BTreeMap<String, String>,
    /// Time for a connection to be ready: name, TCP, proxy, TLS and the peer's SETTINGS together.
    #[serde(with = "crate::duration")]
    #[describe(min = LEAST_WAIT, max = MAX_WAIT)]
    pub connect_timeout: Duration,
    /// Time for a whole exchange: waiting for a connection, sending, and reading the whole response.
    #[serde(with = "crate::duration")]
    #[describe(min = LEAST_WAIT, max = MAX_WAIT)]
    pub request_deadline: Duration,
    /// A connection with requests in flight on which nothing was received for this long gets a PING.
    #[serde(with = "crate::duration")]
    #[describe(min = LEAST_WAIT, max = duration::MAX)]
    pub ping_interval: Duration,
    /// A connection on which nothing was received for this long after a PING is closed.
    #[serde(with = "crate::duration")]
    #[describe(min = LEAST_WAIT, max = duration::MAX)]
    pub ping_timeout: Duration,
    /// An idle connection gets a PING this often, so that firewalls on the way keep it. The default is what Apple asks for.
    #[serde(with = "crate::duration")]
    #[describe(min = LEAST_WAIT, max = duration::MAX)]
    pub idle_ping_interval: Duration,
    /// A connection without a request for at least this, and at most twice this, is closed. For HTTP/1.1 never more than 60 s.
    ///
    /// The default is long because APNs takes frequent opening and closing for an attack.
    #[serde(with = "crate::duration")]
    #[describe(min = LEAST_WAIT, max = duration::MAX)]
    pub idle_timeout: Duration,
    /// Connections to one origin at most.
    #[describe(min = 1, max = 1000)]
    pub max_connections: usize,
    /// Streams on one connection at most, whatever more the peer allows.
    #[describe(min = 1, max = 100_000)]
    pub max_streams: u32,
    /// Requests to one origin that may wait for a connection; the next fails as busy.
    #[describe(min = 1, max = MAX_WAITING)]
    pub max_waiting: usize,
    /// The largest response body that is accepted, in bytes.
    #[describe(max = MAX_RESPONSE_BYTES, unit = "bytes")]
    pub max_response_bytes: usize,
    #[serde(skip)]
    pub(crate) client_certificate: Option<ClientCertificate>,
    #[serde(skip)]
    pub(crate) protocols: Protocols,
    #[serde(skip)]
    pub(crate) addresses: AddressPolicy,
    #[serde(skip)]
    pub(crate) operator_proxy: Option<Secret>,
    /// The operator's limits of the values above.
    #[serde(skip, default = "usize_max_response_bytes")]
    pub(crate) most_response_bytes: usize,
    #[serde(skip, default = "usize_max_waiting")]
    pub(crate) most_waiting: usize,
}

const fn usize_max_response_bytes() -> usize {
    MAX_RESPONSE_BYTES
}

const fn usize_max_waiting() -> usize {
    MAX_WAITING
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
            addresses: AddressPolicy::any(),
            operator_proxy: None,
            most_response_bytes: MAX_RESPONSE_BYTES,
            most_waiting: MAX_WAITING,
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

    /// Applies what the operator of the program decided: which addresses may be reached, the proxy, and how large the values
    /// of a configuration may be. Every plugin calls it with the context that it is built in.
    ///
    /// Defaults that are larger than the operator's limits are lowered to these; a larger value that the configuration sets is
    /// refused by [`Client::new`](crate::Client::new).
    #[must_use]
    pub fn within(mut self, context: &BuildContext) -> Self {
        let usual = Self::default();
        for (value, most, usual, limit) in [
            (
                &mut self.max_response_bytes,
                &mut self.most_response_bytes,
                usual.max_response_bytes,
                context.max_response_bytes,
            ),
            (
                &mut self.max_waiting,
                &mut self.most_waiting,
                usual.max_waiting,
                context.max_waiting,
            ),
        ] {
            *most = limit.map_or(*most, |limit| limit.min(*most));
            if *value == usual {
                *value = usual.min(*most);
            }
        }
        self.operator_proxy.clone_from(&context.proxy);
        self.with_addresses(context.addresses.clone())
    }

    /// Limits the addresses that are connected to. Default: any.
    ///
    /// Each address is checked after its name is resolved, and the connection goes to the address that was checked. This
    /// covers URLs, [`resolve`](Self::resolve) and everything else that a credential names. Plain `http` is refused except
    /// to networks that the policy lists, and so is a [`proxy`](Self::proxy) from the configuration.
    #[must_use]
    pub fn with_addresses(mut self, policy: AddressPolicy) -> Self {
        self.addresses = policy;
        self
    }

    /// Reaches every peer through the operator's own proxy, instead of [`proxy`](Self::proxy), whose form it has.
    ///
    /// The proxy resolves names, so its rules decide about the addresses behind them. Of the policy of
    /// [`with_addresses`](Self::with_addresses) remains: hosts that are addresses are checked, `localhost` is refused, and
    /// plain `http` needs an address that the policy lists.
    #[must_use]
    pub fn with_operator_proxy(mut self, proxy: Secret) -> Self {
        self.operator_proxy = Some(proxy);
        self
    }

    /// Chooses what is offered to `https` peers.
    #[must_use]
    pub fn with_protocols(mut self, protocols: Protocols) -> Self {
        self.protocols = protocols;
        self
    }

    /// Refuses values that are out of range. Does no I/O.
    pub(crate) fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        self.check_ranges(&mut faults);
        // The operator's limits, which are not greater than those of the description.
        for (key, value, least, most, limit) in [
            (
                "max_waiting",
                self.max_waiting,
                1,
                self.most_waiting,
                MAX_WAITING,
            ),
            (
                "max_response_bytes",
                self.max_response_bytes,
                0,
                self.most_response_bytes,
                MAX_RESPONSE_BYTES,
            ),
        ] {
            if value > most && value <= limit {
                let error = Error::new(ErrorKind::Config, format!("{value} is out of range"));
                let advice =
                    format!("write a whole number from {least} to {most}, the operator's limit");
                faults.push(error.at(key).advise(advice));
            }
        }
        let mut all = Faults::default();
        all.keep(faults.result().map_err(|error| error.under("http")));
        if self.proxy.is_some() && !self.addresses.is_any() {
            all.push(bad(
                "proxy",
                "a proxy cannot be chosen here, because the operator limits which addresses may be reached".into(),
                "remove it; the operator can set one for the whole server, with `gateway.proxy`".into(),
            ));
        }
        let sides = self.resolve.iter().flat_map(|(from, to)| [from, to]);
        if let Some(side) = sides
            .into_iter()
            .find(|side| split_host_port(side).is_none())
        {
            all.push(bad(
                "resolve",
                format!("`{side}` is not host:port"),
                "write \"api.push.apple.com:443\" = \"127.0.0.1:9443\"".into(),
            ));
        }
        all.result()
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
            .field("addresses", &self.addresses)
            .field("operator_proxy", &self.operator_proxy)
            .finish()
    }
}

/// An error of the configuration key `key`.
pub(crate) fn bad(key: &str, message: String, advice: String) -> Error {
    Error::new(ErrorKind::Config, message)
        .at(format!("http.{key}"))
        .advise(advice)
}

/// Splits `host:port`. An IPv6 host is in brackets, and is returned without them.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, number(port)?))
}

/// What is offered to an `https` peer by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocols {
    /// HTTP/2 only; a peer without it is an error. For APNs.
    H2Only,
    /// HTTP/2 or HTTP/1.1, as the peer chooses; a peer that does not take part in ALPN gets HTTP/1.1.
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
    /// [`ErrorKind::Invalid`] if one of them holds no certificate or no key, or is damaged.
    pub fn from_pem(chain: &str, key: &Secret) -> Result<Self> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| {
                invalid("the client certificate is not PEM")
                    .advise("give the text of one or more BEGIN CERTIFICATE blocks, leaf first")
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
