//! What the gateway says of tokens that it was told before.
use std::time::Duration;

use push_client::{
    Event, SlotState, Token, TokenError,
    testing::{PhoneCall, ScriptedPhone},
};
use push_core::{Slot, api::Warning};

use crate::kit::{Kit, Parts, TOKEN, block_on, unavailable, until, until_idle};

fn requests(kit: &Kit, slot: Slot) -> usize {
    let calls = kit.phone.calls();
    let asked = calls
        .iter()
        .filter(|it| **it == PhoneCall::RequestToken(slot));
    asked.count()
}

async fn logged_in() -> Kit {
    let phone = ScriptedPhone::iphone(&[Slot::Alert]).giving(Slot::Alert, TOKEN);
    let kit = Parts::with_phone(phone).start(|it| it).await;
    kit.log_in("alice").await;
    kit.uploaded("alice", &[Slot::Alert]).await;
    kit
}

async fn failed(kit: &mut Kit) -> TokenError {
    let Event::TokenFailed { error, .. } = kit.event("token_failed").await else {
        unreachable!("it was asked for by name");
    };
    error
}

fn told(kit: &Kit) -> String {
    let (_, tokens) = kit
        .gateway
        .device(&kit.client.device())
        .expect("the gateway knows the device");
    tokens[&Slot::Alert].token.expose().to_owned()
}

#[test]
fn a_token_that_the_gateway_forgot_is_asked_for_and_told_again() {
    block_on(async {
        // The phone has a new token, or insists on the old one.
        for token in ["rotated", TOKEN] {
            let mut kit = logged_in().await;
            let device = kit.client.device();
            kit.phone
                .give(Slot::Alert, Ok(Token::Text(token.to_owned())));
            kit.gateway.forget_token(&device, Slot::Alert);
            kit.client.foreground();
            assert_eq!(failed(&mut kit).await, TokenError::Forgotten);
            kit.uploaded("alice", &[Slot::Alert]).await;
            assert_eq!(told(&kit), token);
            assert_eq!((requests(&kit, Slot::Alert), kit.uploads()), (2, 2));
            assert!(matches!(
                kit.client.slot(Slot::Alert),
                SlotState::Uploaded { .. }
            ));
        }
    });
}

#[test]
fn a_dead_token_is_not_told_again_before_the_phone_has_said_that_it_lives() {
    block_on(async {
        let mut kit = logged_in().await;
        kit.phone.give(Slot::Alert, Err("no network".to_owned()));
        kit.gateway.forget_token(&kit.client.device(), Slot::Alert);
        kit.client.foreground();
        assert_eq!(failed(&mut kit).await, TokenError::Forgotten);
        until_idle().await;
        assert_eq!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::Forgotten)
        );
        kit.client.foreground();
        until_idle().await;
        assert_eq!(kit.uploads(), 1);
        // The phone is asked some more times, as for any token that it does not give.
        kit.phone
            .give(Slot::Alert, Ok(Token::Text("rotated".to_owned())));
        kit.pass(1, Duration::from_secs(1)).await;
        until(|| kit.uploads() == 2).await;
        until_idle().await;
        assert_eq!(told(&kit), "rotated");
    });
}

