//! One request and its answer.
use bytes::Bytes;
use push_http::{
    Client, HttpClient, HttpConfig, HttpErrorKind, MAX_RESPONSE_BYTES, MAX_WAITING, Processed,
    TokioClock,
};

use crate::support::{
    CANCEL, DATA, Event, HEADERS, Server, client, config, echo_server, post, soon, stats,
};

#[tokio::test]
async fn a_request_is_answered_over_clear_text_http2() {
    let server = echo_server().await;
    let (client, _clock) = client(HttpConfig::default());
    let response = soon(client.send(post(&server.url(), "hello")))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), &Bytes::from_static(b"hello"));
}

#[test]
fn a_client_is_built_outside_a_runtime_and_used_in_one_after_the_other() {
    let client = Client::new(HttpConfig::default(), std::sync::Arc::new(TokioClock)).unwrap();
    assert!(client.stats().is_empty());
    for opened in 1..=2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let server = echo_server().await;
            let url = server.url();
            soon(client.send(post(&url, "x"))).await.unwrap();
            soon(client.send(post(&url, "y"))).await.unwrap();
            assert_eq!(server.connections(), 1);
        });
        // The first runtime took its connection with it.
        drop(runtime);
        assert_eq!(client.stats().len(), opened);
        assert!(client.stats().iter().all(|stats| stats.connections == 0));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_is_refused_before_connecting() {
    let (client, _clock) = client(HttpConfig::default());
    for url in [
        "/3/device/0",
        "ftp://a/b",
        "https://user:pw@host/x",
        "https://localhost:99999/x",
        "http://localhost:65536/x",
        "http://[::1]:0/x",
    ] {
        let request = http::Request::post(url).body(Bytes::new()).unwrap();
        let error = soon(client.send(request)).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::InvalidRequest, "{url}");
        assert_eq!(error.processed(), Processed::Never);
        assert!(!error.to_string().contains("pw"), "{error}");
    }
    let server = echo_server().await;
    let mut request = post(&server.url(), "x");
    request
        .headers_mut()
        .insert("connection", "close".parse().unwrap());
    let error = soon(client.send(request)).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::InvalidRequest);
    assert_eq!(error.processed(), Processed::Never);
    // The connection is none the worse for it.
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn authorization_is_never_put_into_an_hpack_table() {
    let (blocks, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let blocks = blocks.clone();
        async move {
            peer.writer().stream_limit(10).await;
            while let Some((stream, _)) = peer.request().await {
                blocks.send(peer.header_blocks[&stream].clone()).unwrap();
                peer.writer().answer(stream, 200, b"").await;
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    for _ in 0..2 {
        let mut request = post(&server.url(), "x");
        let headers = request.headers_mut();
        headers.insert("authorization", "bearer abc".parse().unwrap());
        headers.insert("apns-topic", "com.example".parse().unwrap());
        soon(client.send(request)).await.unwrap();
    }
    let first = seen.recv().await.unwrap();
    let second = seen.recv().await.unwrap();
    for block in [&first, &second] {
        // RFC 7541 §6.2.3: a literal that is never indexed, with the name of static entry 23 (15 + 8).
        assert!(
            block.windows(2).any(|pair| pair == [0x1f, 8]),
            "{block:02x?}"
        );
    }
    assert!(
        second.len() < first.len(),
        "other headers are indexed: {first:02x?} {second:02x?}"
    );
}

#[tokio::test]
async fn a_response_larger_than_allowed_resets_only_its_stream() {
    let (resets, mut reset) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let resets = resets.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(10).await;
            while let Some(event) = peer.next().await {
                match event {
                    Event::Request { stream, body } if body == "large" => {
                        writer.begin_answer(stream, 200, false).await;
                        writer.frame(DATA, 0, stream, &[b'x'; 60]).await;
                        writer.frame(DATA, 0, stream, &[b'x'; 60]).await;
                    }
                    Event::Request { stream, .. } => {
                        writer.answer(stream, 200, &[b'x'; 100]).await;
                    }
                    Event::Reset { stream, code } => resets.send((stream, code)).unwrap(),
                    _ => {}
                }
            }
        }
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_response_bytes": 100}"#));
    let error = soon(client.send(post(&server.url(), "large")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::BodyTooLarge);
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(soon(reset.recv()).await, Some((1, CANCEL)));
    let response = soon(client.send(post(&server.url(), "just right")))
        .await
        .unwrap();
    assert_eq!(response.body().len(), 100);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_in_many_pieces_and_with_trailers_is_put_together() {
    let server = Server::h2(|_, mut peer| async move {
        let writer = peer.writer();
        writer.stream_limit(10).await;
        while let Some((stream, _)) = peer.request().await {
            writer.begin_answer(stream, 200, false).await;
            for piece in [&b"one "[..], b"", b"two ", b"three"] {
                writer.frame(DATA, 0, stream, piece).await;
            }
            // A literal header `t: v` that ends the stream.
            let trailers = [0x00, 1, b't', 1, b'v'];
            writer.frame(HEADERS, 5, stream, &trailers).await;
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let response = soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(response.body(), "one two three");
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_is_an_answer() {
    let server = Server::h2(|_, mut peer| async move {
        let writer = peer.writer();
        peer.replenish = false;
        writer.stream_limit(10).await;
        while let Some(event) = peer.next().await {
            if let Event::Opened { stream } = event {
                writer.answer(stream, 413, b"too large").await;
                // RFC 9113 §8.1: a server may then ask the client to stop, without an error.
                writer.reset(stream, 0).await;
            }
        }
    })
    .await;
    let (client, _clock) = client(HttpConfig::default());
    let body = vec![b'x'; 200_000];
    let response = soon(client.send(post(&server.url(), body))).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.body(), "too large");
    assert_eq!(stats(&client).in_flight, 0);
}

#[tokio::test]
async fn neither_client_nor_errors_show_headers_bodies_or_passwords() {
    let (client, _clock) = client(config(
        r#"{"proxy": "http://user:hunter2@127.0.0.1:1", "request_deadline": "5s"}"#,
    ));
    let mut request = post("http://127.0.0.1:9/device/secret-token", "secret text");
    request
        .headers_mut()
        .insert("authorization", "secret jwt".parse().unwrap());
    let error = soon(client.send(request)).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Proxy);
    for shown in [
        format!("{client:?}"),
        format!("{error}"),
        format!("{error:?}"),
    ] {
        assert!(
            !shown.contains("secret") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn a_credential_can_raise_no_limit_beyond_its_maximum() {
    let many: Vec<_> = (0..101)
        .map(|number| format!(r#""host-{number}:443": "127.0.0.1:1""#))
        .collect();
    for (json, key) in [
        (
            format!(r#"{{"max_waiting": {}}}"#, MAX_WAITING + 1),
            "http.max_waiting",
        ),
        (
            format!(r#"{{"max_response_bytes": {}}}"#, MAX_RESPONSE_BYTES + 1),
            "http.max_response_bytes",
        ),
        (
            r#"{"request_deadline": "61m"}"#.into(),
            "http.request_deadline",
        ),
        (
            r#"{"connect_timeout": "61m"}"#.into(),
            "http.connect_timeout",
        ),
        (
            format!(r#"{{"resolve": {{{}}}}}"#, many.join(",")),
            "http.resolve",
        ),
        (
            format!(r#"{{"extra_ca_pem": "{}"}}"#, "x".repeat(1024 * 1024 + 1)),
            "http.extra_ca_pem",
        ),
    ] {
        let error = Client::new(config(&json), std::sync::Arc::new(TokioClock)).unwrap_err();
        assert_eq!(error.kind(), push_core::ErrorKind::Config, "{key}");
        assert_eq!(error.place(), Some(key));
    }
    let most = format!(
        r#"{{"max_waiting": {MAX_WAITING}, "max_response_bytes": {MAX_RESPONSE_BYTES}, "request_deadline": "1h", "connect_timeout": "1h"}}"#
    );
    Client::new(config(&most), std::sync::Arc::new(TokioClock)).unwrap();
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_key() {
    for (json, key) in [
        (r#"{"max_connections": 0}"#, "http.max_connections"),
        (r#"{"max_streams": 0}"#, "http.max_streams"),
        (r#"{"max_waiting": 0}"#, "http.max_waiting"),
        (r#"{"connect_timeout": 0}"#, "http.connect_timeout"),
        (r#"{"resolve": {"host": "127.0.0.1:1"}}"#, "http.resolve"),
        (r#"{"resolve": {"host:443": "::1:1"}}"#, "http.resolve"),
        (r#"{"extra_ca_pem": "nonsense"}"#, "http.extra_ca_pem"),
        (r#"{"only_extra_ca": true}"#, "http.only_extra_ca"),
        (r#"{"proxy": "socks5://x"}"#, "http.proxy"),
    ] {
        let error = Client::new(config(json), std::sync::Arc::new(TokioClock)).unwrap_err();
        assert_eq!(error.kind(), push_core::ErrorKind::Config, "{json}");
        assert!(error.to_string().starts_with(key), "{error}");
    }
    for json in [
        r#"{"timeout": 1}"#,
        r#"{"connect_timeout": "soon"}"#,
        r#"{"client_certificate": {}}"#,
    ] {
        assert!(serde_json::from_str::<HttpConfig>(json).is_err(), "{json}");
    }
}
