//! Topics and conditions: the provider's own calls, and the service's answers to any client.
use std::sync::Arc;

use http::{Method, Request};
use push_core::{DeviceToken, ErrorKind, Notification, VerdictKind};
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_fcm::{
    Audience, FcmConfig, FcmProvider,
    simulator::{Options, PROJECT, Phone, Simulator, error},
};
use push_testkit::{block_on, fixtures, sample};
use serde_json::{Value, json};

struct Scene {
    google: Simulator,
    provider: FcmProvider,
    client: Arc<Client>,
}

impl Scene {
    async fn new() -> Self {
        let clock = Arc::new(sample::clock());
        let options = Options::default().with_clock(Arc::<push_core::ManualClock>::clone(&clock));
        let google = Simulator::start(options).await.expect("a free port");
        let mut http = HttpConfig::default();
        http.extra_ca_pem = Some(google.ca_pem());
        let client = Arc::new(
            Client::new(http, Arc::<push_core::ManualClock>::clone(&clock)).expect("a client"),
        );
        let config: FcmConfig = serde_json::from_value(google.config()).expect("a configuration");
        let sender: Arc<dyn HttpClient> = Arc::<Client>::clone(&client);
        let provider = FcmProvider::new(&config, sender, clock).expect("it is right");
        Self {
            google,
            provider,
            client,
        }
    }

    async fn subscribe(&self, token: &str, topic: &str) -> VerdictKind {
        let token = DeviceToken::new(token).expect("a token");
        let verdict = self.provider.subscribe(&token, topic).await;
        verdict.expect("a topic").kind
    }

    async fn unsubscribe(&self, token: &str, topic: &str) -> VerdictKind {
        let token = DeviceToken::new(token).expect("a token");
        let verdict = self.provider.unsubscribe(&token, topic).await;
        verdict.expect("a topic").kind
    }

    async fn publish(&self, notification: Notification, audience: &Audience) -> VerdictKind {
        let content = sample::content(notification);
        self.provider.publish(&content, audience).await.kind
    }

    /// A request of any client, with good access.
    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let jwt = fixtures::vectors()["fcm_jwt"][0]["jwt"].clone();
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            jwt.as_str().expect("a vector")
        );
        let grant = Request::post(format!("{}/token", self.google.endpoint()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
            .expect("a request");
        let granted = self.client.send(grant).await.expect("an answer");
        let granted: Value = serde_json::from_slice(granted.body()).expect("JSON");
        let access = granted["access_token"].as_str().expect("access");
        let url = format!(
            "{}/v1/projects/{PROJECT}/registrations/{path}",
            self.google.endpoint()
        );
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {access}"))
            .header("content-type", "application/json")
            .body(body.to_owned().into())
            .expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        let json = serde_json::from_slice(answer.body()).unwrap_or_default();
        (answer.status().as_u16(), json)
    }
}

const OK: VerdictKind = VerdictKind::Accepted;

fn arrived(phones: &[Phone]) -> Vec<u64> {
    phones.iter().map(Phone::arrived).collect()
}

#[test]
fn a_message_to_a_topic_reaches_who_subscribed_until_the_subscription_ends() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: [Phone; 3] = std::array::from_fn(|_| scene.google.install());
        assert_eq!(scene.subscribe(&phones[0].token(), "news").await, OK);
        // An installation id is a registration, too.
        assert_eq!(scene.subscribe(&phones[1].fid(), "news").await, OK);
        assert_eq!(
            scene.subscribe(&phones[0].token(), "news").await,
            OK,
            "again"
        );
        let news = Audience::topic("news").unwrap();
        assert_eq!(scene.publish(sample::notification(), &news).await, OK);
        assert_eq!(arrived(&phones), [1, 1, 0]);
        let tapped = phones[0].tap_newest().expect("it is shown").extras;
        assert_eq!(tapped["ext"], sample::EXT);
        assert!(!tapped.contains_key("delivery") && !tapped.contains_key("receiver"));
        for _ in 0..2 {
            assert_eq!(scene.unsubscribe(&phones[0].token(), "news").await, OK);
        }
        assert_eq!(scene.publish(sample::notification(), &news).await, OK);
        assert_eq!(arrived(&phones), [1, 2, 0]);
    });
}

#[test]
fn a_condition_chooses_among_who_subscribed() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: [Phone; 3] = std::array::from_fn(|_| scene.google.install());
        for (phone, topic) in [(0, "news"), (1, "news"), (1, "sport"), (2, "sport")] {
            assert_eq!(scene.subscribe(&phones[phone].token(), topic).await, OK);
        }
        let only_news = "'news' in topics && !('sport' in topics)";
        let audience = Audience::condition(only_news).unwrap();
        assert_eq!(scene.publish(sample::notification(), &audience).await, OK);
        assert_eq!(arrived(&phones), [1, 0, 0]);
        let wrong = Audience::condition("news").unwrap();
        let kind = scene.publish(sample::notification(), &wrong).await;
        assert_eq!(kind, VerdictKind::PayloadRefused);
    });
}

