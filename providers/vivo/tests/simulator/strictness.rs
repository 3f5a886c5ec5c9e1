//! The simulator against requests that vivo refuses, and as the command line runs it.
use push_testkit::simulator::{Install, Order, simulators};

use super::*;

/// A client of its own.
struct Raw {
    client: Client,
    url: String,
    token: String,
}

impl Raw {
    async fn new(world: &World) -> Self {
        let mut raw = Self {
            client: world.client(),
            url: text(&world.simulator.config()["endpoint"]),
            token: String::new(),
        };
        let (_, granted) = raw.ask("/message/auth", SIGNED.into()).await;
        raw.token = text(&granted["authToken"]);
        raw
    }

    async fn ask(&self, path: &str, body: String) -> (u16, Value) {
        let request = Request::post(format!("{}{path}", self.url))
            .header("content-type", "application/json;charset=UTF-8")
            .header("authToken", &self.token)
            .body(Bytes::from(body))
            .expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        let json = serde_json::from_slice(answer.body()).unwrap_or_default();
        (answer.status().as_u16(), json)
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The second signature on record, of the time at which tests take place; its numbers are texts.
const SIGNED: &str = r#"{"appId":"10004","appKey":"25509283-3767-4b9e-83fe-b6e55ac6b123","timestamp":"1700000000000","sign":"612ad457674e0f491c0619dc2cd1d797"}"#;

/// The message of vivo's document, with these fields over it.
fn message(over: &Value) -> Value {
    let mut message = json!({
        "appId": 10004, "regId": "v2-unknown", "notifyType": 4, "title": "Ann", "content": "hello",
        "timeToLive": 86400, "skipType": 4,
        "skipContent": "intent://im/chat#Intent;component=com.example.im/.ChatActivity;S.ext=42;end",
        "networkType": -1, "classification": 1, "category": "IM", "clientCustomMap": { "ext": "42" },
        "extra": { "callback": "https://im.example.com/cb/vivo", "callback.param": "m1" },
        "requestId": "25509283-3767-4b9e-83fe-b6e55ac6b123", "pushMode": 0,
    });
    for (key, value) in over.as_object().expect("an object") {
        message[key] = value.clone();
    }
    message
}

#[test]
fn an_access_token_is_granted_for_a_right_signature_of_now_only() {
    block_on(async {
        let world = world().await;
        let raw = Raw::new(&world).await;
        for (from, to, code) in [
            ("\"10004\"", "null", 10200),
            ("25509283-3767-4b9e-83fe-b6e55ac6b123", "", 10201),
            ("25509283", "35509283", 10202),
            ("\"1700000000000\"", "null", 10203),
            ("612ad457674e0f491c0619dc2cd1d797", "", 10204),
            ("\"10004\"", "10005", 10205),
            ("612ad457", "712ad457", 10206),
            ("1700000000000", "1700000000001", 10206),
            ("1700000000000", "1501484120000", 10207),
        ] {
            world.clock.advance(Duration::from_secs(1));
            let (status, answer) = raw.ask("/message/auth", SIGNED.replace(from, to)).await;
            assert_eq!(
                (status, &answer["result"]),
                (200, &json!(code)),
                "{from} {to}"
            );
            assert_eq!(answer.get("authToken"), None);
        }
        world.clock.advance(Duration::from_secs(1));
        let mut codes = Vec::new();
        for _ in 0..11 {
            let (_, answer) = raw.ask("/message/auth", SIGNED.into()).await;
            codes.push(answer["result"].as_i64());
        }
        assert_eq!((codes[9], codes[10]), (Some(0), Some(10250)));
    });
}

/// Messages that vivo's document forbids, each with the number of its refusal.
#[test]
fn the_simulator_refuses_what_the_document_forbids() {
    let long = "x".repeat(1025);
    let eleven: Map<String, Value> = (0..11).map(|n| (n.to_string(), json!("v"))).collect();
    let cases = [
        (json!({ "regId": "" }), 10050),
        (json!({ "regId": null }), 10050),
        (json!({ "notifyType": 5 }), 10053),
        (json!({ "notifyType": null }), 10053),
        (json!({ "notify_id": 1 }), 10054),
        (json!({ "notifyId": 0 }), 10054),
        (json!({ "networkType": 0 }), 10054),
        (json!({ "addBadge": 1 }), 10054),
        (json!({ "pushMode": 2 }), 10054),
        (json!({ "extra": { "callback": long } }), 10054),
        (
            json!({ "extra": { "callback.param": "x".repeat(65) } }),
            10054,
        ),
        (json!({ "title": "" }), 10055),
        (json!({ "title": "你".repeat(41) }), 10056),
        (json!({ "content": null }), 10058),
        (json!({ "content": "x".repeat(101) }), 10059),
        (json!({ "skipType": null }), 10082),
        (json!({ "skipType": 5 }), 10082),
        (json!({ "skipType": 2, "skipContent": null }), 10082),
        (json!({ "skipContent": "im/chat" }), 10082),
        (json!({ "skipContent": long }), 10082),
        (json!({ "timeToLive": 59 }), 10086),
        (json!({ "timeToLive": 86401 }), 10086),
        (json!({ "clientCustomMap": { "ext": long } }), 10089),
        (json!({ "clientCustomMap": { "ext": 42 } }), 10089),
        (json!({ "clientCustomMap": eleven }), 10089),
        (json!({ "appId": 10005 }), 10094),
        (json!({ "category": "im" }), 10096),
        (json!({ "category": "CHAT" }), 10096),
        (json!({ "category": "NEWS" }), 10097),
        (json!({ "classification": 0 }), 10097),
        (json!({ "requestId": "" }), 10303),
        (json!({ "requestId": "x".repeat(65) }), 10303),
        (json!({}), 10302),
    ];
    block_on(async {
        let world = world().await;
        let raw = Raw::new(&world).await;
        for (over, code) in cases {
            let (status, answer) = raw.ask("/message/send", message(&over).to_string()).await;
            assert_eq!((status, &answer["result"]), (200, &json!(code)), "{over}");
        }
        for (body, code) in [
            (
                json!({ "regIds": ["a"], "taskId": "1", "requestId": "r" }),
                10150,
            ),
            (
                json!({ "regIds": vec!["a"; 1001], "taskId": "1", "requestId": "r" }),
                10150,
            ),
            (json!({ "taskId": "1", "requestId": "r" }), 10150),
            (
                json!({ "regIds": ["a", "b"], "taskId": "1", "requestId": "r" }),
                10353,
            ),
            (json!({ "regIds": ["a", "b"], "taskId": "1" }), 10303),
        ] {
            let (_, answer) = raw.ask(LIST_KEY, body.to_string()).await;
            assert_eq!(answer["result"], code, "{body}");
        }
        let stranger = Raw {
            token: "unknown".into(),
            ..raw
        };
        let (_, answer) = stranger
            .ask("/message/send", message(&json!({})).to_string())
            .await;
        assert_eq!(answer["result"], 10000);
    });
}

#[test]
fn the_simulator_takes_the_message_of_the_document_and_numbers_that_are_texts() {
    block_on(async {
        let world = world().await;
        let raw = Raw::new(&world).await;
        let phone = world.simulator.install();
        let id = phone.token();
        for (number, over) in [
            json!({}),
            // The app's id is optional, and numbers may be texts.
            json!({ "appId": null, "notifyType": "4", "timeToLive": "60", "networkType": "-1" }),
            json!({ "classification": "1", "pushMode": "0", "skipType": "4" }),
        ]
        .into_iter()
        .enumerate()
        {
            let mut message = message(&over);
            message["regId"] = json!(id);
            message["requestId"] = json!(format!("r{number}"));
            if over["appId"].is_null() && number == 1 {
                message.as_object_mut().expect("an object").remove("appId");
            }
            let (status, answer) = raw.ask("/message/send", message.to_string()).await;
            assert_eq!(
                (status, &answer["result"]),
                (200, &json!(0)),
                "{over}: {answer}"
            );
            assert!(answer["taskId"].is_string());
        }
        assert_eq!(phone.arrivals().len(), 3);
        assert_eq!(phone.arrivals()[0].extra("ext"), Some("42"));
        // A message without class and category is an operation message, which is not taken at this hour.
        let message = message(
            &json!({ "classification": null, "category": null, "regId": id, "requestId": "r" }),
        );
        let (_, answer) = raw.ask("/message/send", message.to_string()).await;
        assert_eq!(answer["result"], 10071);
    });
}

/// As `offline-push simulate vivo` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let vivo = known.iter().find(|simulator| simulator.name == "vivo");
        let vivo = vivo.expect("the simulator is registered");
        let running = (vivo.start)(push_testkit::simulator::Options::default());
        let running = running.await.expect("a free port");
        let config = RawConfig::from_json(&running.credentials()[0].config).expect("an object");
        // The simulator is at the real time, and so is its client.
        let clock: Arc<dyn Clock> = Arc::new(push_http::TokioClock);
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        let phone = running.install(&Install::default()).expect("a phone");
        let (_, token) = phone.tokens().remove(0);
        let mut found = Vec::new();
        for code in ["10072", "500", "new"] {
            let order = json!({ "code": code, "phone": 1, "times": 1 });
            let order: Order = serde_json::from_value(order).expect("an order");
            let script = running.script(&order, std::slice::from_ref(&token));
            script.expect("an answer of vivo");
            found.push(sample::send_one(&provider, &token).await.kind);
        }
        found.push(sample::send_one(&provider, &token).await.kind);
        phone.uninstall();
        found.push(sample::send_one(&provider, &token).await.kind);
        let wanted = [
            VerdictKind::RateLimited(Scope::Credential),
            DOWN,
            DOWN,
            VerdictKind::Accepted,
            VerdictKind::TokenUnusable(TokenFault::Muted),
        ];
        assert_eq!(found, wanted);
        assert_eq!(phone.inbox().arrived(), 1);
        let counters = running.counters();
        assert_eq!(
            (&counters["requests"], &counters["granted"]),
            (&json!(5), &json!(1))
        );
    });
}
