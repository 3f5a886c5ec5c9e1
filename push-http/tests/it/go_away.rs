//! Peers that shut connections down with GOAWAY.
use push_http::{HttpConfig, HttpErrorKind, Processed};

use crate::support::{Server, client, config, failure, soon, spawn_numbered, stats, until};

const NO_ERROR: u32 = 0;

#[tokio::test]
async fn a_goaway_loses_and_repeats_nothing() {
    let (server, ledger) = Server::with_ledger(|number, mut peer, processed| async move {
        let writer = peer.writer();
        writer.stream_limit(100).await;
        if number > 0 {
            peer.process(&processed).await;
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
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 10);
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap().status(), 200);
    }
    ledger.has_each_once(10);
    assert_eq!(server.connections(), 2);
    until("the first connection is closed", || {
        stats(&client).draining == 0
    })
    .await;
}

#[tokio::test]
async fn a_goaway_in_two_steps_loses_and_repeats_nothing() {
    let (server, ledger) = Server::with_ledger(|number, mut peer, processed| async move {
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
        peer.process(&processed).await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 6);
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    ledger.has_each_once(6);
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
    let error = failure(&client, &server).await;
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
    let error = failure(&client, &server).await;
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(error.go_away().unwrap().code(), 11);
    assert!(error.to_string().contains("BadCertificate"), "{error}");
}

#[tokio::test]
async fn a_goaway_that_took_no_stream_sends_everything_again_elsewhere() {
    let (server, ledger) = Server::with_ledger(|number, mut peer, processed| async move {
        peer.writer().stream_limit(100).await;
        if number == 0 {
            peer.requests(5).await;
            // RFC 9113 §6.8: 0 means that no stream was processed.
            peer.writer().go_away(0, NO_ERROR, b"").await;
            peer.ignore().await;
            return;
        }
        peer.process(&processed).await;
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let sends = spawn_numbered(&client, &server, 5);
    for send in sends {
        soon(send).await.unwrap().unwrap();
    }
    ledger.has_each_once(5);
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
        let error = failure(&client, &server).await;
        assert_eq!(error.kind(), HttpErrorKind::Connect);
        assert_eq!(error.processed(), Processed::Never);
        assert!(error.to_string().contains("BadCertificate"), "{error}");
        assert!(error.is_transient());
        assert_eq!(server.connections(), 2);
    }
    clock.advance(std::time::Duration::from_millis(100));
    failure(&client, &server).await;
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
    let sends = spawn_numbered(&client, &server, 5);
    until("each has a connection", || server.connections() == 5).await;
    go.send(()).unwrap();
    for send in sends {
        assert_eq!(soon(send).await.unwrap().unwrap().status(), 200);
    }
}

/// Another client lost 616 of 30,000 pushes to 5 GOAWAYs. This test sends fewer pushes through more GOAWAYs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goaways_under_load_lose_and_repeat_nothing() {
    const PUSHES: usize = 6000;
    const PER_CONNECTION: usize = 500;
    let (server, ledger) = Server::with_ledger(|_, mut peer, processed| async move {
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
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 2}"#));
    let sends = spawn_numbered(&client, &server, PUSHES);
    for (it, send) in sends.into_iter().enumerate() {
        let response = soon(send).await.unwrap().unwrap();
        assert_eq!(response.body(), it.to_string().as_bytes());
    }
    ledger.has_each_once(PUSHES);
    assert!(server.connections() >= 10, "it went away often");
}
