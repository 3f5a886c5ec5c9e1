//! The queue in memory is bounded, reports it, and forgets in time.
use std::time::Duration;

use push_core::{AppId, Cancel, ErrorKind, MessageId, Put, Queue, RawConfig, UserId};
use push_queue_memory::{MemoryQueue, MemoryQueueConfig, REMEMBER};
use push_testkit::{
    Place, block_on, json,
    queue::{check_shares, delivery},
};

const HOLD: Duration = Duration::from_secs(30);

fn queue(place: &Place, max_deliveries: usize, max_remembered: usize) -> MemoryQueue {
    let config = MemoryQueueConfig::default()
        .with_max_deliveries(max_deliveries)
        .with_max_remembered(max_remembered);
    MemoryQueue::new(config, &place.context())
}

#[test]
fn a_full_queue_refuses_the_whole_call() {
    let place = Place::new();
    let queue = queue(&place, 2, 10);
    block_on(async {
        queue.put(vec![delivery("m1", "alice")]).await.unwrap();
        let error = queue
            .put(vec![delivery("m1", "bob"), delivery("m1", "carol")])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert_eq!(queue.lanes().await.unwrap()[0].depth, 1);
        let done = queue.put(vec![delivery("m1", "bob")]).await.unwrap();
        assert_eq!(done, [Put::New], "the refused call left nothing behind");
    });
}

#[test]
fn no_app_and_no_credential_can_fill_the_queue() {
    let place = Place::new();
    block_on(check_shares(&queue(&place, 100, 10_000)));
}

#[test]
fn no_app_can_fill_what_the_queue_remembers() {
    let place = Place::new();
    let queue = queue(&place, 10_000, 100);
    let put = async |app: &str, number: usize| {
        let mut one = delivery(&format!("m{number}"), "alice");
        let lane = one.lane();
        std::sync::Arc::make_mut(&mut one.content).app = AppId::new(app).unwrap();
        let put = queue.put(vec![one]).await.unwrap()[0];
        if let Some(lease) = queue.lease(&lane, 1, HOLD).await.unwrap().pop() {
            queue.ack(vec![lease.id]).await.unwrap();
        }
        put
    };
    block_on(async {
        let mut count = 0;
        while put("im", count).await == Put::New {
            count += 1;
        }
        assert_eq!(count, 80);
        assert_eq!(put("im", 0).await, Put::Duplicate);
        assert_eq!(put("other", 0).await, Put::New);
    });
}

#[test]
fn a_message_done_a_day_ago_is_forgotten_and_makes_room() {
    let place = Place::new();
    let queue = queue(&place, 10, 2);
    block_on(async {
        let both = vec![delivery("m1", "alice"), delivery("m2", "alice")];
        queue.put(both).await.unwrap();
        let lane = delivery("m1", "alice").lane();
        let leased = queue.lease(&lane, 1, HOLD).await.unwrap();
        queue.ack(vec![leased[0].id.clone()]).await.unwrap();
        place.clock.advance(REMEMBER);
        let error = queue.put(vec![delivery("m3", "alice")]).await.unwrap_err();
        assert!(error.to_string().contains("max_remembered"), "{error}");
        assert!(error.is_transient());
        place.clock.advance(Duration::from_secs(60));
        // m1 is done and old, so there is room; m2 is old, but waits.
        let done = queue.put(vec![delivery("m3", "alice")]).await.unwrap();
        assert_eq!(done, [Put::New]);
        queue.put(vec![delivery("m4", "alice")]).await.unwrap_err();
        let leased = queue.lease(&lane, 10, HOLD).await.unwrap();
        assert_eq!(leased.len(), 2);
    });
}

#[test]
fn recalls_and_logouts_are_bounded_and_forgotten() {
    let place = Place::new();
    let queue = queue(&place, 10, 2);
    let app = AppId::new("im").unwrap();
    block_on(async {
        let recall = |of: &str| Cancel::Message(MessageId::new(of).unwrap());
        let logout = Cancel::Device {
            user: UserId::new("alice").unwrap(),
            device: delivery("m", "alice").device().unwrap().clone(),
            slot: None,
            before: 5,
        };
        queue.cancel(&app, &recall("m1"), 10).await.unwrap();
        queue.cancel(&app, &logout, 10).await.unwrap();
        let error = queue.cancel(&app, &recall("m2"), 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("max_remembered"), "{error}");
        let put = queue.put(vec![delivery("m1", "bob")]).await.unwrap();
        assert_eq!(put, [Put::Fenced]);
        place.clock.advance(REMEMBER + Duration::from_secs(60));
        queue.cancel(&app, &recall("m2"), 10).await.unwrap();
        let put = queue.put(vec![delivery("m1", "alice")]).await.unwrap();
        assert_eq!(put, [Put::New]);
    });
}

#[test]
fn the_plugin_reads_its_example_and_refuses_unknown_keys() {
    let place = Place::new();
    let descriptor = &push_queue_memory::PLUGIN;
    assert_eq!(descriptor.any().id(), "queue/memory");
    let example = json!({"max_deliveries": 2, "max_remembered": 2});
    for key in example.as_object().unwrap().keys() {
        assert!(descriptor.example().contains(&format!("{key} = ")));
    }
    descriptor
        .build(RawConfig::from_json(&example).unwrap(), &place.context())
        .unwrap();
    let odd = json!({"max": 2});
    let error = descriptor
        .build(RawConfig::from_json(&odd).unwrap(), &place.context())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
