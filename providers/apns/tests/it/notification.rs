//! What arrives, and what is refused before it is sent.
use std::time::Duration;

use push_core::{
    Badge, Channel, Environment, Interruption, Mismatch, Notification, NotificationKind, Priority,
    Retry, Slot, Sound, Timestamp, VerdictKind,
};
use push_provider_apns::PushType;

use push_testkit::{block_on, json, sample};

use crate::support::{Apple, TOPIC, dynamic, minutes, send, send_sample};

/// S2: `ext` is a string at the top level, beside `aps`, and comes back whole from a tap.
#[test]
fn a_push_arrives_as_it_was_meant() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let batch = sample::batch(sample::notification(), [phone.token()]);
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
        let notification = Notification {
            subtitle: "in the garden".into(),
            mutable: true,
            wakes_app: true,
            badge: Badge::Set(0),
            sound: Sound::Silent,
            image: "https://example.com/a.png".into(),
            interruption: Some(Interruption::TimeSensitive),
            priority: Priority::Normal,
            collapse: "chat-ann".into(),
            ..sample::notification()
        };
        let verdict = send(&provider, &phone.token(), notification.clone()).await;
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

        let named = Notification {
            sound: Sound::Named("ring.caf".into()),
            interruption: Some(Interruption::Critical),
            title: String::new(),
            subtitle: String::new(),
            badge: Badge::Leave,
            ..notification
        };
        send(&provider, &phone.token(), named).await;
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
        for (count, push_type) in PushType::ALL.iter().enumerate() {
            let mut notification = sample::notification();
            let mut fields = json!({ "push-type": push_type.as_str() });
            match push_type {
                PushType::LiveActivity => {
                    fields["aps"] = json!({ "event": "update", "content-state": { "goals": 3 } });
                }
                PushType::Mdm => {
                    fields["payload"] = json!({ "mdm": "magic" });
                    notification.ext.clear();
                }
                _ => {}
            }
            notification.vendor.insert(Channel::APNS, fields);
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
            let notification = Notification {
                kind,
                ..sample::notification()
            };
            let mut batch = sample::batch(notification, [phone.token_of(slot)]);
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
        let mut notification = Notification {
            kind: NotificationKind::LiveActivity,
            ..Notification::default()
        };
        notification.vendor.insert(
            Channel::APNS,
            json!({ "aps": { "content-state": { "step": 2 } } }),
        );
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
        notification.vendor.insert(
            Channel::APNS,
            json!({
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
            }),
        );
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
fn only_an_alert_names_its_delivery_and_only_where_it_costs_no_text() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let long = Notification {
            body: "x".repeat(5000),
            ..sample::notification()
        };
        let silent = Notification {
            kind: NotificationKind::Background,
            ..sample::notification()
        };
        for (notification, named) in [
            (sample::notification(), true),
            (long, false),
            (silent, false),
        ] {
            let verdict = send(&provider, &phone.token(), notification).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
            let arrival = phone.arrivals().pop().unwrap();
            let delivery = arrival.payload["delivery"].as_str();
            assert_eq!(delivery, named.then_some(arrival.apns_id.as_str()));
        }
        assert_eq!(phone.arrived(), 3);
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
            notification.vendor.insert(Channel::APNS, fields);
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
            ("BadTopic", with(json!({ "topic": "a\nb" }))),
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
                Notification {
                    ext: "x".repeat(4096),
                    ..sample::notification()
                },
            ),
            (
                "BadExpirationDate",
                Notification {
                    expires_at: Some(sample::NOW),
                    ..sample::notification()
                },
            ),
            (
                "BadExpirationDate",
                Notification {
                    expires_at: Some(Timestamp::default()),
                    ..sample::notification()
                },
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
fn a_token_of_another_channel_is_set_aside_without_a_request() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        for token in ["dGhpcyBpcyBub3QgaGV4", "abc", "zz", "ab/../cd", "a?b=cd"] {
            let verdict = send_sample(&provider, token).await;
            assert_eq!(
                verdict.kind,
                VerdictKind::TokenMismatch(Mismatch::App),
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
        let until = |at: Duration| Notification {
            expires_at: Some(sample::NOW + at),
            ..sample::notification()
        };
        // Kept without a word about it, and until the moment that is asked for.
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
        // A call is not kept: nobody wants to hear it later.
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
