//! What a ticket is good for, and until when.
use serde_json::{Value, json};

use crate::{
    TOKEN, hello, login,
    support::{
        MINUTE, SECOND, START,
        served::{ADMIN_KEY, Answer, SERVER_KEY, Served, token_body},
    },
};

const OTHER_TOKEN: &str = "11fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f1";

async fn register(served: &Served, device: &str, token: &str, ticket: &str) -> Answer {
    let certificate = served
        .world
        .gateway
        .credentials(&crate::support::app())
        .await;
    let certificate = certificate.expect("a list")[0].id;
    let path = format!("/v1/devices/{device}/registrations/alert");
    let body = Some(token_body(token, certificate));
    served.call("PUT", &path, ticket, body).await
}

async fn kick(served: &Served, change: Value) {
    let body = json!({ "changes": [change] });
    let answer = served
        .call("POST", "/v1/presence", SERVER_KEY, Some(body))
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

async fn pushes(served: &Served, message: &str) -> usize {
    let body = Some(hello(message, "alice"));
    let answer = served.call("POST", "/v1/messages", SERVER_KEY, body).await;
    answer.body["messages"][0]["deliveries"]
        .as_array()
        .expect("a list")
        .len()
}

/// S67: a kick ends a login for good, whatever the phone still has.
#[tokio::test]
async fn a_ticket_from_before_a_kick_registers_no_more() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    assert_eq!(pushes(&served, "m1").await, 1);
    served.world.clock.advance(SECOND);
    kick(&served, json!({"user": "alice", "presence": "offline"})).await;
    served.world.clock.advance(SECOND);
    for (device, token) in [("alice-phone", TOKEN), ("another", OTHER_TOKEN)] {
        let answer = register(&served, device, token, &ticket).await;
        assert_eq!(answer.status, 401, "{device}: {answer:?}");
        assert_eq!(answer.problem(), "ticket-refused");
        assert!(answer.text.contains("kicked"), "{answer:?}");
    }
    let presence = Some(json!({"presence": "background", "at": 1}));
    let path = "/v1/devices/alice-phone/presence";
    let answer = served.call("PUT", path, &ticket, presence.clone()).await;
    assert_eq!((answer.status, answer.problem()), (401, "ticket-refused"));
    assert_eq!(pushes(&served, "m2").await, 0);

    // The next login has a ticket of its own.
    let ticket = served.ticket("alice").await;
    assert_eq!(
        register(&served, "alice-phone", TOKEN, &ticket)
            .await
            .status,
        200
    );
    let answer = served.call("PUT", path, &ticket, presence).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(pushes(&served, "m3").await, 1);
}

/// A ticket that was stolen before it was ever shown.
#[tokio::test]
async fn a_kick_revokes_tickets_that_no_device_has_shown() {
    let served = Served::new().await;
    served.credential().await;
    let unused = served.ticket("alice").await;
    served.world.clock.advance(SECOND);
    kick(&served, json!({"user": "alice", "presence": "offline"})).await;
    let answer = register(&served, "phone", TOKEN, &unused).await;
    assert_eq!((answer.status, answer.problem()), (401, "ticket-refused"));
}

/// S67: a spare ticket of the kicked phone, under its own device id and under another.
#[tokio::test]
async fn a_spare_ticket_of_a_kicked_phone_registers_nothing() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let spare = served.ticket("alice").await;
    served.world.clock.advance(SECOND);
    let phone = json!({"user": "alice", "device": "alice-phone", "presence": "offline"});
    kick(&served, phone).await;
    served.world.clock.advance(SECOND);
    for (device, token) in [
        ("alice-phone", TOKEN),
        ("another", TOKEN),
        ("x", OTHER_TOKEN),
    ] {
        let answer = register(&served, device, token, &spare).await;
        assert_eq!(answer.status, 401, "{device}: {answer:?}");
        assert_eq!(answer.problem(), "ticket-refused");
        assert!(answer.text.contains("kicked"), "{answer:?}");
    }
    assert_eq!(pushes(&served, "m1").await, 0);
    let ticket = served.ticket("alice").await;
    let answer = register(&served, "another", TOKEN, &ticket).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// S43, S47.
#[tokio::test]
async fn a_logout_ends_the_ticket_and_switching_push_off_does_not() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    served.world.clock.advance(SECOND);
    let delete = async |path: &str| {
        let path = format!("/v1/devices/alice-phone/registrations{path}");
        served.call("DELETE", &path, &ticket, None).await.status
    };
    for switched_off in ["/alert", "?because=switched-off"] {
        assert_eq!(delete(switched_off).await, 204);
        assert!(served.world.stored("alice").await.is_none());
        let answer = register(&served, "alice-phone", TOKEN, &ticket).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    served.world.clock.advance(SECOND);
    assert_eq!(delete("").await, 204);
    let answer = register(&served, "alice-phone", TOKEN, &ticket).await;
    assert_eq!((answer.status, answer.problem()), (401, "ticket-refused"));
    // Repeated, because the answer was lost, and after the next login: it is over, and ends nothing more.
    let next = served.ticket("alice").await;
    assert_eq!(
        register(&served, "alice-phone", TOKEN, &next).await.status,
        200
    );
    assert_eq!(delete("").await, 204);
    assert_eq!(delete("/alert").await, 204);
    assert!(served.world.stored("alice").await.is_some());
    assert_eq!(
        register(&served, "alice-phone", TOKEN, &next).await.status,
        200
    );
}

#[tokio::test]
async fn a_ticket_is_good_for_the_first_device_that_shows_it() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let answer = register(&served, "another", OTHER_TOKEN, &ticket).await;
    assert_eq!((answer.status, answer.problem()), (401, "ticket-refused"));
    assert!(answer.text.contains("another device"), "{answer:?}");
    let body = Some(json!({"presence": "online", "at": 1}));
    for (method, path, body) in [
        ("PUT", "/v1/devices/another/presence", body),
        ("DELETE", "/v1/devices/another/registrations", None),
        ("DELETE", "/v1/devices/another/registrations/alert", None),
    ] {
        let answer = served.call(method, path, &ticket, body).await;
        assert_eq!(answer.problem(), "ticket-refused", "{method} {path}");
    }
    let second = served.ticket("alice").await;
    assert_eq!(
        register(&served, "another", OTHER_TOKEN, &second)
            .await
            .status,
        200
    );
    let metrics = served.get("/v1/metrics", ADMIN_KEY).await;
    let line = "offline_push_http_refused_total{credential=\"ticket\",why=\"other-device\"} 4";
    assert!(metrics.text.contains(line), "{}", metrics.text);
}

/// A kick and a login in one second are distinguished.
#[tokio::test]
async fn a_ticket_issued_right_after_a_kick_is_good() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    served
        .world
        .clock
        .jump_to(START + MINUTE + 500 * SECOND / 1000);
    kick(&served, json!({"user": "alice", "presence": "offline"})).await;
    served.world.clock.advance(SECOND / 10);
    let ticket = served.ticket("alice").await;
    assert_eq!(
        register(&served, "alice-phone", TOKEN, &ticket)
            .await
            .status,
        200
    );
}
