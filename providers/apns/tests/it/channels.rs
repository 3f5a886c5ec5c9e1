//! Broadcast channels: their management, and who hears what.
use bytes::Bytes;
use http::Request;
use push_core::Environment;
use push_http::{Client, HttpClient};
use push_provider_apns::simulator::{CertificateRequest, Phone, Simulator};
use push_testkit::{block_on, json, sample};
use serde_json::Value;

use crate::support::{
    Apple, TOPIC, bearer, client, client_with_certificate, payload_of, reason, set,
};

fn manage(apple: &Apple, method: &str, what: &str, channel: Option<&str>) -> Request<Bytes> {
    let url = apple.service.channels_endpoint(Environment::Production);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{url}/1/apps/{TOPIC}/{what}"))
        .header("authorization", bearer(1));
    if let Some(channel) = channel {
        request = request.header("apns-channel-id", channel);
    }
    request.body(Bytes::new()).expect("a request")
}

fn broadcast(apple: &Apple, channel: &str) -> Request<Bytes> {
    let url = apple.service.endpoint(Environment::Production);
    Request::post(format!("{url}/4/broadcasts/apps/{TOPIC}"))
        .header("authorization", bearer(1))
        .header("apns-channel-id", channel)
        .header("apns-push-type", "liveactivity")
        .header("apns-expiration", "0")
        .header("apns-priority", "10")
        .body(Bytes::from_static(
            br#"{"aps":{"timestamp":1700000000,"event":"update","content-state":{"goals":1}}}"#,
        ))
        .expect("a request")
}

async fn create(apple: &Apple, client: &Client, policy: u8) -> String {
    let mut request = manage(apple, "POST", "channels", None);
    *request.body_mut() = json!({ "message-storage-policy": policy, "push-type": "LiveActivity" })
        .to_string()
        .into();
    let response = client.send(request).await.expect("an answer");
    assert_eq!(response.status(), 201);
    assert!(response.body().is_empty());
    assert!(response.headers().contains_key("apns-request-id"));
    let id = response.headers()["apns-channel-id"].to_str();
    id.expect("an id").to_owned()
}

#[test]
fn channels_are_created_read_listed_and_deleted() {
    block_on(async {
        let apple = Apple::start().await;
        let client = client(&apple);
        let mut ids = [
            create(&apple, &client, 0).await,
            create(&apple, &client, 1).await,
        ];
        let read = manage(&apple, "GET", "channels", Some(&ids[1]));
        let response = client.send(read).await.unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            body,
            json!({ "message-storage-policy": 1, "push-type": "LiveActivity" })
        );
        let list = client
            .send(manage(&apple, "GET", "all-channels", None))
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(list.body()).unwrap();
        let gone = ids[0].clone();
        ids.sort();
        assert_eq!(body, json!({ "channels": ids }));

        let delete = manage(&apple, "DELETE", "channels", Some(&gone));
        assert_eq!(client.send(delete.clone()).await.unwrap().status(), 204);
        for (request, status, word) in [
            (delete, 400, "ChannelNotRegistered"),
            (
                manage(&apple, "GET", "channels", None),
                400,
                "MissingChannelId",
            ),
            (
                manage(&apple, "GET", "channels", Some("!")),
                400,
                "BadChannelId",
            ),
            (
                manage(&apple, "POST", "channels", None),
                400,
                "PayloadEmpty",
            ),
            (
                manage(&apple, "PUT", "channels", None),
                405,
                "MethodNotAllowed",
            ),
            (manage(&apple, "GET", "chanels", None), 404, "BadPath"),
        ] {
            let response = client.send(request).await.unwrap();
            assert_eq!(reason(&response), (status, word.to_owned()));
        }
        let mut unauthenticated = manage(&apple, "GET", "all-channels", None);
        unauthenticated.headers_mut().remove("authorization");
        let response = client.send(unauthenticated).await.unwrap();
        assert_eq!(reason(&response), (403, "MissingProviderToken".to_owned()));
    });
}

