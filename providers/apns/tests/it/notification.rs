//! What arrives, and what is refused before it is sent.
use std::time::Duration;

use push_core::{
    Badge, Environment, Interruption, Notification, NotificationKind, Priority, Retry, Slot, Sound,
    Timestamp, TokenFault, VerdictKind,
};
use push_provider_apns::PushType;

use push_testkit::{block_on, json, sample};

use crate::support::{Apple, TOPIC, dynamic, minutes, object, send, send_sample, send_with};

/// S2: `ext` is a string at the top level, beside `aps`, and comes back whole from a tap.
#[test]
fn a_push_arrives_as_it_was_meant() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let content = sample::content(sample::notification());
        let target = sample::target(phone.token(), &content)
            .with_badge(Badge::Set(3))
            .with_receiver(Some(sample::user("ann")));
        let batch = sample::batch_of([target]);
        let delivery = batch.targets[0].delivery;
        let verdict = sample::send(&dynamic(&provider), batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(verdict.answer.status, Some(200));
        assert_eq!(verdict.answer.request_id, delivery.to_string());

        let arrival = phone.wait_for(1).await.unwrap();
        assert_eq!(arrival.apns_id, delivery.to_string());
        assert_eq!(arrival.push_type, PushType::Alert);
        assert_eq!(arrival.topic, TOPIC);
        assert_eq!(arrival.priority, 10);
        assert_eq!(arrival.title(), Some(sample::TITLE));
        assert_eq!(arrival.body(), Some(sample::BODY));
        assert_eq!(arrival.badge(), Some(3));
        assert_eq!(arrival.sound(), Some("default"));
        assert_eq!(arrival.payload["aps"]["thread-id"], "ann");
        assert_eq!(phone.badge(), 3);

        let user_info = phone.tap(&arrival).unwrap();
        assert_eq!(user_info["ext"], sample::EXT);
        assert_eq!(user_info["receiver"], "ann");
        assert_eq!(user_info["delivery"], delivery.to_string());
        assert!(user_info["aps"]["ext"].is_null());
        assert!(phone.screen().is_empty());
    });
}

/// S96, S97, S124+.
#[test]
fn every_field_of_a_notification_has_its_place() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let notification = sample::notification()
            .with_subtitle("in the garden")
            .with_mutable(true)
            .with_wakes_app(true)
            .with_sound(Sound::Silent)
            .with_image("https://example.com/a.png")
            .with_interruption(Interruption::TimeSensitive)
            .with_priority(Priority::Normal)
            .with_collapse("chat-ann");
        let zero = Badge::Set(0);
        let verdict = send_with(&provider, &phone.token(), notification.clone(), zero).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        let arrival = phone.wait_for(1).await.unwrap();
        assert_eq!(
            arrival.payload,
            json!({
                "aps": {
                    "alert": { "title": sample::TITLE, "subtitle": "in the garden", "body": sample::BODY },
                    "badge": 0,
                    "thread-id": "ann",
                    "content-available": 1,
                    "mutable-content": 1,
                    "interruption-level": "time-sensitive",
                },
                "delivery": arrival.apns_id,
                "ext": sample::EXT,
                "image": "https://example.com/a.png",
            })
        );
        assert_eq!(arrival.priority, 5);
        assert_eq!(arrival.collapse_id.as_deref(), Some("chat-ann"));

        let named = notification
            .with_sound(Sound::Named("ring.caf".into()))
            .with_interruption(Interruption::Critical)
            .with_title("")
            .with_subtitle("");
        send_with(&provider, &phone.token(), named, Badge::Leave).await;
        let arrival = phone.wait_for(2).await.unwrap();
        let aps = &arrival.payload["aps"];
        assert_eq!(aps["alert"], sample::BODY, "one text alone is a string");
        assert_eq!(
            aps["sound"],
            json!({ "critical": 1, "name": "ring.caf", "volume": 1.0 })
        );
        assert!(aps["badge"].is_null());
        // The second replaced the first on the screen.
        assert_eq!(phone.screen().len(), 1);
    });
}

