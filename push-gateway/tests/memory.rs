//! What strangers can make the process keep in memory.
#![cfg(target_os = "linux")]
mod support;

use std::{fs, time::Duration};

use serde_json::json;
use support::{
    SECOND,
    served::{SERVER_KEY, Served, settings, token_body},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// How much memory the process has, in bytes: the second number of `statm` counts pages of 4 KiB.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("a process");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}

/// Sends as much of a body of `length` bytes as the gateway takes, in portions from one buffer, and waits for the end.
async fn flood(mut stream: TcpStream, head: String, length: usize) {
    static PORTION: [u8; 64 * 1024] = [b' '; 64 * 1024];
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    for _ in 0..length / PORTION.len() {
        // It answers and closes when it has seen enough.
        if stream.write_all(&PORTION).await.is_err() {
            return;
        }
    }
    stream.read_to_end(&mut Vec::new()).await.ok();
}

/// Floods the gateway from `connections` connections, and returns by how much the process grew at most.
async fn growth(served: &Served, connections: usize, head: &str, length: usize) -> u64 {
    let before = resident();
    let mut floods = JoinSet::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(served.address)
            .await
            .expect("a connection");
        floods.spawn(flood(stream, head.to_owned(), length));
    }
    let mut most = before;
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    loop {
        tokio::select! {
            ended = floods.join_next() => match ended {
                Some(_) => most = most.max(resident()),
                None => return most - before,
            },
            _ = ticks.tick() => {
                most = most.max(resident());
                // A client that stalls is given up in time.
                served.world.clock.advance(SECOND / 10);
            }
        }
    }
}

const MIB: u64 = 1024 * 1024;

/// 8 MiB from each of 100 phones took 800 MiB.
#[tokio::test]
async fn large_bodies_of_phones_take_no_memory() {
    let served = Served::new().await;
    let certificate = served.credential().await;
    let ticket = served.ticket("alice").await;
    let path = "/v1/devices/alice-phone/registrations/alert";
    let body = Some(token_body("aa01", certificate));
    let answer = served.call("PUT", path, &ticket, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let length = 8 * 1024 * 1024;
    for framing in [
        format!("content-length: {length}\r\n\r\n"),
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n"),
    ] {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {ticket}\r\n{framing}"
        );
        let growth = growth(&served, 100, &head, length).await;
        assert!(growth < 64 * MIB, "{} MiB", growth / MIB);
    }
    let answer = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(answer.body["devices"].as_array().map(Vec::len), Some(1));
}

/// Bodies of an IM server are kept up to the configured memory, however many it sends at once.
#[tokio::test]
async fn large_bodies_of_servers_take_the_configured_memory() {
    let mut small = settings();
    small.body_limit = 4 * 1024 * 1024;
    small.body_memory = 16 * 1024 * 1024;
    let served = Served::with(small, &[]).await;
    let length = 4 * 1024 * 1024;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-length: {length}\r\n\r\n"
    );
    // Their bodies never end: a byte is missing.
    let growth = growth(&served, 100, &head, length - 1).await;
    assert!(growth < 96 * MIB, "{} MiB", growth / MIB);
    let message =
        json!({"id": "m", "receivers": ["alice"], "elements": [{"type": "text", "text": "x"}]});
    let answer = served
        .call("POST", "/v1/messages", SERVER_KEY, Some(message))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// Connections that send a part of a head as long as may be.
#[tokio::test]
async fn long_heads_take_a_bounded_buffer_each() {
    let served = Served::new().await;
    let head = "GET /v1/reasons HTTP/1.1\r\nhost: g\r\nx: ";
    let growth = growth(&served, 200, head, 8 * 1024 * 1024).await;
    assert!(growth < 64 * MIB, "{} MiB", growth / MIB);
    assert_eq!(served.get("/healthz", "").await.status, 200);
}
