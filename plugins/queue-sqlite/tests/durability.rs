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
    Cancel, Delivery, ErrorKind, Lane, Notification, Put, Queue, RawConfig, Return, Timestamp,
};
use push_queue_sqlite::{REMEMBER, SqliteQueue, SqliteQueueConfig};
use push_sqlite::rusqlite::Connection;
use push_testkit::{Place, block_on, json, queue::delivery, sample::NOW};

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
        .and_then(|it| {
            it.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
        })
        .expect("the file can be read beside the queue")
}

// S128
#[test]
fn a_restart_keeps_everything() {
    let place = Place::new();
    let shared = Arc::new(Notification {
        body: "for all of you".to_owned(),
        ..Notification::default()
    });
    let all: Vec<_> = ["waits", "held", "later", "done", "gone"]
        .map(|to| Delivery {
            notification: Arc::clone(&shared),
            ..delivery("m1", to)
        })
        .to_vec();
    block_on(async {
        let names = {
            let queue = queue(&place);
            queue.put(all.clone()).await.unwrap();
            let leased = queue.lease(&lane(), 5, NOW, HOLD).await.unwrap();
            let back = |at: usize, due, attempted| Return {
                lease: leased[at].id,
                due,
                attempted,
            };
            let later = NOW + Duration::from_secs(60);
            let returns = vec![back(0, NOW, false), back(2, later, true)];
            queue.nack(returns).await.unwrap();
            queue.ack(vec![leased[3].id]).await.unwrap();
            let device = all[4].device.clone();
            let what = Cancel::Device(all[4].user.clone(), device);
            queue.cancel(&all[4].app, &what).await.unwrap();
            leased.iter().map(|it| it.id).collect::<BTreeSet<_>>()
        };
        let queue = queue(&place);
        let lanes = queue.lanes().await.unwrap();
        assert_eq!(lanes[0].depth, 3);
        let leased = queue.lease(&lane(), 5, NOW, HOLD).await.unwrap();
        // What was held is due at once; what was given back for later is not.
        let found: Vec<_> = leased
            .iter()
            .map(|it| (it.delivery.user.as_str(), it.attempt))
            .collect();
        assert_eq!(found, [("waits", 1), ("held", 2)]);
        assert_eq!(leased[0].delivery, all[0]);
        assert!(leased.iter().all(|it| !names.contains(&it.id)));
        let later = NOW + Duration::from_secs(60);
        let leased = queue.lease(&lane(), 5, later, HOLD).await.unwrap();
        assert_eq!(leased[0].attempt, 2);
        let again = queue.put(all).await.unwrap();
        assert_eq!(again, [Put::Duplicate; 5]);
    });
}

