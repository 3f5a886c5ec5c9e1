//! The provider token, certificates, and what the service says of both.
use std::sync::Arc;

use push_core::{Acceptance, Environment, ErrorKind, Provider, Retry, Scope, Slot, VerdictKind};
use push_provider_apns::{
    PushType,
    simulator::{CertificateRequest, Options, Outcome},
};

use push_testkit::{block_on, fixtures, json, sample};

use crate::support::{Apple, TOPIC, dynamic, key_config, minutes, provider, send, send_sample};

#[test]
fn a_hundred_sends_at_once_share_one_provider_token() {
    block_on(async {
        let apple = Apple::with(Options::default().with_any_token()).await;
        let provider = dynamic(&apple.provider(Environment::Production));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100 {
            let batch = sample::batch(sample::notification(), [format!("{number:064x}")]);
            let provider = Arc::clone(&provider);
            tasks.spawn(async move { sample::send(&provider, batch).await.remove(0) });
        }
        for verdict in tasks.join_all().await {
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        assert_eq!(apple.service.counters().provider_tokens, 1);
    });
}

#[test]
fn ten_thousand_pushes_need_no_second_token_and_no_more_connections() {
    block_on(async {
        let apple = Apple::with(Options::default().with_any_token()).await;
        let provider = dynamic(&apple.provider(Environment::Production));
        // What fits into the window of one connection at the same time.
        let batch = |round: usize| {
            let tokens = (0..200).map(|it| format!("{:064x}", round * 200 + it));
            sample::batch(sample::notification(), tokens)
        };
        for round in 0..50 {
            for verdict in sample::send(&provider, batch(round)).await {
                assert_eq!(verdict.kind, VerdictKind::Accepted);
            }
        }
        let counters = apple.service.counters();
        assert_eq!(counters.requests, 10_000);
        assert_eq!(counters.accepted, 10_000);
        assert_eq!(counters.provider_tokens, 1);
        // A few while Apple still allows one stream on each, and none since.
        assert!(counters.connections <= 4, "{counters:?}");
    });
}

/// S120: and the clock of Apple's that is ahead of ours costs one more token, not one for each request.
#[test]
fn an_expired_provider_token_is_renewed_once_and_the_request_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let ours = sample::clock();
        let config = key_config(&apple.service, Environment::Production);
        let provider = provider(config, Arc::new(ours.clone()));
        let phones: Vec<_> = (0..50)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        send_sample(&provider, &phones[0].token()).await;
        ours.advance(minutes(25));
        apple.clock.advance(minutes(62));

        let batch = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        let ids: Vec<_> = batch
            .targets
            .iter()
            .map(|it| it.delivery.as_uuid())
            .collect();
        let verdicts = sample::send(&dynamic(&provider), batch).await;
        assert!(verdicts.iter().all(|it| it.kind == VerdictKind::Accepted));
        assert_eq!(apple.service.counters().provider_tokens, 2);
        for id in ids {
            assert_eq!(apple.service.accepted_of(id), 1);
            assert!(apple.service.requests_of(id) <= 2);
        }
    });
}

#[test]
fn a_token_that_stays_too_old_is_not_renewed_more_often_than_apple_allows() {
    block_on(async {
        let apple = Apple::start().await;
        let ours = sample::clock();
        ours.jump_to(sample::NOW - minutes(120));
        let config = key_config(&apple.service, Environment::Production);
        let provider = provider(config, Arc::new(ours.clone()));
        let phone = apple.service.install(TOPIC, Environment::Production);
        for _ in 0..3 {
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
            assert_eq!(verdict.retry, Retry::After(minutes(20)));
            assert_eq!(verdict.answer.code, "ExpiredProviderToken");
            assert!(verdict.answer.text.contains("clock"));
        }
        assert_eq!(apple.service.counters().provider_tokens, 1);
        assert_eq!(apple.service.counters().requests, 3);
        // The operator sets the clock right: the next push goes through, without a restart.
        ours.jump_to(sample::NOW);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn a_clock_that_was_ahead_and_is_set_right_heals_by_itself() {
    block_on(async {
        let apple = Apple::start().await;
        let ours = sample::clock();
        ours.jump_to(sample::NOW + minutes(120));
        let config = key_config(&apple.service, Environment::Production);
        let provider = provider(config, Arc::new(ours.clone()));
        let phone = apple.service.install(TOPIC, Environment::Production);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "InvalidProviderToken");
        ours.jump_to(sample::NOW);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn what_apple_says_of_a_credential_never_costs_a_token() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        for (status, reason) in [
            (403, "InvalidProviderToken"),
            (403, "MissingProviderToken"),
            (403, "Forbidden"),
            (403, "BadEnvironmentKeyIdInToken"),
            (403, "BadCertificate"),
            (400, "TopicDisallowed"),
        ] {
            apple
                .service
                .once(&phone.token(), Outcome::answer(status, reason));
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{reason}");
            assert_eq!(verdict.answer.code, reason);
        }
        apple.service.once(
            &phone.token(),
            Outcome::answer(429, "TooManyProviderTokenUpdates"),
        );
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
        assert_eq!(verdict.retry, Retry::After(minutes(20)));
    });
}

/// Apple binds a connection to the key that it first saw: a new connection is what its documentation advises.
#[test]
fn a_connection_of_an_unrelated_key_is_replaced_and_the_request_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        send_sample(&provider, &phone.token()).await;
        let before = apple.service.counters().connections;
        let unrelated = Outcome::answer(403, "UnrelatedKeyIdInToken");
        apple.service.once(&phone.token(), unrelated.clone());
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(apple.service.counters().connections, before + 1);
        // On the new connection it is the credential's fault.
        apple.service.on(&phone.token(), unrelated);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
    });
}

