//! Which addresses the operator lets a client reach.
use push_core::{AddressPolicy, BuildContext, ErrorKind, Secret};
use push_http::{Client, HttpClient, HttpConfig, HttpErrorKind, Processed, TokioClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    ca::{Ca, accept},
    support::{Peer, Server, client, config, echo_server, post, soon, stats},
};

fn loopback_too() -> AddressPolicy {
    AddressPolicy::public_only().allow("127.0.0.0/8".parse().expect("a network"))
}

/// What a caller sees of a request to `url`, without the origin that it named itself.
async fn seen(config: HttpConfig, url: &str) -> (HttpErrorKind, Processed, String, Option<String>) {
    let (client, _clock) = client(config);
    let error = soon(client.send(post(url, "x")))
        .await
        .expect_err("no response");
    (
        error.kind(),
        error.processed(),
        error.message().to_owned(),
        error.advice().map(str::to_owned),
    )
}

#[tokio::test]
async fn a_denied_address_gives_the_same_error_whatever_listens_there() {
    let clear_text = echo_server().await;
    let ca = Ca::new();
    let acceptor = ca.server("localhost").acceptor();
    let tls = Server::raw(move |_, tcp| {
        let acceptor = acceptor.clone();
        async move {
            accept(&acceptor, tcp).await;
        }
    })
    .await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let mut errors = Vec::new();
        for port in [clear_text.address.port(), tls.address.port(), closed] {
            for scheme in ["https", "http"] {
                let config = HttpConfig::default().with_addresses(AddressPolicy::public_only());
                errors.push(seen(config, &format!("{scheme}://{host}:{port}")).await);
            }
        }
        let name = host.trim_matches(['[', ']']);
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        let text = if is_address {
            format!(
                "the address of {name} is in a private network, which the operator has not allowed"
            )
        } else {
            format!(
                "the name {name} could not be resolved to an address that the operator has allowed"
            )
        };
        assert_eq!(errors[0].0, HttpErrorKind::AddressDenied);
        assert_eq!(errors[0].1, Processed::Never);
        assert_eq!(errors[0].2, text);
        errors.dedup();
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
    assert_eq!((clear_text.connections(), tls.connections()), (0, 0));
}

#[tokio::test]
async fn a_denied_name_gives_the_same_error_as_one_that_does_not_resolve() {
    // No DNS server is asked for a label without a byte (RFC 1035 §2.3.4).
    let nothing = "push..example";
    for scheme in ["https", "http"] {
        let mut errors = Vec::new();
        for host in ["localhost", nothing] {
            let config = HttpConfig::default().with_addresses(AddressPolicy::public_only());
            let (kind, processed, message, advice) =
                seen(config, &format!("{scheme}://{host}:9")).await;
            errors.push((kind, processed, message.replace(host, "HOST"), advice));
        }
        assert_eq!(errors[0], errors[1]);
    }
}

#[tokio::test]
async fn the_target_of_resolve_is_checked_like_every_other_address() {
    let server = echo_server().await;
    let resolve = |policy| {
        config(&format!(
            r#"{{"resolve": {{"push.example.com:443": "{0}", "push.example.com:80": "{0}"}}}}"#,
            server.address
        ))
        .with_addresses(policy)
    };
    for base in ["https://push.example.com", "http://push.example.com"] {
        let (kind, _, message, _) = seen(resolve(AddressPolicy::public_only()), base).await;
        assert_eq!(kind, HttpErrorKind::AddressDenied, "{message}");
    }
    assert_eq!(server.connections(), 0);
    let (client, _clock) = client(resolve(loopback_too()));
    let response = soon(client.send(post("http://push.example.com", "x"))).await;
    assert_eq!(response.unwrap().body(), "x");
}

#[tokio::test]
async fn a_listed_network_is_reached_with_and_without_tls() {
    let ca = Ca::new();
    let acceptor = ca.server("localhost").acceptor();
    let tls = Server::raw(move |_, tcp| {
        let acceptor = acceptor.clone();
        async move {
            let peer = Peer::accept(accept(&acceptor, tcp).await.unwrap()).await;
            let peer = peer.unwrap();
            peer.writer().stream_limit(100).await;
            peer.echo().await;
        }
    })
    .await;
    let clear_text = echo_server().await;
    let mut config = HttpConfig::default().with_addresses(loopback_too());
    config.extra_ca_pem = Some(ca.pem());
    let (client, _clock) = client(config);
    // `localhost` may also be `::1`, which is not listed and therefore not tried.
    let base = format!("https://localhost:{}", tls.address.port());
    soon(client.send(post(&base, "x"))).await.unwrap();
    soon(client.send(post(&clear_text.url(), "x")))
        .await
        .unwrap();
}

#[tokio::test]
async fn plain_http_needs_a_listed_network_even_where_the_address_is_permitted() {
    let config = HttpConfig::default().with_addresses(AddressPolicy::public_only());
    // Refused before anything is sent, so that the address is never reached.
    let (kind, processed, message, advice) = seen(config, "http://17.188.143.34:9").await;
    assert_eq!(kind, HttpErrorKind::AddressDenied);
    assert_eq!(processed, Processed::Never);
    assert_eq!(
        message,
        "plain http to 17.188.143.34 is not allowed by the operator"
    );
    assert!(advice.unwrap().starts_with("use https"));
}

