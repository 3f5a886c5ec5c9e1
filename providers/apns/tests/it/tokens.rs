//! Tokens of other environments and apps, dead tokens, and secrecy.
use std::time::Duration;

use push_core::{
    DeviceToken, Environment, ErrorKind, Provider, Retry, Scope, Slot, TokenFault, VerdictKind,
};
use push_provider_apns::simulator::Outcome;

use push_testkit::{block_on, fixtures, sample};

use crate::support::{Apple, KEY_ID, TEAM_ID, TOPIC, dynamic, minutes, send_sample};

/// S57+: before anything is sent, where both are known.
#[test]
fn a_token_of_the_other_environment_is_recognised_before_it_is_sent() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Sandbox);
        let mut batch = sample::batch(sample::notification(), [phone.token()]);
        batch.environment = Environment::Sandbox;
        let verdict = sample::send(&dynamic(&provider), batch).await.remove(0);
        assert_eq!(
            verdict.kind,
            VerdictKind::TokenUnusable(TokenFault::Environment)
        );
        assert!(verdict.answer.text.contains("sandbox environment"));
        assert_eq!(apple.service.counters().requests, 0);
    });
}

/// S57+: after the first `BadDeviceToken`, if the app registered the wrong environment.
#[test]
fn a_sandbox_token_registered_as_production_is_quarantined_and_not_dead() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Sandbox);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(
            verdict.kind,
            VerdictKind::TokenUnusable(TokenFault::Environment)
        );
        assert_eq!(verdict.answer.code, "BadDeviceToken");
        assert!(verdict.answer.text.contains("environment"));
        assert_eq!(verdict.retry, Retry::Never);
        assert_eq!(phone.arrived(), 0);
    });
}

#[test]
fn a_wrong_topic_never_costs_a_token() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple
            .service
            .install("com.example.other", Environment::Production);
        let of_another_app = apple.provider(Environment::Production);
        let verdict = send_sample(&of_another_app, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::TokenUnusable(TokenFault::App));
        assert_eq!(verdict.answer.code, "DeviceTokenNotForTopic");

        apple
            .service
            .register_key_for(
                KEY_ID,
                TEAM_ID,
                &fixtures::apns_key(1),
                None,
                &["com.example.third"],
            )
            .unwrap();
        let verdict = send_sample(&of_another_app, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "TopicDisallowed");
    });
}

/// The time that the vendor names is kept, for the pipeline to compare.
#[test]
fn a_token_of_a_deleted_app_is_dead_since_then() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.clock.advance(minutes(5));
        phone.uninstall();
        apple.clock.advance(minutes(5));
        let verdict = send_sample(&provider, &phone.token()).await;
        let since = Some(sample::NOW + minutes(5));
        assert_eq!(verdict.kind, VerdictKind::TokenDead { since });
        assert_eq!(verdict.answer.code, "Unregistered");
        let again = phone.reinstall();
        assert_ne!(again.token(), phone.token());
        let verdict = send_sample(&provider, &again.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

/// S122+.
#[test]
fn every_device_of_a_batch_gets_its_own_outcome() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phones: Vec<_> = (0..6)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        phones[1].uninstall();
        let sandbox = apple.service.install(TOPIC, Environment::Sandbox);
        let other = apple
            .service
            .install("com.example.other", Environment::Production);
        apple.service.on(
            &phones[2].token(),
            Outcome::answer(503, "ServiceUnavailable"),
        );
        apple.service.on(
            &phones[3].token(),
            Outcome::answer(429, "TooManyRequests").with_retry_after("7"),
        );
        apple.service.on(&phones[4].token(), Outcome::reset());
        let tokens = [
            phones[0].token(),
            phones[1].token(),
            sandbox.token(),
            other.token(),
            phones[2].token(),
            phones[3].token(),
            phones[4].token(),
            "not-a-token".to_owned(),
            phones[5].token(),
        ];
        let batch = sample::batch(sample::notification(), tokens);
        let verdicts = sample::send(&dynamic(&provider), batch).await;
        let kinds: Vec<_> = verdicts.iter().map(|verdict| verdict.kind).collect();
        assert_eq!(
            kinds,
            [
                VerdictKind::Accepted,
                VerdictKind::TokenDead {
                    since: Some(sample::NOW)
                },
                VerdictKind::TokenUnusable(TokenFault::Environment),
                VerdictKind::TokenUnusable(TokenFault::App),
                VerdictKind::Unavailable(Scope::Credential),
                VerdictKind::RateLimited(Scope::Token),
                VerdictKind::Unknown,
                VerdictKind::TokenUnusable(TokenFault::Malformed),
                VerdictKind::Accepted,
            ]
        );
        assert_eq!(verdicts[5].retry, Retry::After(Duration::from_secs(7)));
    });
}