#[test]
fn a_message_to_a_topic_is_cut_to_its_smaller_limit() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        scene.subscribe(&phone.token(), "news").await;
        let long = sample::notification().with_body("x".repeat(4000));
        let news = Audience::topic("news").unwrap();
        assert_eq!(scene.publish(long, &news).await, OK);
        let body = phone.arrivals()[0].body().unwrap().to_owned();
        assert!(body.ends_with('…') && body.len() > 1000, "{}", body.len());
        let ext = format!(r#"{{"x":"{}"}}"#, "y".repeat(2048));
        let kind = scene
            .publish(sample::notification().with_ext(ext), &news)
            .await;
        assert_eq!(kind, VerdictKind::PayloadRefused);
    });
}

#[test]
fn a_registration_that_is_gone_is_dead_and_access_is_renewed_once() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        assert_eq!(scene.subscribe(&phone.token(), "news").await, OK);
        scene.google.expire_access();
        assert_eq!(scene.subscribe(&phone.token(), "sport").await, OK);
        assert_eq!(scene.google.counters().granted, 2);
        assert_eq!(scene.google.counters().sends, 0, "no message was sent");
        phone.uninstall();
        let dead = VerdictKind::TokenDead { since: None };
        assert_eq!(scene.subscribe(&phone.token(), "news").await, dead);
        scene.google.next(error("QUOTA_EXCEEDED"));
        let news = Audience::topic("news").unwrap();
        let kind = scene.publish(sample::notification(), &news).await;
        assert!(matches!(kind, VerdictKind::RateLimited(_)), "{kind:?}");
    });
}

#[test]
fn a_name_that_is_no_topic_is_refused_before_anything_is_asked() {
    block_on(async {
        let scene = Scene::new().await;
        let token = DeviceToken::new(scene.google.install().token()).unwrap();
        for name in [
            "",
            "/topics/news",
            "two words",
            "n?allow_missing=true",
            &"x".repeat(901),
        ] {
            let kinds = [
                scene
                    .provider
                    .subscribe(&token, name)
                    .await
                    .unwrap_err()
                    .kind(),
                scene
                    .provider
                    .unsubscribe(&token, name)
                    .await
                    .unwrap_err()
                    .kind(),
                Audience::topic(name).unwrap_err().kind(),
            ];
            assert_eq!(kinds, [ErrorKind::Invalid; 3], "{name}");
        }
        for condition in ["", "  ", &"x".repeat(4097)] {
            assert!(Audience::condition(condition).is_err());
        }
        assert_eq!(scene.google.log().total(), 0);
        // What a path gives a meaning to stays part of the name.
        let odd = "a%2Fb~.-_";
        let verdict = scene.provider.subscribe(&token, odd).await.unwrap();
        assert_eq!(verdict.kind, OK);
        let odd = Audience::topic(odd).unwrap();
        assert_eq!(scene.publish(sample::notification(), &odd).await, OK);
        assert_eq!(scene.google.counters().accepted, 1);
    });
}

#[test]
fn the_service_answers_every_call_on_subscriptions_as_its_reference_says() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let of = |rest: &str| format!("{}/topicSubscriptions{rest}", phone.token());
        let (post, get, delete) = (Method::POST, Method::GET, Method::DELETE);
        for (method, path, body, status, word) in [
            (&get, of("/news"), "", 404, "NOT_FOUND"),
            (&delete, of("/news"), "", 404, "NOT_FOUND"),
            (&delete, of("/news?allow_missing=true"), "", 200, ""),
            (&post, of("?topic_name=news"), "{}", 200, ""),
            (&post, of("?topic_name=news"), "{}", 409, "ALREADY_EXISTS"),
            (
                &post,
                of("?topic_name=two%20words"),
                "{}",
                400,
                "INVALID_ARGUMENT",
            ),
            (&post, of(""), "{}", 400, "INVALID_ARGUMENT"),
            (
                &post,
                of("?topic_name=sport"),
                "[]",
                400,
                "INVALID_ARGUMENT",
            ),
            (&Method::PATCH, of("/sport"), "{}", 404, "NOT_FOUND"),
            (
                &Method::PATCH,
                of("/sport?allowMissing=true"),
                "{}",
                200,
                "",
            ),
            (&get, of("/news"), "", 200, ""),
            (&get, of("?pageSize=x"), "", 400, "INVALID_ARGUMENT"),
            (
                &post,
                "gone:APA91b/topicSubscriptions?topic_name=x".to_owned(),
                "{}",
                404,
                "NOT_FOUND",
            ),
            (&Method::PUT, of("/news"), "{}", 404, "NOT_FOUND"),
        ] {
            let (answer, json) = scene.ask(method.clone(), &path, body).await;
            assert_eq!(answer, status, "{method} {path}: {json}");
            let said = json["error"]["status"].as_str().unwrap_or_default();
            assert_eq!(said, word, "{method} {path}");
        }
        let (_, shown) = scene.ask(get.clone(), &of("/news"), "").await;
        assert_eq!(shown["topic_name"], "news");
        assert_eq!(shown["create_time"], "2023-11-14T22:13:20Z");
        let (_, first) = scene.ask(get.clone(), &of("?pageSize=1"), "").await;
        let next = first["nextPageToken"].as_str().expect("another page");
        let page = of(&format!("?pageSize=1&pageToken={next}"));
        let (_, second) = scene.ask(get, &page, "").await;
        assert_eq!(second.get("nextPageToken"), None);
        let names = [first, second].map(|page| page["topicSubscriptions"][0]["topic_name"].clone());
        assert_eq!(json!(names), json!(["news", "sport"]));
    });
}
