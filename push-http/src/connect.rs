//! From an origin to a connection that is ready for requests: address, TCP, proxy, TLS, ALPN, the peer's first SETTINGS.
use std::sync::{Arc, Mutex};

use futures_util::future::{Either, select};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    config::Protocols,
    connection::lock,
    dial::{self, Destination},
    duration,
    error::{HttpError, HttpErrorKind},
    http1, http2,
    proxy::Proxy,
    settings::{Settings, Target},
    tls,
    wire::Io,
};

/// A connection that is ready for requests and has no driver yet.
pub(crate) enum Ready {
    H2(Box<http2::Ready>),
    H1(Box<http1::Ready>),
}

/// Opens a connection within the connect timeout.
pub(crate) async fn open(settings: &Settings, target: &Target) -> Result<Ready, HttpError> {
    let stage = Stage(Mutex::new(RESOLVING));
    let timeout = settings.clock.sleep(settings.config.connect_timeout);
    let work = std::pin::pin!(steps(settings, target, &stage));
    match select(work, timeout).await {
        Either::Left((result, _)) => result,
        // It must not be seen whether the name resolves.
        Either::Right(((), _))
            if !settings.config.addresses.is_any() && *lock(&stage.0) == RESOLVING =>
        {
            Err(destination(settings, target).nowhere())
        }
        Either::Right(((), _)) => Err(HttpError::never(
            HttpErrorKind::Connect,
            format!(
                "no connection within {}: gave up {}",
                duration::format(settings.config.connect_timeout),
                lock(&stage.0)
            ),
        )
        .advise("check that the peer is up and that no firewall blocks it, or raise http.connect_timeout")),
    }
}

/// The first stage.
const RESOLVING: &str = "resolving the name";

fn destination<'a>(settings: &'a Settings, target: &'a Target) -> Destination<'a> {
    let (host, port) = settings.address_of(target);
    Destination {
        host,
        port,
        policy: &settings.config.addresses,
        plain_text: !target.tls,
    }
}

/// What is being waited for, for the text of a timeout.
struct Stage(Mutex<&'static str>);

impl Stage {
    fn set(&self, stage: &'static str) {
        *lock(&self.0) = stage;
    }
}

async fn steps(settings: &Settings, target: &Target, stage: &Stage) -> Result<Ready, HttpError> {
    let to = destination(settings, target);
    let (host, port) = (to.host, to.port);
    let tcp = match &settings.proxy {
        None => {
            let addresses = dial::resolve(to).await?;
            stage.set("connecting");
            dial::connect(settings.clock.as_ref(), addresses, (host, port)).await?
        }
        Some(proxy) => through(proxy, to, settings, stage).await?,
    };
    if !target.tls {
        stage.set("waiting for the peer's SETTINGS");
        let ready = http2::open(Box::new(tcp)).await.map_err(|error| {
            error.advise(
                "check that the address and port are those of an HTTP/2 service without TLS; for one with TLS, write https",
            )
        })?;
        return Ok(Ready::H2(Box::new(ready)));
    }
    stage.set("in the TLS handshake");
    let name = tls::server_name(&target.host)?;
    let stream = TlsConnector::from(Arc::clone(&settings.tls))
        .connect(name, tcp)
        .await
        .map_err(|error| tls::handshake_failed(&error))?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
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

/// Opens a tunnel to `to` through `proxy`, which is itself subject to no policy: the operator chose it, or there is none.
async fn through(
    proxy: &Proxy,
    to: Destination<'_>,
    settings: &Settings,
    stage: &Stage,
) -> Result<TcpStream, HttpError> {
    to.check_unresolved()?;
    let unreachable = |error: HttpError| {
        HttpError::never(
            HttpErrorKind::Proxy,
            format!("the proxy cannot be reached: {}", error.message()),
        )
        .advise("check http.proxy")
    };
    let any = push_core::AddressPolicy::any();
    let (host, port) = (proxy.host(), proxy.port());
    let addresses = dial::resolve(Destination {
        host,
        port,
        policy: &any,
        plain_text: true,
    })
    .await
    .map_err(unreachable)?;
    stage.set("connecting to the proxy");
    let mut tcp = dial::connect(settings.clock.as_ref(), addresses, (host, port))
        .await
        .map_err(unreachable)?;
    stage.set("waiting for the proxy's answer");
    proxy.tunnel(&mut tcp, to.host, to.port).await?;
    Ok(tcp)
}
