//! What arrives at the phone, and what a tap opens.
use super::*;

#[test]
fn a_notification_arrives_word_for_word_and_a_tap_opens_the_chat() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let kinds = stage.send(sample::notification(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        let arrived = phone.wait_for(1).await.expect("it arrived");
        assert_eq!(arrived.title, sample::TITLE);
        assert_eq!(arrived.body, sample::BODY);
        assert!(arrived.sounds);
        assert_eq!(phone.badge(), 3);
        assert_eq!(arrived.android["category"], "IM");
        assert_eq!(arrived.android["notification"]["group"], "ann");
        // The second copy of `ext`, for apps that read `data`.
        let data: Value = serde_json::from_str(&arrived.data).unwrap();
        assert_eq!(data["ext"], sample::EXT);

        let opened = phone.tap_newest().expect("a tap opens the app");
        assert_eq!(opened.ext(), sample::EXT);
        assert_eq!(
            opened.extras["delivery"],
            data["delivery"].as_str().unwrap()
        );
        assert_eq!(
            opened.component.as_deref(),
            Some("com.example.im/.ChatActivity")
        );
        let payload = opened.payload();
        let target = payload.target(payload.shape().profile()).unwrap();
        assert!(matches!(target, ClickTarget::User(user) if user.as_str() == "ann"));
        assert!(phone.screen().is_empty(), "what was tapped is gone");
    });
}

#[test]
fn an_ext_of_any_text_reaches_the_intent_unchanged() {
    block_on(async {
        let stage = Stage::new().await;
        for sender in [
            "a;b=c#d%20+e&f",
            "你好，世界 🎈",
            "\"quoted\" \\ / \u{0} \n",
            ";end",
            "S.ext=x;",
        ] {
            let ext =
                json!({ "entity": { "version": 1, "chatType": 1, "action": 1, "sender": sender } });
            let phone = stage.huawei.install();
            let notification = sample::notification().with_ext(ext.to_string());
            stage.send(notification, &[&phone]).await;
            let opened = phone.tap_newest().expect("a tap opens the app");
            assert_eq!(opened.ext(), ext.to_string());
        }
    });
}

#[test]
fn with_an_action_the_ext_travels_in_data() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["intent"] = json!("");
            config["action"] = json!("com.example.im.OPEN_CHAT");
        })
        .await;
        let phone = stage.huawei.install();
        stage.send(sample::notification(), &[&phone]).await;
        let opened = phone.tap_newest().expect("a tap opens the app");
        assert_eq!(opened.action.as_deref(), Some("com.example.im.OPEN_CHAT"));
        assert_eq!(opened.ext(), sample::EXT);
    });
}

/// S19
#[test]
fn an_ext_that_is_no_json_object_is_refused_in_words_that_name_huawei() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for ext in ["hello", "[1]", "{"] {
            let notification = sample::notification().with_ext(ext);
            let batch = sample::batch(notification, [phone.token()]);
            let verdict = sample::send(&stage.provider, batch).await.remove(0);
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
            assert!(verdict.answer.text.contains("Huawei"), "{verdict:?}");
        }
        assert_eq!(stage.huawei.log().total(), 0);
    });
}

/// S124
#[test]
fn a_badge_of_zero_clears_the_number_and_no_badge_leaves_it() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for (sent, shown) in [
            (Badge::Set(7), 7),
            (Badge::Leave, 7),
            (Badge::Set(0), 0),
            (Badge::Set(1234), 99),
        ] {
            let mut batch = sample::batch(sample::notification(), [phone.token()]);
            batch.targets[0].badge = sent;
            sample::send(&stage.provider, batch).await;
            assert_eq!(phone.badge(), shown);
        }
    });
}

#[test]
fn without_a_badge_class_no_badge_is_sent() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["badge_class"] = json!("");
        })
        .await;
        let android = stage.android(sample::notification()).await;
        assert!(android["notification"].get("badge").is_none());
    });
}

#[test]
fn the_time_to_live_is_what_is_left_on_the_clock_and_at_most_fifteen_days() {
    block_on(async {
        let stage = Stage::new().await;
        let expiring = |at| sample::notification().with_expires_at(at);
        let now = stage.clock.now();
        for (at, ttl) in [
            (now + Duration::from_secs(60), json!("60s")),
            (now + Duration::from_millis(1500), json!("2s")),
            (now - Duration::from_secs(5), json!("1s")),
            (now + Duration::from_secs(1_296_000), json!("1296000s")),
            (now + Duration::from_secs(9_999_999), json!("1296000s")),
        ] {
            assert_eq!(stage.android(expiring(Some(at))).await["ttl"], ttl);
        }
        assert!(stage.android(expiring(None)).await.get("ttl").is_none());
    });
}

#[test]
fn a_later_notification_with_the_same_key_replaces_the_earlier_one_on_the_screen() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        for (body, collapse) in [
            ("one", "msg-1"),
            ("two", "msg-2"),
            ("recalled", "msg-1"),
            ("three", ""),
        ] {
            let notification = with_body(body).with_collapse(collapse);
            stage.send(notification, &[&phone]).await;
        }
        let screen = phone.screen().into_iter();
        let bodies: Vec<_> = screen.map(|shown| shown.body).collect();
        assert_eq!(bodies, ["two", "recalled", "three"]);
        assert_eq!(phone.arrived(), 4);
    });
}

