//! Listeners that fail, and connections on which nothing happens.
mod http2;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::routing;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A listener whose connections a test makes.
struct Made {
    /// `None` is a failure.
    connections: mpsc::UnboundedReceiver<Option<DuplexStream>>,
    /// How often it was asked, and how often it still fails.
    asked: Arc<AtomicU32>,
    failures: u32,
    error: io::ErrorKind,
}

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

impl Incoming for Made {
    type Socket = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.failures > 0 {
            self.failures -= 1;
            return Err(self.error.into());
        }
        match self.connections.recv().await {
            Some(Some(socket)) => Ok((socket, peer())),
            Some(None) => Err(self.error.into()),
            None => std::future::pending().await,
        }
    }
}

/// A served router: `/` answers, `/servers` answers a server, `/held` answers when it is released, `/large` answers 1 MiB.
struct Scene {
    connect: mpsc::UnboundedSender<Option<DuplexStream>>,
    asked: Arc<AtomicU32>,
    held: Arc<Notify>,
    /// Stops the server when it drops.
    _stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Scene {
    fn new(settings: HttpSettings) -> Self {
        Self::failing(settings, 0, io::ErrorKind::Other)
    }

    fn failing(settings: HttpSettings, failures: u32, error: io::ErrorKind) -> Self {
        let (connect, connections) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let (asked, held) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let made = Made {
            connections,
            asked: Arc::clone(&asked),
            failures,
            error,
        };
        let release = Arc::clone(&held);
        let router = Router::new()
            .route("/", routing::get(|| async { "ok" }))
            .route("/large", routing::get(|| async { "x".repeat(1024 * 1024) }))
            .route("/servers", routing::get(servers))
            .route(
                "/held",
                routing::get(move || async move {
                    release.notified().await;
                    "ok"
                }),
            );
        let serving = tokio::spawn(async move {
            run(made, router, &settings, async { drop(stopped.await) }).await;
        });
        Self {
            connect,
            asked,
            held,
            _stop: stop,
            serving,
        }
    }

    /// A connection with small buffers.
    fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(4096);
        self.connect.send(Some(far)).expect("the server runs");
        near
    }
}

async fn servers(request: Request<Body>) -> StatusCode {
    let tracker = request.extensions().get::<Tracked>().expect("a connection");
    tracker.0.showed_api_key();
    StatusCode::OK
}

fn settings() -> HttpSettings {
    HttpSettings::default()
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: g\r\n\r\n").into_bytes()
}

/// Sends one request and reads one small answer.
async fn ask(stream: &mut DuplexStream, path: &str) -> io::Result<()> {
    stream.write_all(&request(path)).await?;
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    Ok(())
}

/// How long it takes until the other side closes.
async fn life(mut stream: DuplexStream) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    // A reset is a close, too.
    stream.read_to_end(&mut rest).await.ok();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed_after_the_head_timeout() {
    let scene = Scene::new(settings());
    let preface = &preface_and_settings()[..];
    for sent in [
        &b""[..],
        b"G",
        b"PRI * HTTP/2.0\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: g\r\nx: ",
    ] {
        let mut stream = scene.connect();
        stream.write_all(sent).await.unwrap();
        assert_eq!(life(stream).await, 10 * SECOND, "{sent:?}");
    }
    // One that speaks HTTP/2 is asked after 30 seconds whether it is still there.
    let mut stream = scene.connect();
    stream.write_all(preface).await.unwrap();
    assert_eq!(life(stream).await, 40 * SECOND);
}

