//! Requests that OPPO refuses, made by a client of its own.
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_oppo::simulator::Options;
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Map, Value},
};

use crate::{World, with, world};

/// The signature of the vectors, for the simulator's secret: made with the tools of this test, not with the provider.
fn sign(key: &str, millis: &str, secret: &str) -> String {
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        format!("{key}{millis}{secret}").as_bytes(),
    );
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs = fields
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

impl World {
    async fn ask(&self, request: http::request::Builder, body: String) -> Value {
        let config = self.simulator.config();
        let http: HttpConfig = serde_json::from_value(config["http"].clone()).expect("settings");
        let client = Client::new(http, self.clock()).expect("a client");
        let request = request.body(Bytes::from(body)).expect("a request");
        let answer = client.send(request).await.expect("an answer");
        serde_json::from_slice(answer.body()).unwrap_or_else(|_| json!(answer.status().as_u16()))
    }

    fn url(&self, path: &str) -> String {
        let config = self.simulator.config();
        let base = config["endpoint"].as_str().expect("text");
        format!("{}{path}", base.trim_end_matches("/cn"))
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        self.ask(Request::post(self.url(path)), form(fields)).await
    }

    /// An auth token.
    async fn auth(&self) -> String {
        let config = self.simulator.config();
        let [key, secret] =
            ["app_key", "master_secret"].map(|name| config[name].as_str().expect("text"));
        let millis = sample::NOW.unix_millis().to_string();
        let sign = sign(key, &millis, secret);
        let answer = self
            .post(
                "/cn/server/v1/auth",
                &[("app_key", key), ("timestamp", &millis), ("sign", &sign)],
            )
            .await;
        answer["data"]["auth_token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// The answer to a `unicast` of a message with these fields in its notification.
    async fn unicast(&self, id: &str, fields: Value) -> Value {
        let token = self.auth().await;
        let mut notification = json!({ "title": "A", "content": "B", "channel_id": "im" });
        for (key, value) in fields.as_object().expect("an object") {
            notification[key] = value.clone();
        }
        let message = json!({ "target_type": 2, "target_value": id, "notification": notification });
        let fields = [
            ("auth_token", token.as_str()),
            ("message", &message.to_string()),
        ];
        self.post("/cn/server/v1/message/notification/unicast", &fields)
            .await
    }
}

#[test]
fn every_fault_of_a_signature_has_its_code() {
    block_on(async {
        let world = world().await;
        let config = world.simulator.config();
        let [key, secret] =
            ["app_key", "master_secret"].map(|name| config[name].as_str().expect("text"));
        let now = sample::NOW.unix_millis();
        let millis = now.to_string();
        let right = sign(key, &millis, secret);
        let [early, late] = [now - 600_001, now + 600_001].map(|at| at.to_string());
        let seconds = (now / 1000).to_string();
        for (fields, code) in [
            (
                vec![("app_key", key), ("timestamp", &*millis), ("sign", &*right)],
                0,
            ),
            // What is not known is tolerated: OPPO's own library sends its version.
            (
                vec![
                    ("app_key", key),
                    ("timestamp", &*millis),
                    ("sign", &*right),
                    ("sdk_version", "2.3.1"),
                ],
                0,
            ),
            (
                vec![("app_key", "k"), ("timestamp", &*millis), ("sign", &*right)],
                14,
            ),
            (vec![("timestamp", &*millis), ("sign", &*right)], 15),
            (
                vec![("app_key", key), ("timestamp", &*millis), ("sign", "0")],
                16,
            ),
            (
                vec![
                    ("app_key", key),
                    ("timestamp", &*millis),
                    ("sign", &*right.to_uppercase()),
                ],
                16,
            ),
            (vec![("app_key", key), ("timestamp", &*millis)], 17),
            (vec![("app_key", key), ("sign", &*right)], 18),
            (
                vec![("app_key", key), ("timestamp", "soon"), ("sign", &*right)],
                19,
            ),
            (
                vec![
                    ("app_key", key),
                    ("timestamp", &*seconds),
                    ("sign", &*sign(key, &seconds, secret)),
                ],
                19,
            ),
            (
                vec![
                    ("app_key", key),
                    ("timestamp", &*early),
                    ("sign", &*sign(key, &early, secret)),
                ],
                19,
            ),
            (
                vec![
                    ("app_key", key),
                    ("timestamp", &*late),
                    ("sign", &*sign(key, &late, secret)),
                ],
                19,
            ),
        ] {
            let answer = world.post("/cn/server/v1/auth", &fields).await;
            assert_eq!(answer["code"], code, "{fields:?}");
        }
    });
}

#[test]
fn an_auth_token_is_read_from_body_query_or_header_and_ends_after_a_day() {
    block_on(async {
        let world = world().await;
        let token = world.auth().await;
        let permit = world.url("/feedback/server/v1/feedback/fetch_push_permit");
        let of_query = world
            .ask(
                Request::get(format!("{permit}?auth_token={token}")),
                String::new(),
            )
            .await;
        assert_eq!(of_query["data"]["remain_count"], 100_000);
        let of_header = world
            .ask(
                Request::get(&permit).header("auth_token", &token),
                String::new(),
            )
            .await;
        assert_eq!(of_header["code"], 0);
        assert_eq!(
            world.ask(Request::get(&permit), String::new()).await["code"],
            29
        );
        let unicast = "/cn/server/v1/message/notification/unicast";
        assert_eq!(
            world.post(unicast, &[("auth_token", "x")]).await["code"],
            11
        );
        assert_eq!(
            world.post(unicast, &[("auth_token", &token)]).await["code"],
            40
        );
        // The other region has tokens of its own.
        let overseas = "/intl/server/v1/message/notification/unicast";
        assert_eq!(
            world.post(overseas, &[("auth_token", &token)]).await["code"],
            11
        );
        assert_eq!(
            world
                .ask(Request::get(world.url(unicast)), String::new())
                .await["code"],
            12
        );
        assert_eq!(world.post("/cn/server/v1/other", &[]).await, 404);
        world.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(
            world.post(unicast, &[("auth_token", &token)]).await["code"],
            11
        );
    });
}

/// Notifications that OPPO's pages forbid, each with the code and a word of the refusal.
#[test]
fn the_simulator_refuses_what_the_pages_forbid() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let long = |length: usize| "x".repeat(length);
        for (fields, code, word) in [
            (json!({ "title": "" }), 41, "title"),
            (json!({ "title": long(51) }), 41, "title"),
            (json!({ "content": long(51) }), 41, "content"),
            (json!({ "content": long(129), "style": 2 }), 41, "content"),
            (json!({ "sub_title": long(11) }), 41, "sub_title"),
            (json!({ "style": 3 }), 41, "style"),
            (json!({ "big_picture_id": "b" }), 51, "pictures"),
            (json!({ "click_action_type": 3 }), 41, "click_action_type"),
            (
                json!({ "click_action_type": 4 }),
                41,
                "click_action_activity",
            ),
            (
                json!({ "click_action_type": 4, "click_action_activity": long(501) }),
                41,
                "click_action_activity",
            ),
            (json!({ "click_action_type": 2 }), 41, "click_action_url"),
            (
                json!({ "click_action_type": 2, "click_action_url": "no url" }),
                41,
                "click_action_url",
            ),
            (
                json!({ "action_parameters": "[1]" }),
                41,
                "action_parameters",
            ),
            (
                json!({ "action_parameters": { "a": "b" } }),
                41,
                "action_parameters",
            ),
            (
                json!({ "action_parameters": format!("{{\"a\":\"{}\"}}", long(4000)) }),
                41,
                "action_parameters",
            ),
            (json!({ "call_back_url": long(201) }), 41, "call_back_url"),
            (
                json!({ "call_back_url": "gateway.example" }),
                41,
                "call_back_url",
            ),
            (
                json!({ "call_back_parameter": long(51) }),
                41,
                "call_back_parameter",
            ),
            (json!({ "category": "CHAT" }), 67, "category"),
            (json!({ "notify_level": 2 }), 67, "notify_level"),
            (
                json!({ "notify_level": 3, "category": "IM" }),
                67,
                "notify_level",
            ),
            (
                json!({ "notify_level": 16, "category": "MARKETING" }),
                67,
                "notify_level",
            ),
            (
                json!({ "badge_operation_type": 0 }),
                41,
                "badge_message_count",
            ),
            (
                json!({ "badge_message_count": 1 }),
                41,
                "badge_operation_type",
            ),
            (
                json!({ "show_ttl": 13 * 3600, "channel_id": "news" }),
                41,
                "show_ttl",
            ),
            (json!({ "show_time_type": 1 }), 41, "show_start_time"),
            (
                json!({ "private_msg_template_id": "x" }),
                41,
                "private_msg_template_id",
            ),
            (json!({ "channelId": "im" }), 41, "channelId"),
            (json!({ "off_line_ttl": "60" }), 41, "off_line_ttl"),
        ] {
            let answer = world.unicast(phone.token(), fields.clone()).await;
            assert_eq!(answer["code"], code, "{fields}: {answer}");
            let words = answer["message"].as_str().expect("text");
            assert!(words.contains(word), "{fields} is refused with {words}");
        }
        assert_eq!(phone.arrivals().len(), 0);
        // What is too long a life is shortened and not refused.
        let answer = world
            .unicast(phone.token(), json!({ "off_line_ttl": 99_999_999 }))
            .await;
        assert_eq!(answer["code"], 0, "{answer}");
        let long_content = with(Options::default().with_long_content(), &json!({})).await;
        let phone = long_content.simulator.install();
        let answer = long_content
            .unicast(phone.token(), json!({ "content": long(200) }))
            .await;
        assert_eq!(answer["code"], 0, "{answer}");
    });
}

