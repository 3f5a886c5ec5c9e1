//! Records the calls of handlers and interceptors.
use std::sync::{Arc, Mutex};

use push_client::{Builder, ClickSource, Completion, Navigate};
use push_core::{Opened, RouteHandler, payload::Payload};

use crate::kit::Kit;

/// The calls of handlers and interceptors, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0
            .lock()
            .expect("no test panics here")
            .push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test panics here").clone()
    }

    /// Returns a chat handler that answers `how`.
    pub(crate) fn chat(
        &self,
        name: &'static str,
        how: impl Fn() -> Opened + Send + Sync + 'static,
    ) -> impl RouteHandler {
        let log = self.clone();
        Navigate::new(move |user: &str, group: &str| {
            log.add(format!("{name}({user},{group})"));
            how()
        })
    }
}

pub(crate) fn chat(log: &Log) -> impl FnOnce(Builder) -> Builder {
    let handler = log.chat("chat", || Opened::Done);
    |it| it.route("chat", handler)
}

impl Kit {
    pub(crate) fn click(&self, payload: Payload) {
        self.client
            .clicked(ClickSource::Response, payload, Completion::none());
    }
}