#[test]
fn a_certificate_manages_the_channels_of_its_own_app() {
    block_on(async {
        let apple = Apple::start().await;
        for (app, status, word) in [
            (TOPIC, 200, ""),
            ("com.example.other", 403, "TopicMismatch"),
        ] {
            let wanted = CertificateRequest::new(app, &[Environment::Production]);
            let client = client_with_certificate(&apple, &wanted);
            let mut list = manage(&apple, "GET", "all-channels", None);
            list.headers_mut().remove("authorization");
            let response = client.send(list).await.unwrap();
            assert_eq!(reason(&response), (status, word.to_owned()), "{app}");
        }
    });
}

#[test]
fn a_broadcast_reaches_everybody_who_listens() {
    block_on(async {
        let apple = Apple::start().await;
        let client = client(&apple);
        let fleeting = create(&apple, &client, 0).await;
        let kept = create(&apple, &client, 1).await;
        let phones = [(); 3].map(|()| apple.service.install(TOPIC, Environment::Production));
        phones[0].listen_to(&fleeting);
        phones[1].listen_to(&fleeting);
        let mut request = broadcast(&apple, &fleeting);
        // Apple's table has no topic here; a client in use sends one.
        set(&mut request, "apns-topic", TOPIC);
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("apns-request-id"));
        let arrived: Vec<_> = phones.iter().map(Phone::arrived).collect();
        assert_eq!(arrived, [1, 1, 0]);
        assert_eq!(
            phones[0].arrivals()[0].payload["aps"]["content-state"]["goals"],
            1
        );

        // A channel that keeps its last message gives it to who comes later.
        let later = (sample::NOW.unix_seconds() + 3600).to_string();
        let mut request = broadcast(&apple, &kept);
        set(&mut request, "apns-expiration", &later);
        assert_eq!(client.send(request).await.unwrap().status(), 200);
        phones[2].listen_to(&kept);
        assert_eq!(phones[2].arrived(), 1);
    });
}

#[test]
fn a_broadcast_that_breaks_a_rule_is_refused_with_its_reason() {
    type Change = fn(&mut Request<Bytes>, &Simulator);
    let table: &[(u16, &str, Change)] = &[
        (400, "MissingChannelId", |it, _| {
            drop(it.headers_mut().remove("apns-channel-id"))
        }),
        (400, "BadChannelId", |it, _| set(it, "apns-channel-id", "!")),
        (400, "ChannelNotRegistered", |it, _| {
            set(it, "apns-channel-id", "dHN0LXNyY2gtY2hubA==")
        }),
        (400, "MissingPushType", |it, _| {
            drop(it.headers_mut().remove("apns-push-type"))
        }),
        (400, "InvalidPushType", |it, _| {
            set(it, "apns-push-type", "alert")
        }),
        (400, "BadPriority", |it, _| set(it, "apns-priority", "3")),
        (400, "BadExpirationDate", |it, _| {
            drop(it.headers_mut().remove("apns-expiration"))
        }),
        // This channel keeps nothing.
        (400, "BadExpirationDate", |it, _| {
            set(it, "apns-expiration", "1700009999")
        }),
        (400, "BadMessageId", |it, _| set(it, "apns-request-id", "1")),
        (400, "PayloadEmpty", |it, _| *it.body_mut() = Bytes::new()),
        (413, "PayloadTooLarge", |it, _| {
            *it.body_mut() = payload_of(5121)
        }),
        (400, "BadRequestPayload", |it, _| {
            *it.body_mut() = Bytes::from_static(br#"{"aps":{"timestamp":1,"event":"start"}}"#);
        }),
        (400, "TopicDisallowed", |it, apple| {
            let url = apple.endpoint(Environment::Production);
            let url = format!("{url}/4/broadcasts/apps/{TOPIC}.voip");
            *it.uri_mut() = url.parse().expect("a URL");
        }),
        (405, "MethodNotAllowed", |it, _| {
            *it.method_mut() = http::Method::GET
        }),
        (403, "MissingProviderToken", |it, _| {
            drop(it.headers_mut().remove("authorization"))
        }),
    ];
    block_on(async {
        let apple = Apple::start().await;
        let client = client(&apple);
        let channel = create(&apple, &client, 0).await;
        for (number, (status, word, change)) in table.iter().enumerate() {
            let mut request = broadcast(&apple, &channel);
            change(&mut request, &apple.service);
            let response = client.send(request).await.unwrap();
            assert_eq!(
                reason(&response),
                (*status, (*word).to_owned()),
                "row {number}"
            );
        }
    });
}
