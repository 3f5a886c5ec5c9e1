//! HTTP/2 clients that take no answer, take it byte by byte, or do nothing.
use bytes::{Buf as _, BytesMut};

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// A client that sends the frames that a test wants.
struct Client {
    stream: DuplexStream,
    received: BytesMut,
    answers_pings: bool,
    requests: u32,
}

impl Client {
    /// Connects, and waits until the server has seen the preface.
    async fn new(scene: &Scene, window: u32) -> Self {
        let mut client = Self {
            stream: scene.connect(),
            received: BytesMut::new(),
            answers_pings: true,
            requests: 0,
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        client.stream.write_all(preface).await.expect("it is open");
        // SETTINGS_INITIAL_WINDOW_SIZE
        let mut setting = vec![0, 4];
        setting.extend(window.to_be_bytes());
        client.send(SETTINGS, 0, 0, &setting).await;
        while client.next().await.expect("it is open") != SETTINGS {}
        client
    }

    /// Sends a frame; a connection that is closed is noticed by [`Client::next`].
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a frame");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.ok();
    }

    /// Sends a request, and waits for the head of its answer.
    async fn ask(&mut self, path: &str) {
        let mut fields = vec![0x82, 0x86, 0x04];
        fields.push(u8::try_from(path.len()).expect("a short path"));
        fields.extend(path.as_bytes());
        fields.extend([0x01, 1, b'g']);
        let stream = self.requests * 2 + 1;
        self.requests += 1;
        // END_HEADERS and END_STREAM
        self.send(HEADERS, 5, stream, &fields).await;
        while self.next().await.expect("it is open") != HEADERS {}
    }

    /// Lets one byte of the first answer out.
    async fn open_by_one(&mut self) {
        self.send(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()).await;
    }

