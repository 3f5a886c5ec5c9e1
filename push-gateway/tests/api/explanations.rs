//! Why no push comes, over HTTP: how a device ended, and what a delivery waits for.
use push_core::VerdictKind;
use serde_json::{Value, json};

use crate::{
    TOKEN, hello, login,
    support::{
        REPAIR, SECOND,
        served::{ADMIN_KEY, SERVER_KEY, Served},
        verdict,
    },
};

async fn reason_of_alices_phone(served: &Served) -> Value {
    let devices = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    devices.body["devices"][0]["reason"].clone()
}

/// S41, S56, S63, S67.
#[tokio::test]
async fn logged_out_kicked_expired_and_switched_off_are_different_reasons() {
    let phone = "/v1/devices/alice-phone/registrations";
    for (query, reason) in [
        ("", "offline"),
        ("?because=logged-out", "logged-out"),
        ("?because=kicked", "kicked"),
        ("?because=login-expired", "login-expired"),
        ("?because=switched-off", "switched-off"),
        ("?because=of-a-newer-app", "offline"),
        ("?because=token-dead", "offline"),
        ("/alert", "token-withdrawn"),
        ("/alert?because=switched-off", "switched-off"),
    ] {
        let served = Served::new().await;
        let ticket = login(&served, "alice", TOKEN).await;
        let path = format!("{phone}{query}");
        let gone = served.call("DELETE", &path, &ticket, None).await;
        assert_eq!(gone.status, 204, "{gone:?}");
        let why = reason_of_alices_phone(&served).await;
        assert_eq!(why["code"], reason, "{query}");
        assert_ne!(why["text"], "");
        let message = Some(hello("m1", "alice"));
        let sent = served
            .call("POST", "/v1/messages", SERVER_KEY, message)
            .await;
        let skipped = &sent.body["messages"][0]["skipped"][0];
        assert_eq!(skipped["reason"], reason, "{query}");
    }
    for (because, reason) in [
        (Value::Null, "offline"),
        (json!("kicked"), "kicked"),
        (json!("logged-out"), "logged-out"),
    ] {
        let served = Served::new().await;
        login(&served, "alice", TOKEN).await;
        served.world.clock.advance(SECOND);
        let change = json!({"user": "alice", "presence": "offline", "because": because});
        let body = Some(json!({"changes": [change]}));
        let set = served.call("POST", "/v1/presence", SERVER_KEY, body).await;
        assert_eq!(set.status, 204, "{set:?}");
        assert_eq!(reason_of_alices_phone(&served).await["code"], reason);
    }
}

#[tokio::test]
async fn an_im_server_cannot_report_what_the_gateway_finds_out_itself() {
    let served = Served::new().await;
    for because in ["device-taken", "token-dead", "refused", "nonsense"] {
        let change = json!({"user": "alice", "presence": "offline", "because": because});
        let body = Some(json!({"changes": [change]}));
        let set = served.call("POST", "/v1/presence", SERVER_KEY, body).await;
        assert_eq!(set.status, 400, "{because}: {set:?}");
    }
}

#[tokio::test]
async fn a_delivery_behind_a_suspended_credential_says_what_it_waits_for() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let submit = async |id: &str| {
        let message = Some(hello(id, "alice"));
        let sent = served
            .call("POST", "/v1/messages", SERVER_KEY, message)
            .await;
        served.world.calm().await;
        let delivery = &sent.body["messages"][0]["deliveries"][0]["id"];
        delivery.as_str().expect("a delivery").to_owned()
    };
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    served.world.plan.script(TOKEN, [refused]);
    submit("m1").await;
    let behind = submit("m2").await;
    for path in [
        format!("/v1/deliveries/{behind}/trace"),
        "/v1/messages/m2/trace".to_owned(),
    ] {
        let trace = served.get(&path, SERVER_KEY).await.body;
        let waiting = &trace["waiting"][0];
        assert_eq!(waiting["delivery"], behind.as_str(), "{trace:#}");
        assert_eq!(waiting["state"], "suspended");
        assert_eq!(waiting["reason"]["code"], "credential-refused");
        assert_eq!(waiting["reason"]["advice"], REPAIR);
        assert_eq!(waiting["evidence"], "403 InvalidProviderToken");
        assert!(waiting["next_try"].as_i64() > trace["events"][0]["at"].as_i64());
        // Also at the event, which stays when the credential is repaired.
        let events = trace["events"].as_array().expect("events");
        let queued = events.iter().find(|event| event["stage"] == "queued");
        let queued = queued.expect("it is queued");
        assert_eq!(queued["reason"]["code"], "credential-refused");
        assert_eq!(queued["reason"]["advice"], REPAIR);
    }
    let why = reason_of_alices_phone(&served).await;
    assert_eq!(why["code"], "credential-refused");
    assert_eq!(why["advice"], REPAIR);
    let devices = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(devices.body["devices"][0]["would_push"], false);

    let credentials = served.get("/v1/credentials", ADMIN_KEY).await;
    let id = &credentials.body["credentials"][0]["id"];
    let resume = format!("/v1/credentials/{id}/resume");
    served.call("POST", &resume, ADMIN_KEY, None).await;
    served.world.calm().await;
    let trace = served.get("/v1/messages/m2/trace", SERVER_KEY).await;
    assert_eq!(trace.body["waiting"], Value::Null);
    assert_eq!(reason_of_alices_phone(&served).await, Value::Null);
}

#[tokio::test]
async fn a_delivery_behind_a_removed_credential_says_what_it_waits_for() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    served.world.plan.script(TOKEN, [refused]);
    let message = Some(hello("m1", "alice"));
    served
        .call("POST", "/v1/messages", SERVER_KEY, message)
        .await;
    served.world.calm().await;
    let credentials = served.get("/v1/credentials", ADMIN_KEY).await;
    let id = credentials.body["credentials"][0]["id"].clone();
    let path = format!("/v1/credentials/{id}");
    let removed = served.call("DELETE", &path, ADMIN_KEY, None).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!(
        (&removed.body["id"], &removed.body["waiting"]),
        (&id, &json!(1))
    );
    served.world.calm().await;
    let trace = served.get("/v1/messages/m1/trace", SERVER_KEY).await;
    let reason = &trace.body["waiting"][0]["reason"]["code"];
    assert_eq!(reason, "certificate-unknown", "{:#}", trace.body);
    let again = served.call("DELETE", &path, ADMIN_KEY, None).await;
    assert_eq!((again.status, again.problem()), (404, "not-found"));
}