#[test]
fn every_push_type_reaches_its_own_token_under_its_own_topic() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        // The receiver of a push for device management is not the app.
        let of_apps = PushType::ALL
            .iter()
            .filter(|push_type| **push_type != PushType::Mdm);
        for (count, push_type) in of_apps.enumerate() {
            let mut notification = sample::notification();
            notification.vendor = object(match push_type {
                PushType::LiveActivity => {
                    json!({ "aps": { "event": "update", "content-state": { "goals": 3 } } })
                }
                PushType::Voip => json!({}),
                _ => json!({ "push-type": push_type.as_str() }),
            });
            let mut batch = sample::batch(notification, [phone.token_for(*push_type)]);
            batch.slot = match push_type {
                PushType::Voip => Slot::Voip,
                PushType::LiveActivity => Slot::LiveActivity,
                _ => Slot::Alert,
            };
            let verdict = sample::send(&dynamic(&provider), batch).await.remove(0);
            assert_eq!(
                verdict.kind,
                VerdictKind::Accepted,
                "{push_type:?} {verdict:?}"
            );
            let arrival = phone.wait_for(count as u64 + 1).await.unwrap();
            assert_eq!(arrival.push_type, *push_type);
            assert_eq!(
                arrival.topic,
                format!("{TOPIC}{}", push_type.topic_suffix())
            );
            let priority = if *push_type == PushType::Background {
                5
            } else {
                10
            };
            assert_eq!(arrival.priority, priority);
        }
    });
}

#[test]
fn kind_and_slot_choose_the_push_type() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let table = [
            (NotificationKind::Alert, Slot::Alert, PushType::Alert),
            (
                NotificationKind::Background,
                Slot::Alert,
                PushType::Background,
            ),
            (NotificationKind::Voip, Slot::Voip, PushType::Voip),
            // A call to a device without a VoIP token is an alert.
            (NotificationKind::Voip, Slot::Alert, PushType::Alert),
        ];
        for (count, (kind, slot, push_type)) in table.into_iter().enumerate() {
            let notification = sample::notification().with_kind(kind);
            let target = sample::target(phone.token_of(slot), &sample::content(notification));
            let mut batch = sample::batch_of([target]);
            batch.slot = slot;
            let verdict = sample::send(&dynamic(&provider), batch).await.remove(0);
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{kind:?} {verdict:?}");
            let arrival = phone.wait_for(count as u64 + 1).await.unwrap();
            assert_eq!(arrival.push_type, push_type);
            assert_eq!(arrival.ext(), Some(sample::EXT));
        }
    });
}

#[test]
fn a_live_activitys_change_is_dated_by_its_delivery_and_not_by_the_retry() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let mut notification = Notification::default().with_kind(NotificationKind::LiveActivity);
        notification.vendor = object(json!({ "aps": { "content-state": { "step": 2 } } }));
        let mut batch = sample::batch(notification, [phone.token_of(Slot::LiveActivity)]);
        batch.slot = Slot::LiveActivity;
        sample::send(&dynamic(&provider), batch.clone()).await;
        apple.clock.advance(minutes(10));
        sample::send(&dynamic(&provider), batch).await;
        for arrival in phone.arrivals() {
            assert_eq!(
                arrival.payload["aps"]["timestamp"],
                sample::NOW.unix_seconds()
            );
            assert_eq!(arrival.payload["aps"]["event"], "update");
        }
        assert_eq!(phone.arrived(), 2);
    });
}

#[test]
fn a_senders_own_fields_are_laid_over_the_notification() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let mut notification = sample::notification();
        notification.vendor = object(json!({
            "priority": 1,
            "collapse-id": "中".repeat(21),
            "aps": {
                "alert": { "loc-key": "NEW_MESSAGE", "loc-args": ["Ann"] },
                "category": "MESSAGE",
                "relevance-score": 0.5,
                "target-content-id": "chat",
                "filter-criteria": "work",
                "invented-tomorrow": [1, 2],
            },
            "payload": { "conversation": { "id": 42 } },
        }));
        let verdict = send(&provider, &phone.token(), notification).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        let arrival = phone.wait_for(1).await.unwrap();
        assert_eq!(arrival.priority, 1);
        assert_eq!(arrival.collapse_id, Some("中".repeat(21)));
        assert_eq!(
            arrival.payload,
            json!({
                "aps": {
                    "alert": { "title": sample::TITLE, "loc-key": "NEW_MESSAGE", "loc-args": ["Ann"] },
                    "badge": 3,
                    "sound": "default",
                    "thread-id": "ann",
                    "category": "MESSAGE",
                    "relevance-score": 0.5,
                    "target-content-id": "chat",
                    "filter-criteria": "work",
                    "invented-tomorrow": [1, 2],
                },
                "delivery": arrival.apns_id,
                "ext": sample::EXT,
                "conversation": { "id": 42 },
            })
        );
    });
}

