//! The simulator is as strict as Huawei documents its services to be.
use std::sync::Arc;

use http::Request;
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_huawei::simulator::{App, Options, Phone, Simulator};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Value},
};

struct Scene {
    huawei: Simulator,
    client: Client,
}

impl Scene {
    async fn new() -> Self {
        let clock = sample::clock();
        let other = App::default().with_id("200000002");
        let options = Options::default()
            .with_clock(Arc::new(clock.clone()))
            .with_apps(vec![App::default(), other]);
        let huawei = Simulator::start(options)
            .await
            .expect("loopback can be bound");
        let mut config = HttpConfig::default();
        config.extra_ca_pem = Some(huawei.ca_pem());
        let client = Client::new(config, Arc::new(clock)).expect("a client");
        Self { huawei, client }
    }

    async fn post(&self, url: String, headers: &[(&str, &str)], body: String) -> (u16, Value) {
        let mut request = Request::post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let json = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), json)
    }

    async fn grant(&self, form: &str) -> (u16, Value) {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let url = self.huawei.token_endpoint();
        self.post(url, &kind, form.to_owned()).await
    }

    async fn access(&self, app: &str) -> String {
        let secret = App::default().secret;
        let form = format!(
            "grant_type=client_credentials&client_id={app}&client_secret={}",
            secret.expose()
        );
        let (_, granted) = self.grant(&form).await;
        granted["access_token"].as_str().expect("access").to_owned()
    }

    /// The status and the code of a push with this `authorization`.
    async fn push(&self, authorization: &str, body: &Value) -> (u16, String) {
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/json"),
        ];
        let url = format!("{}/v1/100000001/messages:send", self.huawei.endpoint());
        let (status, json) = self.post(url, &headers, body.to_string()).await;
        (status, json["code"].as_str().unwrap_or_default().to_owned())
    }
}

fn message(phone: &Phone) -> Value {
    json!({"message": {
        "token": [phone.token()],
        "data": "common",
        "android": {"notification": {"title": "a", "body": "b", "click_action": {"type": 3}}},
    }})
}

#[test]
fn the_token_service_names_what_is_wrong_by_its_sub_error() {
    block_on(async {
        let scene = Scene::new().await;
        let good = "grant_type=client_credentials&client_id=100000001&client_secret=";
        for (form, sub) in [
            (good.to_owned(), 12304),
            (good.replace("100000001", "999"), 12304),
            (good.replace("100000001", "abc"), 20002),
            (good.replace("client_credentials", "password"), 20182),
        ] {
            let (status, json) = scene.grant(&form).await;
            assert_eq!((status, &json["error"]), (400, &json!(1101)), "{form}");
            assert_eq!(json["sub_error"], sub, "{form}");
        }
    });
}

#[test]
fn access_that_is_missing_damaged_or_of_another_app_has_its_own_code() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.huawei.install();
        let own = scene.access("100000001").await;
        let other = scene.access("200000002").await;
        for (authorization, code) in [
            (format!("Bearer {own}"), "80000000"),
            (format!("bearer {own}"), "80000000"),
            (String::new(), "80200001"),
            (format!("Bearer {}", &own[1..]), "80200003"),
            (format!("Bearer {other}"), "80300002"),
        ] {
            let (_, answer) = scene.push(&authorization, &message(&phone)).await;
            assert_eq!(answer, code);
        }
        scene.huawei.expire_access_tokens();
        let (status, code) = scene.push(&format!("Bearer {own}"), &message(&phone)).await;
        assert_eq!((status, code.as_str()), (401, "80200003"));
    });
}

fn shown(body: &mut Value) -> &mut Value {
    &mut body["message"]["android"]["notification"]
}

