//! What goes wrong on the way and at OPPO.
use std::{sync::Arc, time::Duration};

use push_core::{
    Acceptance, BuildContext, Clock, Collected, RawConfig, Retry, Scope, TokenFault, Verdict,
    VerdictKind, Verdicts,
};
use push_provider_oppo::{
    PLUGIN,
    simulator::{Options, Phone},
};
use push_testkit::{
    Reply, block_on, json, sample, serde_json,
    simulator::{self, Install, Order, simulators},
};

use crate::{DEAD, World, fields, with, world};

/// A hundred pushes at once need one auth token, and one more when OPPO forgets it (S120).
#[test]
fn a_hundred_sends_at_once_fetch_one_auth_token() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for granted in [1, 2] {
            let sends: Vec<_> = (0..100)
                .map(|number| {
                    let provider = Arc::clone(&world.provider);
                    let notification = sample::notification().with_collapse(format!("{number}"));
                    let batch = sample::batch(notification, [phone.token()]);
                    tokio::spawn(async move {
                        let collected = Collected::new();
                        let sink: Arc<Collected> = Arc::clone(&collected);
                        provider.send(batch, Verdicts::new(1, sink)).await;
                        collected.get(0).expect("a verdict").kind
                    })
                })
                .collect();
            for send in sends {
                assert_eq!(send.await.expect("no panic"), VerdictKind::Accepted);
            }
            assert_eq!(world.simulator.counters().granted, granted);
            world.simulator.forget_auth_tokens();
        }
        assert_eq!(phone.arrivals().len(), 200);
    });
}

#[test]
fn an_auth_token_is_renewed_after_a_day_and_when_oppo_forgets_it() {
    block_on(async {
        let world = with(Options::default(), &json!({ "saved_from": 2 })).await;
        let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
        assert_eq!(world.send_to(&phones[0]).await, VerdictKind::Accepted);
        world.simulator.forget_auth_tokens();
        // Also in the first of two steps.
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 2]);
        assert_eq!(world.simulator.counters().granted, 2);
        world.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(world.send_to(&phones[0]).await, VerdictKind::Accepted);
        assert_eq!(world.simulator.counters().granted, 3);
    });
}

/// The same delivery after an outcome that was not known: OPPO knows its id, and the phone shows it once.
#[test]
fn a_repetition_after_a_lost_answer_is_accepted_and_shown_once() {
    block_on(async {
        for options in [
            Options::default(),
            Options::default().with_silent_repetitions(),
        ] {
            let world = with(options, &json!({})).await;
            let phones: [Phone; 3] = std::array::from_fn(|_| world.simulator.install());
            let batch = sample::batch(
                sample::notification(),
                phones.iter().take(2).map(Phone::token),
            );
            assert_eq!(world.send(batch.clone()).await, [VerdictKind::Accepted; 2]);
            assert_eq!(world.send(batch.clone()).await, [VerdictKind::Accepted; 2]);
            let mut alone = batch.clone();
            alone.targets.truncate(1);
            assert_eq!(world.send(alone.clone()).await, [VerdictKind::Accepted]);
            assert!(
                phones
                    .iter()
                    .take(2)
                    .all(|phone| phone.arrivals().len() == 1)
            );
            // The delivery's next phone has not seen it.
            alone.targets[0].token =
                push_core::DeviceToken::new(phones[2].token()).expect("a token");
            assert_eq!(world.send(alone).await, [VerdictKind::Accepted]);
            assert_eq!(phones[2].arrivals().len(), 1);
        }
    });
}

async fn answered(world: &World, phone: &Phone, reply: Reply) -> Verdict {
    world.simulator.faults().next(reply);
    sample::send_one(&world.provider, phone.token()).await
}

