//! The provider against the service: what arrives, and what becomes of everything that goes wrong.
mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Apple, KEY_ID, TEAM_ID, TOPIC, dynamic, key_config, provider, send, send_sample, service,
};
use push_core::{
    Badge, Channel, Collected, Environment, ErrorKind, Interruption, Mismatch, Notification,
    NotificationKind, Priority, Provider, Retry, Scope, Slot, Sound, Timestamp, VerdictKind,
    Verdicts,
};
use push_http::TokioClock;
use push_provider_apns::{
    PushType,
    simulator::{CertificateRequest, Options, Outcome},
};
use push_testkit::{block_on, fixtures, json, sample, until};

const MINUTE: Duration = Duration::from_secs(60);

fn minutes(count: u32) -> Duration {
    MINUTE * count
}

// ---- What arrives ----

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

/// S96, S97, S124.
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
            // S60: a call to a device without a VoIP token is an alert.
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

// ---- What is refused before it is sent ----

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

// ---- Whose token it is ----

/// S57: before anything is sent, where both are known.
#[test]
fn a_token_of_the_other_environment_is_recognised_before_it_is_sent() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Sandbox);
        let mut batch = sample::batch(sample::notification(), [phone.token()]);
        batch.environment = Environment::Sandbox;
        let verdict = sample::send(&dynamic(&provider), batch).await.remove(0);
        assert_eq!(
            verdict.kind,
            VerdictKind::TokenMismatch(Mismatch::Environment)
        );
        assert!(verdict.answer.text.contains("sandbox environment"));
        assert_eq!(apple.service.counters().requests, 0);
    });
}

/// S57: after the first `BadDeviceToken`, where the app told the wrong one.
#[test]
fn a_sandbox_token_told_as_production_is_set_aside_and_not_dead() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Sandbox);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(
            verdict.kind,
            VerdictKind::TokenMismatch(Mismatch::Environment)
        );
        assert_eq!(verdict.answer.code, "BadDeviceToken");
        assert!(verdict.answer.text.contains("environment"));
        assert_eq!(verdict.retry, Retry::Never);
        assert_eq!(phone.arrived(), 0);
    });
}

#[test]
fn a_wrong_topic_never_costs_a_token() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple
            .service
            .install("com.example.other", Environment::Production);
        let of_another_app = apple.provider(Environment::Production);
        let verdict = send_sample(&of_another_app, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::TokenMismatch(Mismatch::App));
        assert_eq!(verdict.answer.code, "DeviceTokenNotForTopic");

        apple
            .service
            .register_key_for(
                KEY_ID,
                TEAM_ID,
                &fixtures::apns_key(1),
                None,
                &["com.example.third"],
            )
            .unwrap();
        let verdict = send_sample(&of_another_app, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "TopicDisallowed");
    });
}

