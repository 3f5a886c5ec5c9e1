//! End to end under faults: what goes wrong on the way and at Google, and that nothing is lost, repeated or blamed on a token.
use std::{sync::Arc, time::Duration};

use push_core::{
    BuildContext, DynProvider, ManualClock, RawConfig, Retry, Scope, Verdict, VerdictKind,
};
use push_provider_fcm::{
    PLUGIN,
    simulator::{Options, Phone, Simulator, error},
};
use push_testkit::{Reply, block_on, sample};
use serde_json::json;

const OK: VerdictKind = VerdictKind::Accepted;
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);
const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

struct Scene {
    clock: ManualClock,
    google: Simulator,
    provider: DynProvider,
}

impl Scene {
    async fn with(options: Options) -> Self {
        let clock = sample::clock();
        let options = options.with_clock(Arc::new(clock.clone()));
        let google = Simulator::start(options).await.expect("a free port");
        let raw = RawConfig::from_json(&google.config()).expect("a table");
        let context = BuildContext::new(Arc::new(clock.clone()));
        let provider = PLUGIN.build(raw, &context).expect("it is right");
        Self {
            clock,
            google,
            provider,
        }
    }

    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn send(&self, phone: &Phone) -> Verdict {
        sample::send_one(&self.provider, &phone.token()).await
    }

    /// A hundred calls of `send` at once, each with a phone of its own.
    async fn storm(&self) -> Vec<VerdictKind> {
        let sends: Vec<_> = (0..100)
            .map(|_| {
                let (provider, phone) = (Arc::clone(&self.provider), self.google.install());
                tokio::spawn(async move { sample::send_one(&provider, &phone.token()).await })
            })
            .collect();
        let mut kinds = Vec::new();
        for send in sends {
            kinds.push(send.await.expect("no panic").kind);
        }
        kinds
    }
}

#[test]
fn a_hundred_concurrent_sends_fetch_access_once_and_once_more_when_it_ended() {
    block_on(async {
        let scene = Scene::new().await;
        assert_eq!(scene.storm().await, [OK; 100]);
        assert_eq!(scene.google.counters().token_requests, 1);
        // Google takes it back before its time: a hundred are refused, one asks, and a hundred go out again.
        scene.google.expire_access();
        assert_eq!(scene.storm().await, [OK; 100]);
        assert_eq!(scene.google.counters().token_requests, 2);
        assert_eq!(scene.google.counters().accepted, 200);
    });
}

#[test]
fn a_token_endpoint_that_is_down_is_asked_once_by_a_hundred_and_recovers() {
    block_on(async {
        let scene = Scene::new().await;
        scene.google.fail_token_endpoint(Some(Reply::new(503)));
        assert_eq!(scene.storm().await, [DOWN; 100]);
        let counters = scene.google.counters();
        assert_eq!((counters.token_requests, counters.sends), (1, 0));
        scene.google.fail_token_endpoint(None);
        scene.clock.advance(Duration::from_secs(60));
        assert_eq!(scene.storm().await, [OK; 100]);
    });
}

#[test]
fn an_outage_costs_no_token_and_passes() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        for (reply, retry) in [
            (
                error("UNAVAILABLE").header("retry-after", "30"),
                Retry::After(Duration::from_secs(30)),
            ),
            (error("UNAVAILABLE"), Retry::Backoff),
            (error("INTERNAL"), Retry::Backoff),
        ] {
            scene.google.next(reply);
            let verdict = scene.send(&phone).await;
            assert_eq!((verdict.kind, verdict.retry), (DOWN, retry));
        }
        assert_eq!(scene.send(&phone).await.kind, OK);
        assert_eq!(phone.arrived(), 1);
    });
}

#[test]
fn what_is_not_googles_answer_is_blamed_on_the_way_and_on_no_token() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        for (reply, kind) in [
            (
                Reply::from((200, "<html>Welcome to Hotel Wi-Fi</html>")),
                DOWN,
            ),
            (Reply::from((403, "<html>blocked by policy</html>")), DOWN),
            (
                Reply::from((407, r#"{"error":"proxy authentication"}"#)),
                DOWN,
            ),
            (Reply::from((404, "not found")), DOWN),
            (Reply::from((502, "")), DOWN),
            (
                Reply::from((302, "location: https://login.example.com", "")),
                DOWN,
            ),
            (
                Reply::from((404, r#"{"error":{"code":404,"status":"NOT_FO"#)),
                DOWN,
            ),
            // Whether Google took it is not known.
            (error("UNREGISTERED").truncated(), VerdictKind::Unknown),
            (Reply::reset(), VerdictKind::Unknown),
            (
                Reply::new(200).json(json!({"name": "x"})),
                VerdictKind::Unknown,
            ),
        ] {
            let shown = format!("{reply:?}");
            scene.google.next(reply);
            let verdict = scene.send(&phone).await;
            assert_eq!(verdict.kind, kind, "{shown}: {verdict:?}");
        }
        assert_eq!(scene.send(&phone).await.kind, OK);
        assert_eq!(
            scene.google.counters().granted,
            1,
            "access was not to blame"
        );
    });
}

#[test]
fn the_head_of_googles_success_is_final_even_if_its_body_is_lost() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let lost = Reply::new(200).json(json!({"name": "projects/demo-project/messages/1"}));
        scene.google.next(lost.truncated());
        assert_eq!(scene.send(&phone).await.kind, OK);
    });
}

/// S122
#[test]
fn in_one_batch_every_fault_is_that_of_its_own_token() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: Vec<_> = (0..6).map(|_| scene.google.install()).collect();
        let limited = Reply::new(429).json(json!({"error": {
            "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded", "details": [
                {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "QUOTA_EXCEEDED"},
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"subject": "device"}]},
            ],
        }}));
        let faults = [
            (1, error("UNREGISTERED")),
            (2, error("UNAVAILABLE")),
            (3, limited),
            (4, Reply::from((200, "<html>"))),
        ];
        for (phone, reply) in faults {
            scene.google.on(&phones[phone].token(), reply);
        }
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        let verdicts = sample::send(&scene.provider, batch).await;
        let kinds: Vec<_> = verdicts.iter().map(|verdict| verdict.kind).collect();
        let of_device = VerdictKind::RateLimited(Scope::Token);
        assert_eq!(kinds, [OK, DEAD, DOWN, of_device, DOWN, OK]);
        let arrived: Vec<_> = phones.iter().map(Phone::arrived).collect();
        assert_eq!(arrived, [1, 0, 0, 0, 0, 1]);
    });
}

#[test]
fn the_rate_of_one_device_slows_that_device_alone() {
    block_on(async {
        let scene = Scene::with(Options::default().with_quotas()).await;
        let (busy, quiet) = (scene.google.install(), scene.google.install());
        let tokens = std::iter::repeat_n(busy.token(), 241);
        let verdicts = sample::send(
            &scene.provider,
            sample::batch(sample::notification(), tokens),
        )
        .await;
        let limited: Vec<_> = verdicts
            .iter()
            .filter(|verdict| verdict.kind != OK)
            .collect();
        assert_eq!(limited.len(), 1);
        assert_eq!(limited[0].kind, VerdictKind::RateLimited(Scope::Token));
        assert_eq!(limited[0].retry, Retry::After(Duration::from_secs(60)));
        assert_eq!(scene.send(&quiet).await.kind, OK);
        scene.clock.advance(Duration::from_secs(60));
        assert_eq!(scene.send(&busy).await.kind, OK);
        assert_eq!(busy.arrived(), 241);
    });
}
