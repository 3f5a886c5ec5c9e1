//! The simulator against requests that Xiaomi refuses.
use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::Request;
use push_core::Clock;
use push_http::{Client, HttpClient as _};
use push_kit::form;
use push_provider_xiaomi::simulator::{Options, Simulator};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Value},
};

const SECRET: &str = "key=xiaomi-simulator-secret==";
const FORM: &str = "application/x-www-form-urlencoded;charset=UTF-8";

/// A message that is accepted.
fn message() -> BTreeMap<String, String> {
    let fields = [
        ("restricted_package_name", "com.example.im"),
        ("pass_through", "0"),
        ("title", "Ann"),
        ("description", "hello"),
        ("payload", r#"{"ext":"42"}"#),
        ("extra.channel_id", "104087"),
    ];
    fields
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

async fn start() -> Simulator {
    let clock: Arc<dyn Clock> = Arc::new(sample::clock());
    let options = Options::default().with_clock(clock);
    Simulator::start(options).await.expect("a free port")
}

/// Posts `body`, as a client of its own would.
async fn post(simulator: &Simulator, path: &str, secret: &str, kind: &str, body: &str) -> Value {
    let config = simulator.config();
    let http = serde_json::from_value(config["http"].clone()).expect("settings of a client");
    let client = Client::new(http, Arc::new(sample::clock())).expect("a client");
    let endpoint = config["endpoint"].as_str().expect("text");
    let request = Request::post(format!("{endpoint}{path}"))
        .header("authorization", secret)
        .header("content-type", kind)
        .body(Bytes::from(body.to_owned()))
        .expect("a request");
    let answer = client.send(request).await.expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(answer.body()).expect("JSON")
}

/// Posts `fields` for `token`.
async fn send(simulator: &Simulator, token: &str, fields: &BTreeMap<String, String>) -> Value {
    let fields = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let body = form::encode(fields.chain([("registration_id", token)]));
    post(simulator, "/v3/message/regid", SECRET, FORM, body.expose()).await
}

/// The documented limits, each with the code of the refusal and a word of its reason.
#[test]
fn the_simulator_refuses_what_the_documents_forbid() {
    let long = |length: usize| "x".repeat(length);
    let template = |values: &str| format!("T10001 {values}");
    let cases: Vec<(&str, String, i64, &str)> = vec![
        ("no_such", "1".into(), 10_008, "no_such"),
        (
            "restricted_package_name",
            "com.example.other".into(),
            22_022,
            "package",
        ),
        ("restricted_package_name", String::new(), 21_305, "package"),
        ("pass_through", "2".into(), 10_017, "pass_through"),
        ("pass_through", String::new(), 21_305, "pass_through"),
        ("title", String::new(), 21_305, "title"),
        ("title", " ".into(), 10_017, "blank"),
        ("title", "你".repeat(50), 10_017, "50"),
        ("description", "😀".repeat(64), 10_017, "128"),
        ("description", String::new(), 21_305, "description"),
        ("payload", long(4097), 65_009, "4096"),
        (
            "payload",
            "%7B%22ext%22%3A%2242%22%7D".into(),
            10_008,
            "twice",
        ),
        ("notify_type", "8".into(), 10_017, "notify_type"),
        ("notify_id", "2147483648".into(), 10_017, "notify_id"),
        ("notify_id", "-1".into(), 10_017, "notify_id"),
        ("time_to_live", "60s".into(), 10_017, "time_to_live"),
        ("time_to_live", "0".into(), 10_017, "time_to_live"),
        ("extra.channel_id", "1".into(), 27_001, "channel"),
        ("extra.channel_id", "104086".into(), 21_305, "template_id"),
        ("template", "T2 {}".into(), 10_017, "unknown"),
        ("template", template(""), 10_017, "variables"),
        (
            "template",
            template(r#"{"sender":"Ann"}"#),
            10_017,
            "variables",
        ),
        (
            "template",
            template(r#"{"sender":"Ann","text":"b","x":"c"}"#),
            10_017,
            "variables",
        ),
        (
            "template",
            template(r#"{"sender":"Ann","text":" "}"#),
            10_017,
            "illegal",
        ),
        (
            "template",
            template(r#"{"sender":"Ann","text":"👍"}"#),
            10_017,
            "illegal",
        ),
        (
            "template",
            template(&json!({ "sender": "Ann", "text": long(129) }).to_string()),
            10_017,
            "illegal",
        ),
        ("extra.notify_effect", "4".into(), 10_017, "notify_effect"),
        ("extra.notify_effect", "2".into(), 10_017, "intent_uri"),
        ("extra.notify_effect", "3".into(), 10_017, "web_uri"),
        (
            "extra.notify_foreground",
            "true".into(),
            10_017,
            "foreground",
        ),
        ("extra.jobkey", "_a".into(), 10_017, "jobkey"),
        ("extra.jobkey", long(21), 10_017, "jobkey"),
        ("extra.connpt", "5g".into(), 10_017, "connpt"),
        ("extra.only_send_once", "0".into(), 10_017, "only_send_once"),
        (
            "extra.callback",
            "im.example.com".into(),
            65_038,
            "callback",
        ),
        ("extra.callback.param", long(65), 65_036, "too long"),
        ("extra.callback.type", "all".into(), 10_017, "callback.type"),
        ("extra.own", long(1025), 65_015, "too long"),
        ("extra.own*", "11".into(), 65_014, "too many"),
    ];
    block_on(async {
        let simulator = start().await;
        let phone = simulator.install();
        for (key, value, code, word) in cases {
            let mut fields = message();
            if value.is_empty() {
                fields.remove(key);
            } else if key == "template" {
                let (id, values) = value.split_once(' ').expect("two parts");
                fields.insert("extra.channel_id".to_owned(), "104086".to_owned());
                fields.insert("extra.template_id".to_owned(), id.to_owned());
                fields.insert("extra.template_param".to_owned(), values.to_owned());
            } else if key == "extra.own*" {
                fields.extend((0..11).map(|n| (format!("extra.own{n}"), value.clone())));
            } else {
                fields.insert(key.to_owned(), value);
            }
            let answer = send(&simulator, phone.token(), &fields).await;
            assert_eq!(answer["code"], code, "{key}: {answer}");
            assert_eq!(answer["result"], "error", "{key}: {answer}");
            let reason = answer["reason"].as_str().expect("text");
            assert!(reason.contains(word), "{key}: {reason}");
        }
        assert_eq!(phone.arrivals(), []);
        let answer = send(&simulator, phone.token(), &message()).await;
        assert_eq!(answer["code"], 0, "{answer}");
    });
}

#[test]
fn the_simulator_takes_the_longest_texts_and_any_time_to_live() {
    block_on(async {
        let simulator = start().await;
        let phone = simulator.install();
        for (key, value) in [
            ("title", "你".repeat(49)),
            ("description", "你".repeat(127)),
            ("payload", "x".repeat(4096)),
            ("time_to_live", "9000000000000".to_owned()),
            ("notify_id", "2147483647".to_owned()),
        ] {
            let mut fields = message();
            fields.insert(key.to_owned(), value);
            let answer = send(&simulator, phone.token(), &fields).await;
            assert_eq!(answer["code"], 0, "{key}: {answer}");
        }
    });
}

#[test]
fn the_header_the_targets_and_the_content_type_are_checked() {
    block_on(async {
        let simulator = start().await;
        let phone = simulator.install();
        let body = |target: &str, value: &str| {
            let mut fields = message();
            fields.insert(target.to_owned(), value.to_owned());
            let fields = fields
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()));
            form::encode(fields).expose().to_owned()
        };
        let right = body("registration_id", phone.token());
        let several = |list: &str| form::encode([("messages", list)]).expose().to_owned();
        let (one, multi) = ("/v3/message/regid", "/v2/multi_messages/regids");
        for (path, secret, kind, body, code) in [
            (one, SECRET, FORM, right.clone(), 0),
            (one, "key=wrong", FORM, right.clone(), 21_301),
            (
                one,
                "xiaomi-simulator-secret==",
                FORM,
                right.clone(),
                21_301,
            ),
            (one, SECRET, "application/json", right.clone(), 10_008),
            (one, SECRET, FORM, body("alias", "ann"), 21_305),
            (
                one,
                SECRET,
                FORM,
                body("registration_id", "unknown"),
                20_301,
            ),
            (one, SECRET, FORM, body("registration_id", ""), 20_301),
            (
                one,
                SECRET,
                FORM,
                body("registration_id", &["x"; 1001].join(",")),
                10_017,
            ),
            (multi, SECRET, FORM, right, 10_008),
            (multi, SECRET, FORM, String::new(), 21_305),
            (multi, SECRET, FORM, several("{}"), 65_030),
            (multi, SECRET, FORM, several(r#"[{"message":{}}]"#), 65_030),
            (multi, SECRET, FORM, several(r#"[{"target":"x"}]"#), 65_030),
            (
                multi,
                SECRET,
                FORM,
                several(r#"[{"target":"x","message":{"a":[]}}]"#),
                65_030,
            ),
            (
                multi,
                SECRET,
                FORM,
                several(r#"[{"target":"x","message":{}}]"#),
                21_305,
            ),
            (
                multi,
                SECRET,
                FORM,
                several(r#"[{"target":"x","message":{"extra":{"extra.a":"b"}}}]"#),
                10_017,
            ),
        ] {
            let answer = post(&simulator, path, secret, kind, &body).await;
            assert_eq!(answer["code"], code, "{path} {body:.80}: {answer}");
        }
        assert_eq!(phone.arrivals().len(), 1);
    });
}

/// The request and the list of messages on record, with phones of the simulator.
#[test]
fn the_requests_on_record_are_accepted() {
    let vectors: Value =
        serde_json::from_str(include_str!("../fixtures/vectors.json")).expect("JSON");
    let request = vectors["sample"]["request"].as_str().expect("text");
    let list = &vectors["form"][7][1];
    let list = format!("messages={}", list.as_str().expect("text"));
    block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let options = Options::default().with_clock(clock).without_templates();
        let simulator = Simulator::start(options).await.expect("a free port");
        let phones = [simulator.install(), simulator.install()];
        let token = |number: usize| {
            let pair = form::encode([("", phones[number].token())]);
            pair.expose()[1..].to_owned()
        };
        let request = request.replace("r1%2Cr2", &format!("{}%2C{}", token(0), token(1)));
        let list = list.replace("%22r1%22", &format!("%22{}%22", token(0)));
        for (path, body) in [
            ("/v3/message/regid", request),
            ("/v2/multi_messages/regids", list),
        ] {
            let answer = post(&simulator, path, SECRET, FORM, &body).await;
            assert_eq!(answer["code"], 0, "{answer}");
            let wanted: Value =
                serde_json::from_str(vectors["sample"]["answer"].as_str().expect("text"))
                    .expect("JSON");
            let keys = |answer: &Value| {
                let keys = answer.as_object().expect("an object").keys();
                keys.cloned().collect::<Vec<_>>()
            };
            assert_eq!(keys(&answer), keys(&wanted));
        }
        assert_eq!(phones[0].arrivals()[0].content(), r#"{"ext":"42"}"#);
        assert_eq!(phones[1].arrivals()[0].title(), "Ann");
        assert_eq!(phones[0].arrivals()[1].content(), r#"{"ext":"42"}"#);
    });
}

#[test]
fn a_path_that_is_not_simulated_is_not_answered_in_the_vendors_form() {
    block_on(async {
        let simulator = start().await;
        let config = simulator.config();
        let http = serde_json::from_value(config["http"].clone()).expect("settings of a client");
        let client = Client::new(http, Arc::new(sample::clock())).expect("a client");
        let endpoint = config["endpoint"].as_str().expect("text");
        let request = Request::post(format!("{endpoint}/v3/message/all")).body(Bytes::new());
        let answer = client.send(request.expect("a request")).await;
        assert_eq!(answer.expect("an answer").status(), 404);
    });
}
