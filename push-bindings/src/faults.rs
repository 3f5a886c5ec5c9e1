//! Reports the errors of the app's callbacks.
use tokio::sync::mpsc;

use crate::{AppError, Event};

/// The most faults that wait to be reported; more are only logged.
const WAITING: usize = 64;

/// Receives the errors of callbacks, so that an error in the app is reported and ends nothing.
#[derive(Clone, Debug)]
pub(crate) struct Faults(mpsc::Sender<Event>);

impl Faults {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Reports that `callback` failed and what that counts as. Returns its error text.
    pub(crate) fn report(&self, callback: &str, error: AppError, counts_as: &str) -> String {
        let why = error.into_text();
        let text =
            format!("the app's callback {callback} failed, which counts as {counts_as}: {why}");
        tracing::warn!(target: "push_client", "{text}");
        let event = Event {
            by: Some(callback.to_owned()),
            ..Event::named("callback_failed", true, text)
        };
        // If the channel is full, the log has the error.
        drop(self.0.try_send(event));
        why
    }

    /// Reports the error of a callback without a result.
    pub(crate) fn watch(&self, callback: &str, outcome: Result<(), AppError>, counts_as: &str) {
        if let Err(error) = outcome {
            self.report(callback, error, counts_as);
        }
    }
}
