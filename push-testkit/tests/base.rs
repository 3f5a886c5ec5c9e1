//! The base of the simulators: servers, certificates, faults, tokens.
use std::sync::Arc;

use push_core::{Clock, Timestamp};
use push_testkit::{
    Alpn, Authority, ClientAuth, Connection, Faults, HttpServer, LOOPBACK, Listener, Reply,
    ServerOptions, block_on, fixtures,
    jwt::{Algorithm, Verifier},
    sample,
    tls::server_config,
    until,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

async fn connect(
    listener: &Listener,
    authority: &Authority,
    alpn: &[&str],
    client: Option<&push_testkit::Identity>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("TLS for a test"))
        .expect("TLS for a test");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS for a test")
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(it) => builder
            .with_client_auth_cert(
                it.chain_der(),
                PrivateKeyDer::try_from(it.key_der()).expect("TLS for a test"),
            )
            .expect("TLS for a test"),
    };
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(listener.address()).await?;
    TlsConnector::from(Arc::new(config))
        .connect(
            ServerName::try_from("localhost").expect("TLS for a test"),
            tcp,
        )
        .await
}

async fn get(server: &HttpServer, authority: &Authority, path: &str) -> std::io::Result<String> {
    let mut stream = connect(server.listener(), authority, &["http/1.1"], None).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[test]
fn a_server_answers_from_its_script_and_counts_what_it_was_asked() {
    block_on(async {
        let authority = Authority::new();
        let faults = Faults::new();
        faults.next((429, "retry-after: 7", "slow down"));
        faults.on("/b", 404);
        let script = faults.clone();
        let server = HttpServer::start(ServerOptions::tls(&authority), move |request| {
            let reply = script.take(request.uri().path());
            async move { reply.unwrap_or_else(|| Reply::new(200).body("fine")) }
        })
        .await
        .unwrap();
        let first = get(&server, &authority, "/b").await.unwrap();
        assert!(
            first.starts_with("HTTP/1.1 429") && first.contains("retry-after: 7"),
            "{first}"
        );
        assert!(first.ends_with("slow down"));
        assert!(
            get(&server, &authority, "/b")
                .await
                .unwrap()
                .starts_with("HTTP/1.1 404")
        );
        assert!(
            get(&server, &authority, "/a")
                .await
                .unwrap()
                .ends_with("fine")
        );
        faults.heal("/b");
        assert!(
            get(&server, &authority, "/b")
                .await
                .unwrap()
                .ends_with("fine")
        );
        assert_eq!(server.log().total(), 4);
        assert_eq!(server.log().to("/b").len(), 3);
        assert_eq!(server.listener().accepted(), 4);
    });
}

#[test]
fn a_connection_is_reset_cut_short_or_left_in_silence_as_the_script_says() {
    block_on(async {
        let authority = Authority::new();
        let server = HttpServer::start(ServerOptions::tls(&authority), |request| {
            let reply = match request.uri().path() {
                "/reset" => Reply::reset(),
                "/half" => Reply::new(200).body("0123456789").truncated(),
                _ => Reply::silence(),
            };
            async move { reply }
        })
        .await
        .unwrap();
        let reset = get(&server, &authority, "/reset").await.unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        let mut stream = connect(server.listener(), &authority, &["http/1.1"], None)
            .await
            .unwrap();
        stream
            .write_all(b"GET /half HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut bytes = Vec::new();
        // Whether the close is a clean one is of no importance: the length already gives it away.
        stream.read_to_end(&mut bytes).await.map(drop).unwrap_or(());
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.contains("content-length: 10") && text.ends_with("01234"),
            "{text}"
        );
        let silent = async { get(&server, &authority, "/silence").await.unwrap_err() };
        let cut = async {
            server.log().wait_for(3).await;
            server.listener().cut_connections();
        };
        tokio::join!(silent, cut);
        until(|| server.listener().open() == 0).await;
    });
}

#[test]
fn a_delay_waits_on_the_clock_of_the_server() {
    block_on(async {
        let authority = Authority::new();
        let clock = sample::clock();
        let options = ServerOptions::tls(&authority).with_clock(Arc::new(clock.clone()));
        let hour = std::time::Duration::from_secs(3600);
        let server =
            HttpServer::start(options, move |_| async move { Reply::new(204).after(hour) })
                .await
                .unwrap();
        let asked = get(&server, &authority, "/");
        let moved = async {
            until(|| clock.sleepers() == 1).await;
            clock.advance(hour);
        };
        let (answer, ()) = tokio::join!(asked, moved);
        assert!(answer.unwrap().starts_with("HTTP/1.1 204"));
        assert_eq!(clock.now(), sample::NOW + hour);
    });
}

#[test]
fn a_request_larger_than_the_bound_is_refused_and_not_handed_on() {
    block_on(async {
        let authority = Authority::new();
        let mut options = ServerOptions::tls(&authority);
        options.max_body = 4;
        let server = HttpServer::start(options, |_| async { Reply::new(200) })
            .await
            .unwrap();
        let mut stream = connect(server.listener(), &authority, &["http/1.1"], None)
            .await
            .unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\n\r\n12345")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 413"), "{text}");
        assert_eq!(server.log().total(), 0);
    });
}

