//! Peers that go away, refuse, reset, cut and lie.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use push_http::{HttpClient, HttpConfig, HttpErrorKind, MAX_TRIES, Processed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    DATA, Ledger, Peer, REFUSED_STREAM, Server, client, config, post, soon, spawn, stats, until,
};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;

#[tokio::test]
async fn a_goaway_costs_nothing_and_doubles_nothing() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |number, mut peer| {
        let processed = processed.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(100).await;
            if number > 0 {
                while let Some((stream, body)) = peer.request().await {
                    processed.add(&body);
                    writer.answer(stream, 200, b"").await;
                }
                return;
            }
            let open = peer.requests(10).await;
            let last = open[4].0;
            writer.go_away(last, NO_ERROR, b"").await;
            for (stream, body) in open.iter().filter(|(stream, _)| *stream <= last) {
                processed.add(body);
                writer.answer(*stream, 200, b"").await;
            }
            peer.ignore().await;
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..10)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap().status(), 200);
    }
    for it in 0..10 {
        assert_eq!(ledger.count(&it.to_string()), 1, "request {it}");
    }
    assert_eq!(ledger.total(), 10);
    assert_eq!(server.connections(), 2);
    until("the first connection is closed", || {
        stats(&client).draining == 0
    })
    .await;
}

#[tokio::test]
async fn a_goaway_in_two_steps_is_no_different() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |number, mut peer| {
        let processed = processed.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(100).await;
            if number == 0 {
                let open = peer.requests(6).await;
                // RFC 9113 §6.8: first a warning that bears no number yet, a round trip later the truth.
                writer.go_away(0x7fff_ffff, NO_ERROR, b"").await;
                assert_eq!(peer.so_far().await, []);
                writer.go_away(open[2].0, NO_ERROR, b"").await;
                for (stream, body) in &open[..3] {
                    processed.add(body);
                    writer.answer(*stream, 200, b"").await;
                }
                writer.close().await;
            }
            while let Some((stream, body)) = peer.request().await {
                processed.add(&body);
                writer.answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..6)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(ledger.total(), 6);
    assert!((0..6).all(|number| ledger.count(&number.to_string()) == 1));
}