#[test]
fn a_lease_of_the_last_process_does_nothing_in_this_one() {
    let place = Place::new();
    block_on(async {
        let old = {
            let queue = queue(&place);
            queue.put(vec![delivery("m1", "alice")]).await.unwrap();
            queue.lease(&lane(), 1, NOW, HOLD).await.unwrap().remove(0)
        };
        let queue = queue(&place);
        assert_eq!(queue.ack(vec![old.id]).await.unwrap(), 0);
        let new = queue.lease(&lane(), 1, NOW, HOLD).await.unwrap().remove(0);
        assert_eq!(queue.ack(vec![old.id]).await.unwrap(), 0);
        assert_eq!(queue.ack(vec![new.id]).await.unwrap(), 1);
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
            // SIGKILL, in the middle of whatever it is doing.
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
            let leased_now = queue.lease(&lane(), 1000, NOW, HOLD).await.unwrap();
            if leased_now.is_empty() {
                break;
            }
            for it in leased_now {
                let id = it.delivery.id.to_string();
                if leased.contains(&id) {
                    assert!(it.attempt >= 2, "the attempt of the killed process counts");
                }
                found.insert(id);
            }
        }
        let lost: Vec<_> = answered
            .iter()
            .filter(|it| !found.contains(*it) && !acknowledging.contains(*it))
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
        let leased = queue.lease(&lane(), 9, NOW, HOLD).await.expect("leases");
        for it in &leased {
            say("leased", it.delivery.id);
        }
        let (done, _held) = leased.split_at(leased.len() * 2 / 3);
        for it in done {
            say("acknowledging", it.delivery.id);
        }
        let ids = done.iter().map(|it| it.id).collect();
        queue.ack(ids).await.expect("acknowledges");
        for it in done {
            say("acknowledged", it.delivery.id);
        }
        assert!(putting.iter().all(|it| !it.is_finished()));
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

#[test]
fn a_row_that_cannot_be_read_does_not_stop_its_lane() {
    let place = Place::new();
    let queue = queue(&place);
    block_on(async {
        let all = ["alice", "bob"].map(|it| delivery("m1", it)).to_vec();
        queue.put(all).await.unwrap();
        let spoil = |sql| {
            let it = Connection::open(place.path("queue.db")).unwrap();
            assert_eq!(it.execute(sql, []).unwrap(), 1);
        };
        spoil("UPDATE delivery SET body = '{\"title\": 7}' WHERE user = 'alice'");
        let leased = queue.lease(&lane(), 10, NOW, HOLD).await.unwrap();
        assert_eq!(leased.len(), 1);
        assert_eq!(leased[0].delivery.user.as_str(), "bob");
        spoil(
            "UPDATE delivery SET body = '{\"title\": \"a secret', user = 'bob' WHERE user = 'bob'",
        );
        let later = NOW + HOLD;
        let error = queue.lease(&lane(), 10, later, HOLD).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
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
    let shared = Arc::new(Notification {
        body: "for all of you".to_owned(),
        ..Notification::default()
    });
    block_on(async {
        for batch in 0..3 {
            // Read back from somewhere, as a broadcast in many batches is: equal, but not the same.
            let shared = Arc::new(shared.as_ref().clone());
            let batch = (0..100).map(|it| Delivery {
                notification: Arc::clone(&shared),
                ..delivery("m1", &format!("user-{batch}-{it}"))
            });
            queue.put(batch.collect()).await.unwrap();
        }
        assert_eq!(count(&place, "notification"), 1);
        assert_eq!(count(&place, "delivery WHERE body IS NOT NULL"), 0);
        let leased = queue.lease(&lane(), 1000, NOW, HOLD).await.unwrap();
        assert_eq!(leased.len(), 300);
        let first = &leased[0].delivery.notification;
        assert!(
            leased
                .iter()
                .all(|it| Arc::ptr_eq(&it.delivery.notification, first))
        );
        queue
            .ack(leased.iter().map(|it| it.id).collect())
            .await
            .unwrap();
        assert_eq!(count(&place, "notification"), 0);
    });
}

#[test]
fn texts_and_tokens_leave_the_file_when_a_delivery_is_done() {
    let place = Place::new();
    let shared = Arc::new(Notification {
        body: "a-shared-text".to_owned(),
        ..Notification::default()
    });
    let mut all = vec![Delivery {
        notification: Arc::new(Notification {
            body: "a-text-of-its-own".to_owned(),
            ..Notification::default()
        }),
        ..delivery("m1", "alice")
    }];
    all.extend((0..3).map(|it| Delivery {
        notification: Arc::clone(&shared),
        ..delivery("m2", &format!("user-{it}"))
    }));
    let find = |what: &str| {
        let content = fs::read(place.path("queue.db")).unwrap();
        content.windows(what.len()).any(|it| it == what.as_bytes())
    };
    let words = [
        "a-text-of-its-own",
        "a-shared-text",
        "token-of-alice",
        "token-of-user-1",
    ];
    block_on(async {
        queue(&place).put(all).await.unwrap();
        assert!(words.iter().all(|it| find(it)));
        let queue = queue(&place);
        let leased = queue.lease(&lane(), 10, NOW, HOLD).await.unwrap();
        queue
            .ack(leased.iter().map(|it| it.id).collect())
            .await
            .unwrap();
    });
    let left: Vec<_> = words.iter().filter(|it| find(it)).collect();
    assert!(left.is_empty(), "{left:?} are still in the file");
}

#[test]
fn what_was_done_a_day_ago_is_forgotten() {
    let place = Place::new();
    let queue = queue(&place);
    let dated = |of: &str, created_at| Delivery {
        created_at,
        ..delivery(of, "alice")
    };
    block_on(async {
        let old = (0..500).map(|it| dated(&format!("old-{it}"), NOW));
        queue.put(old.collect()).await.unwrap();
        queue
            .put(vec![dated("old-and-waiting", NOW)])
            .await
            .unwrap();
        let leased = queue.lease(&lane(), 500, NOW, HOLD).await.unwrap();
        queue
            .ack(leased.iter().map(|it| it.id).collect())
            .await
            .unwrap();
        let later = NOW + REMEMBER + Duration::from_secs(3600);
        // The date of one delivery alone does not make the queue forget, nor does the clock alone.
        queue.put(vec![dated("odd", later)]).await.unwrap();
        place.clock.jump_to(later);
        for it in 0..10 {
            place.clock.advance(Duration::from_secs(61));
            queue
                .put(vec![dated(&format!("new-{it}"), later)])
                .await
                .unwrap();
        }
        // Answered after everything that was asked for before it.
        queue.put(vec![dated("last", later)]).await.unwrap();
        assert_eq!(count(&place, "message"), 1 + 1 + 10 + 1);
        assert_eq!(count(&place, "seen"), 1 + 1 + 10 + 1);
        let again = vec![
            dated("old-7", later),
            dated("old-and-waiting", later),
            dated("new-0", later),
        ];
        let again = queue.put(again).await.unwrap();
        assert_eq!(again, [Put::New, Put::Duplicate, Put::Duplicate]);
    });
}

#[test]
fn the_date_of_one_delivery_alone_forgets_nothing() {
    let place = Place::new();
    let queue = queue(&place);
    block_on(async {
        let first = delivery("m1", "alice");
        queue.put(vec![first.clone()]).await.unwrap();
        let what = Cancel::Message(first.message.clone());
        queue.cancel(&first.app, &what).await.unwrap();
        let odd = Delivery {
            created_at: Timestamp::from_unix_millis(i64::MAX),
            ..delivery("m2", "alice")
        };
        queue.put(vec![odd]).await.unwrap();
        queue.put(vec![delivery("m3", "alice")]).await.unwrap();
        let again = queue.put(vec![first]).await.unwrap();
        assert_eq!(again, [Put::Duplicate]);
    });
}

#[test]
fn a_full_queue_refuses_the_whole_call_and_says_so() {
    let place = Place::new();
    let config = SqliteQueueConfig {
        max_deliveries: 2,
        ..SqliteQueueConfig::new(place.path("queue.db"))
    };
    let queue = SqliteQueue::new(config, &place.context()).unwrap();
    block_on(async {
        queue.put(vec![delivery("m1", "alice")]).await.unwrap();
        let two = ["bob", "carol"].map(|it| delivery("m1", it)).to_vec();
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
fn a_message_to_many_is_recalled_as_a_whole() {
    let place = Place::new();
    let queue = queue(&place);
    block_on(async {
        let many: Vec<_> = (0..4500)
            .map(|it| delivery("m1", &format!("user-{it}")))
            .collect();
        let app = many[0].app.clone();
        let message = many[0].message.clone();
        queue.put(many).await.unwrap();
        queue.put(vec![delivery("m2", "user-1")]).await.unwrap();
        let leased = queue.lease(&lane(), 100, NOW, HOLD).await.unwrap();
        queue
            .ack(leased.iter().map(|it| it.id).collect())
            .await
            .unwrap();
        let gone = queue.cancel(&app, &Cancel::Message(message)).await.unwrap();
        assert_eq!(gone.len(), 4400);
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
        assert!(descriptor.example.contains(&format!("{key} = ")));
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
