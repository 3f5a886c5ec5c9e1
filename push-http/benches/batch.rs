//! `cargo bench -p push-http`: what a push costs the client, sent by itself and in a batch, as a ratio of one run.
//!
//! The peer is a thread that answers every request at once over loopback. Counted is the CPU time of the client's
//! thread where the system reports it (Linux), and the time on the clock elsewhere.
use std::{
    hint::black_box,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use push_http::{Client, Head, HttpClient, HttpConfig, Item, TokioClock};

const BATCH: usize = 1000;
const BATCHES: usize = 20;
const ROUNDS: usize = 7;

/// Answers every request on `stream` with an empty 200.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    // 1,000 streams, and a connection window that never runs out.
    let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 232];
    let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0];
    stream.write_all(&[&settings[..], &window].concat())?;
    let mut unread = Vec::new();
    let mut chunk = vec![0; 256 * 1024];
    let mut answers = Vec::new();
    loop {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&chunk[..count]);
        let mut at = 0;
        let mut received = 0_u32;
        while let Some([a, b, c, kind, flags, id @ ..]) =
            unread.get(at..).and_then(|rest| rest.first_chunk::<9>())
        {
            let (kind, flags, id) = (*kind, *flags, *id);
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if unread.len() < at + 9 + length {
                break;
            }
            at += 9 + length;
            match kind {
                0 => received += u32::try_from(length).unwrap_or(0),
                4 if flags & 1 == 0 => answers.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]),
                _ => {}
            }
            if kind <= 1 && flags & 1 == 1 {
                // HEADERS with END_HEADERS and END_STREAM: `:status: 200`, static entry 8.
                answers.extend([0, 0, 1, 1, 5]);
                answers.extend(id as [u8; 4]);
                answers.push(0x88);
            }
        }
        unread.drain(..at);
        if received > 0 {
            answers.extend([0, 0, 4, 8, 0, 0, 0, 0, 0]);
            answers.extend(received.to_be_bytes());
        }
        stream.write_all(&answers)?;
        answers.clear();
    }
}

/// Time that this thread has used.
fn used(since: Instant) -> Duration {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn head(address: SocketAddr) -> Arc<Head> {
    let mut headers = HeaderMap::new();
    let bearer = format!("bearer {}", "x".repeat(200));
    for (name, value) in [
        ("authorization", bearer.as_str()),
        ("x-topic", "com.example.chat"),
        ("x-push-type", "alert"),
        ("x-priority", "10"),
    ] {
        let value = HeaderValue::from_str(value).expect("a value");
        headers.insert(HeaderName::from_static(name), value);
    }
    let origin: Uri = format!("http://{address}").parse().expect("a URL");
    Arc::new(Head::new(Method::POST, &origin, headers).expect("a head"))
}

fn items() -> Vec<Item> {
    let body = Bytes::from(vec![b'x'; 250]);
    (0..BATCH)
        .map(|position| {
            Item::new(
                position,
                format!("/3/device/{position:064x}")
                    .parse()
                    .expect("a path"),
                vec![(
                    HeaderName::from_static("x-request-id"),
                    HeaderValue::from_str(&format!("{position:036}")).expect("a value"),
                )],
                body.clone(),
            )
        })
        .collect()
}

#[derive(Clone, Copy, Debug)]
enum Way {
    TaskEach,
    OneTask,
    Batch,
}

async fn push(way: Way, client: &Client, head: &Arc<Head>) {
    let answered = AtomicUsize::new(0);
    match way {
        Way::TaskEach => {
            let mut tasks = tokio::task::JoinSet::new();
            for item in items() {
                let (client, head) = (client.clone(), Arc::clone(head));
                tasks.spawn(async move { client.send(head.whole(&item)).await });
            }
            while let Some(answer) = tasks.join_next().await {
                black_box(answer.expect("no panic").expect("an answer"));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        Way::OneTask => {
            stream::iter(items())
                .for_each_concurrent(BATCH, |item| async {
                    let item = item;
                    black_box(client.send(head.whole(&item)).await.expect("an answer"));
                    answered.fetch_add(1, Ordering::Relaxed);
                })
                .await;
        }
        Way::Batch => {
            let take = |_: usize, answer: Result<http::Response<Bytes>, push_http::HttpError>| {
                black_box(answer.expect("an answer"));
                answered.fetch_add(1, Ordering::Relaxed);
            };
            client.send_many(Arc::clone(head), items(), &take).await;
        }
    }
    assert_eq!(answered.into_inner(), BATCH);
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut config = HttpConfig::default();
    config.max_connections = 1;
    let client = Client::new(config, Arc::new(TokioClock)).expect("a client");
    let head = head(address);
    let start = Instant::now();
    let ways = [Way::TaskEach, Way::OneTask, Way::Batch];
    let mut costs = ways.map(|_| Vec::new());
    runtime.block_on(async {
        for round in 0..=ROUNDS {
            for (way, costs) in ways.into_iter().zip(&mut costs) {
                let before = used(start);
                for _ in 0..BATCHES {
                    push(way, &client, &head).await;
                }
                let pushes = u32::try_from(BATCH * BATCHES).unwrap_or(u32::MAX);
                // The first round warms up.
                if round > 0 {
                    costs.push((used(start) - before) / pushes);
                }
            }
        }
    });
    let median = |costs: &mut Vec<Duration>| {
        costs.sort();
        costs[costs.len() / 2].as_nanos() as f64
    };
    let base = median(&mut costs[0]);
    let mut out = std::io::stdout().lock();
    for (way, costs) in ways.iter().zip(&mut costs) {
        let cost = median(costs);
        writeln!(
            out,
            "{way:?}: {:.2} µs a push, {:.2} of the first",
            cost / 1000.0,
            cost / base
        )
        .expect("standard output");
    }
}
