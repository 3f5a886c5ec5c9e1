//! Several phones in one request, and what each of them gets.
use std::time::Duration;

use push_core::{Batching, Retry, Scope, TokenFault, VerdictKind};
use push_provider_meizu::simulator::Phone;
use push_testkit::{block_on, json, sample};

use super::{Options, with, world};

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

/// S122: each target has its own result.
#[test]
fn each_target_of_a_batch_gets_its_own_verdict() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 3] = std::array::from_fn(|_| world.simulator.install());
        phones[1].uninstall();
        phones[2].set_muted(true);
        let tokens = phones.iter().map(Phone::token);
        let tokens = tokens.chain(["RA50000000000000000000000000000000000000000000"]);
        let kinds = world
            .send(sample::batch(sample::notification(), tokens))
            .await;
        let muted = VerdictKind::TokenUnusable(TokenFault::Muted);
        assert_eq!(kinds, [VerdictKind::Accepted, DEAD, muted, DEAD]);
        assert_eq!(world.simulator.counters().requests, 1);
        assert_eq!(world.simulator.counters().accepted, 1);
        assert_eq!(phones[0].arrivals()[0].extra("delivery"), None);
    });
}

/// S121: a full batch reaches every target exactly once.
#[test]
fn a_hundred_phones_are_reached_by_one_request() {
    block_on(async {
        let world = world().await;
        let can = world.provider.capabilities();
        assert_eq!((can.max_batch, can.batching), (100, Batching::Uniform));
        let phones: Vec<Phone> = (0..100).map(|_| world.simulator.install()).collect();
        let tokens = phones.iter().map(Phone::token);
        let kinds = world
            .send(sample::batch(sample::notification(), tokens))
            .await;
        assert!(kinds.iter().all(|kind| *kind == VerdictKind::Accepted));
        assert!(phones.iter().all(|phone| phone.arrivals().len() == 1));
        assert_eq!(world.simulator.counters().requests, 1);
        let one = with(Options::default(), &json!({ "batch": 1 })).await;
        let can = one.provider.capabilities();
        assert_eq!((can.max_batch, can.batching), (1, Batching::Mixed));
    });
}

#[test]
fn a_push_id_that_is_twice_in_a_batch_is_sent_to_once() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let tokens = [phone.token(), phone.token()];
        let kinds = world
            .send(sample::batch(sample::notification(), tokens))
            .await;
        assert_eq!(kinds, [VerdictKind::Accepted; 2]);
        assert_eq!(phone.arrivals().len(), 1);
    });
}

/// Commas separate push ids: one with a comma would address others.
#[test]
fn a_push_id_with_a_comma_addresses_no_other_phone() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
        let both = format!("{},{}", phones[0].token(), phones[1].token());
        let malformed = VerdictKind::TokenUnusable(TokenFault::Malformed);
        let batch = sample::batch(sample::notification(), [both.as_str()]);
        assert_eq!(world.send(batch).await, [malformed]);
        assert_eq!(world.simulator.counters().requests, 0);
        let batch = sample::batch(sample::notification(), [&both, phones[1].token()]);
        assert_eq!(world.send(batch).await, [malformed, VerdictKind::Accepted]);
        assert_eq!(phones[0].arrivals().len(), 0);
        assert_eq!(phones[1].arrivals().len(), 1);
    });
}

#[test]
fn the_sixth_push_of_a_minute_to_one_phone_is_folded_and_waits() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
        for _ in 0..5 {
            assert_eq!(world.send_to(&phones[0]).await, VerdictKind::Accepted);
        }
        let folded = sample::send_one(&world.provider, phones[0].token()).await;
        assert_eq!(folded.kind, VerdictKind::RateLimited(Scope::Token));
        let minute = Duration::from_secs(60);
        assert_eq!(folded.retry, Retry::After(minute));
        assert_eq!(folded.answer.code, "520");
        assert_eq!(world.send_to(&phones[1]).await, VerdictKind::Accepted);
        world.clock.advance(minute);
        assert_eq!(world.send_to(&phones[0]).await, VerdictKind::Accepted);
    });
}

#[test]
fn public_messages_of_a_day_are_limited_for_a_user_until_midnight_in_china() {
    block_on(async {
        let options = Options::default().with_daily_public(1);
        let world = with(options, &json!({ "notice_type": "public" })).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let limited = sample::send_one(&world.provider, phone.token()).await;
        assert_eq!(limited.kind, VerdictKind::RateLimited(Scope::Token));
        let midnight = Duration::from_secs(64_000);
        assert_eq!(limited.retry, Retry::After(midnight));
        assert_eq!(limited.answer.code, "110011");
        // Private ones are not.
        let private = super::provider(&world.simulator, &json!({}), &world.clock);
        let verdict = sample::send_one(&private, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        world.clock.advance(midnight);
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
    });
}

#[test]
fn the_limits_of_the_app_hold_up_its_pushes_and_cost_no_token() {
    block_on(async {
        for (options, code, wait) in [
            (
                Options::default().with_daily_pushes(1),
                "110019",
                Some(64_000),
            ),
            (Options::default().with_per_second(1), "110010", None),
        ] {
            let world = with(options, &json!({})).await;
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            let limited = sample::send_one(&world.provider, phone.token()).await;
            assert_eq!(limited.kind, VerdictKind::RateLimited(Scope::Credential));
            assert_eq!(limited.answer.code, code);
            let wait = wait.map(Duration::from_secs);
            assert_eq!(limited.retry, wait.map_or(Retry::Backoff, Retry::After));
            world.clock.advance(wait.unwrap_or(Duration::from_secs(1)));
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        }
    });
}
