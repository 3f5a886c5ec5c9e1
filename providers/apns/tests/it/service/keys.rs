//! Provider tokens, keys and certificates.
use std::time::Duration;

use super::{good, to};
use crate::support::{
    Apple, KEY_ID, TEAM_ID, TOPIC, bearer, client, client_with_certificate, reason, set, vector,
};
use bytes::Bytes;
use http::Request;
use push_core::{Environment, Timestamp};
use push_http::HttpClient;
use push_provider_apns::{PushType, simulator::CertificateRequest};
use push_testkit::{block_on, fixtures, json, sample};
use serde_json::Value;

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
fn the_date_of_a_provider_token_may_be_a_fraction_or_the_text_of_a_number() {
    block_on(async {
        let now = sample::NOW.unix_seconds();
        for (iat, status) in [
            (json!(now), 200),
            (json!(now as f64 + 0.25), 200),
            (json!(now.to_string()), 200),
            (json!(format!("+{now}")), 403),
            (json!("soon"), 403),
            (json!(""), 403),
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
            let client = client_with_certificate(&apple, &wanted);
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
