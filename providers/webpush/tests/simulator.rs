//! The provider against simulated push services and browsers.
use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method};
use push_core::{
    Acceptance, AddressPolicy, Badge, Batch, BuildContext, Clock, DeviceToken, DynProvider,
    ErrorKind, ManualClock, Notification, NotificationKind, Priority, RawConfig, Retry, Scope,
    Slot, TokenFault, Verdict, VerdictKind,
};
use push_http::{Client, HttpClient, HttpConfig};
use push_provider_webpush::{
    PLUGIN,
    simulator::{Browser, Keys, Options, Phone, Simulator},
};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Value},
    simulator::{self, Install, Order, simulators},
};

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

struct World {
    clock: Arc<ManualClock>,
    simulator: Simulator,
    provider: DynProvider,
}

async fn world() -> World {
    with(&json!({}), AddressPolicy::any()).await
}

/// A simulator, and a provider whose configuration is the simulator's with these keys over it.
async fn with(keys: &Value, addresses: AddressPolicy) -> World {
    let clock = Arc::new(sample::clock());
    let options = Options::default().with_clock(Arc::<ManualClock>::clone(&clock));
    let simulator = Simulator::start(options).await.expect("a free port");
    let mut config = simulator.config();
    for (key, value) in keys.as_object().expect("an object") {
        config[key] = value.clone();
    }
    let config = RawConfig::from_json(&config).expect("a configuration");
    let context = BuildContext::new(Arc::<ManualClock>::clone(&clock)).with_addresses(addresses);
    let provider = PLUGIN.build(config, &context);
    World {
        clock,
        simulator,
        provider: provider.expect("the simulator takes it"),
    }
}

impl World {
    async fn send(&self, batch: Batch) -> Verdict {
        sample::send(&self.provider, batch).await.remove(0)
    }

    async fn notify(&self, phone: &Phone, notification: Notification) -> Verdict {
        self.send(sample::batch(notification, [phone.token()]))
            .await
    }

    async fn send_to(&self, token: &str) -> Verdict {
        sample::send_one(&self.provider, token).await
    }

    fn checked(&self, token: &str) -> Result<DeviceToken, push_core::Error> {
        let token = DeviceToken::new(token).expect("printable ASCII");
        self.provider.check_token(Slot::Alert, &token)
    }

    fn last(&self) -> push_testkit::Recorded {
        let mut requests = self.simulator.log().requests();
        requests.pop().expect("a request")
    }
}

#[test]
fn the_service_worker_of_each_browser_reads_texts_and_click_data() {
    block_on(async {
        let world = world().await;
        for browser in Browser::ALL {
            let phone = world.simulator.install(browser);
            let notification = sample::notification().with_image("https://img.example/1.png");
            let mut batch = sample::batch(notification, [phone.token()]);
            batch.targets[0].receiver = Some(sample::user("bob"));
            let delivery = batch.targets[0].delivery.to_string();
            let verdict = world.send(batch).await;
            assert_eq!(
                verdict.kind,
                VerdictKind::Accepted,
                "{browser:?}: {verdict:?}"
            );
            let arrivals = phone.arrivals();
            assert_eq!(arrivals.len(), 1);
            for (key, text) in [
                ("title", sample::TITLE),
                ("body", sample::BODY),
                ("ext", sample::EXT),
                ("delivery", &delivery),
                ("receiver", "bob"),
                ("tag", "message-1"),
                ("thread", "ann"),
                ("image", "https://img.example/1.png"),
            ] {
                assert_eq!(arrivals[0].text(key), text, "{key}");
            }
            assert_eq!((phone.badge(), phone.screen().len()), (3, 1));
            assert_eq!(arrivals[0].urgency(), "high");
            assert_eq!(world.last().body.len(), 512, "padded");
        }
    });
}

/// `ext` arrives as the text that it was, so that one which is no JSON object needs no wrapping (S19).
#[test]
fn click_data_of_any_form_arrive_as_they_were_sent() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Chrome);
        for ext in ["plain text", "[1]", "{\"a\":\"\\u4f60\"}", "\"\\\\"] {
            let verdict = world
                .notify(&phone, sample::notification().with_ext(ext))
                .await;
            assert_eq!(verdict.kind, VerdictKind::Accepted);
            assert_eq!(phone.arrivals().pop().expect("it arrived").text("ext"), ext);
        }
    });
}

