//! What the vendor answers for one target, and the verdict that follows.
use std::time::Duration;

use push_core::{Retry, Verdict, VerdictKind};

use crate::conformance::{Vendor, stage::Stage};
use crate::{Reply, block_on, sample};

/// Answers one send with each of the replies. Afterwards the provider is as good as before: an answer about one token blocks
/// no other.
fn each<'a>(
    list: impl IntoIterator<Item = &'a Reply>,
    mut judge: impl FnMut(&Reply, &Verdict),
    vendor: &Vendor,
) {
    block_on(async {
        let mut replies = 0;
        for reply in list {
            replies += 1;
            let stage = Stage::new(vendor).await;
            let verdict = stage.answered(reply).await;
            judge(reply, &verdict);
            assert!(!format!("{verdict:?}").contains(&stage.token(0)));
            stage.sends.clear();
            let next = stage.send_to(1).await;
            assert_eq!(
                next.kind,
                VerdictKind::Accepted,
                "after {reply:?}: {next:?}"
            );
        }
        assert!(replies > 0, "the key has no answer in it");
    });
}

pub(super) fn costs_no_token(verdict: &Verdict) {
    assert!(
        !matches!(
            verdict.kind,
            VerdictKind::TokenDead { .. } | VerdictKind::TokenUnusable(_)
        ),
        "this costs a token: {verdict:?}"
    );
}

/// [`Vendor::token_dead`]
pub fn a_dead_token_is_dead_and_never_tried_again(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let dead = matches!(verdict.kind, VerdictKind::TokenDead { .. });
        assert!(dead, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.retry, Retry::Never);
    };
    each(&vendor.token_dead, judge, vendor);
}

/// [`Vendor::token_unusable`]
pub fn a_token_that_is_unusable_is_quarantined_and_not_dead(vendor: &Vendor) {
    for (fault, reply) in &vendor.token_unusable {
        let judge = |reply: &Reply, verdict: &Verdict| {
            assert_eq!(
                verdict.kind,
                VerdictKind::TokenUnusable(*fault),
                "{reply:?} gives {verdict:?}"
            );
            assert_eq!(verdict.retry, Retry::Never);
        };
        each([reply], judge, vendor);
    }
}

/// [`Vendor::target_refused`]
pub fn a_refusal_of_one_target_never_suspends_the_credential(vendor: &Vendor) {
    each(
        &vendor.target_refused,
        is(VerdictKind::TargetRefused),
        vendor,
    );
}

/// [`Vendor::credential_refused`]
pub fn a_refused_credential_never_costs_a_token(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.kind,
            VerdictKind::CredentialRefused,
            "{reply:?} gives {verdict:?}"
        );
    };
    each(&vendor.credential_refused, judge, vendor);
}

/// [`Vendor::payload_refused`]
pub fn a_refused_payload_is_never_tried_again(vendor: &Vendor) {
    each(
        &vendor.payload_refused,
        is(VerdictKind::PayloadRefused),
        vendor,
    );
}

/// The verdict is this, and final.
fn is(kind: VerdictKind) -> impl FnMut(&Reply, &Verdict) {
    move |reply, verdict| {
        assert_eq!(verdict.kind, kind, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.retry, Retry::Never, "{reply:?} gives {verdict:?}");
    }
}

pub(super) fn obeys(reply: &Reply, verdict: &Verdict) {
    let seconds = reply.header_value("retry-after").map(str::parse);
    if let Some(Ok(seconds)) = seconds {
        let after = Retry::After(Duration::from_secs(seconds));
        assert_eq!(verdict.retry, after, "{reply:?} gives {verdict:?}");
    } else {
        assert_ne!(verdict.retry, Retry::Never, "{reply:?} gives {verdict:?}");
    }
}

/// [`Vendor::unconfirmed`]: the push may have been accepted or not, so that it is sent again, and the credential is not known
/// to be good.
pub fn a_success_that_confirms_nothing_is_not_accepted(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let is_open = matches!(
            verdict.kind,
            VerdictKind::Unknown | VerdictKind::Unavailable(_)
        );
        assert!(is_open, "{reply:?} gives {verdict:?}");
        assert_ne!(verdict.retry, Retry::Never, "{reply:?} gives {verdict:?}");
    };
    each(&vendor.unconfirmed, judge, vendor);
    if vendor.cannot_verify {
        return;
    }
    block_on(async {
        for reply in &vendor.unconfirmed {
            let stage = Stage::new(vendor).await;
            stage.sends.always(reply.clone());
            let health = stage.provider.verify().await;
            let error = health.expect_err("the vendor confirmed nothing");
            assert!(error.is_transient(), "{reply:?} gives {error}");
        }
    });
}

