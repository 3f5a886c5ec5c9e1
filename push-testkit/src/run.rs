//! Running a test's future, and waiting in it.
use std::{
    fs,
    future::Future,
    panic::Location,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime, RuntimeFlavor},
    task::JoinHandle,
};

/// The variable that sets [`patience`], in seconds.
const PATIENCE: &str = "OFFLINE_PUSH_PATIENCE";

/// Turns of the other tasks until a wait checks once in a millisecond.
const TURNS: u32 = 2_000;

/// The longest that a test waits for one condition, in real time: 20 s, or as many seconds as `OFFLINE_PUSH_PATIENCE` says.
///
/// # Panics
/// If the variable is no number above 0.
pub fn patience() -> Duration {
    given().unwrap_or(Duration::from_secs(20))
}

fn given() -> Option<Duration> {
    let text = std::env::var(PATIENCE).ok()?;
    match text.parse() {
        Ok(seconds @ 1..) => Some(Duration::from_secs(seconds)),
        _ => panic!("{PATIENCE} is `{text}`, which is no number of seconds above 0"),
    }
}

/// The longest that a whole test may take: `usual`, or three times the patience that is set.
pub(crate) fn limit(usual: Duration) -> Duration {
    given().map_or(usual, |patience| patience * 3)
}

/// A runtime with I/O and timers that runs on the caller's thread, for a test that lets it run piece by piece.
///
/// It has one thread for blocking work, which does it in its order, so that [`until_idle`] knows when it is done.
///
/// # Panics
/// If the system has no more descriptors.
pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

/// Runs `future` on a [`runtime`] of its own.
///
/// # Panics
/// If it does not finish within 60 s, or three times [`patience`] if that is set.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let limit = limit(Duration::from_secs(60));
    match runtime().block_on(async { tokio::time::timeout(limit, future).await }) {
        Ok(out) => out,
        Err(_) => panic!("the test hangs: it did not finish within {limit:?}"),
    }
}

/// Lets other tasks run until `done` holds. For what has no future to wait for.
///
/// # Panics
/// If `done` does not hold within [`patience`]. The message shows the lines that wait.
#[track_caller]
pub fn until(done: impl FnMut() -> bool) -> impl Future<Output = ()> {
    wait(done, patience(), Location::caller())
}

/// As [`until`], for a time of the caller's choice.
///
/// # Panics
/// If `done` does not hold within `patience`. The message shows the lines that wait.
#[track_caller]
pub fn until_within(patience: Duration, done: impl FnMut() -> bool) -> impl Future<Output = ()> {
    wait(done, patience, Location::caller())
}

async fn wait(
    mut done: impl FnMut() -> bool,
    patience: Duration,
    place: &'static Location<'static>,
) {
    let begun = Instant::now();
    let mut turns = 0;
    while !done() {
        assert!(begun.elapsed() < patience, "{}", in_vain(patience, place));
        if turns < TURNS {
            turns += 1;
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The statement at `place`, as far as its file is there to be read.
fn lines_at(place: &Location<'_>) -> String {
    // The path begins at the workspace, and a test runs in its crate.
    let here = std::env::current_dir().unwrap_or_default();
    let text = here
        .ancestors()
        .find_map(|folder| fs::read_to_string(folder.join(Path::new(place.file()))).ok())
        .unwrap_or_default();
    let mut shown = Vec::new();
    for line in text.lines().skip(place.line() as usize - 1).take(12) {
        shown.push(line);
        if line.contains(".await") {
            break;
        }
    }
    shown.join("\n")
}

/// Asks again once in a millisecond until there is an answer. For what only another process, or a socket, knows.
///
/// # Panics
/// If there is none within [`patience`]. The message shows the lines that wait.
#[track_caller]
pub fn eventually<T>(ask: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    answer(ask, Location::caller())
}

async fn answer<T>(
    mut ask: impl AsyncFnMut() -> Option<T>,
    place: &'static Location<'static>,
) -> T {
    let patience = patience();
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let answer = tokio::time::timeout(patience, asking).await;
    answer.unwrap_or_else(|_| panic!("{}", in_vain(patience, place)))
}

fn in_vain(patience: Duration, place: &Location<'_>) -> String {
    let lines = lines_at(place);
    format!(
        "waited {patience:?} in vain at {place}\n{lines}\n{PATIENCE} sets another number of seconds"
    )
}

/// Rounds without any work after which a runtime counts as idle.
///
/// In the first, a task may be about to run that blocking work woke; in the second it has run.
const QUIET_ROUNDS: u32 = 4;

/// How many tasks [`until_idle`] has started in this process.
static PROBES: Mutex<u64> = Mutex::new(0);

/// Waits until nothing is left to do: every task waits for a clock, a socket or the test, and the blocking work that tasks
/// wait for is done.
///
/// What a test finds afterwards is all that comes of what it did, so that it can say what did *not* happen. No number of
/// turns is guessed: it ends when the runtime's thread goes to sleep, nothing but this function wakes it, and no task was
/// started meanwhile.
///
/// It knows nothing of threads that the runtime did not start, and of blocking work only in a [`runtime`] as
/// [`block_on`] uses it. Of what a socket carries it knows when it has arrived: to say that nothing came, let something come
/// first that was sent later.
///
/// # Panics
/// If the runtime has several threads, or does not come to rest within [`patience`].
#[track_caller]
pub fn until_idle() -> impl Future<Output = ()> {
    rest(patience(), Location::caller())
}

/// As [`until_idle`], for a time of the caller's choice.
///
/// # Panics
/// If the runtime has several threads, or does not come to rest within `patience`.
#[track_caller]
pub fn until_idle_within(patience: Duration) -> impl Future<Output = ()> {
    rest(patience, Location::caller())
}

async fn rest(patience: Duration, place: &'static Location<'static>) {
    let runtime = Handle::current();
    assert_eq!(
        runtime.runtime_flavor(),
        RuntimeFlavor::CurrentThread,
        "a runtime of several threads is not known to be idle"
    );
    let metrics = runtime.metrics();
    let begun = Instant::now();
    let mut quiet = 0;
    let mut last = None;
    while quiet < QUIET_ROUNDS {
        let before = metrics.worker_park_count(0);
        let (number, probe) = probe();
        // Blocking work that began earlier is done when the probe is. Meanwhile, everything that can run runs.
        let left = patience.saturating_sub(begun.elapsed());
        let done = tokio::time::timeout(left, probe).await;
        let done = done.unwrap_or_else(|_| {
            panic!(
                "the runtime still has something to do after {patience:?}, at {place}\n{PATIENCE} sets another number \
                 of seconds"
            )
        });
        done.expect("it does not panic");
        match metrics.worker_park_count(0) - before {
            // It went to sleep, the probe woke it, and no other task was started since the last probe.
            1 if last == Some(number) => quiet += 1,
            // The probe was done before the thread could go to sleep.
            0 if last == Some(number) => {}
            _ => quiet = 0,
        }
        last = Some(number);
    }
}

/// Starts blocking work that does nothing, and counts the tasks of this process that were started before by others.
fn probe() -> (u64, JoinHandle<()>) {
    let mut probes = PROBES.lock().unwrap_or_else(PoisonError::into_inner);
    let probe = tokio::task::spawn_blocking(|| ());
    *probes += 1;
    // Tasks are numbered in the order in which they are started.
    let number: u64 = probe.id().to_string().parse().expect("ids are numbers");
    (number - *probes, probe)
}
