//! What goes wrong on the way to the simulated Xiaomi.
use std::{sync::Arc, time::Duration};

use crate::world::{with_receipts, world};
use push_core::{BuildContext, Clock, Collected, RawConfig, Retry, Scope, VerdictKind, Verdicts};
use push_provider_xiaomi::{PLUGIN, simulator::Options};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Value},
    simulator::{self, Install, Order, simulators},
};

const SECRET: &str = "xiaomi-simulator-secret==";

#[test]
fn a_hundred_sends_at_once_are_a_hundred_requests_with_the_secret() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let sends = (0..100).map(|_| {
            let provider = Arc::clone(&world.provider);
            let batch = sample::batch(sample::notification(), [phone.token()]);
            let collected = Collected::new();
            let verdicts = Verdicts::new(1, Arc::<Collected>::clone(&collected));
            let task = tokio::spawn(async move { provider.send(batch, verdicts).await });
            (task, collected)
        });
        for (task, collected) in sends.collect::<Vec<_>>() {
            task.await.expect("no panic");
            let verdict = collected.get(0).expect("a verdict");
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        assert_eq!(world.simulator.counters().requests, 100);
        assert_eq!(phone.arrivals().len(), 100);
        for request in world.simulator.log().requests() {
            assert_eq!(
                request.header("authorization"),
                Some("key=xiaomi-simulator-secret==")
            );
            let kind = "application/x-www-form-urlencoded;charset=UTF-8";
            assert_eq!(request.header("content-type"), Some(kind));
        }
    });
}

#[test]
fn an_outage_is_tried_again_and_passes() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let whole = VerdictKind::Unavailable(Scope::Credential);
        for (reply, kind) in [
            (Reply::new(500), whole),
            (Reply::from((502, "<html>Bad Gateway</html>")), whole),
            (Reply::from((200, "<html>Sign in</html>")), whole),
            (Reply::from((200, "")), whole),
            (
                Reply::from((200, r#"{"code":0,"message":"ok","data":{"id":"x"}}"#)),
                whole,
            ),
            (
                Reply::from((403, r#"{"result":"error","code":21301}"#)),
                whole,
            ),
            (
                Reply::from((404, r#"{"code":0,"msgId":"1","result":{"t":"x"}}"#)),
                whole,
            ),
            (
                Reply::new(200).body("{\"result\":\"ok\"").truncated(),
                VerdictKind::Unknown,
            ),
            (Reply::reset(), VerdictKind::Unknown),
        ] {
            world.simulator.faults().next(reply.clone());
            let verdict = sample::send_one(&world.provider, phone.token()).await;
            assert_eq!(verdict.kind, kind, "{reply:?}: {verdict:?}");
            assert_ne!(verdict.retry, Retry::Never);
            assert_eq!(
                world.send_to(&phone).await,
                VerdictKind::Accepted,
                "{reply:?}"
            );
        }
        assert_eq!(phone.arrivals().len(), 9);
    });
}

#[test]
fn a_body_that_is_lost_leaves_the_verdict_unknown() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let whole = json!({
            "result": "ok", "trace_id": "Xdm1", "code": 0, "data": { "id": "sdm1" },
        });
        world
            .simulator
            .faults()
            .next(Reply::new(200).json(whole).truncated());
        assert_eq!(world.send_to(&phone).await, VerdictKind::Unknown);
    });
}

#[test]
fn a_throttle_waits_for_as_long_as_the_vendor_says() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for (code, scope, header, wait) in [
            (
                10_027,
                Scope::Credential,
                Some("7"),
                Some(Duration::from_secs(7)),
            ),
            (10_027, Scope::Credential, None, None),
            (
                200_002,
                Scope::Credential,
                None,
                Some(Duration::from_secs(1)),
            ),
            (
                200_001,
                Scope::Class,
                Some("7"),
                Some(Duration::from_secs(7)),
            ),
            (
                10_034,
                Scope::Class,
                None,
                Some(Duration::from_secs(64_000)),
            ),
        ] {
            let body = json!({ "result": "error", "trace_id": "X", "reason": "", "code": code });
            let mut reply = Reply::new(200).json(body);
            if let Some(header) = header {
                reply = reply.header("retry-after", header);
            }
            world.simulator.faults().next(reply);
            let verdict = sample::send_one(&world.provider, phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::RateLimited(scope), "{code}");
            let wanted = wait.map_or(Retry::Backoff, Retry::After);
            assert_eq!(verdict.retry, wanted, "{code}");
        }
    });
}

