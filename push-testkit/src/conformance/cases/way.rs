//! What happens on the way to the vendor.
use push_core::{AddressPolicy, Retry, Verdict, VerdictKind};

use super::answers::costs_no_token;

use crate::conformance::{
    Vendor,
    check::{in_plain_words, plain, send_one},
    stage::{PAUSE, Stage, build, context, raw},
};
use crate::{
    Alpn, Authority, ClientAuth, HttpServer, Identity, Reply, ServerOptions, block_on, sample,
    tls::server_config, until, until_idle,
};

fn is_unavailable(verdict: &Verdict) {
    let unavailable = matches!(verdict.kind, VerdictKind::Unavailable(_));
    assert!(unavailable, "{verdict:?}");
    assert_ne!(verdict.retry, Retry::Never);
}

/// No server listens, from the beginning or any more.
pub fn a_vendor_that_cannot_be_reached_is_unavailable(vendor: &Vendor) {
    block_on(async {
        let (_socket, port) = free_port();
        let url = format!("https://localhost:{port}");
        let config = vendor.configured(&url, &Authority::new().pem());
        let provider = build(vendor, &config, &sample::clock());
        let verdict = send_one(&provider, &vendor.token_at(&url, 0)).await;
        is_unavailable(&verdict);
        if !vendor.cannot_verify {
            let error = provider.verify().await.expect_err("no server answers");
            assert!(error.is_transient(), "{error}");
        }
        // It was there, granted access, and went away.
        let stage = Stage::new(vendor).await;
        let tokens = [stage.token(0), stage.token(1)];
        let Stage {
            server, provider, ..
        } = stage;
        let verdict = send_one(&provider, &tokens[0]).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        server.stop().await;
        // The client notices that its connection has ended.
        until_idle().await;
        is_unavailable(&send_one(&provider, &tokens[1]).await);
    });
}

/// What fails before the vendor answers, and what is not its answer, is said in plain words, by a send and by a check alike. An
/// answer of another server is named by its status.
pub fn what_fails_on_the_way_is_said_in_plain_words(vendor: &Vendor) {
    block_on(async {
        let said = async |provider: &push_core::DynProvider, token: &str| {
            let verdict = send_one(provider, token).await;
            assert_ne!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
            costs_no_token(&verdict);
            let mut texts = vec![verdict.answer.text.clone()];
            if !vendor.cannot_verify {
                let error = provider
                    .verify()
                    .await
                    .expect_err("no vendor answered that it is right");
                texts.push(error.to_string());
            }
            for text in &texts {
                in_plain_words(text);
                assert!(!text.is_empty(), "it is not said what is wrong");
            }
            texts
        };
        // The authority of the server is not the one that is trusted.
        let stage = Stage::new(vendor).await;
        let config = vendor.configured(&stage.server.url(), &Authority::new().pem());
        let provider = build(vendor, &config, &sample::clock());
        said(&provider, &stage.token(0)).await;
        for (status, reply) in [
            (204, Reply::new(204)),
            (
                302,
                Reply::new(302).header("location", "https://portal.example/"),
            ),
        ] {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            let verdict = send_one(&stage.provider, &stage.token(0)).await;
            assert_eq!(verdict.answer.status, Some(status), "{verdict:?}");
            let text = &verdict.answer.text;
            assert!(text.contains("not the vendor's answer"), "{status}: {text}");
            if vendor.auth.is_some() {
                let stage = Stage::new(vendor).await;
                stage.auth.always(reply);
                let texts = said(&stage.provider, &stage.token(0)).await;
                assert!(
                    texts[0].contains("not the vendor's answer"),
                    "{status}: {texts:?}"
                );
            }
        }
    });
}

/// A server of which something is wrong, as an operator's mistake leads to it.
struct Wrong {
    what: &'static str,
    url: String,
    trusted: Authority,
    /// What must be said of it.
    words: &'static str,
    /// Keeps it listening.
    _server: Option<HttpServer>,
}

/// The mistakes of addresses and certificates.
async fn wrong_servers(alpn: Alpn) -> Vec<Wrong> {
    let listen = async |tls: Option<&Identity>| {
        let tls = tls.map(|identity| server_config(identity, alpn, ClientAuth::None));
        let options = ServerOptions {
            tls,
            ..ServerOptions::default()
        };
        let answer = |_| async { Reply::new(200) };
        HttpServer::start(options, answer)
            .await
            .expect("loopback can be bound")
    };
    let own = || {
        let authority = Authority::new();
        let identity = authority.server(&["localhost", "127.0.0.1"]);
        (authority, identity)
    };
    let mut all = Vec::new();
    let mut add = |what, words, (server, url, trusted): (Option<HttpServer>, String, Authority)| {
        all.push(Wrong {
            what,
            url,
            trusted,
            words,
            _server: server,
        });
    };
    let (authority, _) = own();
    let mut params =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a host name");
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let server = listen(Some(&authority.issue(params))).await;
    let url = server.url();
    add(
        "an expired certificate",
        "certificate has expired",
        (Some(server), url, authority),
    );
    let (authority, _) = own();
    let server = listen(Some(&authority.server(&["push.other.example"]))).await;
    let url = server.url();
    add(
        "a certificate for another host",
        "other host names",
        (Some(server), url, authority),
    );
    let server = listen(Some(&own().1)).await;
    let url = server.url();
    add(
        "an authority that is not trusted",
        "authority that is not trusted",
        (Some(server), url, own().0),
    );
    let server = listen(None).await;
    let url = server.url().replace("http://", "https://");
    add(
        "plain HTTP where TLS is expected",
        "TLS service",
        (Some(server), url, own().0),
    );
    let (authority, identity) = own();
    let server = listen(Some(&identity)).await;
    let url = server.url().replace("https://", "http://");
    add(
        "TLS where plain HTTP is expected",
        "https",
        (Some(server), url, authority),
    );
    add(
        "a name that does not resolve",
        "could not be resolved",
        (None, format!("https://{UNRESOLVABLE}"), own().0),
    );
    all
}

