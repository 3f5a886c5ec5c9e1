//! The service itself, asked by a plain HTTP client: every check, every rule of connections, the channels.

use std::{sync::Arc, time::Duration};

use crate::support::{
    Apple, KEY_ID, TEAM_ID, TOPIC, bearer, client, client_with, payload_of, reason, set, vector,
};
use bytes::Bytes;
use http::{HeaderValue, Request};
use push_core::{Environment, Secret, Timestamp};
use push_http::{Client, ClientCertificate, HttpClient, HttpConfig, Processed, Protocols};
use push_provider_apns::{
    PushType,
    simulator::{CertificateRequest, Options, Outcome, Phone},
};
use push_testkit::{block_on, fixtures, json, sample, until};
use serde_json::Value;

const PAYLOAD: &str = r#"{"aps":{"alert":"hi"}}"#;

/// A request that is right in every way.
fn good(apple: &Apple, phone: &Phone) -> Request<Bytes> {
    Request::post(format!(
        "{}/3/device/{}",
        apple.service.endpoint(phone.environment()),
        phone.token()
    ))
    .header("authorization", bearer(1))
    .header("apns-topic", TOPIC)
    .header("apns-push-type", "alert")
    .header("apns-id", "eabeae54-14a8-11e5-b60b-1697f925ec7b")
    .body(Bytes::from_static(PAYLOAD.as_bytes()))
    .expect("a request")
}

