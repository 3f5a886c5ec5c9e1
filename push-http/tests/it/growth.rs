//! What the peer allows on a connection, and when another connection is opened.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use push_core::Clock;
use push_http::{HttpClient, HttpConfig, HttpErrorKind, Processed};
use push_testkit::until_idle;

use crate::support::{
    PING, Peer, SETTINGS, Server, client, config, echo_server, post, soon, spawn, spawn_numbered,
    stats, until,
};

#[tokio::test]
async fn nothing_is_sent_before_the_peers_settings() {
    let (done, checked) = tokio::sync::oneshot::channel();
    let done = Mutex::new(Some(done));
    let server = Server::h2(move |_, mut peer| {
        let done = done.lock().unwrap().take().unwrap();
        async move {
            // A PING before SETTINGS is not polite, but its answer shows that the client has sent all it will.
            assert_eq!(peer.so_far().await, []);
            peer.writer().stream_limit(10).await;
            let (stream, _) = peer.request().await.unwrap();
            peer.writer().answer(stream, 200, b"").await;
            done.send(()).unwrap();
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    soon(checked).await.unwrap();
}

#[tokio::test]
async fn the_stream_limit_is_obeyed_when_it_goes_from_1_to_1000_to_1() {
    let (step, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let (go, gone) = tokio::sync::mpsc::unbounded_channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(gone));
    let server = Server::h2(move |_, mut peer| {
        let (step, gone) = (step.clone(), Arc::clone(&gone));
        async move {
            let writer = peer.writer();
            writer.stream_limit(1).await;
            let (first, _) = peer.request().await.unwrap();
            gone.lock().await.recv().await.unwrap();
            assert_eq!(peer.so_far().await, [], "one stream only");
            writer.stream_limit(1000).await;
            writer.answer(first, 200, b"").await;
            let open = peer.requests(49).await;
            writer.stream_limit(1).await;
            while peer.acknowledged < 4 {
                // Preface, 1, 1000 and 1 again.
                peer.so_far().await;
                if peer.acknowledged == 3 {
                    break;
                }
            }
            step.send(open.len()).unwrap();
            for (stream, _) in open {
                writer.answer(stream, 200, b"").await;
            }
            gone.lock().await.recv().await.unwrap();
            for _ in 0..20 {
                let (stream, _) = peer.request().await.unwrap();
                assert_eq!(peer.so_far().await, [], "one stream only, again");
                writer.answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let sends = spawn_numbered(&client, &server, 50);
    until("49 wait", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.waiting == 49)
    })
    .await;
    assert_eq!(stats(&client).stream_limit, Some(1));
    go.send(()).unwrap();
    assert_eq!(soon(steps.recv()).await, Some(49));
    assert_eq!(stats(&client).stream_limit, Some(1));
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap().status(), 200);
    }
    let sends = spawn_numbered(&client, &server, 20);
    until("19 wait", || stats(&client).waiting == 19).await;
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_peer_that_has_not_answered_yet_is_not_flooded_with_connections() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::h2(move |number, mut peer| {
        let gone = gone.lock().unwrap().take();
        async move {
            assert_eq!(number, 0, "one connection is enough");
            peer.writer().stream_limit(1).await;
            let (first, _) = peer.request().await.unwrap();
            gone.unwrap().await.unwrap();
            peer.writer().stream_limit(1000).await;
            peer.writer().answer(first, 200, b"").await;
            peer.echo().await;
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 200);
    until("199 wait", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.waiting == 199)
    })
    .await;
    assert_eq!(stats(&client).connecting, 0);
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn used_up_streams_open_more_connections_up_to_the_limit() {
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let gate = go.clone();
    let server = Server::h2(move |_, mut peer| {
        let mut gate = gate.subscribe();
        async move {
            peer.writer().stream_limit(10).await;
            let held = peer.requests(10).await;
            assert_eq!(peer.so_far().await, []);
            gate.recv().await.unwrap();
            for (stream, _) in held {
                peer.writer().answer(stream, 200, b"").await;
            }
            peer.echo().await;
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 3}"#));
    let sends = spawn_numbered(&client, &server, 50);
    until("three connections are full", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 30 && stats.waiting == 20)
    })
    .await;
    assert_eq!(stats(&client).connections, 3);
    assert_eq!(stats(&client).connecting, 0);
    until("all peers hold ten", || go.receiver_count() == 3).await;
    // Each peer has to be past its check before it is released.
    until_idle().await;
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 3);
    assert_eq!(stats(&client).opened, 3);
}

/// A peer that never gives window back: a connection can carry 65,535 bytes of bodies in all.
async fn stingy_server(got: Arc<Mutex<Vec<usize>>>) -> Server {
    Server::h2(move |number, mut peer| {
        let got = Arc::clone(&got);
        async move {
            peer.replenish = false;
            peer.writer().stream_limit(1000).await;
            got.lock().expect("a log").push(0);
            while let Some((stream, body)) = peer.request().await {
                got.lock().expect("a log")[number] += body.len();
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_used_up_window_opens_more_connections() {
    let got = Arc::default();
    let server = stingy_server(Arc::clone(&got)).await;
    let (client, _clock) = client(config(r#"{"max_connections": 4}"#));
    // 16 bodies of 4,000 bytes fit a window, so 60 need four connections.
    let sends: Vec<_> = (0..60)
        .map(|_| spawn(&client, &server.url(), vec![b'x'; 4000]))
        .collect();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 4);
    let got = got.lock().unwrap();
    assert_eq!(got.iter().sum::<usize>(), 60 * 4000);
    assert!(got.iter().all(|bytes| *bytes <= 65_535), "{got:?}");
}

#[tokio::test]
async fn a_request_waits_for_the_window_when_no_connection_can_be_added() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::h2(move |_, mut peer| {
        let gone = gone.lock().unwrap().take().unwrap();
        async move {
            let writer = peer.writer();
            peer.replenish = false;
            writer.stream_limit(1000).await;
            // Two whole bodies fit; the third is on its way in part.
            let held = peer.requests(2).await;
            gone.await.unwrap();
            for (stream, _) in held {
                writer.answer(stream, 200, b"").await;
            }
            peer.replenish = true;
            writer.window_update(0, 65_535).await;
            peer.echo().await;
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let sends: Vec<_> = (0..6)
        .map(|_| spawn(&client, &server.url(), vec![b'x'; 30_000]))
        .collect();
    until("three are on the connection", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.in_flight == 3 && stats.waiting == 3)
    })
    .await;
    go.send(()).unwrap();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_body_larger_than_the_window_is_sent_in_parts() {
    let server = echo_server().await;
    let (client, _clock) = client(config(
        r#"{"max_connections": 1, "max_response_bytes": 1000000}"#,
    ));
    let sends: Vec<_> = (0..3)
        .map(|byte| spawn(&client, &server.url(), vec![byte; 200_000]))
        .collect();
    for (it, send) in sends.into_iter().enumerate() {
        let response = soon(send).await.unwrap().unwrap();
        assert_eq!(response.body().len(), 200_000);
        assert!(response.body().iter().all(|byte| usize::from(*byte) == it));
    }
}

#[tokio::test]
async fn a_window_promised_to_a_request_that_was_dropped_comes_back() {
    let server = Server::h2(|_, mut peer| async move {
        peer.replenish = false;
        peer.writer().stream_limit(1000).await;
        while let Some((stream, body)) = peer.request().await {
            if body != "hold" {
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    for _ in 0..100 {
        // Never polled far enough to be written, so that 6 MB are promised and given back.
        let send = client.send(post(&server.url(), vec![b'x'; 60_000]));
        assert!(futures_util::FutureExt::now_or_never(send).is_none());
    }
    let response = soon(client.send(post(&server.url(), vec![b'x'; 60_000])))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_peer_that_allows_no_stream_for_a_while_is_waited_for() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(0).await;
        assert_eq!(peer.so_far().await, []);
        peer.writer().stream_limit(5).await;
        peer.echo().await;
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
}

#[tokio::test]
async fn a_stream_limit_of_0_is_waited_out_on_the_same_connection() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Mutex::new(Some(gone));
    let server = Server::h2(move |_, mut peer| {
        let gone = gone.lock().unwrap().take();
        async move {
            peer.writer().stream_limit(0).await;
            assert_eq!(peer.so_far().await, []);
            gone.expect("no second connection").await.unwrap();
            peer.writer().stream_limit(10).await;
            peer.echo().await;
        }
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 20);
    until("all wait", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.waiting == 20 && stats.connections == 1)
    })
    .await;
    // Past the time that a connection has to warm up.
    clock.advance(std::time::Duration::from_secs(11));
    let late = spawn(&client, &server.url(), "late");
    until("21 wait", || stats(&client).waiting == 21).await;
    assert_eq!((stats(&client).connecting, server.connections()), (0, 1));
    go.send(()).unwrap();
    for send in sends.into_iter().chain([late]) {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(stats(&client).opened, server.connections() as u64);
}

#[tokio::test]
async fn a_connection_without_streams_until_the_deadline_is_replaced() {
    let server = Server::h2(|number, peer| async move {
        peer.writer()
            .stream_limit(if number == 0 { 0 } else { 10 })
            .await;
        peer.echo().await;
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let first = spawn(&client, &server.url(), "first");
    until("it waits for a stream", || {
        client
            .stats()
            .first()
            .is_some_and(|stats| stats.waiting == 1 && stats.connections == 1)
    })
    .await;
    clock.advance(std::time::Duration::from_secs(30));
    let error = soon(first).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_eq!(error.processed(), Processed::Never);
    assert!(error.message().contains("stream limit is 0"), "{error}");
    soon(client.send(post(&server.url(), "second")))
        .await
        .unwrap();
    assert_eq!(server.connections(), 2);
}

/// Measured before: 60 messages opened 29 connections.
#[tokio::test]
async fn a_peer_that_allows_one_stream_is_connected_to_slowly() {
    let server = Server::h2(|_, peer| async move {
        peer.writer().stream_limit(1).await;
        peer.echo().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 60);
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    // Four round trips on the newest connection before the next: 4 + 8 + 12 + 16 + 20 messages need five.
    let opened = server.connections();
    assert!((2..=7).contains(&opened), "{opened} connections");
}

/// The same with a round trip of 50 ms. Measured before: 29 connections in half a second.
#[tokio::test]
async fn connections_to_a_peer_with_one_stream_grow_with_its_round_trips() {
    const ROUND_TRIP: std::time::Duration = std::time::Duration::from_millis(50);
    let (client, clock) = client(HttpConfig::default());
    let held = Arc::new(AtomicUsize::new(0));
    let (time, holding) = (clock.clone(), Arc::clone(&held));
    let server = Server::h2(move |_, mut peer| {
        let (clock, held) = (time.clone(), Arc::clone(&holding));
        async move {
            peer.writer().stream_limit(1).await;
            while let Some((stream, _)) = peer.request().await {
                let round_trip = clock.sleep(ROUND_TRIP);
                held.fetch_add(1, Ordering::SeqCst);
                round_trip.await;
                held.fetch_sub(1, Ordering::SeqCst);
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let sends = spawn_numbered(&client, &server, 60);
    let mut opened = Vec::new();
    let mut answered = 0;
    while answered < 60 {
        until("every connection has its request", || {
            client.stats().first().is_some_and(|stats| {
                stats.connecting == 0
                    && stats.in_flight == held.load(Ordering::SeqCst)
                    && stats.in_flight == stats.connections.min(60 - answered)
                    && stats.in_flight + stats.waiting == 60 - answered
            })
        })
        .await;
        opened.push(server.connections());
        answered += held.load(Ordering::SeqCst);
        clock.advance(ROUND_TRIP);
    }
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    // Another connection for every four round trips: three in half a second, five for all that there is to send.
    let expected: Vec<_> = (1..=5).flat_map(|count| [count; 4]).collect();
    assert_eq!(opened, expected);
}

#[tokio::test]
async fn a_settings_frame_in_pieces_is_read() {
    use tokio::io::AsyncWriteExt;
    let server = Server::raw(|_, mut stream| async move {
        // SETTINGS_MAX_CONCURRENT_STREAMS = 7, one byte per segment.
        for byte in [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7] {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        let peer = Peer::accept(stream).await.unwrap();
        peer.writer().frame(PING, 0, 0, b"whatever").await;
        peer.echo().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(stats(&client).stream_limit, Some(7));
}