/// S113, S114: the vendor's moment is kept, for the pipeline to compare.
#[test]
fn a_token_of_a_deleted_app_is_dead_since_then() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.clock.advance(minutes(5));
        phone.uninstall();
        apple.clock.advance(minutes(5));
        let verdict = send_sample(&provider, &phone.token()).await;
        let since = Some(sample::NOW + minutes(5));
        assert_eq!(verdict.kind, VerdictKind::TokenDead { since });
        assert_eq!(verdict.answer.code, "Unregistered");
        let again = phone.reinstall();
        assert_ne!(again.token(), phone.token());
        let verdict = send_sample(&provider, &again.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

/// S122.
#[test]
fn every_device_of_a_batch_gets_its_own_outcome() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phones: Vec<_> = (0..6)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        phones[1].uninstall();
        let sandbox = apple.service.install(TOPIC, Environment::Sandbox);
        let other = apple
            .service
            .install("com.example.other", Environment::Production);
        apple.service.on(
            &phones[2].token(),
            Outcome::answer(503, "ServiceUnavailable"),
        );
        apple.service.on(
            &phones[3].token(),
            Outcome::answer(429, "TooManyRequests").with_retry_after("7"),
        );
        apple.service.on(&phones[4].token(), Outcome::reset());
        let tokens = [
            phones[0].token(),
            phones[1].token(),
            sandbox.token(),
            other.token(),
            phones[2].token(),
            phones[3].token(),
            phones[4].token(),
            "not-a-token".to_owned(),
            phones[5].token(),
        ];
        let batch = sample::batch(sample::notification(), tokens);
        let verdicts = sample::send(&dynamic(&provider), batch).await;
        let kinds: Vec<_> = verdicts.iter().map(|it| it.kind).collect();
        assert_eq!(
            kinds,
            [
                VerdictKind::Accepted,
                VerdictKind::TokenDead {
                    since: Some(sample::NOW)
                },
                VerdictKind::TokenMismatch(Mismatch::Environment),
                VerdictKind::TokenMismatch(Mismatch::App),
                VerdictKind::Unavailable,
                VerdictKind::RateLimited(Scope::Token),
                VerdictKind::Unknown,
                VerdictKind::TokenMismatch(Mismatch::App),
                VerdictKind::Accepted,
            ]
        );
        assert_eq!(verdicts[5].retry, Retry::After(Duration::from_secs(7)));
    });
}

#[test]
fn production_and_sandbox_sends_at_the_same_time_never_cross() {
    block_on(async {
        let apple = Apple::start().await;
        let environments = [Environment::Production, Environment::Sandbox];
        let sides = environments.map(|it| {
            let phones: Vec<_> = (0..100).map(|_| apple.service.install(TOPIC, it)).collect();
            (it, apple.provider(it), phones)
        });
        let mut tasks = tokio::task::JoinSet::new();
        for round in 0..10 {
            for (environment, provider, phones) in &sides {
                let some = phones.iter().skip(round * 10).take(10);
                let mut batch = sample::batch(sample::notification(), some.map(|it| it.token()));
                batch.environment = *environment;
                let provider = dynamic(provider);
                tasks.spawn(async move { sample::send(&provider, batch).await });
            }
        }
        for verdicts in tasks.join_all().await {
            assert!(verdicts.iter().all(|it| it.kind == VerdictKind::Accepted));
        }
        for (_, _, phones) in &sides {
            assert!(phones.iter().all(|it| it.arrived() == 1));
        }
    });
}

// ---- The credential ----

#[test]
fn a_hundred_sends_at_once_share_one_provider_token() {
    block_on(async {
        let apple = Apple::with(Options::default().with_any_token()).await;
        let provider = dynamic(&apple.provider(Environment::Production));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100 {
            let batch = sample::batch(sample::notification(), [format!("{number:064x}")]);
            let provider = Arc::clone(&provider);
            tasks.spawn(async move { sample::send(&provider, batch).await.remove(0) });
        }
        for verdict in tasks.join_all().await {
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        assert_eq!(apple.service.counters().provider_tokens, 1);
    });
}

#[test]
fn ten_thousand_pushes_need_no_second_token_and_no_more_connections() {
    block_on(async {
        let apple = Apple::with(Options::default().with_any_token()).await;
        let provider = dynamic(&apple.provider(Environment::Production));
        // What fits into the window of one connection at the same time.
        let batch = |round: usize| {
            let tokens = (0..200).map(|it| format!("{:064x}", round * 200 + it));
            sample::batch(sample::notification(), tokens)
        };
        for round in 0..50 {
            for verdict in sample::send(&provider, batch(round)).await {
                assert_eq!(verdict.kind, VerdictKind::Accepted);
            }
        }
        let counters = apple.service.counters();
        assert_eq!(counters.requests, 10_000);
        assert_eq!(counters.accepted, 10_000);
        assert_eq!(counters.provider_tokens, 1);
        // A few while Apple still allows one stream on each, and none since.
        assert!(counters.connections <= 4, "{counters:?}");
    });
}

/// S120: and the clock of Apple's that is ahead of ours costs one more token, not one for each request.
#[test]
fn an_expired_provider_token_is_renewed_once_and_the_request_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let ours = sample::clock();
        let config = key_config(&apple.service, Environment::Production);
        let provider = provider(config, Arc::new(ours.clone()));
        let phones: Vec<_> = (0..50)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        send_sample(&provider, &phones[0].token()).await;
        ours.advance(minutes(25));
        apple.clock.advance(minutes(62));

        let batch = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        let ids: Vec<_> = batch
            .targets
            .iter()
            .map(|it| it.delivery.as_uuid())
            .collect();
        let verdicts = sample::send(&dynamic(&provider), batch).await;
        assert!(verdicts.iter().all(|it| it.kind == VerdictKind::Accepted));
        assert_eq!(apple.service.counters().provider_tokens, 2);
        for id in ids {
            assert_eq!(apple.service.accepted_of(id), 1);
            assert!(apple.service.requests_of(id) <= 2);
        }
    });
}

