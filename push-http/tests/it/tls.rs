//! Certificates, names and ALPN.
use std::sync::{Arc, Mutex};

use push_http::{
    Client, ClientCertificate, HttpClient, HttpConfig, HttpError, HttpErrorKind, Processed,
    Protocols,
};

use crate::{
    ca::{Ca, ServerTls, accept},
    support::{Peer, Server, client, config, post, soon, stats},
};

/// What a server saw of its clients: SNI, TLS version, number of client certificates.
type Seen = Arc<Mutex<Vec<(Option<String>, rustls::ProtocolVersion, usize)>>>;

async fn tls_server(tls: ServerTls) -> (Server, Seen) {
    let acceptor = tls.acceptor();
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let server = Server::raw(move |_, tcp| {
        let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
        async move {
            let Some(tls) = accept(&acceptor, tcp).await else {
                return;
            };
            let session = tls.get_ref().1;
            log.lock().expect("a log").push((
                session.server_name().map(str::to_owned),
                session.protocol_version().expect("a version"),
                session.peer_certificates().map_or(0, <[_]>::len),
            ));
            if let Some(peer) = Peer::accept(tls).await {
                peer.writer().stream_limit(100).await;
                peer.echo().await;
            }
        }
    })
    .await;
    (server, seen)
}

fn trusting(ca: &Ca) -> HttpConfig {
    let mut config = HttpConfig::default();
    config.extra_ca_pem = Some(ca.pem());
    config
}

async fn try_once(client: &Client, server: &Server, host: &str) -> Result<(), HttpError> {
    let base = format!("https://{host}:{}", server.address.port());
    let response = soon(client.send(post(&base, "over tls"))).await?;
    assert_eq!(response.body(), "over tls");
    Ok(())
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_if_it_is_configured() {
    let ca = Ca::new();
    let (server, seen) = tls_server(ca.server("localhost")).await;
    let (trusts, _clock) = client(trusting(&ca));
    try_once(&trusts, &server, "localhost").await.unwrap();
    assert_eq!(
        seen.lock().unwrap()[0],
        (
            Some("localhost".into()),
            rustls::ProtocolVersion::TLSv1_3,
            0
        )
    );
    let mut only = trusting(&ca);
    only.only_extra_ca = true;
    let (only, _clock) = client(only);
    try_once(&only, &server, "localhost").await.unwrap();

    let (default, _clock) = client(HttpConfig::default());
    let error = try_once(&default, &server, "localhost").await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Tls);
    assert_eq!(error.processed(), Processed::Never);
    assert!(error.to_string().contains("not trusted"), "{error}");
    assert!(error.to_string().contains("http.extra_ca_pem"), "{error}");
    let (other, _clock) = client(trusting(&Ca::new()));
    let error = try_once(&other, &server, "localhost").await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Tls, "same name, another key");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ca = Ca::new();
    let (server, _) = tls_server(ca.server("push.example")).await;
    let (client, _clock) = client(trusting(&ca));
    let error = try_once(&client, &server, "localhost").await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Tls);
    assert!(
        error.message().contains("issued for other host names"),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn an_address_instead_of_a_name_works_if_the_certificate_has_it() {
    let ca = Ca::new();
    let (server, _) = tls_server(ca.server("127.0.0.1")).await;
    let (client, _clock) = client(trusting(&ca));
    try_once(&client, &server, "127.0.0.1").await.unwrap();
}

#[tokio::test]
async fn tls_1_2_is_used_with_peers_that_have_nothing_newer() {
    let ca = Ca::new();
    let (server, seen) = tls_server(ca.server("localhost").only(&rustls::version::TLS12)).await;
    let (client, _clock) = client(trusting(&ca));
    try_once(&client, &server, "localhost").await.unwrap();
    assert_eq!(seen.lock().unwrap()[0].1, rustls::ProtocolVersion::TLSv1_2);
}

#[tokio::test]
async fn the_host_name_is_kept_where_http_resolve_gives_the_address() {
    let ca = Ca::new();
    let (server, seen) = tls_server(ca.server("api.push.apple.com")).await;
    let mut config = config(&format!(
        r#"{{"resolve": {{"API.push.apple.com:443": "127.0.0.1:{}"}}}}"#,
        server.address.port()
    ));
    config.extra_ca_pem = Some(ca.pem());
    let (client, _clock) = client(config);
    let response = soon(client.send(post("https://api.push.apple.com", "x")))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        seen.lock().unwrap()[0].0.as_deref(),
        Some("api.push.apple.com")
    );
    assert_eq!(stats(&client).origin, "https://api.push.apple.com:443");
}

