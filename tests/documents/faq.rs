//! "Why did no push arrive": makes every mistake of docs/faq.md, and compares the texts that the page quotes.
use offline_push::{
    Environment, Slot,
    client::{Event, PushClient, SlotState, TokenError},
};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;

use crate::{
    assert_quotes,
    support::{TOPIC, eventually},
    world::{DEBUG, Iphone, RELEASE, World, certificate, heard},
};

const PAGE: &str = "docs/faq.md";

/// Fails unless the page quotes each of these lines of a trace.
#[track_caller]
fn assert_quotes_lines(lines: &[String]) {
    assert!(!lines.is_empty());
    for line in lines {
        assert_quotes(PAGE, line);
    }
}

/// Waits for the token to be at the gateway, locks the screen, and waits until the gateway knows that, too.
async fn uploaded_and_away(
    client: &PushClient,
    events: &mut Receiver<Event>,
) -> Option<(String, String)> {
    let warning = heard(events, |event| match event {
        Event::Uploaded { warning, .. } => Some(warning.clone()),
        _ => None,
    })
    .await;
    client.background(Some(0));
    heard(events, |it| {
        matches!(it, Event::PresenceReported).then_some(())
    })
    .await;
    warning.map(|it| (it.code, it.text))
}

async fn token_failed(events: &mut Receiver<Event>) -> TokenError {
    heard(events, |event| match event {
        Event::TokenFailed { error, .. } => Some(error.clone()),
        _ => None,
    })
    .await
}

/// S57: reported at registration, before any message is sent.
#[tokio::test]
async fn a_build_with_the_certificate_id_of_the_other_environment_is_warned() {
    let world = World::start().await;
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    let (client, mut events) = world
        .app(
            Iphone(Ok(phone.token())),
            certificate(RELEASE, true),
            "alice",
        )
        .await;
    let (code, text) = uploaded_and_away(&client, &mut events)
        .await
        .expect("a warning");
    assert_eq!(code, "environment-mismatch");
    assert_quotes(PAGE, &text);
    assert!(matches!(
        client.slot(Slot::Alert),
        SlotState::Uploaded { warning: Some(it), .. } if it.code == code
    ));

    let sent = world.send("m-1", "alice", json!({})).await;
    assert_eq!(sent["skipped"][0]["reason"], "environment-mismatch");
    assert_eq!(sent["deliveries"], json!([]));
    assert_quotes_lines(&world.trace("m-1", "environment-mismatch").await);
    assert_eq!(phone.arrived(), 0);
}

/// S57: Apple's `BadDeviceToken` reveals a token with the wrong environment, which is kept.
#[tokio::test]
async fn a_bad_device_token_is_explained_as_a_wrong_environment_and_quarantined() {
    let world = World::start().await;
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    let (client, mut events) = world
        .app(
            Iphone(Ok(phone.token())),
            certificate(RELEASE, false),
            "alice",
        )
        .await;
    assert_eq!(uploaded_and_away(&client, &mut events).await, None);
    world.send("m-1", "alice", json!({})).await;
    let lines = world.trace("m-1", "settled").await;
    assert!(
        lines.iter().any(|it| it.contains("400 BadDeviceToken")),
        "{lines:#?}"
    );
    assert_quotes_lines(&lines);
    let tokens = world.im_server.tokens("alice").await;
    assert_eq!(tokens[0]["quarantine"]["code"], "environment-mismatch");

    let sent = world.send("m-2", "alice", json!({})).await;
    assert_eq!(sent["skipped"][0]["reason"], "environment-mismatch");

    // The phone gets the reason with the answer to its next presence.
    client.foreground();
    let error = token_failed(&mut events).await;
    assert_quotes(PAGE, &error.to_string());
    assert!(matches!(error, TokenError::Quarantined(code, _) if code == "environment-mismatch"));

    // The corrected build: the same phone, the id of its own environment.
    drop(client);
    let (client, mut events) = world
        .app(Iphone(Ok(phone.token())), certificate(DEBUG, true), "alice")
        .await;
    assert_eq!(uploaded_and_away(&client, &mut events).await, None);
    world.send("m-3", "alice", json!({})).await;
    assert!(phone.wait_for(1).await.is_some());
    client.close().await;
}

