//! The provider against the simulator, and the simulator against what Google documents.
use std::{sync::Arc, time::Duration};

use push_core::{
    Acceptance, Badge, BuildContext, DynProvider, ManualClock, Notification, RawConfig, Retry,
    Scope, TokenFault, Verdict, VerdictKind,
    payload::{Payload, Profile},
};
use push_provider_fcm::{
    PLUGIN,
    simulator::{Options, PROJECT, Phone, Simulator, error},
};
use push_testkit::{Reply, block_on, sample};
use serde_json::{Value, json};

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };

/// Google, a clock for both sides, and a provider with Google's key.
struct Scene {
    clock: ManualClock,
    google: Simulator,
    provider: DynProvider,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let clock = sample::clock();
        let google = Simulator::start(options.with_clock(Arc::new(clock.clone())))
            .await
            .expect("loopback can be bound");
        let provider = build(&google.config(), &clock);
        Self {
            clock,
            google,
            provider,
        }
    }

    async fn send(&self, notification: Notification, phone: &Phone) -> Verdict {
        let batch = sample::batch(notification, [phone.token()]);
        sample::send(&self.provider, batch).await.remove(0)
    }

    async fn accepted(&self, notification: Notification, phone: &Phone) {
        let verdict = self.send(notification, phone).await;
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
    }
}

fn build(config: &Value, clock: &ManualClock) -> DynProvider {
    let raw = RawConfig::from_json(config).expect("a table");
    PLUGIN
        .build(raw, &BuildContext::new(Arc::new(clock.clone())))
        .expect("the simulator's configuration is good")
}

#[test]
fn a_message_is_shown_and_a_tap_opens_its_chat() {
    block_on(async {
        let mut scene = Scene::new().await;
        let mut config = scene.google.config();
        config["channel_id"] = "im".into();
        config["click_action"] = "OPEN_CHAT".into();
        scene.provider = build(&config, &scene.clock);
        let phone = scene.google.install();
        scene.accepted(sample::notification(), &phone).await;
        let shown = phone.screen();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].title(), Some(sample::TITLE));
        assert_eq!(shown[0].body(), Some(sample::BODY));
        assert_eq!(shown[0].channel_id(), Some("im"));
        assert_eq!(shown[0].sound(), Some("default"));
        assert!(shown[0].high_priority);
        assert_eq!(phone.badge(), 3);
        let tapped = phone.tap_newest().unwrap();
        assert_eq!(tapped.action.as_deref(), Some("OPEN_CHAT"));
        let clicked = Payload::intent_extras(json!(tapped.extras));
        let delivery = clicked.raw()[push_core::api::DELIVERY_KEY]
            .as_str()
            .unwrap();
        delivery.parse::<push_core::DeliveryId>().unwrap();
        let target = clicked.target(Profile::Android).unwrap();
        assert_eq!(target.navigate_ids(), Some(("ann", "")));
        assert!(phone.screen().is_empty());
        assert_eq!(phone.tap_newest(), None);
    });
}

#[test]
fn a_later_message_of_a_chat_replaces_the_earlier_one_and_zero_clears_the_badge() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        for (collapse, body, badge) in [("ann", "one", 1), ("bob", "two", 2), ("ann", "three", 0)] {
            let notification = sample::notification()
                .with_collapse(collapse)
                .with_body(body);
            let mut batch = sample::batch(notification, [phone.token()]);
            batch.targets[0].badge = Badge::Set(badge);
            let verdict = sample::send(&scene.provider, batch).await.remove(0);
            assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        }
        let bodies: Vec<_> = phone
            .screen()
            .iter()
            .map(|it| it.body().map(str::to_owned))
            .collect();
        assert_eq!(bodies, [Some("two".into()), Some("three".into())]);
        assert_eq!(phone.badge(), 0);
        assert_eq!(phone.arrived(), 3);
    });
}

