//! Outages, throttling, damaged and foreign answers.
use std::time::Duration;

use push_core::{Retry, Scope};
use push_testkit::{Reply, block_on};

use super::*;

const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

/// A page of a proxy, JSON of others and other vendors' success, each with any status: neither token nor credential is at fault.
#[test]
fn an_answer_that_is_not_push_kits_is_an_outage_of_the_path() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for body in [
            "<html>502 Bad Gateway</html>",
            "",
            "{",
            "null",
            r#"{"code":200,"message":"success","data":{"sendResult":true,"requestId":"r"}}"#,
            r#"{"code":0,"msg":"Success","requestId":"r"}"#,
            r#"{"code":"80300099"}"#,
            r#"{"code":80300007,"msg":"All the tokens are invalid."}"#,
            r#"{"code":8e400,"msg":"Success","requestId":"r"}"#,
            r#"{"code":["80300007"],"msg":"x","requestId":"r"}"#,
        ] {
            for status in [200, 302, 403, 404, 502] {
                world.simulator.faults().next(Reply::from((status, body)));
                let verdict = world.push(sample::notification(), &phone).await;
                assert_eq!(verdict.kind, DOWN, "{status} {body}: {verdict:?}");
                assert_ne!(verdict.retry, Retry::Never);
            }
        }
        assert!(phone.arrivals().is_empty());
        world.accepted(sample::notification(), &phone).await;
    });
}

#[test]
fn an_answer_that_is_lost_or_cut_leaves_the_outcome_unknown() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let whole = json!({ "code": "80000000", "msg": "Success", "requestId": "r" });
        for reply in [Reply::new(200).json(whole).truncated(), Reply::reset()] {
            world.simulator.faults().next(reply.clone());
            let verdict = world.push(sample::notification(), &phone).await;
            assert_eq!(verdict.kind, VerdictKind::Unknown, "{reply:?}: {verdict:?}");
            assert_eq!(verdict.retry, Retry::Backoff);
        }
        let requests = world.simulator.counters().requests;
        assert_eq!(
            requests, 2,
            "a delivery was repeated inside of the provider"
        );
    });
}

/// 503 is the app's limit of devices in a second, or flow control of the system.
#[test]
fn flow_control_backs_off_for_as_long_as_it_says_and_is_not_repeated() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let coded = |status: u16, code: &str| {
            Reply::new(status).json(json!({ "code": code, "msg": "busy", "requestId": "r" }))
        };
        let after = Retry::After(Duration::from_secs(7));
        for (reply, kind, retry) in [
            (Reply::new(503), DOWN, Retry::Backoff),
            (Reply::new(503).header("retry-after", "7"), DOWN, after),
            (coded(503, "98000001"), DOWN, Retry::Backoff),
            (
                coded(500, "81000001").header("retry-after", "7"),
                DOWN,
                after,
            ),
            (
                coded(400, "80300029"),
                VerdictKind::RateLimited(Scope::Credential),
                Retry::Backoff,
            ),
        ] {
            let before = world.simulator.counters().requests;
            world.simulator.faults().next(reply.clone());
            let verdict = world.push(sample::notification(), &phone).await;
            assert_eq!((verdict.kind, verdict.retry), (kind, retry), "{reply:?}");
            assert_eq!(world.simulator.counters().requests, before + 1);
        }
    });
}

/// A picture that Push Kit did not verify is the message's fault; the message is not sent again without it behind the operator's
/// back, and a class policy can leave pictures out.
#[test]
fn a_picture_that_is_not_verified_refuses_the_message_with_advice() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let body =
            json!({ "code": "80100022", "msg": "Anti-Spam: image not verify", "requestId": "r" });
        world.simulator.faults().next(Reply::new(400).json(body));
        let notification = sample::notification().with_image("https://x.example/1.png");
        let verdict = world.push(notification, &phone).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        assert!(verdict.answer.text.contains("without it"), "{verdict:?}");
        assert_eq!(world.simulator.counters().requests, 1);
    });
}

#[test]
fn codes_mean_the_same_with_the_status_200() {
    block_on(async {
        for options in [Options::default(), Options::default().with_codes_with_200()] {
            let world = World::with(options, &json!({})).await;
            let phone = world.simulator.install();
            let wide =
                json!({ "payload": { "notification": { "inboxContent": ["1", "2", "3", "4"] } } });
            let notification = sample::notification().with_vendor(fields(&wide));
            let verdict = world.push(notification, &phone).await;
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
            assert_eq!(verdict.answer.code, "80100003");
        }
    });
}