/// S124
#[test]
fn a_badge_of_zero_clears_the_number_and_no_badge_leaves_it() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Chrome);
        for (badge, shown) in [(Badge::Set(7), 7), (Badge::Leave, 7), (Badge::Set(0), 0)] {
            let content = sample::content(sample::notification());
            let target = sample::target(phone.token(), &content).with_badge(badge);
            world.send(sample::batch_of([target])).await;
            assert_eq!(phone.badge(), shown, "{badge:?}");
        }
        let last = phone.arrivals().pop().expect("it arrived");
        assert_eq!(last.payload()["badge"], 0);
    });
}

/// S100
#[test]
fn fields_of_a_message_go_before_those_of_the_credential() {
    block_on(async {
        let keys =
            json!({ "urgency": "low", "icon": "https://a.example/1.png", "badge_icon": "/b.png" });
        let world = with(&keys, AddressPolicy::any()).await;
        let phone = world.simulator.install(Browser::Firefox);
        world
            .notify(&phone, sample::notification().with_priority(Priority::High))
            .await;
        let fields =
            json!({ "urgency": "high", "icon": "https://a.example/2.png", "silent": true });
        let fields = serde_json::from_value(fields).expect("an object");
        world
            .notify(&phone, sample::notification().with_vendor(fields))
            .await;
        let arrivals = phone.arrivals();
        let seen = |at: usize| (arrivals[at].urgency(), arrivals[at].text("icon"));
        assert_eq!(seen(0), ("low", "https://a.example/1.png"));
        assert_eq!(seen(1), ("high", "https://a.example/2.png"));
        assert_eq!(arrivals[1].text("badge_icon"), "/b.png");
        assert_eq!(arrivals[1].payload()["silent"], true);
    });
}

#[test]
fn of_two_pushes_with_one_key_a_browser_that_was_away_gets_the_later_one() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Safari);
        phone.set_power(false);
        for (key, title) in [("a", "one"), ("b", "two"), ("a", "three")] {
            let notification = sample::notification().with_collapse(key).with_title(title);
            world.notify(&phone, notification).await;
        }
        phone.set_power(true);
        let arrivals = phone.arrivals();
        let titles: Vec<_> = arrivals.iter().map(|it| it.text("title")).collect();
        assert_eq!(titles, ["two", "three"]);
        // On the screen the tag does the same.
        let notification = sample::notification().with_collapse("b").with_title("four");
        world.notify(&phone, notification).await;
        let screen = phone.screen();
        let titles: Vec<_> = screen.iter().map(|it| it.text("title")).collect();
        assert_eq!(titles, ["three", "four"]);
    });
}

#[test]
fn what_expires_while_the_browser_is_away_does_not_arrive() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Firefox);
        phone.set_power(false);
        for (key, seconds) in [("short", 60), ("long", 600)] {
            let notification = sample::notification()
                .with_collapse(key)
                .with_title(key)
                .with_expires_at(sample::NOW + Duration::from_secs(seconds));
            world.notify(&phone, notification).await;
        }
        world.clock.advance(Duration::from_secs(61));
        phone.set_power(true);
        let arrivals = phone.arrivals();
        let titles: Vec<_> = arrivals.iter().map(|it| it.text("title")).collect();
        assert_eq!(titles, ["long"]);
    });
}

