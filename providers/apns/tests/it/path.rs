//! Answers that Apple did not give, and answers that got lost on the way.
use std::sync::Arc;

use push_core::{Environment, ErrorKind, Provider, Scope, VerdictKind};
use push_provider_apns::ApnsProvider;
use push_testkit::{
    Alpn, Authority, HttpServer, Reply, ServerOptions, block_on, fixtures, json, sample,
};

use crate::support::{KEY_ID, TEAM_ID, TOPIC, provider, send_sample};

const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// A server in Apple's place that gives one answer, and a provider that sends to it.
async fn answering(reply: Reply) -> (HttpServer, Arc<ApnsProvider>) {
    let authority = Authority::new();
    let options = ServerOptions::tls_with(&authority, Alpn::H2);
    let server = HttpServer::start(options, move |_| std::future::ready(reply.clone()))
        .await
        .expect("loopback can be bound");
    let config = json!({
        "key": fixtures::apns_key(1),
        "key_id": KEY_ID,
        "team_id": TEAM_ID,
        "topic": TOPIC,
        "environment": Environment::Production.as_str(),
        "endpoint": server.url(),
        "http": { "extra_ca_pem": authority.pem() },
    });
    let provider = provider(config, Arc::new(sample::clock()));
    (server, provider)
}

#[test]
fn a_captive_portal_neither_takes_pushes_nor_vouches_for_the_credential() {
    block_on(async {
        for reply in [
            Reply::new(200).body("<html>Welcome! Please log in.</html>"),
            Reply::new(200),
            Reply::new(200).json(json!({ "reason": "Unregistered" })),
            Reply::new(302).header("location", "https://portal.example/"),
            Reply::new(403).body("<html>Forbidden</html>"),
            Reply::new(410),
            Reply::new(413),
            Reply::new(421),
            Reply::new(404).body("not found"),
            Reply::new(400),
        ] {
            let (_server, provider) = answering(reply.clone()).await;
            let verdict = send_sample(&provider, TOKEN).await;
            let down = VerdictKind::Unavailable(Scope::Credential);
            assert_eq!(verdict.kind, down, "{reply:?}: {verdict:?}");
            let error = provider.verify().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{reply:?}: {error}");
        }
    });
}

/// Sending it again would show it twice.
#[test]
fn a_success_is_final_once_its_headers_are_there() {
    block_on(async {
        let cut = Reply::new(200).body("xx").truncated();
        let named = cut.clone();
        let named = Reply::with(move |request| {
            let id = request.headers()["apns-id"].to_str().expect("an id");
            named.clone().header("apns-id", id)
        });
        let (server, provider) = answering(named).await;
        let verdict = send_sample(&provider, TOKEN).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        let requests = server.log().requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(verdict.answer.request_id, requests[0].headers["apns-id"]);
        // Without Apple's header, or with that of another push, it may have come from anywhere.
        let other = cut
            .clone()
            .header("apns-id", "eabeae54-14a8-11e5-b60b-1697f925ec7b");
        for cut in [cut, other] {
            let (_server, provider) = answering(cut).await;
            let verdict = send_sample(&provider, TOKEN).await;
            assert_eq!(verdict.kind, VerdictKind::Unknown, "{verdict:?}");
        }
    });
}

#[test]
fn a_refusal_whose_reason_is_lost_is_an_outage() {
    block_on(async {
        let cut = Reply::new(410)
            .body(r#"{"reason":"Unregistered"}"#)
            .truncated();
        let (_server, provider) = answering(cut).await;
        let verdict = send_sample(&provider, TOKEN).await;
        let down = VerdictKind::Unavailable(Scope::Credential);
        assert_eq!(verdict.kind, down, "{verdict:?}");
    });
}
