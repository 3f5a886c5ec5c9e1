//! The errors for missing parts of the set-up, which docs/from-tuiofflinepush.md quotes.
use std::{sync::Arc, time::Duration};

use offline_push::{
    Account, AppId, BUILTIN, CertificateEntry, CertificateIds, Error, Opened, Secret, Slot, UserId,
    client::{
        AnswerCall, ClickSource, Completion, Event, HttpGateway, MemoryState, Navigate, PushClient,
        SlotState,
    },
    http::HttpConfig,
    payload::{Entity, Ext, Payload},
};
use serde_json::json;

use crate::{
    assert_quotes,
    world::{DEBUG, Iphone, World, certificate, heard},
};

const PAGE: &str = "docs/from-tuiofflinepush.md";

fn phone() -> Arc<Iphone> {
    Arc::new(Iphone(Ok("ab".repeat(32))))
}

fn gateway(url: &str) -> Arc<HttpGateway> {
    Arc::new(HttpGateway::new(url, HttpConfig::default()).expect("a URL on this machine"))
}

fn nowhere() -> Arc<HttpGateway> {
    gateway("http://127.0.0.1:1")
}

fn account(ticket: &str) -> Account {
    Account::new(
        AppId::new("im").expect("an app id"),
        UserId::new("alice").expect("a user id"),
        Secret::new(ticket),
    )
}

#[track_caller]
fn assert_quotes_error<T>(result: Result<T, Error>) {
    let error = result.err().expect("something is missing");
    assert_quotes(PAGE, &error.to_string());
}

/// S51: this program has no `certificate_id!`, as an app that forgot it.
#[tokio::test]
async fn without_a_certificate_id_the_client_does_not_start() {
    let client = PushClient::linked(phone(), nowhere(), BUILTIN)
        .expect("nothing linked is wrong")
        .state(MemoryState::default())
        .start()
        .await;
    assert_quotes_error(client);
}

/// S51.
#[test]
fn a_certificate_id_of_0_is_refused_with_its_place() {
    assert_quotes_error(CertificateIds::new([CertificateEntry::new(
        "apns",
        Slot::Alert,
        0,
        true,
        ("src/lib.rs", 7),
    )]));
}

#[tokio::test]
async fn without_a_bridge_or_a_state_store_the_client_does_not_start() {
    let builder = || PushClient::builder(phone(), nowhere()).certificates(certificate(DEBUG, true));
    assert_quotes_error(builder().state(MemoryState::default()).start().await);
    assert_quotes_error(builder().without_bridge().start().await);
}

#[tokio::test]
async fn two_handlers_of_one_name_are_named_with_both_places() {
    let builder = PushClient::builder(phone(), nowhere())
        .certificates(certificate(DEBUG, true))
        .without_bridge()
        .state(MemoryState::default());
    let line = line!();
    let builder = builder.route("chat", Navigate::new(|_, _| Opened::Done));
    let builder = builder.route("chat", Navigate::new(|_, _| Opened::Done));
    let error = builder.start().await.expect_err("one name twice");
    let page = error
        .to_string()
        .replace(&format!("{}:{}", file!(), line + 1), "src/lib.rs:11")
        .replace(&format!("{}:{}", file!(), line + 2), "src/main.rs:20");
    assert_quotes(PAGE, &page);
}

#[test]
fn outside_a_runtime_and_with_an_open_url_nothing_starts() {
    assert_quotes_error(HttpGateway::new(
        "http://push.example.com",
        HttpConfig::default(),
    ));
    let start = PushClient::builder(phone(), nowhere())
        .certificates(certificate(DEBUG, true))
        .without_bridge()
        .state(MemoryState::default())
        .start();
    let mut start = std::pin::pin!(start);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match start.as_mut().poll(&mut context) {
        std::task::Poll::Ready(result) => assert_quotes_error(result),
        std::task::Poll::Pending => panic!("the future is pending"),
    }
}