#[test]
fn an_ended_subscription_is_dead_at_each_service_and_others_are_not() {
    block_on(async {
        let world = world().await;
        for browser in Browser::ALL {
            let (gone, other) = (
                world.simulator.install(browser),
                world.simulator.install(browser),
            );
            gone.unsubscribe();
            assert_eq!(world.send_to(gone.token()).await.kind, DEAD, "{browser:?}");
            let never = gone.token().replace("\",\"keys\"", "x\",\"keys\"");
            assert_eq!(world.send_to(&never).await.kind, DEAD, "{browser:?}");
            let verdict = world.send_to(other.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
    });
}

#[test]
fn a_subscription_made_with_another_key_is_kept_and_reported_as_such() {
    block_on(async {
        let world = world().await;
        // The public key of another application server.
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        for browser in Browser::ALL {
            let phone = world.simulator.subscribe(browser, key);
            let verdict = world.send_to(phone.token()).await;
            let other_key = VerdictKind::TokenUnusable(TokenFault::App);
            assert_eq!(verdict.kind, other_key, "{browser:?}: {verdict:?}");
            assert!(phone.arrivals().is_empty());
        }
    });
}

#[test]
fn a_hundred_sends_at_once_share_one_signature_for_an_origin() {
    block_on(async {
        let world = world().await;
        let phones: Vec<Phone> = (0..100)
            .map(|_| world.simulator.install(Browser::Chrome))
            .collect();
        let sends = phones.iter().map(|phone| {
            let (provider, token) = (Arc::clone(&world.provider), phone.token().to_owned());
            tokio::spawn(async move { sample::send_one(&provider, &token).await.kind })
        });
        for send in sends.collect::<Vec<_>>() {
            assert_eq!(send.await.expect("no panic"), VerdictKind::Accepted);
        }
        let requests = world.simulator.log().requests();
        let signatures: std::collections::HashSet<_> = requests
            .iter()
            .map(|request| request.header("authorization").expect("a signature"))
            .collect();
        assert_eq!((requests.len(), signatures.len()), (100, 1));
        let bodies: std::collections::HashSet<_> =
            requests.iter().map(|request| &request.body).collect();
        assert_eq!(bodies.len(), 100, "no two messages are encrypted alike");
    });
}

/// S120
#[test]
fn a_refused_signature_is_made_anew_once_and_the_push_sent_again() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Chrome);
        let expired = || Reply::new(403).body("token has expired\n");
        let sent = || world.simulator.log().total();
        // One that was just made is not replaced: the next would be refused, too.
        world.simulator.faults().next(expired());
        let verdict = world.send_to(phone.token()).await;
        assert_eq!((verdict.kind, sent()), (VerdictKind::CredentialRefused, 1));
        world.clock.advance(Duration::from_secs(2 * 3600));
        world.simulator.faults().next(expired());
        let verdict = world.send_to(phone.token()).await;
        assert_eq!((verdict.kind, sent()), (VerdictKind::Accepted, 3));
        assert_eq!(phone.arrivals().len(), 1);
        let requests = world.simulator.log().requests();
        let signature = |at: usize| requests[at].header("authorization").map(str::to_owned);
        assert_ne!(signature(1), signature(2));
        assert_eq!(requests[1].body, requests[2].body, "it is the same message");
        // It never helps: one more try, and no third.
        world.clock.advance(Duration::from_secs(2 * 3600));
        world.simulator.faults().always(expired());
        let verdict = world.send_to(phone.token()).await;
        assert_eq!((verdict.kind, sent()), (VerdictKind::CredentialRefused, 5));
    });
}

#[test]
fn an_outage_or_a_limit_of_one_service_is_that_services() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Firefox);
        let origin = VerdictKind::Unavailable(Scope::Origin);
        let limited = VerdictKind::RateLimited(Scope::Origin);
        let page = "<html><body>503 Service Unavailable</body></html>";
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        for (reply, kind, retry) in [
            (
                Reply::new(503)
                    .json(json!({ "code": 503, "errno": 201, "message": "busy" }))
                    .header("retry-after", "120"),
                origin,
                after(120),
            ),
            (
                Reply::from((503, page)).header("retry-after", "3600"),
                origin,
                after(60),
            ),
            (Reply::from((200, page)), origin, Retry::Backoff),
            (Reply::from((410, page)), origin, Retry::Backoff),
            (Reply::from((404, "")), origin, Retry::Backoff),
            (Reply::from((403, "Forbidden")), origin, Retry::Backoff),
            (Reply::from((201, "{\"id\":1}")), origin, Retry::Backoff),
            (
                Reply::new(429).header("retry-after", "5"),
                limited,
                after(5),
            ),
            (
                Reply::new(429)
                    .json(json!({ "reason": "TooManyRequests" }))
                    .header("retry-after", "5"),
                VerdictKind::RateLimited(Scope::Token),
                after(5),
            ),
            (Reply::reset(), VerdictKind::Unknown, Retry::Backoff),
            (
                Reply::from((503, page)).truncated(),
                VerdictKind::Unknown,
                Retry::Backoff,
            ),
        ] {
            world.simulator.faults().next(reply.clone());
            let verdict = world.send_to(phone.token()).await;
            assert_eq!((verdict.kind, verdict.retry), (kind, retry), "{reply:?}");
            let next = world.send_to(phone.token()).await;
            assert_eq!(next.kind, VerdictKind::Accepted, "after {reply:?}");
        }
    });
}

