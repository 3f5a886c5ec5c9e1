//! What the queue removed is reported, also after a restart, until its end is confirmed.
use push_core::{
    AppId, Cancel, Cancelled, MessageId, Notification, Queue, RemovalCause, Removed, UserId,
};
use push_queue_sqlite::{SqliteQueue, SqliteQueueConfig};
use push_testkit::{
    Place, block_on,
    queue::{delivery, delivery_with},
    sample::NOW,
};

fn queue(place: &Place) -> SqliteQueue {
    let config = SqliteQueueConfig::new(place.path("queue.db"));
    SqliteQueue::new(config, &place.context()).expect("a right configuration")
}

/// A gateway that is killed before it has stored why they ended asks for them after the restart.
#[test]
fn what_was_cancelled_is_reported_until_its_end_is_confirmed() {
    let app = AppId::new("im").unwrap();
    let credential = delivery("m1", "alice").lane().credential;
    for (what, cause) in [
        (
            Cancel::Message(MessageId::new("m1").unwrap()),
            RemovalCause::Recalled,
        ),
        (
            Cancel::Device {
                user: UserId::new("alice").unwrap(),
                device: delivery("m1", "alice").device().cloned().unwrap(),
                slot: None,
                before: 9,
            },
            RemovalCause::Ended,
        ),
        (Cancel::Expired(credential), RemovalCause::Expired),
        (
            Cancel::Conversation {
                user: UserId::new("alice").unwrap(),
                conversation: "ann".to_owned(),
                until: NOW,
            },
            RemovalCause::Read,
        ),
    ] {
        let place = Place::new();
        let notification = Notification::default()
            .with_thread("ann")
            .with_expires_at(NOW);
        let gone = delivery_with("m1", "alice", notification);
        block_on(async {
            let first = queue(&place);
            let kept = delivery("m2", "bob");
            first.put(vec![gone.clone(), kept]).await.unwrap();
            assert_eq!(first.cancel(&app, &what, 9).await.unwrap().len(), 1);
            drop(first);
            let second = queue(&place);
            for of in RemovalCause::ALL {
                let reported = second.unconfirmed(*of, 9).await.unwrap();
                if *of != cause {
                    assert_eq!(reported, [], "{of}");
                    continue;
                }
                assert_eq!(reported, [Removed::from(&Cancelled::of(&gone))]);
            }
            second.confirm(vec![gone.id]).await.unwrap();
            assert_eq!(second.unconfirmed(cause, 9).await.unwrap(), []);
            assert_eq!(second.cancel(&app, &what, 9).await.unwrap(), []);
        });
    }
}