/// [`Vendor::rate_limited`]; also with a `retry-after` that makes no sense.
pub fn a_limit_is_obeyed_for_as_long_as_the_vendor_says(vendor: &Vendor) {
    for (scope, reply) in &vendor.rate_limited {
        let judge = |reply: &Reply, verdict: &Verdict| {
            assert_eq!(
                verdict.kind,
                VerdictKind::RateLimited(*scope),
                "{reply:?} gives {verdict:?}"
            );
            obeys(reply, verdict);
        };
        each([reply], judge, vendor);
    }
    let odd = [
        "soon",
        "-1",
        "99999999999999999999",
        "Fri, 99 Foo 2023 25:61:61 GMT",
        "",
    ]
    .map(|value| {
        limit(vendor)
            .without_header("retry-after")
            .header("retry-after", value)
    });
    let judge = |reply: &Reply, verdict: &Verdict| {
        let limited = matches!(verdict.kind, VerdictKind::RateLimited(_));
        assert!(limited, "{reply:?} gives {verdict:?}");
        match verdict.retry {
            Retry::Backoff => {}
            Retry::After(wait) => assert!(wait <= Retry::MAX_AFTER, "{verdict:?}"),
            _ => panic!("{reply:?} gives {verdict:?}"),
        }
    };
    each(&odd, judge, vendor);
}

fn limit(vendor: &Vendor) -> Reply {
    let first = vendor.rate_limited.first();
    first.expect("declare `rate_limited`").1.clone()
}

/// [`Vendor::retry_after_dates`]
pub fn a_date_in_retry_after_is_understood(vendor: &Vendor) {
    let wait = Duration::from_secs(120);
    let at = sample::NOW + wait;
    let at = std::time::UNIX_EPOCH + Duration::from_millis(at.unix_millis().unsigned_abs());
    let reply = limit(vendor)
        .without_header("retry-after")
        .header("retry-after", &httpdate::fmt_http_date(at));
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.retry,
            Retry::After(wait),
            "{reply:?} gives {verdict:?}"
        );
    };
    each(&[reply], judge, vendor);
}

/// [`Vendor::unavailable`]
pub fn an_outage_passes_and_costs_no_token(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let unavailable = matches!(verdict.kind, VerdictKind::Unavailable(_));
        assert!(unavailable, "{reply:?} gives {verdict:?}");
        obeys(reply, verdict);
    };
    each(&vendor.unavailable, judge, vendor);
}

/// [`Vendor::unknown`]: the rule of [`VerdictKind`] for codes that the provider does not know.
pub fn an_unknown_code_is_kept_and_classified_by_its_status(vendor: &Vendor) {
    let within = if vendor.fails_within_success() {
        vec![200]
    } else {
        Vec::new()
    };
    let statuses = [
        400, 401, 403, 404, 408, 409, 410, 418, 422, 425, 429, 500, 503,
    ];
    for status in statuses.into_iter().chain(within) {
        if vendor.bare.contains(&status) {
            continue;
        }
        let code = format!("98{status}98");
        let judge = |reply: &Reply, verdict: &Verdict| {
            let right = match status {
                408 | 425 | 500 => matches!(verdict.kind, VerdictKind::Unavailable(_)),
                // Some vendors document 503 as flow control.
                503 => matches!(
                    verdict.kind,
                    VerdictKind::Unavailable(_) | VerdictKind::RateLimited(_)
                ),
                429 => matches!(verdict.kind, VerdictKind::RateLimited(_)),
                _ => verdict.kind == VerdictKind::TargetRefused,
            };
            assert!(
                right,
                "status {status}, unknown code: {reply:?} gives {verdict:?}"
            );
            assert_eq!(verdict.answer.code, code, "{reply:?} gives {verdict:?}");
            assert_eq!(verdict.answer.status, Some(status), "{reply:?}");
        };
        // The vendor may refuse the access token with this status, which is then renewed once.
        each([&vendor.unknown_reply(status, &code)], judge, vendor);
    }
}

