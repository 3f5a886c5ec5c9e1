//! Peers that say nothing: deadlines, timeouts, PINGs. Time stands still but for what a test moves it.
use std::time::Duration;

use push_http::{HttpClient, HttpConfig, HttpErrorKind, Processed};
use push_testkit::until_idle;
use tokio::io::AsyncReadExt;

use crate::support::{
    DATA, Event, PING, Peer, Server, client, config, post, soon, spawn, spawn_numbered, stats,
    until,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_peer_that_never_says_hello_is_a_connect_timeout() {
    let server = Server::raw(|_, mut stream| async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.ok();
    })
    .await;
    let (client, clock) = client(config(r#"{"connect_timeout": "3s"}"#));
    let send = spawn(&client, &server.url(), "x");
    until("it connects", || server.connections() == 1).await;
    clock.advance(3 * SECOND);
    let error = soon(send).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Connect);
    assert_eq!(error.processed(), Processed::Never);
    assert!(error.message().contains("SETTINGS"), "{error}");
    assert!(error.message().contains("3s"), "{error}");
}

#[tokio::test]
async fn a_request_has_a_deadline_while_it_waits_and_was_then_never_processed() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(0).await;
        assert_ne!(peer.so_far().await.first(), Some(&Event::GoAway));
        peer.ignore().await;
    })
    .await;
    let (client, clock) = client(config(
        r#"{"request_deadline": "5s", "max_connections": 1}"#,
    ));
    let send = spawn(&client, &server.url(), "x");
    until("it waits", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.connections == 1 && stats.waiting == 1)
    })
    .await;
    clock.advance(5 * SECOND);
    let error = soon(send).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_eq!(error.processed(), Processed::Never);
    assert_eq!(stats(&client).waiting, 0);
}

#[tokio::test]
async fn a_peer_that_answers_pings_but_no_request_is_left_at_the_deadline() {
    let server = Server::h2(|number, peer| async move {
        peer.writer().stream_limit(10).await;
        if number == 0 {
            peer.ignore().await;
        } else {
            peer.echo().await;
        }
    })
    .await;
    let (client, clock) = client(config(r#"{"request_deadline": "5s"}"#));
    let send = spawn(&client, &server.url(), "x");
    until("it is on its way", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 1)
    })
    .await;
    clock.advance(5 * SECOND);
    let error = soon(send).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_eq!(error.processed(), Processed::Unknown);
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_deadline_includes_the_body_of_the_answer() {
    let (half, mut halves) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let half = half.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(10).await;
            let (stream, _) = peer.request().await.unwrap();
            writer.begin_answer(stream, 200, false).await;
            writer.frame(DATA, 0, stream, b"half an ans").await;
            peer.so_far().await;
            half.send(()).unwrap();
            peer.ignore().await;
        }
    })
    .await;
    let (client, clock) = client(config(r#"{"request_deadline": "5s"}"#));
    let send = spawn(&client, &server.url(), "x");
    soon(halves.recv()).await.unwrap();
    clock.advance(5 * SECOND);
    let error = soon(send).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_eq!(error.processed(), Processed::Unknown);
    // It had begun to answer: the connection is alive and stays.
    assert_eq!(stats(&client).connections, 1);
}

/// Reads and never answers, not even a PING.
async fn black_hole(mut peer: Peer) {
    peer.answer_pings = false;
    peer.replenish = false;
    peer.ignore().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_the_next_request_gets_another() {
    let (pings, mut pinged) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |number, mut peer| {
        let pings = pings.clone();
        async move {
            peer.writer().stream_limit(10).await;
            if number > 0 {
                return peer.echo().await;
            }
            let (first, _) = peer.request().await.unwrap();
            peer.writer().answer(first, 200, b"").await;
            peer.answer_pings = false;
            peer.replenish = false;
            while let Some(event) = peer.next().await {
                if event == Event::Ping {
                    pings.send(()).unwrap();
                }
            }
        }
    })
    .await;
    let (client, clock) = client(config(
        r#"{"ping_interval": "20s", "ping_timeout": "10s", "request_deadline": "10m"}"#,
    ));
    soon(client.send(post(&server.url(), "answered")))
        .await
        .unwrap();
    let lost = spawn(&client, &server.url(), "lost");
    until("it is on its way", || stats(&client).in_flight == 1).await;
    // In the first interval something was heard; in the second nothing.
    clock.advance(20 * SECOND);
    until_idle().await;
    assert!(pinged.try_recv().is_err());
    clock.advance(20 * SECOND);
    soon(pinged.recv()).await.unwrap();
    clock.advance(9 * SECOND);
    until_idle().await;
    assert_eq!(stats(&client).connections, 1, "it has a second left");
    clock.advance(SECOND);
    let error = soon(lost).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Silent, "{error}");
    assert_eq!(error.processed(), Processed::Unknown);
    until("it is gone", || stats(&client).connections == 0).await;
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_slow_peer_that_answers_pings_is_kept() {
    let (pings, mut pinged) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let pings = pings.clone();
        async move {
            peer.writer().stream_limit(10).await;
            let (stream, _) = peer.request().await.unwrap();
            for _ in 0..3 {
                while peer.next().await.unwrap() != Event::Ping {}
                pings.send(()).unwrap();
            }
            peer.writer().answer(stream, 200, b"").await;
            peer.ignore().await;
        }
    })
    .await;
    let (client, clock) = client(config(
        r#"{"ping_interval": "20s", "ping_timeout": "10s", "request_deadline": "10m"}"#,
    ));
    let send = spawn(&client, &server.url(), "x");
    until("it is on its way", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 1)
    })
    .await;
    for _ in 0..3 {
        while pinged.try_recv().is_err() {
            clock.advance(SECOND);
            until_idle().await;
        }
    }
    soon(send).await.unwrap().unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_first_request_after_a_silence_sends_a_ping_at_once() {
    let (pings, mut pinged) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |number, mut peer| {
        let pings = pings.clone();
        async move {
            peer.writer().stream_limit(10).await;
            if number > 0 {
                return peer.echo().await;
            }
            let (first, _) = peer.request().await.unwrap();
            peer.writer().answer(first, 200, b"").await;
            peer.answer_pings = false;
            peer.replenish = false;
            while let Some(event) = peer.next().await {
                if event == Event::Ping {
                    pings.send(()).unwrap();
                }
            }
        }
    })
    .await;
    let (client, clock) = client(config(
        r#"{"ping_interval": "20s", "ping_timeout": "2s", "request_deadline": "1m"}"#,
    ));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    for _ in 0..5 {
        clock.advance(20 * SECOND);
        until_idle().await;
    }
    assert!(pinged.try_recv().is_err(), "idle, so no PING is sent");
    let send = spawn(&client, &server.url(), "x");
    soon(pinged.recv()).await.unwrap();
    clock.advance(2 * SECOND);
    let error = soon(send).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Silent);
    assert_eq!(error.processed(), Processed::Unknown);
}

