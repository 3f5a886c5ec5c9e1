//! Requests that are too large, too many or too slow.
use std::sync::Arc;

use bytes::Bytes;
use push_core::{Gateway, Ingress, async_trait};
use push_gateway::http::HttpSettings;
use push_testkit::{eventually, until};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    hello,
    support::{
        SECOND,
        served::{Answer, OTHER_KEY, SERVER_KEY, Served, read, settings},
    },
};

/// None, too many, and a body too large.
#[tokio::test]
async fn what_is_too_much_is_refused() {
    let mut small = settings();
    small.body_limit = 256 * 1024;
    let served = Served::with(small, &[]).await;
    let send = |body: Value| {
        let served = &served;
        async move {
            served
                .call("POST", "/v1/messages", SERVER_KEY, Some(body))
                .await
        }
    };
    assert_eq!(send(json!([])).await.problem(), "invalid");
    let many: Vec<Value> = (0..500).map(|it| hello(&format!("m{it}"), "x")).collect();
    let answer = send(json!(many)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body["messages"].as_array().unwrap().len(), 500);
    let many: Vec<Value> = (0..501).map(|it| hello(&format!("n{it}"), "x")).collect();
    assert_eq!(send(json!(many)).await.problem(), "invalid");
    let mut crowd = hello("crowd", "x");
    crowd["receivers"] = (0..10_001).map(|it| json!(format!("u{it}"))).collect();
    assert_eq!(send(crowd).await.problem(), "invalid");
    let mut long = hello("long", "x");
    long["elements"][0]["text"] = json!("x".repeat(300 * 1024));
    let answer = send(long).await;
    assert_eq!((answer.status, answer.problem()), (413, "too-large"));
    assert!(answer.text.contains("262144 bytes"), "the limit is named");

    for (body, hint) in [
        ("{", "ends too early"),
        ("", "ends too early"),
        ("nonsense", "not JSON"),
        (
            r#"{"id":"m","receivers":["a"],"extra":1}"#,
            "`extra` is not a known member; known are",
        ),
        (r#"{"id":"m"}"#, "neither `audience` nor `receivers`"),
        (r#"{"id":"","receivers":["a"]}"#, "the message id is empty"),
        (
            r#"{"id":7,"receivers":["a"]}"#,
            "`id` is a whole number, where a text belongs",
        ),
    ] {
        let answer = served
            .raw("POST", "/v1/messages", SERVER_KEY, body.as_bytes())
            .await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid"),
            "{body}"
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(hint), "{body}: {detail}");
    }
}

#[tokio::test]
async fn more_requests_than_allowed_are_answered_with_a_time_to_retry() {
    for (requests, of_app, status, code) in
        [(1, 10, 503, "overloaded"), (10, 1, 429, "too-frequent")]
    {
        let mut narrow = settings();
        narrow.requests = requests;
        narrow.requests_of_app = of_app;
        let served = Served::with(narrow, &[]).await;
        // A request whose body never ends holds the one place.
        let mut slow = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-length: 10\r\n\r\n"
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        let answer = eventually(async || {
            let answer = served.get("/v1/reasons", SERVER_KEY).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert_eq!((answer.status, answer.problem()), (status, code));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            served.get("/healthz", "").await.status,
            200,
            "health is always answered"
        );
        drop(slow);
        eventually(async || {
            let answer = served.get("/v1/reasons", SERVER_KEY).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

/// A body that comes too slowly, or not at all.
#[tokio::test]
async fn a_slow_body_is_given_up_with_408() {
    let served = Served::new().await;
    let ticket = served.ticket("alice").await;
    for (method, path, bearer, seconds) in [
        ("POST", "/v1/messages", SERVER_KEY, 20),
        ("PUT", "/v1/devices/phone/presence", ticket.as_str(), 10),
    ] {
        let mut slow = TcpStream::connect(served.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {bearer}\r\ncontent-length: 10\r\nconnection: close\r\n\r\n{{"
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        let mut answer = std::pin::pin!(read(slow));
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                () = tokio::task::yield_now() => served.world.clock.advance(SECOND / 100),
            }
        };
        assert_eq!((answer.status, answer.problem()), (408, "body-slow"));
        assert!(
            answer.text.contains(&format!("{seconds} seconds")),
            "{answer:?}"
        );
    }
}

/// A way in that takes for ever.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl Ingress for Endless {
    fn prefix(&self) -> &'static str {
        "/endless"
    }

    async fn handle(&self, _: Arc<dyn Gateway>, _: http::Request<Bytes>) -> http::Response<Bytes> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let served = Served::with(settings(), &[Arc::new(Endless)]).await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let head = "GET /endless HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let before = served.world.clock.sleepers();
    until(|| served.world.clock.sleepers() > before).await;
    served.world.clock.advance(31 * SECOND);
    let answer = read(slow).await;
    assert_eq!((answer.status, answer.problem()), (503, "timeout"));
}

/// Begins bodies that stop shortly before their end, until the app's next one is refused. They are held by what is returned.
async fn fill_memory(served: &Served, key: &str, length: usize) -> Vec<TcpStream> {
    let mut slow = Vec::new();
    loop {
        assert!(slow.len() < 200, "there is memory for any number of bodies");
        let mut stream = TcpStream::connect(served.address)
            .await
            .expect("a connection");
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: g\r\nconnection: close\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it is open");
        // One that is refused is closed.
        stream.write_all(&vec![b' '; length - 64]).await.ok();
        slow.push(stream);
        let answer = send_padded(served, key, length).await;
        if answer.status != 202 {
            assert_eq!((answer.status, answer.problem()), (503, "overloaded"));
            assert_eq!(answer.header("retry-after"), Some("1"));
            return slow;
        }
    }
}

/// Sends a message with blanks after it.
async fn send_padded(served: &Served, key: &str, length: usize) -> Answer {
    let body = hello("m", "x").to_string();
    let body = format!("{body}{}", " ".repeat(length - body.len()));
    served
        .raw("POST", "/v1/messages", key, body.as_bytes())
        .await
}

fn little_memory() -> HttpSettings {
    let mut settings = settings();
    settings.body_limit = 256 * 1024;
    settings.body_memory = 1024 * 1024;
    settings
}

/// Bodies that are being read share a memory.
#[tokio::test]
async fn more_bodies_than_there_is_memory_for_are_answered_503() {
    let served = Served::with(little_memory(), &[]).await;
    let slow = fill_memory(&served, SERVER_KEY, 256 * 1024).await;
    drop(slow);
    eventually(async || {
        let answer = send_padded(&served, SERVER_KEY, 256 * 1024).await;
        (answer.status == 202).then_some(())
    })
    .await;
}

/// Eight large bodies that were never finished stopped the kicks of every app.
#[tokio::test]
async fn the_bodies_of_one_app_leave_memory_for_those_of_others() {
    let served = Served::with(little_memory(), &[]).await;
    for (length, of_other) in [(256 * 1024, 150 * 1024), (60 * 1024, 40 * 1024)] {
        let slow = fill_memory(&served, OTHER_KEY, length).await;
        for _ in 0..5 {
            let answer = send_padded(&served, SERVER_KEY, of_other).await;
            assert_eq!(answer.status, 202, "{answer:?}");
        }
        drop(slow);
    }
}

#[tokio::test]
async fn small_bodies_never_wait_behind_large_ones() {
    let served = Served::with(little_memory(), &[]).await;
    let slow = fill_memory(&served, SERVER_KEY, 256 * 1024).await;
    let kick = json!({"changes": [{"user": "alice", "presence": "offline"}]});
    for (path, body, status) in [
        ("/v1/presence", kick, 204),
        ("/v1/tickets", json!({"user": "alice"}), 201),
    ] {
        let answer = served.call("POST", path, SERVER_KEY, Some(body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let answer = send_padded(&served, SERVER_KEY, 64 * 1024).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    drop(slow);
}
