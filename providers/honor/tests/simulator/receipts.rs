//! What Honor posts about a push, as the provider reads it.
use super::*;

#[test]
fn receipts_name_the_delivery_and_an_intent_that_opens_nothing() {
    block_on(async {
        let elsewhere = "intent://elsewhere#Intent;scheme=push;end";
        for (intent, shown) in [
            ("intent://im/chat#Intent;scheme=push;end", true),
            (elsewhere, false),
        ] {
            let world = with(Options::default(), &json!({ "intent": intent })).await;
            let phone = world.simulator.install();
            let batch = sample::batch(sample::notification(), [phone.token()]);
            let delivery = batch.targets[0].delivery;
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
            assert_eq!(phone.arrivals().len(), usize::from(shown));
            let request = posted(&world).await;
            let received = world.provider.receive(&request).expect("it is read");
            assert_eq!(received.receipts.len(), 1);
            let receipt = &received.receipts[0];
            assert_eq!(receipt.tag, delivery);
            assert_eq!(
                receipt.token.as_ref().map(|token| token.expose()),
                Some(phone.token())
            );
            match &receipt.what {
                Late::Delivered => assert!(shown),
                Late::Verdict(verdict) => {
                    assert!(!shown);
                    assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
                    assert_eq!(verdict.answer.code, "40000015");
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_phone_that_is_off_owes_its_receipt_when_it_is_on_again() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.set_power(false);
        let batch = sample::batch(sample::notification(), [phone.token()]);
        let delivery = batch.targets[0].delivery;
        assert_eq!(world.send(batch).await, [VerdictKind::Accepted]);
        let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
        // Nothing is due, so no request is made.
        let nowhere = "http://127.0.0.1:1";
        let posted_early = world.simulator.post_receipts(&client, nowhere).await;
        assert_eq!((posted_early.requests, posted_early.due), (0, 0));
        phone.set_power(true);
        assert_eq!(phone.arrivals().len(), 1);
        let received = world.provider.receive(&posted(&world).await).unwrap();
        assert_eq!(received.receipts[0].tag, delivery);
        assert!(matches!(received.receipts[0].what, Late::Delivered));
    });
}

/// What the simulator posts to the receipt address.
async fn posted(world: &World) -> Request<Bytes> {
    let server = HttpServer::start(ServerOptions::default().with_clock(world.clock()), |_| {
        std::future::ready(Reply::new(200).json(json!({ "errno": "0" })))
    })
    .await
    .expect("a free port");
    let client = Client::new(HttpConfig::default(), world.clock()).expect("a client");
    let posted = world.simulator.post_receipts(&client, &server.url()).await;
    assert_eq!((posted.requests, posted.taken, posted.due), (1, 1, 0));
    let recorded = server.log().requests().pop().expect("a request");
    Request::new(recorded.body.clone())
}
