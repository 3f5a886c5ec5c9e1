//! Writing traces beside the path of pushes, and reading the outcome of one.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_core::{Cancelled, Clock, Reason, Stage, Store, Timestamp, TraceEvent};
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// How long to wait before events are stored that the store did not accept.
const PAUSE: Duration = Duration::from_secs(1);

/// Buffers trace events and stores them in batches. What does not fit is counted and dropped.
pub(crate) struct Recorder {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    bound: usize,
    buffer: Mutex<Vec<TraceEvent>>,
    filled: Notify,
    writing: tokio::sync::Mutex<()>,
}

impl Recorder {
    pub(crate) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, bound: usize) -> Self {
        Self {
            store,
            metrics,
            bound,
            buffer: Mutex::default(),
            filled: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Takes events, in order.
    pub(crate) fn append(&self, events: impl IntoIterator<Item = TraceEvent>) {
        let mut dropped = 0;
        {
            let mut buffer = self.buffer();
            for event in events {
                if buffer.len() < self.bound {
                    buffer.push(event);
                } else {
                    dropped += 1;
                }
            }
        }
        if dropped > 0 {
            self.metrics.trace_dropped(dropped);
        }
        self.filled.notify_one();
    }

    /// Stores what waits now, and returns `true` if everything appended before is stored: it can be read then, and survives the
    /// end of the process. What the store does not accept for now is kept for the next call.
    ///
    /// A caller that goes away interrupts nothing: what is under way when a call of the store is dropped would be stored twice,
    /// or not at all.
    pub(crate) async fn flush(self: &Arc<Self>) -> bool {
        let recorder = Arc::clone(self);
        let stored = tokio::spawn(async move { recorder.store_all().await });
        stored.await.unwrap_or(false)
    }

    async fn store_all(&self) -> bool {
        const CHUNK: usize = 5_000;
        let _order = self.writing.lock().await;
        let mut events = std::mem::take(&mut *self.buffer());
        while !events.is_empty() {
            let count = events.len().min(CHUNK);
            let rest = events.split_off(count);
            if let Err(error) = self.store.append(events.clone()).await {
                tracing::warn!(%error, count, "trace events could not be stored");
                if error.is_transient() {
                    events.extend(rest);
                    self.put_back(events);
                    return false;
                }
                self.metrics.trace_dropped(count as u64);
            }
            events = rest;
        }
        true
    }

    /// Puts events back before those that were appended since, as many as there is room for.
    fn put_back(&self, mut events: Vec<TraceEvent>) {
        let mut buffer = self.buffer();
        events.append(&mut buffer);
        let dropped = events.len().saturating_sub(self.bound);
        events.truncate(self.bound);
        *buffer = events;
        drop(buffer);
        self.metrics.trace_dropped(dropped as u64);
    }

    /// Stores whatever comes, until the future is dropped.
    pub(crate) async fn run(self: &Arc<Self>, clock: &dyn Clock) {
        loop {
            self.filled.notified().await;
            while !self.flush().await {
                clock.sleep(PAUSE).await;
            }
        }
    }

    fn buffer(&self) -> MutexGuard<'_, Vec<TraceEvent>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// The trace event of a delivery that was cancelled.
pub(crate) fn cancelled_event(cancelled: &Cancelled, now: Timestamp, reason: Reason) -> TraceEvent {
    let credential = &cancelled.lane.credential;
    TraceEvent::new(
        credential.app.clone(),
        cancelled.message.clone(),
        now,
        Stage::Settled,
    )
    .because(&reason)
    .with_delivery(cancelled.id)
    .with_user(cancelled.user.clone())
    .with_device(cancelled.device.clone())
    .with_certificate(credential.certificate)
}

/// The state of one delivery or receiver: how far it came, and why no further.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conclusion {
    /// How far it came. It never goes down again: a late "delivered" after a click changes nothing (S111).
    pub stage: Stage,
    /// When it came there.
    pub at: Timestamp,
    /// The code of the last reason given.
    pub reason: Option<std::borrow::Cow<'static, str>>,
    /// Whether this is the end: nothing more will be tried.
    pub settled: bool,
}

impl Conclusion {
    /// From the events of one delivery, oldest first; `None` if there are none.
    pub fn of(events: &[TraceEvent]) -> Option<Self> {
        let furthest = events.iter().map(|it| it.stage).max()?;
        let at = events.iter().find(|it| it.stage == furthest)?.at;
        let last = events.iter().rev().find(|it| it.reason.is_some());
        Some(Self {
            stage: furthest,
            at,
            reason: last.and_then(|it| it.reason.clone()),
            // A phone can report a push before the vendor's answer is stored: a receipt does not settle the delivery.
            settled: events.iter().any(|it| it.stage == Stage::Settled)
                || (furthest == Stage::Decided
                    && last.is_some_and(|it| it.stage == Stage::Decided)),
        })
    }

    /// The reason with its text and advice, if this program knows it.
    pub fn explain(&self) -> Option<&'static Reason> {
        self.reason.as_deref().and_then(Reason::find)
    }
}

#[cfg(test)]
mod tests {
    use push_core::{AppId, MessageId};

    use super::*;

    fn event(stage: Stage) -> TraceEvent {
        let message = MessageId::new("m-1").unwrap();
        TraceEvent::new(
            AppId::new("demo").unwrap(),
            message,
            Timestamp::from_unix_millis(1),
            stage,
        )
    }

    #[test]
    fn a_click_reported_before_the_vendors_answer_is_stored_settles_nothing() {
        let mut events = vec![event(Stage::Queued), event(Stage::Clicked)];
        let early = Conclusion::of(&events).unwrap();
        assert_eq!((early.stage, early.settled), (Stage::Clicked, false));
        events.push(event(Stage::Settled));
        let late = Conclusion::of(&events).unwrap();
        assert_eq!((late.stage, late.settled), (Stage::Clicked, true));
    }
}