fn to(request: &mut Request<Bytes>, apple: &Apple, path: &str) {
    let url = format!("{}{path}", apple.service.endpoint(Environment::Production));
    *request.uri_mut() = url.parse().expect("a URL");
}

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
        (400, "BadRequestPayload", |it, _| {
            set(it, "apns-push-type", "background")
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

#[test]
fn widgets_and_controls_are_told_that_their_content_changed() {
    block_on(async {
        let apple = Apple::start().await;
        for push_type in [PushType::Widgets, PushType::Controls] {
            let changed = r#"{"aps":{"content-changed":true}}"#;
            let good = of_kind(&apple, push_type, changed, true).await;
            assert_eq!(good, (200, String::new()));
            for payload in [r#"{"aps":{"content-changed":1}}"#, PAYLOAD] {
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

// ---- Provider tokens ----

/// A provider token of the first key with this `iat`.
fn token_dated(iat: &Value) -> String {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
    };
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
    let pem = fixtures::apns_key(1);
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({ "alg": "ES256", "kid": KEY_ID }));
    let signed = format!("{header}.{}", part(json!({ "iss": TEAM_ID, "iat": iat })));
    let signature = key
        .expect("a P-256 key")
        .sign(&SystemRandom::new(), signed.as_bytes())
        .expect("a signature");
    format!("bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn the_date_of_a_provider_token_may_have_a_fraction_and_must_be_a_number() {
    block_on(async {
        let now = sample::NOW.unix_seconds();
        for (iat, status) in [
            (json!(now), 200),
            (json!(now as f64 + 0.25), 200),
            (json!(now.to_string()), 403),
            (json!(-1), 403),
            (json!(1e300), 403),
            (Value::Null, 403),
        ] {
            let answer = with_token(&token_dated(&iat), sample::NOW).await;
            assert_eq!(answer.0, status, "{iat}");
        }
    });
}

/// One service for each, so that no connection remembers another vector's token.
async fn with_token(header: &str, at: Timestamp) -> (u16, String) {
    let apple = Apple::start().await;
    apple
        .service
        .register_key("KEY2TEST02", TEAM_ID, &fixtures::apns_key(2))
        .expect("a key");
    apple.clock.jump_to(at);
    let phone = apple.service.install(TOPIC, Environment::Production);
    let mut request = good(&apple, &phone);
    set(&mut request, "authorization", header);
    reason(&client(&apple).send(request).await.expect("an answer"))
}

#[test]
fn every_vector_is_a_provider_token_that_counts() {
    block_on(async {
        let ok = (200, String::new());
        for number in [1, 2, 3, 4, 6] {
            let vector = vector(number);
            let at = Timestamp::from_unix_seconds(vector["iat"].as_i64().unwrap());
            assert_eq!(with_token(&bearer(number), at).await, ok, "vector {number}");
            // The same with a DER signature, as Apple's recipe for a shell makes it.
            let jwt = vector["jwt"].as_str().unwrap();
            let (signed, _) = jwt.rsplit_once('.').unwrap();
            let der = vector["der_sig_jwt_tail"].as_str().unwrap();
            let header = format!("bearer {signed}.{der}");
            assert_eq!(with_token(&header, at).await, ok, "vector {number} in DER");
        }
        // Signed for a team that the key does not belong to.
        let invalid = (403, "InvalidProviderToken".to_owned());
        assert_eq!(with_token(&bearer(5), sample::NOW).await, invalid);
    });
}

#[test]
fn a_provider_token_is_good_for_an_hour_and_not_before_its_time() {
    block_on(async {
        for (seconds, status, word) in [
            (0, 200, ""),
            (3600, 200, ""),
            (3601, 403, "ExpiredProviderToken"),
            (-3600, 200, ""),
            (-3601, 403, "InvalidProviderToken"),
        ] {
            let at = Timestamp::from_unix_seconds(sample::NOW.unix_seconds() + seconds);
            assert_eq!(
                with_token(&bearer(1), at).await,
                (status, word.to_owned()),
                "{seconds}"
            );
        }
    });
}

/// The answers to a token of the first key, of the second, and of the first again, on one connection.
async fn two_keys(first: &[&str], second: &[&str], sandbox: bool, related: bool) -> [String; 3] {
    let apple = Apple::start().await;
    let service = &apple.service;
    let environment = sandbox.then_some(Environment::Sandbox);
    for (key, number, environment, topics) in [
        (KEY_ID, 1, None, first),
        ("KEY2TEST02", 2, environment, second),
    ] {
        let pem = fixtures::apns_key(number);
        service
            .register_key_for(key, TEAM_ID, &pem, environment, topics)
            .expect("a key");
    }
    if related {
        service.relate_keys(KEY_ID, "KEY2TEST02");
    }
    let phone = service.install(TOPIC, Environment::Production);
    let client = client(&apple);
    let mut answers = Vec::new();
    for number in [1, 4, 1] {
        let mut request = good(&apple, &phone);
        set(&mut request, "authorization", &bearer(number));
        answers.push(reason(&client.send(request).await.expect("an answer")).1);
    }
    answers.try_into().expect("three answers")
}

#[test]
fn a_connection_takes_the_keys_that_are_related_to_its_first() {
    block_on(async {
        let unrelated = ["", "UnrelatedKeyIdInToken", ""];
        let all = ["", "", ""];
        let ours: &[&str] = &[TOPIC];
        for (first, second, sandbox, related, expected) in [
            (&[][..], &[][..], false, false, all),
            (&[], &[], true, false, unrelated),
            (&[], ours, false, false, unrelated),
            (&[], ours, false, true, unrelated),
            (ours, &[], false, false, unrelated),
            (ours, ours, false, false, unrelated),
            (ours, ours, false, true, all),
            (ours, ours, true, true, unrelated),
        ] {
            let answers = two_keys(first, second, sandbox, related).await;
            assert_eq!(
                answers, expected,
                "{first:?} {second:?} {sandbox} {related}"
            );
        }
    });
}

#[test]
fn a_new_connection_takes_another_key_and_a_revoked_key_is_invalid() {
    block_on(async {
        let apple = Apple::start().await;
        let pem = fixtures::apns_key(2);
        apple
            .service
            .register_key_for("KEY2TEST02", TEAM_ID, &pem, None, &[TOPIC])
            .unwrap();
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let ask = async |header: String| {
            let mut request = good(&apple, &phone);
            set(&mut request, "authorization", &header);
            reason(&client.send(request).await.expect("an answer")).1
        };
        assert_eq!(ask(bearer(1)).await, "");
        assert_eq!(ask(bearer(4)).await, "UnrelatedKeyIdInToken");
        client.retire_connections();
        assert_eq!(ask(bearer(4)).await, "");
        apple.service.revoke_key("KEY2TEST02");
        assert_eq!(ask(bearer(4)).await, "InvalidProviderToken");
    });
}

#[test]
fn a_key_for_some_topics_sends_to_no_other() {
    block_on(async {
        let apple = Apple::start().await;
        let pem = fixtures::apns_key(1);
        apple
            .service
            .register_key_for(KEY_ID, TEAM_ID, &pem, None, &["com.example.other"])
            .unwrap();
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let response = client.send(good(&apple, &phone)).await.unwrap();
        assert_eq!(reason(&response), (400, "TopicDisallowed".to_owned()));
        let mut request = good(&apple, &phone);
        to(&mut request, &apple, &format!("/4/broadcasts/apps/{TOPIC}"));
        let response = client.send(request).await.unwrap();
        assert_eq!(reason(&response), (403, "TopicMismatch".to_owned()));
        let channels = apple.service.channels_endpoint(Environment::Production);
        let list = Request::get(format!("{channels}/1/apps/{TOPIC}/all-channels"))
            .header("authorization", bearer(1))
            .body(Bytes::new())
            .unwrap();
        let response = client.send(list).await.unwrap();
        assert_eq!(reason(&response), (403, "TopicMismatch".to_owned()));
    });
}

#[test]
fn a_certificate_sends_to_the_topics_that_are_written_in_it() {
    block_on(async {
        let apple = Apple::start().await;
        for (also, status) in [(None, 400), (Some("voip"), 200)] {
            let mut wanted = CertificateRequest::new(TOPIC, &[Environment::Production]);
            if let Some(kind) = also {
                wanted = wanted.with(kind);
            }
            let certificate = apple.service.issue_certificate(&wanted);
            let mut config = HttpConfig::default().with_protocols(Protocols::H2Only);
            config.extra_ca_pem = Some(apple.service.ca_pem());
            let (chain, key) = (certificate.certificate_pem(), certificate.key_pem());
            let identity = ClientCertificate::from_pem(&chain, &Secret::new(key));
            let config = config.with_client_certificate(identity.expect("a certificate"));
            let client = Client::new(config, Arc::new(apple.clock.clone())).unwrap();
            let phone = apple.service.install(TOPIC, Environment::Production);
            let mut alert = good(&apple, &phone);
            alert.headers_mut().remove("authorization");
            assert_eq!(client.send(alert.clone()).await.unwrap().status(), 200);
            let mut call = alert;
            let path = format!("/3/device/{}", phone.token_for(PushType::Voip));
            to(&mut call, &apple, &path);
            set(&mut call, "apns-topic", &format!("{TOPIC}.voip"));
            set(&mut call, "apns-push-type", "voip");
            let answer = client.send(call).await.unwrap();
            assert_eq!(answer.status(), status, "{also:?}");
        }
    });
}

#[test]
fn a_key_of_one_environment_does_not_count_in_the_other() {
    block_on(async {
        let apple = Apple::start().await;
        let sandbox = Some(Environment::Sandbox);
        apple
            .service
            .register_key_for(KEY_ID, TEAM_ID, &fixtures::apns_key(1), sandbox, &[])
            .unwrap();
        for (environment, word) in [
            (Environment::Production, "BadEnvironmentKeyInToken"),
            (Environment::Sandbox, ""),
        ] {
            let phone = apple.service.install(TOPIC, environment);
            let response = client(&apple).send(good(&apple, &phone)).await.unwrap();
            assert_eq!(reason(&response).1, word);
            // Only the sandbox has an id for Apple's console.
            let has_id = response.headers().contains_key("apns-unique-id");
            assert_eq!(has_id, environment == Environment::Sandbox);
        }
    });
}

#[test]
fn new_provider_tokens_more_often_than_every_twenty_minutes_are_too_many() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let ask = async |header: String| {
            let mut request = good(&apple, &phone);
            set(&mut request, "authorization", &header);
            reason(&client.send(request).await.expect("an answer"))
        };
        assert_eq!(ask(bearer(1)).await.0, 200);
        // The same date, signed anew.
        let too_many = (429, "TooManyProviderTokenUpdates".to_owned());
        assert_eq!(ask(bearer(6)).await, too_many);
        assert_eq!(ask(bearer(1)).await.0, 200);
        apple.clock.advance(Duration::from_secs(20 * 60));
        assert_eq!(ask(bearer(2)).await.0, 200);
        assert_eq!(
            ask(bearer(1)).await.0,
            200,
            "the last one is good for its hour"
        );
    });
}

// ---- Connections ----

#[test]
fn nothing_but_http_2_is_spoken() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let mut request = good(&apple, &phone);
        let url = request.uri().to_string().replace("https://", "http://");
        *request.uri_mut() = url.parse().unwrap();
        assert!(client(&apple).send(request).await.is_err());
        // A client that could speak HTTP/1.1 as well agrees on HTTP/2.
        let either = client_with(&apple, Protocols::Negotiate);
        let response = either.send(good(&apple, &phone)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(apple.service.counters().requests, 1);
    });
}

#[test]
fn a_client_that_names_no_protocol_may_begin_http_2_with_its_preface() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let url = apple.service.endpoint(Environment::Production);
        let (mut sender, connection) = handshake(url, apple.service.ca_pem(), &[]).await;
        tokio::spawn(connection);
        let (parts, body) = good(&apple, &phone).into_parts();
        let (answer, mut stream) = sender
            .send_request(Request::from_parts(parts, ()), false)
            .unwrap();
        stream.send_data(body, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
}

fn stream_limit(client: &Client) -> Option<u32> {
    client.stats().iter().find_map(|it| it.stream_limit)
}

#[test]
fn a_connection_has_one_stream_until_its_first_success_and_again_after_many_errors() {
    block_on(async {
        let options = Options::default().with_max_streams(77);
        let apple = Apple::with(options).await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let mut bad = good(&apple, &phone);
        set(&mut bad, "authorization", "bearer a.b.c");
        client.send(bad.clone()).await.unwrap();
        assert_eq!(stream_limit(&client), Some(1));
        client.send(good(&apple, &phone)).await.unwrap();
        until(|| stream_limit(&client) == Some(77)).await;
        for _ in 0..20 {
            client.send(bad.clone()).await.unwrap();
        }
        until(|| stream_limit(&client) == Some(1)).await;
        client.send(good(&apple, &phone)).await.unwrap();
        until(|| stream_limit(&client) == Some(77)).await;
        // A dead token is no error of the client's.
        apple
            .service
            .on(&phone.token(), Outcome::unregistered(sample::NOW));
        for _ in 0..30 {
            client.send(good(&apple, &phone)).await.unwrap();
        }
        assert_eq!(stream_limit(&client), Some(77));
        assert_eq!(apple.service.counters().connections, 1);
    });
}

/// What a client sees that opens streams before it has read how many it may: the second is refused, nothing more.
#[test]
fn a_stream_above_the_limit_is_refused_and_the_others_go_on() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.set_delay(Duration::from_secs(1));
        let (mut sender, connection) = handshake(
            apple.service.endpoint(Environment::Production),
            apple.service.ca_pem(),
            &[b"h2"],
        )
        .await;
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..3 {
            let (parts, body) = good(&apple, &phone).into_parts();
            let request = Request::from_parts(parts, ());
            let (answer, mut stream) = sender.send_request(request, false).unwrap();
            stream.send_data(body, true).unwrap();
            answers.push(answer);
        }
        let mut answers = answers.into_iter();
        let first = tokio::spawn(answers.next().unwrap());
        for answer in answers {
            let error = answer.await.unwrap_err();
            assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
        }
        until(|| apple.service.counters().requests == 1).await;
        apple.clock.advance(Duration::from_secs(1));
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
        assert_eq!(apple.service.counters().max_concurrent_streams, 1);
    });
}

