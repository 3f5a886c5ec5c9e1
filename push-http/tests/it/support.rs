//! An HTTP/2 peer that is driven frame by frame, so that it can do what a well-behaved library would not.
use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use push_core::{ManualClock, Timestamp};
use push_http::{Client, HttpClient, HttpConfig, HttpError, OriginStats};
use push_testkit::patience;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::TcpListener,
    sync::Mutex,
    task::AbortHandle,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;

pub(crate) fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_unix_seconds(1_790_000_000))
}

pub(crate) fn client(config: HttpConfig) -> (Client, ManualClock) {
    let clock = clock();
    let client = Client::new(config, Arc::new(clock.clone())).expect("a usable configuration");
    (client, clock)
}

pub(crate) fn post(base: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post(format!("{base}/3/device/00"))
        .body(body.into())
        .expect("a request")
}

/// Waits until `condition` holds, which `what` says in words.
pub(crate) async fn until(what: &str, condition: impl FnMut() -> bool) {
    let wait = push_testkit::until_within(Duration::MAX, condition);
    tokio::time::timeout(patience(), wait)
        .await
        .unwrap_or_else(|_| panic!("waited {:?} in vain: {what}", patience()));
}

/// Awaits `future`, which must come to an end.
#[track_caller]
pub(crate) fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        tokio::time::timeout(patience(), future)
            .await
            .unwrap_or_else(|_| panic!("waited {:?} in vain for an end, at {place}", patience()))
    }
}

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A listener that hands each connection to a script.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    /// Runs `script(number, stream)` for each connection, numbered from 0.
    pub(crate) async fn raw<F>(
        script: impl Fn(usize, tokio::net::TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut scripts = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket option");
                let number = counter.fetch_add(1, Ordering::SeqCst);
                scripts.spawn(script(number, stream));
            }
        });
        Self {
            address,
            connections,
            task: task.abort_handle(),
        }
    }

    /// Runs `script(number, peer)` for each clear-text HTTP/2 connection, numbered from 0.
    pub(crate) async fn h2<F>(script: impl Fn(usize, Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let script = Arc::new(script);
        Self::raw(move |number, stream| {
            let script = Arc::clone(&script);
            async move {
                if let Some(peer) = Peer::accept(stream).await {
                    script(number, peer).await;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Server {
    /// As [`Server::h2`], with a ledger for the requests that the script processes.
    pub(crate) async fn with_ledger<F>(
        script: impl Fn(usize, Peer, Ledger) -> F + Send + Sync + 'static,
    ) -> (Self, Ledger)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ledger = Ledger::default();
        let processed = ledger.clone();
        let server = Self::h2(move |number, peer| script(number, peer, processed.clone())).await;
        (server, ledger)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something a client did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A whole request.
    Request {
        stream: u32,
        body: Bytes,
    },
    /// A request's headers, with its body still to come.
    Opened {
        stream: u32,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    /// A PING of the client's.
    Ping,
    /// The client's answer to a PING of the peer.
    Pong,
    GoAway,
}

/// The peer's side of one HTTP/2 connection.
pub(crate) struct Peer {
    reader: ReadHalf<Box<dyn Io>>,
    writer: Arc<Mutex<WriteHalf<Box<dyn Io>>>>,
    bodies: HashMap<u32, Vec<u8>>,
    /// Raw header blocks by stream.
    pub(crate) header_blocks: HashMap<u32, Vec<u8>>,
    /// Gives back what DATA takes of the connection's and the stream's window.
    pub(crate) replenish: bool,
    pub(crate) answer_pings: bool,
    /// Settings acknowledged by the client.
    pub(crate) acknowledged: usize,
}

/// Writes frames; can be cloned into tasks that answer later.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Mutex<WriteHalf<Box<dyn Io>>>>);

impl Writer {
    pub(crate) async fn frame(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut out = u32::try_from(payload.len())
            .expect("a short payload")
            .to_be_bytes()[1..]
            .to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        // A client that is gone is no failure of the peer.
        self.0.lock().await.write_all(&out).await.ok();
    }

    pub(crate) async fn settings(&self, settings: &[(u16, u32)]) {
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        self.frame(SETTINGS, 0, 0, &payload).await;
    }

    pub(crate) async fn stream_limit(&self, limit: u32) {
        self.settings(&[(3, limit)]).await;
    }

    pub(crate) async fn answer(&self, stream: u32, status: u16, body: &[u8]) {
        self.begin_answer(stream, status, body.is_empty()).await;
        let mut pieces = body.chunks(16_384).peekable();
        while let Some(piece) = pieces.next() {
            let end = u8::from(pieces.peek().is_none());
            self.frame(DATA, end, stream, piece).await;
        }
    }

    /// HPACK: `:status` as a literal without indexing, its name from the static table (RFC 7541 appendix A, index 8).
    pub(crate) async fn begin_answer(&self, stream: u32, status: u16, end: bool) {
        let mut block = vec![0x08, 3];
        block.extend(status.to_string().bytes());
        self.frame(HEADERS, 4 | u8::from(end), stream, &block).await;
    }

    pub(crate) async fn reset(&self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&self, last: u32, code: u32, debug_data: &[u8]) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(code.to_be_bytes());
        payload.extend(debug_data);
        self.frame(GOAWAY, 0, 0, &payload).await;
    }

    pub(crate) async fn window_update(&self, stream: u32, by: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
            .await;
    }

    pub(crate) async fn close(&self) {
        self.0.lock().await.shutdown().await.ok();
    }
}

impl Peer {
    /// Answers every request with an empty 200, and enters it into `processed`.
    pub(crate) async fn process(&mut self, processed: &Ledger) {
        while let Some((stream, body)) = self.request().await {
            processed.add(&body);
            self.writer().answer(stream, 200, b"").await;
        }
    }

    /// Reads the client's preface. Sends nothing.
    pub(crate) async fn accept(io: impl Io) -> Option<Self> {
        let (mut reader, writer) = split(Box::new(io) as Box<dyn Io>);
        let mut preface = [0; 24];
        reader.read_exact(&mut preface).await.ok()?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Some(Self {
            reader,
            writer: Arc::new(Mutex::new(writer)),
            bodies: HashMap::new(),
            header_blocks: HashMap::new(),
            replenish: true,
            answer_pings: true,
            acknowledged: 0,
        })
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer(Arc::clone(&self.writer))
    }

    /// One frame, or nothing when the client has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut header = [0; 9];
        self.reader.read_exact(&mut header).await.ok()?;
        let [a, b, c, kind, flags, d, e, f, g] = header;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?];
        self.reader.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, u32::from_be_bytes([d, e, f, g]), payload))
    }

    /// What the client does next. Acknowledges SETTINGS, and PINGs and DATA if configured.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            let (kind, flags, stream, payload) = self.frame().await?;
            let word =
                |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
            match kind {
                SETTINGS if flags & 1 == 0 => self.writer().frame(SETTINGS, 1, 0, &[]).await,
                SETTINGS => self.acknowledged += 1,
                HEADERS => {
                    assert_eq!(flags & 4, 4, "header blocks fit one frame here");
                    self.header_blocks.insert(stream, payload);
                    if flags & 1 == 1 {
                        return Some(Event::Request {
                            stream,
                            body: Bytes::new(),
                        });
                    }
                    self.bodies.insert(stream, Vec::new());
                    return Some(Event::Opened { stream });
                }
                DATA => {
                    let size = u32::try_from(payload.len()).expect("a short frame");
                    if self.replenish && size > 0 {
                        self.writer().window_update(0, size).await;
                        self.writer().window_update(stream, size).await;
                    }
                    if let Some(body) = self.bodies.get_mut(&stream) {
                        body.extend(&payload);
                    }
                    if flags & 1 == 1
                        && let Some(body) = self.bodies.remove(&stream)
                    {
                        return Some(Event::Request {
                            stream,
                            body: body.into(),
                        });
                    }
                }
                RST_STREAM => {
                    self.bodies.remove(&stream);
                    return Some(Event::Reset {
                        stream,
                        code: word(0),
                    });
                }
                PING if flags & 1 == 0 => {
                    if self.answer_pings {
                        self.writer().frame(PING, 1, 0, &payload).await;
                    }
                    return Some(Event::Ping);
                }
                PING => return Some(Event::Pong),
                GOAWAY => return Some(Event::GoAway),
                _ => {}
            }
        }
    }

    /// The next whole request.
    pub(crate) async fn request(&mut self) -> Option<(u32, Bytes)> {
        loop {
            if let Event::Request { stream, body } = self.next().await? {
                return Some((stream, body));
            }
        }
    }

    /// Everything that the client has sent before it answers a PING of the peer.
    pub(crate) async fn so_far(&mut self) -> Vec<Event> {
        self.writer().frame(PING, 0, 0, b"so far ?").await;
        let mut events = Vec::new();
        loop {
            match self.next().await.expect("the client is there") {
                Event::Pong => return events,
                event => events.push(event),
            }
        }
    }

    /// The next `count` whole requests.
    pub(crate) async fn requests(&mut self, count: usize) -> Vec<(u32, Bytes)> {
        let mut requests = Vec::new();
        while requests.len() < count {
            requests.push(self.request().await.expect("another request"));
        }
        requests
    }

    /// Reads on without doing anything more, until the client goes.
    pub(crate) async fn ignore(mut self) {
        while self.next().await.is_some() {}
    }

    /// Answers everything at once with its own body, until the client goes.
    pub(crate) async fn echo(mut self) {
        while let Some((stream, body)) = self.request().await {
            self.writer().answer(stream, 200, &body).await;
        }
    }
}

