//! What vendors post back about deliveries and tokens.
mod support;

use push_core::{
    CertificateId, CredentialRef, DeliveryId, ErrorKind, Scope, Stage, TraceQuery, VerdictKind,
};
use serde_json::{Value, json};
use support::*;

/// A gateway that vendors can reach, with `people` logged in.
async fn world(people: &[&str]) -> (World, CertificateId) {
    let world = World::with_settings(
        |settings| settings.public_url = Some("https://push.example.com".into()),
        |queue| queue,
    );
    let certificate = world.credential(json!({})).await;
    for who in people {
        world.login(who, certificate).await;
    }
    (world, certificate)
}

fn receipt(tag: DeliveryId, who: &str, what: &str, at: i64) -> Value {
    json!({ "tag": tag.to_string(), "token": format!("{who}-token"), "what": what, "at": at })
}

async fn post(world: &World, id: CertificateId, receipts: &[Value]) {
    let body = json!({ "signature": "good", "receipts": receipts });
    let reply = send(world, &credential(id), &body)
        .await
        .expect("the gateway answers");
    assert_eq!(reply.body().as_ref(), b"taken");
    world.calm().await;
}

async fn send(
    world: &World,
    of: &CredentialRef,
    body: &Value,
) -> push_core::Result<http::Response<bytes::Bytes>> {
    let address = world.plan.receipts_of(of);
    let secret = address.rsplit('/').next().unwrap_or_default();
    let request = http::Request::new(bytes::Bytes::from(body.to_string()));
    world.gateway.vendor_receipts(of, secret, &request).await
}

async fn stages(world: &World, delivery: DeliveryId) -> Vec<(Stage, i64)> {
    let trace = world.trace(delivery).await;
    trace
        .iter()
        .filter(|event| event.stage >= Stage::Delivered)
        .map(|event| (event.stage, event.at.unix_millis()))
        .collect()
}

/// S111.
#[tokio::test]
async fn a_stage_that_the_vendor_posts_is_recorded_once() {
    let (world, certificate) = world(&["alice"]).await;
    let delivery = world.text("alice").await;
    for (what, at) in [("delivered", 5), ("clicked", 7), ("delivered", 6)] {
        post(&world, certificate, &[receipt(delivery, "alice", what, at)]).await;
    }
    let mut found = stages(&world, delivery).await;
    found.sort();
    assert_eq!(found, [(Stage::Delivered, 5), (Stage::Clicked, 7)]);
}

#[tokio::test]
async fn a_receipt_of_a_batch_finds_the_delivery_of_its_token() {
    let (world, certificate) = world(&["a", "b", "c"]).await;
    let answer = world.submit(message("x", &["a", "b", "c"])).await;
    world.calm().await;
    assert_eq!(world.plan.seen()[0].batch, 3);
    let [a, b, c] = [0, 1, 2].map(|place: usize| answer.deliveries[place].id);
    post(&world, certificate, &[receipt(a, "b", "shown", 5)]).await;
    assert_eq!(stages(&world, a).await, []);
    assert_eq!(stages(&world, b).await, [(Stage::Shown, 5)]);
    // A token that is not known any more concerns no delivery.
    post(&world, certificate, &[receipt(a, "stranger", "shown", 5)]).await;
    assert_eq!(stages(&world, c).await, []);
}

/// A delivery can move to the credential that its device registered under meanwhile; that one's vendor has the receipt.
#[tokio::test]
async fn a_receipt_counts_only_at_the_credential_that_sent_the_push() {
    let (world, first) = world(&["alice"]).await;
    let (name, plan) = world.another_plan();
    let second = world.credential(json!({ "plan": name })).await;
    let down = VerdictKind::Unavailable(Scope::Credential);
    world.plan.always(verdict(503, "x", down));
    let moved = world.text("alice").await;
    world
        .register("alice", "alice-phone", "alice-token", second)
        .await;
    world.pass(10 * MINUTE).await;
    assert_eq!(plan.count(), 1, "the second credential sent it");
    let post_to = async |id, plan: &Plan, receipts: &[Value]| {
        let of = credential(id);
        let address = plan.receipts_of(&of);
        let secret = address.rsplit('/').next().unwrap_or_default();
        let body = json!({ "signature": "good", "receipts": receipts });
        let request = http::Request::new(bytes::Bytes::from(body.to_string()));
        let reply = world.gateway.vendor_receipts(&of, secret, &request).await;
        reply.expect("the gateway answers");
        world.calm().await;
    };
    post_to(second, &plan, &[receipt(moved, "alice", "shown", 5)]).await;
    assert_eq!(stages(&world, moved).await, [(Stage::Shown, 5)]);
    // Without a token, too, the vendor of another credential reports nothing.
    world.login("carol", second).await;
    let other = world.text("carol").await;
    let mut tag_only = receipt(other, "carol", "shown", 6);
    tag_only["token"] = Value::Null;
    post_to(first, &world.plan, &[tag_only.clone()]).await;
    assert_eq!(stages(&world, other).await, []);
    post_to(second, &plan, &[tag_only]).await;
    assert_eq!(stages(&world, other).await, [(Stage::Shown, 6)]);
}

/// ADR 6 holds for what a vendor reports later.
#[tokio::test]
async fn a_late_death_removes_a_token_only_of_a_credential_that_works() {
    let (world, certificate) = world(&["alice", "carol"]).await;
    let delivery = world.text("alice").await;
    let later = (START + SECOND).unix_millis();
    world.clock.advance(MINUTE);
    post(
        &world,
        certificate,
        &[receipt(delivery, "alice", "dead", later)],
    )
    .await;
    assert_eq!(world.stored("alice").await, None);
    // Before the last registration: the token is a new one.
    let delivery = world.text("carol").await;
    let earlier = (START - SECOND).unix_millis();
    post(
        &world,
        certificate,
        &[receipt(delivery, "carol", "dead", earlier)],
    )
    .await;
    assert_eq!(world.stored("carol").await, Some(None));
    let trace = world.trace(delivery).await;
    assert!(
        trace
            .iter()
            .any(|event| event.reason.as_deref() == Some("token-dead"))
    );
}

#[tokio::test]
async fn a_wrong_secret_is_unknown_and_a_wrong_signature_denied() {
    let (world, certificate) = world(&["alice"]).await;
    let other = CertificateId::new(99).unwrap();
    let request = http::Request::new(bytes::Bytes::new());
    for (id, secret) in [
        (certificate, "00".repeat(32)),
        (certificate, String::new()),
        (other, "00".repeat(32)),
    ] {
        let error = world
            .gateway
            .vendor_receipts(&credential(id), &secret, &request)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let forged = json!({ "signature": "bad", "receipts": [] });
    let error = send(&world, &credential(certificate), &forged).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn traces_are_found_by_user_and_time_page_by_page() {
    let (world, _) = world(&["alice", "carol"]).await;
    for _ in 0..3 {
        world.text("alice").await;
        world.text("carol").await;
        world.clock.advance(MINUTE);
    }
    let query = TraceQuery::all()
        .with_user(user("alice"))
        .with_from(START + MINUTE);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = world.gateway.find_traces(&app(), &query, after, 2).await;
        let page = page.unwrap();
        found.extend(page.items);
        after = match page.next {
            Some(next) => Some(next),
            None => break,
        };
    }
    assert!(found.iter().all(|event| event.user == Some(user("alice"))));
    assert!(found.iter().all(|event| event.at >= START + MINUTE));
    assert!(found.is_sorted_by(|one, other| one.at >= other.at));
    let settled = found.iter().filter(|event| event.stage == Stage::Settled);
    assert_eq!(settled.count(), 2);
}
