//! What Huawei refuses, and what that costs.
use super::*;

#[test]
fn a_wrong_secret_or_a_foreign_project_costs_no_token() {
    block_on(async {
        let changes: [(&str, &str, &str); 3] = [
            ("app_secret", "not-the-secret", "1101"),
            ("app_id", "300000003", "1101"),
            ("project_id", "999", "80300002"),
        ];
        for (key, value, code) in changes {
            for with_200 in [false, true] {
                let options = if with_200 {
                    Options::default().with_codes_with_200()
                } else {
                    Options::default()
                };
                let stage = Stage::configured(options, |config| config[key] = json!(value)).await;
                let phone = stage.huawei.install();
                let verdict = sample::send_one(&stage.provider, phone.token()).await;
                assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{key}");
                assert_eq!(verdict.answer.code, code, "{key}");
                let health = stage.provider.verify().await.unwrap();
                assert_eq!(health.acceptance, Acceptance::Refused, "{key}: {health:?}");
                assert!(health.evidence.contains(code), "{key}: {health:?}");
                assert!(!health.evidence.contains("not-the-secret"));
            }
        }
    });
}

#[test]
fn the_project_path_works_like_the_app_path() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["project_id"] = json!(App::default().project);
        })
        .await;
        let phone = stage.huawei.install();
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        let path = stage.huawei.log().requests()[1].uri.path().to_owned();
        assert_eq!(path, "/v2/736430079244623000/messages:send");
    });
}

#[test]
fn flow_control_pauses_the_credential_for_as_long_as_huawei_says() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for (pause, retry) in [
            (
                Some(Duration::from_secs(30)),
                Retry::After(Duration::from_secs(30)),
            ),
            (None, Retry::Backoff),
        ] {
            stage.huawei.burst(2, pause);
            for _ in 0..2 {
                let verdict = sample::send_one(&stage.provider, phone.token()).await;
                let paused = matches!(
                    verdict.kind,
                    VerdictKind::RateLimited(Scope::Credential) | DOWN
                );
                assert!(paused, "{verdict:?}");
                assert_eq!(verdict.retry, retry);
            }
            let verdict = sample::send_one(&stage.provider, phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        assert_eq!(phone.arrived(), 2);
    });
}

#[test]
fn verify_checks_the_credential_and_reaches_no_phone() {
    block_on(async {
        let stage = Stage::with(Options::default().with_any_token()).await;
        let health = stage.provider.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        let counters = stage.huawei.counters();
        assert_eq!((counters.validated, counters.accepted), (1, 0));
        // A token is fetched each time: one in the cache proves nothing about the secret.
        stage
            .huawei
            .reset_secret("100000001", Secret::new("another"));
        let health = stage.provider.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        assert!(health.evidence.contains("client_secret is wrong"));
    });
}

#[test]
fn a_slot_that_huawei_does_not_have_is_refused_unsent() {
    block_on(async {
        let stage = Stage::new().await;
        for slot in [Slot::Voip, Slot::LiveActivity] {
            let mut batch = sample::batch(sample::notification(), ["phone"]);
            batch.slot = slot;
            let verdict = sample::send(&stage.provider, batch).await.remove(0);
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        }
        assert_eq!(stage.huawei.log().total(), 0);
    });
}

#[test]
fn a_token_service_that_repeats_the_secret_is_not_quoted() {
    block_on(async {
        let stage = Stage::new().await;
        let secret = App::default().secret;
        let reply = json!({
            "error": 1101,
            "sub_error": 20042,
            "error_description": format!("{} is wrong", secret.expose()),
        });
        stage.huawei.faults().on(TOKEN_KEY, (401, reply));
        let verdict = sample::send_one(&stage.provider, "phone").await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "1101");
        assert!(verdict.answer.text.contains("20042"), "{verdict:?}");
        assert!(!verdict.answer.text.contains(secret.expose()));
        let health = stage.provider.verify().await.unwrap();
        assert!(!health.evidence.contains(secret.expose()));
    });
}

#[test]
fn a_push_that_certainly_was_not_sent_is_unavailable_and_not_unknown() {
    block_on(async {
        let Stage {
            huawei, provider, ..
        } = Stage::new().await;
        let phone = huawei.install();
        let verdict = sample::send_one(&provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        let server = huawei.server().listener().address();
        drop(huawei);
        // The port is closed, and the access token is still valid.
        push_testkit::until(|| std::net::TcpStream::connect(server).is_err()).await;
        let verdict = sample::send_one(&provider, phone.token()).await;
        assert_eq!(verdict.kind, DOWN, "{verdict:?}");
    });
}
