//! The one thread that writes, and how calls share its transactions.
use std::{
    fs::OpenOptions,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use push_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    checkpoint::Checkpoints,
    failure::{Failure, Outcome},
    file::{self, Locks, Schema},
    options::Options,
    stats::Counters,
    watch::Watch,
};

/// The way to the thread.
pub(crate) struct Writer {
    calls: Option<mpsc::Sender<Box<dyn Call>>>,
    room: Arc<Semaphore>,
    most_rows: u32,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which opens the file first.
    pub(crate) async fn start(
        schema: &'static Schema,
        options: &Options,
        checkpoints: Arc<Checkpoints>,
        counters: Arc<Counters>,
    ) -> Result<(Self, Arc<Watch>)> {
        let (calls, waiting) = mpsc::channel();
        let (opened, answer) = oneshot::channel();
        let most_rows = u32::try_from(options.waiting_rows)
            .unwrap_or(u32::MAX)
            .clamp(1, u32::MAX >> 4);
        let options = options.clone();
        let thread = thread::Builder::new()
            .name(format!("{}-writer", schema.what))
            .spawn(move || {
                let file = match file::open(schema, &options) {
                    Ok(file) => file,
                    Err(error) => return drop(opened.send(Err(error))),
                };
                let watch = match Watch::new(schema, &options.path) {
                    Ok(watch) => Arc::new(watch),
                    Err(source) => {
                        let error = Error::new(ErrorKind::Unavailable, "the file cannot be read")
                            .at(options.path.display())
                            .advise("look at the disk, and at who owns the file")
                            .because(source);
                        return drop(opened.send(Err(error)));
                    }
                };
                let group = Group {
                    watch: Arc::clone(&watch),
                    connection: file.connection,
                    waiting,
                    path: options.path,
                    rows: options.group_rows.max(1),
                    delay: options.group_delay,
                    durable: options.durable,
                    checkpoints,
                    counters,
                };
                if opened.send(Ok(watch)).is_ok() {
                    group.run(file.locks);
                }
            })
            .map_err(|source| {
                Error::new(ErrorKind::Unavailable, "no thread can be started").because(source)
            })?;
        let watch = answer.await.unwrap_or_else(|_| Err(stopped()))?;
        let writer = Self {
            calls: Some(calls),
            room: Arc::new(Semaphore::new(most_rows as usize)),
            most_rows,
            thread: Some(thread),
        };
        Ok((writer, watch))
    }

    /// Sends an operation of about `rows` rows, and returns when its transaction is committed; with `synced` when it is also on
    /// the disk. Waits for room first.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        rows: usize,
        synced: bool,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.send(rows, synced, work, Some(answer)).await?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Sends an operation, and returns when it is in the queue.
    pub(crate) async fn call_later(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Outcome<()> + Send + 'static,
    ) -> Result<()> {
        self.send(rows, false, work, None).await
    }

    async fn send<T: Send + 'static>(
        &self,
        rows: usize,
        synced: bool,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
        answer: Option<oneshot::Sender<Result<T>>>,
    ) -> Result<()> {
        let weight = u32::try_from(rows)
            .unwrap_or(u32::MAX)
            .clamp(1, self.most_rows);
        let room = Arc::clone(&self.room);
        let room = room
            .acquire_many_owned(weight)
            .await
            .map_err(|_| stopped())?;
        let call = Box::new(Work {
            rows: weight as usize,
            synced,
            work: Some(work),
            result: None,
            awaited: answer.is_some(),
            answer,
            _room: room,
        });
        let calls = self.calls.as_ref().ok_or_else(stopped)?;
        calls.send(call).map_err(|_| stopped())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a sender the thread does what is waiting, commits it, closes the file, and ends.
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the file's writer has stopped")
        .advise("see the log for why, and restart the program")
}

/// An operation of any type.
trait Call: Send {
    fn rows(&self) -> usize;
    /// Whether it must be on the disk when its caller gets the result, even if the file is not durable.
    fn is_synced(&self) -> bool;
    /// Whether a caller still waits for it.
    fn is_wanted(&self) -> bool;
    /// Runs it inside a transaction. Returns `true` if it succeeded.
    fn run(&mut self, connection: &Connection, path: &Path) -> bool;
    /// Answers the caller after its transaction was committed, or with the error.
    fn finish(self: Box<Self>, committed: Result<()>);
}

struct Work<F, T> {
    rows: usize,
    synced: bool,
    work: Option<F>,
    result: Option<Result<T>>,
    awaited: bool,
    answer: Option<oneshot::Sender<Result<T>>>,
    _room: OwnedSemaphorePermit,
}

impl<F, T> Call for Work<F, T>
where
    F: FnOnce(&Connection) -> Outcome<T> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn is_wanted(&self) -> bool {
        !self.awaited || self.answer.as_ref().is_some_and(|it| !it.is_closed())
    }

    fn run(&mut self, connection: &Connection, path: &Path) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let done = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(Failure::Said(panicked())));
        let done = done.map_err(|failure| failure.into_error(path));
        let good = done.is_ok();
        self.result = Some(done);
        good
    }

    fn finish(mut self: Box<Self>, committed: Result<()>) {
        let result = match (self.result.take(), committed) {
            // Its own failure says more than that of its neighbours.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(done)), Ok(())) => Ok(done),
            (None, Ok(())) => Err(stopped()),
        };
        match (self.answer.take(), result) {
            // A caller who has gone is no error.
            (Some(answer), result) => drop(answer.send(result)),
            (None, Ok(_)) => {}
            (None, Err(error)) => {
                tracing::warn!(%error, "an operation that no caller waits for was not written")
            }
        }
    }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "an operation on the file panicked")
        .advise("report this: it is a fault of the program")
}

