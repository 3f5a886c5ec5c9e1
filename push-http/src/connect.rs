//! From an origin to a connection that may be used: name, TCP, proxy, TLS, ALPN, and the peer's first SETTINGS.
use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use push_core::{Clock, Result};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;

use crate::{
    config::{HttpConfig, Protocols, split_host_port},
    error::{HttpError, HttpErrorKind},
    http1, http2,
    proxy::Proxy,
    tls,
};

/// How long one address has to accept before the next is tried beside it (RFC 8305 §5 recommends 250 ms).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Everything that connections of one client have in common.
pub(crate) struct Settings {
    pub(crate) config: HttpConfig,
    pub(crate) clock: Arc<dyn Clock>,
    tls: Arc<rustls::ClientConfig>,
    proxy: Option<Proxy>,
    resolve: HashMap<String, (String, u16)>,
}

impl Settings {
    pub(crate) fn new(config: HttpConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.check()?;
        let resolve = config
            .resolve
            .iter()
            .filter_map(|(from, to)| {
                let (from_host, from_port) = split_host_port(from)?;
                let (host, port) = split_host_port(to)?;
                Some((address_key(from_host, from_port), (host.to_owned(), port)))
            })
            .collect();
        Ok(Self {
            tls: tls::client_config(&config)?,
            proxy: config.proxy.as_ref().map(Proxy::parse).transpose()?,
            resolve,
            config,
            clock,
        })
    }
}

fn address_key(host: &str, port: u16) -> String {
    format!("{}:{port}", host.to_ascii_lowercase())
}

/// Whom to talk to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// A byte stream in both directions.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that is ready for requests, not yet driven by anybody.
pub(crate) enum Ready {
    H2(Box<http2::Ready>),
    H1(Box<http1::Ready>),
}

/// Opens a connection within the connect timeout.
pub(crate) async fn open(settings: &Settings, target: &Target) -> Result<Ready, HttpError> {
    let stage = Stage::default();
    let timeout = settings.clock.sleep(settings.config.connect_timeout);
    let work = std::pin::pin!(steps(settings, target, &stage));
    match select(work, timeout).await {
        Either::Left((result, _)) => result,
        Either::Right(((), _)) => Err(HttpError::never(
            HttpErrorKind::Connect,
            format!(
                "no connection within {}: gave up {}",
                crate::duration::format(settings.config.connect_timeout),
                stage.get()
            ),
        )
        .advise("check that the peer is up and no firewall is in between, or raise http.connect_timeout")),
    }
}

