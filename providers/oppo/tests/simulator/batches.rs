//! Many phones: messages of their own, a saved message, two regions.
use std::{collections::HashSet, time::Duration};

use push_core::{Badge, Batch, Retry, Scope, TokenFault, VerdictKind};
use push_provider_oppo::simulator::{Options, Phone};
use push_testkit::{Reply, block_on, json, sample, serde_json::Value};

use crate::{DEAD, World, fields, with, world};

/// A batch in which each phone has its own title and badge.
fn mixed(phones: &[Phone]) -> Batch {
    let targets = phones.iter().enumerate().map(|(number, phone)| {
        let notification = sample::notification()
            .with_title(format!("Title {number}"))
            .with_collapse(format!("chat-{number}"));
        let badge = u32::try_from(number).expect("few phones");
        sample::target(phone.token(), &sample::content(notification)).with_badge(Badge::Set(badge))
    });
    sample::batch_of(targets.collect::<Vec<_>>())
}

/// Every phone gets its own message in one request, and each target its own verdict (S121, S122).
#[test]
fn each_target_of_a_batch_has_its_own_message_and_verdict() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 5] = std::array::from_fn(|_| world.simulator.install());
        phones[1].uninstall();
        phones[2].refuse_with(33);
        phones[3].refuse_with(-1);
        let kinds = world.send(mixed(&phones)).await;
        let wanted = [
            VerdictKind::Accepted,
            DEAD,
            VerdictKind::RateLimited(Scope::Token),
            VerdictKind::Unavailable(Scope::Token),
            VerdictKind::Accepted,
        ];
        assert_eq!(kinds, wanted);
        for number in [0, 4] {
            let arrivals = phones[number].arrivals();
            assert_eq!(arrivals[0].title(), format!("Title {number}"));
            assert_eq!(phones[number].badge(), u32::try_from(number).expect("few"));
        }
        assert_eq!(world.asked("/unicast_batch"), 1);
        assert_eq!(world.simulator.counters().accepted, 2);
    });
}

/// A thousand messages with long texts are more than one request should hold: none is lost, none is sent twice (S121).
#[test]
fn a_full_batch_of_large_messages_is_split_by_size() {
    block_on(async {
        let world = world().await;
        let phones: Vec<Phone> = (0..1000).map(|_| world.simulator.install()).collect();
        let ext = json!({ "entity": { "sender": "x".repeat(3000) } }).to_string();
        let content = sample::content(sample::notification().with_ext(ext));
        let targets = phones
            .iter()
            .map(|phone| sample::target(phone.token(), &content));
        let kinds = world
            .send(sample::batch_of(targets.collect::<Vec<_>>()))
            .await;
        assert!(kinds.iter().all(|kind| *kind == VerdictKind::Accepted));
        assert!(phones.iter().all(|phone| phone.arrivals().len() == 1));
        assert_eq!(world.asked("/unicast_batch"), 4);
    });
}

#[test]
fn a_message_that_cannot_be_made_is_refused_and_the_others_are_sent() {
    block_on(async {
        let world = world().await;
        let phones: [Phone; 3] = std::array::from_fn(|_| world.simulator.install());
        let mut batch = mixed(&phones);
        let huge = sample::notification().with_ext("x".repeat(5000));
        batch.targets[1].content = sample::content(huge);
        let kinds = world.send(batch).await;
        let accepted = VerdictKind::Accepted;
        assert_eq!(kinds, [accepted, VerdictKind::PayloadRefused, accepted]);
    });
}

/// An id that would be two in a list never reaches OPPO.
#[test]
fn an_id_with_a_separator_reaches_no_other_phone() {
    block_on(async {
        for saved_from in [0, 1] {
            let world = with(Options::default(), &json!({ "saved_from": saved_from })).await;
            let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
            let both = format!("{};{}", phones[0].token(), phones[1].token());
            let batch = sample::batch(sample::notification(), [both.as_str(), phones[0].token()]);
            let malformed = VerdictKind::TokenUnusable(TokenFault::Malformed);
            assert_eq!(world.send(batch).await, [malformed, VerdictKind::Accepted]);
            assert_eq!(
                (phones[0].arrivals().len(), phones[1].arrivals().len()),
                (1, 0)
            );
        }
    });
}

async fn saving(from: usize) -> World {
    with(Options::default(), &json!({ "saved_from": from })).await
}

