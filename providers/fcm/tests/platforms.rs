//! Apps that use FCM everywhere: what an iPhone, a browser and a phone with the preview form get of one message.
use std::{sync::Arc, time::Duration};

use push_core::{
    Badge, BuildContext, DynProvider, Interruption, Notification, NotificationKind, RawConfig,
    Sound, VerdictKind,
    payload::{Payload, Profile},
};
use push_provider_fcm::{
    PLUGIN,
    simulator::{Options, Phone, Platform, Simulator, Tapped},
};
use push_testkit::{block_on, sample};
use serde_json::{Value, json};

const ALL: [Platform; 3] = [Platform::Android, Platform::Iphone, Platform::Browser];

struct Scene {
    clock: push_core::ManualClock,
    google: Simulator,
    provider: DynProvider,
}

impl Scene {
    async fn new(keys: Value) -> Self {
        let clock = sample::clock();
        let options = Options::default().with_clock(Arc::new(clock.clone()));
        let google = Simulator::start(options).await.expect("a free port");
        let mut config = google.config();
        for (key, value) in keys.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let raw = RawConfig::from_json(&config).expect("a table");
        let context = BuildContext::new(Arc::new(clock.clone()));
        let provider = PLUGIN.build(raw, &context).expect("it is right");
        Self {
            clock,
            google,
            provider,
        }
    }

