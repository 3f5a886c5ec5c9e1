//! The simulator is as strict as the service that it replaces.
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

/// An assertion that is right in all but its header.
fn signed_with(header: &Value) -> String {
    use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    let good = assertion(0);
    let claims = good.split('.').nth(1).expect("claims");
    let signed = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let pem = fixtures::rsa_key();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let der = STANDARD.decode(lines.collect::<String>()).expect("PEM");
    let key = KeyPair::from_pkcs8(&der).expect("an RSA key");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn an_assertion_may_leave_its_key_unnamed_but_not_name_another() {
    block_on(async {
        let scene = Scene::new().await;
        for (header, status) in [
            // As Google's own library for Node.js has it.
            (json!({"alg": "RS256"}), 200),
            (
                json!({"alg": "RS256", "kid": "0123456789abcdef0123456789abcdef01234567"}),
                200,
            ),
            (
                json!({"alg": "RS256", "kid": "89abcdef0123456789abcdef0123456789abcdef"}),
                400,
            ),
            (json!({"alg": "RS256", "kid": null}), 400),
        ] {
            let (answer, json) = token(&scene.google, &signed_with(&header)).await;
            assert_eq!(answer, status, "{header}: {json}");
        }
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
                with(json!({"android": {"priority": "highest"}})),
                "message.android.priority",
            ),
            (
                with(json!({"android": {"priority": 2}})),
                "message.android.priority",
            ),
            (
                with(json!({"android": {"collapse_key": "a", "collapseKey": "b"}})),
                "message.android.collapse_key",
            ),
            (
                with(json!({"android": {"notification": {"color": "red"}}})),
                "message.android.notification.color",
            ),
            (
                with(json!({"android": {"notification": {"event_time": "now"}}})),
                "message.android.notification.event_time",
            ),
            (
                with(json!({"android": {"notification": {"id": 1}}})),
                "message.android",
            ),
            (
                with(json!({"fcm_options": {"analytics_label": "a b"}})),
                "message.fcm_options.analytics_label",
            ),
            (
                with(json!({"android": {"fcm_options": {"analytics_label": ""}}})),
                "message.android.fcm_options.analytics_label",
            ),
            (
                with(json!({"webpush": {"fcm_options": {"link": "http://a"}}})),
                "message.webpush.fcm_options.link",
            ),
            (
                with(json!({"android": {}, "android_v2": {"background_sync": {}}})),
                "message.android_v2",
            ),
            (
                with(json!({"android_v2": {"ttl": "1s"}})),
                "message.android_v2",
            ),
            (
                with(json!({"android_v2": {"priority": "HIGH", "background_sync": {}}})),
                "message.android_v2",
            ),
            (json!({"message": {"topic": "a b"}}), "message.topic"),
            (
                json!({"message": {"condition": "'a' on topics"}}),
                "message.condition",
            ),
            (
                json!({"message": {"topic": "news", "data": {"x": "y".repeat(2048)}}}),
                "message",
            ),
            (
                with(json!({"notification": {"titel": "x"}})),
                "message.notification",
            ),
            (with(json!({"notification": "x"})), "message.notification"),
            (
                with(json!({"android": {"notification": {"notification_count": "3.5"}}})),
                "message.android.notification.notification_count",
            ),
            (with(json!({"data": {"google.x": "1"}})), "message.data"),
            (with(json!({"data": {"googlex": "1"}})), "message.data"),
            (with(json!({"data": {"gcm": "1"}})), "message.data"),
            (
                with(json!({"data": {"gcm.notification.x": "1"}})),
                "message.data",
            ),
            (with(json!({"data": {"from": "1"}})), "message.data"),
            (with(json!({"data": {"message_type": "1"}})), "message.data"),
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
fn enumerations_are_read_in_any_case_and_as_numbers_and_a_number_may_be_text() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        for (priority, count) in [
            (json!("high"), json!("3")),
            (json!("High"), json!(3.0)),
            (json!(1), json!(3)),
        ] {
            let body = json!({"message": {"token": phone.token(), "android": {
                "priority": priority,
                "notification": {
                    "title": "a",
                    "visibility": "private",
                    "notification_count": count,
                    "color": "#A0b1C2",
                    "event_time": "2026-11-29T20:00:00.5Z",
                },
            }}});
            assert_eq!(raw(&scene.google, body).await.0, 200);
            let arrival = phone.arrivals().pop().unwrap();
            assert!(arrival.high_priority, "{priority}");
            assert_eq!(arrival.badge(), Some(3), "{count}");
        }
        let topics = json!({"message": {"condition": "'a' in topics && !('b' in topics)"}});
        assert_eq!(raw(&scene.google, topics).await.0, 200);
        let preview = json!({"message": {"token": phone.token(), "android_v2": {
            "remote_notification": {"notification": {"title": "a", "id": 7}},
        }}});
        assert_eq!(raw(&scene.google, preview).await.0, 200);
    });
}

#[test]
fn data_for_android_replaces_the_data_for_all() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let body = json!({"message": {
            "token": phone.token(),
            "data": {"ext": "for all", "more": "x"},
            "android": {"data": {"own": "y"}},
        }});
        assert_eq!(raw(&scene.google, body).await.0, 200);
        let data = &phone.arrivals()[0].data;
        assert_eq!(json!(data), json!({"own": "y"}));
    });
}

#[test]
fn an_installation_id_reaches_its_phone_and_an_unknown_one_is_unregistered() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let to = |fid: String| json!({"message": {"fid": fid, "data": {"ext": "1"}}});
        assert_eq!(raw(&scene.google, to(phone.fid())).await.0, 200);
        assert_eq!(phone.arrived(), 1);
        for unknown in ["cAAAAAAAAAAAAAAAAAAAAA", "no installation id"] {
            let (status, word, field) = raw(&scene.google, to(unknown.into())).await;
            assert_eq!((status, word.as_str()), (404, "NOT_FOUND"), "{unknown}");
            assert_eq!(field, "");
        }
        phone.uninstall();
        assert_eq!(raw(&scene.google, to(phone.fid())).await.0, 404);
    });
}

#[test]
fn access_to_one_project_is_none_to_another_and_its_scheme_is_read_in_any_case() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let (_, granted) = token(&scene.google, &assertion(0)).await;
        let access = granted["access_token"].as_str().unwrap();
        let body = json!({"message": {"token": phone.token()}}).to_string();
        for (scheme, project, status) in [
            ("bearer", PROJECT, 200),
            ("BEARER", "100000000001", 200),
            ("Bearer", "another-project", 403),
        ] {
            let bearer = format!("{scheme} {access}");
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            let path = format!("/v1/projects/{project}/messages:send");
            let (answer, json) = post(&scene.google, &path, &headers, &body).await;
            assert_eq!(answer, status, "{scheme} {project}: {json}");
        }
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
        let (status, json) = post(&scene.google, &path, &[("authorization", &bearer)], "{}").await;
        assert_eq!(status, 401);
        // What pyfcm looks for before it asks for new access.
        let reason = &json["error"]["details"][0]["reason"];
        assert_eq!(reason, "ACCESS_TOKEN_EXPIRED");
    });
}