#[test]
fn a_notification_for_many_is_saved_once_and_sent_by_its_id() {
    block_on(async {
        let world = saving(3).await;
        let phones: [Phone; 4] = std::array::from_fn(|_| world.simulator.install());
        phones[1].uninstall();
        phones[2].refuse_with(33);
        let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
        let limited = VerdictKind::RateLimited(Scope::Token);
        let accepted = VerdictKind::Accepted;
        assert_eq!(world.send(batch).await, [accepted, DEAD, limited, accepted]);
        let counters = world.simulator.counters();
        assert_eq!(
            (counters.saved, counters.requests, counters.accepted),
            (1, 1, 2)
        );
        let arrival = &phones[0].arrivals()[0];
        assert_eq!(
            (arrival.title(), arrival.body()),
            (sample::TITLE, sample::BODY)
        );
        assert!(arrival.extra("entity").is_some());
        assert_eq!(arrival.extra("delivery"), None);
        assert_eq!(phones[0].badge(), 3);
        // Fewer phones than that have messages of their own.
        let few = sample::batch(
            sample::notification(),
            [phones[0].token(), phones[3].token()],
        );
        assert_eq!(world.send(few).await, [accepted, accepted]);
        assert_eq!(world.send_to(&phones[0]).await, accepted);
        assert_eq!(world.simulator.counters().saved, 1);
        assert!(phones[0].arrivals()[1].extra("delivery").is_some());
    });
}

#[test]
fn a_picture_goes_out_with_a_saved_message_only() {
    block_on(async {
        let world = saving(2).await;
        let phones: [Phone; 2] = std::array::from_fn(|_| world.simulator.install());
        let picture = fields(json!({ "style": 3, "big_picture_id": "b-1" }));
        let notification = sample::notification().with_vendor(picture);
        let both = sample::batch(notification.clone(), phones.iter().map(Phone::token));
        assert_eq!(world.send(both).await, [VerdictKind::Accepted; 2]);
        world.deliver(&phones[0], notification).await;
        let arrivals = phones[0].arrivals();
        assert_eq!(*arrivals[0].field("big_picture_id"), json!("b-1"));
        assert_eq!(*arrivals[1].field("big_picture_id"), Value::Null);
        assert_eq!(*arrivals[1].field("style"), Value::Null);
    });
}

/// The region in an id chooses the service, each with an auth token of its own.
#[test]
fn phones_of_other_regions_are_reached_through_their_own_service() {
    block_on(async {
        for saved_from in [0, 1] {
            let world = with(Options::default(), &json!({ "saved_from": saved_from })).await;
            let phones = ["CN", "US", "OPPO_EUEX", "realme_CN"]
                .map(|region| world.simulator.install_in(region));
            let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted; 4]);
            let log = world.simulator.log().requests();
            let paths: HashSet<&str> = log.iter().map(|request| request.uri.path()).collect();
            assert!(paths.contains("/cn/server/v1/auth") && paths.contains("/intl/server/v1/auth"));
            assert_eq!(world.simulator.counters().granted, 2);
        }
        // Through one service, an id of the other region is no id.
        let world = with(Options::default(), &json!({ "overseas_endpoint": "" })).await;
        let phone = world.simulator.install_in("US");
        assert_eq!(world.send_to(&phone).await, DEAD);
    });
}

/// An app that is not registered for the other region, or an outage there: its phones are concerned, and no others.
#[test]
fn what_one_region_answers_concerns_its_own_phones() {
    block_on(async {
        let world = world().await;
        let phones = ["CN", "US"].map(|region| world.simulator.install_in(region));
        let code = |code: i64| Reply::new(200).json(json!({ "code": code, "message": "" }));
        for (reply, kind) in [
            (code(27), VerdictKind::TokenUnusable(TokenFault::App)),
            (code(-1), VerdictKind::Unavailable(Scope::Origin)),
            (
                Reply::new(502).body("<html>"),
                VerdictKind::Unavailable(Scope::Origin),
            ),
            (code(13), VerdictKind::RateLimited(Scope::Origin)),
            (code(33), VerdictKind::RateLimited(Scope::Class)),
        ] {
            world.simulator.faults().times(phones[1].token(), 1, reply);
            let batch = sample::batch(sample::notification(), phones.iter().map(Phone::token));
            assert_eq!(world.send(batch).await, [VerdictKind::Accepted, kind]);
        }
        let slow = code(13).header("retry-after", "7");
        world.simulator.faults().times(phones[1].token(), 1, slow);
        let verdict = sample::send_one(&world.provider, phones[1].token()).await;
        assert_eq!(verdict.retry, Retry::After(Duration::from_secs(7)));
    });
}