#[test]
fn a_token_that_stays_too_old_is_not_renewed_more_often_than_apple_allows() {
    block_on(async {
        let apple = Apple::start().await;
        let ours = sample::clock();
        ours.jump_to(sample::NOW - minutes(120));
        let config = key_config(&apple.service, Environment::Production);
        let provider = provider(config, Arc::new(ours.clone()));
        let phone = apple.service.install(TOPIC, Environment::Production);
        for _ in 0..3 {
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
            assert_eq!(verdict.retry, Retry::After(minutes(20)));
            assert_eq!(verdict.answer.code, "ExpiredProviderToken");
            assert!(verdict.answer.text.contains("clock"));
        }
        assert_eq!(apple.service.counters().provider_tokens, 1);
        assert_eq!(apple.service.counters().requests, 3);
        // The operator sets the clock right: the next push goes through, without a restart.
        ours.jump_to(sample::NOW);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn a_clock_that_was_ahead_and_is_set_right_heals_by_itself() {
    block_on(async {
        let apple = Apple::start().await;
        let ours = sample::clock();
        ours.jump_to(sample::NOW + minutes(120));
        let config = key_config(&apple.service, Environment::Production);
        let provider = provider(config, Arc::new(ours.clone()));
        let phone = apple.service.install(TOPIC, Environment::Production);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "InvalidProviderToken");
        ours.jump_to(sample::NOW);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn what_apple_says_of_a_credential_never_costs_a_token() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        for (status, reason) in [
            (403, "InvalidProviderToken"),
            (403, "MissingProviderToken"),
            (403, "Forbidden"),
            (403, "BadEnvironmentKeyIdInToken"),
            (403, "BadCertificate"),
            (400, "TopicDisallowed"),
            (403, "InventedTomorrow"),
        ] {
            apple
                .service
                .once(&phone.token(), Outcome::answer(status, reason));
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::CredentialRefused, "{reason}");
            assert_eq!(verdict.answer.code, reason);
        }
        apple.service.once(
            &phone.token(),
            Outcome::answer(429, "TooManyProviderTokenUpdates"),
        );
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
        assert_eq!(verdict.retry, Retry::After(minutes(20)));
        // An unrelated key leaves the connection for good.
        apple.service.once(
            &phone.token(),
            Outcome::answer(403, "UnrelatedKeyIdInToken"),
        );
        let before = apple.service.counters().connections;
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(apple.service.counters().connections, before + 1);
    });
}

#[test]
fn verify_says_whether_apple_accepts_the_credential() {
    block_on(async {
        let apple = Apple::start().await;
        let good = apple.provider(Environment::Production);
        let health = good.verify().await.unwrap();
        assert!(health.accepted, "{health:?}");
        assert!(health.evidence.contains("400 BadDeviceToken"), "{health:?}");
        assert!(health.evidence.contains(TOPIC));

        let changed = |key: &str, value: String| {
            let mut config = key_config(&apple.service, Environment::Production);
            config[key] = json!(value);
            provider(config, Arc::new(apple.clock.clone()))
        };
        for (provider, word) in [
            (
                changed("key_id", "ZZZ123DEFG".into()),
                "InvalidProviderToken",
            ),
            (
                changed("team_id", "ZZZ123GHIJ".into()),
                "InvalidProviderToken",
            ),
            (
                changed("key", fixtures::apns_key(2)),
                "InvalidProviderToken",
            ),
        ] {
            let health = provider.verify().await.unwrap();
            assert!(!health.accepted);
            assert!(health.evidence.contains(word), "{health:?}");
            assert!(
                health.evidence.contains("do not belong together"),
                "{health:?}"
            );
        }

        apple
            .service
            .next(1, &Outcome::answer(503, "ServiceUnavailable"));
        let error = good.verify().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("ServiceUnavailable"));
        assert_eq!(apple.service.counters().delivered, 0);
    });
}

