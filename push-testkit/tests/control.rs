//! The control API of simulators, asked by clients that mean harm or make mistakes.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use push_core::{Clock, ManualClock};
use push_http::{Client, HttpClient, HttpConfig};
use push_testkit::{
    Faults, LOOPBACK, RandomCases, Reply, block_on, runtime, sample,
    simulator::{
        Arrives, Control, Credential, Inbox, Install, MAX_ARRIVALS, MAX_BODY, MAX_CONNECTIONS,
        MAX_OUTCOMES, MAX_WORD, Order, Problem, QUIET, RunningSimulator, SimulatedPhone, View,
    },
    until, until_idle,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Clone, Debug)]
struct Note;

impl Arrives for Note {
    fn is_shown(&self) -> bool {
        false
    }

    fn replaces(&self, _: &Self) -> bool {
        false
    }

    fn badge_after(&self, now: u32) -> u32 {
        now
    }

    fn to_json(&self) -> Value {
        json!("note")
    }

    fn click_payload(&self) -> Option<push_core::payload::Payload> {
        None
    }
}

struct Phone(Inbox<Note>);

impl SimulatedPhone for Phone {
    fn tokens(&self) -> Vec<(&'static str, String)> {
        vec![("token", "token-of-a-phone".to_owned())]
    }

    fn inbox(&self) -> &dyn View {
        &self.0
    }

    fn set_power(&self, _: bool) {}

    fn uninstall(&self) {}
}

/// A vendor on whose phones `inbox` is the inbox.
#[derive(Debug)]
struct Vendor {
    inbox: Inbox<Note>,
    faults: Faults,
}

impl RunningSimulator for Vendor {
    fn endpoints(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn ca_pem(&self) -> String {
        String::new()
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }

    fn install(&self, _: &Install) -> Result<Box<dyn SimulatedPhone>, Problem> {
        Ok(Box::new(Phone(self.inbox.clone())))
    }

    fn script(&self, order: &Order, tokens: &[String]) -> Result<(), Problem> {
        let reply = order.reply(|code| Reply::new(400).body(code.to_owned()))?;
        order.write(&self.faults, tokens, &reply);
        Ok(())
    }

    fn heal(&self) {
        self.faults.clear();
    }

    fn set_delay(&self, _: Duration) {}

    fn disconnect(&self, _: Option<&str>) {}

    fn counters(&self) -> Value {
        json!({})
    }
}

struct Scene {
    control: Control,
    clock: ManualClock,
    inbox: Inbox<Note>,
    client: Client,
}

impl Scene {
    async fn new() -> Self {
        let clock = sample::clock();
        let inbox = Inbox::default();
        let vendor: Box<dyn RunningSimulator> = Box::new(Vendor {
            inbox: inbox.clone(),
            faults: Faults::new(),
        });
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let control = Control::start(LOOPBACK, vec![("vendor", vendor)], time)
            .await
            .expect("loopback can be bound");
        // The client's own times are not those of the API.
        let client = Client::new(HttpConfig::default(), Arc::new(sample::clock()));
        Self {
            control,
            clock,
            inbox,
            client: client.expect("the default works"),
        }
    }

    fn address(&self) -> SocketAddr {
        let url = self.control.url();
        let address = url.strip_prefix("http://").expect("clear text");
        address.parse().expect("an address")
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let bearer = format!("Bearer {}", self.control.token().expose());
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.control.url()))
            .header("authorization", bearer)
            .body(body.into())
            .expect("a request");
        self.client.send(request).await.expect("an answer")
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let path = format!("/v1/simulators/vendor/{path}");
        let response = self.send(method, &path, body.to_owned()).await;
        let json = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), json)
    }

    async fn refused(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let (status, json) = self.ask(method, path, body).await;
        (status, json["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address())
            .await
            .expect("it listens")
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // Whether the connection ends with a reset is of no importance.
    stream.read_to_end(&mut bytes).await.map(drop).unwrap_or(());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    path: String,
    body: Vec<u8>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "BREW"]);
    let known = prop::sample::select(vec![
        "v1",
        "simulators",
        "vendor",
        "phones",
        "1",
        "2",
        "outcomes",
        "delay",
        "disconnect",
        "counters",
        "certificates",
        "arrivals",
        "power",
        "health",
    ]);
    let part = prop_oneof![
        4 => known.prop_map(str::to_owned),
        1 => "[a-z0-9+%~.-]{0,8}".prop_map(|text| text.replace('%', "%25")),
        1 => Just("9".repeat(30)),
        1 => Just("x".repeat(2000)),
    ];
    let query = prop_oneof![
        4 => Just(String::new()),
        1 => "[?](after|limit|wait|x)=(0|-1|[+]1|x|99999999999999999999)?",
    ];
    let path = (
        prop_oneof![3 => Just("/v1/simulators/vendor"), 1 => Just("")],
        vec(part, 0..5),
        query,
    )
        .prop_map(|(root, parts, query)| format!("{root}/{}{query}", parts.join("/")));
    let word = prop::sample::select(vec![
        "app",
        "environment",
        "code",
        "status",
        "retry_after",
        "delay_ms",
        "action",
        "phone",
        "times",
        "milliseconds",
        "reason",
        "on",
    ]);
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("close")),
        Just(json!("x".repeat(10_000))),
        Just(json!([[[]]])),
    ];
    let object = vec((word, value), 0..4).prop_map(|fields| {
        let fields = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        Value::Object(fields.collect()).to_string().into_bytes()
    });
    let body = prop_oneof![
        3 => object,
        1 => vec(any::<u8>(), 0..200),
        1 => Just("[".repeat(MAX_BODY).into_bytes()),
        1 => Just(vec![b' '; MAX_BODY + 1]),
    ];
    (method, path, body).prop_map(|(method, path, body)| Asked {
        method: method.parse().expect("a method"),
        path,
        body,
    })
}

