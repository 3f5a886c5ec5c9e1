//! Access tokens and the credential.
use push_core::Acceptance;

use super::*;

#[test]
fn a_hundred_sends_at_once_fetch_one_access_token_and_one_more_when_it_expires() {
    block_on(async {
        let world = with(Options::default().with_any_token(), &json!({})).await;
        for granted in 1..=2 {
            let sends = (0..100).map(|number| {
                let provider = Arc::clone(&world.provider);
                tokio::spawn(async move {
                    sample::send_one(&provider, &format!("v2-phone-{number}")).await
                })
            });
            for send in sends.collect::<Vec<_>>() {
                let verdict = send.await.expect("no panic");
                assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
            }
            assert_eq!(world.simulator.counters().granted, granted);
            world.simulator.expire_access_tokens();
        }
    });
}

/// S120
#[test]
fn an_access_token_that_ends_between_the_two_steps_is_renewed_once() {
    block_on(async {
        let world = world().await;
        let phones = world.phones::<2>();
        let expired = Reply::new(200).json(json!({ "result": 10000, "desc": "authToken" }));
        for key in [SAVE_KEY, LIST_KEY] {
            let before = world.simulator.counters().granted;
            world.simulator.faults().times(key, 1, expired.clone());
            let verdicts = world.send_to(&phones).await;
            assert_eq!(kinds(&verdicts), [VerdictKind::Accepted; 2], "{key}");
            let requests = world.sent(key);
            assert_eq!(requests[requests.len() - 2], requests[requests.len() - 1]);
            assert!(world.simulator.counters().granted <= before + 2);
        }
        // It never helps: the credential is refused, and nothing is tried a third time.
        world.simulator.faults().on(SAVE_KEY, expired);
        let before = world.sent(SAVE_KEY).len();
        let verdicts = world.send_to(&phones).await;
        assert_eq!(kinds(&verdicts), [VerdictKind::CredentialRefused; 2]);
        assert_eq!(world.sent(SAVE_KEY).len() - before, 2);
    });
}

#[test]
fn an_access_token_is_renewed_every_two_hours_and_used_for_a_day_if_it_cannot_be() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let phone = std::slice::from_ref(&phone);
        for (hours, granted) in [(0, 1), (1, 1), (1, 2), (1, 2)] {
            world.clock.advance(Duration::from_secs(hours * 3600));
            assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
            assert_eq!(world.simulator.counters().granted, granted);
        }
        world
            .simulator
            .faults()
            .on(AUTH_KEY, Reply::new(502).body("<html>"));
        for _ in 0..11 {
            world.clock.advance(Duration::from_secs(2 * 3600));
            assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
        }
        world.clock.advance(Duration::from_secs(2 * 3600));
        assert_eq!(kinds(&world.send_to(phone).await), [DOWN]);
    });
}

#[test]
fn a_wrong_value_of_the_credential_is_named_and_verify_says_so() {
    block_on(async {
        for (keys, code, words) in [
            (json!({ "app_id": "7" }), "10205", "app_id"),
            (json!({ "app_key": "another" }), "10202", "app_key"),
            (
                json!({ "app_secret": "another-secret" }),
                "10206",
                "app_secret",
            ),
        ] {
            let world = with(Options::default(), &keys).await;
            let phone = world.simulator.install();
            let refused = world.send_to(&[phone]).await.remove(0);
            assert_eq!(refused.kind, VerdictKind::CredentialRefused);
            assert_eq!(refused.answer.code, code);
            assert!(refused.answer.text.contains(words), "{refused:?}");
            world.clock.advance(Duration::from_secs(60));
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        }
    });
}

#[test]
fn verify_disturbs_no_user_and_is_satisfied_by_an_unknown_phone() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let health = world.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        let sent = world.sent("/message/send").pop().expect("a request");
        assert_eq!(
            (&sent["pushMode"], &sent["regId"]),
            (&json!(1), &json!("offline-push-verify"))
        );
        assert_eq!(
            (phone.arrivals().len(), world.simulator.counters().accepted),
            (0, 0)
        );
        // An id that is refused for another reason than that it is unknown shows nothing.
        let other =
            json!({ "result": 10302, "desc": "…", "invalidUser": { "status": 1, "userid": "x" } });
        world.simulator.faults().next(Reply::new(200).json(other));
        let error = world.provider.verify().await.expect_err("it says nothing");
        assert!(error.is_transient(), "{error}");
    });
}

#[test]
fn a_clock_that_is_wrong_is_named_as_the_cause() {
    block_on(async {
        let world = world().await;
        let wrong = Arc::new(ManualClock::new(sample::NOW + Duration::from_secs(601)));
        let context = BuildContext::new(wrong);
        let provider = build(&world.simulator, &json!({}), &context);
        let phone = world.simulator.install();
        let refused = sample::send_one(&provider, phone.token()).await;
        assert_eq!(refused.kind, VerdictKind::CredentialRefused);
        assert!(refused.answer.text.contains("clock"), "{refused:?}");
    });
}

#[test]
fn a_limit_of_the_token_service_is_no_refusal_of_the_credential() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let phone = std::slice::from_ref(&phone);
        let limited = Reply::new(200).json(json!({ "result": 10250, "desc": "…" }));
        world.simulator.faults().times(AUTH_KEY, 1, limited);
        let kind = VerdictKind::RateLimited(Scope::Credential);
        assert_eq!(kinds(&world.send_to(phone).await), [kind]);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(kinds(&world.send_to(phone).await), [VerdictKind::Accepted]);
    });
}
