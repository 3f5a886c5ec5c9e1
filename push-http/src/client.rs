//! The client: finds the pool of a request's origin and sends within the deadline.
use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream,
};
use http::{Request, Response, uri::Authority};
use push_core::{Clock, Result};

use crate::{
    batch::{self, Answers, Head, Item, mark_sensitive, origin_of},
    config::HttpConfig,
    error::{HttpError, HttpErrorKind},
    exchange,
    pool::{Origin, OriginStats},
    progress::Progress,
    settings::{Settings, Target},
};

/// The most pools that are kept; requests to further origins fail as busy.
const MAX_ORIGINS: usize = 4096;
/// When there are this many pools, those without a connection are dropped before another is added.
const MANY_ORIGINS: usize = 256;
/// Requests of one batch under way at the same time in the default [`HttpClient::send_many`].
const DEFAULT_AT_ONCE: usize = 256;

/// Sends HTTP requests and returns their whole responses. Providers are written against this trait.
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Sends `request`, whose URL is absolute, and reads the whole response, whatever its status.
    ///
    /// Dropping the future abandons the request.
    ///
    /// # Errors
    /// If there is no whole response. [`HttpError::processed`] says whether the peer may have acted nevertheless.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>;

    /// Sends the request of every item of `items`, and passes each answer to `answers` as it becomes known, exactly once
    /// per item. Returns when all are passed on.
    ///
    /// Dropping the future abandons the requests that have no answer yet. The default implementation calls
    /// [`send`](Self::send) for up to 256 items at the same time; [`Client`] has a cheaper one, with one request deadline
    /// for the whole batch, and up to 1,000 at the same time.
    async fn send_many(&self, head: Arc<Head>, items: Vec<Item>, answers: &dyn Answers) {
        let head = &head;
        stream::iter(items)
            .for_each_concurrent(DEFAULT_AT_ONCE, |item| async move {
                let answer = self.send(head.whole(&item)).await;
                answers.take(item.position, answer);
            })
            .await;
    }
}

/// The pooled client. Clones share the pools; when the last is dropped, connections finish their requests and close.
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
    /// Checks `config` and keeps it. Uses no file, network, clock or runtime before the first request.
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

    /// The state of every pool at this moment, sorted by origin.
    pub fn stats(&self) -> Vec<OriginStats> {
        let origins = self
            .inner
            .origins
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut stats: Vec<_> = origins.values().map(|origin| origin.stats()).collect();
        stats.sort_by(|a, b| a.origin.cmp(&b.origin));
        stats
    }

    /// Closes every connection when its requests have finished; further requests open new connections.
    ///
    /// For a credential that was rotated or revoked: peers bind permissions to the connection.
    pub fn retire_connections(&self) {
        let origins = self
            .inner
            .origins
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        origins.values().for_each(|origin| origin.retire());
    }

    fn origin(&self, tls: bool, authority: &Authority) -> Result<Arc<Origin>, HttpError> {
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
        let mut origins = self
            .inner
            .origins
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= MANY_ORIGINS {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || !origin.is_unused());
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
                // `origin_of` refuses a port that is no number.
                port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            };
            Origin::new(target, Arc::clone(&self.inner.settings))
        });
        Ok(Arc::clone(origin))
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, body) = request.into_parts();
        let (tls, authority) = origin_of(&head.uri)?;
        let origin = self.origin(tls, authority)?;
        mark_sensitive(&mut head.headers);
        let settings = origin.settings();
        let deadline = settings.clock.sleep(settings.config.request_deadline);
        let progress = Progress::default();
        let request = || {
            let mut request = Request::new(());
            *request.method_mut() = head.method.clone();
            *request.uri_mut() = head.uri.clone();
            *request.headers_mut() = head.headers.clone();
            request
        };
        let exchange = pin!(exchange::run(&origin, request, &body, &progress));
        let result = match select(exchange, deadline).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => Err(exchange::too_late(&origin, &progress)),
        };
        result.map_err(|error| error.at(origin.target()))
    }

    async fn send_many(&self, head: Arc<Head>, items: Vec<Item>, answers: &dyn Answers) {
        match self.origin(head.tls, &head.authority) {
            Ok(origin) => batch::run(&origin, &head, items, answers).await,
            Err(error) => {
                for item in items {
                    answers.take(item.position, Err(error.clone()));
                }
            }
        }
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
        origins.values().for_each(|origin| origin.close());
    }
}

#[cfg(test)]
mod tests {
    use push_core::{ManualClock, Timestamp};

    use super::*;

    #[test]
    fn pools_in_use_have_a_limit_and_those_out_of_use_are_forgotten() {
        let clock = Arc::new(ManualClock::new(Timestamp::default()));
        let client = Client::new(HttpConfig::default(), clock).expect("the default");
        let pool = |number: usize| {
            let authority = Authority::try_from(format!("push-{number}.example"));
            client.origin(true, &authority.expect("a host"))
        };
        let in_use: Vec<_> = (0..MAX_ORIGINS)
            .map(|number| pool(number).expect("a pool"))
            .collect();
        let error = pool(MAX_ORIGINS).expect_err("one too many");
        assert_eq!(error.kind(), HttpErrorKind::Busy);
        assert!(Arc::ptr_eq(&pool(0).expect("it is kept"), &in_use[0]));
        drop(in_use);
        pool(MAX_ORIGINS).expect("there is room again");
        assert_eq!(client.stats().len(), 1);
    }
}