// ---- Certificates ----

fn certificate_config(
    apple: &Apple,
    environment: Environment,
    request: &CertificateRequest,
) -> serde_json::Value {
    let certificate = apple.service.issue_certificate(request);
    json!({
        "certificate": certificate.p12("pass word", true),
        "password": "pass word",
        "environment": environment.as_str(),
        "endpoint": apple.service.endpoint(environment),
        "http": { "extra_ca_pem": apple.service.ca_pem() },
    })
}

#[test]
fn a_certificate_sends_without_a_provider_token_and_on_many_streams_at_once() {
    block_on(async {
        let apple = Apple::start().await;
        let request = CertificateRequest::new(TOPIC, &[Environment::Production]).with("voip");
        let config = certificate_config(&apple, Environment::Production, &request);
        let sender = provider(config, Arc::new(apple.clock.clone()));
        assert_eq!(sender.capabilities().slots, [Slot::Alert, Slot::Voip]);
        assert_eq!(sender.capabilities().expires_at, Some(request.valid.1));
        assert_eq!(
            sender.capabilities().environment,
            Some(Environment::Production)
        );
        assert_eq!(sender.certificate().unwrap().bundle_id(), Some(TOPIC));
        let phones: Vec<_> = (0..50)
            .map(|_| apple.service.install(TOPIC, Environment::Production))
            .collect();
        let batch = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        for verdict in sample::send(&dynamic(&sender), batch).await {
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        let mut call = sample::batch(sample::notification(), [phones[0].token_of(Slot::Voip)]);
        call.slot = Slot::Voip;
        let verdict = sample::send(&dynamic(&sender), call).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");

        let mut location = sample::notification();
        location
            .vendor
            .insert(Channel::APNS, json!({ "push-type": "location" }));
        let verdict = send(&sender, &phones[0].token_for(PushType::Location), location).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        assert_eq!(apple.service.counters().provider_tokens, 0);
        assert!(sender.verify().await.unwrap().accepted);
    });
}

#[test]
fn an_expired_certificate_stops_its_own_app_only_and_says_so() {
    block_on(async {
        let apple = Apple::start().await;
        let phone = apple.service.install(TOPIC, Environment::Production);
        let request = CertificateRequest::new(TOPIC, &[Environment::Production])
            .valid(sample::NOW - minutes(60), sample::NOW + minutes(60 * 24));
        let config = certificate_config(&apple, Environment::Production, &request);
        let by_certificate = provider(config, Arc::new(apple.clock.clone()));
        apple.clock.advance(minutes(60 * 25));
        let before = apple.service.counters();
        let verdict = send_sample(&by_certificate, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert!(verdict.answer.text.contains("expired"));
        let health = by_certificate.verify().await.unwrap();
        assert!(!health.accepted);
        assert!(health.evidence.contains("expired"));
        assert_eq!(apple.service.counters(), before);

        let by_key = apple.provider(Environment::Production);
        let verdict = send_sample(&by_key, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
    });
}

#[test]
fn a_certificate_of_the_other_environment_is_refused_by_apple_in_words() {
    block_on(async {
        let apple = Apple::start().await;
        let request = CertificateRequest::new(TOPIC, &[Environment::Sandbox]);
        let mut config = certificate_config(&apple, Environment::Sandbox, &request);
        // As if a proxy led the sandbox's name to production.
        config["endpoint"] = json!(apple.service.endpoint(Environment::Production));
        let sender = provider(config, Arc::new(apple.clock.clone()));
        let health = sender.verify().await.unwrap();
        assert!(!health.accepted);
        assert!(
            health.evidence.contains("BadCertificateEnvironment"),
            "{health:?}"
        );
    });
}

// ---- Connections ----

#[test]
fn a_thousand_targets_wait_for_the_first_answer_and_then_go_together() {
    block_on(async {
        let apple = Apple::with(Options::default().with_any_token()).await;
        let provider = dynamic(&apple.provider(Environment::Production));
        let mut tasks = tokio::task::JoinSet::new();
        for half in 0..2 {
            let tokens = (0..500).map(|it| format!("{:064x}", half * 500 + it));
            let batch = sample::batch(sample::notification(), tokens);
            let provider = Arc::clone(&provider);
            tasks.spawn(async move { sample::send(&provider, batch).await });
        }
        for verdicts in tasks.join_all().await {
            assert!(verdicts.iter().all(|it| it.kind == VerdictKind::Accepted));
        }
        let counters = apple.service.counters();
        assert_eq!(counters.accepted, 1000);
        assert_eq!(counters.requests, 1000, "none was sent twice");
        assert!(counters.max_concurrent_streams > 1, "{counters:?}");
    });
}

/// Real time, because the answers of the service take some.
#[test]
fn a_connection_that_apple_leaves_mid_flight_loses_nothing_and_repeats_nothing() {
    block_on(async {
        let options = Options::default()
            .with_any_token()
            .with_max_streams(50)
            .with_delay(Duration::from_millis(5));
        let apple = service(options).await;
        let config = key_config(&apple, Environment::Production);
        let provider = dynamic(&provider(config, Arc::new(TokioClock)));
        let all = sample::batch(
            sample::notification(),
            (0..1000).map(|it| format!("{it:064x}")),
        );
        let collected = Collected::new();
        let sink: Arc<Collected> = Arc::clone(&collected);
        let verdicts = Verdicts::new(1000, sink);
        let sending = {
            let (provider, batch) = (Arc::clone(&provider), all.clone());
            tokio::spawn(async move { provider.send(batch, verdicts).await })
        };
        for at in [100, 200, 300] {
            until(|| apple.counters().requests >= at || sending.is_finished()).await;
            apple.go_away(Environment::Production, "Shutdown");
        }
        sending.await.unwrap();
        let times = |position: usize| apple.accepted_of(all.targets[position].delivery.as_uuid());
        let mut rest = all.clone();
        rest.targets.clear();
        for (position, target) in all.targets.iter().enumerate() {
            let verdict = collected.get(position).unwrap();
            match verdict.kind {
                VerdictKind::Accepted => assert_eq!(times(position), 1),
                // A connection that had not brought one answer yet: certainly not sent, and to be tried again.
                VerdictKind::Unavailable => {
                    assert_eq!(times(position), 0);
                    rest.targets.push(target.clone());
                }
                _ => panic!("{verdict:?}"),
            }
        }
        assert!(rest.targets.len() < 1000);
        while !rest.targets.is_empty() {
            let verdicts = sample::send(&provider, rest.clone()).await;
            let mut verdicts = verdicts.iter();
            rest.targets
                .retain(|_| verdicts.next().unwrap().kind != VerdictKind::Accepted);
        }
        assert!((0..1000).all(|it| times(it) == 1));
        assert!(apple.counters().connections >= 4);
    });
}

#[test]
fn a_stream_that_apple_refuses_is_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.next(2, &Outcome::refuse());
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        assert_eq!(phone.arrived(), 1);
    });
}

