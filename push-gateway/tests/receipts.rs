//! Receipts of phones, over a socket, signed with the key of their device.
// Tests run on one thread.
#![allow(clippy::future_not_send)]
mod support;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use push_core::{
    AppId, DeviceId, Stage,
    api::{RECEIPT_SIGNATURE, ReceiptsBody, receipts_to_sign},
};
use serde_json::{Value, json};
use support::{
    MINUTE, START,
    served::{Answer, SERVER_KEY, Served, token_body},
};

const ALICE: &str = "/v1/apps/chat/devices/alice-phone/receipts";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// The header with which a phone signs.
fn signed(key: &str, app: &str, device: &str, body: &[u8]) -> String {
    let app = AppId::new(app).expect("a good app id");
    let device = DeviceId::new(device).expect("a good device id");
    let digest = hex(digest(&SHA256, body).as_ref());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, receipts_to_sign(&app, &device, &digest).as_bytes());
    format!("{RECEIPT_SIGNATURE}: v1.{digest}.{}\r\n", hex(tag.as_ref()))
}

/// An hour before the gateway's time: what happened on phones is dated from here, in milliseconds.
const EARLIER: i64 = START.unix_millis() - 60 * 60 * 1000;

fn receipt(delivery: &str, what: &str, at: i64) -> Value {
    json!({"delivery": delivery, "what": what, "at": EARLIER + at})
}

/// A gateway with one push on `alice-phone`.
struct Scene {
    served: Served,
    key: String,
    ticket: String,
    delivery: String,
}

impl Scene {
    async fn new() -> Self {
        let served = Served::new().await;
        let certificate = served.credential().await;
        let ticket = served.ticket("alice").await;
        let key = register(&served, &ticket, "alice-phone", "aa01", certificate).await;
        let presence = json!({"presence": "background", "at": 1});
        let path = "/v1/devices/alice-phone/presence";
        let answer = served.call("PUT", path, &ticket, Some(presence)).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let message = json!({"id": "m1", "sender": {"user": "bob"}, "receivers": ["alice"],
            "elements": [{"type": "text", "text": "hello"}]});
        let answer = served
            .call("POST", "/v1/messages", SERVER_KEY, Some(message))
            .await;
        let delivery = answer.body["messages"][0]["deliveries"][0]["id"]
            .as_str()
            .expect("a delivery")
            .to_owned();
        served.world.calm().await;
        Self {
            served,
            key,
            ticket,
            delivery,
        }
    }

    /// Sends receipts as `alice-phone`.
    async fn send(&self, receipts: &[Value]) -> Answer {
        let body = json!({ "receipts": receipts }).to_string();
        let signed = signed(&self.key, "chat", "alice-phone", body.as_bytes());
        self.served
            .send("POST", ALICE, &signed, body.as_bytes())
            .await
    }

    /// The stages of the delivery after it was settled, with their times.
    async fn stages(&self) -> Vec<(Stage, i64)> {
        let trace = self.trace().await;
        let events = trace["events"].as_array().cloned().unwrap_or_default();
        let stages = events.iter().map(|it| {
            let stage: Stage = serde_json::from_value(it["stage"].clone()).expect("a stage");
            (stage, it["at"].as_i64().expect("a time") - EARLIER)
        });
        stages.filter(|it| it.0 >= Stage::Delivered).collect()
    }

    async fn trace(&self) -> Value {
        let path = format!("/v1/deliveries/{}/trace", self.delivery);
        self.served.get(&path, SERVER_KEY).await.body
    }
}

