//! What the file keeps: over a restart, over a kill, and no longer than it should.
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use push_core::{
    Address, AppId, Badge, BatchId, BatchRef, Cancel, DeviceToken, Environment, ErrorKind, Lane,
    MessageId, Notification, Put, Queue, RawConfig, Return, Slot,
};
use push_queue_sqlite::{KEEP_FENCE, REMEMBER, SqliteQueue, SqliteQueueConfig};
use push_sqlite::rusqlite::Connection;
use push_testkit::{
    Place, block_on, json,
    queue::{check_shares, delivery, delivery_with},
    sample::NOW,
};

/// Longer than any test takes.
const HOLD: Duration = Duration::from_secs(3600);

fn queue(place: &Place) -> SqliteQueue {
    queue_at(&place.path("queue.db"), place)
}

fn queue_at(path: &Path, place: &Place) -> SqliteQueue {
    SqliteQueue::new(SqliteQueueConfig::new(path), &place.context()).expect("a right configuration")
}

fn lane() -> Lane {
    delivery("m", "u").lane()
}

fn count(place: &Place, table: &str) -> i64 {
    Connection::open(place.path("queue.db"))
        .and_then(|db| {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
        })
        .expect("the file can be read beside the queue")
}

fn message(of: &str) -> MessageId {
    MessageId::new(of).expect("a message id")
}

fn app() -> AppId {
    AppId::new("im").expect("an app id")
}

fn logout(of: &str, before: u64) -> Cancel {
    let device = delivery("m", of).device().cloned().expect("a device");
    let user = delivery("m", of).user().cloned().expect("a user");
    Cancel::Device {
        user,
        device,
        slot: None,
        before,
    }
}

fn ids(leases: &[push_core::Lease]) -> Vec<push_core::LeaseId> {
    leases.iter().map(|lease| lease.id.clone()).collect()
}

fn user(lease: &push_core::Lease) -> &str {
    lease.delivery.user().map_or("-", |user| user.as_str())
}

// S128
#[test]
fn a_restart_keeps_everything() {
    let place = Place::new();
    let all: Vec<_> = ["waits", "held", "later", "done", "gone"]
        .map(|to| delivery("m1", to).with_badge(Badge::Add(2)))
        .to_vec();
    let batch = BatchRef::new(BatchId::new(NOW), 7);
    let after = Duration::from_secs(60);
    block_on(async {
        let names = {
            let queue = queue(&place);
            queue.put(all.clone()).await.unwrap();
            let scheduled = delivery("m2", "scheduled").with_due(NOW + after * 2);
            queue.put(vec![scheduled]).await.unwrap();
            let leased = queue.lease(&lane(), 5, HOLD).await.unwrap();
            let at_once = Return::new(leased[0].id.clone(), Duration::ZERO);
            let returns = vec![
                at_once.without_attempt(),
                Return::new(leased[2].id.clone(), after).with_batch(Some(batch)),
            ];
            queue.nack(returns).await.unwrap();
            queue.ack(vec![leased[3].id.clone()]).await.unwrap();
            let gone = queue.cancel(&app(), &logout("gone", 2), 9).await.unwrap();
            assert_eq!(gone.len(), 1);
            let recall = Cancel::Message(message("m3"));
            queue.cancel(&app(), &recall, 9).await.unwrap();
            ids(&leased).into_iter().collect::<BTreeSet<_>>()
        };
        let queue = queue(&place);
        let lanes = queue.lanes().await.unwrap();
        assert_eq!(lanes[0].depth, 4);
        let leased = queue.lease(&lane(), 5, HOLD).await.unwrap();
        // What was held is due before everything else; what was returned for later is not due.
        let found: Vec<_> = leased
            .iter()
            .map(|lease| (user(lease), lease.attempt))
            .collect();
        assert_eq!(found, [("held", 2), ("waits", 1)]);
        assert_eq!(leased[1].delivery, all[0]);
        assert!(leased.iter().all(|lease| !names.contains(&lease.id)));
        place.clock.advance(after);
        let later = queue.lease(&lane(), 5, HOLD).await.unwrap();
        assert_eq!((later[0].attempt, later[0].batch), (2, Some(batch)));
        place.clock.advance(after);
        let scheduled = queue.lease(&lane(), 5, HOLD).await.unwrap();
        assert_eq!(user(&scheduled[0]), "scheduled");
        let again = queue.put(all).await.unwrap();
        assert_eq!(again, [Put::Duplicate; 5]);
        let fenced = vec![delivery("m4", "gone"), delivery("m3", "alice")];
        let fenced = queue.put(fenced).await.unwrap();
        assert_eq!(fenced, [Put::Fenced, Put::Fenced]);
    });
}