/// S114: similar errors with other causes.
#[tokio::test]
async fn a_token_of_another_app_and_a_dead_one_have_their_own_reasons() {
    let world = World::start().await;
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    let other = world
        .apple
        .install("com.example.other", Environment::Sandbox);
    let mut apps = Vec::new();
    for (user, token) in [("alice", phone.token()), ("bob", other.token())] {
        let (client, mut events) = world
            .app(Iphone(Ok(token)), certificate(DEBUG, true), user)
            .await;
        assert_eq!(uploaded_and_away(&client, &mut events).await, None);
        apps.push((client, events));
    }
    world.send("m-1", "alice", json!({})).await;
    assert!(phone.wait_for(1).await.is_some());
    phone.uninstall();
    for (id, user, vendor, reason) in [
        ("m-2", "alice", "410 Unregistered", "token-dead"),
        (
            "m-3",
            "bob",
            "400 DeviceTokenNotForTopic",
            "token-of-another-app",
        ),
    ] {
        world
            .send(id, user, json!({"sender": {"user": "carol"}}))
            .await;
        let lines = world.trace(id, "settled").await;
        let answer = lines.iter().find(|it| it.starts_with("answered"));
        assert!(
            answer.is_some_and(|it| it.contains(vendor) && it.contains(reason)),
            "{lines:#?}"
        );
        let word = vendor.split(' ').next_back().unwrap_or_default();
        assert_quotes(PAGE, &format!("`{reason}` (Apple: `{word}`)"));
    }
    assert!(world.im_server.tokens("alice").await.is_empty());
    assert_eq!(world.im_server.tokens("bob").await.len(), 1);
    for (client, events) in &mut apps {
        client.foreground();
        assert_quotes(PAGE, &token_failed(events).await.to_string());
    }
}

/// S53.
#[tokio::test]
async fn a_phone_that_returns_no_token_has_the_reason_in_the_slot() {
    let world = World::start().await;
    let (client, mut events) = world
        .app(
            Iphone(Err("no valid \u{201c}aps-environment\u{201d} entitlement")),
            certificate(DEBUG, true),
            "alice",
        )
        .await;
    let error = token_failed(&mut events).await;
    assert_quotes(PAGE, &error.to_string());
    assert_eq!(client.slot(Slot::Alert), SlotState::Waiting(error));
    let sent = world.send("m-1", "alice", json!({})).await;
    assert_eq!(sent["skipped"][0]["reason"], "never-registered");
    assert_quotes_lines(&world.trace("m-1", "never-registered").await);

    // One that comes later than the login is uploaded when it comes.
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    client
        .token_received(
            Slot::Alert,
            offline_push::client::Token::Text(phone.token()),
        )
        .expect("a token");
    assert_eq!(uploaded_and_away(&client, &mut events).await, None);
    world.send("m-2", "alice", json!({})).await;
    assert!(phone.wait_for(1).await.is_some());
}

/// S90.
#[tokio::test]
async fn a_custom_message_without_desc_is_skipped_with_a_reason() {
    let world = World::start().await;
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    let (client, mut events) = world
        .app(Iphone(Ok(phone.token())), certificate(DEBUG, true), "alice")
        .await;
    uploaded_and_away(&client, &mut events).await;
    let custom = json!({"elements": [{"type": "custom"}]});
    let sent = world.send("m-1", "alice", custom.clone()).await;
    assert_eq!(sent["skipped"][0]["reason"], "custom-without-desc");
    assert_quotes_lines(&world.trace("m-1", "custom-without-desc").await);

    let mut described = custom;
    described["push"] = json!({"desc": "Bob sent a red packet"});
    world.send("m-2", "alice", described).await;
    let arrival = phone.wait_for(1).await.expect("the phone is there");
    assert_eq!(arrival.body(), Some("Bob sent a red packet"));
}

