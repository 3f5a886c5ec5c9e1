//! What a durable delivery costs, by how many share a transaction: `cargo bench -p push-queue-sqlite`.
//!
//! Numbers of one machine mean little on another; the ratios are what to look at.
#![allow(clippy::print_stdout)]
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use push_core::{Delivery, Queue};
use push_queue_sqlite::{SqliteQueue, SqliteQueueConfig};
use push_testkit::{
    Place,
    queue::{delivery, delivery_with},
    sample,
};

const HOLD: Duration = Duration::from_secs(3600);

fn queue(place: &Place) -> SqliteQueue {
    let config = SqliteQueueConfig::new(place.path("queue.db"));
    SqliteQueue::new(config, &place.context()).expect("a right configuration")
}

/// One-to-one messages: each delivery has a message and a content of its own.
fn chats(from: usize, count: usize) -> Vec<Delivery> {
    (from..from + count)
        .map(|number| {
            let of = format!("message-{number:08x}");
            delivery_with(&of, &format!("user-{number:08x}"), sample::notification())
        })
        .collect()
}

/// One message to many.
fn broadcast(count: usize) -> Vec<Delivery> {
    let first = delivery_with("broadcast", "user", sample::notification());
    (0..count)
        .map(|number| {
            let mut one = delivery("broadcast", &format!("user-{number:08x}"));
            one.content = Arc::clone(&first.content);
            one
        })
        .collect()
}

/// Without the limit that tests have.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().build();
    runtime.expect("a runtime can be made").block_on(future)
}

fn report(what: &str, rows: usize, took: Duration, base: &mut Option<f64>) {
    let rate = rows as f64 / took.as_secs_f64();
    let base = base.get_or_insert(rate);
    println!(
        "{what:<40} {rate:>9.0}/s  {:>6.1} us each  {:>6.1} x the first",
        1e6 / rate,
        rate / *base
    );
}

fn main() {
    let mut base = None;
    for (group, rows) in [(1, 2_000), (100, 50_000), (1000, 100_000)] {
        let place = Place::new();
        let queue = queue(&place);
        let deliveries = chats(0, rows);
        let (put, done) = block_on(async {
            queue.open().await.expect("opens");
            let begin = Instant::now();
            for chunk in deliveries.chunks(group) {
                queue.put(chunk.to_vec()).await.expect("puts");
            }
            let put = begin.elapsed();
            let begin = Instant::now();
            let lane = deliveries[0].lane();
            loop {
                let leased = queue.lease(&lane, group, HOLD).await;
                let leased = leased.expect("leases").into_iter();
                let ids: Vec<_> = leased.map(|lease| lease.id).collect();
                if ids.is_empty() {
                    break;
                }
                queue.ack(ids).await.expect("acknowledges");
            }
            (put, begin.elapsed())
        });
        report(
            &format!("put, {group} in a transaction"),
            rows,
            put,
            &mut base,
        );
        report(
            &format!("lease and ack, {group} at a time"),
            rows,
            done,
            &mut base,
        );
    }

    let place = Place::new();
    let queue = Arc::new(queue(&place));
    let took = block_on(async {
        queue.open().await.expect("opens");
        let begin = Instant::now();
        let callers: Vec<_> = (0..500)
            .map(|caller| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move {
                    for chat in chats(caller * 100, 100) {
                        queue.put(vec![chat]).await.expect("puts");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no caller panics");
        }
        begin.elapsed()
    });
    report("put one at a time, by 500 callers", 50_000, took, &mut base);
    let stats = queue.stats();
    println!(
        "  {} calls shared {} transactions",
        stats.calls, stats.commits
    );

    let place = Place::new();
    let queue = self::queue(&place);
    let deliveries = broadcast(200_000);
    let took = block_on(async {
        queue.open().await.expect("opens");
        let begin = Instant::now();
        for chunk in deliveries.chunks(1000) {
            queue.put(chunk.to_vec()).await.expect("puts");
        }
        begin.elapsed()
    });
    report(
        "put a broadcast, 1000 in a transaction",
        200_000,
        took,
        &mut base,
    );
}