#[test]
fn an_absent_phone_gets_what_is_still_worth_delivering_and_the_last_of_each_chat() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        phone.switch_off();
        let minute = Duration::from_secs(60);
        for (collapse, body, ttl) in [
            ("", "stale", Some(minute)),
            ("", "fresh", Some(3 * minute)),
            ("", "patient", None),
            ("ann", "first", None),
            ("ann", "last", None),
        ] {
            let notification = sample::notification()
                .with_body(body)
                .with_collapse(collapse)
                .with_collapse_waiting(!collapse.is_empty())
                .with_expires_at(ttl.map(|it| sample::NOW + it));
            scene.accepted(notification, &phone).await;
        }
        assert_eq!(phone.arrived(), 0);
        scene.clock.advance(2 * minute);
        phone.switch_on();
        let bodies: Vec<_> = phone
            .arrivals()
            .iter()
            .map(|it| it.body().unwrap().to_owned())
            .collect();
        assert_eq!(bodies, ["fresh", "patient", "last"]);
    });
}

#[test]
fn five_hundred_phones_get_their_message_once_each_with_one_access_token() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: Vec<_> = (0..500).map(|_| scene.google.install()).collect();
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        for verdict in sample::send(&scene.provider, batch).await {
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        assert!(phones.iter().all(|it| it.arrived() == 1));
        let counters = scene.google.counters();
        assert_eq!(
            (counters.granted, counters.accepted, counters.sends),
            (1, 500, 500)
        );
    });
}

#[test]
fn access_is_renewed_five_minutes_before_it_ends() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        scene.accepted(sample::notification(), &phone).await;
        scene.clock.advance(Duration::from_secs(3599 - 301));
        scene.accepted(sample::notification(), &phone).await;
        assert_eq!(scene.google.counters().granted, 1);
        scene.clock.advance(Duration::from_secs(1));
        scene.accepted(sample::notification(), &phone).await;
        assert_eq!(scene.google.counters().granted, 2);
        assert_eq!(scene.google.counters().sends, 3);
    });
}

#[test]
fn a_failed_renewal_has_no_effect_while_the_old_access_is_good() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        scene.accepted(sample::notification(), &phone).await;
        scene.google.revoke_key();
        scene.clock.advance(Duration::from_secs(3599 - 300));
        for _ in 0..3 {
            scene.accepted(sample::notification(), &phone).await;
        }
        assert_eq!(scene.google.counters().token_requests, 2);
        scene.clock.advance(Duration::from_secs(30));
        scene.accepted(sample::notification(), &phone).await;
        assert_eq!(scene.google.counters().token_requests, 3);
        scene.clock.advance(Duration::from_secs(300));
        let verdict = scene.send(sample::notification(), &phone).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert_eq!(verdict.answer.code, "invalid_grant");
    });
}

/// S120+
#[test]
fn access_that_ended_early_is_renewed_once_and_the_whole_batch_sent_again() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: Vec<_> = (0..50).map(|_| scene.google.install()).collect();
        let batch = || sample::batch(sample::notification(), phones.iter().map(Phone::token));
        sample::send(&scene.provider, batch()).await;
        scene.google.expire_access();
        for verdict in sample::send(&scene.provider, batch()).await {
            assert_eq!(verdict.kind, VerdictKind::Accepted);
        }
        assert_eq!(scene.google.counters().granted, 2);
        assert!(phones.iter().all(|it| it.arrived() == 2));
    });
}

#[test]
fn access_that_another_message_has_renewed_meanwhile_is_not_renewed_again() {
    block_on(async {
        let scene = Scene::new().await;
        let (slow, fast) = (scene.google.install(), scene.google.install());
        scene.accepted(sample::notification(), &slow).await;
        let expired =
            || Reply::new(401).json(json!({"error": {"code": 401, "status": "UNAUTHENTICATED"}}));
        scene.google.next(expired().after(Duration::from_secs(1)));
        scene.google.next(expired());
        let late = async { scene.accepted(sample::notification(), &slow).await };
        let early = async {
            scene.google.log().wait_for(3).await;
            scene.accepted(sample::notification(), &fast).await;
            scene.clock.advance(Duration::from_secs(1));
        };
        tokio::join!(late, early);
        assert_eq!(scene.google.counters().granted, 2);
        assert_eq!((slow.arrived(), fast.arrived()), (2, 1));
    });
}

#[test]
fn a_token_lives_as_long_as_the_app_is_installed() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let again = phone.reinstall();
        assert_eq!(scene.send(sample::notification(), &phone).await.kind, DEAD);
        scene.accepted(sample::notification(), &again).await;
        again.uninstall();
        let verdict = scene.send(sample::notification(), &again).await;
        assert_eq!(
            (verdict.kind, verdict.answer.code.as_str()),
            (DEAD, "UNREGISTERED")
        );
        let verdict = sample::send_one(&scene.provider, "no token at all").await;
        assert_eq!(
            (verdict.kind, verdict.answer.code.as_str()),
            (DEAD, "INVALID_ARGUMENT")
        );
    });
}

