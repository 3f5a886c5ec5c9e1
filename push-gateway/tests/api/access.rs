//! Keys, scopes and apps, and what a log may hold.
use std::{
    io::Write,
    sync::{Arc, Mutex, atomic::Ordering},
};

use push_core::{TokenFault, VerdictKind};
use push_gateway::http::{HttpSettings, router};
use serde_json::json;

use crate::{
    TOKEN, hello, login,
    support::{
        Fickle, MINUTE, Reply, World,
        served::{ADMIN_KEY, OTHER_KEY, SERVER_KEY, Served, settings},
        verdict,
    },
};

#[tokio::test]
async fn an_unauthorized_caller_is_refused_with_a_problem_document() {
    let served = Served::new().await;
    let ticket = served.ticket("alice").await;
    for (method, path, bearer, status, code) in [
        ("POST", "/v1/messages", "", 401, "key-refused"),
        (
            "POST",
            "/v1/messages",
            "wrong-key-0123456789",
            401,
            "key-refused",
        ),
        ("POST", "/v1/messages", ADMIN_KEY, 403, "scope-missing"),
        ("POST", "/v1/messages", ticket.as_str(), 401, "key-refused"),
        ("GET", "/v1/credentials", SERVER_KEY, 403, "scope-missing"),
        ("POST", "/v1/credentials", "", 401, "key-refused"),
        ("GET", "/v1/openapi.json", "", 401, "key-refused"),
        ("GET", "/v1/metrics", SERVER_KEY, 403, "scope-missing"),
        ("GET", "/v1/users/alice/devices", "", 401, "key-refused"),
        ("POST", "/v1/tickets", ticket.as_str(), 401, "key-refused"),
        (
            "DELETE",
            "/v1/devices/d/registrations",
            "",
            401,
            "ticket-refused",
        ),
        (
            "DELETE",
            "/v1/devices/d/registrations",
            SERVER_KEY,
            401,
            "ticket-refused",
        ),
        (
            "PUT",
            "/v1/devices/d/presence",
            "v1.e30.AAAA",
            401,
            "ticket-refused",
        ),
        ("POST", "/v1/receipts", ticket.as_str(), 404, "no-such-path"),
        ("GET", "/nowhere", SERVER_KEY, 404, "no-such-path"),
        ("PATCH", "/v1/messages", SERVER_KEY, 405, "no-such-method"),
    ] {
        let answer = served.call(method, path, bearer, Some(json!({}))).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.problem(), code, "{method} {path}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    let health = served.get("/healthz", "").await;
    assert_eq!((health.status, health.text.as_str()), (200, "ok"));
}

#[tokio::test]
async fn a_queue_that_is_not_in_order_makes_the_gateway_unhealthy() {
    let mut fickle = None;
    let world = World::with(
        |_| {},
        |queue| {
            let queue = Fickle::new(queue);
            fickle = Some(Arc::clone(&queue));
            queue
        },
    );
    let served = Served::over(world, settings(), &[]).await;
    let fickle = fickle.expect("it was built");
    fickle.unhealthy.store(true, Ordering::Relaxed);
    let health = served.get("/healthz", "").await;
    assert_eq!((health.status, health.problem()), (503, "not-healthy"));
    let detail = health.body["detail"].as_str().expect("words");
    assert_eq!(detail, "queue.db: a file of the queue is gone");
    fickle.unhealthy.store(false, Ordering::Relaxed);
    assert_eq!(served.get("/healthz", "").await.status, 200);
}

#[tokio::test]
async fn one_app_never_sees_or_touches_another() {
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
    let id = answer.body["messages"][0]["deliveries"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let theirs = served
        .call(
            "POST",
            "/v1/messages",
            OTHER_KEY,
            Some(hello("m1", "alice")),
        )
        .await;
    assert_eq!(
        theirs.body["messages"][0]["skipped"][0]["reason"],
        "never-registered"
    );
    assert_eq!(
        served
            .get(&format!("/v1/deliveries/{id}/trace"), OTHER_KEY)
            .await
            .problem(),
        "not-found"
    );
    let trace = served.get("/v1/messages/m1/trace", OTHER_KEY).await;
    assert!(!trace.text.contains(&id));
    assert_eq!(
        served.get("/v1/credentials", OTHER_KEY).await.body["credentials"],
        json!([])
    );
    assert_eq!(
        served.get("/v1/users/alice/devices", OTHER_KEY).await.body["devices"],
        json!([])
    );
    assert_eq!(
        served
            .call("POST", "/v1/credentials/1/verify", OTHER_KEY, None)
            .await
            .problem(),
        "not-found"
    );
    let metrics = served.get("/v1/metrics", OTHER_KEY).await;
    assert!(metrics.text.contains("app=\"other\""), "{}", metrics.text);
    assert!(!metrics.text.contains("app=\"chat\""));
}

#[tokio::test]
async fn unusable_api_keys_are_refused_at_the_start() {
    let world = World::new(|_| {});
    for (field, value) in [
        ("key", json!("short")),
        ("sha256", json!("abc")),
        ("scopes", json!([])),
        ("sha256", json!("00".repeat(32))),
    ] {
        let mut key =
            json!({"name": "it", "app": "chat", "scopes": ["server"], "key": "0123456789abcdef"});
        key[field] = value;
        let settings: HttpSettings = serde_json::from_value(json!({"keys": [key]})).unwrap();
        let error = router(&world.gateway, &settings, &[]).unwrap_err();
        assert!(error.to_string().starts_with("keys[0]"), "{error}");
        assert!(!error.to_string().contains("0123456789abcdef"));
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while holding it")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_hold_no_token_no_key_and_no_words_of_people() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let served = Served::new().await;
    let ticket = login(&served, "alice", TOKEN).await;
    for (number, reply) in [
        verdict(403, "InvalidProviderToken", VerdictKind::CredentialRefused),
        verdict(
            400,
            "BadDeviceToken",
            VerdictKind::TokenUnusable(TokenFault::Environment),
        ),
        Reply::Panic,
    ]
    .into_iter()
    .enumerate()
    {
        served.world.plan.script(TOKEN, [reply]);
        let hello = hello(&format!("m{number}"), "alice");
        served
            .call("POST", "/v1/messages", SERVER_KEY, Some(hello))
            .await;
        served.world.pass(20 * MINUTE).await;
    }
    served
        .raw(
            "POST",
            "/v1/messages",
            SERVER_KEY,
            format!("{{\"{TOKEN}").as_bytes(),
        )
        .await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("credential-refused"),
        "the alarm is logged: {log}"
    );
    for secret in [
        TOKEN,
        SERVER_KEY,
        ADMIN_KEY,
        ticket.as_str(),
        "top secret words",
    ] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}