/// What docs/simulators.md promises of errors.
const CODES: &[(u16, &str)] = &[
    (400, "invalid"),
    (404, "not-found"),
    (405, "method-not-allowed"),
    (409, "too-many-outcomes"),
    (413, "too-large"),
    (501, "unsupported"),
];

#[test]
fn every_request_is_answered_with_success_or_a_documented_error() {
    let runtime = runtime();
    let scene = runtime.block_on(Scene::new());
    runtime.block_on(scene.ask(Method::POST, "phones", "{}"));
    let config = Config {
        cases: 1000,
        ..Config::default()
    };
    let cases = RandomCases::new("control", config);
    let outcome = cases.check(&asked(), |Asked { method, path, body }| {
        let response = runtime.block_on(scene.send(method, &path, body));
        let status = response.status().as_u16();
        let text = String::from_utf8_lossy(response.body()).into_owned();
        prop_assert!(!text.contains(scene.control.token().expose()));
        if status >= 300 {
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            let code = json["code"].as_str().unwrap_or_default();
            prop_assert!(CODES.contains(&(status, code)), "{status} {text}");
            prop_assert_eq!(&json["status"], &json!(status));
            let detail = json["detail"].as_str().unwrap_or_default();
            prop_assert!((1..=301).contains(&detail.chars().count()), "{text}");
            let kind = &response.headers()["content-type"];
            prop_assert_eq!(kind, "application/problem+json");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let health = runtime.block_on(scene.send(Method::GET, "/health", ""));
    assert_eq!(health.status(), 200);
}

#[test]
fn paging_through_arrivals_gives_each_once_and_in_order() {
    let runtime = runtime();
    let scene = runtime.block_on(Scene::new());
    runtime.block_on(scene.ask(Method::POST, "phones", "{}"));
    let config = Config {
        cases: 50,
        ..Config::default()
    };
    let cases = RandomCases::new("control-pages", config);
    let outcome = cases.check(&(0..300_usize, 1..150_usize), |(count, limit)| {
        let before = scene.inbox.arrived();
        (0..count).for_each(|_| scene.inbox.receive(Note));
        let (mut next, mut numbers) = (before, Vec::new());
        loop {
            let path = format!("phones/1/arrivals?after={next}&limit={limit}");
            let (_, page) = runtime.block_on(scene.ask(Method::GET, &path, ""));
            let arrivals = page["arrivals"].as_array().cloned().unwrap_or_default();
            prop_assert!(arrivals.len() <= limit.min(MAX_ARRIVALS));
            numbers.extend(arrivals.iter().filter_map(|it| it["number"].as_u64()));
            next = page["next"].as_u64().unwrap_or_default();
            prop_assert_eq!(&page["arrived"], &json!(before + count as u64));
            if arrivals.is_empty() {
                break;
            }
        }
        prop_assert!(numbers.into_iter().eq(before + 1..=before + count as u64));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn numbers_are_digits_and_words_are_short() {
    block_on(async {
        let scene = Scene::new().await;
        scene.ask(Method::POST, "phones", "{}").await;
        for number in [
            "+1",
            "-1",
            "%31",
            "1.0",
            "",
            "0",
            "2",
            "99999999999999999999",
        ] {
            let path = format!("phones/{number}");
            let refusal = scene.refused(Method::GET, &path, "").await;
            assert_eq!(refusal, (404, "not-found".to_owned()), "{number}");
        }
        for query in ["after=+1", "limit=-1", "wait=1.5", "after=%31", "x=1"] {
            let path = format!("phones/1/arrivals?{query}");
            let refusal = scene.refused(Method::GET, &path, "").await;
            assert_eq!(refusal, (400, "invalid".to_owned()), "{query}");
        }
        for (bytes, status) in [(MAX_WORD, 204), (MAX_WORD + 1, 400)] {
            let word = "x".repeat(bytes);
            for (path, body) in [
                ("outcomes", json!({ "code": word })),
                ("disconnect", json!({ "reason": word })),
            ] {
                let answer = scene.ask(Method::POST, path, &body.to_string()).await;
                assert_eq!(answer.0, status, "{path} {bytes}");
            }
        }
    });
}

#[test]
fn a_body_of_the_bound_is_read_and_a_larger_one_is_too_large() {
    block_on(async {
        let scene = Scene::new().await;
        let largest = format!("{}{{}}", " ".repeat(MAX_BODY - 2));
        let answer = scene.ask(Method::POST, "phones", &largest).await;
        assert_eq!(answer.0, 201);
        let larger = format!(" {largest}");
        let refusal = scene.refused(Method::POST, "phones", &larger).await;
        assert_eq!(refusal, (413, "too-large".to_owned()));
        // Without a length, and without an end.
        let mut stream = scene.connect().await;
        let bearer = scene.control.token().expose();
        let head = format!(
            "POST /v1/simulators/vendor/phones HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {bearer}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        for _ in 0..5 {
            stream.write_all(chunk.as_bytes()).await.unwrap();
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
    });
}

#[test]
fn outcomes_are_bounded_until_they_are_dropped() {
    block_on(async {
        let scene = Scene::new().await;
        let order = r#"{"code": "X"}"#;
        let bearer = scene.control.token().expose();
        let request = format!(
            "POST /v1/simulators/vendor/outcomes HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {bearer}\r\ncontent-length: {}\r\n\r\n{order}",
            order.len()
        );
        let (mut answers, mut requests) = scene.connect().await.into_split();
        let all = request.repeat(MAX_OUTCOMES);
        let write = tokio::spawn(async move {
            requests.write_all(all.as_bytes()).await.unwrap();
            requests
        });
        let (mut text, mut answered) = (Vec::new(), 0);
        while answered < MAX_OUTCOMES {
            let read = answers.read_buf(&mut text).await.unwrap();
            assert!(read > 0, "all are answered on one connection");
            while let Some(end) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                assert!(text.starts_with(b"HTTP/1.1 204"));
                text.drain(..end + 4);
                answered += 1;
            }
        }
        drop(write.await.unwrap());
        let refusal = scene.refused(Method::POST, "outcomes", order).await;
        assert_eq!(refusal, (409, "too-many-outcomes".to_owned()));
        scene.ask(Method::DELETE, "outcomes", "").await;
        let answer = scene.ask(Method::POST, "outcomes", order).await;
        assert_eq!(answer.0, 204);
    });
}

#[test]
fn silent_connections_are_bounded_and_closed() {
    block_on(async {
        let scene = Scene::new().await;
        let mut silent = Vec::new();
        for number in 0..MAX_CONNECTIONS {
            let mut stream = scene.connect().await;
            // Some begin a request, some HTTP/2, most nothing.
            match number % 8 {
                0 => stream.write_all(b"GET /hea").await.unwrap(),
                1 => stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap(),
                _ => {}
            }
            silent.push(stream);
        }
        until(|| scene.clock.sleepers() == MAX_CONNECTIONS).await;
        let mut more = scene.connect().await;
        assert_eq!(rest(&mut more).await, "", "one more is closed at once");
        scene.clock.advance(QUIET);
        for mut stream in silent {
            assert_eq!(rest(&mut stream).await, "");
        }
        until(|| scene.clock.sleepers() == 0).await;
        let health = scene.send(Method::GET, "/health", "").await;
        assert_eq!(health.status(), 200);
    });
}

#[test]
fn a_body_that_does_not_come_is_408() {
    block_on(async {
        let scene = Scene::new().await;
        let mut stream = scene.connect().await;
        let head = "POST /v1/simulators HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        until_idle().await;
        scene.clock.advance(QUIET - Duration::from_millis(1));
        until_idle().await;
        let mut answer = [0; 12];
        assert!(stream.try_read(&mut answer).is_err(), "not yet");
        scene.clock.advance(Duration::from_millis(1));
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    });
}

#[test]
fn a_request_that_waits_for_an_arrival_is_not_silent() {
    block_on(async {
        let scene = Scene::new().await;
        scene.ask(Method::POST, "phones", "{}").await;
        // The longest wait is a minute, which is longer than a connection may be silent.
        let waits = scene.ask(Method::GET, "phones/1/arrivals?wait=600", "");
        let mut waits = std::pin::pin!(waits);
        for _ in 0..6 {
            let early = async {
                tokio::select! {
                    answer = waits.as_mut() => Some(answer),
                    () = until_idle() => None,
                }
            };
            assert_eq!(early.await, None);
            scene.clock.advance(Duration::from_secs(10));
        }
        let (status, body) = waits.await;
        assert_eq!((status, &body["arrivals"]), (200, &json!([])));
    });
}