#[test]
fn verify_says_whether_apple_accepts_the_credential() {
    block_on(async {
        let apple = Apple::start().await;
        let good = apple.provider(Environment::Production);
        let health = good.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        assert!(health.evidence.contains("BadDeviceToken"), "{health:?}");

        let changed = |key: &str, value: String| {
            let mut config = key_config(&apple.service, Environment::Production);
            config[key] = json!(value);
            provider(config, Arc::new(apple.clock.clone()))
        };
        for (provider, word) in [
            (
                changed("key_id", "ZZZ123DEFG".into()),
                "InvalidProviderToken",
            ),
            (
                changed("team_id", "ZZZ123GHIJ".into()),
                "InvalidProviderToken",
            ),
            (
                changed("key", fixtures::apns_key(2)),
                "InvalidProviderToken",
            ),
        ] {
            let health = provider.verify().await.unwrap();
            assert_eq!(health.acceptance, Acceptance::Refused);
            assert!(health.evidence.contains(word), "{health:?}");
            for cause in ["do not belong together", "revoked", "clock"] {
                assert!(health.evidence.contains(cause), "{health:?}");
            }
        }

        apple
            .service
            .next(1, &Outcome::answer(503, "ServiceUnavailable"));
        let error = good.verify().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("ServiceUnavailable"));
        assert_eq!(apple.service.counters().delivered, 0);
    });
}

fn certificate_config(
    apple: &Apple,
    environment: Environment,
    request: &CertificateRequest,
) -> serde_json::Value {
    let certificate = apple.service.issue_certificate(request);
    json!({
        "certificate": certificate.p12("pass word", true),
        "password": "pass word",
        "environment": environment.as_str(),
        "endpoint": apple.service.endpoint(environment),
        "http": { "extra_ca_pem": apple.service.ca_pem() },
    })
}

#[test]
fn a_certificate_sends_without_a_provider_token_and_on_many_streams_at_once() {
    block_on(async {
        let apple = Apple::start().await;
        let request = CertificateRequest::new(TOPIC, &[Environment::Production]).with("voip");
        let config = certificate_config(&apple, Environment::Production, &request);
        let sender = provider(config, Arc::new(apple.clock.clone()));
        assert_eq!(sender.capabilities().slots, [Slot::Alert, Slot::Voip]);
        assert_eq!(sender.capabilities().expires_at, Some(request.valid.1));
        assert_eq!(
            sender.capabilities().environment,
            Some(Environment::Production)
        );
        assert_eq!(sender.certificate().unwrap().bundle_id(), Some(TOPIC));
        let phones: Vec<_> = (0..50)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        let batch = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        for verdict in sample::send(&dynamic(&sender), batch).await {
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        let mut call = sample::batch(sample::notification(), [phones[0].token_of(Slot::Voip)]);
        call.slot = Slot::Voip;
        let verdict = sample::send(&dynamic(&sender), call).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");

        let mut location = sample::notification();
        location
            .vendor
            .insert("push-type".into(), json!("location"));
        let verdict = send(&sender, &phones[0].token_for(PushType::Location), location).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        assert_eq!(apple.service.counters().provider_tokens, 0);
        let health = sender.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Accepted);
    });
}

#[test]
fn an_expired_certificate_stops_its_own_app_only_and_says_so() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let request = CertificateRequest::new(TOPIC, &[Environment::Production])
            .valid(sample::NOW - minutes(60), sample::NOW + minutes(60 * 24));
        let config = certificate_config(&apple, Environment::Production, &request);
        let by_certificate = provider(config, Arc::new(apple.clock.clone()));
        apple.clock.advance(minutes(60 * 25));
        let before = apple.service.counters();
        let verdict = send_sample(&by_certificate, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert!(verdict.answer.text.contains("expired"));
        let health = by_certificate.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Refused);
        assert!(health.evidence.contains("expired"));
        assert_eq!(apple.service.counters(), before);

        let by_key = apple.provider(Environment::Production);
        let verdict = send_sample(&by_key, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn a_certificate_of_the_other_environment_is_refused_by_apple_in_words() {
    block_on(async {
        let apple = Apple::start().await;
        let request = CertificateRequest::new(TOPIC, &[Environment::Sandbox]);
        let mut config = certificate_config(&apple, Environment::Sandbox, &request);
        // As if a proxy led the sandbox's name to production.
        config["endpoint"] = json!(apple.service.endpoint(Environment::Production));
        let sender = provider(config, Arc::new(apple.clock.clone()));
        let health = sender.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Refused);
        assert!(
            health.evidence.contains("BadCertificateEnvironment"),
            "{health:?}"
        );
    });
}