#[test]
fn every_message_that_breaks_a_rule_is_refused_with_its_code() {
    type Change = fn(&mut Value);
    let table: &[(&str, Change)] = &[
        ("80000000", |_| {}),
        ("80300010", |body| body["message"]["token"] = json!([])),
        ("80300010", |body| {
            drop(body["message"].as_object_mut().unwrap().remove("token"))
        }),
        ("80300010", |body| *body = json!({"mesage": {}})),
        ("80300010", |body| {
            body["message"]["token"] = json!(vec!["t"; 1001])
        }),
        ("80100001", |body| body["message"]["token"] = json!([1])),
        ("80300008", |body| {
            body["message"]["data"] = json!("x".repeat(4096))
        }),
        ("80000000", |body| {
            body["message"]["android"]["ttl"] = json!("1000")
        }),
        ("80000000", |body| {
            body["message"]["android"]["ttl"] = json!("1296000s")
        }),
        ("80100001", |body| {
            body["message"]["android"]["ttl"] = json!("1296001s")
        }),
        ("80100001", |body| {
            body["message"]["android"]["ttl"] = json!("24h0m0s")
        }),
        ("80100004", |body| {
            body["message"]["android"]["ttl"] = json!("0s")
        }),
        ("80100003", |body| {
            body["message"]["android"]["notification"]["style"] = json!(1);
        }),
        ("80100003", |body| {
            body["message"]["android"]["notification"]["color"] = json!("red");
        }),
        ("80100003", |body| {
            body["message"]["android"]["notification"]["profile_id"] = json!("x".repeat(65));
        }),
        ("80100003", |body| {
            body["message"]["android"]["notification"]["vibrate_config"] = json!(vec!["1"; 11]);
        }),
        ("80100003", |body| {
            body["message"]["android"]["notification"]["buttons"] = json!([{}, {}, {}, {}]);
        }),
        ("80100003", |body| {
            body["message"]["android"]["notification"]["click_action"] = json!({"type": 4});
        }),
        ("80100013", |body| {
            body["message"]["android"]["collapse_key"] = json!(101)
        }),
        ("80100003", |body| {
            shown(body)["visibility"] = json!("HIDDEN")
        }),
        ("80100003", |body| {
            shown(body)["vibrate_config"] = json!(["60s"])
        }),
        ("80100003", |body| shown(body)["style"] = json!(3)),
        ("80000000", |body| {
            shown(body)["style"] = json!(3);
            shown(body)["inbox_content"] = json!(["a"]);
        }),
        ("80100003", |body| shown(body)["inbox_content"] = json!([1])),
        ("80100003", |body| {
            shown(body)["badge"] = json!({"class": "a.b"})
        }),
        ("80100003", |body| {
            shown(body)["buttons"] = json!([{"name": "Open"}])
        }),
        ("80100003", |body| {
            shown(body)["buttons"] = json!([{"name": "Open", "action_type": 1}])
        }),
        ("80000000", |body| {
            shown(body)["buttons"] = json!([{"name": "Open", "action_type": 0}])
        }),
        ("80100003", |body| {
            shown(body)["buttons"] = json!([{"name": "", "action_type": 0}])
        }),
        ("80100003", |body| {
            shown(body)["light_settings"] = json!({"color": {"red": 1}})
        }),
        ("80100003", |body| {
            shown(body)["light_settings"] = json!({
                "color": {"red": 255}, "light_on_duration": "1s", "light_off_duration": "1s",
            })
        }),
        ("80000000", |body| {
            shown(body)["light_settings"] = json!({
                "color": {"red": 1}, "light_on_duration": "1s", "light_off_duration": "1s",
            })
        }),
        ("80100003", |body| {
            shown(body)["multi_lang_key"] = json!("x")
        }),
        ("80100003", |body| {
            shown(body)["title_loc_args"] = json!("x")
        }),
        ("80100003", |body| shown(body)["auto_clear"] = json!(-1)),
        ("80100003", |body| body["message"]["apns"] = json!("x")),
        ("80100003", |body| {
            body["message"]["notification"] = json!({"sound": "x"})
        }),
        ("80100003", |body| body["review"] = json!("x")),
    ];
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.huawei.install();
        let access = format!("Bearer {}", scene.access("100000001").await);
        for (number, (code, change)) in table.iter().enumerate() {
            let mut body = message(&phone);
            change(&mut body);
            let (_, answer) = scene.push(&access, &body).await;
            assert_eq!(answer, *code, "row {number}");
        }
    });
}

#[test]
fn texts_and_data_for_android_replace_those_for_all() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.huawei.install();
        let access = format!("Bearer {}", scene.access("100000001").await);
        let mut body = message(&phone);
        body["message"]["notification"] = json!({"title": "common", "body": "common"});
        let notification = &mut body["message"]["android"]["notification"];
        drop(notification.as_object_mut().unwrap().remove("title"));
        assert_eq!(scene.push(&access, &body).await.1, "80000000");
        body["message"]["android"]["data"] = json!("own");
        assert_eq!(scene.push(&access, &body).await.1, "80000000");
        let [first, second] = &phone.arrivals()[..] else {
            panic!("two arrivals");
        };
        assert_eq!((&*first.title, &*first.body), ("common", "b"));
        assert_eq!((&*first.data, &*second.data), ("common", "own"));
    });
}

#[test]
fn an_outcome_scripted_for_a_token_answers_the_requests_that_hold_it() {
    block_on(async {
        let scene = Scene::new().await;
        let (one, other) = (scene.huawei.install(), scene.huawei.install());
        let access = format!("Bearer {}", scene.access("100000001").await);
        let busy = Reply::new(503);
        scene.huawei.faults().times(one.token(), 1, busy);
        assert_eq!(scene.push(&access, &message(&other)).await.0, 200);
        assert_eq!(scene.push(&access, &message(&one)).await.0, 503);
        assert_eq!(scene.push(&access, &message(&one)).await.0, 200);
        // What is scripted for the next request is not spent on the token service.
        scene.huawei.faults().next(Reply::new(500));
        scene.access("100000001").await;
        assert_eq!(scene.push(&access, &message(&one)).await.0, 500);
    });
}
