//! `offline-push simulate`, as a test in another language would use it: over its control API and its files.
mod support;

use std::{path::PathBuf, process::Stdio, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use offline_push::{
    gateway::Settings,
    http::{Client, HttpClient, HttpConfig, Protocols, TokioClock},
};
use serde_json::{Value, json};
use support::{Caller, PATIENCE, gateway::Served};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const KEY: &str = "0123456789abcdef0123";

/// The running program, and the way to its control API.
struct Program {
    child: Child,
    _lines: Lines<BufReader<ChildStdout>>,
    simulators: Vec<Value>,
    url: String,
    token: String,
    client: Client,
    folder: PathBuf,
}

impl Program {
    async fn start(name: &str, vendors: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("simulate-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let mut child = Command::new(env!("CARGO_BIN_EXE_offline-push"))
            .args(["simulate", "--json", "--write"])
            .arg(&folder)
            .args(vendors)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut simulators = Vec::new();
        let control = loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let line = line.expect("in time").expect("text").expect("a line");
            let object: Value = serde_json::from_str(&line).expect("JSON");
            if object["control"].is_object() {
                break object["control"].clone();
            }
            simulators.push(object);
        };
        let config = HttpConfig::default().with_protocols(Protocols::Negotiate);
        Self {
            child,
            _lines: lines,
            simulators,
            url: control["url"].as_str().expect("a URL").to_owned(),
            token: control["token"].as_str().expect("a token").to_owned(),
            client: Client::new(config, Arc::new(TokioClock)).expect("the default works"),
            folder,
        }
    }

    async fn raw(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: &str,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::from(body.to_owned()))
            .expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status(), body)
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let path = format!("/v1/simulators{path}");
        let (status, answer) = self
            .raw(method, &path, &self.token, &body.to_string())
            .await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    async fn refused(&self, method: Method, path: &str, body: &Value) -> (u16, String) {
        let path = format!("/v1/simulators{path}");
        let (status, answer) = self
            .raw(method, &path, &self.token, &body.to_string())
            .await;
        assert_eq!(answer["status"], status.as_u16(), "{path}: {answer}");
        (
            status.as_u16(),
            answer["code"].as_str().unwrap_or_default().to_owned(),
        )
    }

    async fn install(&self, vendor: &str) -> (u64, String) {
        let phone = self
            .ask(Method::POST, &format!("/{vendor}/phones"), &json!({}))
            .await;
        let token = phone["token"].as_str().expect("a token").to_owned();
        (phone["phone"].as_u64().expect("a number"), token)
    }

    /// The arrivals after the `after`-th, once there is one.
    async fn arrivals(&self, vendor: &str, phone: u64, after: u64) -> Value {
        let path = format!("/{vendor}/phones/{phone}/arrivals?after={after}&wait=60");
        self.ask(Method::GET, &path, &Value::Null).await
    }

    fn written(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.folder.join(file)).expect(file);
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

#[tokio::test]
async fn a_gateway_with_the_written_credentials_reaches_phones_of_every_vendor() {
    let program = Program::start("vendors", &["apns", "fcm", "huawei"]).await;
    let names: Vec<_> = program
        .simulators
        .iter()
        .map(|it| &it["simulator"])
        .collect();
    assert_eq!(names, ["apns", "fcm", "huawei"]);
    let served = Served::start("chat", KEY, Settings::default()).await;
    let gateway = Caller::new(&served.url, KEY);
    for (vendor, file, code) in [
        ("apns", "apns-production.json", "Unregistered"),
        ("fcm", "fcm.json", "UNREGISTERED"),
        ("huawei", "huawei.json", "80300007"),
    ] {
        let added = gateway
            .post("/v1/credentials", &program.written(file))
            .await;
        let certificate = added["id"].as_i64().expect("a certificate id");
        let (phone, token) = program.install(vendor).await;
        let user = format!("user-of-{vendor}");
        gateway.log_in(&user, vendor, certificate, &token).await;

        gateway.text(&format!("m-{vendor}-1"), &user).await;
        let answer = program.arrivals(vendor, phone, 0).await;
        assert_eq!(answer["next"], 1, "{answer}");
        assert!(answer.to_string().contains("hello"), "{answer}");
        let counters = program
            .ask(Method::GET, &format!("/{vendor}/counters"), &Value::Null)
            .await;
        assert_eq!(counters["accepted"], 1, "{counters}");

        let order = json!({"code": code, "phone": phone, "times": 1});
        program
            .ask(Method::POST, &format!("/{vendor}/outcomes"), &order)
            .await;
        let delivery = gateway.text(&format!("m-{vendor}-2"), &user).await;
        let trace = gateway.settled(&delivery).await;
        assert!(trace.to_string().contains(code), "{trace}");
        assert_eq!(gateway.tokens(&user).await, Vec::<Value>::new(), "{vendor}");
        let state = program
            .ask(
                Method::GET,
                &format!("/{vendor}/phones/{phone}"),
                &Value::Null,
            )
            .await;
        assert_eq!(state["arrived"], 1, "{state}");
        assert_eq!(state["screen"].as_array().map(Vec::len), Some(1), "{state}");
    }
}

/// The first of `count` free ports in a row, below the range that the system assigns; another one for each attempt.
fn free_ports(count: u16, attempt: u16) -> Option<u16> {
    let process = u16::try_from(std::process::id() % 1000).expect("less than 1,000");
    let first = 20_000 + (process + attempt * 37) % 1000 * 10;
    (first..first + count)
        .all(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
        .then_some(first)
}

#[tokio::test]
async fn every_simulator_listens_on_the_ports_that_follow_the_first() {
    for descriptor in push_testkit::simulator::simulators() {
        let mut why = None;
        let mut started = None;
        for first in (0..20).filter_map(|attempt| free_ports(descriptor.ports, attempt)) {
            let options = push_testkit::simulator::Options::default().with_port(first);
            match (descriptor.start)(options).await {
                Ok(simulator) => {
                    started = Some((first, simulator));
                    break;
                }
                Err(error) => why = Some(error),
            }
        }
        let (first, simulator) =
            started.unwrap_or_else(|| panic!("{} starts: {why:?}", descriptor.name));
        let used: std::collections::BTreeSet<u16> = simulator
            .endpoints()
            .iter()
            .map(|(_, url)| {
                let url: http::Uri = url.parse().expect("a URL");
                url.port_u16().expect("a port")
            })
            .collect();
        let declared: Vec<u16> = (first..first + descriptor.ports).collect();
        assert!(used.into_iter().eq(declared), "{}", descriptor.name);
    }
}

#[tokio::test]
async fn the_control_api_takes_its_bearer_token_only_and_small_bodies() {
    let program = Program::start("bounds", &["apns"]).await;
    let (status, health) = program.raw(Method::GET, "/health", "", "").await;
    assert_eq!((status, health), (StatusCode::OK, json!({"status": "ok"})));
    for wrong in ["", "x", &program.token[1..]] {
        for path in ["/v1/simulators", "/v1/simulators/apns/phones", "/else"] {
            let (status, answer) = program.raw(Method::POST, path, wrong, "{}").await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            assert_eq!(answer["code"], "unauthorized");
            assert!(!answer.to_string().contains(&program.token));
        }
    }
    let large = format!("{{\"app\": \"{}\"}}", "x".repeat(16 * 1024));
    let path = "/v1/simulators/apns/phones";
    let (status, answer) = program
        .raw(Method::POST, path, &program.token, &large)
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["code"], "too-large");

    let (phone, _) = program.install("apns").await;
    for (method, path, body, status, code) in [
        (Method::GET, "/apns/phone", json!({}), 404, "not-found"),
        (Method::GET, "/pigeon", json!({}), 404, "not-found"),
        (Method::GET, "/apns/phones/99", json!({}), 404, "not-found"),
        (
            Method::PUT,
            "/apns/phones",
            json!({}),
            405,
            "method-not-allowed",
        ),
        (
            Method::POST,
            "/apns/phones",
            json!({"ap": "x"}),
            400,
            "invalid",
        ),
        (
            Method::POST,
            "/apns/phones",
            json!({"app": "a b"}),
            400,
            "invalid",
        ),
        (
            Method::POST,
            "/apns/outcomes",
            json!({"code": "X", "status": 99}),
            400,
            "invalid",
        ),
        (
            Method::POST,
            "/apns/outcomes",
            json!({"code": "X", "retry_after": "1\n2"}),
            400,
            "invalid",
        ),
        (
            Method::POST,
            "/apns/outcomes",
            json!({"phone": 99}),
            404,
            "not-found",
        ),
        (
            Method::PUT,
            "/apns/delay",
            json!({"milliseconds": -1}),
            400,
            "invalid",
        ),
        (
            Method::PUT,
            "/apns/delay",
            json!({"milliseconds": 3_600_000}),
            400,
            "invalid",
        ),
        (
            Method::POST,
            "/apns/disconnect",
            json!({"reason": 1}),
            400,
            "invalid",
        ),
        (
            Method::POST,
            "/apns/certificates",
            json!({"also": ["x"]}),
            400,
            "invalid",
        ),
    ] {
        let refusal = program.refused(method, path, &body).await;
        assert_eq!(refusal, (status, code.to_owned()), "{path} {body}");
    }
    let path = format!("/apns/phones/{phone}/arrivals?waits=1");
    let refusal = program.refused(Method::GET, &path, &json!({})).await;
    assert_eq!(refusal, (400, "invalid".to_owned()));
}

#[tokio::test]
async fn a_raw_client_sees_scripted_errors_goaway_and_cuts_and_a_phone_can_be_off() {
    let program = Program::start("raw", &["apns"]).await;
    let (phone, token) = program.install("apns").await;
    let issued = program
        .ask(Method::POST, "/apns/certificates", &json!({}))
        .await;
    let part = |key: &str| issued[key].as_str().expect(key).to_owned();
    let identity = offline_push::http::ClientCertificate::from_pem(
        &part("certificate_pem"),
        &offline_push::Secret::new(part("key_pem")),
    );
    let mut config = HttpConfig::default().with_protocols(Protocols::H2Only);
    config.extra_ca_pem = program.simulators[0]["ca_pem"].as_str().map(str::to_owned);
    let config = config.with_client_certificate(identity.expect("a certificate"));
    let client = Client::new(config, Arc::new(TokioClock)).expect("a client");
    let endpoint = program.simulators[0]["endpoints"]["production"]
        .as_str()
        .expect("an endpoint");
    let push = async || {
        let request = Request::post(format!("{endpoint}/3/device/{token}"))
            .header("apns-topic", "com.example.im")
            .header("apns-push-type", "alert")
            .body(Bytes::from_static(
                br#"{"aps":{"alert":"hello","badge":2}}"#,
            ))
            .expect("a request");
        client.send(request).await
    };
    assert_eq!(push().await.expect("an answer").status(), 200);

    let order = json!({"code": "TooManyRequests", "retry_after": "7", "times": 2});
    program.ask(Method::POST, "/apns/outcomes", &order).await;
    for _ in 0..2 {
        let response = push().await.expect("an answer");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.body(), r#"{"reason":"TooManyRequests"}"#);
    }
    // More often than a client tries again by itself.
    let order = json!({"action": "go-away", "code": "Shutdown", "times": 100});
    program.ask(Method::POST, "/apns/outcomes", &order).await;
    let error = push().await.expect_err("nothing is answered after GOAWAY");
    let reason = error.go_away().expect("GOAWAY").debug_data().clone();
    assert_eq!(reason, r#"{"reason":"Shutdown"}"#.as_bytes());
    program
        .ask(Method::DELETE, "/apns/outcomes", &Value::Null)
        .await;
    let order = json!({"action": "close", "times": 100});
    program.ask(Method::POST, "/apns/outcomes", &order).await;
    push().await.expect_err("the connection closes");
    program
        .ask(Method::DELETE, "/apns/outcomes", &Value::Null)
        .await;

    for body in [json!({}), json!({"reason": "Shutdown"})] {
        program.ask(Method::POST, "/apns/disconnect", &body).await;
        // A client that has not read the end of its connection yet may still meet it.
        support::eventually("another connection", async || {
            push()
                .await
                .is_ok_and(|it| it.status() == 200)
                .then_some(())
        })
        .await;
    }
    let path = format!("/apns/phones/{phone}");
    let state = program.ask(Method::GET, &path, &Value::Null).await;
    assert_eq!((&state["arrived"], &state["badge"]), (&json!(3), &json!(2)));
    program
        .ask(Method::PUT, &format!("{path}/power"), &json!({"on": false}))
        .await;
    assert_eq!(push().await.expect("an answer").status(), 200);
    let after = format!("{path}/arrivals?after=3");
    let none = program.ask(Method::GET, &after, &Value::Null).await;
    assert_eq!(none["arrivals"], json!([]));
    program
        .ask(Method::PUT, &format!("{path}/power"), &json!({"on": true}))
        .await;
    assert_eq!(program.arrivals("apns", phone, 3).await["next"], 4);
    program
        .ask(Method::DELETE, &format!("{path}/arrivals"), &Value::Null)
        .await;
    let all = format!("{path}/arrivals");
    let cleared = program.ask(Method::GET, &all, &Value::Null).await;
    assert_eq!(cleared["arrivals"], json!([]));
    program.ask(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(push().await.expect("an answer").status(), 410);
}

#[tokio::test]
async fn sigterm_ends_it_cleanly_and_what_it_wrote_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut program = Program::start("end", &["fcm"]).await;
    assert_eq!(program.written("control.json")["token"], program.token);
    for file in ["control.json", "fcm.json", "fcm-service-account.json"] {
        let path = program.folder.join(file);
        let mode = std::fs::metadata(path).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(program.folder.join("ca.pem").exists());
    let id = program.child.id().expect("it runs").to_string();
    let kill = Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(kill.expect("kill").success());
    let ended = tokio::time::timeout(PATIENCE, program.child.wait()).await;
    assert!(ended.expect("in time").expect("a status").success());
}

#[tokio::test]
async fn a_vendor_it_does_not_have_and_an_address_that_is_not_loopback_are_refused() {
    for (arguments, words) in [
        (
            &["pigeon"][..],
            "no simulator `pigeon` in this build; it has apns, fcm,",
        ),
        (&["apns", "apns"], "named twice"),
        (&["fcm", "--control", "0.0.0.0:0"], "loopback"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_offline-push"))
            .arg("simulate")
            .args(arguments)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .expect("it ends");
        let output = output.expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{text}");
    }
}
