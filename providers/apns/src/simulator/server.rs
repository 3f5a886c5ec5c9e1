//! One connection: HTTP/2, the stream limit that moves, GOAWAY.
use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::FuturesUnordered};
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response, request::Parts};
use push_core::{Environment, Timestamp};
use push_testkit::Connection;
use serde_json::json;
use uuid::Uuid;

use super::{
    Counted, World,
    auth::Caller,
    checks::{self, Asked},
    lock,
    outcome::{Act, Outcome},
    read,
    refusal::Refused,
    tap::{Tap, Voice},
};

/// What is read of a body at most; more is too large for any push.
const MAX_BODY: usize = 16 * 1024;

/// What APNs says it takes of headers.
const MAX_HEADER_LIST: u32 = 8000;

/// A connection as the rest of the service sees it.
pub(super) struct Line {
    voice: Arc<Voice>,
    /// The last stream that was taken.
    last_stream: AtomicU32,
    /// The last stream that will be answered, once GOAWAY was said; until then the highest there can be.
    ends_at: AtomicU32,
    /// Refused requests in a row.
    errors: AtomicU32,
    active: AtomicU64,
}

impl Line {
    fn new(limit: u32) -> Self {
        Self {
            voice: Arc::new(Voice::new(limit)),
            last_stream: AtomicU32::new(0),
            ends_at: AtomicU32::new(u32::MAX),
            errors: AtomicU32::new(0),
            active: AtomicU64::new(0),
        }
    }

    /// Says GOAWAY after the last stream that was taken. Returns whether the connection is still of interest.
    pub(super) fn go_away(&self, reason: &str) -> bool {
        let last = self.last_stream.load(Ordering::Acquire);
        if self
            .ends_at
            .compare_exchange(u32::MAX, last, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return false;
        }
        let words = json!({ "reason": reason }).to_string();
        self.voice.go_away(last, words.as_bytes());
        true
    }

    fn is_leaving(&self) -> bool {
        self.ends_at.load(Ordering::Acquire) != u32::MAX
    }

