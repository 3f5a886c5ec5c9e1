//! Responses whose head arrives and whose body does not.
use push_http::{Client, HttpClient, HttpConfig, HttpError, HttpErrorKind, Processed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    ca::{Ca, accept},
    support::{
        DATA, HEADERS, REFUSED_STREAM, Server, Writer, client, config, failure, post, soon, spawn,
        until,
    },
};

/// A literal `:status` with `status` and a literal header `t: v`, without the end of the stream.
async fn head_only(writer: &Writer, stream: u32, status: &str) {
    let mut block = vec![0x08, 3];
    block.extend(status.bytes());
    block.extend([0x00, 1, b't', 1, b'v']);
    writer.frame(HEADERS, 4, stream, &block).await;
}

fn assert_head(error: &HttpError, status: u16) {
    assert_eq!(error.processed(), Processed::Unknown, "{error}");
    let head = error.response_head().expect("a head");
    assert_eq!(head.status, status);
    assert_eq!(head.headers["t"], "v");
    assert_eq!(error.status(), Some(head.status));
    let shown = format!("{error:?}");
    assert!(shown.contains(&status.to_string()), "{shown}");
    assert!(
        !shown.contains("\"t\""),
        "headers stay out of logs: {shown}"
    );
}

/// What a request ends with after `then` was done to a stream whose head has arrived.
async fn after_head<F: Future<Output = ()> + Send>(
    then: impl Fn(Writer, u32) -> F + Send + Sync + Copy + 'static,
) -> (HttpError, Server, Client) {
    let server = Server::h2(move |_, mut peer| async move {
        let writer = peer.writer();
        writer.stream_limit(10).await;
        let (stream, _) = peer.request().await.expect("a request");
        head_only(&writer, stream, "200").await;
        then(writer, stream).await;
        peer.ignore().await;
    })
    .await;
    let (client, _clock) = client(config(r#"{"max_response_bytes": 100}"#));
    let error = soon(client.send(post(&server.url(), "x")))
        .await
        .expect_err("no complete response");
    (error, server, client)
}

#[tokio::test]
async fn a_response_without_an_end_gives_its_head_at_the_deadline() {
    let (sent, mut was_sent) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::h2(move |_, mut peer| {
        let sent = sent.clone();
        async move {
            let writer = peer.writer();
            writer.stream_limit(10).await;
            let (stream, _) = peer.request().await.unwrap();
            head_only(&writer, stream, "200").await;
            // Its answer to this PING comes after it has read the head.
            peer.so_far().await;
            sent.send(()).unwrap();
            peer.ignore().await;
        }
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let send = spawn(&client, &server.url(), "x");
    soon(was_sent.recv()).await.unwrap();
    clock.advance(std::time::Duration::from_secs(30));
    let error = soon(send).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert_head(&error, 200);
}

#[tokio::test]
async fn a_stream_reset_after_the_head_gives_the_head_and_is_not_sent_again() {
    for code in [REFUSED_STREAM, 2] {
        // The closure must be `Copy`, so the code goes by stream: both are tried.
        let (error, server, _client) = match code {
            REFUSED_STREAM => {
                after_head(
                    |writer, stream| async move { writer.reset(stream, REFUSED_STREAM).await },
                )
                .await
            }
            _ => after_head(|writer, stream| async move { writer.reset(stream, 2).await }).await,
        };
        assert_head(&error, 200);
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_head_gives_the_head() {
    let (error, server, _client) =
        after_head(|writer, _| async move { writer.close().await }).await;
    assert_eq!(error.kind(), HttpErrorKind::Closed);
    assert_head(&error, 200);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_leaves_the_head() {
    let (error, ..) = after_head(|writer, stream| async move {
        writer.frame(DATA, 0, stream, &[b'x'; 101]).await;
    })
    .await;
    assert_eq!(error.kind(), HttpErrorKind::BodyTooLarge);
    assert_head(&error, 200);
}

#[tokio::test]
async fn an_error_before_the_response_has_no_head() {
    let server = Server::h2(|_, mut peer| async move {
        peer.writer().stream_limit(10).await;
        let (stream, _) = peer.request().await.unwrap();
        peer.writer().reset(stream, 2).await;
        peer.ignore().await;
    })
    .await;
    let (client, clock) = client(HttpConfig::default());
    let error = failure(&client, &server).await;
    assert!(error.response_head().is_none());
    let late = spawn(&client, &server.url(), "late");
    until("it is on its way", || {
        client.stats().iter().any(|stats| stats.in_flight == 1)
    })
    .await;
    clock.advance(std::time::Duration::from_secs(30));
    let error = soon(late).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Deadline);
    assert!(error.response_head().is_none());
}

#[tokio::test]
async fn an_http1_response_that_is_cut_off_gives_its_head() {
    let ca = Ca::new();
    let acceptor = ca.server("localhost").alpn(&["http/1.1"]).acceptor();
    let server = Server::raw(move |_, tcp| {
        let acceptor = acceptor.clone();
        async move {
            let mut tls = accept(&acceptor, tcp).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(tls.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 200 OK\r\nt: v\r\ncontent-length: 10\r\n\r\n12345";
            tls.write_all(answer).await.unwrap();
            tls.shutdown().await.unwrap();
        }
    })
    .await;
    let mut config = HttpConfig::default();
    config.extra_ca_pem = Some(ca.pem());
    let (client, _clock) = client(config);
    let base = format!("https://localhost:{}", server.address.port());
    let error = soon(client.send(post(&base, "x"))).await.unwrap_err();
    assert_head(&error, 200);
    assert_eq!(server.connections(), 1);
}