#[test]
fn a_redirect_is_not_followed() {
    block_on(async {
        let (world, elsewhere) = (world().await, world().await);
        let phone = world.simulator.install(Browser::Chrome);
        let other = elsewhere.simulator.install(Browser::Chrome);
        let token: Value = serde_json::from_str(other.token()).expect("JSON");
        let location = token["endpoint"].as_str().expect("text");
        for status in [301, 302, 307, 308] {
            let reply = Reply::new(status).header("location", location);
            world.simulator.faults().next(reply);
            let verdict = world.send_to(phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Origin));
        }
        assert_eq!(elsewhere.simulator.log().total(), 0);
    });
}

#[test]
fn by_default_nothing_but_https_at_public_addresses_is_sent_to() {
    block_on(async {
        let world = with(&json!({ "origins": [] }), AddressPolicy::any()).await;
        let keys = Keys::generate();
        let own = world.simulator.config()["origins"][0].clone();
        let own = own.as_str().expect("a URL");
        let port = own.rsplit(':').next().expect("a port");
        for host in [
            "127.0.0.1",
            "[::1]",
            "10.0.0.1",
            "169.254.169.254",
            "[::ffff:10.0.0.1]",
        ] {
            let token = keys.subscription(&format!("https://{host}:{port}/wpush/v2/a"));
            let error = world.checked(&token).expect_err(host);
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("operator"), "{error}");
            let verdict = world.send_to(&token).await;
            assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{host}");
        }
        // A name is checked when it is resolved. One that does not resolve looks the same, and may do so tomorrow.
        let phone = world.simulator.install(Browser::Firefox);
        assert!(world.checked(phone.token()).is_ok());
        let verdict = world.send_to(phone.token()).await;
        let denied = VerdictKind::Unavailable(Scope::Origin);
        assert_eq!(verdict.kind, denied, "{verdict:?}");
        let clear = keys.subscription("http://localhost:1/wpush/v2/a");
        assert!(world.checked(&clear).is_err());
        let verdict = world.send_to(&clear).await;
        let malformed = VerdictKind::TokenUnusable(TokenFault::Malformed);
        assert_eq!(verdict.kind, malformed, "{verdict:?}");
        assert_eq!(world.simulator.log().total(), 0);
    });
}