#[test]
fn ids_of_another_form_or_region_are_refused() {
    block_on(async {
        let world = with(Options::default().with_any_token(), &json!({})).await;
        for (id, code) in [
            ("CN_8fa0618f178145d8c2a44091a1326411", 0),
            ("8fa0618f178145d8c2a44091a1326411", 0),
            ("US_8fa0618f178145d8c2a44091a1326411", 10_000),
            ("CN_8fa0618f178145d8c2a44091a132641", 10_000),
            ("", 10_000),
        ] {
            assert_eq!(world.unicast(id, json!({})).await["code"], code, "{id}");
        }
    });
}

#[test]
fn a_request_of_another_form_is_refused() {
    block_on(async {
        let world = world().await;
        let token = world.auth().await;
        let send = async |path: &str, key: &str, value: Value| {
            let path = format!("/cn/server/v1/message/notification/{path}");
            let text = value.to_string();
            world
                .post(&path, &[("auth_token", &token), (key, &text)])
                .await["code"]
                .clone()
        };
        let fine = json!({ "title": "A", "content": "B" });
        let message = |key: &str, value: Value| {
            let mut message =
                json!({ "target_type": 2, "target_value": "x", "notification": fine });
            message[key] = value;
            message
        };
        assert_eq!(
            send("unicast", "message", message("target_type", json!(6))).await,
            41
        );
        assert_eq!(
            send("unicast", "message", message("target_value", json!(7))).await,
            40
        );
        assert_eq!(
            send("unicast", "message", message("notification", json!(null))).await,
            40
        );
        assert_eq!(
            send(
                "unicast",
                "message",
                message("verify_registration_id", json!(1))
            )
            .await,
            41
        );
        assert_eq!(
            send("unicast", "message", message("targetType", json!(2))).await,
            41
        );
        assert_eq!(send("unicast", "message", json!([])).await, 41);
        assert_eq!(send("unicast_batch", "messages", json!([])).await, 41);
        assert_eq!(send("unicast_batch", "messages", json!([7])).await, 41);
        let many = vec![message("target_type", json!(2)); 1001];
        assert_eq!(send("unicast_batch", "messages", many.into()).await, 41);
        assert_eq!(send("save_message_content", "title", json!("A")).await, 41);
        assert_eq!(send("broadcast", "message_id", json!("none")).await, 31);
    });
}

