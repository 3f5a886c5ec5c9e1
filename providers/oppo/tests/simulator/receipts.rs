//! What OPPO posts back.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_core::{Late, Received, Retry, Scope, VerdictKind};
use push_http::{Client, HttpConfig};
use push_provider_oppo::simulator::{Options, Phone};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample, serde_json::Value};

use crate::{World, fields, with_receipts, world};

/// A world whose messages ask for receipts at a server, which takes them.
async fn posting(options: Options, keys: &Value) -> (World, HttpServer) {
    let server = HttpServer::start(ServerOptions::default(), |_| {
        std::future::ready(Reply::new(200))
    });
    let server = server.await.expect("a free port");
    let url = format!("{}/r", server.url());
    (with_receipts(options, keys, &url).await, server)
}

/// Lets OPPO post what is due, in one request, and reads it.
async fn received(world: &World, server: &HttpServer) -> Received {
    let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
    let posted = world.simulator.post_receipts(&client).await;
    assert_eq!((posted.requests, posted.due), (1, 0));
    let recorded = server.log().requests().pop().expect("a request");
    let request: Request<Bytes> = Request::new(recorded.body.clone());
    world.provider.receive(&request).expect("it is read")
}

#[test]
fn a_receipt_names_the_delivery_and_the_phone_it_reached() {
    block_on(async {
        for saved_from in [0, 1] {
            let keys = json!({ "saved_from": saved_from });
            let (world, server) = posting(Options::default(), &keys).await;
            let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
            phones[1].set_power(false);
            let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
            let deliveries: Vec<_> = batch.targets.iter().map(|target| target.delivery).collect();
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 2]);
            for (number, phone) in phones.iter().enumerate() {
                phone.set_power(true);
                let received = received(&world, &server).await;
                assert_eq!(received.receipts.len(), 1);
                let receipt = &received.receipts[0];
                assert_eq!(receipt.what, Late::Delivered);
                assert_eq!(receipt.at, sample::NOW);
                let token = receipt.token.as_ref().map(|token| token.expose());
                assert_eq!(token, Some(phone.token()));
                // A saved message has the first delivery's id for all.
                let tag = if saved_from == 0 {
                    deliveries[number]
                } else {
                    deliveries[0]
                };
                assert_eq!(receipt.tag, tag);
                assert!(received.reply.status().is_success());
            }
        }
    });
}

#[test]
fn an_id_that_is_found_not_to_be_valid_is_dead_since_then() {
    block_on(async {
        let (world, server) = posting(Options::default(), &json!({})).await;
        let phone = world.simulator.install();
        phone.uninstall_unnoticed();
        assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
        world.clock.advance(Duration::from_secs(60));
        let received = received(&world, &server).await;
        let Late::Verdict(verdict) = &received.receipts[0].what else {
            panic!("{received:?}");
        };
        let since = Some(sample::NOW);
        assert_eq!(verdict.kind, VerdictKind::TokenDead { since });
        assert_eq!(
            world.send_to(&phone).await,
            VerdictKind::TokenDead { since: None }
        );
    });
}

#[test]
fn a_phone_that_had_its_public_messages_waits_until_midnight() {
    block_on(async {
        let (world, server) = posting(Options::default().with_quotas(100, 1), &json!({})).await;
        let phone = world.simulator.install();
        let news = fields(json!({ "channel_id": "news", "category": "NEWS" }));
        let notification = sample::notification().with_vendor(news);
        for _ in 0..2 {
            world.deliver(&phone, notification.clone()).await;
        }
        assert_eq!(phone.arrivals().len(), 1);
        let received = received(&world, &server).await;
        assert_eq!(received.receipts[0].what, Late::Delivered);
        let Late::Verdict(verdict) = &received.receipts[1].what else {
            panic!("{received:?}");
        };
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Token));
        let midnight = Duration::from_secs(17 * 3600 + 46 * 60 + 40);
        assert_eq!(verdict.retry, Retry::After(midnight));
    });
}

#[test]
fn receipts_are_asked_for_only_where_they_are_wanted() {
    block_on(async {
        let keys = json!({ "receipts": false });
        let (without, _server) = posting(Options::default(), &keys).await;
        let asked = world().await;
        for (world, url) in [(&without, Value::Null), (&asked, json!(crate::RECEIPTS))] {
            let phone = world.simulator.install();
            assert_eq!(world.send_to(&phone).await, VerdictKind::Accepted);
            assert_eq!(*phone.arrivals()[0].field("call_back_url"), url);
        }
    });
}