#[tokio::test]
async fn the_client_certificate_is_presented_when_the_peer_asks_for_it() {
    let ca = Ca::new();
    let tls = ca.server("localhost").clients_of(&ca);
    let (server, seen) = tls_server(tls).await;
    let with = trusting(&ca).with_client_certificate(ca.client_certificate());
    let (with, _clock) = client(with);
    try_once(&with, &server, "localhost").await.unwrap();
    assert_eq!(seen.lock().unwrap()[0].2, 1);
}

#[tokio::test]
async fn a_refused_client_certificate_is_a_tls_error_that_says_so() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ca = Ca::new();
        let tls = ca.server("localhost").clients_of(&ca).only(version);
        let (server, _) = tls_server(tls).await;
        let foreign = trusting(&ca).with_client_certificate(Ca::new().client_certificate());
        for config in [trusting(&ca), foreign] {
            let (client, _clock) = client(config);
            let error = try_once(&client, &server, "localhost").await.unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::Tls, "{error}");
            assert_eq!(error.processed(), Processed::Never);
            assert!(error.message().contains("client certificate"), "{error}");
        }
    }
}

#[test]
fn a_certificate_without_its_key_is_refused_when_the_client_is_built() {
    let ca = Ca::new();
    let error =
        ClientCertificate::from_pem(&ca.pem(), &push_core::Secret::new("none")).unwrap_err();
    assert_eq!(error.kind(), push_core::ErrorKind::Invalid);
    let error = ClientCertificate::from_der(vec![vec![1]], vec![2]).unwrap_err();
    assert_eq!(error.kind(), push_core::ErrorKind::Invalid);
    let key = rcgen::KeyPair::generate().unwrap().serialize_der();
    let foreign =
        ClientCertificate::from_der(vec![ca.server("x").into_chain().remove(0).to_vec()], key)
            .unwrap();
    let config = HttpConfig::default().with_client_certificate(foreign);
    let clock = Arc::new(crate::support::clock());
    let error = Client::new(config, clock).unwrap_err();
    assert_eq!(error.kind(), push_core::ErrorKind::Config);
}

