//! Damaged rows do not stop their lane: they are moved to `damaged`, counted and logged, and the others are leased.
use std::time::Duration;

use push_core::{AppId, Badge, Cancel, Lane, Lease, MessageId, Notification, Queue};
use push_queue_sqlite::{SqliteQueue, SqliteQueueConfig};
use push_sqlite::rusqlite::Connection;
use push_testkit::{
    Place, block_on,
    queue::{delivery, delivery_with},
};

const HOLD: Duration = Duration::from_secs(60);

fn lane() -> Lane {
    delivery("m", "u").lane()
}

fn user(lease: &Lease) -> &str {
    lease.delivery.user().map_or("-", |user| user.as_str())
}

/// A queue with a delivery of message `of-<name>` for each name, put in this order.
async fn queue_of(place: &Place, names: &[&str]) -> SqliteQueue {
    let config = SqliteQueueConfig::new(place.path("queue.db"));
    let queue = SqliteQueue::new(config, &place.context()).expect("a right configuration");
    for name in names {
        let notification = Notification {
            thread: "ann".to_owned(),
            body: "a secret text".to_owned(),
            ..Notification::default()
        };
        let one = delivery_with(&format!("of-{name}"), name, notification);
        queue
            .put(vec![one.with_badge(Badge::Set(1))])
            .await
            .expect("puts");
    }
    queue
}

fn execute(place: &Place, sql: &str) {
    let changed = Connection::open(place.path("queue.db")).and_then(|db| db.execute(sql, []));
    assert_eq!(changed, Ok(1), "{sql}");
}

fn number(place: &Place, sql: &str) -> i64 {
    Connection::open(place.path("queue.db"))
        .and_then(|db| db.query_row(sql, [], |row| row.get(0)))
        .expect("the file can be read beside the queue")
}

/// Every kind of damage that a row can have: what is changed of the row of the user `bad`.
const DAMAGE: &[&str] = &[
    "UPDATE delivery SET user = CAST(x'ff62' AS TEXT) WHERE user = 'bad'",
    "UPDATE delivery SET user = '' WHERE user = 'bad'",
    "UPDATE delivery SET device = CAST(x'c328' AS TEXT) WHERE user = 'bad'",
    "UPDATE delivery SET device = NULL WHERE user = 'bad'",
    "UPDATE delivery SET uuid = x'0102' WHERE user = 'bad'",
    "UPDATE delivery SET slot = 'pocket' WHERE user = 'bad'",
    "UPDATE delivery SET instance = char(7) WHERE user = 'bad'",
    "UPDATE delivery SET channel = 'NO' WHERE user = 'bad'",
    "UPDATE delivery SET badge = 4294967296 WHERE user = 'bad'",
    "UPDATE delivery SET badge = -9223372036854775808 WHERE user = 'bad'",
    "UPDATE delivery SET batch = x'01' WHERE user = 'bad'",
    "UPDATE delivery SET token = 'a secret token' WHERE user = 'bad'",
    "UPDATE delivery SET content = 404 WHERE user = 'bad'",
    "DELETE FROM content WHERE id = (SELECT content FROM delivery WHERE user = 'bad')",
    "UPDATE content SET uuid = x'' WHERE id = (SELECT content FROM delivery WHERE user = 'bad')",
    "UPDATE content SET body = '{\"title\": 7}' WHERE id = (SELECT content FROM delivery WHERE user = 'bad')",
    "UPDATE content SET body = '{\"title\": \"a secret' WHERE id = (SELECT content FROM delivery WHERE user = 'bad')",
    "UPDATE content SET body = CAST(x'ff' AS TEXT) WHERE id = (SELECT content FROM delivery WHERE user = 'bad')",
    "UPDATE content SET message = 404 WHERE id = (SELECT content FROM delivery WHERE user = 'bad')",
    "UPDATE message SET message = CAST(x'ff' AS TEXT) WHERE message = 'of-bad'",
    "UPDATE message SET message = '' WHERE message = 'of-bad'",
];

#[test]
fn a_damaged_row_does_not_stop_its_lane() {
    for damage in DAMAGE {
        let place = Place::new();
        block_on(async {
            let queue = queue_of(&place, &["alice", "bad", "carol"]).await;
            execute(&place, damage);
            let leased = queue.lease(&lane(), 10, HOLD).await.unwrap();
            let users: Vec<_> = leased.iter().map(user).collect();
            assert_eq!(users, ["alice", "carol"], "{damage}");
            assert_eq!(queue.lanes().await.unwrap()[0].depth, 2, "{damage}");
            assert_eq!(queue.damaged().await.unwrap(), 1, "{damage}");
            let quoted = "SELECT count(*) FROM damaged WHERE reason LIKE '%secret%'";
            assert_eq!(number(&place, quoted), 0, "{damage}");
            let leases = leased.into_iter().map(|lease| lease.id).collect();
            assert_eq!(queue.ack(leases).await.unwrap(), 2, "{damage}");
            assert_eq!(queue.lanes().await.unwrap(), [], "{damage}");
            assert_eq!(number(&place, "SELECT depth FROM counter"), 0, "{damage}");
        });
    }
}

#[test]
fn a_lease_finds_deliveries_behind_any_number_of_damaged_ones() {
    let place = Place::new();
    block_on(async {
        let queue = queue_of(&place, &["b1", "b2", "b3", "good"]).await;
        for bad in ["b1", "b2", "b3"] {
            execute(
                &place,
                &format!("UPDATE delivery SET slot = '' WHERE user = '{bad}'"),
            );
        }
        let leased = queue.lease(&lane(), 1, HOLD).await.unwrap();
        assert_eq!(leased.len(), 1);
        assert_eq!(user(&leased[0]), "good");
        assert_eq!(queue.damaged().await.unwrap(), 3);
        assert!(queue.lease(&lane(), 1, HOLD).await.unwrap().is_empty());
    });
}

#[test]
fn a_damaged_delivery_is_cancelled_with_the_others() {
    let app = AppId::new("im").unwrap();
    for damage in DAMAGE {
        let place = Place::new();
        block_on(async {
            let queue = queue_of(&place, &["alice", "bad", "carol"]).await;
            execute(&place, damage);
            for what in [
                Cancel::Message(MessageId::new("of-bad").unwrap()),
                Cancel::Message(MessageId::new("of-alice").unwrap()),
                Cancel::Expired(lane().credential),
                Cancel::Conversation {
                    user: delivery("m", "carol").user().cloned().unwrap(),
                    conversation: "ann".to_owned(),
                    until: push_testkit::sample::NOW,
                },
            ] {
                queue.cancel(&app, &what, 9).await.unwrap();
            }
            assert!(queue.lease(&lane(), 9, HOLD).await.unwrap().is_empty());
            assert_eq!(queue.lanes().await.unwrap(), [], "{damage}");
        });
    }
}

#[test]
fn a_damaged_lane_is_skipped() {
    let place = Place::new();
    block_on(async {
        let queue = queue_of(&place, &["alice"]).await;
        let mut call = delivery("m2", "bob");
        let content = std::sync::Arc::make_mut(&mut call.content);
        content.class = push_core::Class::CALL;
        queue.put(vec![call]).await.unwrap();
        execute(
            &place,
            "UPDATE lane SET app = CAST(x'ff' AS TEXT) WHERE class = 'call'",
        );
        let lanes = queue.lanes().await.unwrap();
        assert_eq!(lanes.len(), 1);
        assert_eq!(lanes[0].lane, lane());
    });
}
