//! HTTP/2, streams and GOAWAY.
use std::{sync::Arc, time::Duration};

use super::good;
use crate::support::{Apple, TOPIC, client, client_with, set};
use bytes::Bytes;
use http::Request;
use push_core::Environment;
use push_http::{Client, HttpClient, Processed, Protocols};
use push_provider_apns::simulator::{Options, Outcome};
use push_testkit::{block_on, sample, until};

#[test]
fn nothing_but_http_2_is_spoken() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let mut request = good(&apple, &phone);
        let url = request.uri().to_string().replace("https://", "http://");
        *request.uri_mut() = url.parse().unwrap();
        assert!(client(&apple).send(request).await.is_err());
        // A client that could speak HTTP/1.1 as well agrees on HTTP/2.
        let either = client_with(&apple, Protocols::Negotiate);
        let response = either.send(good(&apple, &phone)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(apple.service.counters().requests, 1);
    });
}

#[test]
fn a_client_that_names_no_protocol_may_begin_http_2_with_its_preface() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let url = apple.service.endpoint(Environment::Production);
        let (mut sender, connection) = handshake(url, apple.service.ca_pem(), &[]).await;
        tokio::spawn(connection);
        let (parts, body) = good(&apple, &phone).into_parts();
        let (answer, mut stream) = sender
            .send_request(Request::from_parts(parts, ()), false)
            .unwrap();
        stream.send_data(body, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
}

fn stream_limit(client: &Client) -> Option<u32> {
    client.stats().iter().find_map(|it| it.stream_limit)
}

#[test]
fn a_connection_has_one_stream_until_its_first_success_and_again_after_many_errors() {
    block_on(async {
        let options = Options::default().with_max_streams(77);
        let apple = Apple::with(options).await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let mut bad = good(&apple, &phone);
        set(&mut bad, "authorization", "bearer a.b.c");
        client.send(bad.clone()).await.unwrap();
        assert_eq!(stream_limit(&client), Some(1));
        client.send(good(&apple, &phone)).await.unwrap();
        until(|| stream_limit(&client) == Some(77)).await;
        for _ in 0..20 {
            client.send(bad.clone()).await.unwrap();
        }
        until(|| stream_limit(&client) == Some(1)).await;
        client.send(good(&apple, &phone)).await.unwrap();
        until(|| stream_limit(&client) == Some(77)).await;
        // A dead token is no error of the client's.
        apple
            .service
            .on(&phone.token(), Outcome::unregistered(sample::NOW));
        for _ in 0..30 {
            client.send(good(&apple, &phone)).await.unwrap();
        }
        assert_eq!(stream_limit(&client), Some(77));
        assert_eq!(apple.service.counters().connections, 1);
    });
}

/// What a client sees that opens streams before it has read how many it may: the second is refused, nothing more.
#[test]
fn a_stream_above_the_limit_is_refused_and_the_others_go_on() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.set_delay(Duration::from_secs(1));
        let (mut sender, connection) = handshake(
            apple.service.endpoint(Environment::Production),
            apple.service.ca_pem(),
            &[b"h2"],
        )
        .await;
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..3 {
            let (parts, body) = good(&apple, &phone).into_parts();
            let request = Request::from_parts(parts, ());
            let (answer, mut stream) = sender.send_request(request, false).unwrap();
            stream.send_data(body, true).unwrap();
            answers.push(answer);
        }
        let mut answers = answers.into_iter();
        let first = tokio::spawn(answers.next().unwrap());
        for answer in answers {
            let error = answer.await.unwrap_err();
            assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
        }
        until(|| apple.service.counters().requests == 1).await;
        apple.clock.advance(Duration::from_secs(1));
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
        assert_eq!(apple.service.counters().max_concurrent_streams, 1);
    });
}

async fn handshake(
    url: String,
    ca_pem: String,
    alpn: &[&[u8]],
) -> (
    h2::client::SendRequest<Bytes>,
    h2::client::Connection<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, Bytes>,
) {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(ca_pem.as_bytes());
    roots
        .add(authority.expect("PEM"))
        .expect("an authority's certificate");
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let address = url.replace("https://localhost", "127.0.0.1");
    let tcp = tokio::net::TcpStream::connect(address)
        .await
        .expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, tcp)
        .await
        .expect("TLS");
    h2::client::handshake(stream).await.expect("HTTP/2")
}

#[test]
fn the_words_of_a_goaway_reach_the_client() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        client.send(good(&apple, &phone)).await.unwrap();
        apple.service.next(100, &Outcome::go_away("Shutdown"));
        let error = client.send(good(&apple, &phone)).await.unwrap_err();
        assert_eq!(error.processed(), Processed::Never, "{error:?}");
        let words = error.go_away().expect("GOAWAY").debug_data().clone();
        assert_eq!(words, r#"{"reason":"Shutdown"}"#.as_bytes());
        until(|| apple.service.open_connections() == 0).await;
    });
}
