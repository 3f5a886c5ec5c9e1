//! Batches: one request, one verdict for each target.
use push_core::{Scope, TokenFault};
use push_testkit::block_on;

use super::*;

/// S121, S122
#[test]
fn each_target_of_a_batch_gets_the_verdict_of_its_own_reason() {
    block_on(async {
        let world = world().await;
        let reasons = [
            ("", ACCEPTED),
            ("tokenFormatError", DEAD),
            ("noRight", VerdictKind::TokenUnusable(TokenFault::App)),
            ("tokenPlatformNotSupport", DEAD),
            ("countryNotSupport", VerdictKind::TargetRefused),
            ("appinfoError", VerdictKind::Unavailable(Scope::Token)),
            ("differentImgVerifyPolicy", VerdictKind::PayloadRefused),
            ("noPushTypeRight", VerdictKind::TargetRefused),
            ("", ACCEPTED),
        ];
        let phones: Vec<Phone> = reasons.iter().map(|_| world.simulator.install()).collect();
        for (phone, (reason, _)) in phones.iter().zip(&reasons) {
            if !reason.is_empty() {
                world.simulator.refuse(phone.token(), reason);
            }
        }
        let tokens = phones.iter().map(Phone::token);
        let batch = sample::batch(sample::notification(), tokens);
        let kinds = world.send(batch).await;
        assert_eq!(kinds, reasons.map(|(_, kind)| kind));
        let counters = world.simulator.counters();
        assert_eq!(
            (counters.requests, counters.accepted, counters.illegal),
            (1, 2, 7)
        );
        assert!(phones.iter().all(|phone| phone.arrivals().len() <= 1));
    });
}

#[test]
fn a_thousand_targets_go_in_one_request_and_one_more_is_not_taken() {
    block_on(async {
        let options = Options::default().with_any_token();
        let world = World::with(options, &json!({})).await;
        assert_eq!(world.provider.capabilities().max_batch, 1000);
        let tokens = |count: usize| (0..count).map(|at| format!("IQAAAACy{at:06}"));
        let batch = sample::batch(sample::notification(), tokens(1000));
        assert!(world.send(batch).await.iter().all(|kind| *kind == ACCEPTED));
        let counters = world.simulator.counters();
        assert_eq!((counters.requests, counters.accepted), (1, 1000));
        // The pipeline makes no such batch.
        let batch = sample::batch(sample::notification(), tokens(1001));
        let kinds = world.send(batch).await;
        assert!(
            kinds
                .iter()
                .all(|kind| *kind == VerdictKind::PayloadRefused)
        );
    });
}

#[test]
fn a_phone_that_is_twice_in_a_batch_rings_once() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let gone = world.simulator.install();
        gone.uninstall();
        let tokens = [phone.token(), gone.token(), phone.token(), gone.token()];
        let batch = sample::batch(sample::notification(), tokens);
        assert_eq!(world.send(batch).await, [ACCEPTED, DEAD, ACCEPTED, DEAD]);
        assert_eq!(
            world.sent()["target"]["token"],
            json!([phone.token(), gone.token()])
        );
        assert_eq!(phone.arrivals().len(), 1);
    });
}

#[test]
fn a_click_of_a_batch_names_no_delivery_and_no_receiver_of_another() {
    block_on(async {
        let world = world().await;
        let phones = [world.simulator.install(), world.simulator.install()];
        let mut batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        for (target, user) in batch.targets.iter_mut().zip(["ann", "bob"]) {
            target.receiver = Some(sample::user(user));
        }
        assert_eq!(world.send(batch).await, [ACCEPTED; 2]);
        for phone in phones {
            let want = phone.tap().expect("the app opens");
            assert_eq!(want.parameters.keys().collect::<Vec<_>>(), ["ext"]);
        }
    });
}

#[test]
fn an_app_under_penalty_refuses_the_credential_if_no_token_succeeded() {
    block_on(async {
        let world = world().await;
        let phones = [world.simulator.install(), world.simulator.install()];
        let reason = "disableSendHuaweiMsgBecauseOfPenalty";
        world.simulator.refuse(phones[0].token(), reason);
        let batch = || sample::batch(sample::notification(), phones.iter().map(Phone::token));
        assert_eq!(
            world.send(batch()).await,
            [VerdictKind::TargetRefused, ACCEPTED]
        );
        world.simulator.refuse(phones[1].token(), reason);
        assert_eq!(
            world.send(batch()).await,
            [VerdictKind::CredentialRefused; 2]
        );
    });
}