#[tokio::test]
async fn an_idle_connection_is_pinged_once_an_hour() {
    let (pings, mut pinged) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let pings = pings.clone();
        async move {
            peer.writer().stream_limit(10).await;
            while let Some(event) = peer.next().await {
                match event {
                    Event::Request { stream, .. } => peer.writer().answer(stream, 200, b"").await,
                    Event::Ping => pings.send(()).unwrap(),
                    _ => {}
                }
            }
        }
    })
    .await;
    let (client, clock) = client(config(
        r#"{"ping_interval": "20m", "idle_ping_interval": "1h"}"#,
    ));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    let mut count = 0;
    for _ in 0..12 * 6 {
        clock.advance(600 * SECOND);
        until_idle().await;
        while pinged.try_recv().is_ok() {
            count += 1;
        }
    }
    assert!((6..=12).contains(&count), "{count} PINGs in twelve hours");
}

#[tokio::test]
async fn a_black_hole_is_left_after_one_interval_and_one_timeout() {
    let server = Server::h2(|number, peer| async move {
        peer.writer().stream_limit(10).await;
        if number == 0 {
            black_hole(peer).await;
        } else {
            peer.echo().await;
        }
    })
    .await;
    let (client, clock) = client(config(
        r#"{"ping_interval": "1s", "ping_timeout": "1s", "request_deadline": "10m"}"#,
    ));
    let sends = spawn_numbered(&client, &server, 10);
    until("all are on their way", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 10)
    })
    .await;
    let mut seconds = 0;
    while stats(&client).in_flight > 0 {
        clock.advance(SECOND);
        until_idle().await;
        seconds += 1;
        assert!(seconds <= 4, "it takes too long");
    }
    for send in sends {
        let error = soon(send).await.unwrap().unwrap_err();
        assert_eq!(error.processed(), Processed::Unknown);
    }
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
}

#[tokio::test]
async fn a_ping_of_the_peer_is_answered() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(10).await;
        let (stream, _) = peer.request().await.unwrap();
        peer.writer().frame(PING, 0, 0, b"are you?").await;
        while peer.next().await.unwrap() != Event::Pong {}
        peer.writer().answer(stream, 200, b"").await;
        peer.ignore().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
}