#[tokio::test]
async fn a_request_below_the_last_stream_of_a_goaway_is_unknown_and_not_resent() {
    let reason = br#"{"reason":"Shutdown"}"#;
    let server = Server::h2(move |number, mut peer| async move {
        assert_eq!(number, 0, "nothing is sent again");
        peer.writer().stream_limit(100).await;
        let (stream, _) = peer.request().await.unwrap();
        peer.writer().go_away(stream, NO_ERROR, reason).await;
        peer.writer().close().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
    assert_eq!(error.processed(), Processed::Unknown);
    let go_away = error.go_away().unwrap();
    assert_eq!(go_away.debug_data(), &reason[..]);
    assert_eq!((go_away.code(), go_away.last_stream()), (NO_ERROR, 1));
    assert!(error.to_string().contains("(GOAWAY NO_ERROR: "), "{error}");
    assert!(error.to_string().contains("Shutdown"), "{error}");
    assert!(
        error.to_string().starts_with(&server.url()),
        "{error} says where"
    );
}

#[tokio::test]
async fn a_goaway_with_an_error_says_what_the_peer_said() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(100).await;
        peer.request().await.unwrap();
        let reason = br#"{"reason":"BadCertificate"}"#;
        peer.writer().go_away(1, 11, reason).await;
        peer.writer().close().await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(error.go_away().unwrap().code(), 11);
    assert!(error.to_string().contains("BadCertificate"), "{error}");
}

#[tokio::test]
async fn a_goaway_that_took_no_stream_sends_everything_again_elsewhere() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |number, mut peer| {
        let processed = processed.clone();
        async move {
            peer.writer().stream_limit(100).await;
            if number == 0 {
                peer.requests(5).await;
                // RFC 9113 §6.8: 0 means that no stream was processed.
                peer.writer().go_away(0, NO_ERROR, b"").await;
                peer.ignore().await;
                return;
            }
            while let Some((stream, body)) = peer.request().await {
                processed.add(&body);
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..5)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    assert_eq!(ledger.total(), 5);
    assert!((0..5).all(|number| ledger.count(&number.to_string()) == 1));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_peer_that_always_goes_away_is_not_connected_to_over_and_over() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(100).await;
        peer.request().await.unwrap();
        let reason = br#"{"reason":"BadCertificate"}"#;
        peer.writer().go_away(0, NO_ERROR, reason).await;
        peer.ignore().await;
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    // The first end is free, the second makes it pause; what the peer said is passed on all the while.
    for _ in 0..3 {
        let error = soon(client.send(post(&server.url(), "x")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect);
        assert_eq!(error.processed(), Processed::Never);
        assert!(error.to_string().contains("BadCertificate"), "{error}");
        assert!(error.is_transient());
        assert_eq!(server.connections(), 2);
    }
    clock.advance(std::time::Duration::from_millis(100));
    soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
    assert_eq!(server.connections(), 3);
}

/// RFC 9113 §6.8: what is on a connection that is shut down gracefully is still answered, so nothing has failed yet.
#[tokio::test]
async fn graceful_goaways_before_the_first_answer_fail_no_waiting_request() {
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let gate = go.clone();
    let server = Server::h2(move |number, mut peer| {
        let mut gate = gate.subscribe();
        async move {
            peer.writer().stream_limit(1).await;
            let (stream, _) = peer.request().await.unwrap();
            if number < 4 {
                peer.writer().go_away(stream, NO_ERROR, b"").await;
                gate.recv().await.unwrap();
            }
            peer.writer().answer(stream, 200, b"").await;
            peer.ignore().await;
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends: Vec<_> = (0..5)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    until("each has a connection", || server.connections() == 5).await;
    go.send(()).unwrap();
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap().status(), 200);
    }
}

/// The measured trap: 5 GOAWAYs among 30,000 pushes cost another client 616 of them. Fewer pushes, more GOAWAYs here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goaways_under_load_lose_nothing_and_double_nothing() {
    const PUSHES: usize = 6000;
    const PER_CONNECTION: usize = 500;
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |_, mut peer| {
        let processed = processed.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(200).await;
            let mut last = u32::MAX;
            let mut count = 0;
            // What it has promised to look at it answers, even if the body came after the GOAWAY.
            while let Some((stream, body)) = peer.request().await {
                if stream > last {
                    continue;
                }
                processed.add(&body);
                count += 1;
                if count == PER_CONNECTION {
                    last = stream;
                    writer.go_away(last, NO_ERROR, b"").await;
                }
                writer.answer(stream, 200, &body).await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 2}"#));
    let sends: Vec<_> = (0..PUSHES)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    for (it, send) in sends.into_iter().enumerate() {
        let response = soon(send).await.unwrap().unwrap();
        assert_eq!(response.body(), it.to_string().as_bytes());
    }
    assert_eq!(ledger.total(), PUSHES);
    assert!((0..PUSHES).all(|number| ledger.count(&number.to_string()) == 1));
    assert!(server.connections() >= 10, "it went away often");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_on_another_connection() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |number, mut peer| {
        let processed = processed.clone();
        async move {
            peer.writer().stream_limit(100).await;
            while let Some((stream, body)) = peer.request().await {
                if number == 0 {
                    peer.writer().reset(stream, REFUSED_STREAM).await;
                } else {
                    processed.add(&body);
                    peer.writer().answer(stream, 200, b"").await;
                }
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(ledger.count("x"), 1);
    assert_eq!(server.connections(), 2);
    assert_eq!(stats(&client).connections, 2, "the first is kept");
}

#[tokio::test]
async fn a_stream_refused_over_and_over_is_reported_as_never_processed() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let server = Server::h2(move |_, mut peer| {
        let count = Arc::clone(&count);
        async move {
            peer.writer().stream_limit(100).await;
            while let Some((stream, _)) = peer.request().await {
                count.fetch_add(1, Ordering::SeqCst);
                peer.writer().reset(stream, REFUSED_STREAM).await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Refused);
    assert_eq!(error.processed(), Processed::Never);
    assert_eq!(refused.load(Ordering::SeqCst), MAX_TRIES);
    assert_eq!(server.connections(), 1, "no other connection was allowed");
}

#[tokio::test]
async fn a_reset_stream_is_unknown_and_spares_its_neighbours() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |_, mut peer| {
        let processed = processed.clone();
        async move {
            peer.writer().stream_limit(100).await;
            while let Some((stream, body)) = peer.request().await {
                processed.add(&body);
                if body == "bad" {
                    peer.writer().reset(stream, INTERNAL_ERROR).await;
                } else {
                    peer.writer().answer(stream, 200, b"").await;
                }
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let good = spawn(&client, &server.url(), "good");
    let bad = spawn(&client, &server.url(), "bad");
    soon(good).await.unwrap().unwrap();
    let error = soon(bad).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Reset);
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(ledger.count("bad"), 1);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown_even_if_the_peer_calls_it_refused() {
    let server = Server::h2(|number, mut peer| async move {
        assert_eq!(number, 0, "nothing is sent again");
        let writer = peer.writer();
        writer.stream_limit(100).await;
        while let Some((stream, _)) = peer.request().await {
            writer.begin_answer(stream, 200, false).await;
            writer.frame(DATA, 0, stream, b"half an ans").await;
            // The client has read so much when it answers a PING.
            peer.so_far().await;
            writer.reset(stream, REFUSED_STREAM).await;
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
    assert_eq!(error.processed(), Processed::Unknown);
}

#[tokio::test]
async fn a_cut_connection_leaves_its_requests_unknown_and_resends_the_rest() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let server = Server::h2(move |number, mut peer| {
        let processed = processed.clone();
        async move {
            peer.writer().stream_limit(3).await;
            if number == 0 {
                for (_, body) in peer.requests(3).await {
                    processed.add(&body);
                }
                return;
            }
            while let Some((stream, body)) = peer.request().await {
                processed.add(&body);
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let sends: Vec<_> = (0..8)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    let mut lost = 0;
    for send in sends {
        match soon(send).await.unwrap() {
            Ok(response) => assert_eq!(response.status(), 200),
            Err(error) => {
                assert_eq!(error.kind(), HttpErrorKind::Closed);
                assert_eq!(error.processed(), Processed::Unknown);
                lost += 1;
            }
        }
    }
    assert_eq!(lost, 3);
    assert_eq!(ledger.total(), 8);
    assert!((0..8).all(|number| ledger.count(&number.to_string()) == 1));
}

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
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
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
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .unwrap_err();
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
    let sends: Vec<_> = (0..50)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
    for send in sends {
        let error = soon(send).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect, "{error}");
        assert_eq!(error.processed(), Processed::Never);
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    // 100 ms, then 200, 400, …
    for (wait, expected) in [(99, 1), (1, 2), (199, 2), (1, 3), (399, 3), (1, 4)] {
        clock.advance(std::time::Duration::from_millis(wait));
        let error = soon(client.send(post(&server.url(), "x")))
            .await
            .unwrap_err();
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
    let sends: Vec<_> = (0..30)
        .map(|number| spawn(&client, &server.url(), number.to_string()))
        .collect();
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