/// S56.
#[tokio::test]
async fn push_that_is_switched_off_is_visible_on_the_phone_and_at_the_gateway() {
    let world = World::start().await;
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    let (client, mut events) = world
        .app(Iphone(Ok(phone.token())), certificate(DEBUG, true), "alice")
        .await;
    uploaded_and_away(&client, &mut events).await;
    client.set_push(false);
    assert_eq!(client.slot(Slot::Alert), SlotState::Off);
    eventually("the token's end", async || {
        world
            .im_server
            .tokens("alice")
            .await
            .is_empty()
            .then_some(())
    })
    .await;
    let sent = world.send("m-1", "alice", json!({})).await;
    let reason = sent["skipped"][0]["reason"].as_str().unwrap_or_default();
    assert_quotes_lines(&world.trace("m-1", reason).await);

    client.set_push(true);
    uploaded_and_away(&client, &mut events).await;
    world.send("m-2", "alice", json!({})).await;
    assert!(phone.wait_for(1).await.is_some());
}

/// S63, S64, S79, S81, S92, S93: the other reasons that the page names, each made once.
#[tokio::test]
async fn a_message_that_is_not_to_be_pushed_is_skipped_with_a_reason() {
    let world = World::start().await;
    let phone = world.apple.install(TOPIC, Environment::Sandbox);
    let (client, mut events) = world
        .app(Iphone(Ok(phone.token())), certificate(DEBUG, true), "alice")
        .await;
    heard(&mut events, |it| {
        matches!(it, Event::Uploaded { .. }).then_some(())
    })
    .await;
    let reason = async |id: &str, more: Value| {
        let sent = world.send(id, "alice", more).await;
        let reason = sent["skipped"][0]["reason"].as_str().unwrap_or_default();
        assert_quotes(PAGE, &format!("`{reason}`"));
        reason.to_owned()
    };
    assert_eq!(reason("m-1", json!({})).await, "online-in-foreground");
    client.background(Some(0));
    heard(&mut events, |it| {
        matches!(it, Event::PresenceReported).then_some(())
    })
    .await;
    for (id, more, wanted) in [
        ("m-2", json!({"online_only": true}), "online-only"),
        ("m-3", json!({"push": {"disabled": true}}), "push-disabled"),
        ("m-4", json!({"kind": "push", "elements": []}), "empty-text"),
        ("m-5", json!({"push": {"ttl_seconds": 0}}), "ttl-zero"),
        (
            "m-6",
            json!({"sender": {"user": "alice"}}),
            "sender-himself",
        ),
    ] {
        assert_eq!(reason(id, more).await, wanted);
    }
    world.send("m-7", "alice", json!({})).await;
    assert_eq!(reason("m-7", json!({})).await, "duplicate-message");
    let generation = generation_of(&client, &world).await;
    client
        .session()
        .unregister(generation, offline_push::LogoutCause::Logout, "test")
        .await
        .expect("the logout is accepted");
    heard(&mut events, |it| {
        matches!(it, Event::Unbound(_)).then_some(())
    })
    .await;
    assert_eq!(reason("m-8", json!({})).await, "offline");
    assert_eq!(
        client.slot(Slot::Alert),
        SlotState::Waiting(TokenError::NotLoggedIn)
    );
    assert_eq!(phone.arrived(), 1);
}

/// A repeated login answers the generation of the first.
async fn generation_of(client: &PushClient, world: &World) -> offline_push::Generation {
    let account = world.account("alice").await;
    client
        .session()
        .register(account, "test")
        .await
        .expect("the login is accepted")
}