/// S122
#[test]
fn one_bad_token_among_good_ones_is_the_only_one_that_suffers() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: Vec<_> = (0..3).map(|_| scene.google.install()).collect();
        scene
            .google
            .on(&phones[1].token(), error("SENDER_ID_MISMATCH"));
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        let kinds: Vec<_> = sample::send(&scene.provider, batch)
            .await
            .into_iter()
            .map(|it| it.kind)
            .collect();
        let mismatch = VerdictKind::TokenUnusable(TokenFault::App);
        assert_eq!(
            kinds,
            [VerdictKind::Accepted, mismatch, VerdictKind::Accepted]
        );
    });
}

#[test]
fn a_quota_is_respected_for_as_long_as_google_says() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        scene
            .google
            .next(error("QUOTA_EXCEEDED").header("retry-after", "90"));
        let verdict = scene.send(sample::notification(), &phone).await;
        assert_eq!(verdict.kind, VerdictKind::RateLimited(Scope::Credential));
        assert_eq!(verdict.retry, Retry::After(Duration::from_secs(90)));
        scene.google.next(error("QUOTA_EXCEEDED"));
        let verdict = scene.send(sample::notification(), &phone).await;
        assert_eq!(verdict.retry, Retry::After(Duration::from_secs(60)));
    });
}

#[test]
fn a_field_that_fcm_does_not_have_is_refused_at_submission_and_by_the_service() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let fields = json!({ "android": { "chanel": "im" } });
        let fields = fields.as_object().unwrap();
        let error = scene.provider.check_fields(fields).unwrap_err();
        assert!(error.to_string().contains("android.chanel"), "{error}");
        let notification = sample::notification().with_vendor(fields.clone());
        let verdict = scene.send(notification, &phone).await;
        assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        assert!(verdict.answer.text.contains("chanel"), "{verdict:?}");
        assert_eq!(phone.arrived(), 0);
    });
}

#[test]
fn a_click_finds_its_chat_delivery_and_receiver_where_android_has_data_of_its_own() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let fields = json!({ "android": { "data": { "more": "1" } } });
        let notification = sample::notification().with_vendor(fields.as_object().unwrap().clone());
        let mut batch = sample::batch(notification, [phone.token()]);
        batch.targets[0].receiver = Some(push_core::UserId::new("alice").unwrap());
        let delivery = batch.targets[0].delivery.to_string();
        let verdict = sample::send(&scene.provider, batch).await.remove(0);
        assert_eq!(verdict.kind, VerdictKind::Accepted, "{verdict:?}");
        let extras = json!(phone.tap_newest().unwrap().extras);
        assert_eq!(extras["ext"], sample::EXT);
        assert_eq!(extras["delivery"], delivery);
        assert_eq!(extras["receiver"], "alice");
        assert_eq!(extras["more"], "1");
    });
}

/// S98
#[test]
fn a_long_chinese_message_is_shown_shortened() {
    block_on(async {
        let case: Value =
            serde_json::from_str(include_str!("fixtures/long_text.json")).expect("JSON");
        let text = case["body"]["elements"][0]["text"].as_str().unwrap();
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let notification = sample::notification().with_body(text);
        scene.accepted(notification, &phone).await;
        let shown = phone.screen();
        let kept = shown[0].body().unwrap().strip_suffix('…').expect("a cut");
        assert!(text.starts_with(kept), "{kept}");
        let tapped = phone.tap_newest().unwrap();
        assert_eq!(json!(tapped.extras)["ext"], sample::EXT);
    });
}