/// The thread's own state.
struct Group {
    watch: Arc<Watch>,
    connection: Connection,
    waiting: Receiver<Box<dyn Call>>,
    path: PathBuf,
    rows: usize,
    delay: Duration,
    durable: bool,
    checkpoints: Arc<Checkpoints>,
    counters: Arc<Counters>,
}

impl Group {
    fn run(self, locks: Option<Locks>) {
        // A lone call is committed at once. Calls that keep coming are expected to do so: a group waits, for a moment,
        // for as many as the last one had.
        let mut expected = 1;
        loop {
            let first = match self.waiting.recv_timeout(self.delay) {
                Ok(first) => first,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    expected = 1;
                    match self.waiting.recv() {
                        Ok(first) => first,
                        Err(_) => break,
                    }
                }
            };
            expected = self.commit_together(first, expected);
            if self.checkpoints.is_wanted() {
                self.checkpoints.run(&self.connection);
            }
        }
        // The file is closed before the next process may open it.
        drop(self.connection);
        drop(locks);
    }

    /// Runs `first` and the calls that come with it in one transaction, and returns how many they were.
    fn commit_together(&self, first: Box<dyn Call>, expected: usize) -> usize {
        let mut calls = vec![first];
        if let Err(error) = self.watch.look() {
            self.finish(calls, Err(error.into()));
            return 1;
        }
        if let Err(source) = self.execute("BEGIN IMMEDIATE") {
            self.finish(calls, Err(source));
            return 1;
        }
        let mut rows = 0;
        let mut until = None;
        let mut position = 0;
        while let Some(call) = calls.get_mut(position) {
            position += 1;
            rows += call.rows();
            if call.is_wanted() && !self.run_in_savepoint(call.as_mut()) {
                // The whole transaction is gone: a full disk does that, for one.
                self.finish(calls, Err(gone()));
                return position;
            }
            if rows >= self.rows {
                break;
            }
            let next = match self.waiting.try_recv() {
                Ok(next) => Some(next),
                Err(TryRecvError::Empty) if position < expected => {
                    let until = *until.get_or_insert_with(|| Instant::now() + self.delay);
                    let left = until.saturating_duration_since(Instant::now());
                    self.waiting.recv_timeout(left).ok()
                }
                Err(_) => None,
            };
            calls.extend(next);
        }
        let mut committed = self.execute("COMMIT");
        if committed.is_err() {
            drop(self.execute("ROLLBACK"));
        } else if !self.durable && calls.iter().any(|call| call.is_synced()) {
            committed = self.sync_log();
        }
        if committed.is_ok() {
            // It may have gone to a file that has no name any more.
            committed = self.watch.look().map_err(Failure::from);
        }
        self.finish(calls, committed);
        position
    }

    /// Writes the log to the disk, which a commit to a file that is not durable leaves to the system.
    fn sync_log(&self) -> Result<(), Failure> {
        let log = file::log_path(&self.path);
        let synced = OpenOptions::new()
            .append(true)
            .open(&log)
            .and_then(|log| log.sync_data());
        self.counters.synced();
        synced.map_err(|source| {
            Error::new(
                ErrorKind::Unavailable,
                "the log of the file cannot be written to the disk",
            )
            .at(log.display())
            .advise("check the disk")
            .because(source)
            .into()
        })
    }

    /// Returns `true` if the transaction still stands.
    fn run_in_savepoint(&self, call: &mut dyn Call) -> bool {
        if self.execute("SAVEPOINT one_call").is_err() {
            return false;
        }
        let good = call.run(&self.connection, &self.path);
        !self.connection.is_autocommit()
            && (good || self.execute("ROLLBACK TO one_call").is_ok())
            && self.execute("RELEASE one_call").is_ok()
    }

    fn finish(&self, calls: Vec<Box<dyn Call>>, committed: Result<(), Failure>) {
        self.counters.committed(calls.len());
        match committed {
            Ok(()) => {
                self.checkpoints.nudge();
                calls.into_iter().for_each(|it| it.finish(Ok(())));
            }
            Err(failure) => {
                if !self.connection.is_autocommit() {
                    drop(self.execute("ROLLBACK"));
                }
                let error = failure.into_error(&self.path);
                tracing::error!(%error, calls = calls.len(), "a transaction failed");
                for it in calls {
                    let mut copy = Error::new(error.kind(), error.message());
                    if let Some(place) = error.place() {
                        copy = copy.at(place);
                    }
                    if let Some(advice) = error.advice() {
                        copy = copy.advise(advice);
                    }
                    it.finish(Err(copy));
                }
            }
        }
    }

    fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

fn gone() -> Failure {
    Failure::Said(
        Error::new(
            ErrorKind::Unavailable,
            "the transaction was rolled back because of another call in it",
        )
        .advise("try again; the log says what went wrong"),
    )
}
