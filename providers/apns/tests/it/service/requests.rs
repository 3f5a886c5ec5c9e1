//! Every check of one request.
use super::{PAYLOAD, good, to};
use crate::support::{Apple, TOPIC, bearer, client, payload_of, reason, set};
use bytes::Bytes;
use http::{HeaderValue, Request};
use push_core::Environment;
use push_http::HttpClient;
use push_provider_apns::PushType;
use push_testkit::{block_on, json};

#[test]
fn every_request_that_breaks_a_rule_is_refused_with_its_reason() {
    type Change = fn(&mut Request<Bytes>, &Apple);
    let table: &[(u16, &str, Change)] = &[
        (200, "", |_, _| {}),
        (200, "", |it, _| drop(it.headers_mut().remove("apns-id"))),
        (200, "", |it, _| {
            drop(it.headers_mut().remove("apns-push-type"))
        }),
        (400, "DuplicateHeaders", |it, _| {
            it.headers_mut()
                .append("apns-priority", HeaderValue::from_static("10"));
            it.headers_mut()
                .append("apns-priority", HeaderValue::from_static("10"));
        }),
        (400, "BadMessageId", |it, _| {
            set(it, "apns-id", "eabeae5414a811e5b60b1697f925ec7b")
        }),
        (400, "BadMessageId", |it, _| set(it, "apns-id", "1")),
        (405, "MethodNotAllowed", |it, _| {
            *it.method_mut() = http::Method::GET
        }),
        (404, "BadPath", |it, apple| to(it, apple, "/2/device/00")),
        (404, "BadPath", |it, apple| to(it, apple, "/3/devices/00")),
        (404, "BadPath", |it, _| {
            let url = format!("{}?a=1", it.uri());
            *it.uri_mut() = url.parse().expect("a URL");
        }),
        (400, "MissingDeviceToken", |it, apple| {
            to(it, apple, "/3/device/")
        }),
        (400, "BadDeviceToken", |it, apple| {
            to(it, apple, "/3/device/xyz")
        }),
        (400, "BadDeviceToken", |it, apple| {
            to(it, apple, "/3/device/abcd")
        }),
        (400, "MissingTopic", |it, _| {
            drop(it.headers_mut().remove("apns-topic"))
        }),
        (400, "BadTopic", |it, _| {
            set(it, "apns-topic", "com example")
        }),
        (400, "BadTopic", |it, _| {
            set(it, "apns-topic", "com.example.chat.voip")
        }),
        (400, "DeviceTokenNotForTopic", |it, _| {
            set(it, "apns-topic", "com.example.other")
        }),
        (200, "", |it, _| {
            set(it, "apns-collapse-id", &"a".repeat(64))
        }),
        (400, "BadCollapseId", |it, _| {
            set(it, "apns-collapse-id", &"a".repeat(65))
        }),
        (200, "", |it, _| {
            set(it, "apns-collapse-id", &"中".repeat(21))
        }),
        (400, "BadCollapseId", |it, _| {
            set(it, "apns-collapse-id", &"中".repeat(22))
        }),
        (200, "", |it, _| set(it, "apns-expiration", "0")),
        (400, "BadExpirationDate", |it, _| {
            set(it, "apns-expiration", "-1")
        }),
        (400, "BadExpirationDate", |it, _| {
            set(it, "apns-expiration", "soon")
        }),
        (400, "BadExpirationDate", |it, _| {
            set(it, "apns-expiration", "+5")
        }),
        (400, "BadExpirationDate", |it, _| {
            set(it, "apns-expiration", "1700000000.5")
        }),
        (400, "DuplicateHeaders", |it, _| {
            for _ in 0..2 {
                let json = HeaderValue::from_static("application/json");
                it.headers_mut().append("content-type", json);
            }
        }),
        (200, "", |it, _| set(it, "apns-priority", "1")),
        (400, "BadPriority", |it, _| set(it, "apns-priority", "7")),
        (400, "InvalidPushType", |it, _| {
            set(it, "apns-push-type", "shout")
        }),
        (400, "BadPriority", |it, _| {
            set(it, "apns-push-type", "background");
            set(it, "apns-priority", "10");
        }),
        (400, "BadPriority", |it, _| {
            set(it, "apns-push-type", "background");
            *it.body_mut() = Bytes::from_static(br#"{"aps":{"content-available":1}}"#);
        }),
        (200, "", |it, _| {
            set(it, "apns-push-type", "background");
            set(it, "apns-priority", "5");
            *it.body_mut() = Bytes::from_static(br#"{"aps":{"content-available":1}}"#);
        }),
        (400, "BadRequestPayload", |it, _| {
            set(it, "apns-push-type", "background");
            set(it, "apns-priority", "5");
        }),
        (400, "BadRequestPayload", |it, _| {
            *it.body_mut() = Bytes::from_static(br#"{"title":"hi"}"#)
        }),
        (400, "PayloadEmpty", |it, _| *it.body_mut() = Bytes::new()),
        (400, "BadRequestPayload", |it, _| {
            *it.body_mut() = Bytes::from_static(b"[1]")
        }),
        (400, "BadRequestPayload", |it, _| {
            *it.body_mut() = Bytes::from_static(b"nonsense")
        }),
        (200, "", |it, _| *it.body_mut() = payload_of(4096)),
        (413, "PayloadTooLarge", |it, _| {
            *it.body_mut() = payload_of(4097)
        }),
        (413, "PayloadTooLarge", |it, _| {
            *it.body_mut() = payload_of(100_000)
        }),
        (403, "MissingProviderToken", |it, _| {
            drop(it.headers_mut().remove("authorization"))
        }),
        (403, "InvalidProviderToken", |it, _| {
            set(it, "authorization", "bearer a.b.c")
        }),
        (403, "InvalidProviderToken", |it, _| {
            set(it, "authorization", "basic abc")
        }),
        (403, "InvalidProviderToken", |it, _| {
            let header = bearer(1);
            let (rest, _) = header.split_at(header.len() - 4);
            set(it, "authorization", &format!("{rest}AAAA"));
        }),
    ];
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        for (number, (status, word, change)) in table.iter().enumerate() {
            let mut request = good(&apple, &phone);
            change(&mut request, &apple);
            let response = client.send(request).await.unwrap();
            assert_eq!(
                reason(&response),
                (*status, (*word).to_owned()),
                "row {number}"
            );
            if *status == 200 {
                assert!(response.headers().contains_key("apns-id"));
                assert!(!response.headers().contains_key("apns-unique-id"));
                assert!(response.body().is_empty());
            }
        }
    });
}

#[test]
fn a_call_may_be_larger_than_an_alert() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        for (bytes, status) in [(5120, 200), (5121, 413)] {
            let mut request = good(&apple, &phone);
            to(
                &mut request,
                &apple,
                &format!("/3/device/{}", phone.token_for(PushType::Voip)),
            );
            set(&mut request, "apns-push-type", "voip");
            set(&mut request, "apns-topic", &format!("{TOPIC}.voip"));
            *request.body_mut() = payload_of(bytes);
            assert_eq!(client.send(request).await.unwrap().status(), status);
        }
    });
}