#[test]
fn a_push_names_its_delivery_if_it_is_seen_or_wakes_the_app() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let long = sample::notification().with_body("x".repeat(5000));
        let silent = sample::notification().with_kind(NotificationKind::Background);
        let number = Notification::default();
        for (notification, named) in [
            (sample::notification(), true),
            (long, true),
            (silent, true),
            (number, false),
        ] {
            let verdict = send(&provider, &phone.token(), notification).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
            let arrival = phone.arrivals().pop().unwrap();
            let delivery = arrival.payload["delivery"].as_str();
            assert_eq!(delivery, named.then_some(arrival.apns_id.as_str()));
        }
        assert_eq!(phone.arrived(), 4);
    });
}

/// S124+: the messages were read elsewhere, and the number on the icon must go.
#[test]
fn a_number_alone_changes_the_icon_and_nothing_else_is_seen_or_heard() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        send(&provider, &phone.token(), sample::notification()).await;
        assert_eq!(phone.badge(), 3);
        let number = sample::notification()
            .with_title("")
            .with_body("")
            .with_ext("");
        let verdict = send_with(&provider, &phone.token(), number, Badge::Set(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        let arrival = phone.wait_for(2).await.unwrap();
        assert_eq!(arrival.payload, json!({ "aps": { "badge": 0 } }));
        assert_eq!(arrival.push_type, PushType::Alert);
        assert_eq!(arrival.priority, 5);
        assert_eq!(phone.badge(), 0);
    });
}

#[test]
fn a_push_that_wakes_the_app_can_set_the_number_too() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let wake = sample::notification().with_kind(NotificationKind::Background);
        let verdict = send_with(&provider, &phone.token(), wake, Badge::Set(0)).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        let arrival = phone.wait_for(1).await.unwrap();
        assert_eq!(arrival.push_type, PushType::Alert);
        assert_eq!(arrival.priority, 5);
        assert_eq!(
            arrival.payload["aps"],
            json!({ "badge": 0, "content-available": 1 })
        );
    });
}

/// A push without a collapse id could not be replaced later.
#[test]
fn every_push_has_a_collapse_id() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let notification = sample::notification().with_collapse("");
        send(&provider, &phone.token(), notification).await;
        let arrival = phone.wait_for(1).await.unwrap();
        assert_eq!(arrival.collapse_id.as_deref(), Some("message-1"));
    });
}

#[test]
fn targets_of_one_batch_get_their_own_content_badge_and_receiver() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let contents =
            ["first", "second"].map(|body| sample::content(sample::notification().with_body(body)));
        let phones: Vec<_> = (0..6)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        let targets = phones.iter().enumerate().map(|(number, phone)| {
            sample::target(phone.token(), &contents[number % 2])
                .with_badge(Badge::Set(u32::try_from(number).unwrap()))
                .with_receiver(Some(sample::user(&format!("user-{number}"))))
        });
        let batch = sample::batch_of(targets);
        for verdict in sample::send(&dynamic(&provider), batch).await {
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        for (number, phone) in phones.iter().enumerate() {
            let arrival = phone.wait_for(1).await.unwrap();
            assert_eq!(arrival.body(), Some(["first", "second"][number % 2]));
            assert_eq!(arrival.badge(), Some(number as u64));
            assert_eq!(arrival.payload["receiver"], format!("user-{number}"));
        }
    });
}