fn preface_and_settings() -> Vec<u8> {
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // An empty SETTINGS frame.
    preface.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    preface
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let scene = Scene::new(settings());
    let mut stream = scene.connect();
    let start = Instant::now();
    for byte in request("/").iter().cycle() {
        if *byte == b'\r' || stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(life(stream).await, Duration::ZERO, "it is closed");
    assert!(start.elapsed() <= 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_longer_than_proxies_keep_theirs() {
    let scene = Scene::new(settings());
    let mut stream = scene.connect();
    for pause in [0, 60, 120, 149] {
        tokio::time::sleep(pause * SECOND).await;
        ask(&mut stream, "/").await.expect("it is open");
    }
    assert_eq!(life(stream).await, 150 * SECOND);
    // A later head has as long as the first one.
    let mut stream = scene.connect();
    ask(&mut stream, "/").await.expect("it is open");
    tokio::time::sleep(100 * SECOND).await;
    stream.write_all(b"GET").await.unwrap();
    assert_eq!(life(stream).await, 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_is_the_operators_choice() {
    let mut settings = settings();
    settings.idle_timeout = 620 * SECOND;
    let scene = Scene::new(settings);
    let mut stream = scene.connect();
    ask(&mut stream, "/").await.expect("it is open");
    assert_eq!(life(stream).await, 620 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_long_is_not_cut_off() {
    let scene = Scene::new(settings());
    let mut stream = scene.connect();
    stream.write_all(&request("/held")).await.unwrap();
    tokio::time::sleep(600 * SECOND).await;
    scene.held.notify_one();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answer_is_cut_off() {
    let scene = Scene::new(settings());
    let mut stream = scene.connect();
    stream.write_all(&request("/large")).await.unwrap();
    tokio::time::sleep(31 * SECOND).await;
    let mut read = Vec::new();
    // A reset is a close, too.
    stream.read_to_end(&mut read).await.ok();
    assert!(read.len() < 1024 * 1024, "it was all there");
    // One that takes it slowly gets it.
    let mut stream = scene.connect();
    stream.write_all(&request("/large")).await.unwrap();
    let (mut read, mut buffer) = (0, vec![0; 64 * 1024]);
    while read < 1024 * 1024 {
        tokio::time::sleep(SECOND).await;
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "after {read} bytes");
        read += length;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_an_answer_byte_by_byte_is_cut_off() {
    let scene = Scene::new(settings());
    let mut stream = scene.connect();
    stream.write_all(&request("/large")).await.unwrap();
    let mut read = Vec::new();
    for _ in 0..60 {
        tokio::time::sleep(SECOND).await;
        read.push(stream.read_u8().await.unwrap());
    }
    // A reset is a close, too.
    stream.read_to_end(&mut read).await.ok();
    assert!(read.len() < 1024 * 1024, "it was all there");
}

#[tokio::test(start_paused = true)]
async fn connections_whose_answers_are_not_taken_make_room() {
    let mut settings = settings();
    settings.connections = 4;
    let scene = Scene::new(settings);
    let mut blocked = Vec::new();
    for _ in 0..4 {
        let mut stream = scene.connect();
        stream.write_all(&request("/large")).await.unwrap();
        blocked.push(stream);
    }
    for _ in 0..8 {
        let start = Instant::now();
        let mut stream = scene.connect();
        ask(&mut stream, "/").await.expect("there is room");
        assert!(start.elapsed() <= 2 * SECOND, "{:?}", start.elapsed());
    }
}

/// Fifty sockets that send nothing stopped a server of fifty connections.
#[tokio::test]
async fn silent_connections_make_room_for_requests() {
    let mut settings = settings();
    settings.connections = 50;
    let scene = Scene::new(settings);
    let silent: Vec<_> = (0..50).map(|_| scene.connect()).collect();
    for _ in 0..200 {
        let mut stream = scene.connect();
        ask(&mut stream, "/").await.expect("there is room");
    }
    drop(silent);
}

#[tokio::test]
async fn connections_that_answer_and_those_of_servers_make_room_last() {
    let mut settings = settings();
    settings.connections = 4;
    let scene = Scene::new(settings);
    let mut server = scene.connect();
    ask(&mut server, "/servers").await.expect("it is open");
    let mut busy = scene.connect();
    busy.write_all(&request("/held")).await.unwrap();
    let mut first = scene.connect();
    ask(&mut first, "/").await.expect("it is open");
    let mut second = scene.connect();
    ask(&mut second, "/").await.expect("it is open");
    ask(&mut first, "/").await.expect("it is open");
    // The stranger that has done nothing for the longest time goes.
    let mut third = scene.connect();
    ask(&mut third, "/").await.expect("there is room");
    ask(&mut second, "/").await.expect_err("it made room");
    ask(&mut first, "/").await.expect("it is open");
    ask(&mut server, "/").await.expect("it is open");
    scene.held.notify_one();
    let mut answer = [0; 1024];
    assert_ne!(busy.read(&mut answer).await.expect("an answer"), 0);
}

#[tokio::test]
async fn where_all_connections_answer_one_more_waits() {
    let mut settings = settings();
    settings.connections = 2;
    let scene = Scene::new(settings);
    let mut busy: Vec<_> = (0..2).map(|_| scene.connect()).collect();
    for stream in &mut busy {
        stream.write_all(&request("/held")).await.unwrap();
    }
    let mut third = scene.connect();
    let mut asking = std::pin::pin!(ask(&mut third, "/"));
    for _ in 0..1000 {
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    scene.held.notify_one();
    asking.await.expect("one made room");
}

/// No descriptors are left, for an hour.
#[tokio::test(start_paused = true)]
async fn accepting_is_tried_once_a_second_while_it_fails() {
    let scene = Scene::failing(settings(), 3600, io::ErrorKind::Other);
    tokio::time::sleep(600 * SECOND).await;
    let asked = scene.asked.load(Ordering::Relaxed);
    assert!((590..=610).contains(&asked), "{asked} times in ten minutes");
    tokio::time::sleep(3060 * SECOND).await;
    let mut stream = scene.connect();
    ask(&mut stream, "/").await.expect("it recovered");
    assert!(!scene.serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_gone_already_delays_no_other() {
    let scene = Scene::failing(settings(), 1000, io::ErrorKind::ConnectionAborted);
    let mut stream = scene.connect();
    let start = Instant::now();
    ask(&mut stream, "/").await.expect("it is open");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Descriptors are made free where they can be spared.
#[tokio::test(start_paused = true)]
async fn while_accepting_fails_idle_connections_give_their_descriptors() {
    let scene = Scene::new(settings());
    let mut idle = scene.connect();
    ask(&mut idle, "/").await.expect("it is open");
    let mut busy = scene.connect();
    busy.write_all(&request("/held")).await.unwrap();
    tokio::task::yield_now().await;
    scene.connect.send(None).expect("the server runs");
    assert_eq!(life(idle).await, Duration::ZERO);
    scene.held.notify_one();
    let mut answer = [0; 1024];
    assert_ne!(busy.read(&mut answer).await.expect("an answer"), 0);
}
