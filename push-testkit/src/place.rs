//! Where a conformance case runs: a clock, a directory, a runtime.
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use push_core::{BuildContext, ManualClock};

use crate::sample;

/// The longest a case may take, in real time: a hang is a failure, not a wait.
const LIMIT: Duration = Duration::from_secs(120);

/// What a plugin under test is built with: a clock that stands at [`sample::NOW`], and an empty directory that is removed
/// in the end.
#[derive(Debug)]
pub struct Place {
    /// The clock of [`Place::context`].
    pub clock: ManualClock,
    scratch: PathBuf,
}

impl Place {
    /// A new one.
    ///
    /// # Panics
    /// If the directory for temporary files cannot be written to.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let scratch = std::env::temp_dir().join(format!(
            "offline-push-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        // What a process of the same id left behind.
        drop(fs::remove_dir_all(&scratch));
        fs::create_dir_all(&scratch).expect("the temporary directory can be written to");
        Self {
            clock: sample::clock(),
            scratch,
        }
    }

    /// What [`Plugin::build`](push_core::Plugin::build) wants.
    pub fn context(&self) -> BuildContext {
        BuildContext::new(Arc::new(self.clock.clone()))
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.scratch
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.scratch));
    }
}

/// Runs a case on several threads, so that what can race does.
pub(crate) fn run<F: Future>(case: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    match runtime.block_on(async { tokio::time::timeout(LIMIT, case).await }) {
        Ok(out) => out,
        Err(_) => panic!("the case hangs: it did not finish within {LIMIT:?}"),
    }
}

/// Runs `tasks` at once and waits for all of them.
///
/// # Panics
/// If one does.
pub(crate) async fn together<F>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::with_capacity(running.len());
    for it in running {
        done.push(it.await.expect("no task panics"));
    }
    done
}
