//! The threads that read.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use push_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    failure::{Failure, Outcome},
    file::{self, Schema},
    options::Options,
};

/// How many reads may wait for each thread.
const WAITING: usize = 64;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the threads.
pub(crate) struct Readers {
    jobs: Option<mpsc::Sender<Job>>,
    room: Semaphore,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(schema: &Schema, options: &Options) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        let count = options.readers.max(1);
        let mut it = Self {
            jobs: Some(jobs),
            room: Semaphore::new(count * WAITING),
            threads: Vec::with_capacity(count),
        };
        for number in 0..count {
            let connection = file::open_reader(options)
                .map_err(|source| Failure::from(source).into_error(&options.path))?;
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new()
                .name(format!("{}-reader-{number}", schema.what))
                .spawn(move || {
                    loop {
                        let job = waiting
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .recv();
                        match job {
                            Ok(job) => job(&connection),
                            Err(_) => break,
                        }
                    }
                })
                .map_err(|source| {
                    Error::new(ErrorKind::Unavailable, "no thread can be started").because(source)
                })?;
            it.threads.push(thread);
        }
        Ok(it)
    }

    /// Runs `work` on one of the threads, in one read transaction.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        options: &Options,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if answer.is_closed() {
                return;
            }
            let done = catch_unwind(AssertUnwindSafe(|| snapshot(connection, work)));
            // A caller who has gone is no error.
            drop(answer.send(done.unwrap_or_else(|_| {
                Err(Failure::Said(Error::new(
                    ErrorKind::Internal,
                    "a search in the file panicked",
                )))
            })));
        });
        let stopped = || Error::new(ErrorKind::Unavailable, "the file is closed");
        let _room = self.room.acquire().await.map_err(|_| stopped())?;
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())?;
        answered
            .await
            .map_err(|_| stopped())?
            .map_err(|failure| failure.into_error(&options.path))
    }
}

fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Outcome<T>,
) -> Outcome<T> {
    let transaction = connection.unchecked_transaction()?;
    let done = work(&transaction);
    transaction.finish()?;
    done
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for it in self.threads.drain(..) {
            drop(it.join());
        }
    }
}
