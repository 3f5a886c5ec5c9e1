//! The credential, and the access that is granted for it.
use std::time::Duration;

use push_core::{Acceptance, ErrorKind, Retry, VerdictKind};
use serde_json::Value;

use super::answers::obeys;
use crate::conformance::{
    Vendor,
    check::plain,
    stage::{PAUSE, Stage},
};
use crate::{Reply, block_on, sample, until};

/// [`push_core::Provider::verify`] reports what the vendor says, and an error when there is no answer about the credential.
pub fn verify_distinguishes_a_good_credential_from_an_outage(vendor: &Vendor) {
    block_on(async {
        if vendor.cannot_verify {
            let stage = Stage::new(vendor).await;
            let health = stage.provider.verify().await.expect("no question is asked");
            assert_eq!(health.acceptance, Acceptance::CannotTell, "{health:?}");
            assert!(!health.evidence.is_empty());
            assert_eq!(stage.sent().len(), 0, "a user may be disturbed");
            return;
        }
        let good = match vendor.verify_accepted.as_slice() {
            [] => vec![vendor.ok_reply()],
            some => some.to_vec(),
        };
        for reply in good {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            let health = stage.provider.verify().await.expect("the vendor answers");
            let accepted = health.acceptance == Acceptance::Accepted;
            assert!(accepted, "{reply:?} gives {health:?}");
            assert!(!health.evidence.is_empty());
            assert!(stage.server.log().total() > 0, "no server was asked");
            assert!(!health.evidence.contains(&stage.token(0)));
        }
        for reply in &vendor.unavailable {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            stage.auth.always(reply.clone());
            let error = stage.provider.verify().await;
            let error = error.expect_err("an outage is no answer about the credential");
            assert!(error.is_transient(), "{reply:?} gives {error}");
        }
        // A captive portal, a proxy or a firewall vouches for no credential, and accuses none.
        for (status, kind, body) in [
            (200, "text/html", "<html>Welcome!</html>"),
            (200, "application/json", "{}"),
            (302, "text/html", ""),
            (403, "text/html", "<html>Forbidden</html>"),
            (403, "application/json", r#"{"message":"Forbidden"}"#),
            (404, "text/html", ""),
            (413, "text/html", ""),
        ] {
            if vendor.bare.contains(&status) {
                continue;
            }
            let reply = Reply::from((status, body)).header("content-type", kind);
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            let health = stage.provider.verify().await;
            let error = health.expect_err("another server says nothing about the credential");
            assert!(error.is_transient(), "{reply:?} gives {error}");
        }
    });
}

/// [`push_core::Provider::verify`] takes neither the head of an answer whose body was lost nor a code that the provider does not
/// know for an accepted or a refused credential.
pub fn verify_is_satisfied_by_the_vendors_own_answer_alone(vendor: &Vendor) {
    if vendor.cannot_verify {
        return;
    }
    block_on(async {
        let good = vendor.verify_accepted.first().cloned();
        let good = good.unwrap_or_else(|| vendor.ok_reply());
        let mut replies = vec![
            vendor.ok_reply().truncated(),
            good.truncated(),
            Reply::reset(),
        ];
        for status in [400, 403, 404, 409] {
            if !vendor.bare.contains(&status) {
                replies.push(vendor.unknown_reply(status, &format!("98{status}98")));
            }
        }
        if vendor.fails_within_success() {
            replies.push(vendor.unknown_reply(200, "9820098"));
        }
        for (number, reply) in replies.iter().enumerate() {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            match stage.provider.verify().await {
                Err(error) => assert!(error.is_transient(), "{number}, {reply:?}: {error}"),
                Ok(health) => panic!("{number}, {reply:?} gives {health:?}"),
            }
        }
    });
}

/// [`Vendor::auth`]: numbers that no service means. The access token is used or not, and the next one is fetched in time: none is
/// believed to be valid for more than a day.
pub fn a_life_of_an_access_token_that_makes_no_sense_is_bounded(vendor: &Vendor) {
    const LIVES: [&str; 14] = [
        "1e400",
        "-1e400",
        "1e18",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "-1",
        "0",
        "0.5",
        "3600.5",
        "\"3600\"",
        "\"soon\"",
        "null",
        "[]",
    ];
    let (_, granted) = vendor.auth.as_ref().expect("declare `auth`");
    let granted = granted.bytes().map(serde_json::from_slice::<Value>);
    let Some(Ok(Value::Object(granted))) = granted else {
        panic!("the answer of `auth` is a JSON object");
    };
    let is_life = |value: &&Value| value.as_u64().is_some_and(|seconds| seconds >= 60);
    let count = granted.values().filter(is_life).count();
    assert!(count <= 1, "one member is the life of the access token");
    block_on(async {
        for life in LIVES.iter().take(LIVES.len() * count) {
            let members: Vec<String> = granted
                .iter()
                .map(|(name, value)| {
                    let value = match is_life(&value) {
                        true => (*life).to_owned(),
                        false => value.to_string(),
                    };
                    format!("{}:{value}", Value::from(name.as_str()))
                })
                .collect();
            let reply = Reply::new(200)
                .header("content-type", "application/json")
                .body(format!("{{{}}}", members.join(",")));
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply);
            let verdict = stage.send_to(0).await;
            let fair = matches!(
                verdict.kind,
                VerdictKind::Accepted | VerdictKind::Unavailable(_)
            );
            assert!(fair, "a life of {life} gives {verdict:?}");
            stage.auth.clear();
            stage.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
            let next = stage.send_to(1).await;
            assert_eq!(next.kind, VerdictKind::Accepted, "after {life}: {next:?}");
            assert!(stage.fetched() >= 2, "a life of {life} is believed");
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
                if vendor.cannot_verify && !at_auth {
                    continue;
                }
                let stage = Stage::new(vendor).await;
                let script = if at_auth { &stage.auth } else { &stage.sends };
                script.always(reply.clone());
                let health = stage.provider.verify().await.expect("the vendor answers");
                let refused = health.acceptance == Acceptance::Refused;
                assert!(refused, "{reply:?} gives {health:?}");
                assert!(!health.evidence.is_empty());
            }
        }
    });
}

