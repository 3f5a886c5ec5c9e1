//! What Meizu stores before a push: messages and pictures.
use std::time::Duration;

use push_core::{Scope, VerdictKind};
use push_provider_meizu::simulator::Phone;
use push_testkit::{Reply, block_on, json, sample};

use super::{Options, World, with};

const SAVE: &str = "/garcia/api/server/push/pushTask/getTaskId";
const UNAVAILABLE: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

async fn saving() -> (World, [Phone; 2]) {
    let keys = json!({ "save_from": 2, "receipts": true });
    let world = with(Options::default().with_per_minute(99), &keys).await;
    let phones = std::array::from_fn(|_| world.simulator.install());
    (world, phones)
}

async fn send_both(world: &World, phones: &[Phone; 2]) -> Vec<VerdictKind> {
    let tokens = phones.iter().map(Phone::token);
    let batch = sample::batch(sample::notification().with_collapse("one"), tokens);
    world.send(batch).await
}

#[test]
fn a_message_for_several_phones_is_saved_once_and_sent_by_its_task() {
    block_on(async {
        let (world, phones) = saving().await;
        for _ in 0..3 {
            assert_eq!(send_both(&world, &phones).await, [VerdictKind::Accepted; 2]);
        }
        let counters = world.simulator.counters();
        assert_eq!(
            (counters.saved, counters.requests, counters.accepted),
            (1, 4, 6)
        );
        for phone in &phones {
            let arrivals = phone.arrivals();
            assert_eq!(arrivals.len(), 3);
            assert_eq!(arrivals[0].extra("ext"), Some(sample::EXT));
            // It is not for this batch alone.
            assert!(arrivals[0].message()["extra"].is_null());
        }
        phones[1].uninstall();
        let dead = VerdictKind::TokenDead { since: None };
        let kinds = send_both(&world, &phones).await;
        assert_eq!(kinds, [VerdictKind::Accepted, dead]);
        world.clock.advance(Duration::from_secs(600));
        send_both(&world, &phones).await;
        assert_eq!(world.simulator.counters().saved, 2);
    });
}

#[test]
fn a_message_for_one_phone_is_sent_at_once_and_has_receipts() {
    block_on(async {
        let (world, phones) = saving().await;
        assert_eq!(world.send_to(&phones[0]).await, VerdictKind::Accepted);
        let counters = world.simulator.counters();
        assert_eq!((counters.saved, counters.requests), (0, 1));
        assert!(phones[0].arrivals()[0].message()["extra"].is_object());
    });
}

/// A first step that fails is never unknown: nothing was sent to a phone.
#[test]
fn a_message_that_cannot_be_saved_is_not_sent() {
    block_on(async {
        let html = Reply::new(200).body("<html>Welcome!</html>");
        let no_task = json!({ "code": "200", "message": "", "value": {}, "redirect": "" });
        let coded = |code: &str| json!({ "code": code, "message": "", "value": "" });
        for (reply, kind) in [
            (Reply::reset(), UNAVAILABLE),
            (Reply::new(200).json(coded("200")).truncated(), UNAVAILABLE),
            (html, UNAVAILABLE),
            (Reply::new(200).json(no_task), UNAVAILABLE),
            (Reply::new(200).json(coded("1003")), UNAVAILABLE),
            (
                Reply::new(200).json(coded("1005")),
                VerdictKind::PayloadRefused,
            ),
            (
                Reply::new(200).json(coded("1006")),
                VerdictKind::CredentialRefused,
            ),
            (
                Reply::new(200).json(coded("110002")),
                VerdictKind::TargetRefused,
            ),
        ] {
            let (world, phones) = saving().await;
            world.simulator.calls().times(SAVE, 1, reply.clone());
            assert_eq!(send_both(&world, &phones).await, [kind; 2], "{reply:?}");
            assert_eq!(world.simulator.counters().requests, 1);
            assert!(phones.iter().all(|phone| phone.arrivals().is_empty()));
            assert_eq!(send_both(&world, &phones).await, [VerdictKind::Accepted; 2]);
        }
    });
}

