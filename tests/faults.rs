//! Every fault of a vendor has the right effect, and no mistake costs a token.
mod support;

use std::time::Duration;

use offline_push::{Environment, Timestamp, gateway::Settings};
use push_provider_apns::simulator::{Options, Outcome, Phone, Simulator};
use serde_json::{Value, json};
use support::{Caller, KEY_ID, TEAM_ID, TOPIC, apns_config, apple, eventually, gateway::Served};

const API_KEY: &str = "a key that only this test knows";

/// A gateway in this process that retries within milliseconds, an Apple, and alice's phone logged in.
struct World {
    apple: Simulator,
    server: Caller,
    certificate: i64,
    iphone: Phone,
    served: Served,
}

impl World {
    /// Starts with a long time limit for the vendor, because the machine may be busy.
    async fn start() -> Self {
        Self::answered_within(Duration::from_secs(30)).await
    }

    async fn answered_within(deadline: Duration) -> Self {
        let apple = apple(Options::default()).await;
        let mut settings = Settings::default();
        settings.pipeline.backoff_base = Duration::from_millis(5);
        settings.pipeline.probe_first = Duration::from_millis(20);
        settings.pipeline.attempt_timeout = deadline + Duration::from_secs(1);
        let served = Served::start("demo", API_KEY, settings).await;
        let server = Caller::new(&served.url, API_KEY);
        let mut config = apns_config(&apple);
        config["http"]["request_deadline"] = json!(format!("{}s", deadline.as_secs()));
        let certificate = server.upload("apns", &config).await;
        let iphone = apple.install(TOPIC, Environment::Production);
        server
            .log_in("alice", "apns", certificate, &iphone.token())
            .await;
        Self {
            apple,
            server,
            certificate,
            iphone,
            served,
        }
    }

    /// Returns the vendor's answer to each attempt: status and code, or text.
    fn answers(trace: &Value) -> Vec<String> {
        let events = trace["events"].as_array().cloned().unwrap_or_default();
        let answers = events.iter().filter(|it| it["stage"] == json!("answered"));
        answers
            .map(|it| {
                let answer = &it["answer"];
                match answer["status"].as_u64() {
                    Some(200) => "200".to_owned(),
                    Some(status) => {
                        format!("{status} {}", answer["code"].as_str().unwrap_or_default())
                    }
                    None => "no answer".to_owned(),
                }
            })
            .collect()
    }

    async fn lane(&self) -> Value {
        let answer = self.server.get("/v1/credentials").await;
        answer["credentials"][0]["lane"].clone()
    }
}

/// S114: a token that was registered again since is valid.
#[tokio::test]
async fn a_token_that_was_registered_again_after_its_death_is_kept() {
    let world = World::start().await;
    let old = Timestamp::from_unix_millis(1_454_948_015_990);
    world
        .apple
        .once(&world.iphone.token(), Outcome::unregistered(old));
    let delivery = world.server.text("m-1", "alice").await;
    let trace = world.server.settled(&delivery).await;
    assert_eq!(World::answers(&trace), ["410 Unregistered"]);
    assert_eq!(world.server.tokens("alice").await.len(), 1, "{trace}");
    // It is still pushed to.
    let delivery = world.server.text("m-2", "alice").await;
    assert_eq!(
        World::answers(&world.server.settled(&delivery).await),
        ["200"]
    );
}

/// S114: the token of an uninstalled app is forgotten.
#[tokio::test]
async fn a_token_that_died_after_its_registration_is_forgotten() {
    let world = World::start().await;
    world.iphone.uninstall();
    let delivery = world.server.text("m-1", "alice").await;
    let trace = world.server.settled(&delivery).await;
    assert_eq!(World::answers(&trace), ["410 Unregistered"]);
    assert!(world.server.tokens("alice").await.is_empty(), "{trace}");
    assert_eq!(trace["reason"]["code"], json!("token-dead"));
}

