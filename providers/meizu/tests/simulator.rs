//! The simulator against requests that Meizu refuses, and under the control of the command line.
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use push_core::{BuildContext, Clock, RawConfig, VerdictKind};
use push_http::{Client, HttpClient};
use push_kit::{form, md5};
use push_provider_meizu::{
    PLUGIN,
    simulator::{Options, Simulator},
};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Value},
    simulator::{self, Install, Order, simulators},
};

const SEND: &str = "varnished/pushByPushId";
const STATISTICS: &str = "statistics/dailyPushStatics";

async fn started(options: Options) -> Simulator {
    let clock: Arc<dyn Clock> = Arc::new(sample::clock());
    let started = Simulator::start(options.with_clock(clock)).await;
    started.expect("a free port")
}

/// Parameters that are signed as Meizu's page says.
fn signed(simulator: &Simulator, parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let secret = simulator.config()["app_secret"].clone();
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let text: String = sorted
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let sign = md5::hex([text.as_str(), secret.as_str().expect("text")]);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let parameters = parameters.iter().copied().chain([("sign", sign.as_str())]);
    parameters.map(owned).collect()
}

/// Sends a request as another client would, and returns status and JSON of the answer.
async fn ask(
    simulator: &Simulator,
    method: Method,
    call: &str,
    parameters: &[(String, String)],
) -> (u16, Value) {
    let config = simulator.config();
    let http = serde_json::from_value(config["http"].clone()).expect("settings of a client");
    let client = Client::new(http, Arc::new(sample::clock())).expect("a client");
    let endpoint = config["endpoint"].as_str().expect("text");
    let mut url = format!("{endpoint}/garcia/api/server/push/{call}");
    let pairs = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let written = form::encode(pairs).expose().to_owned();
    let mut body = Bytes::new();
    if method == Method::GET {
        url = format!("{url}?{written}");
    } else {
        body = Bytes::from(written);
    }
    let request = Request::builder().method(method).uri(url);
    let request = request
        .header("content-type", form::CONTENT_TYPE)
        .body(body);
    let answer = client.send(request.expect("a request")).await;
    let answer = answer.expect("an answer");
    let json = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), json)
}

/// The code of the answer to `message`, sent to some phone.
async fn code(options: Options, message: &Value) -> String {
    let simulator = started(options).await;
    let phone = simulator.install();
    let message = message.to_string();
    let parameters = [
        ("appId", "110000"),
        ("pushIds", phone.token()),
        ("messageJson", &message),
    ];
    let parameters = signed(&simulator, &parameters);
    let (status, answer) = ask(&simulator, Method::POST, SEND, &parameters).await;
    assert_eq!(status, 200);
    let arrived = usize::from(answer["code"] == "200");
    assert_eq!(phone.arrivals().len(), arrived, "{answer}");
    if arrived == 0 {
        assert_eq!(answer["value"], "", "{answer}");
    }
    answer["code"].as_str().expect("text").to_owned()
}

fn message() -> Value {
    json!({ "noticeBarInfo": { "title": "hi", "content": "hello" } })
}

fn over(path: &str, value: &Value) -> Value {
    let mut message = message();
    let (part, key) = path.split_once('/').expect("two parts");
    message[part][key] = value.clone();
    message
}

#[test]
fn a_message_of_the_page_or_of_the_sdk_is_taken() {
    block_on(async {
        let mut whole = message();
        whole["noticeBarInfo"]["noticeMsgType"] = json!(1);
        whole["noticeExpandInfo"] = json!({ "noticeExpandType": 1, "noticeExpandContent": "more" });
        whole["clickTypeInfo"] =
            json!({ "clickType": 2, "url": "https://a.example", "parameters": {} });
        whole["extra"] = json!({ "callback": "https://a.example", "callback.type": "3" });
        for is_on in [json!(1), json!(true), json!(0), json!(false)] {
            whole["pushTimeInfo"] = json!({ "offLine": is_on, "validTime": 72 });
            let kinds = json!({ "vibrate": is_on, "lights": is_on, "sound": is_on });
            whole["advanceInfo"] = json!({
                "suspend": is_on, "clearNoticeBar": is_on, "fixDisplay": is_on,
                "notificationType": kinds, "notifyKey": "aZ9_-",
            });
            let options = Options::default().with_any_callback(true);
            assert_eq!(code(options, &whole).await, "200", "{whole}");
        }
    });
}