#[test]
fn a_token_that_dies_again_and_again_is_asked_for_some_times_only() {
    block_on(async {
        let kit = logged_in().await;
        let device = kit.client.device();
        for _ in 0..10 {
            kit.gateway.forget_token(&device, Slot::Alert);
            kit.client.foreground();
            until_idle().await;
        }
        assert_eq!((requests(&kit, Slot::Alert), kit.uploads()), (4, 4));
        assert_eq!(
            kit.client.slot(Slot::Alert),
            SlotState::Waiting(TokenError::Forgotten)
        );
        // Whoever logs in again may have mended it.
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S57: also after the vendor has said so: the app hears why the gateway does not push to the token.
#[test]
fn a_token_that_was_set_aside_is_told_with_the_reason_and_asked_for_once() {
    block_on(async {
        let mut kit = logged_in().await;
        let why = Warning {
            code: "environment-mismatch".to_owned(),
            text: "the token is from the sandbox".to_owned(),
        };
        kit.gateway.set_aside(Slot::Alert, why.clone());
        kit.client.foreground();
        let error = failed(&mut kit).await;
        assert_eq!(
            error,
            TokenError::SetAside(why.code.clone(), why.text.clone())
        );
        assert!(error.to_string().contains("environment-mismatch"));
        kit.client.background(None);
        until_idle().await;
        let SlotState::Uploaded { warning, .. } = kit.client.slot(Slot::Alert) else {
            panic!("it was uploaded");
        };
        assert_eq!(warning, Some(why));
        assert_eq!((requests(&kit, Slot::Alert), kit.uploads()), (2, 1));
        assert_eq!(kit.count("token_failed"), 1);
        // A new token is told at once, and the old trouble is over.
        kit.client
            .token_received(Slot::Alert, Token::Text("rotated".to_owned()))
            .unwrap();
        until(|| kit.uploads() == 2).await;
        until_idle().await;
        let SlotState::Uploaded { warning, .. } = kit.client.slot(Slot::Alert) else {
            panic!("it was uploaded");
        };
        assert_eq!(warning, None);
    });
}

/// The credential was mended, and its tokens came back.
#[test]
fn a_released_token_has_no_warning_and_can_be_quarantined_again() {
    block_on(async {
        let mut kit = logged_in().await;
        let why = Warning {
            code: "environment-mismatch".to_owned(),
            text: "the token is from the sandbox".to_owned(),
        };
        for round in 1..=2 {
            kit.gateway.set_aside(Slot::Alert, why.clone());
            kit.client.foreground();
            failed(&mut kit).await;
            assert_eq!(kit.count("token_failed"), round);
            kit.gateway.take_back(Slot::Alert);
            kit.client.background(None);
            until_idle().await;
            let SlotState::Uploaded { warning, .. } = kit.client.slot(Slot::Alert) else {
                panic!("it was uploaded");
            };
            assert_eq!(warning, None);
        }
    });
}

#[test]
fn what_the_gateway_said_of_an_older_token_says_nothing_of_the_new_one() {
    block_on(async {
        let kit = logged_in().await;
        kit.gateway.hold(true);
        kit.client.foreground();
        until_idle().await;
        // Asked about the old token, the gateway answers when it has the new one, and when another is there.
        kit.client
            .token_received(Slot::Alert, Token::Text("rotated".to_owned()))
            .unwrap();
        kit.log_in("bob").await;
        kit.gateway.forget_token(&kit.client.device(), Slot::Alert);
        kit.gateway.hold(false);
        kit.uploaded("bob", &[Slot::Alert]).await;
        assert_eq!(kit.count("token_failed"), 0);
        assert_eq!(
            told(&kit),
            TOKEN,
            "the phone's answer to the login is the last"
        );
    });
}

#[test]
fn a_token_that_the_app_took_back_is_not_missed() {
    block_on(async {
        let kit = logged_in().await;
        kit.gateway.lose_next(unavailable());
        kit.client.token_removed(Slot::Alert);
        until(|| kit.clock.sleepers() == 1).await;
        // The gateway has taken it away; the client does not know it yet.
        kit.client.background(None);
        until_idle().await;
        assert_eq!(requests(&kit, Slot::Alert), 1);
        assert_eq!(kit.count("token_failed"), 0);
    });
}

/// S56: what the gateway says of a token after push was switched off is no reason to ask for one.
#[test]
fn no_token_is_asked_for_when_push_is_off() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.forget_token(&kit.client.device(), Slot::Alert);
        kit.gateway.hold(true);
        kit.client.foreground();
        until_idle().await;
        // So that unbinding has to wait for the answers.
        let rotated = Token::Text("rotated".to_owned());
        kit.client.token_received(Slot::Voip, rotated).unwrap();
        until_idle().await;
        kit.client.set_push(false);
        let calls = kit.phone.calls();
        kit.gateway.hold(false);
        let device = kit.client.device();
        until(|| kit.gateway.device(&device).is_none()).await;
        until_idle().await;
        assert_eq!(kit.phone.calls(), calls);
    });
}