#[test]
fn what_may_have_been_sent_is_never_sent_again() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        for outcome in [Outcome::reset(), Outcome::close()] {
            let before = apple.service.counters().requests;
            apple.service.once(&phone.token(), outcome.clone());
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Unknown, "{outcome:?}");
            assert_eq!(apple.service.counters().requests, before + 1);
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "after {outcome:?}");
        }
    });
}

#[test]
fn silence_ends_at_the_deadline_and_does_not_delay_the_neighbours() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phones = [(); 2].map(|()| apple.service.install(TOPIC, Environment::Production));
        // The connection has its streams before the silence begins.
        send_sample(&provider, &phones[1].token()).await;
        apple.service.on(&phones[0].token(), Outcome::silence());
        let batch = sample::batch(sample::notification(), phones.iter().map(|it| it.token()));
        let collected = Collected::new();
        let sink: Arc<Collected> = Arc::clone(&collected);
        let verdicts = Verdicts::new(2, sink);
        let sending = {
            let provider = dynamic(&provider);
            tokio::spawn(async move { provider.send(batch, verdicts).await })
        };
        until(|| collected.get(1).is_some()).await;
        assert_eq!(collected.get(1).unwrap().kind, VerdictKind::Accepted);
        assert_eq!(collected.get(0), None);
        while !sending.is_finished() {
            apple.clock.advance(Duration::from_secs(1));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(collected.get(0).unwrap().kind, VerdictKind::Unknown);
    });
}