/// A name that no DNS server is asked for: a label has at least one byte (RFC 1035 §2.3.4).
const UNRESOLVABLE: &str = "push..example";

/// A port that refuses: bound by the socket, and nothing listens.
fn free_port() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(crate::LOOPBACK).expect("loopback can be bound");
    let port = socket.local_addr().expect("a bound socket").port();
    (socket, port)
}

/// Expired and foreign certificates, TLS and plain HTTP confused, names and ports of nothing: a send is repeated later, a check is no
/// answer about the credential, and both say what is wrong and what to look at.
pub fn a_server_that_is_not_the_vendors_is_named_by_what_is_wrong_with_it(vendor: &Vendor) {
    block_on(async {
        let alpn = vendor.protocols.first().copied().unwrap_or_default();
        let mut wrong = wrong_servers(alpn).await;
        let (_socket, port) = free_port();
        wrong.push(Wrong {
            what: "a port on which nothing listens",
            url: format!("https://localhost:{port}"),
            trusted: Authority::new(),
            words: "refused the connection",
            _server: None,
        });
        for wrong in wrong {
            let config = vendor.configured(&wrong.url, &wrong.trusted.pem());
            let provider = build(vendor, &config, &sample::clock());
            let verdict = send_one(&provider, &vendor.token_at(&wrong.url, 0)).await;
            is_unavailable(&verdict);
            let mut texts = vec![verdict.answer.text.clone()];
            if !vendor.cannot_verify {
                let error = provider.verify().await;
                let error = error.expect_err("the vendor was not reached");
                assert!(error.is_transient(), "{}: {error}", wrong.what);
                texts.push(error.to_string());
            }
            for text in texts {
                in_plain_words(&text);
                // The next step stands behind a semicolon.
                for words in [wrong.words, "; "] {
                    assert!(
                        text.contains(words),
                        "{}: {words:?} not in: {text}",
                        wrong.what
                    );
                }
            }
        }
    });
}

/// `http.extra_ca_pem` with text that is no certificate of an authority: the configuration is refused, with the key and the next
/// step.
pub fn a_certificate_authority_that_cannot_be_read_is_refused_in_our_words(vendor: &Vendor) {
    let pem = Authority::new().pem();
    let half = pem.len() / 2;
    let key = Authority::new().server(&["localhost"]).key_pem();
    let texts = [
        "nonsense".to_owned(),
        "/etc/ssl/certs/ca.pem".to_owned(),
        pem[..half].to_owned(),
        pem.replacen("MII", "M!!", 1),
        pem.lines()
            .filter(|line| line.len() < 64)
            .collect::<Vec<_>>()
            .join("\n"),
        key,
    ];
    for text in texts {
        let config = vendor.configured("https://localhost:1", &text);
        let built = vendor
            .descriptor
            .build(raw(&config), &context(&sample::clock()));
        let Err(error) = built else {
            panic!("this is taken for a certificate: {text}");
        };
        assert_eq!(error.kind(), push_core::ErrorKind::Config, "{error}");
        let shown = error.to_string();
        in_plain_words(&shown);
        assert!(shown.contains("extra_ca_pem"), "{shown}");
        assert!(shown.contains("BEGIN CERTIFICATE"), "{shown}");
    }
}

/// The gateway's address policy reaches the provider's client: with [`AddressPolicy::public_only`] nothing is sent to loopback,
/// and `verify` gives the same answer whatever listens there, and whether or not a name resolves.
pub fn the_address_policy_of_the_gateway_is_obeyed(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let context = context(&stage.clock).with_addresses(AddressPolicy::public_only());
        let config = stage.config();
        let provider = vendor.descriptor.build(raw(&config), &context);
        let provider = provider.expect("names are resolved when something is sent");
        let verdict = send_one(&provider, &stage.token(0)).await;
        assert_ne!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(
            stage.server.log().total(),
            0,
            "a private address was reached"
        );
        costs_no_token(&verdict);
        if vendor.cannot_verify {
            return;
        }
        let (_socket, port) = free_port();
        let own = stage.server.listener().address().port();
        let mut texts = Vec::new();
        for (host, port) in [
            ("localhost", own),
            ("localhost", port),
            // A name that resolves to nothing looks as one of a private network.
            (UNRESOLVABLE, port),
        ] {
            let config =
                vendor.configured(&format!("https://{host}:{port}"), &Authority::new().pem());
            let provider = vendor.descriptor.build(raw(&config), &context);
            let provider = provider.expect("names are resolved when something is sent");
            let error = provider.verify().await.expect_err("nothing may be asked");
            let text = error.to_string();
            in_plain_words(&text);
            let text = text.replace(host, "HOST");
            texts.push((error.kind(), text.replace(&port.to_string(), "PORT")));
        }
        assert_eq!(
            texts[0], texts[1],
            "the error shows whether a server listens"
        );
        assert_eq!(
            texts[0], texts[2],
            "the error shows whether a name resolves"
        );
        assert_eq!(stage.server.log().total(), 0);
    });
}

