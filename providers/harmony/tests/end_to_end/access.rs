//! The JWT: kept, renewed, refused.
use std::{collections::HashSet, time::Duration};

use push_core::Acceptance;
use push_testkit::{Reply, block_on, fixtures};

use super::*;

/// S120
#[test]
fn a_refused_jwt_is_signed_anew_once_and_a_hundred_sends_share_it() {
    block_on(async {
        let world = Arc::new(World::with(Options::default().with_any_token(), &json!({})).await);
        let jwts = |world: &World| -> HashSet<String> {
            let requests = world.simulator.log().requests();
            let jwts = requests
                .iter()
                .map(|request| request.header("authorization"));
            jwts.map(|jwt| jwt.expect("a JWT").to_owned()).collect()
        };
        let storm = async |world: &Arc<World>| {
            let sends: Vec<_> = (0..100)
                .map(|at| {
                    let world = Arc::clone(world);
                    tokio::spawn(async move {
                        let token = format!("IQAAAACy{at:06}");
                        let batch = sample::batch(sample::notification(), [token]);
                        world.send(batch).await
                    })
                })
                .collect();
            for send in sends {
                assert_eq!(send.await.expect("no panic"), [ACCEPTED]);
            }
        };
        storm(&world).await;
        assert_eq!(world.simulator.counters().requests, 100);
        assert_eq!(jwts(&world).len(), 1, "one JWT serves all");
        // Push Kit refuses the first hundred requests for the JWT's age: all sends share the next.
        let expired = json!({ "code": "80200005", "msg": "JWT token expired", "requestId": "r" });
        for at in 0..100 {
            let token = format!("IQAAAACy{at:06}");
            let reply = Reply::new(401).json(expired.clone());
            world.simulator.faults().times(&token, 1, reply);
        }
        storm(&world).await;
        assert_eq!(world.simulator.counters().requests, 300);
        assert_eq!(jwts(&world).len(), 2, "one renewal for a hundred sends");
    });
}

#[test]
fn a_jwt_that_is_refused_again_refuses_the_credential_after_two_requests() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let expired = json!({ "code": "80200005", "msg": "JWT token expired", "requestId": "r" });
        world
            .simulator
            .faults()
            .next_times(5, Reply::new(401).json(expired));
        let verdict = world.push(sample::notification(), &phone).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{verdict:?}");
        assert_eq!(world.simulator.counters().requests, 2);
        assert!(verdict.answer.text.contains("clock"), "{verdict:?}");
    });
}

#[test]
fn a_jwt_is_renewed_before_its_hour_is_over() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for _ in 0..4 {
            world.accepted(sample::notification(), &phone).await;
            world.clock.advance(Duration::from_secs(30 * 60));
        }
        world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
        world.accepted(sample::notification(), &phone).await;
        assert_eq!(world.simulator.counters().requests, 5, "none was refused");
    });
}

#[test]
fn a_foreign_account_key_or_project_is_refused_and_verify_reports_it() {
    block_on(async {
        let good = world().await;
        let health = good.provider.verify().await.expect("an answer");
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        assert_eq!(
            good.simulator.counters().accepted,
            0,
            "a phone may be disturbed"
        );
        assert_eq!(good.sent()["pushOptions"]["testMessage"], true);
        for (key, value) in [
            ("project_id", json!("7")),
            ("key_id", json!("7")),
            ("sub_account", json!("7")),
        ] {
            let mut file = good.simulator.key_file();
            file[key] = value;
            let world = World::with(Options::default(), &json!({ "service_account": file })).await;
            let phone = world.simulator.install();
            let verdict = world.push(sample::notification(), &phone).await;
            assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{verdict:?}");
            assert_eq!(verdict.answer.code, "80200001");
            assert!(phone.arrivals().is_empty());
            let health = world.provider.verify().await.expect("an answer");
            assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        }
    });
}

/// A clock that is two hours behind dates each JWT as expired: the answer says what to look at.
#[test]
fn a_clock_that_is_wrong_is_named_as_a_cause() {
    block_on(async {
        let mut world = world().await;
        let late = sample::clock();
        let context = BuildContext::new(Arc::new(late.clone()));
        let raw = RawConfig::from_json(&world.config).expect("an object");
        world.provider = PLUGIN.build(raw, &context).expect("it is right");
        world.clock.advance(Duration::from_secs(2 * 60 * 60));
        let phone = world.simulator.install();
        let verdict = world.push(sample::notification(), &phone).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "80200005");
        assert!(verdict.answer.text.contains("clock"), "{verdict:?}");
        assert!(world.provider.capabilities().repair.contains("clock"));
    });
}

#[test]
fn nothing_of_key_token_and_text_shows_in_what_is_kept() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let key = fixtures::rsa_key();
        let line = key.lines().nth(3).expect("a line of the key");
        let said = format!("{} {} {line}", phone.token(), sample::BODY);
        let body = json!({ "code": "80100003", "msg": said, "requestId": "r" });
        world.simulator.faults().next(Reply::new(400).json(body));
        let verdict = world.push(sample::notification(), &phone).await;
        let shown = format!("{verdict:?} {:?} {:#?}", world.provider, world.typed());
        for part in [phone.token(), sample::BODY, line, "PRIVATE"] {
            assert!(!shown.contains(part), "{part} in {shown}");
        }
    });
}
