//! The receipts that the simulated Xiaomi posts, read by the provider.
use std::{sync::Arc, time::Duration};

use crate::world::{World, with, with_receipts};
use bytes::Bytes;
use http::Request;
use push_core::{
    Clock, DeliveryId, Late, ManualClock, Scope, TokenFault, VendorReceipt, VerdictKind,
};
use push_http::{Client, HttpConfig};
use push_provider_xiaomi::simulator::{Options, Phone, Undeliverable};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample, serde_json::Value};

/// A simulator, a provider, and the address to which receipts are posted.
struct Posts {
    world: World,
    server: HttpServer,
}

async fn posts(options: Options, keys: &Value) -> Posts {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::new(sample::clock());
    let server = HttpServer::start(ServerOptions::default().with_clock(clock), |_| {
        std::future::ready(Reply::new(200))
    });
    let server = server.await.expect("a free port");
    let url = format!("{}/v1/vendor-receipts/0123456789abcdef", server.url());
    let url = Some(url.parse().expect("a URL"));
    Posts {
        world: with_receipts(options, keys, url).await,
        server,
    }
}

impl Posts {
    /// What is posted now, as the provider reads it.
    async fn posted(&self) -> Vec<VendorReceipt> {
        let before = self.server.log().requests().len();
        let clock = self.world.clock();
        let client = Client::new(HttpConfig::default(), clock).expect("a client");
        self.world.simulator.post_receipts(&client).await;
        let requests = self.server.log().requests();
        requests[before..]
            .iter()
            .flat_map(|recorded| {
                let request = Request::new(Bytes::clone(&recorded.body));
                let received = self.world.provider.receive(&request);
                let received = received.expect("it is read");
                assert_eq!(received.reply.status(), 200);
                received.receipts
            })
            .collect()
    }

    /// Sends to `phone` and returns the delivery.
    async fn send(&self, phone: &Phone) -> DeliveryId {
        let batch = sample::batch(sample::notification(), [phone.token()]);
        let delivery = batch.targets[0].delivery;
        assert_eq!(self.world.send(batch).await, [VerdictKind::Accepted]);
        delivery
    }
}

fn kind(receipt: &VendorReceipt) -> VerdictKind {
    match &receipt.what {
        Late::Verdict(verdict) => verdict.kind,
        other => panic!("no verdict: {other:?}"),
    }
}

#[test]
fn a_delivery_and_its_click_are_reported_with_delivery_and_token() {
    block_on(async {
        for raw in [false, true] {
            let posts = posts(Options::default().with_raw_receipts(raw), &json!({})).await;
            let phone = posts.world.simulator.install();
            let delivery = posts.send(&phone).await;
            phone.click().expect("it is on the screen");
            let receipts = posts.posted().await;
            let [delivered, clicked] = receipts.as_slice() else {
                panic!("{receipts:?}");
            };
            for receipt in [delivered, clicked] {
                assert_eq!((receipt.tag, receipt.at), (delivery, sample::NOW));
                let token = receipt.token.as_ref().expect("a token");
                assert_eq!(token.expose(), phone.token());
            }
            assert_eq!(delivered.what, Late::Delivered);
            assert_eq!(clicked.what, Late::Clicked);
        }
    });
}

#[test]
fn each_phone_of_a_batch_has_its_receipt_under_the_tag_of_the_first() {
    block_on(async {
        let posts = posts(Options::default(), &json!({})).await;
        let phones: [Phone; 2] = std::array::from_fn(|_| posts.world.simulator.install());
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        let first = batch.targets[0].delivery;
        posts.world.send(batch).await;
        let receipts = posts.posted().await;
        assert_eq!(receipts.len(), 2);
        assert_eq!(posts.server.log().requests().len(), 1);
        for phone in &phones {
            let is_of = |receipt: &&VendorReceipt| {
                let token = receipt.token.as_ref();
                token.is_some_and(|token| token.expose() == phone.token())
            };
            let receipt = receipts.iter().find(is_of).expect("a receipt of each");
            assert_eq!((receipt.tag, &receipt.what), (first, &Late::Delivered));
        }
    });
}

#[test]
fn what_xiaomi_finds_out_later_is_a_late_verdict() {
    block_on(async {
        let posts = posts(Options::default(), &json!({})).await;
        let phone = posts.world.simulator.install();
        let since = Some(sample::NOW);
        for (why, wanted) in [
            (Undeliverable::Invalid, VerdictKind::TokenDead { since }),
            (
                Undeliverable::SwitchedOff,
                VerdictKind::TokenUnusable(TokenFault::Muted),
            ),
            (Undeliverable::Filtered, VerdictKind::TargetRefused),
        ] {
            phone.set_undeliverable(Some(why));
            let delivery = posts.send(&phone).await;
            let receipts = posts.posted().await;
            assert_eq!(receipts.len(), 1, "{why:?}");
            assert_eq!((receipts[0].tag, kind(&receipts[0])), (delivery, wanted));
        }
        assert_eq!(phone.arrivals(), []);
    });
}

#[test]
fn a_message_that_ended_while_the_phone_was_off_has_a_receipt() {
    block_on(async {
        let posts = posts(Options::default(), &json!({})).await;
        let phone = posts.world.simulator.install();
        phone.set_power(false);
        let minute = Duration::from_secs(60);
        let notification = sample::notification().with_expires_at(sample::NOW + minute);
        let batch = sample::batch(notification, [phone.token()]);
        posts.world.send(batch).await;
        assert_eq!(posts.posted().await, []);
        posts.world.clock.advance(minute);
        phone.set_power(true);
        let receipts = posts.posted().await;
        assert_eq!(receipts.len(), 1);
        assert_eq!(kind(&receipts[0]), VerdictKind::TargetRefused);
        let Late::Verdict(verdict) = &receipts[0].what else {
            panic!("{receipts:?}");
        };
        assert_eq!(verdict.answer.code, "1024");
    });
}

#[test]
fn a_phone_over_its_quota_has_a_receipt() {
    block_on(async {
        let posts = posts(Options::default(), &json!({ "channel_id": "" })).await;
        let phone = posts.world.simulator.install();
        posts.send(&phone).await;
        posts.send(&phone).await;
        let receipts = posts.posted().await;
        assert_eq!(receipts[0].what, Late::Delivered);
        assert_eq!(kind(&receipts[1]), VerdictKind::RateLimited(Scope::Class));
    });
}

#[test]
fn only_the_receipts_that_are_asked_for_are_posted() {
    block_on(async {
        for (types, wanted) in [(1267, 2), (1, 1), (2, 1), (1024, 0), (0, 0)] {
            let keys = json!({ "receipt_types": types });
            let posts = posts(Options::default(), &keys).await;
            let phone = posts.world.simulator.install();
            posts.send(&phone).await;
            phone.click().expect("it is on the screen");
            assert_eq!(posts.posted().await.len(), wanted, "{types}");
        }
        // Without an address there are none to ask for.
        let world = with(Options::default(), &json!({})).await;
        let phone = world.simulator.install();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        assert_eq!(phone.arrivals()[0].extra("callback"), None);
        assert_eq!(phone.arrivals()[0].extra("callback.param"), None);
    });
}
