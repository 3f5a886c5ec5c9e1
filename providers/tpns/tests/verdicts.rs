//! The provider against the simulated TPNS: what its answers, and those of others, mean.
mod world;

use std::{sync::Arc, time::Duration};

use push_core::{Acceptance, BuildContext, Clock, Retry, Scope, VerdictKind};
use push_provider_tpns::{
    PLUGIN,
    simulator::{Phone, Route},
};
use push_testkit::{Reply, block_on, json, sample};
use world::World;

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

/// S122
#[test]
fn each_target_of_a_batch_gets_its_own_verdict() {
    block_on(async {
        for world in [World::android().await, World::ios().await] {
            let phones: [Phone; 6] = std::array::from_fn(|_| world.phone());
            phones[1].uninstall();
            let results = world.simulator.results();
            results.on(phones[2].token(), 1_008_004_i64);
            results.on(phones[3].token(), 1_008_029_i64);
            results.on(phones[4].token(), 1_008_003_i64);
            let tokens = phones.iter().map(Phone::token);
            let batch = sample::batch(sample::notification(), tokens);
            let kinds = world.send(batch).await;
            let accepted = VerdictKind::Accepted;
            let later = VerdictKind::Unavailable(Scope::Token);
            let refused = VerdictKind::TargetRefused;
            assert_eq!(kinds, [accepted, DEAD, later, DEAD, refused, accepted]);
            let counters = world.simulator.counters();
            assert_eq!((counters.requests, counters.accepted), (1, 2));
            assert_eq!(phones[0].arrivals().len(), 1);
            assert_eq!(phones[5].arrivals().len(), 1);
        }
    });
}

#[test]
fn a_batch_of_unknown_tokens_ends_none_before_each_was_sent_alone() {
    block_on(async {
        let world = World::android().await;
        let batch = sample::batch(sample::notification(), ["unknown-1", "unknown-2"]);
        let later = VerdictKind::Unavailable(Scope::Token);
        assert_eq!(world.send(batch).await, [later, later]);
        for token in ["unknown-1", "unknown-2"] {
            let batch = sample::batch(sample::notification(), [token]);
            assert_eq!(world.send(batch).await, [DEAD]);
        }
        // A token of a later time, which may be longer.
        let longer = "04cac74a714f61bf089987a986363d88-longer";
        let phone = world.simulator.install(Route::Tpns);
        let batch = sample::batch(sample::notification(), [longer, phone.token()]);
        assert_eq!(world.send(batch).await, [DEAD, VerdictKind::Accepted]);
    });
}

#[test]
fn a_wrong_credential_is_refused_and_verify_says_so() {
    block_on(async {
        for keys in [
            json!({ "secret_key": "another" }),
            json!({ "secret_key": "another", "auth": "basic" }),
            // Of another access point.
            json!({ "access_id": "1500000099" }),
        ] {
            let world = World::with_android(&keys).await;
            let phone = world.phone();
            assert_eq!(world.send_to(&phone).await, VerdictKind::CredentialRefused);
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
            assert!(!health.evidence.contains("another"));
        }
    });
}

#[test]
fn a_request_that_was_signed_at_another_time_is_refused() {
    block_on(async {
        let world = World::android().await;
        let phone = world.phone();
        let late = world.simulator.log();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        let signed = late.requests().pop().expect("a request");
        world.clock.advance(Duration::from_secs(300));
        let (code, _) = world.replay(&signed).await;
        assert_eq!(code, 1_008_003);
    });
}

#[test]
fn verify_accepts_a_good_credential_and_disturbs_no_phone() {
    block_on(async {
        for world in [
            World::android().await,
            World::ios().await,
            World::with_android(&json!({ "auth": "basic" })).await,
        ] {
            let phone = world.phone();
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
            assert!(phone.arrivals().is_empty());
            let counters = world.simulator.counters();
            assert_eq!((counters.requests, counters.accepted), (1, 0));
        }
    });
}

#[test]
fn a_limit_is_waited_for_as_long_as_tpns_says() {
    block_on(async {
        let world = World::android().await;
        let phone = world.phone();
        let limited = Reply::new(200)
            .json(json!({ "ret_code": 1_008_028, "err_msg": "too fast" }))
            .header("retry-after", "7");
        world.simulator.faults().next(limited);
        let verdict = sample::send_one(&world.provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
        assert_eq!(verdict.retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
    });
}

#[test]
fn pages_of_proxies_and_lost_bodies_cost_no_token_and_accept_nothing() {
    block_on(async {
        let world = World::android().await;
        let phone = world.phone();
        let outage = VerdictKind::Unavailable(Scope::Credential);
        let whole = json!({ "seq": 0, "push_id": "1", "ret_code": 0, "result": "[0]" });
        for (reply, kind) in [
            (
                Reply::new(502)
                    .header("content-type", "text/html")
                    .body("<html>502</html>"),
                outage,
            ),
            (Reply::new(200).body("<html>Log in</html>"), outage),
            (Reply::new(200).body("not json"), outage),
            (Reply::new(200).body(r#"{"ret_code":0,"push_id":"#), outage),
            (
                Reply::new(200).json(json!({ "code": 0, "push_id": "1" })),
                outage,
            ),
            (Reply::new(503).json(whole.clone()), outage),
            (
                Reply::new(200).json(json!({ "ret_code": 1e300 })),
                VerdictKind::TargetRefused,
            ),
            (
                Reply::new(200).json(whole).truncated(),
                VerdictKind::Unknown,
            ),
            (Reply::reset(), VerdictKind::Unknown),
        ] {
            let shown = format!("{reply:?}");
            world.simulator.faults().next(reply);
            assert_eq!(world.send_to(&phone).await, kind, "{shown}");
        }
        assert!(phone.arrivals().is_empty());
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
    });
}

#[test]
fn a_hundred_sends_at_once_are_signed_each_for_itself() {
    block_on(async {
        let world = Arc::new(World::android().await);
        let phones: Vec<Phone> = (0..100).map(|_| world.phone()).collect();
        let sends = phones.iter().map(|phone| {
            let (world, token) = (Arc::clone(&world), phone.token().to_owned());
            tokio::spawn(async move { sample::send_one(&world.provider, &token).await.kind })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.expect("no panic"), VerdictKind::Accepted);
        }
        assert!(phones.iter().all(|phone| phone.arrivals().len() == 1));
        let sent = world.simulator.log().requests();
        assert_eq!(
            sent.len(),
            100,
            "one request for each send, and none for access"
        );
        let signatures: std::collections::HashSet<_> = sent
            .iter()
            .map(|sent| sent.header("sign").map(str::to_owned))
            .collect();
        assert_eq!(signatures.len(), 100);
    });
}

#[test]
fn with_one_phone_a_request_each_target_may_have_its_own_content() {
    let config = World::raw(&json!({ "access_id": "1500000001", "secret_key": "k", "batch": 1 }));
    let clock: Arc<dyn Clock> = Arc::new(sample::clock());
    let provider = PLUGIN
        .build(config, &BuildContext::new(clock))
        .expect("a credential");
    assert_eq!(provider.capabilities().batching, push_core::Batching::Mixed);
    assert_eq!(provider.capabilities().max_batch, 1);
}