/// A saved message has flat fields, and its ids are separated by semicolons.
#[test]
fn a_saved_message_is_sent_to_at_most_a_thousand_ids() {
    block_on(async {
        let world = world().await;
        let token = world.auth().await;
        let phone = world.simulator.install();
        let notification = "/cn/server/v1/message/notification";
        let saved = [
            ("auth_token", token.as_str()),
            ("title", "42"),
            ("content", "true"),
            ("notify_id", "7"),
            ("off_line", "false"),
        ];
        let saved = world
            .post(&format!("{notification}/save_message_content"), &saved)
            .await;
        let id = saved["data"]["message_id"].as_str().expect("an id");
        assert_eq!(id.len(), 24);
        let broadcast = async |kind: &str, ids: &str| {
            let fields = [
                ("auth_token", token.as_str()),
                ("message_id", id),
                ("target_type", kind),
                ("target_value", ids),
            ];
            world
                .post(&format!("{notification}/broadcast"), &fields)
                .await
        };
        assert_eq!(broadcast("1", "").await["code"], 41);
        assert_eq!(broadcast("2", "").await["code"], 41);
        assert_eq!(broadcast("2", &"x;".repeat(1001)).await["code"], 41);
        let answer = broadcast("2", &format!("{};gone", phone.token())).await;
        assert_eq!(answer["data"]["10000"], json!(["gone"]), "{answer}");
        assert_eq!(answer["data"]["message_id"], id);
        let arrival = &phone.arrivals()[0];
        assert_eq!((arrival.title(), arrival.body()), ("42", "true"));
        assert_eq!(*arrival.field("notify_id"), json!(7));
    });
}

/// Dead ids can be fetched once.
#[test]
fn the_list_of_dead_ids_empties() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        phone.uninstall_unnoticed();
        assert_eq!(world.unicast(phone.token(), json!({})).await["code"], 0);
        assert!(phone.last_message().is_some());
        let token = world.auth().await;
        let url = world.url("/feedback/server/v1/feedback/fetch_invalid_regidList");
        let fetch = async || {
            let answer = world
                .ask(
                    Request::get(format!("{url}?auth_token={token}")),
                    String::new(),
                )
                .await;
            let data: Map<String, Value> =
                serde_json::from_value(answer["data"].clone()).expect("an object");
            data["registration_ids"].clone()
        };
        assert_eq!(fetch().await, json!([phone.token()]));
        assert_eq!(fetch().await, json!([]));
    });
}