/// Registers a token and answers the device's receipt key.
async fn register(
    served: &Served,
    ticket: &str,
    device: &str,
    token: &str,
    certificate: push_core::CertificateId,
) -> String {
    let answer = served
        .call(
            "PUT",
            &format!("/v1/devices/{device}/registrations/alert"),
            ticket,
            Some(token_body(token, certificate)),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["receipt_key"]
        .as_str()
        .expect("a receipt key")
        .to_owned()
}

/// S111: delivered, then clicked, each with the phone's time; a late receipt does not lower the stage.
#[tokio::test]
async fn a_push_is_delivered_then_clicked_at_the_times_that_the_phone_reports() {
    let scene = Scene::new().await;
    let answer = scene
        .send(&[receipt(&scene.delivery, "delivered", 5)])
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(scene.trace().await["stage"], "delivered");
    let answer = scene.send(&[receipt(&scene.delivery, "clicked", 7)]).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(scene.trace().await["stage"], "clicked");
    assert_eq!(
        scene.stages().await,
        [(Stage::Delivered, 5), (Stage::Clicked, 7)]
    );

    let scene = Scene::new().await;
    for (what, at) in [("clicked", 7), ("delivered", 5), ("delivered", 6)] {
        scene.send(&[receipt(&scene.delivery, what, at)]).await;
    }
    let trace = scene.trace().await;
    assert_eq!(trace["stage"], "clicked");
    assert_eq!(trace["settled"], true);
    let mut stages = scene.stages().await;
    stages.sort();
    assert_eq!(
        stages,
        [(Stage::Delivered, 5), (Stage::Clicked, 7)],
        "the first of each is the one that counts"
    );
}

/// The phone forgets a receipt when it hears that it was taken: by then it must not be in memory alone.
#[tokio::test]
async fn a_receipt_that_was_taken_is_stored() {
    use push_core::{AppId, DeviceId, Receipt, ReceiptKind, Timestamp, TraceStore as _};
    let scene = Scene::new().await;
    let app = AppId::new("chat").unwrap();
    let device = DeviceId::new("alice-phone").unwrap();
    let delivery = scene.delivery.parse().unwrap();
    let receipt = Receipt::new(
        delivery,
        ReceiptKind::Delivered,
        Timestamp::from_unix_millis(5),
    );
    let world = &scene.served.world;
    let body = ReceiptsBody::new(vec![receipt]);
    let taken = world.gateway.receipts_of(&app, &device, body);
    taken.await.unwrap();
    let stored = world.store.trace_of_delivery(&app, delivery).await.unwrap();
    assert!(stored.iter().any(|it| it.stage == Stage::Delivered));
}

/// An extension on a phone whose clock is wrong.
#[tokio::test]
async fn what_a_phone_with_a_slow_clock_reports_is_dated_right() {
    let scene = Scene::new().await;
    let report = async |what: &str, at: i64, now: Option<i64>| {
        let receipt = json!({"delivery": scene.delivery, "what": what, "at": at});
        let body = json!({ "receipts": [receipt], "now": now }).to_string();
        let lines = signed(&scene.key, "chat", "alice-phone", body.as_bytes());
        scene
            .served
            .send("POST", ALICE, &lines, body.as_bytes())
            .await
    };
    let answer = report("delivered", 5_000, Some(9_000)).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    // An app that does not say what its clock shows.
    let answer = report("clicked", 5_000, None).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let now = START.unix_millis() - EARLIER;
    assert_eq!(
        scene.stages().await,
        [(Stage::Delivered, now - 4_000), (Stage::Clicked, now)]
    );
    let answer = report("delivered", START.unix_seconds(), None).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
    assert!(answer.text.contains("looks like seconds"), "{answer:?}");
}

/// The ticket may have expired, and the person may have logged out: the push went to this device all the same.
#[tokio::test]
async fn no_ticket_is_needed() {
    let scene = Scene::new().await;
    scene.served.world.clock.advance(2 * 24 * 60 * MINUTE);
    let path = "/v1/devices/alice-phone/registrations";
    let answer = scene.served.call("DELETE", path, &scene.ticket, None).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let answer = scene.send(&[receipt(&scene.delivery, "clicked", 9)]).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(scene.stages().await, [(Stage::Clicked, 9)]);
}

#[tokio::test]
async fn a_device_acknowledges_only_its_own_deliveries() {
    let scene = Scene::new().await;
    let certificate = scene.served.credential().await;
    let ticket = scene.served.ticket("alice").await;
    let other = register(&scene.served, &ticket, "alice-pad", "aa02", certificate).await;
    assert_ne!(other, scene.key);
    let body = json!({"receipts": [receipt(&scene.delivery, "clicked", 5)]}).to_string();
    let path = "/v1/apps/chat/devices/alice-pad/receipts";
    let signed = signed(&other, "chat", "alice-pad", body.as_bytes());
    let answer = scene
        .served
        .send("POST", path, &signed, body.as_bytes())
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(
        scene.stages().await,
        [],
        "it is ignored, of the same user even"
    );
}

#[tokio::test]
async fn unknown_deliveries_are_ignored_and_the_others_count() {
    let scene = Scene::new().await;
    let unknown = "0190163d-8694-739b-aea5-966c26f8ad91";
    let answer = scene
        .send(&[
            receipt(unknown, "clicked", 5),
            receipt(&scene.delivery, "delivered", 5),
        ])
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(scene.stages().await, [(Stage::Delivered, 5)]);
}

/// A request without the device's key is refused, with the same answer for every reason.
#[tokio::test]
async fn what_is_not_signed_with_the_devices_key_is_refused() {
    let scene = Scene::new().await;
    let body = json!({"receipts": [receipt(&scene.delivery, "clicked", 5)]}).to_string();
    let bytes = body.as_bytes();
    let good = signed(&scene.key, "chat", "alice-phone", bytes);
    let mut forged = good.clone();
    forged.replace_range(forged.len() - 3..forged.len() - 2, "g");
    let guessed = signed(&"0".repeat(64), "chat", "alice-phone", bytes);
    let other_body = signed(&scene.key, "chat", "alice-phone", b"{}");
    let ticket = format!("authorization: Bearer {}\r\n", scene.ticket);
    let unknown_device = "/v1/apps/chat/devices/nobodys/receipts";
    let unknown_app = "/v1/apps/work/devices/alice-phone/receipts";
    for (path, lines) in [
        (ALICE, ""),
        (ALICE, ticket.as_str()),
        (ALICE, forged.as_str()),
        (ALICE, guessed.as_str()),
        (ALICE, other_body.as_str()),
        (ALICE, "receipt-signature: \r\n"),
        (unknown_device, good.as_str()),
        (unknown_app, good.as_str()),
    ] {
        let answer = scene.served.send("POST", path, lines, bytes).await;
        assert_eq!(answer.status, 403, "{lines}: {answer:?}");
        assert_eq!(answer.problem(), "receipt-key-refused", "{lines}");
        assert!(answer.text.contains("register"), "it says what to do");
    }
    assert_eq!(scene.stages().await, []);
    let answer = scene.served.send("POST", ALICE, &good, bytes).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(scene.stages().await, [(Stage::Clicked, 5)]);
}

/// The signature of a body that never came: the head alone is refused, before anything is read.
#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    use tokio::io::AsyncWriteExt;
    let scene = Scene::new().await;
    let mut stream = tokio::net::TcpStream::connect(scene.served.address)
        .await
        .expect("a connection");
    let head = format!(
        "POST {ALICE} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{}content-length: 50\r\n\r\n",
        signed(&"0".repeat(64), "chat", "alice-phone", b"x")
    );
    stream.write_all(head.as_bytes()).await.expect("a head");
    let answer = support::served::read(stream).await;
    assert_eq!(answer.problem(), "receipt-key-refused");
}

