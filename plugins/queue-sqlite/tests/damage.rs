//! Damaged rows do not stop their lane: they are moved to `damaged`, counted and logged, and the others are leased.
use std::time::Duration;

use push_core::{
    AppId, Badge, Cancel, Lane, Lease, MessageId, Notification, Queue, RemovalCause, Sought, UserId,
};
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
        let notification = Notification::default()
            .with_thread("ann")
            .with_body("a secret text");
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

/// The gateway records how they ended, so that none vanishes without a trace.
#[test]
fn a_damaged_row_is_reported_until_its_end_is_confirmed() {
    for damage in DAMAGE {
        let place = Place::new();
        block_on(async {
            let queue = queue_of(&place, &["alice", "bad"]).await;
            let id = number(
                &place,
                "SELECT count(*) FROM delivery WHERE length(uuid) = 16",
            );
            assert_eq!(id, 2);
            execute(&place, damage);
            queue.lease(&lane(), 10, HOLD).await.unwrap();
            drop(queue);
            let queue = queue_of(&place, &[]).await;
            let reported = queue.unconfirmed(RemovalCause::Damaged, 9).await.unwrap();
            if damage.contains("delivery SET uuid") {
                assert_eq!(reported, [], "{damage}");
                return;
            }
            assert_eq!(reported.len(), 1, "{damage}");
            assert_eq!(reported[0].app.as_str(), "im", "{damage}");
            let message = reported[0].message.as_ref().map(MessageId::as_str);
            let is_readable = !["SET content", "DELETE", "SET message"]
                .iter()
                .any(|part| damage.contains(part));
            let expected = is_readable.then_some("of-bad");
            assert_eq!(message, expected, "{damage}");
            queue.confirm(vec![reported[0].id]).await.unwrap();
            let left = queue.unconfirmed(RemovalCause::Damaged, 9).await.unwrap();
            assert_eq!(left, [], "{damage}");
        });
    }
}

#[test]
fn deliveries_of_a_damaged_lane_are_reported_by_the_app_of_their_message() {
    for damage in [
        "UPDATE lane SET app = CAST(x'ff' AS TEXT) WHERE class = 'call'",
        "UPDATE lane SET certificate = -1 WHERE class = 'call'",
    ] {
        let place = Place::new();
        block_on(async {
            let queue = two_lanes(&place, 3).await;
            execute(&place, damage);
            queue.lanes().await.unwrap();
            let reported = queue.unconfirmed(RemovalCause::Damaged, 9).await.unwrap();
            assert_eq!(reported.len(), 3, "{damage}");
            for removed in reported {
                assert_eq!(removed.app.as_str(), "im", "{damage}");
                assert_eq!(removed.user.as_ref().map(UserId::as_str), Some("bad"));
            }
        });
    }
}