#[test]
fn a_lease_of_the_last_process_does_nothing_in_this_one() {
    let place = Place::new();
    block_on(async {
        let old = {
            let queue = queue(&place);
            queue.put(vec![delivery("m1", "alice")]).await.unwrap();
            queue.lease(&lane(), 1, HOLD).await.unwrap().remove(0)
        };
        let queue = queue(&place);
        assert_eq!(queue.ack(vec![old.id.clone()]).await.unwrap(), 0);
        let new = queue.lease(&lane(), 1, HOLD).await.unwrap().remove(0);
        assert_eq!(queue.ack(vec![old.id.clone()]).await.unwrap(), 0);
        assert_eq!(queue.ack(vec![new.id.clone()]).await.unwrap(), 1);
    });
}

#[test]
fn a_clock_that_was_corrected_while_the_file_was_closed_delays_nothing() {
    let place = Place::new();
    let hours = |count: u64| NOW + Duration::from_secs(count * 3600);
    block_on(async {
        {
            place.clock.jump_to(hours(9));
            let queue = queue(&place);
            let waits = ["held", "returned", "fresh"].map(|to| delivery("m1", to));
            queue.put(waits.to_vec()).await.unwrap();
            let scheduled = delivery("m1", "scheduled").with_due(hours(12));
            queue.put(vec![scheduled]).await.unwrap();
            let leased = queue.lease(&lane(), 2, HOLD).await.unwrap();
            let back = Return::new(leased[1].id.clone(), Duration::from_secs(600));
            queue.nack(vec![back]).await.unwrap();
        }
        place.clock.jump_to(NOW);
        let queue = queue(&place);
        let leased = queue.lease(&lane(), 9, HOLD).await.unwrap();
        let users: Vec<_> = leased.iter().map(user).collect();
        assert_eq!(users, ["held", "fresh"]);
        queue.ack(ids(&leased)).await.unwrap();
        // What was returned waits as long as it should, and not nine hours longer.
        place.clock.jump_to(NOW + Duration::from_secs(600));
        let leased = queue.lease(&lane(), 9, HOLD).await.unwrap();
        let users: Vec<_> = leased.iter().map(user).collect();
        assert_eq!(users, ["returned"]);
        queue.ack(ids(&leased)).await.unwrap();
        let lanes = queue.lanes().await.unwrap();
        let left = Duration::from_secs(12 * 3600 - 600);
        assert_eq!(lanes[0].next_due, left);
    });
}

/// The clock was ahead only when deliveries were returned or hastened, so that nothing else has stored that time.
#[test]
fn a_clock_that_was_ahead_at_the_last_return_delays_nothing_after_a_restart() {
    let ahead = NOW + Duration::from_secs(2 * 3600);
    let minute = Duration::from_secs(60);
    let place = Place::new();
    block_on(async {
        {
            let queue = queue(&place);
            let waits = ["returned", "hastened"].map(|to| delivery("m1", to));
            queue.put(waits.to_vec()).await.unwrap();
            let leased = queue.lease(&lane(), 2, HOLD).await.unwrap();
            let hour = Return::new(leased[1].id.clone(), HOLD);
            queue.nack(vec![hour]).await.unwrap();
            place.clock.jump_to(ahead);
            let back = Return::new(leased[0].id.clone(), minute);
            queue.nack(vec![back]).await.unwrap();
        }
        place.clock.jump_to(NOW);
        {
            let queue = queue(&place);
            assert!(queue.lanes().await.unwrap()[0].next_due <= minute);
            place.clock.jump_to(NOW + minute);
            let leased = queue.lease(&lane(), 2, HOLD).await.unwrap();
            let users: Vec<_> = leased.iter().map(user).collect();
            assert_eq!(users, ["hastened", "returned"]);
            let back = leased
                .iter()
                .map(|lease| Return::new(lease.id.clone(), HOLD * 4));
            queue.nack(back.collect()).await.unwrap();
            place.clock.jump_to(ahead);
            assert_eq!(queue.hasten(&lane().credential).await.unwrap(), 2);
        }
        place.clock.jump_to(NOW + minute);
        let queue = queue(&place);
        let leased = queue.lease(&lane(), 2, HOLD).await.unwrap();
        assert_eq!(leased.len(), 2, "they were hastened");
    });
}