#[tokio::test]
async fn a_denied_address_is_final_for_callers_and_denied_for_operators() {
    let config = HttpConfig::default().with_addresses(AddressPolicy::none());
    let (client, _clock) = client(config);
    let error = soon(client.send(post("https://17.188.143.34", "x")))
        .await
        .unwrap_err();
    assert!(!error.is_transient());
    assert!(
        error
            .message()
            .ends_with("is not in a network that the operator has allowed")
    );
    assert_eq!(push_core::Error::from(error).kind(), ErrorKind::Denied);
}

#[test]
fn a_proxy_from_the_configuration_is_refused_where_addresses_are_limited() {
    for policy in [
        AddressPolicy::public_only(),
        loopback_too(),
        AddressPolicy::none(),
    ] {
        let config = config(r#"{"proxy": "http://127.0.0.1:3128"}"#).with_addresses(policy);
        let error = Client::new(config, std::sync::Arc::new(TokioClock)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.place(), Some("http.proxy"));
    }
    let config = config(r#"{"proxy": "http://127.0.0.1:3128"}"#);
    Client::new(config, std::sync::Arc::new(TokioClock)).unwrap();
}

#[tokio::test]
async fn the_operators_proxy_is_used_but_not_for_addresses_that_are_denied() {
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
    let proxy = Server::raw(move |_, mut stream| {
        let asked = asked.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            asked.send(String::from_utf8(head).unwrap()).unwrap();
            let answer = b"HTTP/1.1 403 Forbidden\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    let url = format!("http://{}", proxy.address);
    let config = || {
        HttpConfig::default()
            .with_addresses(AddressPolicy::public_only())
            .with_operator_proxy(Secret::new(url.as_str()))
    };
    let (kind, ..) = seen(config(), "https://push.example.com").await;
    assert_eq!(kind, HttpErrorKind::Proxy);
    let head = asks.recv().await.unwrap();
    assert!(head.starts_with("CONNECT push.example.com:443 "), "{head}");
    for base in [
        "https://10.0.0.1",
        "https://[::1]",
        "https://localhost",
        "http://push.example.com",
    ] {
        let (kind, _, message, _) = seen(config(), base).await;
        assert_eq!(kind, HttpErrorKind::AddressDenied, "{base}: {message}");
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn the_policy_of_a_client_is_not_a_key_of_its_configuration() {
    for json in [
        r#"{"addresses": "any"}"#,
        r#"{"operator_proxy": "http://x"}"#,
    ] {
        assert!(serde_json::from_str::<HttpConfig>(json).is_err(), "{json}");
    }
    let server = echo_server().await;
    let (client, _clock) = client(HttpConfig::default());
    soon(client.send(post(&server.url(), "x"))).await.unwrap();
    assert_eq!(stats(&client).connections, 1, "the default permits any");
    let shown = format!("{:?}", HttpConfig::default().with_addresses(loopback_too()));
    assert!(
        shown.contains("AddressPolicy(public, 127.0.0.0/8)"),
        "{shown}"
    );
}

#[test]
fn a_configuration_is_bounded_by_what_its_operator_allows() {
    let clock = || std::sync::Arc::new(TokioClock);
    let context = BuildContext::new(clock()).with_limits(1000, 20);
    // Defaults give way.
    let built = HttpConfig::default().within(&context);
    assert_eq!((built.max_response_bytes, built.max_waiting), (1000, 20));
    Client::new(built, clock()).unwrap();
    for (json, place) in [
        (r#"{"max_response_bytes": 1001}"#, "http.max_response_bytes"),
        (r#"{"max_waiting": 21}"#, "http.max_waiting"),
    ] {
        let error = Client::new(config(json).within(&context), clock()).unwrap_err();
        assert_eq!(error.place(), Some(place));
    }
    let small = config(r#"{"max_response_bytes": 7, "max_waiting": 3}"#).within(&context);
    assert_eq!((small.max_response_bytes, small.max_waiting), (7, 3));
    Client::new(small, clock()).unwrap();
    // Without an operator's limits, the usual ones.
    let large = format!(r#"{{"max_waiting": {}}}"#, push_http::MAX_WAITING);
    let free = config(&large).within(&BuildContext::new(clock()));
    Client::new(free, clock()).unwrap();
}

#[tokio::test]
async fn the_context_s_policy_and_proxy_are_those_of_the_client() {
    let clock = std::sync::Arc::new(TokioClock);
    let context = BuildContext::new(clock)
        .with_addresses(AddressPolicy::public_only())
        .with_proxy(Some(Secret::new("http://127.0.0.1:1")));
    let config = || HttpConfig::default().within(&context);
    let (kind, ..) = seen(config(), "https://push.example.com").await;
    assert_eq!(kind, HttpErrorKind::Proxy);
    let (kind, ..) = seen(config(), "https://127.0.0.1").await;
    assert_eq!(kind, HttpErrorKind::AddressDenied);
}
