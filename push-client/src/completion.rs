//! The completion callback of a platform, called exactly once.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The result that a platform receives when a callback is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Closed: the three results that a phone's system takes.
pub enum Completed {
    /// There was new data.
    NewData,
    /// There was no new data.
    NoData,
    /// The work failed, or took too long.
    Failed,
}

/// A platform's completion callback. Clones share it; the first caller wins, later calls are ignored (S34).
///
/// To complete it later, call [`Completion::defer`] before returning. The client completes a callback that was not deferred at
/// once, and a deferred one after [`Settings::completion_timeout`](crate::Settings::completion_timeout).
#[derive(Clone)]
pub struct Completion(Arc<Mutex<Inner>>);

struct Inner {
    callback: Option<Callback>,
    deferrals: usize,
}

type Callback = Box<dyn FnOnce(Completed) + Send>;

impl Completion {
    /// Wraps the platform's callback.
    pub fn new(callback: impl FnOnce(Completed) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            callback: Some(Box::new(callback)),
            deferrals: 0,
        })))
    }

    /// Returns a completion without a callback.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    /// Calls the callback unless it was called before. Returns `true` for the call that completes it.
    pub fn complete(&self, how: Completed) -> bool {
        let callback = self.take(|_| true);
        self.call(callback, how)
    }

    /// Defers the completion. Dropping the last deferral completes with [`Completed::NoData`].
    pub fn defer(&self) -> Deferral {
        self.lock().deferrals += 1;
        Deferral(self.clone())
    }

    /// Whether the callback has been called.
    pub fn is_complete(&self) -> bool {
        self.lock().callback.is_none()
    }

    /// Completes unless it was deferred.
    pub(crate) fn complete_unless_deferred(&self, how: Completed) -> bool {
        let callback = self.take(|inner| inner.deferrals == 0);
        self.call(callback, how)
    }

    fn take(&self, when: impl FnOnce(&Inner) -> bool) -> Option<Callback> {
        let mut inner = self.lock();
        when(&inner).then(|| inner.callback.take()).flatten()
    }

    // Called without the lock, because the callback may call this completion again.
    fn call(&self, callback: Option<Callback>, how: Completed) -> bool {
        let is_first = callback.is_some();
        if let Some(callback) = callback {
            callback(how);
        }
        is_first
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("complete", &self.is_complete())
            .finish()
    }
}

/// Keeps the client from completing a callback.
#[derive(Debug)]
pub struct Deferral(Completion);

impl Deferral {
    /// Completes the callback. Returns `true` if it was the first to complete.
    pub fn complete(self, how: Completed) -> bool {
        self.0.complete(how)
    }
}

impl Drop for Deferral {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.deferrals -= 1;
        let is_last = inner.deferrals == 0;
        drop(inner);
        if is_last {
            self.0.complete(Completed::NoData);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn completion() -> (Completion, mpsc::Receiver<Completed>) {
        let (sender, results) = mpsc::channel();
        let completion = Completion::new(move |how| sender.send(how).expect("the test listens"));
        (completion, results)
    }

    #[test]
    fn only_the_first_caller_completes() {
        let (completion, results) = completion();
        assert!(completion.complete(Completed::NewData));
        assert!(!completion.clone().complete(Completed::Failed));
        assert!(!completion.complete_unless_deferred(Completed::NoData));
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [Completed::NewData]);
    }

    #[test]
    fn the_client_does_not_complete_while_there_is_a_deferral() {
        let (completion, results) = completion();
        let first = completion.defer();
        let second = completion.defer();
        assert!(!completion.complete_unless_deferred(Completed::NewData));
        drop(first);
        assert!(!completion.is_complete());
        drop(second);
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [Completed::NoData]);
    }
}