#[test]
fn alpn_and_client_certificates_reach_the_connection() {
    block_on(async {
        let authority = Authority::new();
        let identity = authority.server(&["localhost"]);
        let (sender, mut peers) = tokio::sync::mpsc::unbounded_channel();
        let listener = Listener::start(
            LOOPBACK,
            Some(server_config(
                &identity,
                Alpn::H2,
                ClientAuth::Optional(&authority),
            )),
            move |connection: Connection| {
                let sender = sender.clone();
                async move { sender.send(connection.peer).unwrap() }
            },
        )
        .await
        .unwrap();
        let client = authority.client("ann");
        let first = connect(&listener, &authority, &["h2", "http/1.1"], Some(&client))
            .await
            .unwrap();
        let peer = peers.recv().await.unwrap();
        assert_eq!(peer.alpn.as_deref(), Some(&b"h2"[..]));
        assert_eq!(peer.certificate, client.chain_der().pop());
        assert_eq!(peer.connection, 1);
        let second = connect(&listener, &authority, &["h2"], None).await.unwrap();
        assert_eq!(peers.recv().await.unwrap().certificate, None);
        assert!(
            connect(&listener, &authority, &["http/1.1"], None)
                .await
                .is_err()
        );
        drop((first, second));
    });
}

#[test]
fn a_client_of_another_authority_is_turned_away_where_a_certificate_is_required() {
    block_on(async {
        let authority = Authority::new();
        let identity = authority.server(&["localhost"]);
        let tls = server_config(&identity, Alpn::Both, ClientAuth::Required(&authority));
        let listener = Listener::start(
            LOOPBACK,
            Some(tls),
            |mut connection: Connection| async move {
                connection.io.write_all(b"in").await.unwrap();
            },
        )
        .await
        .unwrap();
        let stranger = Authority::new().client("ann");
        for client in [None, Some(&stranger)] {
            // With TLS 1.3 the client learns of it only when it reads.
            let outcome = match connect(&listener, &authority, &[], client).await {
                Ok(mut stream) => stream.read_to_end(&mut Vec::new()).await,
                Err(error) => Err(error),
            };
            assert!(outcome.is_err());
        }
    });
}

