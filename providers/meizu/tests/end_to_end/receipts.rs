//! Receipts: the address that a push names, and what Meizu posts there.
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use push_core::{BuildContext, DynProvider, ErrorKind, Late, RawConfig, Result, VerdictKind};
use push_http::{Client, HttpConfig};
use push_provider_meizu::{PLUGIN, simulator::Phone};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on, json, sample, serde_json::Value};

use super::{Options, RECEIPTS, World, with};

/// What the simulator posts, which is `count` receipts.
async fn posted(world: &World, count: usize) -> Request<Bytes> {
    let options = ServerOptions::default().with_clock(world.clock());
    let server = HttpServer::start(options, |_| std::future::ready(Reply::new(200)));
    let server = server.await.expect("a free port");
    let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
    let posted = world.simulator.post_receipts(&client, &server.url()).await;
    assert_eq!((posted.taken, posted.due), (count, 0));
    let recorded = server.log().requests().pop().expect("a request");
    Request::new(recorded.body.clone())
}

#[test]
fn receipts_name_the_phone_that_got_the_push_and_the_one_that_was_clicked() {
    block_on(async {
        let world = with(Options::default(), &json!({ "receipts": true })).await;
        let phones: [Phone; 3] = std::array::from_fn(|_| world.simulator.install());
        phones[2].set_power(false);
        let tokens = phones.iter().map(Phone::token);
        let batch = sample::batch(sample::notification(), tokens);
        let first = batch.targets[0].delivery;
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 3]);
        phones[1].click().expect("it is on the screen");
        let request = posted(&world, 3).await;
        let received = world.provider.receive(&request).expect("it is read");
        let mut read: Vec<_> = received
            .receipts
            .iter()
            .map(|receipt| {
                assert_eq!((receipt.tag, receipt.at), (first, sample::NOW));
                let token = receipt.token.as_ref().map_or("", |token| token.expose());
                let phone = phones.iter().position(|phone| phone.token() == token);
                (phone, receipt.what == Late::Clicked)
            })
            .collect();
        read.sort_unstable();
        let wanted = [(Some(0), false), (Some(1), false), (Some(1), true)];
        assert_eq!(read, wanted);
        // A phone that is off owes its receipt when it is on again.
        phones[2].set_power(true);
        let received = world.provider.receive(&posted(&world, 1).await);
        let receipts = received.expect("it is read").receipts;
        assert_eq!(receipts[0].what, Late::Delivered);
    });
}

#[test]
fn receipts_of_another_sender_are_refused() {
    block_on(async {
        let world = with(Options::default(), &json!({ "receipts": true })).await;
        let phone = world.simulator.install();
        world.send_to(&phone).await;
        let request = posted(&world, 1).await;
        let keys = json!({ "receipt_token": "another" });
        let other = super::provider(&world.simulator, &keys, &world.clock);
        let error = other.receive(&request).expect_err("it is not the token");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(world.provider.receive(&request).is_ok());
    });
}

/// A push that names an address which is not registered is refused: receipts must be asked for.
#[test]
fn a_push_names_no_address_unless_receipts_are_asked_for() {
    block_on(async {
        let without = with(Options::default(), &json!({})).await;
        let phone = without.simulator.install();
        let shown = without.shown(&phone, sample::notification()).await;
        assert!(shown["extra"].is_null(), "{shown}");
        let keys = json!({ "receipts": true, "receipt_url": "https://elsewhere.example/m" });
        let elsewhere = with(Options::default(), &keys).await;
        let phone = elsewhere.simulator.install();
        assert_eq!(elsewhere.send_to(&phone).await, VerdictKind::PayloadRefused);
        elsewhere.simulator.register("https://elsewhere.example/m");
        assert_eq!(elsewhere.send_to(&phone).await, VerdictKind::Accepted);
        let own = with(Options::default(), &json!({ "receipts": true })).await;
        let phone = own.simulator.install();
        let shown = own.shown(&phone, sample::notification()).await;
        assert_eq!(shown["extra"]["callback"], RECEIPTS);
        assert_eq!(shown["extra"]["callback.type"], 3);
    });
}

#[test]
fn an_address_of_receipts_that_is_too_long_is_a_fault_of_the_configuration() {
    let build = |keys: Value, gateway: Option<String>| -> Result<DynProvider> {
        let mut config = json!({ "app_id": "1", "app_secret": "secret" });
        for (key, value) in keys.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let address = gateway.map(|address| address.parse::<Uri>().expect("an address"));
        let context = BuildContext::new(Arc::new(sample::clock())).with_receipts(address);
        PLUGIN.build(RawConfig::from_json(&config).expect("an object"), &context)
    };
    let of_length = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
    let asked = json!({ "receipts": true });
    assert!(build(asked.clone(), Some(of_length(128))).is_ok());
    assert!(build(asked.clone(), None).is_ok());
    let error = build(asked, Some(of_length(129))).expect_err("it is too long");
    let text = error.to_string();
    assert!(
        text.contains("receipt_url") && text.contains("129 bytes"),
        "{text}"
    );
    assert!(!text.contains("xxx"), "the address is a secret: {text}");
    assert!(build(json!({}), Some(of_length(129))).is_ok());
    let shorter = json!({ "receipts": true, "receipt_url": "https://a.example/m" });
    assert!(build(shorter, Some(of_length(200))).is_ok());
}
