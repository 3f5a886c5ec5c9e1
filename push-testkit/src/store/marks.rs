//! Stages that deliveries reached on the phone.
#![allow(missing_docs)] // The names say it all.
use std::{borrow::Cow, sync::Arc};

use push_core::{Channel, DeliveryId, ErrorKind, Mark, Stage, Timestamp, TraceEvent};

use super::{
    StoreKit,
    fixtures::{Dice, app, at, certificate, device, user},
    traces::{append, event, of_delivery, of_message},
};
use crate::{place::together, sample::NOW};

fn queued(delivery: DeliveryId) -> TraceEvent {
    event("m1", at(1), Stage::Queued)
        .with_delivery(delivery)
        .with_user(user("alice"))
        .with_device(device("phone"))
        .with_channel(Channel::known("sample"))
        .with_certificate(certificate(31287))
        .with_reason(Cow::Borrowed("odd"))
        .with_attempt(1)
        .with_token("0123456789abcdef".to_owned())
}

fn mark(delivery: DeliveryId, on: Option<&str>, stage: Stage, when: Timestamp) -> Mark {
    Mark::new(delivery, on.map(device), stage, when)
}

async fn record(kit: &StoreKit, marks: Vec<Mark>) -> Vec<bool> {
    kit.store
        .record(&app("im"), marks)
        .await
        .expect("records marks")
}

pub async fn a_mark_takes_what_is_known_of_its_delivery(kit: StoreKit) {
    let id = DeliveryId::new(NOW);
    append(&kit, vec![event("m1", at(0), Stage::Accepted), queued(id)]).await;
    let marks = vec![
        mark(id, Some("phone"), Stage::Delivered, at(5)),
        mark(id, None, Stage::Shown, at(6)),
        mark(id, Some("phone"), Stage::Clicked, at(7)),
    ];
    assert_eq!(record(&kit, marks).await, [true; 3]);
    let found = of_delivery(&kit, id).await;
    let recorded = |stage, when| {
        let mut event = queued(id).with_at(when).with_stage(stage);
        (event.reason, event.attempt, event.token) = (None, None, None);
        event
    };
    assert_eq!(
        found[2..],
        [
            recorded(Stage::Delivered, at(5)),
            recorded(Stage::Shown, at(6)),
            recorded(Stage::Clicked, at(7))
        ]
    );
    assert_eq!(of_message(&kit, "m1").await, found);
    assert!(record(&kit, Vec::new()).await.is_empty());
}

pub async fn a_stage_is_recorded_once(kit: StoreKit) {
    let (one, other) = (DeliveryId::new(NOW), DeliveryId::new(NOW));
    append(&kit, vec![queued(one), queued(other)]).await;
    let shown = |id, second| mark(id, None, Stage::Shown, at(second));
    assert_eq!(
        record(&kit, vec![shown(one, 5), shown(one, 6), shown(other, 6)]).await,
        [true, false, true]
    );
    assert_eq!(
        record(
            &kit,
            vec![shown(other, 7), mark(one, None, Stage::Clicked, at(7))]
        )
        .await,
        [false, true]
    );
    let found = of_delivery(&kit, one).await;
    let found: Vec<_> = found.iter().map(|event| (event.stage, event.at)).collect();
    assert_eq!(
        found,
        [
            (Stage::Queued, at(1)),
            (Stage::Shown, at(5)),
            (Stage::Clicked, at(7))
        ],
        "the first time counts"
    );
    // Also one that was appended.
    let id = DeliveryId::new(NOW);
    let mut delivered = queued(id);
    delivered.stage = Stage::Delivered;
    append(&kit, vec![queued(id), delivered]).await;
    let again = mark(id, None, Stage::Delivered, at(9));
    assert_eq!(record(&kit, vec![again]).await, [false]);
}

pub async fn marks_of_unknown_deliveries_and_other_devices_are_not_recorded(kit: StoreKit) {
    let (known, unknown) = (DeliveryId::new(NOW), DeliveryId::new(NOW));
    // The caller addressed a token: no device is known.
    let to_token = DeliveryId::new(NOW);
    let mut token_event = queued(to_token);
    (token_event.user, token_event.device) = (None, None);
    append(&kit, vec![queued(known), token_event]).await;
    let clicked = |id, on| mark(id, on, Stage::Clicked, at(5));
    assert_eq!(
        record(
            &kit,
            vec![
                clicked(unknown, None),
                clicked(known, Some("tablet")),
                clicked(to_token, Some("phone")),
            ]
        )
        .await,
        [false; 3]
    );
    let elsewhere = kit
        .store
        .record(&app("other"), vec![clicked(known, None)])
        .await
        .expect("records marks");
    assert_eq!(elsewhere, [false], "it is another app's");
    assert_eq!(of_message(&kit, "m1").await.len(), 2);
    assert_eq!(
        record(
            &kit,
            vec![clicked(known, Some("phone")), clicked(to_token, None)]
        )
        .await,
        [true; 2]
    );
}

pub async fn only_stages_of_the_phone_can_be_recorded(kit: StoreKit) {
    let id = DeliveryId::new(NOW);
    append(&kit, vec![queued(id)]).await;
    for stage in Stage::ALL {
        let of_the_phone = matches!(stage, Stage::Delivered | Stage::Shown | Stage::Clicked);
        let done = kit
            .store
            .record(&app("im"), vec![mark(id, None, *stage, at(5))])
            .await;
        match done {
            Ok(new) => assert!(of_the_phone && new == [true], "{stage}"),
            Err(error) => {
                assert!(!of_the_phone, "{stage}");
                assert_eq!(error.kind(), ErrorKind::Invalid);
            }
        }
    }
}

pub async fn marks_recorded_at_once_are_new_once(kit: StoreKit) {
    let ids: Vec<_> = (0..20).map(|_| DeliveryId::new(NOW)).collect();
    append(&kit, ids.iter().copied().map(queued).collect()).await;
    let stages = [Stage::Delivered, Stage::Shown, Stage::Clicked];
    let new: usize = together((0..16).map(|task| {
        let (store, ids) = (Arc::clone(&kit.store), ids.clone());
        async move {
            let mut dice = Dice(task);
            let mut new = 0;
            for _ in 0..30 {
                let marks: Vec<_> = (0..dice.roll(8))
                    .map(|_| {
                        let id = ids[dice.roll(ids.len())];
                        mark(id, None, stages[dice.roll(3)], at(5))
                    })
                    .collect();
                let count = marks.len();
                let done = store.record(&app("im"), marks).await;
                let done = done.expect("records marks");
                assert_eq!(done.len(), count);
                new += done.into_iter().filter(|new| *new).count();
            }
            new
        }
    }))
    .await
    .into_iter()
    .sum();
    let mut found = 0;
    for id in ids {
        let events = of_delivery(&kit, id).await;
        let mut stages: Vec<_> = events.iter().map(|event| event.stage).collect();
        stages.sort_unstable();
        let count = stages.len();
        stages.dedup();
        assert_eq!(stages.len(), count, "a stage is there twice");
        found += count - 1;
    }
    assert_eq!(new, found);
    assert_eq!(found, 60, "the tasks reach every stage of every delivery");
}
