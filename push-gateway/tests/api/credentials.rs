//! Credentials, as their owner uploads, checks, rotates and resumes them.
use push_core::VerdictKind;
use serde_json::json;

use crate::{
    TOKEN, hello, login,
    support::{
        served::{ADMIN_KEY, SERVER_KEY, Served},
        verdict,
    },
};

/// S58.
#[tokio::test]
async fn credentials_are_uploaded_listed_verified_rotated_and_never_shown() {
    let served = Served::new().await;
    let config = served
        .world
        .upload(json!({"secret": "the-vendor-secret", "expires_at": 1_761_000_000}))
        .config;
    let body = json!({"provider": "scripted", "config": config, "label": "main", "id": 31287});
    let added = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(body.clone()))
        .await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.body["id"], 31287);
    let again = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(body.clone()))
        .await;
    assert_eq!(again.problem(), "conflict");

    let list = served.get("/v1/credentials", ADMIN_KEY).await;
    assert_eq!(list.body["credentials"][0]["expiry"], "soon");
    assert_eq!(list.body["credentials"][0]["lane"]["state"], "open");
    assert!(!list.text.contains("the-vendor-secret"));

    let verified = served
        .call("POST", "/v1/credentials/31287/verify", ADMIN_KEY, None)
        .await;
    assert_eq!(verified.body["accepted"], true);
    let rotated = served
        .call(
            "PUT",
            "/v1/credentials/31287",
            ADMIN_KEY,
            Some(body.clone()),
        )
        .await;
    assert_eq!((rotated.status, &rotated.body["id"]), (200, &json!(31287)));
    let mut other = body.clone();
    other["config"]["environment"] = json!("sandbox");
    assert_eq!(
        served
            .call("PUT", "/v1/credentials/31287", ADMIN_KEY, Some(other))
            .await
            .problem(),
        "conflict"
    );
    let missing = served
        .call("PUT", "/v1/credentials/9", ADMIN_KEY, Some(body.clone()))
        .await;
    assert_eq!(missing.problem(), "not-found");

    let mut file = body.clone();
    file["config"]["key_file"] = json!("/etc/shadow");
    let refused = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(file))
        .await;
    assert_eq!(refused.problem(), "invalid");
    let mut unknown = body.clone();
    unknown["provider"] = json!("pigeon");
    let refused = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(unknown))
        .await;
    assert_eq!(
        (refused.status, refused.problem()),
        (422, "provider-unknown")
    );
    let mut wrong = body;
    wrong["config"]["nonsense"] = json!(true);
    let refused = served
        .call("POST", "/v1/credentials", ADMIN_KEY, Some(wrong))
        .await;
    assert_eq!(refused.problem(), "config-invalid");
    assert!(refused.text.contains("nonsense") && !refused.text.contains("the-vendor-secret"));
}

#[tokio::test]
async fn a_suspended_credential_shows_why_and_is_resumed() {
    let served = Served::new().await;
    login(&served, "alice", TOKEN).await;
    let refused = verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused);
    served.world.plan.script(TOKEN, [refused]);
    let answer = served
        .call(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    served.world.calm().await;
    let list = served.get("/v1/credentials", ADMIN_KEY).await;
    let lane = &list.body["credentials"][0]["lane"];
    assert_eq!(lane["state"], "suspended");
    assert_eq!(lane["reason"], "credential-refused");
    assert_eq!(lane["evidence"], "403 InvalidProviderToken");
    let id = answer.body["messages"][0]["deliveries"][0]["id"]
        .as_str()
        .unwrap();
    let path = format!("/v1/deliveries/{id}/trace");
    let trace = served.get(&path, SERVER_KEY).await;
    assert_eq!(trace.body["settled"], false);
    assert_eq!(trace.body["reason"]["code"], "credential-refused");
    let certificate = list.body["credentials"][0]["id"].as_i64().unwrap();
    let path = format!("/v1/credentials/{certificate}/resume");
    let resumed = served.call("POST", &path, ADMIN_KEY, None).await;
    assert_eq!(resumed.body["lane"]["state"], "open", "{resumed:?}");
    served.world.calm().await;
    assert_eq!(served.world.depth().await, 0);
}