#[test]
fn the_simulator_refuses_what_the_page_forbids() {
    let long = |length: usize| json!("x".repeat(length));
    let messages = [
        json!({}),
        json!([]),
        over("noticeBarInfo/title", &json!("")),
        over("noticeBarInfo/title", &long(33)),
        over("noticeBarInfo/content", &long(101)),
        over("noticeBarInfo/noticeMsgType", &json!(2)),
        over("noticeBarInfo/unknown", &json!(1)),
        over("noticeExpandInfo/noticeExpandType", &json!(1)),
        over("clickTypeInfo/clickType", &json!(1)),
        over("clickTypeInfo/clickType", &json!(2)),
        over("clickTypeInfo/clickType", &json!(3)),
        over("clickTypeInfo/clickType", &json!(4)),
        over("clickTypeInfo/parameters", &json!("text")),
        over("pushTimeInfo/validTime", &json!(0)),
        over("pushTimeInfo/validTime", &json!(73)),
        over("pushTimeInfo/validTime", &json!("24h")),
        over("pushTimeInfo/offLine", &json!(2)),
        over("advanceInfo/notifyKey", &json!("ninechars")),
        over("advanceInfo/notifyKey", &json!("a b")),
        over("advanceInfo/suspend", &json!("yes")),
        over("advanceInfo/notificationType", &json!({ "sound": 2 })),
        over("vipInfo/subtitle", &json!("for VIP apps")),
        over("noticeExpandInfo/noticeExpandType", &json!(2)),
        over("extra/callback", &json!("https://not.registered.example")),
        over("extra/callback.param", &json!("without an address")),
        over(
            "clickTypeInfo/parameters",
            &json!({ "ext": "x".repeat(4096) }),
        ),
    ];
    block_on(async {
        for message in messages {
            assert_eq!(
                code(Options::default(), &message).await,
                "1005",
                "{message}"
            );
        }
        let mut callback = over("extra/callback", &json!("https://a.example"));
        for (key, value) in [
            ("callback.param", long(65)),
            ("callback.type", json!(4)),
            ("callback", long(129)),
        ] {
            callback["extra"][key] = value;
            let options = Options::default().with_any_callback(true);
            assert_eq!(code(options, &callback).await, "1005", "{callback}");
        }
    });
}

#[test]
fn the_simulator_refuses_what_a_vip_app_must_not() {
    block_on(async {
        let vip = || Options::default().with_vip(true);
        let good =
            json!({ "subtitle": "x", "pullDownTop": true, "notGroup": 1, "titleColor": "#206CFF" });
        for (info, wanted) in [
            (good, "200"),
            (json!({ "timeTop": 7200 }), "200"),
            (json!({ "timeTop": 7201 }), "1005"),
            (json!({ "timeTop": 1800, "pullDownTop": 1 }), "1005"),
            (json!({ "titleColor": "red" }), "1005"),
            (json!({ "subtitle": "x".repeat(17) }), "1005"),
            (
                json!({ "smallIconUrl": "https://not.uploaded.example" }),
                "1005",
            ),
        ] {
            let mut message = message();
            message["vipInfo"] = info;
            assert_eq!(code(vip(), &message).await, wanted, "{message}");
        }
        let mut picture = message();
        picture["noticeExpandInfo"] =
            json!({ "noticeExpandType": 2, "noticeExpandImgUrl": "https://not.uploaded.example" });
        assert_eq!(code(vip(), &picture).await, "1005");
    });
}