/// What is being waited for, for the message of a timeout.
struct Stage(Mutex<&'static str>);

impl Default for Stage {
    fn default() -> Self {
        Self(Mutex::new("resolving the name"))
    }
}

impl Stage {
    fn set(&self, stage: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn get(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn steps(settings: &Settings, target: &Target, stage: &Stage) -> Result<Ready, HttpError> {
    let (host, port) = settings
        .resolve
        .get(&address_key(&target.host, target.port))
        .map_or((target.host.as_str(), target.port), |(host, port)| {
            (host, *port)
        });
    let tcp = match &settings.proxy {
        None => dial(settings.clock.as_ref(), host, port, stage).await?,
        Some(proxy) => {
            let mut tcp = dial(settings.clock.as_ref(), proxy.host(), proxy.port(), stage)
                .await
                .map_err(|error| {
                    HttpError::never(
                        HttpErrorKind::Proxy,
                        format!("the proxy cannot be reached: {}", error.message()),
                    )
                    .advise("check http.proxy")
                })?;
            stage.set("waiting for the proxy's answer");
            proxy.tunnel(&mut tcp, host, port).await?;
            tcp
        }
    };
    if !target.tls {
        stage.set("waiting for the peer's SETTINGS");
        return Ok(Ready::H2(Box::new(http2::open(Box::new(tcp)).await?)));
    }
    stage.set("in the TLS handshake");
    let name = tls::server_name(&target.host)?;
    let stream = TlsConnector::from(Arc::clone(&settings.tls))
        .connect(name, tcp)
        .await
        .map_err(|error| {
            tls::explain(&error).unwrap_or_else(|| {
                HttpError::never(
                    HttpErrorKind::Tls,
                    format!("the connection ended in the TLS handshake: {error}"),
                )
                .advise("check that the address and port are those of a TLS service")
            })
        })?;
    let alpn = stream.get_ref().1.alpn_protocol();
    let h2 = alpn == Some(b"h2");
    let io: Box<dyn Io> = Box::new(stream);
    match settings.config.protocols {
        _ if h2 => {
            stage.set("waiting for the peer's SETTINGS");
            Ok(Ready::H2(Box::new(http2::open(io).await?)))
        }
        Protocols::H2Only => Err(tls::no_h2()),
        Protocols::Negotiate => Ok(Ready::H1(Box::new(http1::open(io).await?))),
    }
}

/// Connects to the first address of `host` that accepts, trying the next beside it when one is slow.
async fn dial(
    clock: &dyn Clock,
    host: &str,
    port: u16,
    stage: &Stage,
) -> Result<TcpStream, HttpError> {
    stage.set("resolving the name");
    let addresses = resolve(host, port).await.map_err(|error| {
        HttpError::never(
            HttpErrorKind::Connect,
            format!("the name {host} cannot be resolved: {error}"),
        )
        .advise("check the name and this machine's DNS")
    })?;
    stage.set("connecting");
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = addresses.next() {
            attempts.push(async move {
                let stream = TcpStream::connect(address).await?;
                // Without it Nagle's algorithm and delayed acknowledgements cost 40 ms a push at low rates.
                stream.set_nodelay(true)?;
                Ok::<_, io::Error>(stream)
            });
        } else if attempts.is_empty() {
            break;
        }
        let next_address = async {
            if addresses.len() == 0 {
                std::future::pending::<()>().await;
            }
            clock.sleep(NEXT_ADDRESS_AFTER).await;
        };
        match select(attempts.next(), std::pin::pin!(next_address)).await {
            Either::Left((Some(Ok(stream)), _)) => return Ok(stream),
            Either::Left((Some(Err(error)), _)) => last_error = error,
            Either::Left((None, _)) | Either::Right(_) => {}
        }
    }
    Err(HttpError::never(
        HttpErrorKind::Connect,
        format!("no connection to {host}:{port}: {last_error}"),
    )
    .advise("check that the peer is up and reachable from this machine"))
}

/// Asks the system's resolver, every time: push services move traffic by DNS. Families alternate.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let all: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    let Some(first) = all.first() else {
        return Ok(all);
    };
    let (preferred, other): (Vec<_>, Vec<_>) = all
        .iter()
        .copied()
        .partition(|it: &SocketAddr| it.is_ipv6() == first.is_ipv6());
    let mut preferred = preferred.into_iter();
    let mut other = other.into_iter();
    let mut mixed = Vec::with_capacity(all.len());
    while mixed.len() < all.len() {
        mixed.extend(preferred.next());
        mixed.extend(other.next());
    }
    Ok(mixed)
}

#[cfg(test)]
mod tests {
    use push_core::{ManualClock, Timestamp};
    use tokio::net::TcpListener;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    }

    #[test]
    fn every_connection_has_tcp_nodelay() {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let clock = ManualClock::new(Timestamp::default());
            for host in ["127.0.0.1", "localhost"] {
                let stream = dial(&clock, host, address.port(), &Stage::default())
                    .await
                    .unwrap();
                assert!(stream.nodelay().unwrap(), "{host}");
            }
        });
    }

    #[test]
    fn a_port_nobody_listens_on_is_a_connect_error_that_names_it() {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let clock = ManualClock::new(Timestamp::default());
            let error = dial(&clock, "127.0.0.1", port, &Stage::default())
                .await
                .unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::Connect);
            assert!(error.to_string().contains(&port.to_string()), "{error}");
        });
    }
}
