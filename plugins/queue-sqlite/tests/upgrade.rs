//! A file of version 2 is upgraded when it is opened, and a newer one is refused.
use std::{fs, path::Path, time::Duration};

use push_core::{
    Address, AppId, Badge, Cancel, Channel, Class, CredentialRef, Delivery, ErrorKind, Instance,
    Lane, MessageId, Put, Queue, Slot,
};
use push_queue_sqlite::{SqliteQueue, SqliteQueueConfig};
use push_sqlite::rusqlite::Connection;
use push_testkit::{Place, block_on, json, queue::delivery, sample::NOW};

const HOLD: Duration = Duration::from_secs(60);

/// A file as version 2 left it. Deliveries: one with a text of its own, two that share one, one that was leased, one that is
/// done and still remembered, one that was put while the clock was a day ahead, and five that are damaged.
const VERSION_2: &str = r#"
CREATE TABLE counter (
    delivery INTEGER NOT NULL, message INTEGER NOT NULL, notification INTEGER NOT NULL, lease INTEGER NOT NULL,
    depth INTEGER NOT NULL, newest INTEGER NOT NULL
) STRICT;
INSERT INTO counter VALUES (20, 5, 3, 77, 10, 1700000000000);
CREATE TABLE lane (
    id INTEGER PRIMARY KEY, app TEXT NOT NULL, certificate INTEGER NOT NULL, depth INTEGER NOT NULL, UNIQUE (app, certificate)
) STRICT;
INSERT INTO lane VALUES (1, 'im', 31287, 9), (2, 'im', 5, 1);
CREATE TABLE message (
    id INTEGER PRIMARY KEY, app TEXT NOT NULL, message TEXT NOT NULL, newest INTEGER NOT NULL, UNIQUE (app, message)
) STRICT;
INSERT INTO message VALUES (1, 'im', 'm1', 1700000000000), (2, 'im', 'm2', 1700000000000), (3, 'im', 'm3', 1700000000000);
CREATE TABLE seen (
    message INTEGER NOT NULL, user TEXT NOT NULL, device TEXT NOT NULL, slot TEXT NOT NULL, delivery INTEGER NOT NULL,
    PRIMARY KEY (message, user, device, slot)
) STRICT, WITHOUT ROWID;
INSERT INTO seen VALUES
    (1, 'alice', 'alice-phone', 'alert', 1),
    (2, 'bob', 'bob-phone', 'alert', 2),
    (2, 'carol', 'carol-phone', 'voip', 3),
    (2, 'dave', 'dave-phone', 'alert', 4),
    (2, 'done', 'done-phone', 'alert', 5),
    (3, 'ahead', 'ahead-phone', 'alert', 6),
    (3, CAST(x'ff' AS TEXT), 'x', 'alert', 11);
