//! Traces.
use std::collections::VecDeque;

use push_core::{
    AppId, DeliveryId, MessageId, Result, TRACE_LIMIT, Timestamp, TraceEvent, TraceStore,
    async_trait,
};

use crate::MemoryStore;

/// Events in the order they were appended.
#[derive(Default)]
pub(crate) struct Traces(VecDeque<TraceEvent>);

impl Traces {
    fn of_message(&self, app: &AppId, message: &MessageId) -> impl Iterator<Item = &TraceEvent> {
        self.0
            .iter()
            .filter(move |it| it.app == *app && it.message == *message)
    }
}

#[async_trait]
impl TraceStore for MemoryStore {
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()> {
        let mut state = self.state();
        let traces = &mut state.traces.0;
        traces.extend(events);
        let surplus = traces.len().saturating_sub(self.config.max_trace_events);
        traces.drain(..surplus);
        Ok(())
    }

    async fn trace_of_delivery(
        &self,
        app: &AppId,
        delivery: DeliveryId,
    ) -> Result<Vec<TraceEvent>> {
        let state = self.state();
        let Some(one) = state
            .traces
            .0
            .iter()
            .find(|it| it.app == *app && it.delivery == Some(delivery))
        else {
            return Ok(Vec::new());
        };
        Ok(oldest_first(
            state.traces.of_message(app, &one.message).filter(|it| {
                it.delivery == Some(delivery)
                    || it.delivery.is_none()
                        && (it.user.is_none() || it.user == one.user)
                        && (it.device.is_none() || it.device == one.device)
            }),
        ))
    }

    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>> {
        let state = self.state();
        Ok(oldest_first(state.traces.of_message(app, message)))
    }

    async fn prune_traces(&self, before: Timestamp) -> Result<u64> {
        let mut state = self.state();
        let traces = &mut state.traces.0;
        let had = traces.len();
        traces.retain(|it| it.at >= before);
        Ok((had - traces.len()) as u64)
    }
}

fn oldest_first<'a>(events: impl Iterator<Item = &'a TraceEvent>) -> Vec<TraceEvent> {
    let mut events: Vec<_> = events.cloned().collect();
    events.sort_by_key(|it| it.at);
    events.truncate(TRACE_LIMIT);
    events
}