/// A hundred sends at once share one connection, one access token, and do not wait for each other.
pub fn a_hundred_sends_at_once_are_all_accepted(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let token = stage.token(number);
                stage.begin(plain(sample::notification(), [token]))
            })
            .collect();
        for (task, collected) in tasks {
            task.await.expect("a send does not panic");
            let verdict = collected.get(0).expect("there is a verdict");
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        assert_eq!(stage.sent().len(), 100);
        if vendor.auth.is_some() {
            assert_eq!(stage.fetched(), 1, "one access token serves all");
        }
    });
}

/// [`Vendor::access_lifetime`]: kept while it is valid, and renewed before it expires.
pub fn an_access_token_is_renewed_by_its_age(vendor: &Vendor) {
    let lifetime = vendor.access_lifetime.expect("declare `access_lifetime`");
    block_on(async {
        let stage = Stage::new(vendor).await;
        let accepted = async |number: usize| {
            let verdict = stage.send_to(number).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        };
        accepted(0).await;
        stage.clock.advance(lifetime / 4);
        accepted(1).await;
        assert_eq!(stage.fetched(), 1, "a young token was fetched again");
        stage.clock.advance(lifetime - lifetime / 4);
        accepted(2).await;
        assert_eq!(stage.fetched(), 2, "an expired token was used");
        stage.clock.advance(lifetime * 3);
        accepted(3).await;
        assert_eq!(stage.fetched(), 3, "an expired token was used");
    });
}

/// [`Vendor::signature`]: used again while it is young, and made anew before it expires.
pub fn a_signature_is_renewed_by_its_age(vendor: &Vendor) {
    let (lifetime, read) = vendor.signature.as_ref().expect("declare `signature`");
    block_on(async {
        let stage = Stage::new(vendor).await;
        let signature = async |number: usize| {
            let verdict = stage.send_to(number).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
            read(stage.sent().last().expect("it was sent"))
        };
        let first = signature(0).await;
        stage
            .clock
            .advance(Duration::from_secs(30).min(*lifetime / 8));
        assert_eq!(signature(1).await, first, "signed for each request");
        stage.clock.advance(*lifetime);
        let second = signature(2).await;
        assert_ne!(second, first, "an expired signature was used");
        stage.clock.advance(*lifetime * 3);
        assert_ne!(signature(3).await, second, "an expired signature was used");
    });
}

/// [`Vendor::auth`]: the send that fetches the access token for all may be dropped.
pub fn a_send_dropped_while_authenticating_does_not_block_the_next(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.auth.next(Reply::silence());
        let begin = |number: usize| {
            let token = stage.token(number);
            stage.begin(plain(sample::notification(), [token]))
        };
        let (first, dropped) = begin(0);
        until(|| stage.fetched() == 1).await;
        let (second, waited) = begin(1);
        tokio::task::yield_now().await;
        first.abort();
        // It may ask again at once, or wait for the silent request until its deadline.
        stage.let_time_pass(&second).await;
        let verdict = waited.get(0).expect("there is a verdict");
        let fair = matches!(
            verdict.kind,
            VerdictKind::Accepted | VerdictKind::Unavailable(_)
        );
        assert!(fair, "{verdict:?}");
        assert_eq!(dropped.verdicts().len(), 1);
        stage.clock.advance(PAUSE);
        let next = stage.send_to(2).await;
        assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
    });
}