CREATE TABLE notification (
    id INTEGER PRIMARY KEY, message INTEGER NOT NULL, body TEXT NOT NULL, deliveries INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_by_message ON notification (message);
INSERT INTO notification VALUES (1, 2,
    '{"kind":"alert","title":"a shared text","subtitle":"","body":"","ext":"","badge":"leave","sound":"default","image":"","priority":"high","interruption":null,"thread":"ann","collapse":"c","mutable":false,"wakes_app":false,"expires_at":1700000900000,"vendor":{"third":{"category":"IM"},"sample":{"aps":{"x":1}}}}',
    3);
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, due INTEGER NOT NULL, lease INTEGER, attempts INTEGER NOT NULL,
    uuid BLOB NOT NULL, message INTEGER NOT NULL, user TEXT NOT NULL, device TEXT NOT NULL, slot TEXT NOT NULL,
    channel TEXT NOT NULL, environment TEXT NOT NULL, token TEXT NOT NULL, told_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, notification INTEGER, body TEXT
) STRICT;
CREATE INDEX delivery_by_due ON delivery (lane, due);
CREATE UNIQUE INDEX delivery_by_lease ON delivery (lease) WHERE lease IS NOT NULL;
CREATE INDEX delivery_by_device ON delivery (user, device);
ALTER TABLE delivery ADD COLUMN expires_at INTEGER;
INSERT INTO delivery VALUES
    (1, 1, 1699999999000, NULL, 2, x'00000000000070008000000000000001', 1, 'alice', 'alice-phone', 'alert', 'sample', 'sandbox',
     'a-token-of-alice', 1, 1699999999000, NULL, '{"title":"a text of its own","badge":{"set":7}}', NULL),
    (2, 1, 1700000000000, NULL, 0, x'00000000000070008000000000000002', 2, 'bob', 'bob-phone', 'alert', 'sample', 'production',
     'a-token-of-bob', 1, 1700000000000, 1, NULL, 1700000900000),
    (3, 2, 1700000060000, NULL, 1, x'00000000000070008000000000000003', 2, 'carol', 'carol-phone', 'voip', 'third', 'production',
     'a-token-of-carol', 1, 1700000000000, 1, NULL, 1700000900000),
    (4, 1, 1700000090000, 76, 1, x'00000000000070008000000000000004', 2, 'dave', 'dave-phone', 'alert', 'sample', 'production',
     'a-token-of-dave', 1, 1700000000000, 1, NULL, 1700000900000),
    (6, 1, 1700086400000, NULL, 0, x'00000000000070008000000000000006', 3, 'ahead', 'ahead-phone', 'alert', 'sample', 'sandbox',
     'a-token', 1, 1700086400000, NULL, '{"title":"of tomorrow","badge":{"add":1}}', NULL),
    (11, 1, 1, NULL, 0, x'00', 3, CAST(x'ff' AS TEXT), 'x', 'alert', 'sample', 'sandbox', 'a-token', 1, 1, NULL, '{}', NULL),
    (12, 1, 1, NULL, 0, x'00000000000070008000000000000012', 3, 'x', 'x', 'alert', 'sample', 'sandbox', 'a-token', 1, 1, NULL, '{"title":7', NULL),
    (13, 1, 1, NULL, 0, x'00000000000070008000000000000013', 3, 'x', 'y', 'alert', 'sample', 'sandbox', 'a-token', 1, 1, 404, NULL, NULL),
    (14, 1, 1, NULL, 0, x'00000000000070008000000000000014', 404, 'x', 'z', 'alert', 'sample', 'sandbox', 'a-token', 1, 1, NULL, '{}', NULL),
    (15, 404, 1, NULL, 0, x'00000000000070008000000000000015', 3, 'x', 'z', 'alert', 'sample', 'sandbox', 'a-token', 1, 1, NULL, '{}', NULL);
PRAGMA user_version = 2;
PRAGMA application_id = 0x6f707175;
"#;

fn old_file(path: &Path) {
    let db = Connection::open(path).expect("a file can be made");
    db.execute_batch(VERSION_2)
        .expect("it is as version 2 left it");
}

fn queue(place: &Place) -> SqliteQueue {
    let config = SqliteQueueConfig::new(place.path("queue.db"));
    SqliteQueue::new(config, &place.context()).expect("a right configuration")
}

fn lane(certificate: i64) -> Lane {
    let app = AppId::new("im").expect("an app id");
    let certificate = certificate.try_into().expect("a certificate id");
    Lane::new(CredentialRef::new(app, certificate), Class::CHAT)
}

fn user(delivery: &Delivery) -> &str {
    delivery.user().map_or("-", |user| user.as_str())
}

