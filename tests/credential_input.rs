//! What operators and apps hand over, as public bug reports have it: keys, certificates and passwords that editors changed,
//! tokens in other spellings, numbers without text. Through the program and the API, as a user meets it.
mod support;

use std::process::{Command, Output};

use http::StatusCode;
use offline_push::gateway::Settings;
use push_provider_apns::{
    PushType,
    simulator::{Options, Simulator},
};
use push_provider_fcm::simulator as google;
use serde_json::{Value, json};
use support::{Caller, TOPIC, apns_config, apple, gateway::Served};

const KEY: &str = "0123456789abcdef0123";

fn path(name: &str) -> String {
    format!("{}/tests/fixtures/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect("a fixture")
}

fn case(name: &str) -> Value {
    serde_json::from_str(&text(name)).expect("the fixture is JSON")
}

async fn served() -> (Served, Caller) {
    let served = Served::start("demo", KEY, Settings::default()).await;
    let caller = Caller::new(&served.url, KEY);
    (served, caller)
}

/// Runs `offline-push credential add` for `served`.
fn add(served: &Served, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_offline-push"))
        .args([
            "credential",
            "add",
            "--type",
            "apns",
            "--json",
            "--server",
            &served.url,
        ])
        .args(arguments)
        .env("OFFLINE_PUSH_KEY", KEY)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program runs")
}

fn added(served: &Served, arguments: &[&str]) -> Value {
    let output = add(served, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    serde_json::from_str(&said).expect("JSON")
}

/// What arrives, or a failure where nothing does.
async fn arrives<T>(arrival: impl Future<Output = Option<T>>) -> T {
    let arrived = tokio::time::timeout(support::PATIENCE, arrival).await;
    arrived.ok().flatten().expect("it arrives")
}

/// Uploads a credential by the API.
async fn post(caller: &Caller, body: &Value) -> (StatusCode, Value) {
    let answer = caller.try_post("/v1/credentials", body).await;
    answer.expect("the gateway answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_is_uploaded_however_an_editor_changed_it() {
    let (served, _) = served().await;
    for name in ["p8-bom-crlf.p8", "p8-one-line.txt"] {
        let key = format!("key={}", path(name));
        let added = added(
            &served,
            &[
                "--file",
                &key,
                "--set",
                "key_id=ABC123DEFG",
                "--set",
                "team_id=DEF123GHIJ",
                "--set",
                "topic=com.example.im",
                "--set",
                "environment=production",
            ],
        );
        assert_eq!(added["environment"], "production", "{name}: {added}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_break_at_the_end_of_a_password_file_is_not_part_of_the_password() {
    let (served, _) = served().await;
    let certificate = format!("certificate={}", path("push.p12"));
    let password = format!("password={}", path("p12-password.txt"));
    let added = added(&served, &["--file", &certificate, "--file", &password]);
    assert_eq!(added["channel"], "apns");
    assert_eq!(added["environment"], "production");
}

/// As `*_file` of the configuration, with the same reader.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_loses_its_final_line_break_whatever_it_is_for() {
    let (served, _) = served().await;
    let folder = std::env::temp_dir().join(format!("offline-push-input-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let mut arguments = vec![
        "--file".to_owned(),
        format!("key={}", path("p8-bom-crlf.p8")),
    ];
    for (name, value) in [
        ("key_id", "\u{feff}ABC123DEFG\r\n"),
        ("team_id", "DEF123GHIJ\n"),
        ("topic", "com.example.im\n"),
        ("environment", "sandbox\n"),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, value).expect("a file");
        arguments.extend(["--file".to_owned(), format!("{name}={}", file.display())]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let added = added(&served, &arguments);
    assert_eq!(added["environment"], "sandbox", "{added}");
    drop(std::fs::remove_dir_all(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_for_push_is_refused_and_named() {
    let (served, caller) = served().await;
    let pem = text("distribution-certificate.pem");
    let config = json!({ "certificate": pem, "environment": "production" });
    let body = json!({ "provider": "apns", "config": config });
    let (status, answer) = post(&caller, &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let detail = answer["detail"].as_str().expect("a detail");
    for words in [
        "is not a push certificate",
        "iPhone Distribution",
        "Apple Push Services:",
    ] {
        assert!(detail.contains(words), "{words} in {detail}");
    }
    let file = format!("certificate={}", path("distribution-certificate.pem"));
    let output = add(
        &served,
        &["--file", &file, "--set", "environment=production"],
    );
    assert!(!output.status.success());
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("is not a push certificate"), "{said}");
}

#[tokio::test]
async fn a_topic_with_the_suffix_of_a_push_type_is_refused_in_words_about_it() {
    let (_served, caller) = served().await;
    let case = case("apns-topic-voip.json");
    let (status, answer) = post(&caller, &case["body"]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let detail = answer["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("write the bundle id without .voip"),
        "{detail}"
    );
    let mut body = case["body"].clone();
    body["config"]["topic"] = json!("DEF123GHIJ.com.example.im");
    let (status, answer) = post(&caller, &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    let detail = answer["detail"].as_str().expect("a detail");
    assert!(detail.contains("begins with a team id"), "{detail}");
}

#[tokio::test]
async fn development_is_the_sandbox_and_other_words_are_refused_in_ours() {
    let (_served, caller) = served().await;
    let case = case("environment-development.json");
    let (status, answer) = post(&caller, &case["body"]).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["environment"], "sandbox");
    for wrong in [json!("staging"), json!(["production"]), json!({ "a": "b" })] {
        let mut body = case["body"].clone();
        body["config"]["environment"] = wrong.clone();
        let (status, answer) = post(&caller, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        let detail = answer["detail"].as_str().expect("a detail");
        assert!(detail.contains("environment"), "{wrong}: {detail}");
        for word in ["variant", "enum", "invalid type", "expected"] {
            assert!(!detail.contains(word), "{wrong}: {detail}");
        }
    }
}

/// An Apple, a gateway with its credential 1, and a caller.
async fn with_apple() -> (Simulator, Served, Caller) {
    let apple = apple(Options::default()).await;
    let (served, caller) = served().await;
    let body = json!({ "provider": "apns", "config": apns_config(&apple), "id": 1 });
    caller.post("/v1/credentials", &body).await;
    (apple, served, caller)
}

/// Follows the steps of a case with these users, and answers what the message did.
async fn follow(caller: &Caller, case: &Value, second: &str) -> Value {
    let mut answer = Value::Null;
    for step in case["steps"].as_array().expect("steps") {
        let body = &step["body"];
        if let Some(path) = step["PUT"].as_str() {
            let device = path.split('/').nth(3).expect("a device");
            let user = match step["user"].as_str().expect("a user") {
                "erin" => second,
                user => user,
            };
            let (status, said) = caller.register(user, device, body).await;
            assert!(status.is_success(), "{status} {said}");
            caller.background(user, device).await;
        } else if let Some(path) = step["POST"].as_str() {
            answer = caller.post(path, body).await["messages"][0].clone();
        }
    }
    answer
}

#[tokio::test]
async fn a_token_in_another_letter_case_is_the_same_token_and_has_one_owner() {
    let case = case("apns-token-case.json");
    let (_apple, _served, caller) = with_apple().await;
    let answer = follow(&caller, &case, "erin").await;
    assert_eq!(answer["deliveries"], json!([]), "{answer}");
    assert_eq!(answer["skipped"][0]["user"], "dave");
    assert!(caller.tokens("dave").await.is_empty());
    assert_eq!(caller.tokens("erin").await.len(), 1);

    let (_apple, _served, caller) = with_apple().await;
    let answer = follow(&caller, &case, "dave").await;
    let deliveries = answer["deliveries"].as_array().expect("deliveries");
    assert_eq!(deliveries.len(), 1, "{answer}");
}

#[tokio::test]
async fn the_description_of_a_token_is_refused_at_registration() {
    let case = case("apns-token-description.json");
    let (apple, _served, caller) = with_apple().await;
    let (status, answer) = caller.register("alice", "phone", &case["body"]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert!(answer.to_string().contains("token-malformed"), "{answer}");
    let detail = answer["detail"].as_str().expect("a detail");
    assert!(detail.contains("description of an object"), "{detail}");
    for misleading in ["topic", "rotate", "another app", "4f1c0a9b"] {
        assert!(!detail.contains(misleading), "{detail}");
    }
    assert!(caller.tokens("alice").await.is_empty());
    assert_eq!(apple.counters().requests, 0);
}

#[tokio::test]
async fn a_number_without_text_sets_the_icon_and_shows_nothing() {
    let case = case("badge-only.json");
    let (apple, _served, caller) = with_apple().await;
    let phone = apple.install(TOPIC, offline_push::Environment::Production);
    caller.log_in("alice", "apns", 1, &phone.token()).await;
    let mut body = case["body"].clone();
    body["receivers"] = json!(["alice"]);
    for (number, (background, badge)) in [(false, 3), (false, 0), (true, 5)].into_iter().enumerate()
    {
        body["id"] = json!(format!("case-5-{number}"));
        body["push"] = json!({ "badge_set": badge, "background": background });
        let answer = caller.post("/v1/messages", &body).await;
        let deliveries = answer["messages"][0]["deliveries"].as_array().map(Vec::len);
        assert_eq!(deliveries, Some(1), "{answer}");
        let arrival = arrives(phone.wait_for(number as u64 + 1)).await;
        let mut aps = json!({ "badge": badge });
        if background {
            aps["content-available"] = json!(1);
        }
        assert_eq!(arrival.payload["aps"], aps);
        assert_eq!(arrival.push_type, PushType::Alert);
        assert_eq!(arrival.priority, 5);
        assert_eq!(phone.badge(), badge);
    }
    assert!(phone.screen().is_empty());
}

/// S98
#[tokio::test]
async fn a_long_chinese_message_reaches_an_android_phone_shortened() {
    let case = case("fcm-long-text.json");
    let google = google::Simulator::start(google::Options::default())
        .await
        .expect("loopback can be bound");
    let phone = google.install();
    let (_served, caller) = served().await;
    let certificate = caller.upload("fcm", &google.config()).await;
    caller
        .log_in("alice", "fcm", certificate, &phone.token())
        .await;
    let mut body = case["body"].clone();
    body["receivers"] = json!(["alice"]);
    let whole = body["elements"][0]["text"]
        .as_str()
        .expect("a text")
        .to_owned();
    caller.post("/v1/messages", &body).await;
    let arrival = arrives(phone.wait_for(1)).await;
    let shown = arrival.body().expect("a text");
    let kept = shown.strip_suffix('…').expect("the cut is marked");
    assert!(format!("Bob:{whole}").starts_with(kept), "{kept}");
    assert!(kept.len() > 3 * 900, "{} bytes", kept.len());
    let ext: Value = serde_json::from_str(arrival.ext().expect("ext")).expect("JSON");
    assert_eq!(ext["entity"]["sender"], "bob", "{ext}");

    // A number alone shows nothing on Android.
    body["id"] = json!("number");
    body["kind"] = json!("push");
    body["elements"] = json!([]);
    body["push"] = json!({ "badge_set": 2 });
    caller.post("/v1/messages", &body).await;
    let arrival = arrives(phone.wait_for(2)).await;
    assert_eq!(arrival.notification, None);
    assert!(arrival.data.is_empty() && !arrival.high_priority);
    assert_eq!(phone.screen().len(), 1);
}
