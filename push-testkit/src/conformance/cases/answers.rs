//! What the vendor answers, and what is made of it.
use std::{collections::HashMap, time::Duration};

use push_core::{Retry, Verdict, VerdictKind};

use crate::conformance::{Vendor, stage::Stage};
use crate::{Recorded, Reply, block_on, sample};

/// For 1, 2 and the most targets, over every protocol: each is accepted, and each token is on the wire exactly once.
pub fn every_target_is_sent_once_and_has_one_verdict(vendor: &Vendor) {
    for alpn in &vendor.protocols {
        block_on(async {
            let stage = Stage::with(vendor, *alpn).await;
            let most = stage.provider.capabilities().max_batch;
            let mut first = 0;
            for targets in [1, 2.min(most), most] {
                let tokens: Vec<String> = (first..first + targets)
                    .map(|it| (vendor.token)(it))
                    .collect();
                first += targets;
                let before = vendor.sends(stage.server.log()).len();
                let batch = sample::batch(sample::notification(), tokens.clone());
                for verdict in sample::send(&stage.provider, batch).await {
                    assert_eq!(verdict.kind, VerdictKind::Accepted, "{alpn:?}: {verdict:?}");
                    assert_eq!(verdict.retry, Retry::Never);
                }
                let sent = vendor.sends(stage.server.log());
                once_each(vendor, &tokens, &sent[before..]);
            }
        });
    }
}

fn once_each(vendor: &Vendor, tokens: &[String], requests: &[Recorded]) {
    let mut seen: HashMap<String, usize> =
        tokens.iter().map(|it| ((vendor.seen_as)(it), 0)).collect();
    assert_eq!(seen.len(), tokens.len(), "the suite's tokens differ");
    for request in requests {
        let text = format!("{} {}", request.uri, String::from_utf8_lossy(&request.body));
        for (token, times) in &mut seen {
            *times += text.matches(token.as_str()).count();
        }
    }
    let wrong: Vec<usize> = seen.into_values().filter(|it| *it != 1).collect();
    assert!(
        wrong.is_empty(),
        "tokens on the wire not once but: {wrong:?}"
    );
}

/// No target, no request.
pub fn an_empty_batch_asks_nobody(vendor: &Vendor) {
    block_on(async {
        let stage = Stage::new(vendor).await;
        let nobody = sample::batch(sample::notification(), Vec::<String>::new());
        assert!(sample::send(&stage.provider, nobody).await.is_empty());
        assert_eq!(stage.server.log().total(), 0);
    });
}

fn each(list: &[Reply], mut judge: impl FnMut(&Reply, &Verdict), vendor: &Vendor) {
    assert!(!list.is_empty(), "the key has no answer in it");
    block_on(async {
        for reply in list {
            let stage = Stage::new(vendor).await;
            let verdict = stage.answered(reply).await;
            judge(reply, &verdict);
            assert!(!format!("{verdict:?}").contains(&(vendor.token)(0)));
            // The next one starts from a clean slate: an answer about one token blocks nobody else.
            stage.sends.clear();
            let next = sample::send_one(&stage.provider, &(vendor.token)(1)).await;
            assert_eq!(
                next.kind,
                VerdictKind::Accepted,
                "after {reply:?}: {next:?}"
            );
        }
    });
}

fn costs_no_token(verdict: &Verdict) {
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

/// [`Vendor::token_mismatch`]
pub fn a_token_of_another_app_is_set_aside_and_not_dead(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let mismatch = matches!(verdict.kind, VerdictKind::TokenUnusable(_));
        assert!(mismatch, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.retry, Retry::Never);
    };
    each(&vendor.token_mismatch, judge, vendor);
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
    let judge = |reply: &Reply, verdict: &Verdict| {
        assert_eq!(
            verdict.kind,
            VerdictKind::PayloadRefused,
            "{reply:?} gives {verdict:?}"
        );
        assert_eq!(verdict.retry, Retry::Never);
    };
    each(&vendor.payload_refused, judge, vendor);
}

fn obeys(reply: &Reply, verdict: &Verdict) {
    let seconds = reply.header_value("retry-after").map(str::parse);
    if let Some(Ok(seconds)) = seconds {
        let after = Retry::After(Duration::from_secs(seconds));
        assert_eq!(verdict.retry, after, "{reply:?} gives {verdict:?}");
    } else {
        assert_ne!(verdict.retry, Retry::Never, "{reply:?} gives {verdict:?}");
    }
}