/// An outage, a page of a proxy and a body that breaks off cost nothing, and the next push arrives.
#[test]
fn what_a_proxy_or_an_outage_answers_costs_nothing() {
    block_on(async {
        let outage = VerdictKind::Unavailable(Scope::Credential);
        let page = "<html><body>502 Bad Gateway</body></html>";
        for (reply, kind) in [
            (Reply::new(503), outage),
            (
                Reply::new(502)
                    .header("content-type", "text/html")
                    .body(page),
                outage,
            ),
            (
                Reply::new(200)
                    .header("content-type", "text/html")
                    .body(page),
                outage,
            ),
            (Reply::new(200).body("not json"), outage),
            (Reply::new(200).body(r#"{"code":0,"mess"#), outage),
            (
                Reply::new(200)
                    .json(json!({ "code": 0, "message": "success", "data": {} }))
                    .truncated(),
                VerdictKind::Unknown,
            ),
            (Reply::reset(), VerdictKind::Unknown),
        ] {
            let world = world().await;
            let phone = world.simulator.install();
            let verdict = answered(&world, &phone, reply.clone()).await;
            assert_eq!(verdict.kind, kind, "{reply:?}");
            assert_eq!(
                world.send_to(&phone).await,
                VerdictKind::Accepted,
                "{reply:?}"
            );
        }
    });
}

#[test]
fn a_throttle_is_obeyed_as_long_as_it_says() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let slow = Reply::new(200).json(json!({ "code": 13, "message": "App Call Limited" }));
        let verdict = answered(&world, &phone, slow.header("retry-after", "7")).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
        assert_eq!(verdict.retry, Retry::After(Duration::from_secs(7)));
        let flow = Reply::new(200).json(json!({ "code": -2, "message": "flow control" }));
        let verdict = answered(&world, &phone, flow).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
    });
}

/// A save that fails or gets no answer sent nothing: never unknown, and the phones stay silent.
#[test]
fn a_first_step_that_fails_is_an_outage_and_sends_nothing() {
    block_on(async {
        let limited = VerdictKind::RateLimited(Scope::Class);
        let outage = VerdictKind::Unavailable(Scope::Credential);
        for (reply, kind) in [
            (Reply::reset(), outage),
            (Reply::new(502).body("<html>"), outage),
            (
                Reply::new(200).json(json!({ "code": 0, "message": "success", "data": {} })),
                outage,
            ),
            (
                Reply::new(200).json(json!({ "code": 33, "message": "limit" })),
                limited,
            ),
            (
                Reply::new(200).json(json!({ "code": 67, "message": "category" })),
                VerdictKind::PayloadRefused,
            ),
        ] {
            let world = with(Options::default(), &json!({ "saved_from": 1 })).await;
            let phone = world.simulator.install();
            world
                .simulator
                .faults()
                .times("save_message_content", 1, reply.clone());
            assert_eq!(world.send_to(&phone).await, kind, "{reply:?}");
            assert_eq!((world.asked("/broadcast"), phone.arrivals().len()), (0, 0));
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        }
    });
}

/// The app's public messages of a day, and those of one phone, in China's days.
#[test]
fn daily_quotas_hold_public_messages_until_midnight() {
    block_on(async {
        let public = || {
            sample::notification()
                .with_vendor(fields(json!({ "channel_id": "news", "category": "NEWS" })))
        };
        let world = with(Options::default().with_quotas(2, 5), &json!({})).await;
        let phone = world.simulator.install();
        world.deliver(&phone, public()).await;
        world.deliver(&phone, public()).await;
        let batch = sample::batch(public(), [phone.token()]);
        let verdict = world.verdicts(batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Class));
        // 06:13:20 in China.
        let midnight = Duration::from_secs(17 * 3600 + 46 * 60 + 40);
        assert_eq!(verdict.retry, Retry::After(midnight));
        world.deliver(&phone, sample::notification()).await;
        let health = world.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted);
        assert!(health.evidence.contains("2 of 2"), "{health:?}");
        world.clock.advance(midnight);
        world.deliver(&phone, public()).await;
        assert_eq!(phone.arrivals().len(), 4);
    });
}

