//! The client: from a request to its origin's pool, again if need be, within the deadline.
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response, Uri, header, request::Parts, uri::Authority};
use push_core::{Clock, Result};

use crate::{
    config::HttpConfig,
    connect::{Settings, Target},
    connection::Connection,
    error::{HttpError, HttpErrorKind},
    http1, http2,
    pool::{Origin, OriginStats},
};

/// How often a request is put on a connection at most, counting the first.
pub const MAX_TRIES: usize = 5;

/// Pools that are kept at most; more origins than this at the same time are refused as busy.
const MAX_ORIGINS: usize = 4096;
/// From here on, pools without a connection are forgotten when another origin is needed.
const MANY_ORIGINS: usize = 256;

/// Sends one HTTP request and returns its whole answer. What providers are written against.
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Sends `request`, whose URL is absolute, and reads the whole response, whatever its status.
    ///
    /// Dropping the future gives the request up.
    ///
    /// # Errors
    /// If there is no whole response. [`HttpError::processed`] says whether the peer may have acted nevertheless.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>;
}

/// The pooled client. Clones share the pools; when the last is dropped, connections finish what is on them and close.
///
/// One client is one identity: one client certificate, one set of roots, one proxy.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Arc<Settings>,
    origins: RwLock<HashMap<(bool, Authority), Arc<Origin>>>,
}

impl Client {
    /// Checks `config` and keeps it. Pure: no file, network, clock or runtime is touched before the first request.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config) if a value is out of range, a certificate or the proxy URL cannot be read, or the client
    /// certificate does not belong to its key.
    pub fn new(config: HttpConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {
                settings: Arc::new(Settings::new(config, clock)?),
                origins: RwLock::default(),
            }),
        })
    }

    /// What every pool is doing at this moment, sorted by origin.
    pub fn stats(&self) -> Vec<OriginStats> {
        let origins = self
            .inner
            .origins
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut stats: Vec<_> = origins.values().map(|it| it.stats()).collect();
        stats.sort_by(|a, b| a.origin.cmp(&b.origin));
        stats
    }

    /// Lets every connection finish what is on it and close; requests from now on open new ones.
    ///
    /// For a credential that was rotated or revoked: peers bind what they allow to the connection.
    pub fn retire_connections(&self) {
        let origins = self
            .inner
            .origins
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        origins.values().for_each(|it| it.retire());
    }

    fn origin(&self, uri: &Uri) -> Result<Arc<Origin>, HttpError> {
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(invalid("the URL must begin with https:// or http://")),
        };
        let authority = uri
            .authority()
            .filter(|it| !it.host().is_empty())
            .ok_or_else(|| invalid("the URL has no host"))?;
        let key = (tls, authority.clone());
        if let Some(origin) = self
            .inner
            .origins
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(Arc::clone(origin));
        }
        if authority.as_str().contains('@') {
            return Err(invalid("the URL may not hold a user or password"));
        }
        let mut origins = self
            .inner
            .origins
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= MANY_ORIGINS {
            origins.retain(|_, it| Arc::strong_count(it) > 1 || !it.is_unused());
        }
        if origins.len() >= MAX_ORIGINS {
            return Err(HttpError::never(
                HttpErrorKind::Busy,
                format!("connections to {MAX_ORIGINS} different origins are in use"),
            )
            .advise("send again later"));
        }
        let origin = origins.entry(key).or_insert_with(|| {
            let target = Target {
                tls,
                host: authority.host().trim_matches(['[', ']']).to_owned(),
                port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            };
            Origin::new(target, Arc::clone(&self.inner.settings))
        });
        Ok(Arc::clone(origin))
    }
}

/// One request on its way through one or more connections.
struct Exchange<'a> {
    origin: &'a Arc<Origin>,
    head: Parts,
    body: Bytes,
    /// The connection that has the request now, and how many answers it had brought before.
    placed: Mutex<Option<(Arc<Connection>, u64)>>,
}

impl Exchange<'_> {
    async fn run(&self) -> Result<Response<Bytes>, HttpError> {
        let settings = self.origin.settings();
        let max_body = settings.config.max_response_bytes;
        let mut avoid = None;
        let mut tries = 0;
        loop {
            let mut lease = self.origin.lease(self.body.len(), avoid).await?;
            let connection = Arc::clone(lease.connection());
            avoid = Some(connection.id());
            tries += 1;
            if lease.is_alone() && tries < MAX_TRIES {
                // The peer may have closed the idle connection without the runtime having looked. Once it has, the
                // request goes elsewhere; if it were written now, nobody could tell what became of it.
                tokio::task::yield_now().await;
                if !connection.is_usable() {
                    continue;
                }
            }
            let mut request = Request::new(());
            *request.method_mut() = self.head.method.clone();
            *request.uri_mut() = self.head.uri.clone();
            *request.headers_mut() = self.head.headers.clone();
            let body = self.body.clone();
            self.place(Some((Arc::clone(&connection), connection.answers())));
            let result = if connection.is_h2() {
                http2::exchange(&mut lease, request, body, max_body).await
            } else {
                http1::exchange(&mut lease, request, body, max_body).await
            };
            match result {
                Err(error) if error.may_be_sent_again() && tries < MAX_TRIES => {
                    tracing::debug!(%error, tries, "sending again");
                    self.place(None);
                }
                result => return result,
            }
        }
    }

    fn place(&self, on: Option<(Arc<Connection>, u64)>) {
        *self.placed.lock().unwrap_or_else(PoisonError::into_inner) = on;
    }

    /// The deadline passed.
    fn too_late(&self) -> HttpError {
        let placed = self
            .placed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let deadline = crate::duration::format(self.origin.settings().config.request_deadline);
        let Some((connection, answers)) = placed else {
            return HttpError::never(
                HttpErrorKind::Deadline,
                format!("no connection had room for the request within {deadline}"),
            )
            .advise("send again later, or raise http.max_connections");
        };
        // A peer that answers PINGs but no requests is as good as gone: nobody else should wait for it.
        if connection.answers() == answers {
            connection.retire();
        }
        HttpError::unknown(
            HttpErrorKind::Deadline,
            format!("no whole answer within {deadline}"),
        )
        .with_go_away(connection.wire().go_away())
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, body) = request.into_parts();
        let origin = self.origin(&head.uri)?;
        for name in [header::AUTHORIZATION, header::COOKIE] {
            if let header::Entry::Occupied(mut values) = head.headers.entry(name) {
                // HPACK then never puts it into a table from which a neighbour on the connection could guess it.
                values.iter_mut().for_each(|it| it.set_sensitive(true));
            }
        }
        let settings = origin.settings();
        let deadline = settings.clock.sleep(settings.config.request_deadline);
        let exchange = Exchange {
            origin: &origin,
            head,
            body,
            placed: Mutex::new(None),
        };
        let result = match select(std::pin::pin!(exchange.run()), deadline).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => Err(exchange.too_late()),
        };
        result.map_err(|error| error.at(origin.target()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.inner.settings.config)
            .field("origins", &self.stats())
            .finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let origins = self
            .origins
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        origins.values().for_each(|it| it.close());
    }
}

fn invalid(message: &str) -> HttpError {
    HttpError::never(HttpErrorKind::InvalidRequest, message)
}
