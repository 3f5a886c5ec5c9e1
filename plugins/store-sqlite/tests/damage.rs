//! A damaged row is skipped and counted, and never stops the others from being read.
mod common;

use std::time::Duration;

use push_core::{
    Audience, BadgeArithmetic, BadgeChange, CertificateId, Channel, CredentialStore, DeliveryId,
    DeviceFacts, DeviceRef, DeviceToken, Environment, ErrorKind, Mark, MessageId, NewCredential,
    Presence, PresenceChange, RegistrationStore, ShownTicket, Stage, Tag, TagExpr, TicketId,
    TicketRefusal, TraceEvent, TraceQuery, TraceStore, UserId,
};
use push_sqlite::rusqlite::Connection;
use push_store_sqlite::SqliteStore;
use push_testkit::{Place, block_on, sample::NOW};

use crate::common::{app, device, register, store, user};

/// Runs SQL on a file beside the store, as a fault of the disk would.
fn damage(place: &Place, name: &str, sql: &str) {
    let file = Connection::open(place.path(name)).expect("opens");
    file.pragma_update(None, "foreign_keys", 0).expect("is set");
    let changed = file.execute(sql, []).expect("is SQL");
    assert!(changed > 0, "nothing was damaged: {sql}");
}

async fn everybody(store: &SqliteStore, limit: usize) -> Vec<UserId> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..100 {
        let page = store
            .scan(&app(), &Audience::Everybody, after, limit)
            .await
            .expect("scans");
        found.extend(page.items.into_iter().map(|receiver| receiver.user));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
    panic!("the pages do not come to an end");
}

#[test]
fn damaged_users_do_not_stop_a_scan() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        for id in ["a", "b", "c", "d", "e"] {
            register(&store, id, id).await;
        }
        for (from, to) in [("b", "x'62ff'"), ("c", "x'63ff'"), ("d", "''")] {
            damage(
                &place,
                "store.db",
                &format!("UPDATE device SET user = CAST({to} AS TEXT) WHERE user = '{from}'"),
            );
        }
        for limit in [1, 2, 10] {
            assert_eq!(everybody(&store, limit).await, [user("a"), user("e")]);
        }
        assert!(store.damaged_rows() > 0);
        // The next login repairs them.
        register(&store, "b", "b").await;
        assert_eq!(everybody(&store, 2).await.len(), 3);
    });
}

#[test]
fn damaged_devices_and_registrations_leave_the_others() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        for on in ["phone", "tablet", "tv", "watch"] {
            register(&store, "alice", on).await;
        }
        damage(
            &place,
            "store.db",
            "UPDATE device SET presence = 'nowhere' WHERE device = 'phone'",
        );
        damage(
            &place,
            "store.db",
            "UPDATE registration SET token = CAST(x'ff' AS TEXT) WHERE device = 'tablet'",
        );
        damage(
            &place,
            "store.db",
            "UPDATE registration SET certificate = 0 WHERE device = 'tv'",
        );
        let found = store.receivers(&app(), &[user("alice")]).await.unwrap();
        let found: Vec<_> = found[0]
            .devices
            .iter()
            .map(|device| (device.device.as_str(), device.registrations.len()))
            .collect();
        assert_eq!(found, [("tablet", 0), ("tv", 0), ("watch", 1)]);
        assert_eq!(store.damaged_rows(), 3);
        let found = store.receivers(&app(), &[user("alice")]).await.unwrap();
        let has_damaged = found[0].devices.iter().map(|device| device.has_damaged);
        assert_eq!(has_damaged.collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(found[0].damaged, [Some(device("phone"))]);
        assert_eq!(store.damaged_rows(), 6);
        let tokens = ["token-of-tv", "token-of-watch"].map(|text| DeviceToken::new(text).unwrap());
        let holders = store
            .holders(&app(), &Channel::known("sample"), &tokens)
            .await;
        let holders: Vec<_> = holders.unwrap().iter().map(Option::is_some).collect();
        assert_eq!(holders, [false, true]);
        assert_eq!(store.damaged_rows(), 7);
        // Writing is not stopped either.
        let kick = PresenceChange::new(user("alice"), Presence::Offline, NOW);
        let set = store.set_presence(&app(), vec![kick]).await.unwrap();
        assert_eq!((set.accepted, set.ended.len()), (4, 4));
        register(&store, "alice", "tablet").await;
        register(&store, "bob", "tv").await;
        let found = store
            .receivers(&app(), &[user("alice"), user("bob")])
            .await
            .unwrap();
        let found: Vec<_> = found.iter().map(|one| one.devices.len()).collect();
        assert_eq!(found, [3, 1], "the kick repaired the phone");
    });
}