#[tokio::test]
async fn a_peer_without_http2_is_an_error_where_http2_is_required() {
    let ca = Ca::new();
    // One refuses during the handshake, the other goes on without an answer to ALPN.
    for alpn in [&["http/1.1"] as &[_], &[]] {
        let (server, _) = tls_server(ca.server("localhost").alpn(alpn)).await;
        let (client, _clock) = client(trusting(&ca).with_protocols(Protocols::H2Only));
        let error = try_once(&client, &server, "localhost").await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Protocol, "{error}");
        assert_eq!(error.processed(), Processed::Never);
        assert!(error.message().contains("does not speak HTTP/2"), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn http2_is_preferred_where_both_are_offered() {
    let ca = Ca::new();
    // The second peer likes HTTP/1.1 better, which is its choice only if it is offered.
    for (alpn, protocols) in [
        (["h2", "http/1.1"], Protocols::Negotiate),
        (["http/1.1", "h2"], Protocols::H2Only),
    ] {
        let (server, _) = tls_server(ca.server("localhost").alpn(&alpn)).await;
        let (client, _clock) = client(trusting(&ca).with_protocols(protocols));
        try_once(&client, &server, "localhost").await.unwrap();
        assert_eq!(stats(&client).stream_limit, Some(100));
    }
}

/// Fails if a library's or the system's own text is in `error`, or no next step.
fn assert_plain(error: &HttpError) {
    let text = error.to_string();
    for foreign in [
        "docs.rs",
        "https://docs",
        "rustls",
        "os error",
        "not a result",
        "invalid peer",
        "Error",
        "Certificate(",
        "{",
    ] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    assert!(error.advice().is_some(), "no next step: {text}");
    // The same holds for the error of another operation that it is converted into.
    let converted = push_core::Error::from(error.clone()).to_string();
    assert!(converted.contains(error.message()), "{converted}");
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_explained_with_a_next_step() {
    let ca = Ca::new();
    for (tls, message, advice) in [
        (
            ca.server_for("localhost", 2000..2001),
            "has expired",
            "this machine's clock",
        ),
        (
            ca.server_for("localhost", 3000..3001),
            "is not valid yet",
            "this machine's clock",
        ),
        (
            ca.server("push.example"),
            "issued for other host names",
            "check the host",
        ),
        (
            Ca::new().server("localhost"),
            "certificate authority that is not trusted",
            "http.extra_ca_pem",
        ),
        (
            ca.server_with_the_purpose_of_a_client("localhost"),
            "was not issued for servers",
            "server authentication",
        ),
        (
            ca.server("localhost").alpn(&["http/1.1"]),
            "does not speak HTTP/2",
            "load balancer",
        ),
    ] {
        let (server, _) = tls_server(tls).await;
        let (client, _clock) = client(trusting(&ca).with_protocols(Protocols::H2Only));
        let error = try_once(&client, &server, "localhost").await.unwrap_err();
        assert!(error.message().contains(message), "{message}: {error}");
        assert!(error.advice().unwrap().contains(advice), "{error}");
        assert_eq!(error.processed(), Processed::Never);
        assert!(!error.is_transient(), "{error}");
        assert_plain(&error);
    }
}

#[tokio::test]
async fn a_peer_that_fails_in_the_handshake_is_explained_with_a_next_step() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// A fatal alert in a record of TLS 1.2.
    const fn alert(number: u8) -> [u8; 7] {
        [21, 3, 3, 0, 2, 2, number]
    }
    let alerts = [40, 112, 80, 120, 255].map(alert);
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for (answer, message) in [
        (&alerts[0][..], "no TLS version or cipher"),
        (&alerts[1], "does not serve this host name"),
        (&alerts[2], "TLS alert 80"),
        (&alerts[3], "does not speak HTTP/2"),
        (&alerts[4], "TLS alert 255"),
        (&http[..], "something that is not TLS"),
        (&[], "ended in the TLS handshake"),
    ] {
        let answer = answer.to_vec();
        let server = Server::raw(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                let mut hello = [0; 1];
                stream.read_exact(&mut hello).await.unwrap();
                stream.write_all(&answer).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.ok();
            }
        })
        .await;
        let (client, _clock) = client(HttpConfig::default());
        let error = try_once(&client, &server, "localhost").await.unwrap_err();
        assert!(error.message().contains(message), "{error}");
        assert_eq!(error.processed(), Processed::Never);
        assert_plain(&error);
    }
}

#[tokio::test]
async fn a_tls_connection_that_ends_without_notice_is_reported_in_plain_words() {
    let ca = Ca::new();
    let acceptor = ca.server("localhost").acceptor();
    let server = Server::raw(move |_, tcp| {
        let acceptor = acceptor.clone();
        async move {
            let tls = accept(&acceptor, tcp).await.unwrap();
            let mut peer = Peer::accept(tls).await.unwrap();
            peer.writer().stream_limit(10).await;
            // Dropping it closes TCP and sends no `close_notify`.
            peer.request().await.unwrap();
        }
    })
    .await;
    let (client, _clock) = client(trusting(&ca));
    let error = try_once(&client, &server, "localhost").await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Closed);
    assert_eq!(error.processed(), Processed::Unknown);
    assert_eq!(
        error.message(),
        "the connection ended: the peer closed the connection without an orderly end"
    );
    assert_plain(&error);
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_reported_in_plain_words() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (client, _clock) = client(HttpConfig::default());
    let error = soon(client.send(post(&format!("https://{closed}"), "x")))
        .await
        .unwrap_err();
    assert!(
        error
            .message()
            .ends_with("the peer refused the connection, nothing listens on this port"),
        "{error}"
    );
    assert_plain(&error);
    // A label of 64 bytes cannot be asked for (RFC 1035 §2.3.4), so that no DNS server is reached.
    let name = format!("{}.example", "a".repeat(64));
    let error = soon(client.send(post(&format!("https://{name}"), "x")))
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        format!("the name {name} could not be resolved to an address")
    );
    assert_plain(&error);
}