#[test]
fn deliveries_of_a_file_of_version_2_are_leased_as_they_were() {
    let place = Place::new();
    old_file(&place.path("queue.db"));
    let queue = queue(&place);
    block_on(async {
        let leased = queue.lease(&lane(31287), 10, HOLD).await.unwrap();
        let found: Vec<_> = leased
            .iter()
            .map(|lease| (user(&lease.delivery), lease.attempt))
            .collect();
        // What was leased is due first; what was put a day ahead does not wait for tomorrow.
        let right = [("dave", 2), ("alice", 3), ("bob", 1), ("ahead", 1)];
        assert_eq!(found, right);
        let [dave, alice, bob, ahead] = [0, 1, 2, 3].map(|number| &leased[number].delivery);
        assert_eq!(
            alice.to,
            Address::Device {
                user: "alice".parse().unwrap(),
                device: "alice-phone".parse().unwrap(),
                slot: Slot::Alert,
                instance: Instance::ONLY,
            }
        );
        assert_eq!(alice.id.to_string(), "00000000-0000-7000-8000-000000000001");
        assert_eq!((alice.badge, bob.badge), (Badge::Set(7), Badge::Leave));
        assert_eq!(ahead.badge, Badge::Add(1));
        assert_eq!((alice.revision, alice.due), (0, None));
        assert_eq!(alice.created_at, NOW - Duration::from_secs(1));
        assert_eq!(alice.content.class, Class::CHAT);
        assert_eq!(alice.content.notification.title, "a text of its own");
        assert_eq!(bob.content, dave.content);
        assert_eq!(bob.content.message.as_str(), "m2");
        let notification = &bob.content.notification;
        assert_eq!(notification.thread, "ann");
        assert_eq!(
            notification.expires_at,
            Some(NOW + Duration::from_secs(900))
        );
        let vendor = |value: serde_json::Value| value.as_object().cloned().unwrap();
        assert_eq!(notification.vendor, vendor(json!({"aps": {"x": 1}})));

        // The file was written by a clock that was a day ahead: its waits are shortened by that.
        let carol = queue.lease(&lane(5), 10, HOLD).await.unwrap().remove(0);
        assert_eq!(carol.attempt, 2);
        assert_eq!(carol.delivery.channel, Channel::known("third"));
        assert_eq!(carol.delivery.slot(), Slot::Voip);
        let content = &carol.delivery.content;
        assert_eq!(
            content.notification.vendor,
            vendor(json!({"category": "IM"}))
        );
        assert_ne!(content.id, bob.content.id);
        assert_eq!(queue.damaged().await.unwrap(), 5);
        // A lease of the old file does not come again.
        let leases = leased.iter().chain([&carol]);
        assert!(leases.clone().all(|lease| lease.id.number() >= Some(77)));
        let leases = leases.map(|lease| lease.id.clone()).collect();
        assert_eq!(queue.ack(leases).await.unwrap(), 5);
        assert_eq!(queue.lanes().await.unwrap(), []);
    });
}

#[test]
fn content_ids_of_an_old_file_depend_on_the_content_alone() {
    let ids = [0, 1].map(|_| {
        let place = Place::new();
        old_file(&place.path("queue.db"));
        let queue = queue(&place);
        let leased = block_on(queue.lease(&lane(31287), 10, HOLD)).unwrap();
        let ids = leased.iter().map(|lease| lease.delivery.content.id);
        ids.collect::<Vec<_>>()
    });
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 4);
}

#[test]
fn an_upgraded_file_remembers_and_cancels_what_was_put_before() {
    let place = Place::new();
    old_file(&place.path("queue.db"));
    block_on(async {
        queue(&place).open().await.unwrap();
        // Once more, as after a restart.
        let queue = queue(&place);
        let mut other = delivery("m2", "bob");
        other.channel = Channel::known("second");
        let again = vec![
            delivery("m1", "alice"),
            delivery("m2", "done"),
            // Files of version 2 do not distinguish channels.
            other,
            delivery("m2", "new"),
        ];
        let again = queue.put(again).await.unwrap();
        use Put::{Duplicate, New};
        assert_eq!(again, [Duplicate, Duplicate, Duplicate, New]);
        let app = AppId::new("im").unwrap();
        let cancel = async |what: &Cancel| {
            let gone = queue.cancel(&app, what, 10).await.unwrap();
            let mut users: Vec<_> = gone
                .into_iter()
                .map(|cancelled| cancelled.user.unwrap().to_string())
                .collect();
            users.sort();
            users
        };
        let logout = Cancel::Device {
            user: "alice".parse().unwrap(),
            device: "alice-phone".parse().unwrap(),
            slot: None,
            before: 1,
        };
        assert_eq!(cancel(&logout).await, ["alice"]);
        let recall = Cancel::Message(MessageId::new("m2").unwrap());
        assert_eq!(cancel(&recall).await, ["bob", "carol", "dave", "new"]);
        let lanes = queue.lanes().await.unwrap();
        assert_eq!((lanes.len(), lanes[0].depth), (1, 1));
    });
}

#[test]
fn tokens_and_texts_leave_an_upgraded_file() {
    let place = Place::new();
    let path = place.path("queue.db");
    old_file(&path);
    let has = |what: &str| {
        let content = fs::read(&path).unwrap();
        content
            .windows(what.len())
            .any(|found| found == what.as_bytes())
    };
    let words = ["a-token-of-alice", "a-token-of-dave"];
    assert!(words.iter().all(|word| has(word)));
    block_on(queue(&place).open()).unwrap();
    assert!(!words.iter().any(|word| has(word)));
}

#[test]
fn a_newer_file_is_refused_and_not_touched() {
    let place = Place::new();
    let path = place.path("queue.db");
    block_on(queue(&place).open()).unwrap();
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = block_on(queue(&place).lanes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}
