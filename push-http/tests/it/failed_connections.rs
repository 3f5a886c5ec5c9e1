//! Connections that cannot be opened, or end before they answer.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use push_http::{HttpClient, HttpConfig, HttpErrorKind, Processed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    DATA, Peer, Server, client, config, failure, post, soon, spawn, spawn_numbered, stats, until,
};

#[tokio::test]
async fn a_protocol_violation_ends_the_connection_and_nothing_is_resent() {
    let server = Server::h2(|number, mut peer| async move {
        assert_eq!(number, 0, "nothing is sent again");
        peer.writer().stream_limit(100).await;
        peer.request().await.unwrap();
        // DATA on stream 0 is a connection error (RFC 9113 §6.1).
        peer.writer().frame(DATA, 0, 0, b"x").await;
        peer.ignore().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let error = failure(&client, &server).await;
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(error.kind(), HttpErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn a_peer_that_is_not_http2_is_named_as_such() {
    let server = Server::raw(|_, mut stream| async move {
        let mut buffer = [0; 24];
        stream.read_exact(&mut buffer).await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let error = failure(&client, &server).await;
    assert_eq!(error.kind(), HttpErrorKind::Protocol, "{error}");
    assert_eq!(error.processed(), Processed::Never);
    assert!(error.message().contains("does not speak HTTP/2"), "{error}");
}

#[tokio::test]
async fn a_failed_attempt_fails_all_waiting_requests_and_backs_off() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let healthy = Arc::new(Mutex::new(false));
    let well = Arc::clone(&healthy);
    // It accepts and closes, so that attempts can be counted.
    let server = Server::raw(move |_, stream| {
        count.fetch_add(1, Ordering::SeqCst);
        let well = *well.lock().unwrap();
        async move {
            if well {
                let peer = Peer::accept(stream).await.unwrap();
                peer.writer().stream_limit(10).await;
                peer.echo().await;
            }
        }
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 50);
    for send in sends {
        let error = soon(send).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect, "{error}");
        assert_eq!(error.processed(), Processed::Never);
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    // 100 ms, then 200, 400, …
    for (wait, expected) in [(99, 1), (1, 2), (199, 2), (1, 3), (399, 3), (1, 4)] {
        clock.advance(std::time::Duration::from_millis(wait));
        let error = failure(&client, &server).await;
        assert_eq!(error.processed(), Processed::Never);
        assert_eq!(attempts.load(Ordering::SeqCst), expected);
    }
    *healthy.lock().unwrap() = true;
    clock.advance(std::time::Duration::from_millis(800));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    // A success forgets the failures.
    assert_eq!(attempts.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_failed_extra_connection_does_not_fail_waiting_requests() {
    let server = Server::raw(move |number, stream| async move {
        if number == 0 {
            let mut peer = Peer::accept(stream).await.unwrap();
            peer.writer().stream_limit(1).await;
            // Past its first answer, so that the pool tries to grow.
            while let Some((stream, _)) = peer.request().await {
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 30);
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert!(server.connections() >= 2, "it did try");
}

#[tokio::test]
async fn waiting_requests_fail_when_the_last_connection_ends_and_no_other_opens() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::raw(move |number, stream| {
        let gone = gone.lock().unwrap().take();
        async move {
            if number > 0 {
                return;
            }
            let mut peer = Peer::accept(stream).await.unwrap();
            peer.writer().stream_limit(1).await;
            let (first, _) = peer.request().await.unwrap();
            peer.writer().answer(first, 200, b"").await;
            peer.request().await.unwrap();
            gone.unwrap().await.unwrap();
        }
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    let held = spawn(&client, &server.url(), "held");
    until("it is on its way", || stats(&client).in_flight == 1).await;
    let waits = spawn(&client, &server.url(), "waits");
    until("one waits", || stats(&client).waiting == 1).await;
    // A peer that allows one stream gets another connection only when the first has had its time.
    clock.advance(std::time::Duration::from_secs(10));
    until("another connection was tried in vain", || {
        server.connections() == 2 && stats(&client).connecting == 0
    })
    .await;
    assert_eq!(stats(&client).waiting, 1);
    go.send(()).unwrap();
    let error = soon(held).await.unwrap().unwrap_err();
    assert_eq!(error.processed(), Processed::Unknown);
    let error = soon(waits).await.unwrap().unwrap_err();
    assert_eq!(error.processed(), Processed::Never);
    assert_eq!(error.kind(), HttpErrorKind::Connect);
}

#[tokio::test]
async fn a_first_request_that_hangs_delays_other_connections_only_for_a_while() {
    let server = Server::h2(|number, mut peer| async move {
        peer.writer().stream_limit(1).await;
        if number == 0 {
            peer.answer_pings = false;
            peer.ignore().await;
        } else {
            peer.echo().await;
        }
    })
    .await;
    let (client, clock) = client(config(r#"{"connect_timeout": "3s"}"#));
    let hangs = spawn(&client, &server.url(), "hangs");
    until("it is on its way", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 1)
    })
    .await;
    let other = spawn(&client, &server.url(), "other");
    until("it waits", || stats(&client).waiting == 1).await;
    assert_eq!(stats(&client).connecting, 0);
    clock.advance(std::time::Duration::from_secs(3));
    soon(other).await.unwrap().unwrap();
    assert_eq!(server.connections(), 2);
    hangs.abort();
}
