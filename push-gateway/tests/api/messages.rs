//! Messages, from the submission to the trace.
use serde_json::json;

use push_core::{Scope, VerdictKind};

use crate::{
    TOKEN, hello, login,
    support::{
        served::{SERVER_KEY, Served},
        verdict,
    },
};

/// The whole way, from the upload of a credential to the click.
#[tokio::test]
async fn the_whole_way_of_a_push_over_http() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let delivery = &answer.body["messages"][0]["deliveries"][0];
    assert_eq!(delivery["device"], "alice-phone");
    let id = delivery["id"].as_str().unwrap().to_owned();
    served.world.calm().await;
    // S65: the unread count that the app went to background with, and one more.
    let badge = served.world.plan.seen()[0].badge;
    assert_eq!(badge, push_core::Badge::Set(4));

    let path = format!("/v1/deliveries/{id}/trace");
    let trace = served.get(&path, SERVER_KEY).await;
    assert_eq!(trace.body["stage"], "settled");
    assert_eq!(trace.body["settled"], true);
    assert_eq!(trace.body["reason"]["code"], "vendor-accepted");

    let all = served.get("/v1/messages/m1/trace", SERVER_KEY).await;
    assert_eq!(all.status, 200);
    assert!(all.body["events"].as_array().unwrap().len() >= 4);
}

/// S112.
#[tokio::test]
async fn why_a_user_would_not_be_pushed_to_is_answered_with_advice() {
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    let would = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(would.body["devices"][0]["would_push"], true);
    assert_eq!(would.body["devices"][0]["platform"], "ios");
    assert!(!would.text.contains(TOKEN), "a token must not be answered");
    assert_eq!(
        would.body["devices"][0]["registrations"][0]["fingerprint"]
            .as_str()
            .unwrap()
            .len(),
        8
    );

    let answer = served
        .call(
            "DELETE",
            "/v1/devices/alice-phone/registrations",
            &ticket,
            None,
        )
        .await;
    assert_eq!(answer.status, 204);
    let would = served.get("/v1/users/alice/devices", SERVER_KEY).await;
    assert_eq!(would.body["devices"][0]["reason"]["code"], "offline");
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
        "offline"
    );
    let stranger = served.get("/v1/users/unknown/devices", SERVER_KEY).await;
    assert_eq!(stranger.body["devices"], json!([]));
    let reasons = served.get("/v1/reasons", SERVER_KEY).await;
    let reasons = reasons.body["reasons"].as_array().unwrap().clone();
    assert!(
        reasons
            .iter()
            .any(|it| it["code"] == "offline" && it["advice"].as_str().unwrap().contains("login"))
    );
}

#[tokio::test]
async fn a_recall_says_how_much_it_stopped() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    served.world.plan.always(verdict(
        503,
        "x",
        VerdictKind::Unavailable(Scope::Credential),
    ));
    served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("a/b c", "alice")),
        )
        .await;
    served.world.calm().await;
    let answer = served
        .call("POST", "/v1/messages/a%2Fb%20c/recall", SERVER_KEY, None)
        .await;
    assert_eq!(answer.body, json!({"cancelled": 1}));
}