/// Set for the process that is to be killed: the directory of its queue.
const CHILD: &str = "OFFLINE_PUSH_KILLED_QUEUE";

// S128
#[test]
fn a_kill_loses_nothing_that_was_answered() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return block_on(put_and_acknowledge_until_killed(directory.as_ref()));
    }
    let place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_kill_loses_nothing_that_was_answered",
            "--nocapture",
        ])
        .env(CHILD, place.directory())
        // What it leaves behind when it is killed goes with the directory.
        .env("TMPDIR", place.directory())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut killed = false;
    let mut answered = BTreeSet::new();
    let mut leased = BTreeSet::new();
    let mut acknowledging = BTreeSet::new();
    let mut acknowledged = BTreeSet::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((word, id)) = line.split_once(' ') else {
            continue;
        };
        match word {
            "put" => answered.insert(id.to_owned()),
            "leased" => leased.insert(id.to_owned()),
            "acknowledging" => acknowledging.insert(id.to_owned()),
            "acknowledged" => acknowledged.insert(id.to_owned()),
            _ => continue,
        };
        if !killed && acknowledged.len() >= 100 && answered.len() > 300 {
            // SIGKILL, at any point of its work.
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself");
    assert!(leased.len() > acknowledged.len(), "something was held");
    block_on(async {
        let queue = queue(&place);
        let mut found = BTreeSet::new();
        loop {
            let leased_now = queue.lease(&lane(), 1000, HOLD).await.unwrap();
            if leased_now.is_empty() {
                break;
            }
            for lease in leased_now {
                let id = lease.delivery.id.to_string();
                if leased.contains(&id) {
                    assert!(
                        lease.attempt >= 2,
                        "the attempt of the killed process counts"
                    );
                }
                found.insert(id);
            }
        }
        let lost: Vec<_> = answered
            .iter()
            .filter(|id| !found.contains(*id) && !acknowledging.contains(*id))
            .collect();
        assert!(lost.is_empty(), "{lost:?} were answered, and are gone");
        assert_eq!(acknowledged.intersection(&found).count(), 0);
    });
}

async fn put_and_acknowledge_until_killed(directory: &Path) {
    fn say(word: &str, id: impl std::fmt::Display) {
        // Not `print!`, which the test harness may keep to itself.
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {id}").expect("the parent listens");
        out.flush().expect("the parent listens");
    }
    let place = Place::new();
    let queue = Arc::new(queue_at(&directory.join("queue.db"), &place));
    let putting: Vec<_> = (0..8)
        .map(|task| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                for number in 0.. {
                    let it = delivery(&format!("m{task}-{number}"), "alice");
                    let id = it.id;
                    queue.put(vec![it]).await.expect("puts");
                    say("put", id);
                }
            })
        })
        .collect();
    loop {
        let leased = queue.lease(&lane(), 9, HOLD).await.expect("leases");
        for it in &leased {
            say("leased", it.delivery.id);
        }
        let (done, _held) = leased.split_at(leased.len() * 2 / 3);
        for it in done {
            say("acknowledging", it.delivery.id);
        }
        queue.ack(ids(done)).await.expect("acknowledges");
        for it in done {
            say("acknowledged", it.delivery.id);
        }
        assert!(putting.iter().all(|task| !task.is_finished()));
    }
}

#[test]
fn a_second_process_is_refused() {
    let place = Place::new();
    let (first, second) = (queue(&place), queue(&place));
    block_on(async {
        first.open().await.unwrap();
        let error = second.put(vec![delivery("m1", "alice")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("queue.db"), "{error}");
        drop(first);
        second.put(vec![delivery("m1", "alice")]).await.unwrap();
    });
}

#[test]
fn a_thousand_puts_at_once_share_few_transactions() {
    let place = Place::new();
    let queue = Arc::new(queue(&place));
    block_on(async {
        queue.open().await.unwrap();
        let calls: Vec<_> = (0..1000)
            .map(|number| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move {
                    let it = delivery(&format!("m{number}"), "alice");
                    queue.put(vec![it]).await
                })
            })
            .collect();
        for it in calls {
            assert_eq!(it.await.unwrap().unwrap(), [Put::New]);
        }
        let stats = queue.stats();
        assert!(stats.calls >= 1000);
        assert!(stats.commits <= 100, "{} transactions", stats.commits);
        assert_eq!(queue.lanes().await.unwrap()[0].depth, 1000);
    });
}

