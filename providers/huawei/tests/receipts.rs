//! Receipts: the way from a phone through the provider to the gateway.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use push_core::{
    BuildContext, Clock, DynProvider, Late, NotificationKind, RawConfig, Retry, Scope, Secret,
    TokenFault, VendorReceipt, VerdictKind,
};
use push_http::{Client, HttpConfig};
use push_provider_huawei::{
    PLUGIN,
    simulator::{Options, Phone, Simulator},
};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample, serde_json::Value};

type Taken = Arc<Mutex<Vec<VendorReceipt>>>;

/// An HTTP server that hands what is posted to `provider`, as the gateway does.
async fn gateway(provider: DynProvider) -> (HttpServer, Taken) {
    let taken = Taken::default();
    let keep = Arc::clone(&taken);
    let server = HttpServer::start(ServerOptions::default(), move |request| {
        let reply = match provider.receive(&request) {
            Ok(received) => {
                assert!(received.receipts.len() <= 100);
                keep.lock()
                    .expect("no test panics")
                    .extend(received.receipts);
                Reply::new(received.reply.status().as_u16())
                    .body(received.reply.into_body().to_vec())
            }
            Err(_) => Reply::new(403),
        };
        async move { reply }
    })
    .await
    .expect("loopback can be bound");
    (server, taken)
}

fn provider(
    huawei: &Simulator,
    clock: &Arc<dyn Clock>,
    change: impl FnOnce(&mut Value),
) -> DynProvider {
    let mut config = huawei.config();
    change(&mut config);
    let raw = RawConfig::from_json(&config).expect("an object");
    PLUGIN
        .build(raw, &BuildContext::new(Arc::clone(clock)))
        .expect("the configuration is right")
}

fn verdict(receipt: &VendorReceipt) -> VerdictKind {
    match &receipt.what {
        Late::Verdict(verdict) => verdict.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signed_receipts_of_a_batch_name_its_first_delivery_and_each_token() {
    block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let options = Options::default().with_clock(Arc::clone(&clock));
        let huawei = Simulator::start(options).await.unwrap();
        let provider = provider(&huawei, &clock, |config| {
            config["receipt_user"] = json!("imuser");
            config["receipt_key"] = json!("im-secret-1");
        });
        let phones: Vec<_> = (0..250).map(|_| huawei.install()).collect();
        phones[1].uninstall_unnoticed();
        phones[2].set_muted(true);
        let tokens = phones.iter().map(|phone| phone.token());
        let batch = sample::batch(sample::notification(), tokens);
        let first = batch.targets[0].delivery;
        sample::send(&provider, batch).await;

        let (server, taken) = gateway(Arc::clone(&provider)).await;
        let client = Client::new(HttpConfig::default(), Arc::clone(&clock)).unwrap();
        let url = format!("{}/receipts/huawei", server.url());
        let wrong = Secret::new("im-secret-2");
        for signer in [None, Some(("imuser", &wrong)), Some(("other", &wrong))] {
            let posted = huawei.post_receipts(&client, &url, signer).await;
            assert_eq!((posted.requests, posted.taken, posted.due), (0, 0, 250));
        }
        let key = Secret::new("im-secret-1");
        let posted = huawei
            .post_receipts(&client, &url, Some(("imuser", &key)))
            .await;
        assert_eq!((posted.requests, posted.taken, posted.due), (3, 250, 0));

        let taken = std::mem::take(&mut *taken.lock().unwrap());
        assert_eq!(taken.len(), 250);
        for (at, (receipt, phone)) in taken.iter().zip(&phones).enumerate() {
            assert_eq!(receipt.tag, first);
            assert_eq!(receipt.token.as_ref().unwrap().expose(), phone.token());
            assert_eq!(receipt.at, clock.now());
            match at {
                1 => {
                    let since = Some(clock.now());
                    assert_eq!(verdict(receipt), VerdictKind::TokenDead { since });
                }
                2 => assert_eq!(
                    verdict(receipt),
                    VerdictKind::TokenUnusable(TokenFault::Muted)
                ),
                _ => assert_eq!(receipt.what, Late::Delivered, "{at}"),
            }
        }
        // Huawei has learned it.
        let verdict = sample::send_one(&provider, phones[1].token()).await;
        assert_eq!(verdict.answer.code, "80300007");
    });
}

/// One phone in a state of its own gets one push; returns the receipts by what they mean, and whether the push is on the screen.
async fn reported(
    notification: push_core::Notification,
    before: impl FnOnce(&Phone),
    after: impl FnOnce(&Phone),
) -> (Vec<Late>, usize) {
    let clock: Arc<dyn Clock> = Arc::new(sample::clock());
    let options = Options::default().with_clock(Arc::clone(&clock));
    let huawei = Simulator::start(options).await.expect("a free port");
    let provider = provider(&huawei, &clock, |_| {});
    let phone = huawei.install();
    before(&phone);
    let batch = sample::batch(notification, [phone.token()]);
    let verdict = sample::send(&provider, batch).await.remove(0);
    assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
    after(&phone);
    let (server, taken) = gateway(Arc::clone(&provider)).await;
    let client = Client::new(HttpConfig::default(), Arc::clone(&clock)).expect("a client");
    let posted = huawei.post_receipts(&client, &server.url(), None).await;
    assert_eq!(posted.due, 0);
    let taken = std::mem::take(&mut *taken.lock().expect("no test panics"));
    let what = taken.into_iter().map(|receipt| receipt.what).collect();
    (what, phone.screen().len())
}

