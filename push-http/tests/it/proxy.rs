//! CONNECT proxies.
use push_http::{HttpClient, HttpErrorKind, Processed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

use crate::{
    ca::{Ca, accept},
    support::{Peer, Server, client, config, echo_server, post, soon},
};

/// Answers CONNECT with `answer`, and with a tunnel if that is a 200. Sends on what it was asked.
async fn proxy(answer: &'static str, asked: tokio::sync::mpsc::UnboundedSender<String>) -> Server {
    Server::raw(move |_, mut stream| {
        let asked = asked.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            let head = String::from_utf8(head).expect("text");
            let target = head.split(' ').nth(1).expect("a target").to_owned();
            asked.send(head).expect("a listener");
            stream.write_all(answer.as_bytes()).await.expect("a socket");
            if answer.contains(" 200 ") {
                let mut peer = TcpStream::connect(target).await.expect("a socket");
                copy_bidirectional(&mut stream, &mut peer).await.ok();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_request_goes_through_a_proxy_with_user_and_password() {
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
    let ca = Ca::new();
    let acceptor = ca.server("localhost").acceptor();
    let server = Server::raw(move |_, tcp| {
        let acceptor = acceptor.clone();
        async move {
            let tls = accept(&acceptor, tcp).await.unwrap();
            let peer = Peer::accept(tls).await.unwrap();
            peer.writer().stream_limit(100).await;
            peer.echo().await;
        }
    })
    .await;
    let proxy = proxy(
        "HTTP/1.1 200 Connection established\r\nVia: it\r\n\r\n",
        asked,
    )
    .await;
    let mut config = config(&format!(
        r#"{{"proxy": "http://al%69ce:s%40crate@{}"}}"#,
        proxy.address
    ));
    config.extra_ca_pem = Some(ca.pem());
    let (client, _clock) = client(config);
    let port = server.address.port();
    let base = format!("https://localhost:{port}");
    for _ in 0..3 {
        let response = soon(client.send(post(&base, "x"))).await.unwrap();
        assert_eq!(response.body(), "x");
    }
    let head = asks.recv().await.unwrap();
    assert!(
        head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains(&format!("\r\nHost: localhost:{port}\r\n")));
    // base64("alice:s@crate")
    assert!(head.contains("\r\nProxy-Authorization: Basic YWxpY2U6c0BjcmF0ZQ==\r\n"));
    assert!(asks.try_recv().is_err(), "one tunnel for all");
}

#[tokio::test]
async fn clear_text_http2_goes_through_a_proxy_without_a_user() {
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
    let server = echo_server().await;
    let proxy = proxy("HTTP/1.0 200 ok\r\n\r\n", asked).await;
    let (client, _clock) = client(config(&format!(
        r#"{{"proxy": "http://{}/"}}"#,
        proxy.address
    )));
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    let head = asks.recv().await.unwrap();
    assert!(!head.contains("Authorization"), "{head}");
}

#[tokio::test]
async fn a_refusal_of_the_proxy_is_a_proxy_error_and_was_never_sent() {
    let oversized: &'static str = Box::leak(format!("HTTP/1.1 200 {}", "x".repeat(10_000)).into());
    for (answer, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "user and password",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "refused to connect to"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "(502)"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP/1.x"),
        ("", "did not answer to CONNECT"),
        (oversized.trim_end_matches(' '), "8 KiB"),
    ] {
        let (asked, _asks) = tokio::sync::mpsc::unbounded_channel();
        // A 200 would open a tunnel to nowhere; the oversized answer never gets that far.
        let proxy = if answer.len() > 1000 {
            Server::raw(move |_, mut stream| async move {
                stream.write_all(answer.as_bytes()).await.ok();
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.ok();
            })
            .await
        } else {
            proxy(answer, asked).await
        };
        let (client, _clock) = client(config(&format!(
            r#"{{"proxy": "http://u:p@{}"}}"#,
            proxy.address
        )));
        let error = soon(client.send(post("http://127.0.0.1:9", "x")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Proxy, "{error}");
        assert_eq!(error.processed(), Processed::Never);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.is_transient());
    }
}
