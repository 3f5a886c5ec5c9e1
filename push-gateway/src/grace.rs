//! Waiting until every submission that may not have seen a change is through.
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Tells a logout when no submission is under way any more that read the registrations before it.
///
/// A submission reads registrations and then queues deliveries. A logout removes the registration, waits for the
/// submissions that had begun by then, and cancels what they queued: after it has been answered, nothing follows.
#[derive(Debug, Default)]
pub(crate) struct Grace(Mutex<Epochs>);

#[derive(Debug, Default)]
struct Epochs {
    current: Option<Pass>,
    old: Vec<watch::Receiver<()>>,
}

/// Held by a submission while it is under way.
#[derive(Clone, Debug)]
pub(crate) struct Pass(#[allow(dead_code)] Arc<watch::Sender<()>>);

impl Grace {
    /// A submission begins.
    pub(crate) fn enter(&self) -> Pass {
        let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        epochs
            .current
            .get_or_insert_with(|| Pass(Arc::new(watch::Sender::new(()))))
            .clone()
    }

    /// Completes when every submission that has entered before this call is through.
    pub(crate) async fn wait(&self) {
        let mut before = {
            let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            epochs.old.retain(|it| it.has_changed().is_ok());
            if let Some(current) = epochs.current.take() {
                epochs.old.push(current.0.subscribe());
            }
            epochs.old.clone()
        };
        for epoch in &mut before {
            // Nothing is ever sent: the only change is that the last sender is gone.
            while epoch.changed().await.is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_logout_waits_for_the_submissions_before_it_and_for_no_later_one() {
        let grace = Grace::default();
        assert!(grace.wait().now_or_never().is_some());

        let (first, second) = (grace.enter(), grace.enter());
        let mut one = Box::pin(grace.wait());
        assert!(one.as_mut().now_or_never().is_none());
        let later = grace.enter();
        drop(first);
        assert!(one.as_mut().now_or_never().is_none());

        let mut two = Box::pin(grace.wait());
        drop(later);
        assert!(
            two.as_mut().now_or_never().is_none(),
            "it must wait for the older epoch too"
        );
        drop(second);
        assert!(one.as_mut().now_or_never().is_some());
        assert!(two.as_mut().now_or_never().is_some());
    }
}
