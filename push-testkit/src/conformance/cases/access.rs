//! The credential, and the access that is granted for it.
use push_core::{Acceptance, Retry, VerdictKind};

use crate::conformance::{Vendor, stage::Stage};
use crate::{Reply, block_on, sample, until};

/// [`push_core::Provider::verify`] says yes when the vendor does, and an error when nobody speaks.
pub fn verify_tells_a_good_credential_from_silence(vendor: &Vendor) {
    block_on(async {
        let good = match vendor.verify_accepted.as_slice() {
            [] => vec![vendor.ok_reply()],
            some => some.to_vec(),
        };
        for reply in good {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            let health = stage.provider.verify().await.expect("the vendor answers");
            assert!(
                health.acceptance == Acceptance::Accepted,
                "{reply:?} gives {health:?}"
            );
            assert!(!health.evidence.is_empty());
            assert!(stage.server.log().total() > 0, "nobody was asked");
            assert!(!health.evidence.contains(&(vendor.token)(0)));
        }
        for reply in &vendor.unavailable {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            stage.auth.always(reply.clone());
            let error = stage.provider.verify().await;
            let error = error.expect_err("an outage is no answer about the credential");
            assert!(error.is_transient(), "{reply:?} gives {error}");
        }
    });
}

/// [`push_core::Provider::verify`] reports a refusal as such, not as an error.
pub fn verify_reports_a_refused_credential(vendor: &Vendor) {
    block_on(async {
        for (list, at_auth) in [
            (&vendor.credential_refused, false),
            (&vendor.auth_refused, true),
        ] {
            for reply in list {
                let stage = Stage::new(vendor).await;
                let script = if at_auth { &stage.auth } else { &stage.sends };
                script.always(reply.clone());
                let health = stage.provider.verify().await.expect("the vendor answers");
                assert!(
                    health.acceptance == Acceptance::Refused,
                    "{reply:?} gives {health:?}"
                );
                assert!(!health.evidence.is_empty());
            }
        }
    });
}

/// [`Vendor::auth`]: no thundering herd.
pub fn one_access_token_serves_every_concurrent_send(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let tasks: Vec<_> = (0..100)
            .map(|it| {
                let token = (vendor.token)(it);
                stage.begin(sample::batch(sample::notification(), [token]))
            })
            .collect();
        for (task, collected) in tasks {
            task.await.expect("a send does not panic");
            let verdict = collected.get(0).expect("there is a verdict");
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        assert_eq!(fetched(&stage), 1);
    });
}

fn fetched(stage: &Stage<'_>) -> usize {
    let mut requests = stage.server.log().requests();
    requests.retain(|it| stage.vendor.is_auth(it.uri.path()));
    requests.len()
}

/// [`Vendor::auth`]: whoever fetches the access token for all may be dropped.
pub fn a_send_given_up_while_authenticating_does_not_block_the_next(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.auth.next(Reply::silence());
        let begin = |number: usize| {
            let token = (vendor.token)(number);
            stage.begin(sample::batch(sample::notification(), [token]))
        };
        let (first, given_up) = begin(0);
        until(|| fetched(&stage) == 1).await;
        let (second, waited) = begin(1);
        tokio::task::yield_now().await;
        first.abort();
        // It may ask again at once, or sit out the silent request until its deadline.
        stage.let_time_pass(&second).await;
        let verdict = waited.get(0).expect("there is a verdict");
        let fair = matches!(
            verdict.kind,
            VerdictKind::Accepted | VerdictKind::Unavailable(_)
        );
        assert!(fair, "{verdict:?}");
        assert_eq!(given_up.verdicts().len(), 1);
        let next = sample::send_one(&stage.provider, &(vendor.token)(2)).await;
        assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
    });
}

/// [`Vendor::auth`]: without access nothing is sent, and nothing is lost.
pub fn a_token_endpoint_that_fails_costs_no_token(vendor: &Vendor) {
    let failures = [
        Reply::new(500),
        Reply::new(503).body("<html>"),
        Reply::new(200),
        Reply::from((200, "{}")),
        Reply::from((200, "not json")),
        Reply::from((
            200,
            r#"{"access_token":"a\r\nx-injected: 1","expires_in":3600}"#,
        )),
        Reply::new(200).body("{\"a\":1}").truncated(),
        Reply::reset(),
    ];
    block_on(async {
        for reply in failures {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = sample::send_one(&stage.provider, &(vendor.token)(0)).await;
            let safe = matches!(
                verdict.kind,
                VerdictKind::Unavailable(_) | VerdictKind::CredentialRefused
            );
            assert!(safe, "{reply:?} gives {verdict:?}");
            assert_ne!(verdict.retry, Retry::Never);
            assert_eq!(vendor.sends(stage.server.log()).len(), 0);
            stage.auth.clear();
            let next = sample::send_one(&stage.provider, &(vendor.token)(1)).await;
            assert_eq!(
                next.kind,
                VerdictKind::Accepted,
                "after {reply:?}: {next:?}"
            );
        }
    });
}

/// [`Vendor::auth_refused`]
pub fn a_credential_refused_by_the_token_endpoint_never_costs_a_token(vendor: &Vendor) {
    block_on(async {
        for reply in &vendor.auth_refused {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = sample::send_one(&stage.provider, &(vendor.token)(0)).await;
            assert_eq!(
                verdict.kind,
                VerdictKind::CredentialRefused,
                "{reply:?} gives {verdict:?}"
            );
            assert_eq!(vendor.sends(stage.server.log()).len(), 0);
        }
    });
}

/// [`Vendor::access_expired`] (S120)
pub fn an_expired_access_token_is_renewed_once_and_the_request_sent_again(vendor: &Vendor) {
    let expired = vendor.access_expired.clone().expect("it is there");
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.next(expired.clone());
        let verdict = sample::send_one(&stage.provider, &(vendor.token)(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(fetched(&stage), 2);
        let sent = vendor.sends(stage.server.log());
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].body, sent[1].body);
        // It never helps: one more try, and then the operator's turn.
        let verdict = stage.answered(&expired).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{verdict:?}");
        assert_eq!(vendor.sends(stage.server.log()).len(), 4);
        assert!(fetched(&stage) <= 3, "fetched {} times", fetched(&stage));
    });
}
