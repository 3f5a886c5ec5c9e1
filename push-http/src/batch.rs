//! Many requests to one origin that have most of their head in common.
use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri,
    header::{AUTHORIZATION, COOKIE},
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    error::{HttpError, HttpErrorKind},
    exchange,
    pool::Origin,
    port::port_of,
    progress::Progress,
};

/// Requests of one batch that are under way at the same time; the others wait as plain values.
pub(crate) const MAX_AT_ONCE: usize = 1000;

/// What the requests of a batch have in common: method, origin and headers, checked once.
#[derive(Clone)]
pub struct Head {
    pub(crate) method: Method,
    pub(crate) tls: bool,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// Takes scheme, host and port from `origin`, whose path is ignored. `authorization` and `cookie` are marked as
    /// sensitive, so that HPACK puts them into no table.
    ///
    /// # Errors
    /// [`HttpErrorKind::InvalidRequest`] if `origin` is no absolute URL with `http` or `https`, or holds a user, or a
    /// header is about the connection (`connection`, `transfer-encoding`, `upgrade`, …), which HTTP/2 cannot carry.
    pub fn new(method: Method, origin: &Uri, mut headers: HeaderMap) -> Result<Self, HttpError> {
        let (tls, authority) = origin_of(origin)?;
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
        ] {
            if headers.contains_key(name) {
                return Err(invalid("a header is about the connection, which HTTP/2 cannot carry").advise(
                    "remove `connection`, `keep-alive`, `proxy-connection`, `transfer-encoding` and `upgrade`",
                ));
            }
        }
        mark_sensitive(&mut headers);
        Ok(Self {
            method,
            tls,
            scheme: if tls { Scheme::HTTPS } else { Scheme::HTTP },
            authority: authority.clone(),
            headers,
        })
    }

    /// The whole request of one item, without its body.
    fn request(&self, item: &Item) -> Request<()> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(item.path.clone());
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        // Scheme, authority and path are all there, which is all that can be wrong.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        let mut headers = self.headers.clone();
        for (name, value) in &item.headers {
            headers.insert(name, value.clone());
        }
        *request.headers_mut() = headers;
        request
    }

    /// The request of `item`, as [`HttpClient::send`](crate::HttpClient::send) takes it.
    pub fn whole(&self, item: &Item) -> Request<Bytes> {
        self.request(item).map(|()| item.body.clone())
    }
}

impl fmt::Debug for Head {
    /// Without the headers, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Head({} {}://{}, {} headers)",
            self.method,
            self.scheme,
            self.authority,
            self.headers.len()
        )
    }
}

/// One request of a batch: what it has besides the [`Head`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Item {
    /// The caller's number for it, which comes back with the answer.
    pub position: usize,
    /// Path and query of the URL.
    pub path: PathAndQuery,
    /// Further headers. A header of the same name in the [`Head`] is replaced.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body.
    pub body: Bytes,
}

impl Item {
    /// An item at `position` of its batch.
    pub const fn new(
        position: usize,
        path: PathAndQuery,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Self {
        Self {
            position,
            path,
            headers,
            body,
        }
    }
}

impl fmt::Debug for Item {
    /// Without path, headers and body: a path may hold a device token, a body a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({}, {} bytes)", self.position, self.body.len())
    }
}

/// Receives the answers of a batch.
pub trait Answers: Send + Sync {
    /// Takes the answer of the item with `position`. Called exactly once per item, in the order in which answers become
    /// known, from the task that awaits the batch; it should return quickly.
    fn take(&self, position: usize, answer: Result<Response<Bytes>, HttpError>);
}

impl<F: Fn(usize, Result<Response<Bytes>, HttpError>) + Send + Sync> Answers for F {
    fn take(&self, position: usize, answer: Result<Response<Bytes>, HttpError>) {
        self(position, answer);
    }
}

/// An item on its way.
struct Slot {
    item: Item,
    progress: Progress,
    answered: AtomicBool,
}

/// Sends all `items` within one request deadline, and passes each answer on as it becomes known.
pub(crate) async fn run(
    origin: &Arc<Origin>,
    head: &Head,
    items: Vec<Item>,
    answers: &dyn Answers,
) {
    let settings = origin.settings();
    let deadline = settings.clock.sleep(settings.config.request_deadline);
    let at_once = MAX_AT_ONCE.min(settings.config.max_waiting);
    let slots: Vec<Slot> = items
        .into_iter()
        .map(|mut item| {
            for (name, value) in &mut item.headers {
                if *name == AUTHORIZATION || *name == COOKIE {
                    value.set_sensitive(true);
                }
            }
            Slot {
                item,
                progress: Progress::default(),
                answered: AtomicBool::new(false),
            }
        })
        .collect();
    {
        let work = pin!(async {
            let mut rest = slots.iter();
            let mut running = FuturesUnordered::new();
            loop {
                while running.len() < at_once
                    && let Some(slot) = rest.next()
                {
                    running.push(one(origin, head, slot, answers));
                }
                if running.next().await.is_none() {
                    return;
                }
            }
        });
        match select(work, deadline).await {
            Either::Left(((), _)) => return,
            // Leaving the block drops the requests that are under way, which resets their streams.
            Either::Right(((), _)) => {}
        }
    }
    for slot in &slots {
        if !slot.answered.load(Ordering::Acquire) {
            let error = exchange::too_late(origin, &slot.progress).at(origin.target());
            answers.take(slot.item.position, Err(error));
        }
    }
}

async fn one(origin: &Arc<Origin>, head: &Head, slot: &Slot, answers: &dyn Answers) {
    let Slot { item, progress, .. } = slot;
    let result = exchange::run(origin, || head.request(item), &item.body, progress).await;
    slot.answered.store(true, Ordering::Release);
    answers.take(
        item.position,
        result.map_err(|error| error.at(origin.target())),
    );
}

/// Whether `uri` is `https`, and its host and port.
pub(crate) fn origin_of(uri: &Uri) -> Result<(bool, &Authority), HttpError> {
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(invalid("the URL does not begin with https:// or http://")),
    };
    let authority = uri
        .authority()
        .filter(|authority| !authority.host().is_empty())
        .ok_or_else(|| invalid("the URL has no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("the URL holds a user or password"));
    }
    if port_of(uri).is_none() {
        return Err(invalid(
            "the URL has a port that is not a number from 1 to 65535",
        ));
    }
    Ok((tls, authority))
}

/// Keeps secrets out of the tables of HPACK, from which other requests on the connection could guess them.
pub(crate) fn mark_sensitive(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, COOKIE] {
        if let http::header::Entry::Occupied(mut values) = headers.entry(name) {
            values
                .iter_mut()
                .for_each(|value| value.set_sensitive(true));
        }
    }
}

fn invalid(message: &str) -> HttpError {
    HttpError::never(HttpErrorKind::InvalidRequest, message).advise("correct the address")
}