/// S29: with no handler at all, and with none for calls.
#[tokio::test]
async fn a_click_without_a_handler_is_reported() {
    let without = PushClient::builder(phone(), nowhere());
    let with_chats =
        PushClient::builder(phone(), nowhere()).route("chat", Navigate::new(|_, _| Opened::Done));
    let with_calls =
        PushClient::builder(phone(), nowhere()).route("call", AnswerCall::new(|_| Opened::Done));
    let chat = Entity::for_user_message("bob", "", "", "hi");
    for (builder, entity) in [
        (without, chat.clone()),
        (with_chats, chat.clone().calling()),
        (with_calls, chat),
    ] {
        let client = builder
            .certificates(certificate(DEBUG, true))
            .without_bridge()
            .state(MemoryState::default())
            .start()
            .await
            .expect("nothing is missing");
        let mut events = client.subscribe();
        client
            .session()
            .register(account("t"), "test")
            .await
            .expect("the login is accepted");
        let ext = Ext::new(entity).to_json_string();
        client.clicked(
            ClickSource::Response,
            Payload::apns(json!({"aps": {}, "ext": ext})),
            Completion::none(),
        );
        let event = heard(&mut events, |it| {
            matches!(it, Event::Unhandled(_)).then(|| it.clone())
        })
        .await;
        assert!(event.needs_attention());
        assert_quotes(PAGE, event.name());
    }
}

/// S36, S52: the app does not report its login.
#[tokio::test]
async fn an_app_that_does_not_report_its_login_has_no_token() {
    let client = PushClient::builder(phone(), nowhere())
        .certificates(certificate(DEBUG, true))
        .without_bridge()
        .state(MemoryState::default())
        .start()
        .await
        .expect("nothing is missing");
    for token in [None, Some("ab".repeat(32))] {
        if let Some(token) = token {
            let token = offline_push::client::Token::Text(token);
            client.token_received(Slot::Alert, token).expect("a token");
        }
        let SlotState::Waiting(error) = client.slot(Slot::Alert) else {
            panic!("{:?}", client.slot(Slot::Alert));
        };
        assert_eq!(error.code(), Some(21005));
        assert_quotes(PAGE, &error.to_string());
    }
}

/// S52, S54: the gateway cannot be reached, does not know the certificate id, or refuses the ticket.
#[tokio::test]
async fn a_refused_upload_is_reported_with_the_sdk_s_number() {
    let world = World::start().await;
    let true_account = world.account("alice").await;
    for (url, id, account, code) in [
        ("http://127.0.0.1:1", DEBUG, account("t"), 22002),
        (&world.served.url, 4711, true_account, 22001),
        (&world.served.url, DEBUG, account("t"), 70001),
    ] {
        let client = PushClient::builder(phone(), gateway(url))
            .certificates(certificate(id, true))
            .without_bridge()
            .state(MemoryState::default())
            .start()
            .await
            .expect("nothing is missing");
        let mut events = client.subscribe();
        client
            .session()
            .register(account, "test")
            .await
            .expect("the login is accepted");
        heard(&mut events, |event| match event {
            Event::TokenFailed { .. } | Event::TicketRefused(_) => Some(()),
            _ => None,
        })
        .await;
        let SlotState::Waiting(error) = client.slot(Slot::Alert) else {
            panic!("{:?}", client.slot(Slot::Alert));
        };
        assert_eq!(error.code(), Some(code), "{error}");
        assert_quotes(PAGE, &error.to_string());
        tokio::time::timeout(Duration::from_secs(5), client.close())
            .await
            .expect("it closes");
    }
}

/// S52.
#[tokio::test]
async fn an_invalid_token_is_refused_with_the_sdk_s_number() {
    use offline_push::client::Token;
    let client = PushClient::builder(phone(), nowhere())
        .certificates(certificate(DEBUG, true))
        .without_bridge()
        .state(MemoryState::default())
        .start()
        .await
        .expect("nothing is missing");
    for (token, code) in [
        (String::new(), Some(22003)),
        ("a".repeat(257), Some(22004)),
        ("zwölf".to_owned(), None),
    ] {
        let error = client
            .token_received(Slot::Alert, Token::Text(token))
            .expect_err("no token");
        assert_eq!(error.code(), code);
        assert_quotes(PAGE, &error.to_string());
    }
    let error = client
        .session()
        .register(account(&"t".repeat(1025)), "test")
        .await
        .expect_err("too long");
    assert_quotes(PAGE, &error.to_string());
}
