//! Streams, silence, GOAWAY: what is sent again, and what never is.
use std::{sync::Arc, time::Duration};

use push_core::{Collected, Environment, Scope, VerdictKind, Verdicts};
use push_http::TokioClock;
use push_provider_apns::simulator::{Options, Outcome};

use push_testkit::{block_on, sample, until, until_idle};

use crate::support::{Apple, MINUTE, TOPIC, dynamic, key_config, provider, send_sample, service};

#[test]
fn a_thousand_targets_wait_for_the_first_answer_and_then_go_together() {
    block_on(async {
        let apple = Apple::with(Options::default().with_any_token()).await;
        let provider = dynamic(&apple.provider(Environment::Production));
        let mut tasks = tokio::task::JoinSet::new();
        for half in 0..2 {
            let tokens = (0..500).map(|it| format!("{:064x}", half * 500 + it));
            let batch = sample::batch(sample::notification(), tokens);
            let provider = Arc::clone(&provider);
            tasks.spawn(async move { sample::send(&provider, batch).await });
        }
        for verdicts in tasks.join_all().await {
            assert!(verdicts.iter().all(|it| it.kind == VerdictKind::Accepted));
        }
        let counters = apple.service.counters();
        assert_eq!(counters.accepted, 1000);
        assert_eq!(counters.requests, 1000, "none was sent twice");
        assert!(counters.max_concurrent_streams > 1, "{counters:?}");
    });
}

/// Real time, because the answers of the service take some.
#[test]
fn a_connection_that_apple_leaves_mid_flight_loses_nothing_and_repeats_nothing() {
    block_on(async {
        let options = Options::default()
            .with_any_token()
            .with_max_streams(50)
            .with_delay(Duration::from_millis(5));
        let apple = service(options).await;
        let config = key_config(&apple, Environment::Production);
        let provider = dynamic(&provider(config, Arc::new(TokioClock)));
        let all = sample::batch(
            sample::notification(),
            (0..1000).map(|it| format!("{it:064x}")),
        );
        let collected = Collected::new();
        let sink: Arc<Collected> = Arc::clone(&collected);
        let verdicts = Verdicts::new(1000, sink);
        let sending = {
            let (provider, batch) = (Arc::clone(&provider), all.clone());
            tokio::spawn(async move { provider.send(batch, verdicts).await })
        };
        for at in [100, 200, 300] {
            until(|| apple.counters().requests >= at || sending.is_finished()).await;
            apple.go_away(Environment::Production, "Shutdown");
        }
        sending.await.unwrap();
        let times = |position: usize| apple.accepted_of(all.targets[position].delivery.as_uuid());
        let mut rest = all.clone();
        rest.targets.clear();
        for (position, target) in all.targets.iter().enumerate() {
            let verdict = collected.get(position).unwrap();
            match verdict.kind {
                VerdictKind::Accepted => assert_eq!(times(position), 1),
                // A connection that had not brought one answer yet: certainly not sent, and to be tried again.
                VerdictKind::Unavailable(_) => {
                    assert_eq!(times(position), 0);
                    rest.targets.push(target.clone());
                }
                _ => panic!("{verdict:?}"),
            }
        }
        assert!(rest.targets.len() < 1000);
        while !rest.targets.is_empty() {
            let verdicts = sample::send(&provider, rest.clone()).await;
            let mut verdicts = verdicts.iter();
            rest.targets
                .retain(|_| verdicts.next().unwrap().kind != VerdictKind::Accepted);
        }
        assert!((0..1000).all(|it| times(it) == 1));
        assert!(apple.counters().connections >= 4);
    });
}

#[test]
fn a_stream_that_apple_refuses_is_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.next(2, &Outcome::refuse());
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(phone.arrived(), 1);
    });
}

#[test]
fn what_may_have_been_sent_is_never_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        for outcome in [Outcome::reset(), Outcome::close()] {
            let before = apple.service.counters().requests;
            apple.service.once(&phone.token(), outcome.clone());
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Unknown, "{outcome:?}");
            assert_eq!(apple.service.counters().requests, before + 1);
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "after {outcome:?}");
        }
    });
}

#[test]
fn silence_ends_at_the_deadline_and_does_not_delay_the_neighbours() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phones = [(); 2].map(|()| apple.service.install(TOPIC, Environment::Production));
        // The connection has its streams before the silence begins.
        send_sample(&provider, &phones[1].token()).await;
        apple.service.on(&phones[0].token(), Outcome::silence());
        let batch = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        let collected = Collected::new();
        let sink: Arc<Collected> = Arc::clone(&collected);
        let verdicts = Verdicts::new(2, sink);
        let sending = {
            let provider = dynamic(&provider);
            tokio::spawn(async move { provider.send(batch, verdicts).await })
        };
        until(|| collected.get(1).is_some()).await;
        assert_eq!(collected.get(1).unwrap().kind, VerdictKind::Accepted);
        assert_eq!(collected.get(0), None);
        while !sending.is_finished() {
            apple.clock.advance(Duration::from_secs(1));
            until_idle().await;
        }
        assert_eq!(collected.get(0).unwrap().kind, VerdictKind::Unknown);
    });
}

#[test]
fn an_idle_timeout_is_sent_again_once() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.next(1, &Outcome::answer(400, "IdleTimeout"));
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        apple.service.next(2, &Outcome::answer(400, "IdleTimeout"));
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
        assert_eq!(apple.service.counters().requests, 4);
    });
}

#[test]
fn the_words_of_a_goaway_are_understood() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        for (reason, kind) in [
            ("BadCertificate", VerdictKind::CredentialRefused),
            ("Shutdown", VerdictKind::Unavailable(Scope::Credential)),
        ] {
            apple.service.next(10, &Outcome::go_away(reason));
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, kind, "{verdict:?}");
            assert_eq!(verdict.answer.code, reason);
            apple.service.heal();
            // After connections that bring nothing, no other is opened for a moment.
            apple.clock.advance(MINUTE);
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        assert_eq!(phone.arrived(), 2);
    });
}
