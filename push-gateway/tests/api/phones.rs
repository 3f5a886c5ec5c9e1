//! What phones ask for: registrations, presence, the logout.
use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    TOKEN, hello, login,
    support::{
        SECOND, app,
        served::{ADMIN_KEY, SERVER_KEY, Served, token_body},
        token,
    },
};

/// S57+.
#[tokio::test]
async fn a_registration_that_cannot_work_is_named_at_once() {
    let served = Served::new().await;
    let upload = served.world.upload(json!({"environment": "sandbox"}));
    let body = json!({"provider": "scripted", "config": upload.config});
    let added = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(body))
        .await;
    assert_eq!(added.body["environment"], "sandbox");
    let id = push_core::CertificateId::new(added.body["id"].as_i64().unwrap()).unwrap();
    let ticket = served.ticket("alice").await;
    let put = |slot: &str, body: Value| {
        let path = format!("/v1/devices/phone/registrations/{slot}");
        let (served, ticket) = (&served, &ticket);
        async move { served.call("PUT", &path, ticket, Some(body)).await }
    };
    let answer = put("alert", token_body(TOKEN, id)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["warning"]["code"], "environment-mismatch");
    let body = json!({"changes": [{"user": "alice", "presence": "push-online"}]});
    let answer = served
        .call("POST", "/v1/presence", SERVER_KEY, Some(body))
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(
        answer.body["messages"][0]["skipped"][0]["reason"],
        "environment-mismatch"
    );

    let mut unknown = token_body(TOKEN, id);
    unknown["certificate_id"] = json!(4711);
    assert_eq!(put("alert", unknown).await.problem(), "certificate-unknown");
    let mut other = token_body(TOKEN, id);
    other["channel"] = json!("fcm");
    assert_eq!(put("alert", other).await.problem(), "channel-mismatch");
    assert_eq!(
        put("voip", token_body(TOKEN, id)).await.problem(),
        "slot-unsupported"
    );
    let mut zero = token_body(TOKEN, id);
    zero["certificate_id"] = json!(0);
    let answer = put("alert", zero).await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
    assert_eq!(
        put("carrier-pigeon", token_body(TOKEN, id)).await.problem(),
        "invalid"
    );
    let mut empty = token_body("", id);
    empty["token"] = json!("");
    let answer = put("alert", empty).await;
    assert_eq!(answer.problem(), "invalid");
    let mut strange = token_body(TOKEN, id);
    strange["token"] = json!([TOKEN]);
    let answer = put("alert", strange).await;
    assert_eq!(answer.problem(), "invalid");
    assert!(!answer.text.contains(TOKEN), "errors repeat no token");
}

/// An expired ticket logs out, and nothing else.
#[tokio::test]
async fn an_expired_ticket_is_good_for_the_logout_only() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    served
        .world
        .clock
        .advance(Duration::from_secs(2 * 24 * 60 * 60));
    let body = json!({"presence": "background", "at": 1});
    let answer = served
        .call(
            "PUT",
            "/v1/devices/alice-phone/presence",
            &ticket,
            Some(body),
        )
        .await;
    assert_eq!(answer.problem(), "ticket-refused");
    let answer = served
        .call(
            "DELETE",
            "/v1/devices/alice-phone/registrations",
            &ticket,
            None,
        )
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(served.world.stored("alice").await, None);
}

/// A phone whose registration is gone while its app was dead hears of it, and registers again with the ticket of a new login.
#[tokio::test]
async fn a_phone_that_is_not_registered_learns_it_from_its_presence() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let body = json!({"presence": "online", "at": 1});
    let path = "/v1/devices/alice-phone/presence";
    let answer = served.call("PUT", path, &ticket, Some(body.clone())).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    served.world.clock.advance(SECOND);
    let kick = json!({"changes": [{"user": "alice", "presence": "offline"}]});
    served
        .call("POST", "/v1/presence", SERVER_KEY, Some(kick))
        .await;
    for path in [path, "/v1/devices/nobodys-phone/presence"] {
        let ticket = served.ticket("alice").await;
        let answer = served.call("PUT", path, &ticket, Some(body.clone())).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        assert_eq!(answer.problem(), "device-unknown");
    }
}

/// The answer to presence names tokens that are dead or quarantined, if the phone asks.
#[tokio::test]
async fn a_phone_learns_from_its_presence_which_of_its_tokens_are_not_well() {
    use push_core::RegistrationStore as _;
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let path = "/v1/devices/alice-phone/presence";
    let ask = async |query: &str| {
        let body = json!({"presence": "online", "at": 1});
        let path = format!("{path}{query}");
        served.call("PUT", &path, &ticket, Some(body)).await
    };
    assert_eq!(ask("?registered=alert").await.status, 204);
    let answer = ask("?registered=alert,voip,newer").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        json!({"forgotten": ["voip"], "quarantined": []})
    );

    let store = &served.world.store;
    let (app, channel, token) = (app(), push_core::Channel::APNS, token(TOKEN));
    served.world.clock.advance(SECOND);
    let since = served.world.gateway.now();
    let set = store.quarantine(&app, &channel, &token, "environment-mismatch", since);
    assert!(set.await.expect("the store works"));
    let answer = ask("?registered=alert").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["forgotten"], json!([]));
    let quarantined = &answer.body["quarantined"][0];
    assert_eq!(quarantined["slot"], "alert");
    assert_eq!(quarantined["why"]["code"], "environment-mismatch");
    let text = quarantined["why"]["text"].as_str().expect("a text");
    assert!(text.contains("environment"), "{text}");

    let forgotten = store.forget(&app, &channel, &token, since);
    assert!(forgotten.await.expect("the store works"));
    let answer = ask("?registered=alert").await;
    assert_eq!(answer.body["forgotten"], json!(["alert"]));
    assert_eq!(ask("").await.status, 204, "an older app hears nothing");
    let answer = ask("?registered=alert&registered=voip").await;
    assert_eq!((answer.status, answer.problem()), (400, "invalid"));
}

/// S67: the kick alone ends push, however often the phone says afterwards where its app is.
#[tokio::test]
async fn a_phone_that_was_kicked_does_not_come_back_by_its_presence() {
    let served = Served::new().await;
    let old = login(&served, "alice", TOKEN).await;
    served.world.clock.advance(SECOND);
    let kick = json!({"changes": [{"user": "alice", "presence": "offline"}]});
    served
        .call("POST", "/v1/presence", SERVER_KEY, Some(kick))
        .await;
    served.world.clock.advance(SECOND);
    let new = served.ticket("alice").await;
    let path = "/v1/devices/alice-phone/presence";
    for (ticket, status) in [(old, 401), (new, 404)] {
        let body = json!({"presence": "background", "at": 1});
        let answer = served.call("PUT", path, &ticket, Some(body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let message = Some(hello("m1", "alice"));
    let answer = served
        .call("POST", "/v1/messages", SERVER_KEY, message)
        .await;
    let skipped = &answer.body["messages"][0]["skipped"];
    assert_eq!(skipped[0]["reason"], "offline", "{answer:?}");
}