/// [`Vendor::rate_limited`]; also with a `retry-after` that makes no sense.
pub fn a_limit_is_obeyed_for_as_long_as_the_vendor_says(vendor: &Vendor) {
    let judge = |reply: &Reply, verdict: &Verdict| {
        let limited = matches!(verdict.kind, VerdictKind::RateLimited(_));
        assert!(limited, "{reply:?} gives {verdict:?}");
        obeys(reply, verdict);
    };
    each(&vendor.rate_limited, judge, vendor);
    let odd: Vec<Reply> = ["", "-5", "soon", "99999999999999999999"]
        .iter()
        .map(|value| {
            vendor.rate_limited[0]
                .clone()
                .without_header("retry-after")
                .header("retry-after", value)
        })
        .collect();
    let judge = |reply: &Reply, verdict: &Verdict| {
        let limited = matches!(verdict.kind, VerdictKind::RateLimited(_));
        assert!(limited, "{reply:?} gives {verdict:?}");
        match verdict.retry {
            Retry::Backoff => {}
            Retry::After(it) => assert!(it <= Retry::MAX_AFTER, "{verdict:?}"),
            _ => panic!("{reply:?} gives {verdict:?}"),
        }
    };
    each(&odd, judge, vendor);
}

/// [`Vendor::retry_after_dates`]
pub fn a_date_in_retry_after_is_understood(vendor: &Vendor) {
    let wait = Duration::from_secs(120);
    let at = sample::NOW + wait;
    let at = std::time::UNIX_EPOCH + Duration::from_millis(at.unix_millis().unsigned_abs());
    let reply = vendor
        .rate_limited
        .first()
        .expect("`retry_after_dates` needs `rate_limited`")
        .clone()
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
        assert!(
            matches!(verdict.kind, VerdictKind::Unavailable(_)),
            "{reply:?} gives {verdict:?}"
        );
        obeys(reply, verdict);
    };
    each(&vendor.unavailable, judge, vendor);
}

/// [`Vendor::unknown`]
pub fn an_answer_nobody_knows_is_kept_word_for_word_and_costs_no_token(vendor: &Vendor) {
    let (reply, code) = vendor.unknown.clone().expect("`unknown` is there");
    let judge = |reply: &Reply, verdict: &Verdict| {
        costs_no_token(verdict);
        assert_ne!(verdict.kind, VerdictKind::Accepted, "{reply:?}");
        assert_eq!(verdict.answer.code, code, "{reply:?} gives {verdict:?}");
        assert_eq!(verdict.answer.status, reply.status());
    };
    each(&[reply], judge, vendor);
}

/// Truncated, empty, non-JSON, huge and deeply nested bodies on 200, 400 and 500.
pub fn a_body_that_cannot_be_read_costs_no_token(vendor: &Vendor) {
    let nested = "[".repeat(50_000);
    let bodies = [
        "",
        "null",
        "[]",
        "\"\"",
        "0",
        "{",
        "{}",
        "<html>502</html>",
        "\u{0}\u{feff}",
        r#"{"error":0,"code":{},"reason":[],"result":"x","data":7,"message":null}"#,
        nested.as_str(),
    ];
    block_on(async {
        let stage = Stage::new(vendor).await;
        for status in [200, 400, 500] {
            for body in bodies {
                let whole = Reply::from((status, body));
                let verdict = stage.answered(&whole).await;
                costs_no_token(&verdict);
                let ok = match status {
                    200 => matches!(verdict.kind, VerdictKind::Accepted | VerdictKind::Unknown),
                    500 => matches!(
                        verdict.kind,
                        VerdictKind::Unavailable(_) | VerdictKind::Unknown
                    ),
                    _ => verdict.kind != VerdictKind::Accepted,
                };
                assert!(ok, "{whole:?} gives {verdict:?}");
            }
            let half = Reply::new(status).body("{\"name\":\"x\"}").truncated();
            let verdict = stage.answered(&half).await;
            costs_no_token(&verdict);
            assert_ne!(
                verdict.kind,
                VerdictKind::Accepted,
                "{half:?} gives {verdict:?}"
            );
        }
        let invalid = Reply::new(500).body(&b"\xff\xfe{\"\xc3\x28\"}"[..]);
        costs_no_token(&stage.answered(&invalid).await);
        let huge = Reply::new(200).body(vec![b' '; 8 * 1024 * 1024]);
        let verdict = stage.answered(&huge).await;
        costs_no_token(&verdict);
    });
}