#[test]
fn a_code_of_a_server_that_fails_accuses_neither_token_nor_credential() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        for code in [20_301, 21_301, 10_017, 65_003, 12_345] {
            let body = json!({ "result": "error", "trace_id": "X", "reason": "", "code": code });
            world.simulator.faults().next(Reply::new(500).json(body));
            let outage = VerdictKind::Unavailable(Scope::Credential);
            assert_eq!(world.send_to(&phone).await, outage, "{code}");
        }
    });
}

/// A sender who knows the address can post receipts.
#[test]
fn the_address_of_receipts_is_not_kept_where_the_vendor_repeats_it() {
    block_on(async {
        let address = "https://gateway.example/v1/vendor-receipts/0123456789abcdef";
        let url = Some(address.parse().expect("a URL"));
        let world = with_receipts(Options::default(), &json!({}), url).await;
        let phone = world.simulator.install();
        let reason = format!("callback url illegal: {address}, app secret {SECRET}");
        let body = json!({ "result": "error", "trace_id": "X", "reason": reason, "code": 65_038 });
        world.simulator.faults().next(Reply::new(200).json(body));
        let verdict = sample::send_one(&world.provider, phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        let shown = format!("{verdict:?} {:?}", world.provider);
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        assert!(!shown.contains(SECRET), "{shown}");
    });
}

/// What a message says may be part of an id by chance.
#[test]
fn a_text_that_is_part_of_the_id_does_not_make_a_success_unknown() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let answer = json!({
            "result": "ok", "trace_id": "Xdm01b11700000000000x", "code": 0,
            "data": { "id": "sdm01b11700000000000x" },
        });
        world.simulator.faults().next(Reply::new(200).json(answer));
        let notification = sample::notification().with_body("1700000000000");
        let batch = sample::batch(notification, [phone.token()]);
        let verdict = sample::send(&world.provider, batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(verdict.answer.request_id, "");
    });
}

#[test]
fn a_repeated_or_contradictory_list_of_invalid_ids_counts_once() {
    block_on(async {
        let world = world().await;
        let phones = [world.simulator.install(), world.simulator.install()];
        let [one, other] = [phones[0].token(), phones[1].token()];
        let dead = VerdictKind::TokenDead { since: None };
        let accepted = VerdictKind::Accepted;
        for (bad, kinds) in [
            (json!(format!("{one}, {one} ,,")), [dead, accepted]),
            (json!([other]), [accepted, dead]),
            (json!(format!("{one}{other}")), [accepted, accepted]),
            (json!("someone-elses"), [accepted, accepted]),
            (json!({ "ids": one }), [accepted, accepted]),
            (json!(7), [accepted, accepted]),
            (Value::Null, [accepted, accepted]),
        ] {
            let answer = json!({
                "result": "ok", "trace_id": "Xdm1", "code": 0,
                "data": { "id": "sdm1", "bad_regids": bad },
            });
            world.simulator.faults().next(Reply::new(200).json(answer));
            let batch = sample::batch(sample::notification(), [one, other]);
            assert_eq!(world.send(batch).await, kinds, "{bad}");
        }
    });
}

/// As `offline-push simulate xiaomi` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let xiaomi = known.iter().find(|simulator| simulator.name == "xiaomi");
        let xiaomi = xiaomi.expect("the simulator is registered");
        let running = (xiaomi.start)(simulator::Options::default());
        let running = running.await.expect("a free port");
        let config = RawConfig::from_json(&running.credentials()[0].config).expect("an object");
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        let phone = running.install(&Install::default()).expect("a phone");
        let (_, token) = phone.tokens().remove(0);
        let order = json!({ "code": "65003", "phone": 1, "times": 1 });
        let order: Order = serde_json::from_value(order).expect("an order");
        running
            .script(&order, std::slice::from_ref(&token))
            .expect("an answer of Xiaomi");
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(sample::send_one(&provider, &token).await.kind);
        }
        phone.uninstall();
        kinds.push(sample::send_one(&provider, &token).await.kind);
        let dead = VerdictKind::TokenDead { since: None };
        assert_eq!(
            kinds,
            [VerdictKind::TargetRefused, VerdictKind::Accepted, dead]
        );
        assert_eq!(phone.inbox().arrived(), 1);
        let clicked = phone.inbox().newest_click().expect("it reaches the app");
        assert!(
            clicked.target(push_core::payload::Profile::Android).is_ok(),
            "{clicked:?}"
        );
        assert_eq!(running.counters()["requests"], 3);
    });
}