#[test]
fn a_task_that_meizu_forgot_is_saved_again() {
    block_on(async {
        let (world, phones) = saving().await;
        send_both(&world, &phones).await;
        world.simulator.forget_tasks();
        assert_eq!(send_both(&world, &phones).await, [UNAVAILABLE; 2]);
        assert_eq!(send_both(&world, &phones).await, [VerdictKind::Accepted; 2]);
        assert_eq!(world.simulator.counters().saved, 2);
        assert_eq!(phones[0].arrivals().len(), 2);
    });
}

#[test]
fn a_vip_app_shows_subtitle_and_picture_and_uploads_the_picture_once() {
    block_on(async {
        let notification = sample::notification()
            .with_subtitle("a subtitle that is long")
            .with_image("https://img.example/1.png");
        let options = Options::default().with_vip(true);
        let world = with(options, &json!({ "vip": true })).await;
        let phone = world.simulator.install();
        for _ in 0..2 {
            let shown = world.shown(&phone, notification.clone()).await;
            let expand = &shown["noticeExpandInfo"];
            assert_eq!(expand["noticeExpandType"], 2);
            let copy = expand["noticeExpandImgUrl"].as_str().expect("an address");
            assert!(copy.contains("/img/"), "{copy}");
            assert_eq!(shown["vipInfo"]["subtitle"], "a subtitle that…");
        }
        assert_eq!(world.simulator.counters().uploaded, 1);
        // Another app may not, and is not refused for it.
        let world = with(Options::default(), &json!({})).await;
        let phone = world.simulator.install();
        let shown = world.shown(&phone, notification).await;
        assert!(shown["noticeExpandInfo"].is_null() && shown["vipInfo"].is_null());
        assert_eq!(world.simulator.counters().uploaded, 0);
    });
}

/// The picture gives way, not the push.
#[test]
fn a_picture_for_which_there_is_no_room_is_left_out() {
    block_on(async {
        let keys = json!({ "vip": true, "max_message": 1024 });
        let world = with(Options::default().with_vip(true), &keys).await;
        let phone = world.simulator.install();
        let picture = sample::notification().with_image("https://img.example/1.png");
        for (length, is_shown) in [(400, true), (680, false)] {
            let ext = json!({ "entity": { "sender": "x".repeat(length) } }).to_string();
            let shown = world.shown(&phone, picture.clone().with_ext(ext.as_str()));
            let shown = shown.await;
            assert_eq!(shown["noticeExpandInfo"].is_object(), is_shown, "{length}");
            assert_eq!(shown["clickTypeInfo"]["parameters"]["ext"], ext);
        }
    });
}

#[test]
fn a_picture_that_meizu_does_not_take_holds_up_no_push() {
    const UPLOAD: &str = "/garcia/api/server/push/uploadImg";
    block_on(async {
        let refused = json!({ "code": "1005", "message": "too large", "value": "" });
        let long = format!("https://img.example/{}", "x".repeat(512));
        for reply in [
            Reply::new(200).json(refused),
            Reply::reset(),
            Reply::new(502).body("<html>"),
            Reply::new(200).json(json!({ "code": "200", "value": { "imgUrl": "javascript:" } })),
            Reply::new(200).json(json!({ "code": "200", "value": { "imgUrl": long } })),
        ] {
            let options = Options::default().with_vip(true);
            let world = with(options, &json!({ "vip": true })).await;
            let phone = world.simulator.install();
            world.simulator.calls().times(UPLOAD, 1, reply.clone());
            let picture = sample::notification().with_image("https://img.example/1.png");
            for minutes in [0, 9] {
                world.clock.advance(Duration::from_secs(minutes * 60));
                let shown = world.shown(&phone, picture.clone()).await;
                assert!(shown["noticeExpandInfo"].is_null(), "{reply:?}");
            }
            world.clock.advance(Duration::from_secs(60));
            let shown = world.shown(&phone, picture).await;
            assert_eq!(shown["noticeExpandInfo"]["noticeExpandType"], 2);
        }
    });
}
