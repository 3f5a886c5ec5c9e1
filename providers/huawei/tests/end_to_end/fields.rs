//! Every field of the interface, from a message's vendor fields to the phone.
use super::*;

/// `message.android` with every field that a message may set.
fn all() -> Value {
    serde_json::from_str(include_str!("../fixtures/every_field.json")).expect("JSON")
}

/// S100
#[test]
fn every_field_that_a_message_may_set_reaches_the_phone_as_it_was_set() {
    block_on(async {
        let stage = Stage::new().await;
        let fields = all();
        let fields = fields.as_object().unwrap();
        stage.provider.check_fields(fields).unwrap();
        let android = stage
            .android(sample::notification().with_vendor(fields.clone()))
            .await;
        for (key, value) in fields {
            let Value::Object(inner) = value else {
                assert_eq!(android[key], *value, "{key}");
                continue;
            };
            for (inner_key, value) in inner {
                let arrived = &android[key][inner_key];
                match inner_key.as_str() {
                    // The number that the gateway sets stands beside that of the message.
                    "badge" => assert_eq!(arrived["add_num"], 2),
                    _ => assert_eq!(arrived, value, "{inner_key}"),
                }
            }
        }
        // What is the gateway's stays.
        assert!(android["notification"]["click_action"]["intent"].is_string());
        assert!(android["bi_tag"].is_string());
    });
}

#[test]
fn the_credentials_receipt_configuration_test_mode_and_channel_are_sent() {
    block_on(async {
        let stage = Stage::configured(Options::default(), |config| {
            config["receipt_id"] = json!("RCP1");
            config["target_user_type"] = json!(1);
            config["channel_id"] = json!("chat");
            config["category"] = json!("");
            config["call_category"] = json!("PLAY_VOICE");
        })
        .await;
        let android = stage.android(sample::notification()).await;
        assert_eq!(android["receipt_id"], "RCP1");
        assert_eq!(android["target_user_type"], 1);
        assert_eq!(android["notification"]["channel_id"], "chat");
        assert_eq!(android.get("category"), None);
        let call = sample::notification().with_kind(NotificationKind::Voip);
        assert_eq!(stage.android(call).await["category"], "PLAY_VOICE");
    });
}

#[test]
fn what_is_for_the_background_alone_does_not_cover_the_app_in_front() {
    block_on(async {
        let stage = Stage::new().await;
        let fields = json!({ "notification": { "foreground_show": false } });
        let fields = fields.as_object().unwrap();
        for (in_front, quiet, shown) in [
            (true, true, 0),
            (true, false, 1),
            (false, true, 1),
            (false, false, 1),
        ] {
            let phone = stage.huawei.install();
            phone.set_in_front(in_front);
            let notification = if quiet {
                sample::notification().with_vendor(fields.clone())
            } else {
                sample::notification()
            };
            let kinds = stage.send(notification, &[&phone]).await;
            assert_eq!(kinds, [VerdictKind::Accepted]);
            assert_eq!(phone.screen().len(), shown, "{in_front} {quiet}");
            assert_eq!(phone.arrived(), 1);
        }
    });
}

#[test]
fn a_badge_that_a_message_adds_is_added_to_the_number_on_the_icon() {
    block_on(async {
        let stage = Stage::new().await;
        let phone = stage.huawei.install();
        let fields = json!({ "notification": { "badge": { "set_num": null, "add_num": 2 } } });
        let notification =
            || sample::notification().with_vendor(fields.as_object().unwrap().clone());
        for number in [2, 4] {
            stage.send(notification(), &[&phone]).await;
            assert_eq!(phone.badge(), number);
        }
    });
}
