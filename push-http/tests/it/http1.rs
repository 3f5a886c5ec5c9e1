//! Peers that speak HTTP/1.1 only.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use push_http::{Client, HttpClient, HttpConfig, HttpErrorKind, Processed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use crate::{
    ca::{Ca, accept},
    support::{Ledger, Server, client, config, post, soon, spawn, stats, until},
};

/// Reads one request: its head and its body, whose length is announced.
async fn request(tls: &mut TlsStream<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head of text");
    let length = head
        .to_ascii_lowercase()
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    tls.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

async fn answer(tls: &mut TlsStream<TcpStream>, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    tls.write_all(head.as_bytes()).await.ok();
    tls.write_all(body).await.ok();
    tls.flush().await.ok();
}

/// A server whose connections run `script`, and a client that trusts it, with `json` for configuration.
async fn pair<F>(
    json: &str,
    script: impl Fn(usize, TlsStream<TcpStream>) -> F + Send + Sync + 'static,
) -> (Server, Client, push_core::ManualClock, String)
where
    F: Future<Output = ()> + Send + 'static,
{
    let ca = Ca::new();
    let acceptor = ca.server("localhost").alpn(&["http/1.1"]).acceptor();
    let script = Arc::new(script);
    let server = Server::raw(move |number, tcp| {
        let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
        async move {
            if let Some(tls) = accept(&acceptor, tcp).await {
                script(number, tls).await;
            }
        }
    })
    .await;
    let mut config: HttpConfig = config(json);
    config.extra_ca_pem = Some(ca.pem());
    let (client, clock) = client(config);
    let base = format!("https://localhost:{}", server.address.port());
    (server, client, clock, base)
}

#[tokio::test]
async fn a_peer_with_http_1_1_only_is_spoken_to_in_it_over_one_connection() {
    let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let (server, client, _clock, base) = pair("{}", move |_, mut tls| {
        let heads = heads.clone();
        async move {
            while let Some((head, body)) = request(&mut tls).await {
                heads.send(head).unwrap();
                answer(&mut tls, "", &body).await;
            }
        }
    })
    .await;
    for it in 0..50 {
        let response = soon(client.send(post(&base, it.to_string())))
            .await
            .unwrap();
        assert_eq!(response.body(), it.to_string().as_bytes());
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(stats(&client).stream_limit, None);
    let head = seen.recv().await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("post /3/device/00 http/1.1\r\n"), "{head}");
    let host = format!("\r\nhost: localhost:{}\r\n", server.address.port());
    assert!(head.contains(&host), "{head}");
}

#[tokio::test]
async fn chunked_answers_and_answers_that_end_with_the_connection_are_read() {
    let (server, client, _clock, base) = pair("{}", |_, mut tls| async move {
        request(&mut tls).await.unwrap();
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        tls.write_all(chunked).await.unwrap();
        request(&mut tls).await.unwrap();
        tls.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end").await.unwrap();
        tls.shutdown().await.unwrap();
    })
    .await;
    for expected in ["abcde", "to the end"] {
        let response = soon(client.send(post(&base, "x"))).await.unwrap();
        assert_eq!(response.body(), expected);
    }
    assert_eq!(server.connections(), 1);
}

/// As long as a request is held for the others to come.
const TURNS: usize = 50;

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own_up_to_the_limit() {
    let at_once = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, max) = (Arc::clone(&at_once), Arc::clone(&most));
    let (server, client, _clock, base) = pair(r#"{"max_connections": 4}"#, move |_, mut tls| {
        let (now, max) = (Arc::clone(&now), Arc::clone(&max));
        async move {
            while let Some((_, body)) = request(&mut tls).await {
                max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                answer(&mut tls, "", &body).await;
            }
        }
    })
    .await;
    let sends: Vec<_> = (0..40)
        .map(|number| spawn(&client, &base, number.to_string()))
        .collect();
    for (it, send) in sends.into_iter().enumerate() {
        let response = soon(send).await.unwrap().unwrap();
        assert_eq!(response.body(), it.to_string().as_bytes());
    }
    assert_eq!(server.connections(), 4);
    assert!((2..=4).contains(&most.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn a_connection_closed_after_its_answer_costs_no_request() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let (server, client, _clock, base) = pair("{}", move |_, mut tls| {
        let processed = processed.clone();
        async move {
            let (_, body) = request(&mut tls).await.unwrap();
            processed.add(&body.into());
            answer(&mut tls, "Connection: close\r\n", b"").await;
            tls.shutdown().await.ok();
        }
    })
    .await;
    for it in 0..20 {
        soon(client.send(post(&base, it.to_string())))
            .await
            .unwrap();
    }
    assert!((0..20).all(|number| ledger.count(&number.to_string()) == 1));
    assert_eq!(server.connections(), 20);
}

#[tokio::test]
async fn a_connection_cut_after_the_request_was_written_leaves_it_unknown() {
    let ledger = Ledger::default();
    let processed = ledger.clone();
    let (_server, client, _clock, base) = pair("{}", move |_, mut tls| {
        let processed = processed.clone();
        async move {
            let (_, body) = request(&mut tls).await.unwrap();
            processed.add(&body.into());
        }
    })
    .await;
    let error = soon(client.send(post(&base, "x"))).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Closed);
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(ledger.count("x"), 1);
}

#[tokio::test]
async fn deadline_size_and_dropped_requests_are_as_in_http2() {
    let (server, client, clock, base) = pair(
        r#"{"max_response_bytes": 10, "request_deadline": "5s", "max_connections": 1}"#,
        |_, mut tls| async move {
            while let Some((_, body)) = request(&mut tls).await {
                match &body[..] {
                    b"large" => answer(&mut tls, "", &[b'x'; 11]).await,
                    b"silence" => {}
                    _ => answer(&mut tls, "", b"").await,
                }
            }
        },
    )
    .await;
    let error = soon(client.send(post(&base, "large"))).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::BodyTooLarge);
    soon(client.send(post(&base, "x"))).await.unwrap();
    assert_eq!(server.connections(), 2, "the first could not be used again");

    let silence = spawn(&client, &base, "silence");
    until("it is on its way", || stats(&client).in_flight == 1).await;
    let waits = spawn(&client, &base, "waits");
    until("one waits", || stats(&client).waiting == 1).await;
    clock.advance(std::time::Duration::from_secs(5));
    let error = soon(silence).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_eq!(error.processed(), Processed::Unknown);
    let error = soon(waits).await.unwrap().unwrap_err();
    assert_eq!(error.processed(), Processed::Never);

    let dropped = spawn(&client, &base, "silence");
    until("it is on its way", || stats(&client).in_flight == 1).await;
    dropped.abort();
    soon(client.send(post(&base, "x"))).await.unwrap();
    assert_eq!(stats(&client).in_flight, 0);
}