/// What proxies, captive portals, load balancers and firewalls answer in the vendor's place: pages, nothing, and JSON of their own.
const FOREIGN: [(&str, &str); 13] = [
    ("text/html", "<html><body>502 Bad Gateway</body></html>"),
    (
        "application/json",
        "<html><body>502 Bad Gateway</body></html>",
    ),
    ("text/html", ""),
    ("application/json", ""),
    (
        "text/plain",
        "upstream connect error or disconnect/reset before headers",
    ),
    ("application/json", r#"{"message":"Forbidden"}"#),
    (
        "application/json",
        r#"{"error":"access_denied","error_description":"blocked by policy"}"#,
    ),
    (
        "application/json",
        r#"{"error":{"code":403,"message":"blocked by policy"}}"#,
    ),
    (
        "application/json",
        r#"{"code":"AccessDenied","message":"Access denied","requestId":"1"}"#,
    ),
    ("application/json", r#"{"code":200,"message":"success"}"#),
    (
        "application/json",
        r#"{"code":403,"message":"Forbidden","timestamp":1e400}"#,
    ),
    (
        "application/json",
        r#"{"errors":[{"code":1020,"message":"Access denied"}],"success":false,"result":null}"#,
    ),
    (
        "application/problem+json",
        r#"{"type":"about:blank","title":"Forbidden","status":403,"reason":"Blocked"}"#,
    ),
];

/// Statuses of such answers besides 200.
const FOREIGN_STATUSES: [u16; 24] = [
    201, 204, 302, 307, 400, 401, 403, 404, 405, 407, 408, 410, 411, 413, 414, 421, 429, 431, 451,
    500, 502, 503, 504, 511,
];

/// Tries bodies of other servers with many statuses. The vendor did not answer, so the push is neither accepted nor ended, and
/// neither token nor credential is at fault: it is tried again.
pub fn an_answer_of_another_server_is_an_outage(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        // Where success has no body of its own, any 200 is success.
        let bodiless = vendor.status_is_final
            && stage.answered(&Reply::new(200)).await.kind == VerdictKind::Accepted;
        let success = (!bodiless).then_some(200);
        for status in FOREIGN_STATUSES.into_iter().chain(success) {
            if vendor.bare.contains(&status) {
                continue;
            }
            for (kind, body) in FOREIGN {
                let reply = Reply::from((status, body)).header("content-type", kind);
                let verdict = stage.answered(&reply).await;
                let outage = match verdict.kind {
                    VerdictKind::Unavailable(_) => true,
                    // A proxy may limit, too.
                    VerdictKind::RateLimited(_) => matches!(status, 429 | 503),
                    _ => false,
                };
                assert!(outage, "{body:?} as {kind} in {reply:?} gives {verdict:?}");
                assert_ne!(verdict.retry, Retry::Never, "{reply:?} gives {verdict:?}");
            }
        }
        // The vendor's own answer counts whatever it is labelled.
        let labelled = vendor
            .ok_reply()
            .without_header("content-type")
            .header("content-type", "text/html; charset=utf-8");
        let verdict = stage.answered(&labelled).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
    });
}

/// JSON of another form, huge and deeply nested bodies on 200, 400 and 500.
pub fn a_body_that_cannot_be_read_costs_no_token(vendor: &Vendor) {
    let nested = "[".repeat(50_000);
    let bodies = [
        "null",
        "[]",
        "\"\"",
        "0",
        "{",
        "{}",
        "\u{0}\u{feff}",
        r#"{"error":0,"code":{},"reason":[],"result":"x","data":7,"message":null}"#,
        r#"{"error":{"code":"x","status":3,"details":{}},"code":[],"data":"x","result":{}}"#,
        nested.as_str(),
    ];
    block_on(async {
        let stage = Stage::new(vendor).await;
        let bodiless = vendor.status_is_final
            && stage.answered(&Reply::new(200)).await.kind == VerdictKind::Accepted;
        for status in [200, 400, 500] {
            for body in bodies {
                let whole = Reply::from((status, body));
                let verdict = stage.answered(&whole).await;
                costs_no_token(&verdict);
                let right = match (status, verdict.kind) {
                    (200, VerdictKind::Accepted) => bodiless,
                    (_, VerdictKind::Accepted | VerdictKind::CredentialRefused) => false,
                    (500, kind) => {
                        matches!(kind, VerdictKind::Unavailable(_) | VerdictKind::Unknown)
                    }
                    _ => true,
                };
                assert!(right, "{body:.80} in {whole:?} gives {verdict:?}");
            }
        }
        let invalid = Reply::new(500).body(&b"\xff\xfe{\"\xc3\x28\"}"[..]);
        costs_no_token(&stage.answered(&invalid).await);
        let huge = Reply::new(200).body(vec![b' '; 8 * 1024 * 1024]);
        costs_no_token(&stage.answered(&huge).await);
    });
}

/// [`Vendor::step_refused`]
pub fn what_the_first_step_refuses_is_not_sent(vendor: &Vendor) {
    block_on(async {
        for reply in &vendor.step_refused {
            let stage = Stage::new(vendor).await;
            stage.step.always(reply.clone());
            for verdict in stage.send(stage.in_steps(0)).await {
                assert_eq!(
                    verdict.kind,
                    VerdictKind::PayloadRefused,
                    "{reply:?} gives {verdict:?}"
                );
                assert_eq!(verdict.retry, Retry::Never);
            }
            assert_eq!(stage.sent().len(), 0);
        }
    });
}
