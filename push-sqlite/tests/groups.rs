//! How calls share transactions, and what they do not share.
use std::{
    future::Future,
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Waker},
    time::Duration,
};

use push_core::{Error, ErrorKind};
use push_sqlite::{Database, Options, Schema, rusqlite::Connection};
use push_testkit::{Place, block_on, until, until_idle};

static SCHEMA: Schema = Schema::new(
    "drawer",
    0x6472_6177,
    &["CREATE TABLE thing (id INTEGER PRIMARY KEY, content BLOB) STRICT"],
)
.with_on_open("");

fn database(place: &Place, change: impl FnOnce(&mut Options)) -> Arc<Database> {
    let mut options = Options::new(place.path("drawer.db"));
    change(&mut options);
    Arc::new(Database::new(&SCHEMA, options))
}

async fn put(database: &Database, id: i64) -> push_core::Result<()> {
    database
        .write(1, move |db| {
            db.prepare_cached("INSERT INTO thing (id) VALUES (?1)")?
                .execute([id])?;
            Ok(())
        })
        .await
}

async fn ids(database: &Database) -> Vec<i64> {
    let found = database.read(|db| {
        let mut select = db.prepare_cached("SELECT id FROM thing ORDER BY id")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    });
    found.await.expect("reads")
}

/// Keeps the writer busy until the sender is dropped.
async fn occupy(database: &Arc<Database>) -> mpsc::Sender<()> {
    let (go_on, wait) = mpsc::channel::<()>();
    let (started, begun) = tokio::sync::oneshot::channel();
    database
        .write_later(1, move |_| {
            started.send(()).expect("the test waits for it");
            for () in wait {}
            Ok(())
        })
        .await
        .expect("waits its turn");
    begun.await.expect("has begun");
    go_on
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_thousand_calls_at_once_share_few_transactions() {
    let place = Place::new();
    let database = database(&place, |_| {});
    block_on(async {
        database.open().await.unwrap();
        let calls: Vec<_> = (0..1000)
            .map(|id| {
                let database = Arc::clone(&database);
                tokio::spawn(async move { put(&database, id).await })
            })
            .collect();
        for it in calls {
            it.await.unwrap().unwrap();
        }
        let stats = database.stats();
        assert_eq!(stats.calls, 1000);
        assert!(stats.commits <= 100, "{} transactions", stats.commits);
        assert_eq!(ids(&database).await, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn a_lone_call_does_not_wait_for_company() {
    let place = Place::new();
    let database = database(&place, |it| it.group_delay = Duration::from_secs(3600));
    block_on(async {
        for id in 0..3 {
            put(&database, id).await.unwrap();
        }
        assert_eq!(database.stats().commits, 3);
    });
}

#[test]
fn a_group_closes_when_it_is_full() {
    let place = Place::new();
    let database = database(&place, |it| it.group_rows = 10);
    block_on(async {
        let go_on = occupy(&database).await;
        for id in 0..100 {
            let work = move |db: &Connection| {
                db.execute("INSERT INTO thing (id) VALUES (?1)", [id])?;
                Ok(())
            };
            database.write_later(1, work).await.unwrap();
        }
        drop(go_on);
        put(&database, 100).await.unwrap();
        // 102 calls in groups of ten.
        assert_eq!(database.stats().calls, 102);
        assert_eq!(database.stats().commits, 11);
    });
}

#[test]
fn a_call_that_fails_takes_none_of_its_neighbours_with_it() {
    let place = Place::new();
    let database = database(&place, |_| {});
    block_on(async {
        put(&database, 0).await.unwrap();
        let go_on = occupy(&database).await;
        let calls: Vec<_> = (1..=100)
            .map(|id: i64| {
                let database = Arc::clone(&database);
                tokio::spawn(async move {
                    let work = move |db: &Connection| {
                        db.execute("INSERT INTO thing (id) VALUES (?1)", [id])?;
                        match id % 4 {
                            // After it has written something.
                            0 => {
                                db.execute("INSERT INTO thing (id) VALUES (0)", [])?;
                            }
                            1 => return Err(Error::new(ErrorKind::Invalid, "as asked").into()),
                            2 if id < 50 => panic!("as asked"),
                            _ => {}
                        }
                        Ok(id)
                    };
                    (id, database.write(1, work).await)
                })
            })
            .collect();
        // All of them wait, so that they share a transaction.
        tokio::task::yield_now().await;
        drop(go_on);
        let mut good = vec![0];
        for it in calls {
            let (id, done) = it.await.unwrap();
            match done {
                Ok(done) => {
                    assert_eq!(done, id);
                    good.push(id);
                }
                Err(error) => match id % 4 {
                    1 => assert_eq!(error.kind(), ErrorKind::Invalid),
                    _ => assert_eq!(error.kind(), ErrorKind::Internal, "{error}"),
                },
            }
        }
        good.sort_unstable();
        let expected: Vec<_> = (0..=100)
            .filter(|it| *it == 0 || it % 4 == 3 || it % 4 == 2 && *it >= 50)
            .collect();
        assert_eq!(good, expected);
        assert_eq!(ids(&database).await, expected);
        assert!(database.stats().commits < 20);
    });
}

#[test]
fn a_lost_transaction_fails_all_its_calls_and_the_next_one_works() {
    let place = Place::new();
    let database = database(&place, |_| {});
    block_on(async {
        let go_on = occupy(&database).await;
        let before = tokio::spawn({
            let database = Arc::clone(&database);
            async move { put(&database, 1).await }
        });
        tokio::task::yield_now().await;
        // What a full disk does: the transaction is rolled back inside a statement.
        let broken = tokio::spawn({
            let database = Arc::clone(&database);
            async move {
                database
                    .write(1, |db| Ok(db.execute_batch("ROLLBACK")?))
                    .await
            }
        });
        tokio::task::yield_now().await;
        drop(go_on);
        broken.await.unwrap().unwrap_err();
        let error = before.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(ids(&database).await, [0_i64; 0]);
        put(&database, 2).await.unwrap();
        assert_eq!(ids(&database).await, [2]);
    });
}

#[test]
fn what_is_not_answered_cannot_be_seen() {
    let place = Place::new();
    let database = database(&place, |_| {});
    block_on(async {
        put(&database, 1).await.unwrap();
        let (go_on, wait) = mpsc::channel::<()>();
        let (started, begun) = tokio::sync::oneshot::channel();
        database
            .write_later(1, move |db| {
                db.execute("INSERT INTO thing (id) VALUES (2)", [])?;
                started.send(()).expect("the test waits for it");
                for () in wait {}
                Ok(())
            })
            .await
            .unwrap();
        begun.await.unwrap();
        assert_eq!(ids(&database).await, [1], "and reading does not wait");
        drop(go_on);
        put(&database, 3).await.unwrap();
        assert_eq!(ids(&database).await, [1, 2, 3]);
    });
}

#[test]
fn when_too_much_waits_further_calls_wait_outside() {
    let place = Place::new();
    let database = database(&place, |it| it.waiting_rows = 10);
    block_on(async {
        let go_on = occupy(&database).await;
        let nothing = |_: &Connection| Ok(());
        for _ in 0..9 {
            database.write_later(1, nothing).await.unwrap();
        }
        let mut outside = pin!(database.write_later(1, nothing));
        assert!(poll_once(outside.as_mut()).is_pending());
        drop(go_on);
        outside.await.unwrap();
        // More rows than there is room for are let in alone.
        database.write(1000, nothing).await.unwrap();
    });
}

#[test]
fn a_call_whose_caller_has_gone_does_nothing() {
    let place = Place::new();
    let database = database(&place, |_| {});
    block_on(async {
        let go_on = occupy(&database).await;
        {
            let mut gone = pin!(put(&database, 1));
            assert!(poll_once(gone.as_mut()).is_pending());
        }
        drop(go_on);
        put(&database, 2).await.unwrap();
        assert_eq!(ids(&database).await, [2]);
    });
}

#[test]
fn closing_writes_what_is_waiting() {
    let place = Place::new();
    block_on(async {
        let database = database(&place, |_| {});
        let go_on = occupy(&database).await;
        for id in 0..100 {
            let work = move |db: &Connection| {
                db.execute("INSERT INTO thing (id) VALUES (?1)", [id])?;
                Ok(())
            };
            database.write_later(1, work).await.unwrap();
        }
        drop(go_on);
        drop(database);
        let database = self::database(&place, |_| {});
        assert_eq!(ids(&database).await.len(), 100);
    });
}

#[test]
fn what_was_written_moves_from_the_log_into_the_file() {
    let place = Place::new();
    let database = database(&place, |it| it.checkpoint_every = Duration::from_millis(1));
    block_on(async {
        for id in 0..4 {
            let work = move |db: &Connection| {
                db.execute("INSERT INTO thing VALUES (?1, zeroblob(1000000))", [id])?;
                Ok(())
            };
            database.write(1, work).await.unwrap();
        }
        let size = || std::fs::metadata(place.path("drawer.db")).unwrap().len();
        until(|| size() > 4_000_000).await;
        assert!(database.stats().checkpoints > 0);
        assert_eq!(ids(&database).await.len(), 4);
    });
}

#[test]
fn a_search_cannot_write() {
    let place = Place::new();
    let database = database(&place, |_| {});
    block_on(async {
        let error = database
            .read(|db| Ok(db.execute("INSERT INTO thing (id) VALUES (1)", [])?))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        // And one that panics leaves the thread alive.
        for _ in 0..5 {
            let error = database
                .read(|_| -> push_sqlite::Outcome<()> { panic!("as asked") })
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
        }
        assert_eq!(ids(&database).await, [0_i64; 0]);
    });
}

#[test]
fn only_calls_that_ask_for_it_sync_a_file_that_is_not_durable() {
    let place = Place::new();
    let database = database(&place, |options| options.durable = false);
    let insert = |id: i64| {
        let database = Arc::clone(&database);
        async move {
            let done = database.write_synced(1, move |db| {
                Ok(db.execute("INSERT INTO thing (id) VALUES (?1)", [id])?)
            });
            done.await.expect("writes")
        }
    };
    block_on(async {
        put(&database, 1).await.unwrap();
        assert_eq!(database.stats().syncs, 0);
        assert_eq!(insert(2).await, 1);
        assert_eq!(database.stats().syncs, 1);
        // Calls that share a transaction share the write to the disk.
        let go_on = occupy(&database).await;
        let calls: Vec<_> = (3..13).map(|id| tokio::spawn(insert(id))).collect();
        until_idle().await;
        drop(go_on);
        for call in calls {
            call.await.unwrap();
        }
        let syncs = database.stats().syncs;
        assert!(syncs < 11, "{syncs} syncs for 11 calls");
        assert_eq!(ids(&database).await, (1..13).collect::<Vec<_>>());
    });
}

#[test]
fn a_log_that_cannot_be_synced_is_reported() {
    let place = Place::new();
    let database = database(&place, |options| options.durable = false);
    block_on(async {
        put(&database, 1).await.unwrap();
        // SQLite keeps the file open, so only the path is gone.
        std::fs::remove_file(place.path("drawer.db-wal")).unwrap();
        let error = database
            .write_synced(1, |db| {
                Ok(db.execute("INSERT INTO thing (id) VALUES (2)", [])?)
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("drawer.db-wal"), "{error}");
    });
}