/// Requests by their bodies, with how often each was processed.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<std::sync::Mutex<HashMap<Bytes, usize>>>);

impl Ledger {
    pub(crate) fn add(&self, body: &Bytes) {
        *self.map().entry(body.clone()).or_default() += 1;
    }

    pub(crate) fn count(&self, body: &str) -> usize {
        self.map().get(body.as_bytes()).copied().unwrap_or(0)
    }

    /// Checks that the requests whose bodies are the numbers below `count` were processed, each once, and no other.
    pub(crate) fn has_each_once(&self, count: usize) {
        assert_eq!(self.total(), count);
        for number in 0..count {
            assert_eq!(self.count(&number.to_string()), 1, "request {number}");
        }
    }

    pub(crate) fn total(&self) -> usize {
        self.map().values().sum()
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<Bytes, usize>> {
        self.0.lock().expect("no test panicked with it")
    }
}

/// Sends to `server` with `client`, which fails.
pub(crate) async fn failure(client: &Client, server: &Server) -> HttpError {
    let answer = soon(client.send(post(&server.url(), "x"))).await;
    answer.expect_err("the exchange fails")
}

/// A request on its way.
pub(crate) type Sent = tokio::task::JoinHandle<Result<http::Response<Bytes>, HttpError>>;

/// `client` sends `count` requests to `server` at once, whose bodies are their numbers.
pub(crate) fn spawn_numbered(client: &Client, server: &Server, count: usize) -> Vec<Sent> {
    (0..count)
        .map(|number| spawn(client, &server.url(), number.to_string()))
        .collect()
}

/// `client` sends `body` to `base`, in a task of its own.
pub(crate) fn spawn(client: &Client, base: &str, body: impl Into<Bytes>) -> Sent {
    let client = client.clone();
    let request = post(base, body);
    tokio::spawn(async move { client.send(request).await })
}

/// The pool of the only origin.
pub(crate) fn stats(client: &Client) -> OriginStats {
    client.stats().pop().expect("an origin")
}

/// Configuration from JSON, as an operator would write it.
pub(crate) fn config(json: &str) -> HttpConfig {
    serde_json::from_str(json).expect("a configuration")
}

/// A peer that greets and echoes.
pub(crate) async fn echo_server() -> Server {
    Server::h2(|_, peer| async move {
        peer.writer().stream_limit(100).await;
        peer.echo().await;
    })
    .await
}