#[test]
fn a_missing_row_of_counters_is_made_again() {
    let place = Place::new();
    block_on(async {
        let queue = queue_of(&place, &["alice", "bob"]).await;
        let leased = queue.lease(&lane(), 1, HOLD).await.unwrap();
        let before = leased[0].id.number();
        drop(queue);
        execute(&place, "DELETE FROM counter");
        let queue = queue_of(&place, &["carol"]).await;
        assert_eq!(number(&place, "SELECT depth FROM counter"), 3);
        let leased = queue.lease(&lane(), 9, HOLD).await.unwrap();
        let users: Vec<_> = leased.iter().map(user).collect();
        assert_eq!(users, ["alice", "bob", "carol"]);
        assert!(leased.iter().all(|lease| lease.id.number() > before));
        let sought = leased.iter().map(|lease| {
            let delivery = &lease.delivery;
            Sought::new(
                delivery.id,
                delivery.message().clone(),
                delivery.user().cloned(),
            )
        });
        let held = queue.holds(&lane().credential.app, sought.collect()).await;
        assert_eq!(held.unwrap(), Some(vec![true; 3]));
        let leases = leased.into_iter().map(|lease| lease.id).collect();
        assert_eq!(queue.ack(leases).await.unwrap(), 3);
        assert_eq!(number(&place, "SELECT depth FROM counter"), 0);
        assert_eq!(queue.damaged().await.unwrap(), 0);
    });
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

/// A queue with `count` deliveries of a lane of its own for the user `bad`, beside one of the lane of the others.
async fn two_lanes(place: &Place, count: usize) -> SqliteQueue {
    let queue = queue_of(place, &["alice"]).await;
    let calls = (0..count).map(|number| {
        let mut call = delivery(&format!("call-{number}"), "bad");
        let content = std::sync::Arc::make_mut(&mut call.content);
        content.class = push_core::Class::CALL;
        call
    });
    queue.put(calls.collect()).await.expect("puts");
    queue
}

#[test]
fn the_deliveries_of_a_damaged_lane_are_moved_aside_and_counted() {
    for damage in [
        "UPDATE lane SET app = CAST(x'ff' AS TEXT) WHERE class = 'call'",
        "UPDATE lane SET certificate = -1 WHERE class = 'call'",
        "UPDATE lane SET class = '' WHERE class = 'call'",
    ] {
        let place = Place::new();
        block_on(async {
            // More than one portion.
            let queue = two_lanes(&place, 2500).await;
            execute(&place, damage);
            for _ in 0..2 {
                let lanes = queue.lanes().await.unwrap();
                assert_eq!(lanes.len(), 1, "{damage}");
                assert_eq!(lanes[0].lane, lane());
            }
            assert_eq!(queue.damaged().await.unwrap(), 2500, "{damage}");
            assert_eq!(number(&place, "SELECT count(*) FROM lane"), 1, "{damage}");
            assert_eq!(number(&place, "SELECT count(*) FROM content"), 1);
            assert_eq!(number(&place, "SELECT depth FROM counter"), 1, "{damage}");
            // A new push of that lane goes its way.
            let again = push_core::Class::CALL;
            let mut call = delivery("new", "bob");
            std::sync::Arc::make_mut(&mut call.content).class = again;
            let call_lane = call.lane();
            queue.put(vec![call]).await.unwrap();
            assert_eq!(queue.lease(&call_lane, 9, HOLD).await.unwrap().len(), 1);
        });
    }
}

#[test]
fn deliveries_whose_lane_is_missing_are_moved_aside_at_the_start() {
    let place = Place::new();
    block_on(async {
        drop(two_lanes(&place, 3).await);
        execute(&place, "DELETE FROM lane WHERE class = 'call'");
        let queue = SqliteQueue::new(
            SqliteQueueConfig::new(place.path("queue.db")),
            &place.context(),
        );
        let queue = queue.expect("a right configuration");
        assert_eq!(queue.damaged().await.unwrap(), 3);
        assert_eq!(queue.lease(&lane(), 9, HOLD).await.unwrap().len(), 1);
        assert_eq!(number(&place, "SELECT depth FROM counter"), 1);
    });
}

/// A count of a lane or a number of attempts hides and stops nothing.
#[test]
fn damaged_numbers_stop_nothing() {
    for (damage, attempt) in [
        ("UPDATE lane SET depth = -7", 1),
        ("UPDATE lane SET depth = 0", 1),
        (
            "UPDATE delivery SET attempts = 9223372036854775807",
            u32::MAX,
        ),
        ("UPDATE delivery SET attempts = -9", 1),
    ] {
        let place = Place::new();
        block_on(async {
            let queue = queue_of(&place, &["alice"]).await;
            execute(&place, damage);
            let lanes = queue.lanes().await.unwrap();
            assert_eq!(lanes[0].depth, 1, "{damage}");
            // Forgetting lanes takes none away that has deliveries.
            place.clock.advance(Duration::from_secs(61));
            let read = Cancel::Conversation {
                user: delivery("m", "bob").user().cloned().unwrap(),
                conversation: "ann".to_owned(),
                until: push_testkit::sample::NOW,
            };
            let app = AppId::new("im").unwrap();
            queue.cancel(&app, &read, 1).await.unwrap();
            let leased = queue.lease(&lane(), 9, HOLD).await.unwrap();
            assert_eq!(leased.len(), 1, "{damage}");
            assert_eq!(leased[0].attempt, attempt, "{damage}");
            let returned = vec![push_core::Return::new(leased[0].id.clone(), HOLD)];
            assert_eq!(queue.nack(returned).await.unwrap(), 1, "{damage}");
        });
    }
}

#[test]
fn a_counter_that_is_behind_refuses_nothing_new() {
    let place = Place::new();
    block_on(async {
        drop(queue_of(&place, &["alice"]).await);
        execute(
            &place,
            "UPDATE counter SET delivery = 1, message = 1, content = 1",
        );
        let queue = queue_of(&place, &["bob"]).await;
        assert_eq!(queue.lease(&lane(), 9, HOLD).await.unwrap().len(), 2);
    });
}

#[test]
fn a_damaged_identity_stops_neither_a_recall_nor_forgetting() {
    let place = Place::new();
    let app = AppId::new("im").unwrap();
    block_on(async {
        let queue = queue_of(&place, &["alice", "bob"]).await;
        for of in ["of-alice", "of-bob"] {
            execute(
                &place,
                &format!(
                    "UPDATE seen SET identity = x'0102' WHERE message = (SELECT id FROM message WHERE message = '{of}')"
                ),
            );
        }
        let recall = Cancel::Message(MessageId::new("of-alice").unwrap());
        assert_eq!(queue.cancel(&app, &recall, 9).await.unwrap().len(), 1);
        let leased = queue.lease(&lane(), 9, HOLD).await.unwrap();
        let leases = leased.into_iter().map(|lease| lease.id).collect();
        assert_eq!(queue.ack(leases).await.unwrap(), 1);
        place
            .clock
            .advance(push_queue_sqlite::REMEMBER + Duration::from_secs(61));
        queue.put(vec![delivery("new", "carol")]).await.unwrap();
        queue.put(vec![delivery("newer", "carol")]).await.unwrap();
        assert_eq!(number(&place, "SELECT count(*) FROM seen"), 2);
    });
}

#[test]
fn a_damaged_delivery_that_is_cancelled_is_counted() {
    let place = Place::new();
    let app = AppId::new("im").unwrap();
    block_on(async {
        let queue = queue_of(&place, &["bad"]).await;
        execute(&place, "UPDATE delivery SET uuid = x'0102'");
        let recall = Cancel::Message(MessageId::new("of-bad").unwrap());
        assert_eq!(queue.cancel(&app, &recall, 9).await.unwrap(), []);
        assert_eq!(queue.damaged().await.unwrap(), 1);
        assert_eq!(queue.lanes().await.unwrap(), []);
        let counts = number(&place, "SELECT depth FROM counter");
        assert_eq!(
            (counts, number(&place, "SELECT count(*) FROM content")),
            (0, 0)
        );
    });
}

#[test]
fn an_expiry_goes_on_behind_damaged_deliveries() {
    let place = Place::new();
    block_on(async {
        let queue = queue_of(&place, &[]).await;
        let expired = (0..10).map(|number| {
            let notification = Notification::default().with_expires_at(push_testkit::sample::NOW);
            delivery_with("m1", &format!("user-{number}"), notification)
        });
        queue.put(expired.collect()).await.unwrap();
        for number in 0..3 {
            execute(
                &place,
                &format!("UPDATE delivery SET uuid = x'01' WHERE user = 'user-{number}'"),
            );
        }
        let app = AppId::new("im").unwrap();
        let what = Cancel::Expired(lane().credential);
        // Fewer than the limit would mean that there are no more.
        for count in [3, 3, 1] {
            let gone = queue.cancel(&app, &what, 3).await.unwrap();
            assert_eq!(gone.len(), count);
        }
        assert_eq!(queue.damaged().await.unwrap(), 3);
    });
}
