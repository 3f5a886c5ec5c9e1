//! The gateway's reports on tokens that were registered earlier.
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
        unreachable!("the event has this name");
    };
    error
}

fn registered_token(kit: &Kit) -> String {
    let (_, tokens) = kit
        .gateway
        .device(&kit.client.device())
        .expect("the gateway knows the device");
    tokens[&Slot::Alert].token.expose().to_owned()
}

#[test]
fn a_forgotten_token_is_requested_and_registered_again() {
    block_on(async {
        // The phone returns a new token, or the old one.
        for token in ["rotated", TOKEN] {
            let mut kit = logged_in().await;
            let device = kit.client.device();
            kit.phone
                .give(Slot::Alert, Ok(Token::Text(token.to_owned())));
            kit.gateway.forget_token(&device, Slot::Alert);
            kit.client.foreground();
            assert_eq!(failed(&mut kit).await, TokenError::Forgotten);
            kit.uploaded("alice", &[Slot::Alert]).await;
            assert_eq!(registered_token(&kit), token);
            assert_eq!((requests(&kit, Slot::Alert), kit.uploads()), (2, 2));
            assert!(matches!(
                kit.client.slot(Slot::Alert),
                SlotState::Uploaded { .. }
            ));
        }
    });
}

#[test]
fn a_dead_token_is_registered_again_only_after_the_phone_returned_it() {
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
        // The request is repeated, as for any token that the phone does not return.
        kit.phone
            .give(Slot::Alert, Ok(Token::Text("rotated".to_owned())));
        kit.pass(1, Duration::from_secs(1)).await;
        until(|| kit.uploads() == 2).await;
        until_idle().await;
        assert_eq!(registered_token(&kit), "rotated");
    });
}

#[test]
fn a_token_that_keeps_dying_is_requested_a_limited_number_of_times() {
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
        // A new login may have fixed the cause.
        kit.log_in("alice").await;
        kit.uploaded("alice", &[Slot::Alert]).await;
    });
}

/// S57: the app gets the reason why the gateway does not push to the token, also after the vendor's answer.
#[test]
fn a_quarantined_token_is_reported_with_its_reason_and_requested_once() {
    block_on(async {
        let mut kit = logged_in().await;
        let why = Warning::new("environment-mismatch", "the token is from the sandbox");
        kit.gateway.quarantine(Slot::Alert, why.clone());
        kit.client.foreground();
        let error = failed(&mut kit).await;
        assert_eq!(
            error,
            TokenError::Quarantined(why.code.clone(), why.text.clone())
        );
        assert!(error.to_string().contains("environment-mismatch"));
        kit.client.background(None);
        until_idle().await;
        let SlotState::Uploaded { warning, .. } = kit.client.slot(Slot::Alert) else {
            panic!("the token was uploaded");
        };
        assert_eq!(warning, Some(why));
        assert_eq!((requests(&kit, Slot::Alert), kit.uploads()), (2, 1));
        assert_eq!(kit.count("token_failed"), 1);
        // A new token is registered at once, and has no warning.
        kit.client
            .token_received(Slot::Alert, Token::Text("rotated".to_owned()))
            .unwrap();
        until(|| kit.uploads() == 2).await;
        until_idle().await;
        let SlotState::Uploaded { warning, .. } = kit.client.slot(Slot::Alert) else {
            panic!("the token was uploaded");
        };
        assert_eq!(warning, None);
    });
}

/// The credential was corrected, and its tokens are pushed to again.
#[test]
fn a_released_token_has_no_warning_and_can_be_quarantined_again() {
    block_on(async {
        let mut kit = logged_in().await;
        let why = Warning::new("environment-mismatch", "the token is from the sandbox");
        for round in 1..=2 {
            kit.gateway.quarantine(Slot::Alert, why.clone());
            kit.client.foreground();
            failed(&mut kit).await;
            assert_eq!(kit.count("token_failed"), round);
            kit.gateway.end_quarantine(Slot::Alert);
            kit.client.background(None);
            until_idle().await;
            let SlotState::Uploaded { warning, .. } = kit.client.slot(Slot::Alert) else {
                panic!("the token was uploaded");
            };
            assert_eq!(warning, None);
        }
    });
}

#[test]
fn an_answer_about_an_older_token_does_not_apply_to_the_new_one() {
    block_on(async {
        let kit = logged_in().await;
        kit.gateway.hold(true);
        kit.client.foreground();
        until_idle().await;
        // The request is about the old token; the answer arrives when there is a new one.
        kit.client
            .token_received(Slot::Alert, Token::Text("rotated".to_owned()))
            .unwrap();
        kit.log_in("bob").await;
        kit.gateway.forget_token(&kit.client.device(), Slot::Alert);
        kit.gateway.hold(false);
        kit.uploaded("bob", &[Slot::Alert]).await;
        assert_eq!(kit.count("token_failed"), 0);
        assert_eq!(
            registered_token(&kit),
            TOKEN,
            "the phone's answer to the login is the last"
        );
    });
}

#[test]
fn a_token_that_the_app_removed_is_not_missing() {
    block_on(async {
        let kit = logged_in().await;
        kit.gateway.lose_next(unavailable());
        kit.client.token_removed(Slot::Alert);
        until(|| kit.clock.sleepers() == 1).await;
        // The gateway has removed it; the client does not know yet.
        kit.client.background(None);
        until_idle().await;
        assert_eq!(requests(&kit, Slot::Alert), 1);
        assert_eq!(kit.count("token_failed"), 0);
    });
}

/// S56: an answer about a token after push was switched off does not cause a request for one.
#[test]
fn no_token_is_requested_while_push_is_off() {
    block_on(async {
        let (kit, _) = Kit::logged_in("alice").await;
        kit.gateway.forget_token(&kit.client.device(), Slot::Alert);
        kit.gateway.hold(true);
        kit.client.foreground();
        until_idle().await;
        // Unbinding has to wait for the held answers.
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