#[test]
fn a_wrong_apns_key_at_firebase_refuses_one_target_and_no_other() {
    block_on(async {
        let scene = Scene::new().await;
        let phones: Vec<_> = (0..6).map(|_| scene.google.install()).collect();
        scene
            .google
            .on(&phones[0].token(), error("THIRD_PARTY_AUTH_ERROR"));
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        let verdicts = sample::send(&scene.provider, batch).await;
        assert_eq!(verdicts[0].kind, VerdictKind::TargetRefused);
        assert_eq!(verdicts[0].answer.code, "THIRD_PARTY_AUTH_ERROR");
        for (phone, verdict) in phones.iter().zip(&verdicts).skip(1) {
            assert_eq!(verdict.kind, VerdictKind::Accepted);
            assert_eq!(phone.arrived(), 1);
        }
        assert_eq!(scene.google.counters().granted, 1);
    });
}

#[test]
fn verify_sends_nothing_to_anybody_and_sees_a_revoked_key_at_once() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        let health = scene.provider.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Accepted, "{health:?}");
        let counters = scene.google.counters();
        assert_eq!(
            (counters.dry_runs, counters.accepted, phone.arrived()),
            (1, 0, 0)
        );
        scene.google.revoke_key();
        let health = scene.provider.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
        assert!(health.evidence.contains("invalid_grant"), "{health:?}");
    });
}

#[test]
fn a_wrong_project_costs_no_token_and_verify_finds_it() {
    block_on(async {
        let mut scene = Scene::new().await;
        let mut config = scene.google.config();
        let account = config["service_account"].as_str().unwrap();
        config["service_account"] = account.replace(PROJECT, "another-project").into();
        // The account's name holds the project's, and Google knows it under the old one.
        let account = config["service_account"].as_str().unwrap();
        config["service_account"] = account
            .replace("push@another-project", &format!("push@{PROJECT}"))
            .into();
        scene.provider = build(&config, &scene.clock);
        let phone = scene.google.install();
        let verdict = scene.send(sample::notification(), &phone).await;
        let costs_no_token = matches!(
            verdict.kind,
            VerdictKind::TargetRefused | VerdictKind::CredentialRefused
        );
        assert!(costs_no_token, "{verdict:?}");
        let health = scene.provider.verify().await.unwrap();
        assert_eq!(health.acceptance, Acceptance::Refused, "{health:?}");
    });
}

#[test]
fn a_clock_that_is_an_hour_off_is_refused_by_google_and_costs_no_token() {
    block_on(async {
        let mut scene = Scene::new().await;
        let slow = ManualClock::new(sample::NOW - Duration::from_secs(2 * 3600));
        scene.provider = build(&scene.google.config(), &slow);
        let phone = scene.google.install();
        let verdict = scene.send(sample::notification(), &phone).await;
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert!(verdict.answer.text.contains("expired"), "{verdict:?}");
    });
}

#[test]
fn a_connection_that_was_cut_between_two_messages_costs_nothing() {
    block_on(async {
        let scene = Scene::new().await;
        let phone = scene.google.install();
        scene.accepted(sample::notification(), &phone).await;
        scene.google.cut_connections();
        scene.accepted(sample::notification(), &phone).await;
        assert_eq!(phone.arrived(), 2);
    });
}

#[test]
fn the_service_account_may_be_a_table_or_a_file_and_nothing_else() {
    block_on(async {
        let mut scene = Scene::new().await;
        let mut config = scene.google.config();
        let text = config["service_account"].as_str().unwrap().to_owned();
        config["service_account"] = serde_json::from_str(&text).unwrap();
        scene.provider = build(&config, &scene.clock);
        let phone = scene.google.install();
        scene.accepted(sample::notification(), &phone).await;
        for (wrong, words) in [
            (json!("{}"), "project_id"),
            (json!({"type": "authorized_user"}), "another file"),
            (json!(7), "text or a table"),
        ] {
            config["service_account"] = wrong;
            let error = PLUGIN
                .build(
                    RawConfig::from_json(&config).unwrap(),
                    &BuildContext::new(Arc::new(scene.clock.clone())),
                )
                .expect_err(words);
            assert!(error.to_string().contains(words), "{error}");
            assert!(!format!("{error:?}").contains("MIIE"), "{error}");
        }
    });
}

#[test]
fn for_load_every_well_formed_token_is_welcome() {
    block_on(async {
        let scene = Scene::with(Options::default().with_any_token()).await;
        let verdict = sample::send_one(&scene.provider, "dJ7xTest0:APA91bFakeFakeFakeFake").await;
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        let verdict = sample::send_one(&scene.provider, "no token at all").await;
        assert_eq!(verdict.kind, DEAD);
    });
}
