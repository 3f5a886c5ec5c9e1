//! What the simulated services refuse, and what else they do.
use std::sync::Arc;

use http::{HeaderMap, Method};
use push_core::{BuildContext, Clock, ManualClock, RawConfig, Scope, VerdictKind};
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_webpush::{
    PLUGIN,
    simulator::{Browser, Phone},
};
use push_testkit::{
    block_on, json, sample,
    serde_json::{self, Value},
    simulator::{self, Install, Order, simulators},
};

use crate::world::{DEAD, World, world};

/// Posts `body` to a browser as another client would, with the headers of the provider's first push and these changes.
async fn raw(
    world: &World,
    phone: &Phone,
    method: Method,
    changes: &[(&'static str, Option<&str>)],
    body: Vec<u8>,
) -> (u16, HeaderMap, Vec<u8>) {
    let config = world.simulator.config();
    let http: HttpConfig = serde_json::from_value(config["http"].clone()).expect("settings");
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&world.clock);
    let client = Client::new(http, clock).expect("a client");
    let token: Value = serde_json::from_str(phone.token()).expect("JSON");
    let mut request = http::Request::new(bytes::Bytes::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = token["endpoint"]
        .as_str()
        .expect("text")
        .parse()
        .expect("a URL");
    let first = world.simulator.log().requests().remove(0);
    for name in [
        "authorization",
        "ttl",
        "topic",
        "urgency",
        "content-encoding",
    ] {
        let value = first.headers.get(name).expect(name).clone();
        request.headers_mut().insert(name, value);
    }
    for (name, value) in changes {
        request.headers_mut().remove(*name);
        if let Some(value) = value {
            let value = value.parse().expect("a header");
            request.headers_mut().insert(*name, value);
        }
    }
    let answer = client.send(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    (head.status.as_u16(), head.headers, body.to_vec())
}

/// What each service refuses, with Mozilla's number and Apple's reason.
#[test]
fn the_services_refuse_what_their_documents_forbid() {
    type Changes = &'static [(&'static str, Option<&'static str>)];
    type Case = (Changes, usize, (u16, Option<u64>), (u16, &'static str));
    const MOZILLA: Option<u64> = None;
    let cases: &[Case] = &[
        (&[("ttl", None)], 512, (400, Some(111)), (400, "BadTtl")),
        (
            &[("ttl", Some("soon"))],
            512,
            (400, Some(111)),
            (400, "BadTtl"),
        ),
        (
            &[("ttl", Some("-1"))],
            512,
            (400, Some(114)),
            (400, "BadTtl"),
        ),
        (
            &[("urgency", Some("urgent"))],
            512,
            (400, MOZILLA),
            (400, "BadUrgency"),
        ),
        (
            &[("topic", Some("a/b"))],
            512,
            (400, Some(113)),
            (400, "BadWebPushTopic"),
        ),
        (
            &[("topic", Some("123456789012345678901234567890123"))],
            512,
            (400, Some(113)),
            (400, "BadWebPushTopic"),
        ),
        (
            &[("content-encoding", None)],
            512,
            (400, Some(110)),
            (400, "BadWebPushRequest"),
        ),
        (
            &[("content-encoding", Some("aesgcm"))],
            512,
            (400, Some(110)),
            (400, "BadWebPushRequest"),
        ),
        (
            &[("crypto-key", Some("dh=a"))],
            512,
            (400, Some(110)),
            (400, "BadWebPushRequest"),
        ),
        (&[], 4097, (413, Some(104)), (413, "PayloadTooLarge")),
        (
            &[("authorization", None)],
            512,
            (401, Some(109)),
            (403, "BadAuthorizationHeader"),
        ),
        (
            &[("authorization", Some("vapid t=a.b.c, k=AA"))],
            512,
            (401, Some(109)),
            (403, "BadVapidPublicKey"),
        ),
        (
            &[(
                "authorization",
                Some(
                    "vapid t=a.b.c, k=BJ5e4UjtKtT-1LyuZkIKvxjro_NdSwqT2MLfojYWqcHCdmzR5q48ASmHwVeLkk-xz2Hes7UB-UmA9Wvi6bmRY-0",
                ),
            )],
            512,
            (401, Some(109)),
            (403, "BadJwtToken"),
        ),
    ];
    block_on(async {
        let world = world().await;
        let [chrome, firefox, safari] = Browser::ALL.map(|it| world.simulator.install(it));
        world.send_to(chrome.token()).await;
        for (changes, length, mozilla, apple) in cases {
            let body = || vec![7; *length];
            let (status, _, answer) = raw(&world, &firefox, Method::POST, changes, body()).await;
            let json: Value = serde_json::from_slice(&answer).expect("JSON");
            assert_eq!((status, json["errno"].as_u64()), *mozilla, "{changes:?}");
            assert_eq!(json["code"], status);
            let (status, _, answer) = raw(&world, &safari, Method::POST, changes, body()).await;
            let json: Value = serde_json::from_slice(&answer).expect("JSON");
            let reason = json["reason"].as_str().expect("a reason");
            assert_eq!((status, reason), *apple, "{changes:?}");
            let (status, _, answer) = raw(&world, &chrome, Method::POST, changes, body()).await;
            assert!((400..500).contains(&status), "{changes:?}");
            assert_eq!(answer.last(), Some(&b'\n'));
        }
        let (status, ..) = raw(&world, &safari, Method::PUT, &[], vec![]).await;
        assert_eq!(status, 405);
        // Apple's own rules.
        for changes in [[("ttl", Some("0"))], [("topic", Some("12345"))]] {
            let (status, ..) = raw(&world, &firefox, Method::POST, &changes, vec![]).await;
            assert_eq!(status, 201, "{changes:?}");
            let (status, ..) = raw(&world, &safari, Method::POST, &changes, vec![]).await;
            assert_eq!(status, 400, "{changes:?}");
        }
    });
}

#[test]
fn a_message_that_waits_can_be_deleted_and_a_time_to_live_is_capped() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Firefox);
        phone.set_power(false);
        world.send_to(phone.token()).await;
        let far = [("ttl", Some("99999999")), ("topic", None)];
        let (status, headers, _) = raw(&world, &phone, Method::POST, &far, vec![]).await;
        assert_eq!(
            (status, &headers["ttl"]),
            (201, &"2592000".parse().expect("a header"))
        );
        let location = headers["location"].to_str().expect("text").to_owned();
        let http = serde_json::from_value(world.simulator.config()["http"].clone());
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&world.clock);
        let client = Client::new(http.expect("settings"), clock).expect("a client");
        let delete = http::Request::delete(location).body(bytes::Bytes::new());
        let answer = client
            .send(delete.expect("a request"))
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 204);
        phone.set_power(true);
        let arrivals = phone.arrivals();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].text("title"), sample::TITLE);
    });
}