#[test]
fn a_message_to_many_is_stored_once() {
    let place = Place::new();
    let queue = queue(&place);
    block_on(async {
        for batch in 0..3 {
            // Each call has a copy of its own, and one delivery comes alone.
            let batch = (0..100).map(|number| delivery("m1", &format!("user-{batch}-{number}")));
            queue.put(batch.collect()).await.unwrap();
        }
        queue.put(vec![delivery("m1", "alone")]).await.unwrap();
        assert_eq!(count(&place, "content"), 1);
        let leased = queue.lease(&lane(), 1000, HOLD).await.unwrap();
        assert_eq!(leased.len(), 301);
        let first = &leased[0].delivery.content;
        assert!(
            leased
                .iter()
                .all(|lease| Arc::ptr_eq(&lease.delivery.content, first))
        );
        queue.ack(ids(&leased)).await.unwrap();
        assert_eq!(count(&place, "content"), 0);
    });
}

#[test]
fn texts_and_tokens_leave_the_file_when_a_delivery_is_done() {
    let place = Place::new();
    let text = |body: &str| Notification::default().with_body(body);
    let to_token = |token: &str| Address::Token {
        slot: Slot::Alert,
        environment: Environment::Sandbox,
        token: DeviceToken::new(token).unwrap(),
    };
    let mut all = vec![delivery_with("m1", "alice", text("a-text-of-its-own"))];
    all.extend((0..3).map(|number| {
        let mut one = delivery_with("m2", "x", text("a-shared-text"));
        one.to = to_token(&format!("token-{number}-of-m2"));
        one
    }));
    let find = |what: &str| {
        let content = fs::read(place.path("queue.db")).unwrap();
        content
            .windows(what.len())
            .any(|found| found == what.as_bytes())
    };
    let words = [
        "a-text-of-its-own",
        "a-shared-text",
        "token-0-of-m2",
        "token-2-of-m2",
    ];
    block_on(async {
        queue(&place).put(all).await.unwrap();
        assert!(words.iter().all(|word| find(word)));
        let queue = queue(&place);
        let leased = queue.lease(&lane(), 10, HOLD).await.unwrap();
        assert_eq!(leased.len(), 4);
        queue.ack(ids(&leased)).await.unwrap();
    });
    let left: Vec<_> = words.iter().filter(|word| find(word)).collect();
    assert!(left.is_empty(), "{left:?} are still in the file");
}

#[test]
fn messages_and_logouts_of_long_ago_are_forgotten() {
    let place = Place::new();
    let queue = queue(&place);
    block_on(async {
        let old = (0..500).map(|number| delivery(&format!("old-{number}"), "alice"));
        queue.put(old.collect()).await.unwrap();
        let waiting = vec![delivery("waiting", "alice"), delivery("done", "alice")];
        queue.put(waiting).await.unwrap();
        let mut leased = queue.lease(&lane(), 600, HOLD).await.unwrap();
        leased.retain(|lease| lease.delivery.message().as_str() != "waiting");
        queue.ack(ids(&leased)).await.unwrap();
        queue.cancel(&app(), &logout("bob", 2), 9).await.unwrap();
        let recall = Cancel::Message(message("recalled"));
        queue.cancel(&app(), &recall, 9).await.unwrap();

        let prune = async |name: &str| {
            for number in 0..10 {
                place.clock.advance(Duration::from_secs(61));
                let new = delivery(&format!("{name}-{number}"), "alice");
                queue.put(vec![new]).await.unwrap();
            }
        };
        place.clock.advance(KEEP_FENCE - Duration::from_secs(700));
        prune("early").await;
        assert_eq!(count(&place, "fence"), 1);
        // One message is put again, and is remembered for a day from now.
        let again = queue.put(vec![delivery("done", "alice")]).await.unwrap();
        assert_eq!(again, [Put::Duplicate]);
        place.clock.advance(REMEMBER - KEEP_FENCE);
        prune("between").await;
        assert_eq!(count(&place, "fence"), 0);
        place.clock.advance(Duration::from_secs(1000));
        prune("late").await;
        // Answered after everything that was asked for before it.
        queue.lanes().await.unwrap();
        queue.put(vec![delivery("last", "alice")]).await.unwrap();
        assert_eq!(count(&place, "message"), 2 + 30 + 1);
        assert_eq!(count(&place, "seen"), 2 + 30 + 1);
        let again = ["old-7", "waiting", "done", "late-0", "recalled"]
            .map(|of| delivery(of, "alice"))
            .to_vec();
        let again = queue.put(again).await.unwrap();
        assert_eq!(
            again,
            [
                Put::New,
                Put::Duplicate,
                Put::Duplicate,
                Put::Duplicate,
                Put::New
            ]
        );
    });
}

