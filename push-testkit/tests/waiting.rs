//! Waiting: what never comes fails soon and is named, and rest is rest.
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use push_testkit::{block_on, until, until_idle, until_idle_within, until_within};

/// What a test says when it fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("it fails");
    *panic.downcast::<String>().expect("words")
}

#[test]
fn a_wait_in_vain_ends_soon_and_shows_what_it_waited_for() {
    let begun = Instant::now();
    let said = failure(|| {
        block_on(async {
            let arrived = || 1;
            until_within(Duration::from_millis(30), || {
                // A push that no one sent.
                arrived() == 2
            })
            .await;
        });
    });
    assert!(begun.elapsed() < Duration::from_secs(10), "{said}");
    assert!(said.starts_with("waited 30ms in vain at "), "{said}");
    assert!(said.contains("tests/waiting.rs:"), "{said}");
    assert!(said.contains("arrived() == 2"), "{said}");
}

#[test]
fn a_wait_for_what_is_so_takes_no_turn() {
    block_on(async {
        let turns = Rc::new(Cell::new(0));
        until(|| {
            turns.set(turns.get() + 1);
            turns.get() == 1
        })
        .await;
        assert_eq!(turns.get(), 1);
    });
}

/// Counts what has happened so far.
#[derive(Clone, Default)]
struct Steps(Arc<AtomicU32>);

impl Steps {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// More than any test would guess.
const TURNS: u32 = 50_000;

#[test]
fn rest_comes_after_every_turn_of_every_task() {
    block_on(async {
        let steps = Steps::default();
        let worker = steps.clone();
        tokio::spawn(async move {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            worker.add();
        });
        until_idle().await;
        assert_eq!(steps.count(), 1);
    });
}

#[test]
fn rest_comes_after_blocking_work_and_what_follows_from_it() {
    block_on(async {
        let steps = Steps::default();
        let worker = steps.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                // As long as a slow disk takes for a file.
                let work = tokio::task::spawn_blocking(|| {
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_millis(1) {}
                });
                work.await.expect("it does not panic");
                worker.add();
            }
        });
        until_idle().await;
        assert_eq!(steps.count(), 100);
    });
}

#[test]
fn rest_does_not_wait_for_time_or_for_the_test() {
    block_on(async {
        let steps = Steps::default();
        let worker = steps.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            worker.add();
        });
        until_idle().await;
        assert_eq!(steps.count(), 0);
    });
}

#[test]
fn a_runtime_that_never_rests_is_reported() {
    let said = failure(|| {
        block_on(async {
            tokio::spawn(async {
                loop {
                    tokio::task::yield_now().await;
                }
            });
            until_idle_within(Duration::from_millis(30)).await;
        });
    });
    assert!(said.contains("something to do after 30ms"), "{said}");
    assert!(said.contains("tests/waiting.rs:"), "{said}");
}

#[test]
fn blocking_work_that_never_ends_is_reported() {
    let idle = block_on(async {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || ended.recv());
        let idle = tokio::spawn(until_idle_within(Duration::from_millis(30))).await;
        // The runtime ends when its blocking work does.
        drop(end);
        idle
    });
    let panic = idle.expect_err("work is left").into_panic();
    let said = panic.downcast::<String>().expect("words");
    assert!(said.contains("something to do after 30ms"), "{said}");
}

#[test]
fn a_runtime_of_several_threads_is_not_called_idle() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let said = failure(|| runtime.block_on(until_idle()));
    assert!(said.contains("several threads"), "{said}");
}