/// A decision must not say that the user has no device or the device no token.
#[test]
fn a_damaged_device_is_named_as_such_by_every_search() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        for (who, on) in [("alice", "phone"), ("bob", "tablet"), ("carol", "tv")] {
            register(&store, who, on).await;
        }
        for sql in [
            "UPDATE device SET presence = CAST(x'ff' AS TEXT) WHERE device = 'phone'",
            "UPDATE device SET badge = -1 WHERE device = 'tablet'",
            "UPDATE registration SET device = CAST(x'ff' AS TEXT) WHERE device = 'tv'",
        ] {
            damage(&place, "store.db", sql);
        }
        let users = ["alice", "bob", "carol"].map(user);
        let devices = ["phone", "tablet", "tv"].map(device);
        for audience in [
            Audience::Everybody,
            Audience::Users(users.to_vec()),
            Audience::Devices(devices.to_vec()),
        ] {
            let found = store.scan(&app(), &audience, None, 9).await.unwrap().items;
            let damaged = found.iter().map(|receiver| receiver.damaged.clone());
            let expected = [
                vec![Some(device("phone"))],
                vec![Some(device("tablet"))],
                vec![],
            ];
            assert_eq!(damaged.collect::<Vec<_>>(), expected, "{audience:?}");
            assert_eq!(found[2].devices.len(), 1);
        }
        let found = store.receivers(&app(), &users).await.unwrap();
        assert!(found[2].devices[0].has_damaged, "it may be of this device");
        // The next registration is whole.
        register(&store, "alice", "phone").await;
        let found = store.receivers(&app(), &users[..1]).await.unwrap();
        assert_eq!((found[0].devices.len(), found[0].damaged.len()), (1, 0));
    });
}

#[test]
fn a_damaged_record_of_a_ticket_or_platform_is_no_failure_of_the_store() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let ticket = ShownTicket::new(TicketId::new([7; 16]), NOW, NOW + Duration::from_secs(60));
        let owner = DeviceRef::new(app(), user("alice"), device("phone"));
        let facts = DeviceFacts::default();
        let admit = async || store.admit(&owner, &ticket, &facts).await.unwrap();
        register(&store, "alice", "phone").await;
        assert_eq!(admit().await, Ok(()));
        damage(
            &place,
            "store.db",
            "UPDATE device SET platform = CAST(x'ff' AS TEXT)",
        );
        assert_eq!(admit().await, Ok(()));
        damage(
            &place,
            "store.db",
            "UPDATE ticket SET device = CAST(x'ff' AS TEXT)",
        );
        assert_eq!(admit().await, Err(TicketRefusal::Damaged));
    });
}

#[test]
fn damaged_tags_and_credentials_leave_the_others() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        register(&store, "alice", "phone").await;
        let tag = |word| Tag::new(word).unwrap();
        let tags = vec![tag("odd"), tag("vip")];
        store.set_tags(&app(), &user("alice"), tags).await.unwrap();
        let new = NewCredential::new(app(), "sample", Channel::known("sample"), vec![1], NOW)
            .with_environment(Environment::Sandbox);
        let id = |id| CertificateId::new(id).unwrap();
        let first = store.add_credential(id(1), new.clone()).await.unwrap();
        let second = store.add_credential(id(2), new).await.unwrap();
        damage(
            &place,
            "store.db",
            "UPDATE tag SET tag = CAST(x'6fff' AS TEXT) WHERE tag = 'odd'",
        );
        damage(
            &place,
            "store.db",
            &format!(
                "UPDATE credential SET channel = '?' WHERE id = {}",
                first.id.get()
            ),
        );
        let left = store.tags(&app(), &user("alice")).await.unwrap();
        assert_eq!(left, [tag("vip")]);
        let vip = Audience::Tags(TagExpr::Has(tag("vip")));
        let found = store.scan(&app(), &vip, None, 5).await.unwrap();
        assert_eq!(found.items.len(), 1);
        assert_eq!(store.credentials(None).await.unwrap(), [second]);
        assert_eq!(store.damaged_rows(), 3);
    });
}

