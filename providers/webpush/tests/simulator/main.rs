//! The provider against simulated push services and browsers.
mod addresses;
mod services;
mod world;

use std::{sync::Arc, time::Duration};

use push_core::{
    Acceptance, AddressPolicy, Badge, BuildContext, Clock, Notification, NotificationKind,
    Priority, RawConfig, Retry, Scope, TokenFault, VerdictKind,
};
use push_provider_webpush::{
    PLUGIN,
    simulator::{Browser, Phone},
};
use push_testkit::{
    Reply, block_on, json, sample,
    serde_json::{self, Value},
};

use self::world::{DEAD, with, world};

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

/// Anybody can register an endpoint at a server of their own, which answers with as much as it likes.
#[test]
fn an_answer_that_no_push_service_gives_is_not_read_to_its_end() {
    block_on(async {
        let world = world().await;
        let phone = world.simulator.install(Browser::Chrome);
        let line = "push subscription has unsubscribed or expired.";
        for (length, kind) in [(64 * 1024, DEAD), (65 * 1024, VerdictKind::Unknown)] {
            let body = format!("{line}{}", " ".repeat(length - line.len()));
            world.simulator.faults().next(Reply::from((410, &*body)));
            assert_eq!(world.send_to(phone.token()).await.kind, kind, "{length}");
        }
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
fn verify_disturbs_no_user_and_shows_the_public_key() {
    block_on(async {
        let world = world().await;
        let health = world.provider.verify().await.expect("no question is asked");
        let is_judged = matches!(
            health.acceptance,
            Acceptance::Accepted | Acceptance::Refused
        );
        assert!(!is_judged, "{health:?}");
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