async fn handshake(
    url: String,
    ca_pem: String,
    alpn: &[&[u8]],
) -> (
    h2::client::SendRequest<Bytes>,
    h2::client::Connection<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, Bytes>,
) {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(ca_pem.as_bytes());
    roots
        .add(authority.expect("PEM"))
        .expect("an authority's certificate");
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let address = url.replace("https://localhost", "127.0.0.1");
    let tcp = tokio::net::TcpStream::connect(address)
        .await
        .expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, tcp)
        .await
        .expect("TLS");
    h2::client::handshake(stream).await.expect("HTTP/2")
}

#[test]
fn the_words_of_a_goaway_reach_the_client() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        client.send(good(&apple, &phone)).await.unwrap();
        apple.service.next(100, &Outcome::go_away("Shutdown"));
        let error = client.send(good(&apple, &phone)).await.unwrap_err();
        assert_eq!(error.processed(), Processed::Never, "{error:?}");
        let words = error.go_away().expect("GOAWAY").debug_data().clone();
        assert_eq!(words, r#"{"reason":"Shutdown"}"#.as_bytes());
        until(|| apple.service.open_connections() == 0).await;
    });
}

// ---- Phones ----

#[test]
fn an_absent_phone_gets_the_newest_push_of_each_topic() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let say = async |text: &str, expiration: &str| {
            let mut request = good(&apple, &phone);
            *request.body_mut() = json!({ "aps": { "alert": text } }).to_string().into();
            if !expiration.is_empty() {
                set(&mut request, "apns-expiration", expiration);
            }
            assert_eq!(client.send(request).await.expect("an answer").status(), 200);
        };
        phone.switch_off();
        say("first", "").await;
        say("second", "").await;
        say("never kept", "0").await;
        assert_eq!(phone.arrived(), 0);
        phone.switch_on();
        let bodies: Vec<_> = phone
            .arrivals()
            .iter()
            .map(|it| it.body().map(str::to_owned))
            .collect();
        assert_eq!(bodies, [Some("second".to_owned())]);

        phone.switch_off();
        let until = sample::NOW.unix_seconds() + 60;
        say("for a minute", &until.to_string()).await;
        apple.clock.advance(Duration::from_secs(61));
        phone.switch_on();
        assert_eq!(phone.arrived(), 1);
    });
}