#[test]
fn a_service_that_is_not_listed_gets_no_push_and_loses_no_token() {
    block_on(async {
        let listed = json!({ "origins": ["https://*.push.services.mozilla.com"] });
        let world = with(&listed, AddressPolicy::any()).await;
        let phone = world.simulator.install(Browser::Chrome);
        let error = world.checked(phone.token()).expect_err("it is not listed");
        assert!(error.to_string().contains("`origins`"), "{error}");
        let verdict = world.send_to(phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{verdict:?}");
        assert_eq!(world.simulator.log().total(), 0);
    });
}

/// Anybody can register an endpoint of a server of his own: what that says must not stop the pushes to all others.
#[test]
fn a_service_that_nobody_knows_accuses_no_credential() {
    block_on(async {
        let policy = AddressPolicy::public_only().allow_loopback();
        let world = with(&json!({ "origins": [] }), policy).await;
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        let phone = world.simulator.install(Browser::Safari);
        let refused = Reply::new(403).json(json!({ "reason": "BadJwtToken" }));
        world.simulator.faults().next(refused);
        for token in [
            phone.token(),
            world.simulator.subscribe(Browser::Firefox, key).token(),
        ] {
            let verdict = world.send_to(token).await;
            assert_eq!(verdict.kind, VerdictKind::TargetRefused, "{verdict:?}");
        }
        let verdict = world.send_to(phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn a_background_push_is_sent_only_where_the_operator_wants_it() {
    block_on(async {
        let silent = || {
            Notification::default()
                .with_kind(NotificationKind::Background)
                .with_title("a title is not shown")
                .with_ext(sample::EXT)
        };
        let without = world().await;
        let phone = without.simulator.install(Browser::Firefox);
        let verdict = without.notify(&phone, silent()).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        let world = with(&json!({ "background": true }), AddressPolicy::any()).await;
        let phone = world.simulator.install(Browser::Firefox);
        let verdict = world.notify(&phone, silent()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(phone.arrivals()[0].text("ext"), sample::EXT);
        assert_eq!(phone.arrivals()[0].text("title"), "");
        assert!(phone.screen().is_empty());
        // Safari withdraws the permission.
        let safari = world.simulator.install(Browser::Safari);
        let mut kinds = Vec::new();
        for _ in 0..4 {
            kinds.push(world.notify(&safari, silent()).await.kind);
        }
        let accepted = VerdictKind::Accepted;
        assert_eq!(kinds, [accepted, accepted, accepted, DEAD]);
    });
}

#[test]
fn the_longest_texts_and_the_longest_click_data_are_taken() {
    block_on(async {
        let world = world().await;
        let long = "👨\u{200d}👩\u{200d}👧你好".repeat(400);
        for browser in Browser::ALL {
            let phone = world.simulator.install(browser);
            let most = world.provider.capabilities().max_payload - 300;
            let ext = json!({ "c": "c".repeat(most) }).to_string();
            for notification in [
                sample::notification().with_title(&long).with_body(&long),
                sample::notification().with_ext(ext),
            ] {
                let verdict = world.notify(&phone, notification).await;
                assert_eq!(
                    verdict.kind,
                    VerdictKind::Accepted,
                    "{browser:?}: {verdict:?}"
                );
                let length = world.last().body.len();
                assert!([2744, 4096].contains(&length), "{length}");
            }
            assert_eq!(phone.screen().len(), 1, "the second replaced the first");
        }
    });
}

#[test]
fn verify_disturbs_nobody_and_shows_the_public_key() {
    block_on(async {
        let world = world().await;
        let health = world.provider.verify().await.expect("no question is asked");
        assert_eq!(health.acceptance, Acceptance::CannotTell);
        let key = world.simulator.config()["public_key"]
            .as_str()
            .map(str::to_owned);
        assert!(health.evidence.contains(&key.expect("text")));
        assert_eq!(world.simulator.log().total(), 0);
    });
}

#[test]
fn a_public_key_that_is_not_of_the_private_key_is_a_fault_that_names_the_right_one() {
    let config = json!({
        "private_key": "Fu-1S7TkL8oI0FMVdllcOHwf7qcEks-8H8qJKcqr3zA",
        "subject": "https://im.example.com/push",
        "public_key": "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs",
    });
    let clock: Arc<dyn Clock> = Arc::new(sample::clock());
    let build = |config: &Value| {
        let config = RawConfig::from_json(config).expect("an object");
        PLUGIN.build(config, &BuildContext::new(Arc::clone(&clock)))
    };
    let error = build(&config)
        .map(drop)
        .expect_err("the keys do not belong together");
    let right =
        "BJ5e4UjtKtT-1LyuZkIKvxjro_NdSwqT2MLfojYWqcHCdmzR5q48ASmHwVeLkk-xz2Hes7UB-UmA9Wvi6bmRY-0";
    assert!(error.to_string().contains(right), "{error}");
    for subject in [
        "ops@example.com",
        "mailto:ops",
        "mailto:mailto:ops@example.com",
        "http://a.example",
        "https://",
        "mailto:a@b\"",
        "",
    ] {
        let mut config = config.clone();
        (config["public_key"], config["subject"]) = (right.into(), subject.into());
        let error = build(&config).map(drop).expect_err(subject);
        assert!(error.to_string().contains("subject"), "{error}");
    }
}

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