/// As `offline-push simulate webpush` does.
#[test]
fn it_runs_under_the_control_of_the_command_line() {
    block_on(async {
        let known = simulators();
        let webpush = known.iter().find(|simulator| simulator.name == "webpush");
        let webpush = webpush.expect("the simulator is registered");
        let running = (webpush.start)(simulator::Options::default());
        let running = running.await.expect("a free port");
        let config = RawConfig::from_json(&running.credentials()[0].config).expect("an object");
        // The signatures are of this time, and the simulator's clock is the real one.
        let clock: Arc<dyn Clock> = Arc::new(push_http::TokioClock);
        let provider = PLUGIN.build(config, &BuildContext::new(clock));
        let provider = provider.expect("its credential is a configuration");
        let install = |app: &str| {
            let install = serde_json::from_value::<Install>(json!({ "app": app }));
            running.install(&install.expect("an order"))
        };
        assert!(install("lynx").is_err());
        for (browser, code, kind) in [
            ("chrome", "106", DEAD),
            ("firefox", "109", VerdictKind::CredentialRefused),
            (
                "safari",
                "TooManyRequests",
                VerdictKind::RateLimited(Scope::Token),
            ),
        ] {
            let phone = install(browser).unwrap_or_else(|problem| panic!("{problem:?}"));
            let (_, token) = phone.tokens().remove(0);
            let order = json!({ "code": code, "phone": 1, "times": 1 });
            let order: Order = serde_json::from_value(order).expect("an order");
            running
                .script(&order, std::slice::from_ref(&token))
                .expect("an answer");
            let mut kinds = Vec::new();
            for _ in 0..2 {
                kinds.push(sample::send_one(&provider, &token).await.kind);
            }
            phone.uninstall();
            kinds.push(sample::send_one(&provider, &token).await.kind);
            assert_eq!(kinds, [kind, VerdictKind::Accepted, DEAD], "{browser}");
            assert_eq!(phone.inbox().arrived(), 1);
        }
        assert_eq!(running.counters()["requests"], 9);
        assert_eq!(running.counters()["accepted"], 3);
    });
}