#[test]
fn production_and_sandbox_sends_at_the_same_time_never_cross() {
    block_on(async {
        let apple = Apple::start().await;
        let environments = [Environment::Production, Environment::Sandbox];
        let sides = environments.map(|it| {
            let phones: Vec<_> = (0..100).map(|_| apple.service.install(TOPIC, it)).collect();
            (it, apple.provider(it), phones)
        });
        let mut tasks = tokio::task::JoinSet::new();
        for round in 0..10 {
            for (environment, provider, phones) in &sides {
                let some = phones.iter().skip(round * 10).take(10);
                let mut batch = sample::batch(sample::notification(), some.map(|it| it.token()));
                batch.environment = *environment;
                let provider = dynamic(provider);
                tasks.spawn(async move { sample::send(&provider, batch).await });
            }
        }
        for verdicts in tasks.join_all().await {
            assert!(verdicts.iter().all(|it| it.kind == VerdictKind::Accepted));
        }
        for (_, _, phones) in &sides {
            assert!(phones.iter().all(|it| it.arrived() == 1));
        }
    });
}

#[test]
fn neither_token_nor_key_nor_text_is_ever_shown() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let token = phone.token();
        let mut shown = String::new();
        for outcome in [
            Outcome::as_usual(),
            // A vendor that repeats the token in its answer.
            Outcome::answer(400, format!("Bad{token}")),
            Outcome::answer(410, "Unregistered"),
            Outcome::reset(),
            Outcome::close(),
            Outcome::go_away(token.clone()),
        ] {
            apple.service.once(&token, outcome);
            let verdict = send_sample(&provider, &token).await;
            shown += &format!("{verdict:?} {provider:?} {:#?}\n", apple.service);
        }
        shown += &format!("{phone:?} {:?}", phone.arrivals());
        for secret in [&token, "MIGHAgEA", sample::BODY, sample::TITLE, "eyJ"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    });
}

/// Apple's tokens are hexadecimal numbers: two spellings of one must not become two registrations.
#[test]
fn letter_case_does_not_make_another_token() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let checked =
            |token: &str| provider.check_token(Slot::Alert, &DeviceToken::new(token).unwrap());
        let lower = checked(&phone.token().to_lowercase()).unwrap();
        let upper = checked(&phone.token().to_uppercase()).unwrap();
        assert_eq!(lower, upper);
        // A registration from before the check is sent to under the same name.
        let verdict = send_sample(&provider, &phone.token().to_uppercase()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(phone.arrived(), 1);
    });
}

/// Registered before tokens were checked, or while the credential could not be used.
#[test]
fn what_is_no_token_is_quarantined_as_such_and_apple_is_not_asked() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let verdict = send_sample(&provider, "{length = 32, bytes = 0x4f1c0a9b }").await;
        let kind = VerdictKind::TokenUnusable(TokenFault::Malformed);
        assert_eq!(verdict.kind, kind, "{verdict:?}");
        assert_eq!(verdict.answer.status, None);
        assert!(verdict.answer.text.contains("was not asked"), "{verdict:?}");
        assert!(!TokenFault::Malformed.accuses_credential());
        assert_eq!(apple.service.counters().requests, 0);
    });
}

#[test]
fn the_description_of_a_token_is_refused_in_words_about_its_form() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        for token in [
            "{length = 32, bytes = 0x4f1c0a9b e27d8336 5ad1908c fe74b201 ... c15980fb }",
            "<4f1c0a9b e27d8336 5ad1908c fe74b201 3c66d5ea 918f47b0 237ad4e6 c15980fb>",
        ] {
            let token = DeviceToken::new(token).unwrap();
            let error = provider.check_token(Slot::Alert, &token).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let text = error.to_string();
            assert!(text.contains("is the description of an object"), "{text}");
            for misleading in ["topic", "environment", "another app", "4f1c"] {
                assert!(!text.contains(misleading), "{text}");
            }
        }
    });
}
