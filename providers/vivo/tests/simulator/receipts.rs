//! Receipts of both kinds, from the simulated vivo to the provider.
use push_core::{Late, VendorReceipt};
use push_testkit::{HttpServer, ServerOptions};

use super::*;

/// The gateway's receipt address.
async fn address(clock: Arc<dyn Clock>) -> HttpServer {
    let options = ServerOptions::default().with_clock(clock);
    let server = HttpServer::start(options, |_| std::future::ready(Reply::new(200)));
    server.await.expect("a free port")
}

/// Posts the receipts that are due, and lets the provider read them.
async fn posted(world: &World, server: &HttpServer) -> Vec<VendorReceipt> {
    let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
    let before = server.log().requests().len();
    let posted = world.simulator.post_receipts(&client, &server.url()).await;
    assert_eq!(posted.due, 0);
    let requests = server.log().requests();
    assert_eq!(requests.len() - before, posted.requests);
    let received = requests[before..].iter().map(|recorded| {
        let received = world.provider.receive(&Request::new(recorded.body.clone()));
        received.expect("it is read").receipts
    });
    received.flatten().collect()
}

#[test]
fn a_single_push_is_reported_to_the_address_that_it_names() {
    block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let server = address(clock).await;
        let uri = server.url().parse().expect("a URL");
        let world = posting_to(Options::default(), &json!({}), Some(uri)).await;
        let phones = world.phones::<2>();
        let batch = batch(sample::notification(), &phones[..1]);
        let delivery = batch.targets[0].delivery;
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        // A list has no receipts of this kind, and names no address.
        world.send_to(&phones).await;
        assert_eq!(world.sent(SAVE_KEY)[0].get("extra"), None);
        let receipts = posted(&world, &server).await;
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        assert_eq!(
            (receipts[0].tag, &receipts[0].what),
            (delivery, &Late::Delivered)
        );
        let token = receipts[0].token.as_ref().map(|token| token.expose());
        assert_eq!(token, Some(phones[0].token()));
    });
}

#[test]
fn an_id_of_the_console_brings_receipts_of_lists_too() {
    block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let server = address(clock).await;
        let uri: Uri = server.url().parse().expect("a URL");
        let keys = json!({ "receipt_id": "1024" });
        let world = posting_to(Options::default(), &keys, Some(uri)).await;
        let phones = world.phones::<3>();
        phones[2].set_power(false);
        let batch = batch(sample::notification(), &phones);
        let first = batch.targets[0].delivery;
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 3]);
        let extra = json!({ "callback.id": "1024", "callback.param": first.to_string() });
        assert_eq!(world.sent(SAVE_KEY)[0]["extra"], extra);
        let receipts = posted(&world, &server).await;
        let tokens: Vec<_> = receipts
            .iter()
            .filter_map(|receipt| receipt.token.clone())
            .collect();
        let tokens: Vec<_> = tokens.iter().map(|token| token.expose()).collect();
        assert_eq!(tokens, [phones[0].token(), phones[1].token()]);
        for receipt in receipts {
            assert_eq!((receipt.tag, receipt.at), (first, sample::NOW));
            assert_eq!(receipt.what, Late::Delivered);
        }
        // A phone that was off owes its receipt when it is on again.
        world.clock.advance(Duration::from_secs(60));
        phones[2].set_power(true);
        let receipts = posted(&world, &server).await;
        assert_eq!(receipts.len(), 1);
        assert_eq!(receipts[0].at, sample::NOW + Duration::from_secs(60));
    });
}

#[test]
fn no_address_is_sent_where_there_is_none_or_vivo_would_not_take_it() {
    block_on(async {
        let long = format!("https://gateway.example/{}", "x".repeat(128));
        for (keys, uri) in [
            (json!({}), None),
            (json!({}), Some(long.parse().expect("a URL"))),
            (
                json!({ "push_mode": 1 }),
                Some(Uri::from_static("https://gateway.example/r")),
            ),
        ] {
            let world = posting_to(Options::default(), &keys, uri).await;
            let phone = world.simulator.install();
            phone.set_tester(true);
            let kinds = kinds(&world.send_to(&[phone]).await);
            assert_eq!(kinds, [VerdictKind::Accepted]);
            assert_eq!(world.sent("/message/send")[0].get("extra"), None);
        }
    });
}