#[tokio::test]
async fn a_delayed_delivery_is_sent_later_under_the_same_id() {
    let world = World::start().await;
    for (n, (status, reason)) in [
        (429, "TooManyRequests"),
        (503, "ServiceUnavailable"),
        (500, "InternalServerError"),
    ]
    .into_iter()
    .enumerate()
    {
        world
            .apple
            .once(&world.iphone.token(), Outcome::answer(status, reason));
        let delivery = world.server.text(&format!("m-{n}"), "alice").await;
        let trace = world.server.settled(&delivery).await;
        assert_eq!(
            World::answers(&trace),
            [format!("{status} {reason}"), "200".to_owned()]
        );
        let id = delivery.parse().unwrap();
        assert_eq!(
            (world.apple.requests_of(id), world.apple.accepted_of(id)),
            (2, 1)
        );
    }
    assert_eq!(world.server.tokens("alice").await.len(), 1);
}

#[tokio::test]
async fn a_vendors_retry_after_is_a_floor_under_the_wait() {
    let world = World::start().await;
    let outcome = Outcome::answer(429, "TooManyRequests").with_retry_after("1");
    world.apple.once(&world.iphone.token(), outcome);
    let delivery = world.server.text("m-1", "alice").await;
    let trace = world.server.settled(&delivery).await;
    let at = |stage: &str, nth: usize| {
        let events = trace["events"].as_array().cloned().unwrap_or_default();
        let mut of = events.into_iter().filter(|it| it["stage"] == json!(stage));
        of.nth(nth).and_then(|it| it["at"].as_i64()).unwrap()
    };
    assert!(at("attempt", 0) - at("answered", 0) >= 1000, "{trace}");
}

#[tokio::test]
async fn what_may_have_been_sent_is_sent_again_under_the_same_id() {
    let world = World::answered_within(Duration::from_secs(4)).await;
    for (n, outcome) in [Outcome::reset(), Outcome::close(), Outcome::silence()]
        .into_iter()
        .enumerate()
    {
        world.apple.once(&world.iphone.token(), outcome);
        let delivery = world.server.text(&format!("m-{n}"), "alice").await;
        let trace = world.server.settled(&delivery).await;
        assert_eq!(World::answers(&trace), ["no answer", "200"], "{n}");
        assert_eq!(world.apple.requests_of(delivery.parse().unwrap()), 2);
    }
    assert_eq!(world.server.tokens("alice").await.len(), 1);
}

#[tokio::test]
async fn nothing_is_lost_when_apple_shuts_a_connection_down() {
    let world = World::start().await;
    world.apple.set_delay(Duration::from_millis(30));
    let mut deliveries = Vec::new();
    for n in 0..40 {
        deliveries.push(world.server.text(&format!("m-{n}"), "alice").await);
        if n % 10 == 5 {
            world.apple.go_away(Environment::Production, "Shutdown");
        }
    }
    for delivery in &deliveries {
        world.server.settled(delivery).await;
        assert!(world.apple.accepted_of(delivery.parse().unwrap()) >= 1);
    }
}

/// Apple forbids a new provider token within 20 minutes of the last. Renewing an older one is the provider's own test.
#[tokio::test]
async fn a_provider_token_that_may_not_be_renewed_yet_makes_its_lane_wait() {
    let world = World::start().await;
    let delivery = world.server.text("m-0", "alice").await;
    world.server.settled(&delivery).await;
    let refused = Outcome::answer(403, "ExpiredProviderToken");
    world.apple.once(&world.iphone.token(), refused.clone());
    let delivery = world.server.text("m-1", "alice").await;
    world
        .server
        .trace(&delivery, |it| !World::answers(it).is_empty())
        .await;
    // One phone alone proves nothing about the credential.
    let other = world.apple.install(TOPIC, Environment::Production);
    world
        .server
        .log_in("carol", "apns", world.certificate, &other.token())
        .await;
    world.apple.once(&other.token(), refused);
    world.server.text("m-2", "carol").await;
    eventually("the lane to wait", async || {
        (world.lane().await["state"] == json!("backing-off")).then_some(())
    })
    .await;
    let trace = world
        .server
        .trace(&delivery, |it| !World::answers(it).is_empty())
        .await;
    assert_eq!(World::answers(&trace), ["403 ExpiredProviderToken"]);
    assert_eq!(world.server.tokens("alice").await.len(), 1);
    assert_eq!(world.apple.counters().provider_tokens, 1);
}