#[test]
fn a_damaged_credential_is_named_as_such_and_written_anew() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let channel = Channel::known("sample");
        let new = |sealed| NewCredential::new(app(), "sample", channel.clone(), sealed, NOW);
        let id = CertificateId::new(1).unwrap();
        let first = store.add_credential(id, new(vec![1])).await.unwrap();
        for change in [
            "channel = '?'",
            "provider = CAST(x'ff' AS TEXT)",
            "environment = 'nowhere'",
            "label = CAST(x'ff' AS TEXT)",
        ] {
            let sql = format!("UPDATE credential SET {change}");
            damage(&place, "store.db", &sql);
            let error = store.credential(&first.reference()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{change}");
            assert!(error.to_string().contains("rotate"), "{error}");
            let written = store.rotate_credential(id, new(vec![2])).await.unwrap();
            let read = store.credential(&first.reference()).await.unwrap();
            assert_eq!(read, Some(written));
        }
        damage(
            &place,
            "store.db",
            "UPDATE credential SET provider = CAST(x'ff' AS TEXT)",
        );
        let other = NewCredential::new(app(), "other", Channel::known("other"), vec![3], NOW);
        let error = store.rotate_credential(id, other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    });
}

#[test]
fn damaged_badges_and_endings_are_replaced() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        register(&store, "alice", "phone").await;
        let add = |message: &str| {
            vec![BadgeChange::new(
                MessageId::new(message).unwrap(),
                user("alice"),
                device("phone"),
                BadgeArithmetic::Add(1),
            )]
        };
        store.change_badges(&app(), add("a")).await.unwrap();
        damage(&place, "store.db", "UPDATE badge_change SET badge = -1");
        damage(&place, "store.db", "UPDATE device SET badge = -7");
        let badges = store.change_badges(&app(), add("b")).await.unwrap();
        assert_eq!(badges, [1]);
        let badges = store.change_badges(&app(), add("a")).await.unwrap();
        assert_eq!(badges, [1], "it was counted once");

        let offline = || {
            let change = PresenceChange::new(user("alice"), Presence::Offline, NOW);
            vec![change.on(device("phone"))]
        };
        store.set_presence(&app(), offline()).await.unwrap();
        damage(
            &place,
            "store.db",
            "UPDATE ending SET cause = CAST(x'ff' AS TEXT)",
        );
        store.set_presence(&app(), offline()).await.unwrap();
        let endings = store.endings(&app(), &[user("alice")]).await.unwrap();
        assert_eq!(endings[0].len(), 1, "{endings:?}");
    });
}

#[test]
fn damaged_events_leave_the_others() {
    let place = Place::new();
    let store = store(&place);
    block_on(async {
        let message = MessageId::new("m1").unwrap();
        let delivery = DeliveryId::new(NOW);
        let stages = [
            Stage::Accepted,
            Stage::Queued,
            Stage::Attempt,
            Stage::Answered,
            Stage::Settled,
        ];
        let events = stages.map(|stage| {
            TraceEvent::new(app(), message.clone(), NOW, stage)
                .with_delivery(delivery)
                .with_user(user("alice"))
                .with_device(device("phone"))
        });
        store.append(events.to_vec()).await.unwrap();
        store.trace_of_message(&app(), &message).await.unwrap();
        let traces = "store-traces.db";
        // The first of the delivery is the one that the others are found by.
        damage(
            &place,
            traces,
            "UPDATE event SET channel = CAST(x'ff' AS TEXT) WHERE stage = 'accepted'",
        );
        damage(
            &place,
            traces,
            "UPDATE event SET delivery = x'0102' WHERE stage = 'attempt'",
        );
        damage(
            &place,
            traces,
            "UPDATE event SET answer = '{' WHERE stage = 'answered'",
        );
        let left = |events: &[TraceEvent]| -> Vec<Stage> {
            events.iter().map(|event| event.stage).collect()
        };
        let good = [Stage::Queued, Stage::Settled];
        let found = store.trace_of_message(&app(), &message).await.unwrap();
        assert_eq!(left(&found), good);
        let found = store.trace_of_delivery(&app(), delivery).await.unwrap();
        assert_eq!(left(&found), good);
        assert_eq!(store.damaged_rows(), 5);
        let query = TraceQuery::default().with_user(user("alice"));
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.find(&app(), &query, after, 1).await.unwrap();
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.reverse();
        assert_eq!(left(&found), good);
        let shown = Mark::new(delivery, Some(device("phone")), Stage::Shown, NOW);
        assert_eq!(store.record(&app(), vec![shown]).await.unwrap(), [true]);
    });
}