/// The vendor read the request and closed the connection, before its answer or within it. Or the headers of its answer arrived,
/// and its body does not end: with [`Vendor::status_is_final`] that is an answer, and sending again would ring twice. The page of
/// another server is none, however far it got.
pub fn an_answer_that_is_lost_leaves_the_verdict_unknown(vendor: &Vendor) {
    for alpn in &vendor.protocols {
        block_on(async {
            let (half, endless) = (
                vendor.ok_reply().truncated(),
                vendor.ok_reply().unfinished(),
            );
            let page = Reply::new(200)
                .header("content-type", "text/html")
                .body("<html>Welcome!</html>");
            let of_half = if vendor.status_is_final {
                VerdictKind::Accepted
            } else {
                VerdictKind::Unknown
            };
            for (reply, kind) in [
                (Reply::reset(), VerdictKind::Unknown),
                (half, of_half),
                (endless, of_half),
                (page.clone().truncated(), VerdictKind::Unknown),
                (page.unfinished(), VerdictKind::Unknown),
            ] {
                let stage = Stage::with(vendor, *alpn).await;
                stage.sends.always(reply.clone());
                let verdict = stage.send_while_time_passes(0).await;
                assert_eq!(verdict.kind, kind, "{alpn:?}, {reply:?}: {verdict:?}");
                let is_final = kind == VerdictKind::Accepted;
                assert_eq!(verdict.retry == Retry::Never, is_final);
                let sent = stage.sent().len();
                assert_eq!(
                    sent, 1,
                    "it was sent again, though it may have been delivered"
                );
            }
        });
    }
}

/// The vendor read the request, and does not answer.
pub fn silence_ends_at_the_deadline_with_an_unknown_verdict(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.always(Reply::silence());
        let verdict = stage.send_while_time_passes(0).await;
        assert_eq!(verdict.kind, VerdictKind::Unknown, "{verdict:?}");
        assert_ne!(verdict.retry, Retry::Never);
    });
}

/// [`Vendor::step`]: if the first of two steps fails in any way, nothing was sent to a phone.
pub fn a_first_step_that_fails_sends_nothing(vendor: &Vendor) {
    let faults = [
        Reply::reset(),
        Reply::silence(),
        Reply::new(500),
        Reply::new(502)
            .header("content-type", "text/html")
            .body("<html>"),
        Reply::new(200)
            .header("content-type", "text/html")
            .body("<html>"),
        Reply::new(200),
        Reply::from((200, "{}")),
        Reply::new(200).body("{\"a\":1}").truncated(),
    ];
    block_on(async {
        for reply in faults.iter().chain(&vendor.unavailable) {
            let stage = Stage::new(vendor).await;
            stage.step.always(reply.clone());
            for verdict in stage.sent_while_time_passes(stage.in_steps(0)).await {
                let unavailable = matches!(verdict.kind, VerdictKind::Unavailable(_));
                assert!(unavailable, "{reply:?} to the first step: {verdict:?}");
                assert_ne!(verdict.retry, Retry::Never);
            }
            assert_eq!(stage.sent().len(), 0);
            stage.step.clear();
            stage.clock.advance(PAUSE);
            for next in stage.send(stage.in_steps(10)).await {
                assert_eq!(
                    next.kind,
                    VerdictKind::Accepted,
                    "after {reply:?}: {next:?}"
                );
            }
        }
    });
}

/// A send whose future drops: the targets are unknown, the provider goes on.
pub fn a_dropped_send_accounts_for_every_target_and_harms_no_other(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.next(Reply::silence());
        let targets = 2.min(stage.provider.capabilities().max_batch);
        let tokens: Vec<_> = (0..targets).map(|number| stage.token(number)).collect();
        let (task, collected) = stage.begin(plain(sample::notification(), tokens));
        stage.wait_for_sends(1).await;
        task.abort();
        until(|| task.is_finished()).await;
        assert_eq!(collected.verdicts().len(), targets);
        let unknown = |at| {
            collected
                .get(at)
                .is_some_and(|verdict| verdict.kind == VerdictKind::Unknown)
        };
        assert!((0..targets).any(unknown), "{collected:?}");
        stage.sends.clear();
        let next = stage.send_to(9).await;
        assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
    });
}