#[test]
fn an_idle_timeout_is_sent_again_once() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        apple.service.next(1, &Outcome::answer(400, "IdleTimeout"));
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        apple.service.next(2, &Outcome::answer(400, "IdleTimeout"));
        let verdict = send_sample(&provider, &phone.token()).await;
        assert_eq!(verdict.kind, VerdictKind::Unavailable);
        assert_eq!(apple.service.counters().requests, 4);
    });
}

#[test]
fn the_words_of_a_goaway_are_understood() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        for (reason, kind) in [
            ("BadCertificate", VerdictKind::CredentialRefused),
            ("Shutdown", VerdictKind::Unavailable),
        ] {
            apple.service.next(10, &Outcome::go_away(reason));
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, kind, "{verdict:?}");
            assert_eq!(verdict.answer.code, reason);
            apple.service.heal();
            // After connections that bring nothing, no other is opened for a moment.
            apple.clock.advance(MINUTE);
            let verdict = send_sample(&provider, &phone.token()).await;
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        assert_eq!(phone.arrived(), 2);
    });
}

// ---- What must not be seen ----

#[test]
fn neither_token_nor_key_nor_text_is_ever_shown() {
    block_on(async {
        let apple = Apple::start().await;
        let provider = apple.provider(Environment::Production);
        let phone = apple.service.install(TOPIC, Environment::Production);
        let token = phone.token();
        let mut shown = String::new();
        for outcome in [
            Outcome::as_usual(),
            // A vendor that repeats the token in its answer.
            Outcome::answer(400, format!("Bad{token}")),
            Outcome::answer(410, "Unregistered"),
            Outcome::reset(),
            Outcome::close(),
            Outcome::go_away(token.clone()),
        ] {
            apple.service.once(&token, outcome);
            let verdict = send_sample(&provider, &token).await;
            shown += &format!("{verdict:?} {provider:?} {:#?}\n", apple.service);
        }
        shown += &format!("{phone:?} {:?}", phone.arrivals());
        for secret in [&token, "MIGHAgEA", sample::BODY, sample::TITLE, "eyJ"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    });
}
