//! Receipts: from the phone by way of Push Kit to the verdict.
use bytes::Bytes;
use http::Request;
use push_core::{DeliveryId, Late, Scope, Secret, TokenFault, VendorReceipt};
use push_testkit::{HttpServer, Reply, ServerOptions, block_on};

use super::*;

const USER: &str = "imuser";
const KEY: &str = "im-secret-1";

async fn signed_world(options: Options) -> World {
    World::with(
        options,
        &json!({ "receipt_user": USER, "receipt_key": KEY }),
    )
    .await
}

/// Posts what is due, and returns each request as it came.
async fn posted(world: &World, user: &str) -> Vec<Request<Bytes>> {
    let options = ServerOptions::default().with_clock(world.clock());
    let server = HttpServer::start(options, |_| std::future::ready(Reply::new(200)));
    let server = server.await.expect("a free port");
    let client = Client::new(push_http::HttpConfig::default(), world.clock()).expect("a client");
    let key = Secret::new(KEY);
    let posted = world
        .simulator
        .post_receipts(&client, &server.url(), Some((user, &key)))
        .await;
    assert_eq!(posted.due, 0);
    let requests = server.log().requests();
    let requests = requests.iter().map(|recorded| {
        let mut request = Request::new(recorded.body.clone());
        *request.headers_mut() = recorded.headers.clone();
        request
    });
    requests.collect()
}

/// What the provider reads of everything that is due.
async fn received(world: &World) -> Vec<VendorReceipt> {
    let mut all = Vec::new();
    for request in posted(world, USER).await {
        let received = world.provider.receive(&request).expect("it is read");
        assert_eq!(received.reply.status(), 200);
        all.extend(received.receipts);
    }
    all
}

fn kind(receipt: &VendorReceipt) -> Option<VerdictKind> {
    match &receipt.what {
        Late::Verdict(verdict) => Some(verdict.kind),
        _ => None,
    }
}

async fn tagged(world: &World, notification: Notification, phone: &Phone) -> DeliveryId {
    let batch = sample::batch(notification, [phone.token()]);
    let delivery = batch.targets[0].delivery;
    assert_eq!(world.send(batch).await, [ACCEPTED]);
    delivery
}

#[test]
fn receipts_name_the_delivery_and_what_became_of_it() {
    block_on(async {
        let world = signed_world(Options::default()).await;
        let phones: [Phone; 4] = std::array::from_fn(|_| world.simulator.install());
        phones[1].set_muted(true);
        phones[2].uninstall_unnoticed();
        phones[3].set_power(false);
        let mut tags = Vec::new();
        for phone in &phones {
            tags.push(tagged(&world, sample::notification(), phone).await);
        }
        let receipts = received(&world).await;
        assert_eq!(receipts.len(), 3, "{receipts:?}");
        for (receipt, (phone, tag)) in receipts.iter().zip(phones.iter().zip(&tags)) {
            assert_eq!(receipt.tag, *tag);
            let token = receipt.token.as_ref().map(|token| token.expose());
            assert_eq!(token, Some(phone.token()));
        }
        assert_eq!(receipts[0].what, Late::Delivered);
        assert_eq!(
            kind(&receipts[1]),
            Some(VerdictKind::TokenUnusable(TokenFault::Muted))
        );
        let since = Some(sample::NOW);
        assert_eq!(kind(&receipts[2]), Some(VerdictKind::TokenDead { since }));
        // The phone that was off owes its receipt when it is on again.
        phones[3].set_power(true);
        let receipts = received(&world).await;
        assert_eq!((receipts.len(), receipts[0].tag), (1, tags[3]));
        assert_eq!(
            world.push(sample::notification(), &phones[2]).await.kind,
            DEAD
        );
    });
}

#[test]
fn quotas_of_a_day_end_at_midnight_in_china() {
    block_on(async {
        let options = Options::default().with_daily_limit(4);
        let world = signed_world(options).await;
        let phone = world.simulator.install();
        for _ in 0..3 {
            tagged(
                &world,
                sample::notification().with_vendor(marketing()),
                &phone,
            )
            .await;
        }
        for _ in 0..2 {
            tagged(&world, sample::notification(), &phone).await;
        }
        let receipts = received(&world).await;
        let kinds: Vec<_> = receipts.iter().map(kind).collect();
        let limited = Some(VerdictKind::RateLimited(Scope::Token));
        assert_eq!(kinds, [None, None, limited, None, limited]);
        assert_eq!(phone.arrivals().len(), 3);
        let Late::Verdict(verdict) = &receipts[2].what else {
            panic!("{receipts:?}");
        };
        let push_core::Retry::After(wait) = verdict.retry else {
            panic!("{verdict:?}");
        };
        world.clock.advance(wait);
        tagged(
            &world,
            sample::notification().with_vendor(marketing()),
            &phone,
        )
        .await;
        assert_eq!(phone.arrivals().len(), 4);
    });
}

#[test]
fn the_thousandth_test_message_of_a_day_is_the_last() {
    block_on(async {
        let keys = json!({ "test_message": true, "receipt_user": USER, "receipt_key": KEY });
        let options = Options::default().with_daily_limit(1);
        let world = World::with(options, &keys).await;
        let phones: Vec<_> = (0..10).map(|_| world.simulator.install()).collect();
        let batch = || sample::batch(sample::notification(), phones.iter().map(Phone::token));
        for _ in 0..10 {
            assert_eq!(world.send(batch()).await, [ACCEPTED; 10]);
        }
        // Ten requests in a second, and no more.
        let limited = VerdictKind::RateLimited(Scope::Credential);
        assert_eq!(world.send(batch()).await, [limited; 10]);
        for _ in 10..101 {
            world.clock.advance(std::time::Duration::from_secs(1));
            assert_eq!(world.send(batch()).await, [ACCEPTED; 10]);
        }
        let receipts = received(&world).await;
        assert_eq!(receipts.len(), 1010);
        let over: Vec<_> = receipts.iter().filter_map(kind).collect();
        assert_eq!(over, [limited; 10]);
    });
}

#[test]
fn without_the_right_to_categories_every_message_is_marketing() {
    block_on(async {
        let world = signed_world(Options::default().without_category_rights()).await;
        let phone = world.simulator.install();
        for _ in 0..3 {
            tagged(&world, sample::notification(), &phone).await;
        }
        assert_eq!(phone.arrivals().len(), 2);
    });
}

#[test]
fn receipts_of_another_user_are_refused_and_of_none_without_a_key() {
    block_on(async {
        let world = signed_world(Options::default()).await;
        let phone = world.simulator.install();
        tagged(&world, sample::notification(), &phone).await;
        let mut request = posted(&world, "another").await.remove(0);
        let error = world.provider.receive(&request).expect_err("it is refused");
        assert_eq!(error.kind(), push_core::ErrorKind::Denied);
        request.headers_mut().clear();
        assert!(world.provider.receive(&request).is_err());
        let open = self::world().await;
        let received = open.provider.receive(&request).expect("it is read");
        assert_eq!(received.receipts.len(), 1);
    });
}