fn kinds(receipts: &[Late]) -> Vec<Option<VerdictKind>> {
    let kind = |late: &Late| match late {
        Late::Verdict(verdict) => Some(verdict.kind),
        _ => None,
    };
    receipts.iter().map(kind).collect()
}

fn with_fields(fields: &Value) -> push_core::Notification {
    let fields = fields.as_object().expect("an object").clone();
    sample::notification().with_vendor(fields)
}

#[test]
fn what_a_phone_does_with_a_push_is_reported_as_it_is() {
    block_on(async {
        let since = Some(sample::NOW);
        let dead = VerdictKind::TokenDead { since };
        let limited = VerdictKind::RateLimited(Scope::Token);
        let unusable = VerdictKind::TokenUnusable;
        let plain = sample::notification;
        let none = |_: &Phone| {};
        type State = fn(&Phone);
        let table: [(State, VerdictKind); 5] = [
            (Phone::uninstall_unnoticed, dead),
            (Phone::clear_data, dead),
            (|phone| phone.set_muted(true), unusable(TokenFault::Muted)),
            (
                |phone| phone.set_inactive(true),
                unusable(TokenFault::Inactive),
            ),
            (|phone| phone.set_restricted(true), limited),
        ];
        for (number, (before, kind)) in table.into_iter().enumerate() {
            let (receipts, shown) = reported(plain(), before, none).await;
            assert_eq!(kinds(&receipts), [Some(kind)], "row {number}");
            assert_eq!(shown, 0, "row {number}");
        }
        let for_another = with_fields(&json!({"notification": {"profile_id": "work"}}));
        let (receipts, shown) = reported(for_another.clone(), none, none).await;
        assert_eq!(kinds(&receipts), [Some(VerdictKind::PayloadRefused)]);
        assert_eq!(shown, 0);
        let logged_in = |phone: &Phone| phone.set_profile("work");
        let (receipts, shown) = reported(for_another, logged_in, none).await;
        assert_eq!((&*receipts, shown), (&[Late::Delivered][..], 1));
    });
}

#[test]
fn what_waits_on_a_phone_is_reported_once_it_is_seen() {
    block_on(async {
        let plain = sample::notification;
        // Locked since it was started (51), and unlocked.
        let locked = |phone: &Phone| phone.set_locked(true);
        let (receipts, shown) = reported(plain(), locked, |_| {}).await;
        assert_eq!((receipts.len(), shown), (0, 0));
        let unlocked = |phone: &Phone| phone.set_locked(false);
        let (receipts, shown) = reported(plain(), locked, unlocked).await;
        assert_eq!((&*receipts, shown), (&[Late::Delivered][..], 1));
        // A data message for an app that does not run (27), which is started later.
        let data = plain().with_kind(NotificationKind::Background);
        let stopped = |phone: &Phone| phone.set_running(false);
        let started = |phone: &Phone| {
            assert_eq!(phone.arrived(), 0);
            phone.set_running(true);
            assert_eq!(phone.arrived(), 1);
        };
        let (receipts, _) = reported(data, stopped, started).await;
        assert_eq!(receipts, [Late::Delivered]);
    });
}

#[test]
fn a_limit_a_day_is_reported_and_lasts_until_midnight_in_china() {
    block_on(async {
        let clock = sample::clock();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let options = Options::default()
            .with_clock(Arc::clone(&shared))
            .with_quotas();
        let huawei = Simulator::start(options).await.unwrap();
        let provider = provider(&huawei, &shared, |_| {});
        let (server, taken) = gateway(Arc::clone(&provider)).await;
        let client = Client::new(HttpConfig::default(), Arc::clone(&shared)).unwrap();
        let marketing = with_fields(&json!({"category": "MARKETING"}));
        let phone = huawei.install();
        let mut codes = Vec::new();
        for _ in 0..3 {
            let batch = sample::batch(marketing.clone(), [phone.token()]);
            sample::send(&provider, batch).await;
        }
        // Others are not affected.
        sample::send_one(&provider, phone.token()).await;
        let midnight = Duration::from_secs(64_000);
        huawei.post_receipts(&client, &server.url(), None).await;
        for receipt in std::mem::take(&mut *taken.lock().unwrap()) {
            if let Late::Verdict(verdict) = receipt.what {
                assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Token));
                assert_eq!(verdict.retry, Retry::After(midnight));
                codes.push(verdict.answer.code.clone());
            }
        }
        assert_eq!(codes, ["256"]);
        assert_eq!(phone.arrived(), 3);
        clock.advance(midnight);
        let batch = sample::batch(marketing, [phone.token()]);
        sample::send(&provider, batch).await;
        assert_eq!(phone.arrived(), 4);
    });
}