/// OPPO's present host answers 41 for an id that it does not know: the id is suspect, and is not deleted for the code alone.
#[test]
fn an_unknown_id_is_dead_or_suspect_as_the_host_answers() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.uninstall();
        assert_eq!(world.send_to(&phone).await, DEAD);
        let world = with(Options::default().with_argument_errors(), &json!({})).await;
        let phone = world.simulator.install();
        phone.uninstall();
        let suspect = VerdictKind::TokenUnusable(TokenFault::App);
        assert_eq!(world.send_to(&phone).await, suspect);
    });
}

#[test]
fn a_wrong_secret_and_a_wrong_clock_refuse_the_credential_and_verify_says_so() {
    block_on(async {
        let world = world().await;
        let health = world.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        assert!(health.evidence.contains("0 of 100000"), "{health:?}");
        assert_eq!(world.simulator.counters().requests, 0);
        let wrong = with(
            Options::default(),
            &json!({ "master_secret": "the-app-secret" }),
        )
        .await;
        let phone = wrong.simulator.install();
        assert_eq!(wrong.send_to(&phone).await, VerdictKind::CredentialRefused);
        wrong.clock.advance(Duration::from_secs(15 * 60));
        let health = wrong.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        assert!(health.evidence.contains("16"), "{health:?}");
        // The window is ten minutes wide on both sides.
        for (offset, accepted) in [
            (-600_001, false),
            (-599_999, true),
            (599_999, true),
            (600_001, false),
        ] {
            let clock: Arc<dyn Clock> = Arc::new(push_core::ManualClock::new(
                push_core::Timestamp::from_unix_millis(sample::NOW.unix_millis() + offset),
            ));
            let config = RawConfig::from_json(&world.simulator.config()).expect("a configuration");
            let provider = PLUGIN
                .build(config, &BuildContext::new(clock))
                .expect("a provider");
            let phone = world.simulator.install();
            let verdict = sample::send_one(&provider, phone.token()).await;
            let kind = if accepted {
                VerdictKind::Accepted
            } else {
                VerdictKind::CredentialRefused
            };
            assert_eq!(verdict.kind, kind, "{offset}");
            assert!(accepted || verdict.answer.code == "19", "{verdict:?}");
        }
    });
}

/// As `offline-push simulate oppo` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let oppo = known.iter().find(|simulator| simulator.name == "oppo");
        let oppo = oppo.expect("the simulator is registered");
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let options = simulator::Options::default().with_clock(Arc::clone(&clock));
        let running = (oppo.start)(options).await.expect("a free port");
        let config = RawConfig::from_json(&running.credentials()[0].config).expect("an object");
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        assert_eq!(running.endpoints().len(), 3);
        let phone = running.install(&Install::default()).expect("a phone");
        let (_, token) = phone.tokens().remove(0);
        let mut kinds = Vec::new();
        for code in ["33", "10000", "987"] {
            let order = json!({ "code": code, "phone": 1, "times": 1 });
            let order: Order = serde_json::from_value(order).expect("an order");
            let tokens = std::slice::from_ref(&token);
            running.script(&order, tokens).expect("an answer of OPPO");
            kinds.push(sample::send_one(&provider, &token).await.kind);
        }
        kinds.push(sample::send_one(&provider, &token).await.kind);
        phone.uninstall();
        kinds.push(sample::send_one(&provider, &token).await.kind);
        let limited = VerdictKind::RateLimited(Scope::Class);
        let wanted = [
            limited,
            DEAD,
            VerdictKind::TargetRefused,
            VerdictKind::Accepted,
            DEAD,
        ];
        assert_eq!(kinds, wanted);
        assert_eq!(phone.inbox().arrived(), 1);
        let counters = running.counters();
        assert_eq!(
            (&counters["requests"], &counters["granted"]),
            (&json!(5), &json!(1))
        );
        let other: Install = serde_json::from_value(json!({ "app": "another" })).expect("an app");
        assert!(running.install(&other).is_err());
    });
}