#[tokio::test]
async fn a_wrong_topic_quarantines_tokens_and_its_correction_releases_them() {
    let world = World::start().await;
    let mut config = apns_config(&world.apple);
    config["topic"] = json!("com.example.other");
    let wrong = world.server.upload("apns", &config).await;
    world
        .server
        .log_in(
            "carol",
            "apns",
            wrong,
            &world.apple.install(TOPIC, Environment::Production).token(),
        )
        .await;
    let delivery = world.server.text("m-1", "carol").await;
    let trace = world.server.settled(&delivery).await;
    assert_eq!(World::answers(&trace), ["400 DeviceTokenNotForTopic"]);
    let tokens = world.server.tokens("carol").await;
    assert_eq!(tokens[0]["quarantine"]["code"], trace["reason"]["code"]);
    assert!(
        !trace["reason"]["advice"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );

    let body = json!({"provider": "apns", "config": apns_config(&world.apple)});
    let path = format!("/v1/credentials/{wrong}");
    world.server.put(&path, &body).await;
    let delivery = world.server.text("m-2", "carol").await;
    assert_eq!(
        World::answers(&world.server.settled(&delivery).await),
        ["200"]
    );
}

/// S57: recognised after the first `BadDeviceToken`, too.
#[tokio::test]
async fn a_token_of_the_other_environment_is_quarantined_with_that_reason() {
    let world = World::start().await;
    let debug = world.apple.install(TOPIC, Environment::Sandbox);
    world
        .server
        .log_in("ivy", "apns", world.certificate, &debug.token())
        .await;
    let delivery = world.server.text("m-1", "ivy").await;
    let trace = world.server.settled(&delivery).await;
    assert_eq!(World::answers(&trace), ["400 BadDeviceToken"]);
    assert_eq!(trace["reason"]["code"], json!("environment-mismatch"));
    let tokens = world.server.tokens("ivy").await;
    assert_eq!(
        tokens[0]["quarantine"]["code"],
        json!("environment-mismatch")
    );
}

#[tokio::test]
async fn a_refused_credential_suspends_its_lane_and_nothing_is_lost() {
    let world = World::start().await;
    world.apple.revoke_key(KEY_ID);
    let delivery = world.server.text("m-1", "alice").await;
    eventually("the lane to be suspended", async || {
        (world.lane().await["state"] == json!("suspended")).then_some(())
    })
    .await;
    assert_eq!(world.server.tokens("alice").await.len(), 1);
    world
        .apple
        .register_key(KEY_ID, TEAM_ID, &push_testkit::fixtures::apns_key(1))
        .unwrap();
    let trace = world.server.settled(&delivery).await;
    assert_eq!(
        World::answers(&trace).last().map(String::as_str),
        Some("200")
    );
    assert_eq!(world.lane().await["state"], json!("open"));
}

#[tokio::test]
async fn one_dead_token_in_the_middle_of_a_batch_answers_for_itself_alone() {
    let world = World::start().await;
    let huawei = push_provider_huawei::simulator::Simulator::start(Default::default())
        .await
        .unwrap();
    let certificate = world.server.upload("huawei", &huawei.config()).await;
    let users: Vec<String> = (0..9).map(|n| format!("user-{n}")).collect();
    let phones: Vec<_> = users.iter().map(|_| huawei.install()).collect();
    for (user, phone) in users.iter().zip(&phones) {
        world
            .server
            .log_in(user, "huawei", certificate, phone.token())
            .await;
    }
    // An accepted push first: without one, the credential cannot declare a token dead.
    let first = world.server.text("m-0", "user-0").await;
    world.server.settled(&first).await;
    phones[4].uninstall();
    let receivers: Vec<&str> = users.iter().skip(1).map(String::as_str).collect();
    let answer = world
        .server
        .post("/v1/messages", &support::message("m-1", &receivers))
        .await;
    for it in answer["messages"][0]["deliveries"].as_array().unwrap() {
        let trace = world.server.settled(it["id"].as_str().unwrap()).await;
        let dead = it["user"] == json!("user-4");
        let wanted = if dead {
            "token-dead"
        } else {
            "vendor-accepted"
        };
        assert_eq!(trace["reason"]["code"], json!(wanted), "{trace}");
    }
    assert!(world.server.tokens("user-4").await.is_empty());
    assert_eq!(world.server.tokens("user-5").await.len(), 1);
    world.served.gateway.shutdown().await;
}