/// [`Vendor::auth`]: without access nothing is sent, nothing is lost, and the credential is not accused.
pub fn a_token_endpoint_that_fails_is_an_outage(vendor: &Vendor) {
    let failures = [
        Reply::new(500),
        Reply::new(503).body("<html>"),
        Reply::new(502)
            .header("content-type", "text/html")
            .body("<html>"),
        Reply::new(403)
            .header("content-type", "text/html")
            .body("<html>"),
        Reply::new(200),
        Reply::from((200, "{}")),
        Reply::from((200, "not json")),
        Reply::from((
            200,
            r#"{"access_token":"a\r\nx-injected: 1","expires_in":3600}"#,
        )),
        Reply::new(200).body("{\"a\":1}").truncated(),
        Reply::reset(),
        Reply::silence(),
    ];
    block_on(async {
        for reply in failures {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = stage.send_while_time_passes(0).await;
            let outage = matches!(verdict.kind, VerdictKind::Unavailable(_));
            assert!(outage, "{reply:?} gives {verdict:?}");
            assert_ne!(verdict.retry, Retry::Never);
            assert_eq!(stage.sent().len(), 0);
            stage.auth.clear();
            stage.clock.advance(PAUSE);
            let next = stage.send_to(1).await;
            assert_eq!(
                next.kind,
                VerdictKind::Accepted,
                "after {reply:?}: {next:?}"
            );
        }
    });
}

/// [`Vendor::auth`]: a limit of the token endpoint is a limit, or an outage, and says nothing about the credential.
pub fn a_limit_of_the_token_endpoint_does_not_accuse_the_credential(vendor: &Vendor) {
    let plain = [
        Reply::from((429, "retry-after: 7", "")),
        Reply::from((429, "", r#"{"error":"rate_limit_exceeded"}"#)),
        Reply::from((503, "retry-after: 7", "")),
    ];
    block_on(async {
        for reply in plain.iter().chain(&vendor.auth_limited) {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = stage.send_to(0).await;
            let limited = matches!(
                verdict.kind,
                VerdictKind::RateLimited(_) | VerdictKind::Unavailable(_)
            );
            assert!(limited, "{reply:?} gives {verdict:?}");
            obeys(reply, &verdict);
            assert_eq!(stage.sent().len(), 0);
            if !vendor.cannot_verify {
                stage.clock.advance(PAUSE);
                let error = stage.provider.verify().await;
                let error = error.expect_err("a limit is no answer about the credential");
                assert!(error.is_transient(), "{reply:?} gives {error}");
            }
        }
    });
}

/// [`Vendor::auth`]: after a failure the token endpoint is left alone for a while, and then asked again.
pub fn a_failing_token_endpoint_is_left_alone_for_a_while(vendor: &Vendor) {
    block_on(async {
        for reply in [Reply::new(500), Reply::reset()] {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            for number in 0..20 {
                let verdict = stage.send_to(number).await;
                let outage = matches!(verdict.kind, VerdictKind::Unavailable(_));
                assert!(outage, "{reply:?} gives {verdict:?}");
            }
            let fetched = stage.fetched();
            assert!(
                fetched <= 2,
                "{reply:?}: asked {fetched} times for 20 sends at one moment"
            );
            stage.auth.clear();
            stage.clock.advance(PAUSE);
            let next = stage.send_to(20).await;
            assert_eq!(next.kind, VerdictKind::Accepted, "{next:?}");
        }
    });
}

/// [`Vendor::auth_refused`]
pub fn a_credential_refused_by_the_token_endpoint_never_costs_a_token(vendor: &Vendor) {
    block_on(async {
        for reply in &vendor.auth_refused {
            let stage = Stage::new(vendor).await;
            stage.auth.always(reply.clone());
            let verdict = stage.send_to(0).await;
            assert_eq!(
                verdict.kind,
                VerdictKind::CredentialRefused,
                "{reply:?} gives {verdict:?}"
            );
            assert_eq!(stage.sent().len(), 0);
        }
    });
}

/// [`Vendor::access_expired`] (S120)
pub fn an_expired_access_token_is_renewed_once_and_the_request_sent_again(vendor: &Vendor) {
    let expired = vendor.access_expired.clone().expect("it is declared");
    let fetches = usize::from(vendor.auth.is_some());
    block_on(async {
        let stage = Stage::new(vendor).await;
        stage.sends.next(expired.clone());
        let batch = plain(sample::notification(), [stage.token(0)]);
        let verdict = sample::send(&stage.provider, batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(stage.fetched(), 2 * fetches);
        let shown = stage.shown_since(0);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0], shown[1], "it is the same message");
        // It never helps: one more try, and then the operator must act.
        let verdict = stage.answered(&expired).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{verdict:?}");
        assert_eq!(stage.sent().len(), 4);
        let fetched = stage.fetched();
        assert!(fetched <= 3 * fetches, "fetched {fetched} times");
    });
}

/// A forged, damaged or empty receipt is refused and costs nothing; see [`Vendor::receipt`].
pub(super) fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Denied | ErrorKind::Invalid)
}
