//! What the simulator takes and refuses from any client.
use super::*;

/// Messages that Honor's guide forbids, each with the field that the refusal names.
#[test]
fn the_simulator_refuses_what_the_guide_forbids() {
    let shown = |fields: Value| {
        let mut message = json!({ "android": { "notification": {
            "title": "A", "body": "B", "importance": "NORMAL", "clickAction": { "type": 3 },
        }}});
        for (key, value) in fields.as_object().expect("an object") {
            message["android"]["notification"][key] = value.clone();
        }
        message
    };
    let button = json!({ "name": "n", "actionType": 0 });
    for (message, word) in [
        (json!({}), "data"),
        (json!({ "unknown": 1 }), "unknown"),
        (shown(json!({ "title": "" })), "title"),
        (shown(json!({ "clickAction": null })), "clickAction"),
        (shown(json!({ "clickAction": { "type": 2 } })), "url"),
        (shown(json!({ "clickAction": { "type": 1 } })), "intent"),
        (
            shown(json!({ "clickAction": { "type": 1, "intent": "im/chat" } })),
            "intent",
        ),
        (
            shown(json!({ "badge": { "addNum": 100, "badgeClass": "a.b" } })),
            "addNum",
        ),
        (shown(json!({ "badge": { "addNum": 1 } })), "badgeClass"),
        (shown(json!({ "badge": { "badgeClass": "a.b" } })), "setNum"),
        (shown(json!({ "style": 1 })), "bigTitle"),
        (
            shown(json!({ "style": 1, "bigTitle": "x", "bigBody": "B" })),
            "equal",
        ),
        (shown(json!({ "image": "http://x.example/1.png" })), "image"),
        (
            shown(json!({ "image": "https://x.example/1.png", "importance": "LOW" })),
            "image",
        ),
        (
            shown(json!({ "buttons": [button, button, button, button] })),
            "buttons",
        ),
        (
            shown(json!({ "buttons": [{ "name": "n", "actionType": 1 }] })),
            "intentType",
        ),
        (shown(json!({ "title": "x".repeat(4096) })), "4096"),
        (
            json!({ "data": "x", "android": { "ttl": "1296001s" } }),
            "ttl",
        ),
        (json!({ "data": "x", "token": vec!["t"; 1001] }), "token"),
    ] {
        block_on(async {
            let world = world().await;
            let (status, answer) = raw(&world, message.clone()).await;
            assert_eq!((status, &answer["code"]), (400, &json!(400)), "{message}");
            let said = answer["message"].as_str().expect("text");
            assert!(said.contains(word), "{message} is refused with {said}");
        });
    }
}

#[test]
fn the_data_of_android_goes_before_the_outer_data() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let message = json!({
            "token": [phone.token()],
            "data": r#"{"ext":"a"}"#,
            "android": { "data": r#"{"ext":"b"}"# },
        });
        let (status, answer) = raw(&world, message).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(phone.arrivals()[0].extra("ext"), Some("b"));
        let text = json!({ "token": [phone.token()], "data": "any text" });
        assert_eq!(raw(&world, text).await.0, 200);
        assert_eq!(phone.arrivals()[1].data(), Some("any text"));
    });
}

#[test]
fn an_activity_reads_the_query_and_the_extras_of_its_intent() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install();
        let intent = "intent://im/chat?from=a%20push#Intent;scheme=push;S.ext=42;end";
        let message = json!({
            "token": [phone.token()],
            "android": { "notification": {
                "title": "A", "body": "B", "importance": "NORMAL",
                "clickAction": { "type": 1, "intent": intent },
            }},
        });
        assert_eq!(raw(&world, message).await.0, 200);
        let arrival = &phone.arrivals()[0];
        assert_eq!(arrival.extra("from"), Some("a push"));
        assert_eq!(arrival.extra("ext"), Some("42"));
    });
}

/// Sends `message`, to some token unless it names others, as a client of its own would.
async fn raw(world: &World, mut message: Value) -> (u16, Value) {
    if message["token"].is_null() {
        message["token"] = json!(["t"]);
    }
    let config = world.simulator.config();
    let http = serde_json::from_value(config["http"].clone()).expect("settings of a client");
    let client = Client::new(http, world.clock()).expect("a client");
    let ask = async |request: http::request::Builder, body: String| {
        let request = request.body(Bytes::from(body)).expect("a request");
        let answer = push_http::HttpClient::send(&client, request)
            .await
            .expect("an answer");
        let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
        (answer.status().as_u16(), json)
    };
    let text = |key: &str| config[key].as_str().expect("text").to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("client_id"),
        text("client_secret")
    );
    let (_, granted) = ask(Request::post(text("token_endpoint")), form).await;
    let access = granted["access_token"].as_str().expect("a grant");
    let send = Request::post(format!(
        "{}/{}/sendMessage",
        text("endpoint"),
        text("app_id")
    ))
    .header("authorization", format!("Bearer {access}"))
    .header("timestamp", "1700000000000");
    ask(send, message.to_string()).await
}