#[test]
fn a_dropped_server_closes_its_port_and_its_connections() {
    block_on(async {
        let authority = Authority::new();
        let server = HttpServer::start(ServerOptions::tls(&authority), |_| async {
            Reply::silence()
        })
        .await
        .unwrap();
        let address = server.listener().address();
        let mut open = connect(server.listener(), &authority, &["http/1.1"], None)
            .await
            .unwrap();
        drop(server);
        assert!(!matches!(open.read(&mut [0]).await, Ok(1..)));
        assert!(TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn a_stopped_server_first_finishes_what_it_has() {
    block_on(async {
        let authority = Authority::new();
        let clock = sample::clock();
        let options = ServerOptions::tls(&authority).with_clock(Arc::new(clock.clone()));
        let second = std::time::Duration::from_secs(1);
        let server = HttpServer::start(options, move |_| async move {
            Reply::new(200).body("done").after(second)
        })
        .await
        .unwrap();
        let mut stream = connect(server.listener(), &authority, &["http/1.1"], None)
            .await
            .unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        server.log().wait_for(1).await;
        let stopped = tokio::spawn(server.stop());
        tokio::task::yield_now().await;
        clock.advance(second);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("done"), "{text}");
        stopped.await.unwrap();
    });
}

#[test]
fn every_jwt_of_the_vectors_verifies_and_no_forgery_does() {
    let vectors = fixtures::vectors();
    let tokens = |name: &str| -> Vec<String> {
        let list = vectors[name].as_array().unwrap();
        list.iter()
            .map(|it| it["jwt"].as_str().unwrap().to_owned())
            .collect()
    };
    let rsa = Verifier::of_private_pem(Algorithm::Rs256, &fixtures::rsa_key());
    for token in tokens("fcm_jwt") {
        let jwt = rsa.verify(&token).unwrap();
        assert_eq!(
            jwt.claims["iss"],
            "push@demo-project.iam.gserviceaccount.com"
        );
        Verifier::of_public_pem(Algorithm::Rs256, &fixtures::rsa_public_key())
            .verify(&token)
            .unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let wrong_alg = Verifier::of_private_pem(Algorithm::Ps256, &fixtures::rsa_key());
        assert!(wrong_alg.verify(&token).is_err());
        assert!(
            rsa.verify(&format!("{header}.{header}.{signature}"))
                .is_err()
        );
        for forged in [
            format!("{header}.{claims}."),
            format!("{header}.{claims}"),
            String::new(),
            "...".into(),
        ] {
            assert!(rsa.verify(&forged).is_err(), "{forged}");
        }
    }
    for token in tokens("harmony_jwt") {
        Verifier::of_private_pem(Algorithm::Ps256, &fixtures::rsa_key())
            .verify(&token)
            .unwrap();
    }
    for (at, token) in tokens("apns_jwt").iter().enumerate() {
        let number = vectors["apns_jwt"][at]["key"].as_u64().unwrap() as usize;
        Verifier::of_private_pem(Algorithm::Es256, &fixtures::apns_key(number))
            .verify(token)
            .unwrap();
        Verifier::of_public_pem(Algorithm::Es256, &fixtures::apns_public_key(number))
            .verify(token)
            .unwrap();
        assert!(
            Verifier::of_public_pem(Algorithm::Es256, &fixtures::apns_public_key(3 - number))
                .verify(token)
                .is_err()
        );
    }
}

#[test]
fn a_jwt_is_judged_by_the_time_of_the_judge() {
    let rsa = Verifier::of_private_pem(Algorithm::Rs256, &fixtures::rsa_key());
    let vectors = fixtures::vectors();
    let verify = |at: usize| {
        rsa.verify(vectors["fcm_jwt"][at]["jwt"].as_str().unwrap())
            .unwrap()
    };
    let hour = verify(0);
    let at = Timestamp::from_unix_seconds;
    assert!(hour.check_dates(at(1_700_000_000), 3600, 0).is_ok());
    assert!(hour.check_dates(at(1_699_999_999), 3600, 0).is_err());
    assert!(hour.check_dates(at(1_699_999_999), 3600, 60).is_ok());
    assert!(hour.check_dates(at(1_700_003_600), 3600, 0).is_err());
    assert!(verify(4).check_dates(at(1_700_000_000), 3600, 60).is_err());
}
