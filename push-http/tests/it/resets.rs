//! Peers that refuse or reset streams, or cut connections.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use push_http::{HttpClient, HttpConfig, HttpErrorKind, MAX_TRIES, Processed};

use crate::support::{
    DATA, REFUSED_STREAM, Server, client, config, failure, post, soon, spawn, spawn_numbered, stats,
};

const INTERNAL_ERROR: u32 = 2;

#[tokio::test]
async fn a_refused_stream_is_sent_again_on_another_connection() {
    let (server, ledger) = Server::with_ledger(|number, mut peer, processed| async move {
        peer.writer().stream_limit(100).await;
        while let Some((stream, body)) = peer.request().await {
            if number == 0 {
                peer.writer().reset(stream, REFUSED_STREAM).await;
            } else {
                processed.add(&body);
                peer.writer().answer(stream, 200, b"").await;
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
    let error = failure(&client, &server).await;
    assert_eq!(error.kind(), HttpErrorKind::Refused);
    assert_eq!(error.processed(), Processed::Never);
    assert_eq!(refused.load(Ordering::SeqCst), MAX_TRIES);
    assert_eq!(server.connections(), 1, "no other connection was allowed");
}

#[tokio::test]
async fn a_reset_stream_is_unknown_and_spares_its_neighbours() {
    let (server, ledger) = Server::with_ledger(|_, mut peer, processed| async move {
        peer.writer().stream_limit(100).await;
        while let Some((stream, body)) = peer.request().await {
            processed.add(&body);
            if body == "bad" {
                peer.writer().reset(stream, INTERNAL_ERROR).await;
            } else {
                peer.writer().answer(stream, 200, b"").await;
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
    let error = failure(&client, &server).await;
    assert_eq!(error.processed(), Processed::Unknown);
}

#[tokio::test]
async fn a_cut_connection_leaves_its_requests_unknown_and_resends_the_rest() {
    let (server, ledger) = Server::with_ledger(|number, mut peer, processed| async move {
        peer.writer().stream_limit(3).await;
        if number == 0 {
            for (_, body) in peer.requests(3).await {
                processed.add(&body);
            }
            return;
        }
        peer.process(&processed).await;
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_connections": 1}"#));
    let sends = spawn_numbered(&client, &server, 8);
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
    ledger.has_each_once(8);
}
