//! What phones get, and what a test orders of the service.
use std::time::Duration;

use super::good;
use crate::support::{Apple, TOPIC, client, set};
use bytes::Bytes;
use push_core::{Environment, Timestamp};
use push_http::HttpClient;
use push_provider_apns::simulator::Outcome;
use push_testkit::{block_on, json, sample, until, until_idle};

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
        until_idle().await;
        assert!(!sending.is_finished());
        apple.clock.advance(Duration::from_millis(1));
        assert_eq!(sending.await.unwrap().unwrap().status(), 200);
    });
}