    /// The kind of the next frame, `None` at the end. Acknowledges settings, and pings if it answers them.
    async fn next(&mut self) -> Option<u8> {
        loop {
            if self.received.len() >= 9 {
                let length = usize::from(self.received[0]) << 16
                    | usize::from(self.received[1]) << 8
                    | usize::from(self.received[2]);
                if self.received.len() >= 9 + length {
                    let mut frame = self.received.split_to(9 + length);
                    let (kind, flags) = (frame[3], frame[4]);
                    frame.advance(9);
                    let answered = kind == PING && self.answers_pings || kind == SETTINGS;
                    if answered && flags & ACK == 0 {
                        self.send(kind, ACK, 0, if kind == PING { &frame } else { &[] })
                            .await;
                    }
                    return Some(kind);
                }
            }
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Goes on until the server closes; opens the first answer's window by a byte each `trickle`. Returns how long it took,
    /// and the frames that came, without those about the connection.
    async fn life(mut self, trickle: Option<Duration>) -> (Duration, Vec<u8>) {
        let start = Instant::now();
        let mut frames = Vec::new();
        let mut at = start;
        loop {
            let step = trickle.unwrap_or(1000 * SECOND);
            tokio::select! {
                frame = self.next() => match frame {
                    Some(SETTINGS | PING) => {}
                    Some(frame) => frames.push(frame),
                    None => return (start.elapsed(), frames),
                },
                () = tokio::time::sleep_until(at + step) => {
                    at += step;
                    assert!(start.elapsed() < 1000 * SECOND, "it is never closed");
                    self.open_by_one().await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_client_lets_out_too_slowly_is_given_up() {
    for (window, trickle) in [
        (0, None),
        (0, Some(SECOND)),
        (0, Some(SECOND / 10)),
        (100, None),
        (100, Some(SECOND)),
    ] {
        let scene = Scene::new(settings());
        let mut client = Client::new(&scene, window).await;
        client.ask("/large").await;
        let (life, frames) = client.life(trickle).await;
        assert!(
            (30 * SECOND..31 * SECOND).contains(&life),
            "{window} {trickle:?}: {life:?}"
        );
        assert_eq!(frames.contains(&DATA), window > 0 || trickle.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_two_bytes_that_is_not_let_out_is_given_up() {
    let scene = Scene::new(settings());
    for window in [0, 1] {
        let mut client = Client::new(&scene, window).await;
        client.ask("/").await;
        let (life, _) = client.life(None).await;
        assert_eq!(life, 30 * SECOND, "a window of {window}");
    }
}

/// The progress of other answers on the connection does not count.
#[tokio::test(start_paused = true)]
async fn one_blocked_answer_of_many_ends_the_connection() {
    let scene = Scene::new(settings());
    let mut client = Client::new(&scene, 0).await;
    client.ask("/").await;
    let start = Instant::now();
    while start.elapsed() < 29 * SECOND {
        tokio::time::sleep(SECOND).await;
        // It has no body.
        client.ask("/servers").await;
    }
    let (rest, _) = client.life(None).await;
    assert_eq!(start.elapsed(), 30 * SECOND, "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_let_out_steadily_is_sent_to_its_end() {
    let scene = Scene::new(settings());
    let mut client = Client::new(&scene, 0).await;
    let half = (32 * 1024_u32).to_be_bytes();
    client.ask("/large").await;
    for _ in 0..32 {
        client.send(WINDOW_UPDATE, 0, 1, &half).await;
        client.send(WINDOW_UPDATE, 0, 0, &half).await;
        let closed = async { while client.next().await.is_some() {} };
        let closed = tokio::time::timeout(20 * SECOND, closed).await;
        assert!(closed.is_err(), "it is open");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_http2_connection_that_answers_pings_is_closed() {
    let scene = Scene::new(settings());
    let client = Client::new(&scene, 65_535).await;
    let (life, frames) = client.life(None).await;
    assert_eq!(life, 150 * SECOND);
    assert!(frames.contains(&GOAWAY), "{frames:?}");
}

/// Sixty sockets that sent nothing but a preface stopped a server of fifty connections.
#[tokio::test(start_paused = true)]
async fn idle_http2_connections_make_room_at_once() {
    let mut settings = settings();
    settings.connections = 4;
    let scene = Scene::new(settings);
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Client::new(&scene, 65_535).await;
        client.answers_pings = false;
        clients.push(client);
    }
    let mut stream = scene.connect();
    ask(&mut stream, "/").await.expect("there is room");
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (life, frames) = clients.swap_remove(0).life(None).await;
    assert_eq!(life, Duration::ZERO);
    assert!(frames.contains(&GOAWAY), "{frames:?}");
}

/// One that has not left yet after its idle time.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_leaving_makes_room_at_once() {
    let mut settings = settings();
    settings.connections = 1;
    settings.idle_timeout = 20 * SECOND;
    let scene = Scene::new(settings);
    let mut client = Client::new(&scene, 65_535).await;
    client.answers_pings = false;
    tokio::time::sleep(21 * SECOND).await;
    let start = Instant::now();
    let mut stream = scene.connect();
    ask(&mut stream, "/").await.expect("there is room");
    assert_eq!(start.elapsed(), Duration::ZERO);
    while client.next().await.is_some_and(|frame| frame != GOAWAY) {}
    assert_eq!(client.life(None).await.0, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn connections_with_blocked_answers_make_room() {
    for trickle in [None, Some(SECOND / 10)] {
        let mut settings = settings();
        settings.connections = 4;
        let scene = Scene::new(settings);
        for _ in 0..4 {
            let mut client = Client::new(&scene, 0).await;
            client.ask("/large").await;
            tokio::spawn(client.life(trickle));
        }
        for _ in 0..8 {
            let start = Instant::now();
            let mut stream = scene.connect();
            ask(&mut stream, "/").await.expect("there is room");
            let waited = start.elapsed();
            assert!(waited <= 2 * SECOND, "{trickle:?}: {waited:?}");
        }
    }
}

/// A server may be slow, but not for ever.
#[tokio::test(start_paused = true)]
async fn a_blocked_answer_of_a_server_makes_no_room_but_ends() {
    let mut settings = settings();
    settings.connections = 2;
    let scene = Scene::new(settings);
    let mut server = Client::new(&scene, 0).await;
    server.ask("/servers").await;
    server.ask("/").await;
    let server = tokio::spawn(server.life(None));
    let mut stranger = Client::new(&scene, 0).await;
    stranger.ask("/").await;
    let stranger = tokio::spawn(stranger.life(None));
    for _ in 0..4 {
        let mut stream = scene.connect();
        ask(&mut stream, "/").await.expect("there is room");
    }
    assert!(stranger.await.expect("it ran").0 <= 2 * SECOND);
    assert_eq!(server.await.expect("it ran").0, 30 * SECOND);
}

/// A request that was on its way when its connection had to make room is answered.
#[tokio::test(start_paused = true)]
async fn an_idle_server_has_a_moment_to_leave() {
    let mut settings = settings();
    settings.connections = 1;
    let scene = Scene::new(settings);
    let mut server = Client::new(&scene, 65_535).await;
    server.ask("/servers").await;
    let start = Instant::now();
    let mut stream = scene.connect();
    ask(&mut stream, "/").await.expect("there is room");
    assert_eq!(start.elapsed(), Duration::ZERO);
    while server.next().await.expect("it is open") != GOAWAY {}
    server.ask("/servers").await;
    let (life, _) = server.life(None).await;
    assert!(life <= SECOND / 10, "{life:?}");
}
