//! The simulator is as strict as the service that it stands for.
use std::{sync::Arc, time::Duration};

use http::Request;
use push_core::ManualClock;
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_fcm::simulator::{Options, PROJECT, Simulator};
use push_testkit::{block_on, fixtures, sample};
use serde_json::{Value, json};

/// Google, and its clock.
struct Scene {
    clock: ManualClock,
    google: Simulator,
}

impl Scene {
    async fn new() -> Self {
        let clock = sample::clock();
        let options = Options::default().with_clock(Arc::new(clock.clone()));
        Self {
            clock,
            google: Simulator::start(options)
                .await
                .expect("loopback can be bound"),
        }
    }
}

async fn post(
    google: &Simulator,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let mut config = HttpConfig::default();
    config.extra_ca_pem = Some(google.ca_pem());
    let client = Client::new(config, Arc::new(sample::clock())).expect("a client");
    let mut request = Request::post(format!("{}{path}", google.endpoint()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned().into()).expect("a request");
    let response = client.send(request).await.expect("an answer");
    let json = serde_json::from_slice(response.body()).expect("JSON");
    (response.status().as_u16(), json)
}

async fn token(google: &Simulator, assertion: &str) -> (u16, Value) {
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    post(google, "/token", &form, &body).await
}

fn assertion(number: usize) -> String {
    let vectors = fixtures::vectors();
    let text = vectors["fcm_jwt"][number]["jwt"].as_str();
    text.expect("a vector").to_owned()
}

#[test]
fn the_token_endpoint_grants_what_is_signed_dated_and_scoped_as_it_should() {
    block_on(async {
        let scene = Scene::new().await;
        for number in [0, 1, 3] {
            let (status, json) = token(&scene.google, &assertion(number)).await;
            assert_eq!((status, &json["expires_in"]), (200, &json!(3599)), "{json}");
        }
        // Issued 3,000 s from now, and valid for more than an hour.
        for number in [2, 4] {
            let (status, json) = token(&scene.google, &assertion(number)).await;
            assert_eq!(
                (status, &json["error"]),
                (400, &json!("invalid_grant")),
                "{number}"
            );
        }
        let good = assertion(0);
        let (signed, _) = good.rsplit_once('.').unwrap();
        let (status, json) = token(&scene.google, &format!("{signed}.AAAA")).await;
        assert_eq!((status, &json["error"]), (400, &json!("invalid_grant")));
        let (status, json) = post(&scene.google, "/token", &[], "grant_type=password").await;
        assert_eq!((status, &json["error"]), (400, &json!("invalid_request")));
        assert_eq!(scene.google.counters().granted, 3);
    });
}

/// Sends `message` as JSON with good access, and returns status, status word, and the first violated field.
async fn raw(google: &Simulator, body: Value) -> (u16, String, String) {
    let (_, granted) = token(google, &assertion(0)).await;
    let bearer = format!(
        "Bearer {}",
        granted["access_token"].as_str().expect("access")
    );
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let path = format!("/v1/projects/{PROJECT}/messages:send");
    let (status, json) = post(google, &path, &headers, &body.to_string()).await;
    let details = json["error"]["details"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let field = details
        .iter()
        .find_map(|it| it["fieldViolations"][0]["field"].as_str())
        .unwrap_or_default();
    let word = json["error"]["status"].as_str().unwrap_or_default();
    (status, word.to_owned(), field.to_owned())
}

#[test]
fn fcm_refuses_every_message_that_is_not_as_the_interface_says() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let with = |more: Value| {
            let mut message = more;
            message["token"] = phone.token().into();
            json!({ "message": message })
        };
        let two = json!({"message": {"token": phone.token(), "topic": "news"}});
        for (body, field) in [
            (
                with(json!({"data": {"a": "b", "n": 1}})),
                "message.data[1].value",
            ),
            (
                with(json!({"android": {"ttl": "1h"}})),
                "message.android.ttl",
            ),
            (
                with(json!({"android": {"ttl": 3600}})),
                "message.android.ttl",
            ),
            (
                with(json!({"android": {"ttl": "2419201s"}})),
                "message.android.ttl",
            ),
            (
                with(json!({"android": {"priority": "high"}})),
                "message.android.priority",
            ),
            (
                with(json!({"notification": {"titel": "x"}})),
                "message.notification",
            ),
            (with(json!({"notification": "x"})), "message.notification"),
            (
                with(json!({"android": {"notification": {"notification_count": "3"}}})),
                "message.android.notification.notification_count",
            ),
            (with(json!({"data": {"google.x": "1"}})), "message.data"),
            (with(json!({"data": {"x": "y".repeat(4096)}})), "message"),
            (two, "message"),
            (json!({"message": {}}), "message"),
            (json!({"messages": {}}), ""),
        ] {
            let (status, word, violated) = raw(&scene.google, body.clone()).await;
            assert_eq!((status, word.as_str()), (400, "INVALID_ARGUMENT"), "{body}");
            assert_eq!(violated, field, "{body}");
        }
        assert_eq!(phone.arrived(), 0);
    });
}

#[test]
fn fcm_takes_what_the_interface_allows() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let body = json!({"message": {
            "token": phone.token(),
            "data": {"x": "y".repeat(4095)},
            "android": {"collapseKey": "k", "ttl": "3.5s", "notification": null},
            "apns": {"headers": {"apns-priority": "10"}, "payload": {"aps": {"badge": 3}}},
        }});
        assert_eq!(raw(&scene.google, body).await.0, 200);
        assert_eq!(phone.arrivals()[0].collapse_key, "k");
        assert!(phone.screen().is_empty());
    });
}

#[test]
fn access_is_needed_and_ends() {
    block_on(async {
        let scene = Scene::new().await;
        let path = format!("/v1/projects/{PROJECT}/messages:send");
        for bearer in ["", "Bearer ", "Bearer ya29.invented", "Basic eDp5"] {
            let (status, json) =
                post(&scene.google, &path, &[("authorization", bearer)], "{}").await;
            assert_eq!(
                (status, &json["error"]["status"]),
                (401, &json!("UNAUTHENTICATED"))
            );
            assert!(json["error"]["details"].is_null());
        }
        let (_, granted) = token(&scene.google, &assertion(0)).await;
        let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
        scene.clock.advance(Duration::from_secs(3599));
        let (status, _) = post(&scene.google, &path, &[("authorization", &bearer)], "{}").await;
        assert_eq!(status, 401);
    });
}