    /// Adjusts the stream limit to how a request ended.
    fn learn(&self, status: u16, world: &World) {
        match status {
            200 => {
                self.errors.store(0, Ordering::Relaxed);
                self.voice
                    .announce(world.max_streams.load(Ordering::Relaxed));
            }
            410 => {}
            400..=499 => {
                let errors = self.errors.fetch_add(1, Ordering::Relaxed) + 1;
                if world.slow_after > 0 && errors >= world.slow_after {
                    self.voice.announce(1);
                }
            }
            _ => {}
        }
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(world: Arc<World>, environment: Environment, connection: Connection) {
    let Connection {
        io,
        peer,
        mut stopping,
        ..
    } = connection;
    // A client without ALPN may still speak HTTP/2: its preface says so. Whatever else it says ends the handshake below.
    let certificate = match peer.certificate {
        None => None,
        Some(der) => match read(&world.issued).get(&der[..]) {
            None => return,
            Some(issued) => Some(Arc::clone(issued)),
        },
    };
    let limit = match &certificate {
        Some(_) => world.max_streams.load(Ordering::Relaxed),
        None => 1,
    };
    let line = Arc::new(Line::new(limit));
    {
        let mut lines = lock(&world.environment(environment).lines);
        lines.retain(|it| it.strong_count() > 0);
        lines.push(Arc::downgrade(&line));
    }
    let caller = Caller::new(certificate);
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(MAX_HEADER_LIST);
    let tap = Tap::new(io, Arc::clone(&line.voice));
    let Ok(mut h2) = builder.handshake::<_, Bytes>(tap).await else {
        return;
    };
    let stage = Stage {
        world: &world,
        environment,
        caller: &caller,
        line: &line,
    };
    let mut running = FuturesUnordered::new();
    // Streams that came after GOAWAY: neither answered nor reset, as if they had never been read.
    let mut ignored = Vec::new();
    loop {
        tokio::select! {
            accepted = h2.accept() => match accepted {
                Some(Ok((request, respond))) => match stage.admit(&request, respond) {
                    Admitted::Take(respond, outcome) => {
                        running.push(stage.exchange(request, respond, outcome));
                    }
                    Admitted::Ignore(respond) => ignored.push(respond),
                    Admitted::Refuse => {}
                },
                _ => return,
            },
            Some(end) = running.next(), if !running.is_empty() => {
                if end == End::Close {
                    return;
                }
            }
            () = stopping.wait(), if !line.is_leaving() => {
                line.go_away("Shutdown");
            }
        }
        if line.is_leaving() && running.is_empty() {
            break;
        }
    }
    // Everything is said; let it reach the wire.
    poll_fn(|cx| {
        while let Poll::Ready(accepted) = h2.poll_accept(cx) {
            match accepted {
                Some(Ok((_, respond))) => ignored.push(respond),
                _ => return Poll::Ready(()),
            }
        }
        if line.voice.is_on_the_wire() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

type Respond = SendResponse<Bytes>;

enum Admitted {
    Take(Respond, Outcome),
    Ignore(Respond),
    Refuse,
}

#[derive(PartialEq, Eq)]
enum End {
    Done,
    Close,
}

#[derive(Clone, Copy)]
struct Stage<'a> {
    world: &'a World,
    environment: Environment,
    caller: &'a Caller,
    line: &'a Line,
}

impl Stage<'_> {
    /// Decides what can be decided before the body is there: whether the stream is taken at all.
    fn admit(&self, request: &Request<RecvStream>, mut respond: Respond) -> Admitted {
        let line = self.line;
        let stream = respond.stream_id().as_u32();
        if stream > line.ends_at.load(Ordering::Acquire) {
            return Admitted::Ignore(respond);
        }
        if line.active.load(Ordering::Relaxed) >= u64::from(line.voice.limit()) {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Admitted::Refuse;
        }
        let token = request.uri().path().trim_start_matches("/3/device/");
        let outcome = self.world.faults.take(token).unwrap_or(Outcome::as_usual());
        match &outcome.act {
            Act::GoAway { reason } => {
                line.go_away(reason);
                return Admitted::Ignore(respond);
            }
            Act::Refuse => {
                respond.send_reset(Reason::REFUSED_STREAM);
                return Admitted::Refuse;
            }
            _ => {}
        }
        line.last_stream.store(stream, Ordering::Release);
        let active = line.active.fetch_add(1, Ordering::Relaxed) + 1;
        self.world
            .numbers
            .max_concurrent_streams
            .fetch_max(active, Ordering::Relaxed);
        Admitted::Take(respond, outcome)
    }

    async fn exchange(
        self,
        request: Request<RecvStream>,
        mut respond: Respond,
        outcome: Outcome,
    ) -> End {
        let end = self.answer(request, &mut respond, outcome).await;
        self.line.active.fetch_sub(1, Ordering::Relaxed);
        end
    }

    async fn answer(
        self,
        request: Request<RecvStream>,
        respond: &mut Respond,
        outcome: Outcome,
    ) -> End {
        let (parts, body) = request.into_parts();
        let Some(body) = read_body(body).await else {
            return End::Done;
        };
        let world = self.world;
        world.numbers.requests.fetch_add(1, Ordering::Relaxed);
        if let Ok(id) = checks::id_of(&parts.headers, "apns-id") {
            Counted::count(&mut lock(&world.counted).ids, id);
        }
        let delay = world.delay.get() + outcome.after;
        let answer = match &outcome.act {
            Act::AsUsual => Some(self.judge(&parts, &body)),
            Act::Answer {
                status,
                reason,
                timestamp,
                retry_after,
            } => Some(scripted(
                &parts,
                *status,
                reason,
                *timestamp,
                retry_after.as_deref(),
            )),
            _ => None,
        };
        if !delay.is_zero() {
            world.clock.sleep(delay).await;
        }
        if let Some((response, body)) = answer {
            let status = response.status().as_u16();
            if status == 200 {
                world.numbers.accepted.fetch_add(1, Ordering::Relaxed);
            }
            send(respond, response, body);
            self.line.learn(status, world);
            return End::Done;
        }
        match outcome.act {
            Act::Reset => {
                respond.send_reset(Reason::INTERNAL_ERROR);
                End::Done
            }
            Act::Close => End::Close,
            _ => pending().await,
        }
    }

    fn judge(&self, parts: &Parts, body: &[u8]) -> (Response<()>, Bytes) {
        let asked = Asked {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            body,
        };
        match checks::push(self.world, self.environment, self.caller, &asked) {
            Ok(id) => {
                let broadcast = parts.uri.path().starts_with("/4/");
                let mut response = Response::new(());
                let name = if broadcast {
                    "apns-request-id"
                } else {
                    "apns-id"
                };
                put(response.headers_mut(), name, id);
                if self.environment == Environment::Sandbox {
                    put(
                        response.headers_mut(),
                        "apns-unique-id",
                        checks::random_id(),
                    );
                }
                (response, Bytes::new())
            }
            Err(refused) => refusal(&parts.headers, refused),
        }
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, id: Uuid) {
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        headers.insert(name, value);
    }
}

fn refusal(headers: &HeaderMap, refused: Refused) -> (Response<()>, Bytes) {
    answer_with(headers, refused.status, refused.reason, refused.timestamp)
}

fn answer_with(
    headers: &HeaderMap,
    status: u16,
    reason: &str,
    timestamp: Option<Timestamp>,
) -> (Response<()>, Bytes) {
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    if let Ok(id) = checks::id_of(headers, "apns-id") {
        put(response.headers_mut(), "apns-id", id);
    }
    let body = match (reason, timestamp) {
        ("", _) => return (response, Bytes::new()),
        (_, None) => json!({ "reason": reason }),
        (_, Some(at)) => json!({ "reason": reason, "timestamp": at.unix_millis() }),
    };
    (response, body.to_string().into())
}

fn scripted(
    parts: &Parts,
    status: u16,
    reason: &str,
    timestamp: Option<Timestamp>,
    retry_after: Option<&str>,
) -> (Response<()>, Bytes) {
    let (mut response, body) = answer_with(&parts.headers, status, reason, timestamp);
    if let Some(Ok(value)) = retry_after.map(HeaderValue::try_from) {
        response.headers_mut().insert("retry-after", value);
    }
    (response, body)
}

/// How a client leaves is its own affair: errors of a stream that is gone are of no interest.
fn send(respond: &mut Respond, response: Response<()>, body: Bytes) {
    if let Ok(mut stream) = respond.send_response(response, body.is_empty())
        && !body.is_empty()
    {
        stream.send_data(body, true).unwrap_or_default();
    }
}

/// The body, up to a byte more than is taken; `None` if the client gave up.
async fn read_body(mut body: RecvStream) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        let room = (MAX_BODY + 1).saturating_sub(whole.len());
        whole.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Some(whole.freeze())
}