#[test]
fn a_full_queue_refuses_the_whole_call_and_says_so() {
    let place = Place::new();
    let config = SqliteQueueConfig::new(place.path("queue.db")).with_max_deliveries(2);
    let queue = SqliteQueue::new(config, &place.context()).unwrap();
    block_on(async {
        queue.put(vec![delivery("m1", "alice")]).await.unwrap();
        let two = ["bob", "carol"].map(|to| delivery("m1", to)).to_vec();
        let error = queue.put(two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("max_deliveries"), "{error}");
        assert_eq!(queue.lanes().await.unwrap()[0].depth, 1);
        let one = queue.put(vec![delivery("m1", "bob")]).await.unwrap();
        assert_eq!(one, [Put::New], "the refused call left nothing behind");
        // A duplicate needs no room.
        let again = queue.put(vec![delivery("m1", "bob")]).await.unwrap();
        assert_eq!(again, [Put::Duplicate]);
    });
}

#[test]
fn no_app_and_no_credential_can_fill_the_queue() {
    let place = Place::new();
    let config = SqliteQueueConfig::new(place.path("queue.db")).with_max_deliveries(100);
    let queue = SqliteQueue::new(config, &place.context()).unwrap();
    block_on(check_shares(&queue));
}

#[test]
fn a_recalled_broadcast_is_read_once_however_many_calls_it_takes() {
    let place = Place::new();
    let queue = queue(&place);
    block_on(async {
        let many = (0..5000).map(|number| delivery("m1", &format!("user-{number}")));
        queue.put(many.collect()).await.unwrap();
        queue.put(vec![delivery("m2", "user-1")]).await.unwrap();
        let leased = queue.lease(&lane(), 2000, HOLD).await.unwrap();
        queue.ack(ids(&leased)).await.unwrap();
        let recall = Cancel::Message(message("m1"));
        let mut gone = 0;
        let before = queue.stats().calls;
        loop {
            let some = queue.cancel(&app(), &recall, 100).await.unwrap().len();
            gone += some;
            if some < 100 {
                break;
            }
        }
        assert_eq!(gone, 3000);
        // 31 answers, and no more than one search of each portion beside them.
        let calls = queue.stats().calls - before;
        assert!(calls <= 31 + 3 + 2, "{calls} searches");
        assert_eq!(queue.lanes().await.unwrap()[0].depth, 1);
    });
}

#[test]
fn the_plugin_reads_its_example_and_refuses_what_is_wrong() {
    let place = Place::new();
    let descriptor = &push_queue_sqlite::PLUGIN;
    assert_eq!(descriptor.any().id(), "queue/sqlite");
    let path = place.path("queue.db");
    let full = json!({"path": path, "max_deliveries": 5, "group_rows": 5, "group_delay_ms": 5});
    for key in full.as_object().unwrap().keys() {
        assert!(descriptor.example().contains(&format!("{key} = ")));
    }
    let build = |json| descriptor.build(RawConfig::from_json(&json).unwrap(), &place.context());
    build(full).unwrap();
    build(json!({"path": path})).unwrap();
    assert!(!path.exists(), "building touches no file");
    for (wrong, key) in [
        (json!({}), "path"),
        (json!({"path": ""}), "path"),
        (json!({"path": path, "group_rows": 0}), "group_rows"),
        (json!({"path": path, "max_deliveries": 0}), "max_deliveries"),
        (json!({"path": path, "pathh": 1}), "pathh"),
    ] {
        let error = build(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(key), "{error}");
    }
}