#[test]
fn the_simulator_checks_parameters_before_the_message() {
    block_on(async {
        let simulator = started(Options::default()).await;
        let text = message().to_string();
        let many = vec!["x"; 101].join(",");
        let full = vec!["x"; 100].join(",");
        let send = async |parameters: &[(&str, &str)]| {
            let parameters = signed(&simulator, parameters);
            ask(&simulator, Method::POST, SEND, &parameters).await.1
        };
        for (parameters, wanted) in [
            (vec![("pushIds", "x"), ("messageJson", &text)], "110004"),
            (
                vec![("appId", "1"), ("pushIds", "x"), ("messageJson", &text)],
                "110000",
            ),
            (vec![("appId", "110000"), ("messageJson", &text)], "110004"),
            (
                vec![("appId", "110000"), ("pushIds", ""), ("messageJson", &text)],
                "110004",
            ),
            (vec![("appId", "110000"), ("pushIds", "x")], "110004"),
            (
                vec![
                    ("appId", "110000"),
                    ("pushIds", &many),
                    ("messageJson", &text),
                ],
                "1005",
            ),
            (
                vec![
                    ("appId", "110000"),
                    ("pushIds", "x,,y"),
                    ("messageJson", &text),
                ],
                "1005",
            ),
            (
                vec![
                    ("appId", "110000"),
                    ("pushIds", &full),
                    ("messageJson", &text),
                ],
                "200",
            ),
        ] {
            let answer = send(&parameters).await;
            assert_eq!(answer["code"], wanted, "{answer}");
        }
        // Any parameter that was changed makes the signature wrong, also one that is not known.
        let parameters = [
            ("appId", "110000"),
            ("pushIds", "x"),
            ("messageJson", text.as_str()),
        ];
        let mut wrong = signed(&simulator, &parameters);
        wrong.push(("unknown".to_owned(), "1".to_owned()));
        let (_, answer) = ask(&simulator, Method::POST, SEND, &wrong).await;
        assert_eq!(answer["code"], "1006");
        let mut upper = signed(&simulator, &parameters);
        upper[3].1 = upper[3].1.to_uppercase();
        let (_, answer) = ask(&simulator, Method::POST, SEND, &upper).await;
        assert_eq!(answer["code"], "1006", "the digits are lower-case");
        let right = signed(&simulator, &parameters);
        let (status, _) = ask(&simulator, Method::GET, SEND, &right).await;
        assert_eq!(status, 405, "only statistics are read by GET");
        let (status, _) = ask(&simulator, Method::POST, "unvarnished/pushByPushId", &right).await;
        assert_eq!(status, 404, "pass-through was withdrawn");
    });
}

#[test]
fn statistics_and_tasks_are_checked() {
    block_on(async {
        let simulator = started(Options::default()).await;
        for (start, end, wanted) in [
            ("20261101", "20261130", "200"),
            ("20261130", "20261101", "500"),
            ("2026-11-01", "20261130", "1005"),
            ("", "20261130", "110004"),
        ] {
            let parameters = [("appId", "110000"), ("startTime", start), ("endTime", end)];
            let parameters = signed(&simulator, &parameters);
            for method in [Method::GET, Method::POST] {
                let (_, answer) = ask(&simulator, method, STATISTICS, &parameters).await;
                assert_eq!(answer["code"], wanted, "{start} to {end}");
            }
        }
        let text = message().to_string();
        for (kind, wanted) in [("0", "200"), ("1", "110053"), ("2", "1005")] {
            let parameters = [
                ("appId", "110000"),
                ("pushType", kind),
                ("messageJson", &text),
            ];
            let parameters = signed(&simulator, &parameters);
            let (_, answer) =
                ask(&simulator, Method::POST, "pushTask/getTaskId", &parameters).await;
            assert_eq!(answer["code"], wanted, "{answer}");
        }
        let parameters = [("appId", "110000"), ("taskId", "7"), ("pushIds", "x")];
        let parameters = signed(&simulator, &parameters);
        let call = "task/varnished/pushByPushId";
        let (_, answer) = ask(&simulator, Method::POST, call, &parameters).await;
        assert_eq!(answer["code"], "110032");
    });
}

/// As `offline-push simulate meizu` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let meizu = known.iter().find(|simulator| simulator.name == "meizu");
        let meizu = meizu.expect("the simulator is registered");
        let running = (meizu.start)(simulator::Options::default());
        let running = running.await.expect("a free port");
        let config = RawConfig::from_json(&running.credentials()[0].config).expect("an object");
        let clock: Arc<dyn Clock> = Arc::new(sample::clock());
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        let phone = running.install(&Install::default()).expect("a phone");
        let (_, token) = phone.tokens().remove(0);
        for code in ["1003", "id:520"] {
            let order = json!({ "code": code, "phone": 1, "times": 1 });
            let order: Order = serde_json::from_value(order).expect("an order");
            running
                .script(&order, std::slice::from_ref(&token))
                .expect("an answer of Meizu");
        }
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let kind = sample::send_one(&provider, &token).await.kind;
            kinds.push(kind.as_str());
        }
        phone.uninstall();
        let dead = sample::send_one(&provider, &token).await.kind;
        assert_eq!(dead, VerdictKind::TokenDead { since: None });
        assert_eq!(kinds, ["unavailable", "rate-limited", "accepted"]);
        assert_eq!(phone.inbox().arrived(), 1);
        let counters = running.counters();
        assert_eq!(counters["requests"], 4);
        assert_eq!(counters["accepted"], 1);
        let other: Install = serde_json::from_value(json!({ "app": "1" })).expect("an app");
        assert!(running.install(&other).is_err());
    });
}