    async fn send(&self, notification: Notification, badge: Badge, phone: &Phone) {
        let mut batch = sample::batch(notification, [phone.token()]);
        batch.targets[0].badge = badge;
        batch.targets[0].receiver = Some(sample::user("alice"));
        let verdict = sample::send(&self.provider, batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
    }
}

fn opens_the_chat(tapped: Tapped) {
    assert_eq!(tapped.extras["receiver"], "alice");
    let clicked = Payload::intent_extras(json!(tapped.extras));
    let target = clicked.target(Profile::Android).expect("a chat");
    assert_eq!(target.navigate_ids(), Some(("ann", "")));
}

#[test]
fn one_message_is_shown_and_opens_its_chat_on_every_platform() {
    block_on(async {
        for keys in [json!({}), json!({ "android_v2": true })] {
            let scene = Scene::new(keys).await;
            for platform in ALL {
                let phone = scene.google.install_on(platform);
                let notification =
                    sample::notification().with_sound(Sound::Named("bell.caf".into()));
                scene.send(notification, Badge::Set(3), &phone).await;
                let shown = phone.screen();
                assert_eq!(shown.len(), 1, "{platform:?}");
                assert_eq!(shown[0].title(), Some(sample::TITLE), "{platform:?}");
                assert_eq!(shown[0].body(), Some(sample::BODY), "{platform:?}");
                assert!(shown[0].high_priority, "{platform:?}");
                let (sound, badge) = match platform {
                    Platform::Android => (Some("bell"), 3),
                    Platform::Iphone => (Some("bell.caf"), 3),
                    _ => (None, 0),
                };
                assert_eq!(shown[0].sound(), sound, "{platform:?}");
                assert_eq!(phone.badge(), badge, "{platform:?}");
                opens_the_chat(phone.tap_newest().expect("it is shown"));
            }
        }
    });
}

#[test]
fn an_iphone_gets_subtitle_thread_level_and_picture() {
    block_on(async {
        let scene = Scene::new(json!({})).await;
        let phone = scene.google.install_on(Platform::Iphone);
        let notification = sample::notification()
            .with_subtitle("in Lunch")
            .with_image("https://example.com/a.png")
            .with_interruption(Interruption::TimeSensitive);
        scene.send(notification, Badge::Leave, &phone).await;
        let arrival = phone.arrivals().remove(0);
        assert_eq!(
            arrival.notification,
            Some(json!({
                "title": sample::TITLE, "subtitle": "in Lunch", "body": sample::BODY,
                "interruption-level": "time-sensitive", "mutable-content": 1, "sound": "default",
                "tag": "message-1", "thread-id": "ann",
            }))
        );
        assert_eq!(arrival.data["image"], "https://example.com/a.png");
    });
}

#[test]
fn a_later_message_of_a_chat_replaces_the_earlier_one_on_every_platform() {
    block_on(async {
        let scene = Scene::new(json!({})).await;
        for platform in ALL {
            let phone = scene.google.install_on(platform);
            for (key, body) in [("ann", "one"), ("bob", "two"), ("ann", "three")] {
                let notification = sample::notification().with_collapse(key).with_body(body);
                scene.send(notification, Badge::Leave, &phone).await;
            }
            let screen = phone.screen();
            let bodies: Vec<_> = screen.iter().map(|shown| shown.body().unwrap()).collect();
            assert_eq!(bodies, ["two", "three"], "{platform:?}");
        }
    });
}

#[test]
fn what_expires_while_a_phone_is_off_reaches_no_platform() {
    block_on(async {
        for platform in ALL {
            let scene = Scene::new(json!({})).await;
            let phone = scene.google.install_on(platform);
            phone.switch_off();
            for (key, seconds) in [("short", 60), ("long", 600)] {
                let notification = sample::notification()
                    .with_collapse(key)
                    .with_body(key)
                    .with_expires_at(sample::NOW + Duration::from_secs(seconds));
                scene.send(notification, Badge::Leave, &phone).await;
            }
            scene.clock.advance(Duration::from_secs(61));
            phone.switch_on();
            let arrivals = phone.arrivals();
            let bodies: Vec<_> = arrivals
                .iter()
                .map(|arrival| arrival.body().unwrap())
                .collect();
            assert_eq!(bodies, ["long"], "{platform:?}");
        }
    });
}

#[test]
fn a_push_that_only_wakes_the_app_shows_nothing_on_any_platform() {
    block_on(async {
        for keys in [json!({}), json!({ "android_v2": true })] {
            let scene = Scene::new(keys).await;
            for platform in ALL {
                let phone = scene.google.install_on(platform);
                let woken = sample::notification().with_kind(NotificationKind::Background);
                scene.send(woken, Badge::Leave, &phone).await;
                assert!(phone.screen().is_empty(), "{platform:?}");
                let arrival = phone.arrivals().remove(0);
                assert_eq!(arrival.ext(), Some(sample::EXT), "{platform:?}");
                // Without a text, too, the number is set where the system can.
                let number = Notification::default();
                scene.send(number, Badge::Set(5), &phone).await;
                assert!(phone.screen().is_empty(), "{platform:?}");
                let badge = if platform == Platform::Iphone { 5 } else { 0 };
                assert_eq!(phone.badge(), badge, "{platform:?}");
            }
        }
    });
}

#[test]
fn a_call_reaches_the_app_at_once_in_both_forms_for_android() {
    block_on(async {
        for (keys, is_shown) in [(json!({}), false), (json!({ "android_v2": true }), true)] {
            let scene = Scene::new(keys).await;
            let phone = scene.google.install();
            let call = sample::notification().with_kind(NotificationKind::Voip);
            scene.send(call, Badge::Leave, &phone).await;
            let arrival = phone.arrivals().remove(0);
            assert!(arrival.high_priority);
            assert_eq!(arrival.ext(), Some(sample::EXT));
            assert_eq!(phone.screen().len(), usize::from(is_shown));
        }
    });
}

#[test]
fn a_click_in_a_browser_opens_the_page_of_the_configuration() {
    block_on(async {
        let link = "https://chat.example.com/inbox";
        let scene = Scene::new(json!({ "web_link": format!(" {link}\n") })).await;
        let phone = scene.google.install_on(Platform::Browser);
        scene
            .send(sample::notification(), Badge::Leave, &phone)
            .await;
        let tapped = phone.tap_newest().expect("it is shown");
        assert_eq!(tapped.action.as_deref(), Some(link));
        opens_the_chat(tapped);
    });
}