/// Sends `payload` to the phone's token for `push_type`, without an `apns-push-type` if `named` is false.
async fn of_kind(apple: &Apple, push_type: PushType, payload: &str, named: bool) -> (u16, String) {
    let phone = apple.service.install(TOPIC, Environment::Production);
    let mut request = good(apple, &phone);
    let path = format!("/3/device/{}", phone.token_for(push_type));
    to(&mut request, apple, &path);
    let topic = format!("{TOPIC}{}", push_type.topic_suffix());
    set(&mut request, "apns-topic", &topic);
    if named {
        set(&mut request, "apns-push-type", push_type.as_str());
    } else {
        request.headers_mut().remove("apns-push-type");
    }
    *request.body_mut() = Bytes::from(payload.to_owned());
    let response = client(apple).send(request).await.expect("an answer");
    if response.status() == 200 {
        assert_eq!(phone.arrivals()[0].push_type, push_type);
    }
    reason(&response)
}

#[test]
fn a_push_without_a_type_is_of_the_kind_that_its_topic_names() {
    block_on(async {
        let apple = Apple::start().await;
        let ok = (200, String::new());
        let voip = of_kind(&apple, PushType::Voip, PAYLOAD, false).await;
        assert_eq!(voip, ok);
        let talk = of_kind(&apple, PushType::PushToTalk, PAYLOAD, false).await;
        assert_eq!(talk, ok);
    });
}

/// PushKit and the other extensions read the whole payload themselves.
#[test]
fn a_payload_that_the_app_itself_reads_needs_no_aps() {
    block_on(async {
        let apple = Apple::start().await;
        let ok = (200, String::new());
        for push_type in [
            PushType::Voip,
            PushType::Complication,
            PushType::FileProvider,
            PushType::Location,
            PushType::PushToTalk,
        ] {
            for named in [true, false] {
                let answer = of_kind(&apple, push_type, r#"{"call":"42"}"#, named).await;
                assert_eq!(answer, ok, "{push_type:?} {named}");
            }
            let answer = of_kind(&apple, push_type, "[]", true).await;
            assert_eq!(answer, (400, "BadRequestPayload".to_owned()));
        }
    });
}

#[test]
fn widgets_and_controls_are_notified_that_their_content_changed() {
    block_on(async {
        let apple = Apple::start().await;
        for push_type in [PushType::Widgets, PushType::Controls] {
            for changed in ["true", "1"] {
                let payload = format!(r#"{{"aps":{{"content-changed":{changed}}}}}"#);
                let good = of_kind(&apple, push_type, &payload, true).await;
                assert_eq!(good, (200, String::new()), "{payload}");
            }
            for payload in [
                r#"{"aps":{"content-changed":false}}"#,
                r#"{"aps":{}}"#,
                PAYLOAD,
            ] {
                let bad = of_kind(&apple, push_type, payload, true).await;
                assert_eq!(bad, (400, "BadRequestPayload".to_owned()), "{payload}");
            }
        }
    });
}

#[test]
fn a_live_activity_starts_with_what_apple_asks_for_and_one_way_to_update_it() {
    block_on(async {
        let apple = Apple::start().await;
        let start = json!({ "timestamp": 1, "event": "start", "alert": {"title": "a"}, "attributes-type": "T", "attributes": {} });
        for (more, status) in [
            (json!({}), 200),
            (json!({ "input-push-token": 1 }), 200),
            (
                json!({ "input-push-channel": "c", "input-push-token": 1 }),
                400,
            ),
            (json!({ "attributes-type": null }), 400),
        ] {
            let mut aps = start.clone();
            for (key, value) in more.as_object().unwrap() {
                aps[key] = value.clone();
            }
            let payload = json!({ "aps": aps }).to_string();
            let answer = of_kind(&apple, PushType::LiveActivity, &payload, true).await;
            assert_eq!(answer.0, status, "{payload}");
        }
    });
}
