//! Running a test's future.
use std::{future::Future, time::Duration};

/// The longest a test may take, in real time: a hang is a failure, not a wait.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `future` on a runtime of its own with I/O and timers, on this thread.
///
/// # Panics
/// If it does not finish within 60 s.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    match runtime.block_on(async { tokio::time::timeout(LIMIT, future).await }) {
        Ok(out) => out,
        Err(_) => panic!("the test hangs: it did not finish within {LIMIT:?}"),
    }
}

/// Lets other tasks run until `done` holds. Waits for what has no future of its own, without sleeping.
///
/// Inside [`block_on`] its limit applies.
pub async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}
