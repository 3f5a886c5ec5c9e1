//! A gateway that is killed while it sends loses nothing and repeats only what was on the wire; one that is asked to stop
//! repeats nothing.
mod support;

use std::{collections::HashSet, time::Duration};

use offline_push::DeliveryId;
use push_provider_apns::simulator::Options;
use serde_json::{Value, json};
use support::{
    Caller, apns_config, apple, eventually, message,
    process::{API_KEY, End, Gateway, configuration},
};

const USERS: usize = 100;
const MESSAGES: usize = 200;
/// The most deliveries that are with the vendor at the same time: the gateway's default.
const IN_FLIGHT: usize = 2000;

/// Ends a gateway amid 20,000 pushes to a vendor that answers after 50 ms, starts it again, waits until the vendor has them
/// all, and answers how many came twice. None comes more often.
async fn repeated_when(how: End) -> usize {
    let apple = apple(
        Options::default()
            .with_delay(Duration::from_millis(50))
            .with_any_token(),
    )
    .await;
    let (folder, config) = configuration(&format!("{how:?}"), "");
    let gateway = Gateway::start(&config).await;
    let server = Caller::new(&gateway.address, API_KEY);
    let certificate = server.upload("apns", &apns_config(&apple)).await;
    let users: Vec<String> = (0..USERS).map(|n| format!("user-{n}")).collect();
    for (n, user) in users.iter().enumerate() {
        server
            .log_in(user, "apns", certificate, &format!("{n:064x}"))
            .await;
    }

    // Until Apple knows the key nothing goes out, so that everything waits in the queue when sending begins.
    apple.revoke_key(support::KEY_ID);
    let receivers: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut deliveries = HashSet::new();
    for quarter in 0..4 {
        let numbers = quarter * MESSAGES / 4..(quarter + 1) * MESSAGES / 4;
        let batch: Vec<Value> = numbers
            .map(|n| message(&format!("m-{n}"), &receivers))
            .collect();
        let answer = server.post("/v1/messages", &json!(batch)).await;
        for submitted in answer["messages"].as_array().expect("an answer for each") {
            assert_eq!(submitted["skipped"], json!([]));
            for it in submitted["deliveries"].as_array().expect("a list") {
                let id: DeliveryId = it["id"].as_str().expect("an id").parse().expect("a UUID");
                deliveries.insert(id);
            }
        }
    }
    assert_eq!(deliveries.len(), USERS * MESSAGES);

    // Everything was answered 202 by now.
    apple
        .register_key(
            support::KEY_ID,
            support::TEAM_ID,
            &push_testkit::fixtures::apns_key(1),
        )
        .expect("the fixture is a key");
    server
        .post(&format!("/v1/credentials/{certificate}/resume"), &json!({}))
        .await;
    eventually("a quarter of the pushes", async || {
        (apple.counters().accepted >= 5000).then_some(())
    })
    .await;
    gateway.end(how).await;
    eventually("the vendor to notice", async || {
        (apple.open_connections() == 0).then_some(())
    })
    .await;
    let before = apple.counters();
    assert!(
        before.accepted < (USERS * MESSAGES) as u64,
        "the end came too late to prove anything"
    );

    let gateway = Gateway::start(&config).await;
    eventually("every push", async || {
        deliveries
            .iter()
            .all(|it| apple.accepted_of(it.as_uuid()) >= 1)
            .then_some(())
    })
    .await;
    let again = Caller::new(&gateway.address, API_KEY);
    let answer = again.get("/v1/credentials").await;
    assert_eq!(answer["credentials"][0]["lane"]["state"], json!("open"));
    gateway.end(End::Killed).await;

    let mut repeated = 0;
    for id in &deliveries {
        let times = apple.accepted_of(id.as_uuid());
        assert!(times <= 2, "a push was sent {times} times");
        repeated += usize::from(times == 2);
    }
    drop(std::fs::remove_dir_all(folder));
    repeated
}

/// S128+: nothing is lost, and only what was in flight comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_loses_nothing_and_repeats_only_what_was_in_flight() {
    let repeated = repeated_when(End::Killed).await;
    assert!(
        repeated <= IN_FLIGHT,
        "{repeated} pushes were repeated, more than were in flight"
    );
}

/// S128+: an update of the gateway must not push twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_asked_to_stop_loses_nothing_and_repeats_nothing() {
    assert_eq!(repeated_when(End::Stopped).await, 0);
}
