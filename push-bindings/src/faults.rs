//! What the app's callbacks threw.
use tokio::sync::mpsc;

use crate::{AppError, Event};

/// The most faults that wait to be reported; more are only logged.
const WAITING: usize = 64;

/// Takes what callbacks throw, so that a fault in the app is reported and ends nothing.
#[derive(Clone, Debug)]
pub(crate) struct Faults(mpsc::Sender<Event>);

impl Faults {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (tell, told) = mpsc::channel(WAITING);
        (Self(tell), told)
    }

    /// Reports that `callback` failed and what that counts as. Returns its error text.
    pub(crate) fn tell(&self, callback: &str, error: AppError, counts_as: &str) -> String {
        let why = error.into_words();
        let words =
            format!("the app's callback {callback} failed, which counts as {counts_as}: {why}");
        tracing::warn!(target: "push_client", "{words}");
        let event = Event {
            by: Some(callback.to_owned()),
            ..Event::named("callback_failed", true, words)
        };
        // Full: the log has it.
        drop(self.0.try_send(event));
        why
    }

    /// Takes the outcome of a callback that answers nothing.
    pub(crate) fn watch(&self, callback: &str, outcome: Result<(), AppError>, counts_as: &str) {
        if let Err(error) = outcome {
            self.tell(callback, error, counts_as);
        }
    }
}