#[test]
fn a_scripted_outcome_is_given_once_or_until_it_is_healed() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let client = client(&apple);
        let ask = async || {
            let response = client.send(good(&apple, &phone)).await.expect("an answer");
            (response.status().as_u16(), response.body().clone())
        };
        let since = Timestamp::from_unix_millis(1_454_948_015_990);
        apple.service.on(&phone.token(), Outcome::answer(503, ""));
        apple
            .service
            .once(&phone.token(), Outcome::unregistered(since));
        apple
            .service
            .next(1, &Outcome::answer(500, "InternalServerError"));
        assert_eq!(
            ask().await,
            (500, r#"{"reason":"InternalServerError"}"#.into())
        );
        let gone = r#"{"reason":"Unregistered","timestamp":1454948015990}"#;
        for _ in 0..3 {
            let answer = ask().await;
            assert!(
                answer == (410, gone.into()) || answer == (503, Bytes::new()),
                "{answer:?}"
            );
        }
        apple.service.heal();
        assert_eq!(ask().await.0, 200);
    });
}

#[test]
fn an_answer_takes_as_long_as_is_ordered() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.set_delay(Duration::from_millis(50));
        let sending = {
            let (client, request) = (client(&apple), good(&apple, &phone));
            tokio::spawn(async move { client.send(request).await })
        };
        until(|| apple.service.counters().requests == 1).await;
        apple.clock.advance(Duration::from_millis(49));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!sending.is_finished());
        apple.clock.advance(Duration::from_millis(1));
        assert_eq!(sending.await.unwrap().unwrap().status(), 200);
    });
}