/// The push type is the message's: what Apple answers to it says nothing of the token.
#[test]
fn a_push_type_that_does_not_suit_the_token_costs_neither_token_nor_credential() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let mut notification = sample::notification();
        notification.vendor = object(json!({ "push-type": "widgets" }));
        let verdict = send(&provider, &phone.token(), notification).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused, "{verdict:?}");
        assert!(verdict.answer.text.contains("push-type"));
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn what_apple_would_refuse_is_refused_without_a_request() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let with = |fields: serde_json::Value| {
            let mut notification = sample::notification();
            notification.vendor = object(fields);
            notification
        };
        let table = [
            (
                "BadCollapseId",
                with(json!({ "collapse-id": "a".repeat(65) })),
            ),
            (
                "BadCollapseId",
                with(json!({ "collapse-id": "中".repeat(22) })),
            ),
            ("BadCollapseId", with(json!({ "collapse-id": "a\nb" }))),
            ("BadPriority", with(json!({ "priority": 7 }))),
            (
                "BadPriority",
                with(json!({ "push-type": "background", "priority": 10 })),
            ),
            (
                "BadVendorFields",
                with(json!({ "topic": "com.example.other" })),
            ),
            ("InvalidPushType", with(json!({ "push-type": "mdm" }))),
            ("BadExpirationDate", with(json!({ "expiration": 5 }))),
            ("InvalidPushType", with(json!({ "push-type": "voip" }))),
            (
                "BadVendorFields",
                with(json!({ "push-type": "no-such-type" })),
            ),
            ("BadVendorFields", with(json!({ "priorty": 5 }))),
            ("BadVendorFields", with(json!({ "payload": { "aps": {} } }))),
            (
                "BadVendorFields",
                with(json!({ "payload": { "ext": "x" } })),
            ),
            (
                "BadVendorFields",
                with(json!({ "push-type": "background", "aps": { "badge": 1 } })),
            ),
            (
                "BadVendorFields",
                with(json!({ "aps": { "relevance-score": 2 } })),
            ),
            (
                "PayloadTooLarge",
                sample::notification().with_ext("x".repeat(4096)),
            ),
            (
                "BadExpirationDate",
                sample::notification().with_expires_at(sample::NOW - Duration::from_millis(1)),
            ),
            (
                "BadExpirationDate",
                sample::notification().with_expires_at(Timestamp::default()),
            ),
        ];
        for (code, notification) in table {
            let verdict = send(&provider, &phone.token(), notification).await;
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused, "{verdict:?}");
            assert_eq!(verdict.retry, Retry::Never);
            assert_eq!(verdict.answer.code, code, "{verdict:?}");
            assert_eq!(verdict.answer.status, None);
            assert!(!verdict.answer.text.is_empty());
            assert!(!verdict.answer.text.contains(sample::BODY));
        }
        assert_eq!(apple.service.counters().requests, 0);
    });
}

#[test]
fn what_is_no_token_is_quarantined_without_a_request() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        for token in ["dGhpcyBpcyBub3QgaGV4", "abc", "zz", "ab/../cd", "a?b=cd"] {
            let verdict = send_sample(&provider, token).await;
            assert_eq!(
                verdict.kind,
                VerdictKind::TokenUnusable(TokenFault::Malformed),
                "{token}"
            );
        }
        assert_eq!(apple.service.counters().requests, 0);
    });
}

#[test]
fn a_push_expires_when_it_should_and_never_in_1970() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let until = |at: Duration| sample::notification().with_expires_at(sample::NOW + at);
        // Kept by default, and until the time that is asked for.
        for (notification, wait, arrives) in [
            (sample::notification(), minutes(60 * 24), true),
            (until(minutes(10)), minutes(9), true),
            (until(minutes(10)), minutes(11), false),
            (until(Duration::from_millis(1)), Duration::ZERO, true),
            // Beyond Apple's 30 days it is kept for 30 days.
            (until(minutes(60 * 24 * 365)), minutes(60 * 24 * 29), true),
            (until(minutes(60 * 24 * 365)), minutes(60 * 24 * 31), false),
        ] {
            apple.clock.jump_to(sample::NOW);
            phone.switch_off();
            let verdict = send(&provider, &phone.token(), notification).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
            apple.clock.jump_to(sample::NOW + wait);
            let before = phone.arrived();
            phone.switch_on();
            assert_eq!(phone.arrived() - before, u64::from(arrives), "{wait:?}");
        }
        // A call is not kept: it is pointless later.
        apple.clock.jump_to(sample::NOW);
        phone.switch_off();
        let mut call = sample::batch(sample::notification(), [phone.token_of(Slot::Voip)]);
        call.slot = Slot::Voip;
        sample::send(&dynamic(&provider), call).await;
        let before = phone.arrived();
        phone.switch_on();
        assert_eq!(phone.arrived(), before);
    });
}