#[tokio::test]
async fn too_many_and_too_large_are_refused_and_nothing_of_them_counts() {
    let scene = Scene::new().await;
    let one = receipt(&scene.delivery, "clicked", 5);
    let answer = scene.send(&vec![one.clone(); ReceiptsBody::MAX + 1]).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
    assert!(answer.text.contains("100"), "{answer:?}");
    let broken = b"{\"receipts\": [";
    let lines = signed(&scene.key, "chat", "alice-phone", broken);
    let answer = scene.served.send("POST", ALICE, &lines, broken).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
    let large = format!(
        "{{\"receipts\": [{one}]}}{}",
        " ".repeat(ReceiptsBody::MAX_BYTES)
    );
    let lines = signed(&scene.key, "chat", "alice-phone", large.as_bytes());
    let answer = scene
        .served
        .send("POST", ALICE, &lines, large.as_bytes())
        .await;
    assert_eq!((answer.status, answer.problem()), (413, "too-large"));
    assert_eq!(scene.stages().await, []);
    let answer = scene.send(&vec![one; ReceiptsBody::MAX]).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(scene.stages().await, [(Stage::Clicked, 5)]);
}

/// Ids may have any characters; in the path they are percent-encoded, signed they are not.
#[tokio::test]
async fn ids_of_any_characters_are_signed_as_they_are() {
    let served = Served::new().await;
    let certificate = served.credential().await;
    let ticket = served.ticket("alice").await;
    let key = register(&served, &ticket, "phone%201%2F%C3%BC", "aa01", certificate).await;
    let body = b"{\"receipts\":[]}";
    let lines = signed(&key, "chat", "phone 1/ü", body);
    let path = "/v1/apps/chat/devices/phone%201%2F%C3%BC/receipts";
    let answer = served.send("POST", path, &lines, body).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let path = "/v1/apps/chat/devices/%0A/receipts";
    let answer = served.send("POST", path, &lines, body).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
}