#[test]
fn sound_and_urgency_follow_the_notification() {
    block_on(async {
        let stage = Stage::new().await;
        let silent = sample::notification().with_sound(Sound::Silent);
        let android = stage.android(silent).await;
        assert_eq!(android["notification"]["importance"], "LOW");
        let low = sample::notification().with_priority(Priority::Low);
        let android = stage.android(low).await;
        assert_eq!(android["notification"]["importance"], "LOW");
        let named = sample::notification().with_sound(Sound::Named("ring.mp3".into()));
        let android = stage.android(named).await;
        assert_eq!(android["notification"]["sound"], "/raw/ring");
        assert_eq!(android["notification"]["default_sound"], false);
        assert_eq!(android["notification"]["importance"], "NORMAL");
    });
}

#[test]
fn an_empty_title_or_text_shows_the_other_and_a_push_without_both_is_refused() {
    block_on(async {
        let stage = Stage::new().await;
        for (title, body, shown) in [
            ("", "calls you", ("calls you", "calls you")),
            ("Ann", "", ("Ann", "Ann")),
        ] {
            let notification = with_body(body).with_title(title);
            let android = stage.android(notification).await;
            assert_eq!(android["notification"]["title"], shown.0);
            assert_eq!(android["notification"]["body"], shown.1);
        }
        let empty = with_body("").with_title("");
        let phone = stage.huawei.install();
        let kinds = stage.send(empty, &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::PayloadRefused]);
    });
}

/// S100
#[test]
fn fields_for_huawei_are_merged_over_what_the_credential_configures() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["channel_id"] = json!("chat");
        })
        .await;
        let fields = json!({
            "category": "VOIP",
            "collapse_key": 7,
            "notification": { "channel_id": "calls", "style": 1, "big_title": "Ann", "big_body": "more" },
        });
        let fields = fields.as_object().unwrap();
        stage.provider.check_fields(fields).unwrap();
        let android = stage
            .android(sample::notification().with_vendor(fields.clone()))
            .await;
        assert_eq!(android["category"], "VOIP");
        assert_eq!(android["collapse_key"], 7);
        assert_eq!(android["notification"]["channel_id"], "calls");
        assert_eq!(android["notification"]["style"], 1);
        assert_eq!(android["notification"]["title"], sample::TITLE);
        let android = stage.android(sample::notification()).await;
        assert_eq!(android["category"], "IM");
        assert_eq!(android["notification"]["channel_id"], "chat");
    });
}

#[test]
fn a_background_push_shows_nothing_and_is_urgent_only_where_huawei_allows_it() {
    block_on(async {
        let background = || sample::notification().with_kind(NotificationKind::Background);
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let kinds = stage.send(background(), &[&phone]).await;
        assert_eq!(kinds, [VerdictKind::Accepted]);
        assert!(phone.screen().is_empty());
        let arrived = phone.wait_for(1).await.expect("it arrived");
        assert_eq!(arrived.android["urgency"], "NORMAL");
        assert!(arrived.data.contains("ann"));

        for (allowed, kind) in [
            (true, VerdictKind::Accepted),
            (false, VerdictKind::PayloadRefused),
        ] {
            let app = App::default().with_high_urgency(allowed);
            let stage = Stage::configured(Options::default().with_apps(vec![app]), |config| {
                config["high_urgency"] = json!(true);
            })
            .await;
            let phone = stage.huawei.install();
            assert_eq!(stage.send(background(), &[&phone]).await, [kind]);
        }
    });
}

/// S98
#[test]
fn a_text_that_is_too_long_is_cut_between_characters_and_the_ext_is_not() {
    block_on(async {
        let stage = Stage::new().await;
        for text in ["x", "锅", "🎈", "\"", "\n"] {
            let phone = stage.huawei.install();
            let ext = json!({ "entity": { "sender": "锅".repeat(300) } }).to_string();
            let notification = with_body(&text.repeat(6000)).with_ext(ext.clone());
            let kinds = stage.send(notification, &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted], "{text:?}");
            let arrived = phone.wait_for(1).await.expect("it arrived");
            let kept = arrived.body.strip_suffix('…').expect("it was cut");
            assert!(kept.replace(text, "").is_empty(), "cut within {text:?}");
            // As much as fits: one character more would exceed the body's limit or the message's.
            let body = &stage.huawei.log().requests().pop().expect("a request").body;
            let size = body.len() - (phone.token().len() + 4);
            let units: usize = arrived.body.chars().map(char::len_utf16).sum();
            let full = (4096 - 8..=4096).contains(&size) || (599..=600).contains(&units);
            assert!(
                full && size <= 4096 && units <= 600,
                "{size} bytes, {units} units"
            );
            assert_eq!(phone.tap_newest().expect("it opens").ext(), ext);
        }
    });
}
