//! The queue in memory is bounded, says so, and forgets in time.
use std::time::Duration;

use push_core::{Delivery, ErrorKind, Put, Queue, RawConfig};
use push_queue_memory::{MemoryQueue, MemoryQueueConfig, REMEMBER};
use push_testkit::{Place, block_on, json, queue::delivery, sample::NOW};

fn queue(place: &Place, max_deliveries: usize, max_remembered: usize) -> MemoryQueue {
    let config = MemoryQueueConfig {
        max_deliveries,
        max_remembered,
    };
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
fn what_was_done_a_day_ago_is_forgotten_and_makes_room() {
    let place = Place::new();
    let queue = queue(&place, 10, 2);
    block_on(async {
        queue
            .put(vec![delivery("m1", "alice"), delivery("m2", "alice")])
            .await
            .unwrap();
        let lane = delivery("m1", "alice").lane();
        let hold = Duration::from_secs(30);
        let leased = queue.lease(&lane, 1, NOW, hold).await.unwrap();
        queue.ack(vec![leased[0].id]).await.unwrap();
        let later = NOW + REMEMBER + Duration::from_secs(3600);
        let new = || Delivery {
            created_at: later,
            ..delivery("m3", "alice")
        };
        let error = queue.put(vec![new()]).await.unwrap_err();
        assert!(error.to_string().contains("max_remembered"), "{error}");
        assert!(error.is_transient());
        // By the clock alone it is not forgotten: the deliveries' own dates must agree.
        place.clock.jump_to(later);
        queue.put(vec![new()]).await.unwrap_err();
        let queue = self::queue(&place, 10, 3);
        for (of, day) in [("m1", NOW), ("m2", NOW), ("m3", later)] {
            let it = Delivery {
                created_at: day,
                ..delivery(of, "alice")
            };
            queue.put(vec![it]).await.unwrap();
        }
        let leased = queue.lease(&lane, 1, later, hold).await.unwrap();
        assert_eq!(leased[0].delivery.message.as_str(), "m1");
        queue.ack(vec![leased[0].id]).await.unwrap();
        // m1 is done and old, so there is room; m2 is old, but not done.
        let again = |of| Delivery {
            created_at: later,
            ..delivery(of, "alice")
        };
        assert_eq!(queue.put(vec![again("m4")]).await.unwrap(), [Put::New]);
        queue.put(vec![again("m2")]).await.unwrap_err();
    });
}

#[test]
fn the_plugin_reads_its_example_and_refuses_unknown_keys() {
    let place = Place::new();
    let descriptor = &push_queue_memory::PLUGIN;
    assert_eq!(descriptor.any().id(), "queue/memory");
    let example = json!({"max_deliveries": 2, "max_remembered": 2});
    for key in example.as_object().unwrap().keys() {
        assert!(descriptor.example.contains(&format!("{key} = ")));
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
