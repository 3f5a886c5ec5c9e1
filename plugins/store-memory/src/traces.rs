//! Traces.
use std::collections::{BTreeSet, HashMap, VecDeque};

use push_core::{
    AppId, Cursor, DeliveryId, Error, ErrorKind, Mark, MessageId, Page, Result, TRACE_LIMIT,
    Timestamp, TraceEvent, TraceQuery, TraceStore, async_trait,
};

use crate::MemoryStore;

/// Events in the order they were appended.
#[derive(Default)]
pub(crate) struct Traces {
    /// Each with its number, in ascending order.
    events: VecDeque<(u64, TraceEvent)>,
    /// The number of the next event.
    next: u64,
    /// The numbers of each delivery's events, in ascending order.
    deliveries: HashMap<DeliveryId, VecDeque<u64>>,
}

impl Traces {
    fn add(&mut self, event: TraceEvent) {
        if let Some(delivery) = event.delivery {
            self.deliveries
                .entry(delivery)
                .or_default()
                .push_back(self.next);
        }
        self.events.push_back((self.next, event));
        self.next += 1;
    }

    /// Drops the events that were appended first, until there are at most `most`.
    fn shrink(&mut self, most: usize) {
        while self.events.len() > most {
            let Some((_, event)) = self.events.pop_front() else {
                break;
            };
            if let Some(delivery) = event.delivery
                && let Some(numbers) = self.deliveries.get_mut(&delivery)
            {
                numbers.pop_front();
                if numbers.is_empty() {
                    self.deliveries.remove(&delivery);
                }
            }
        }
    }

    /// Drops events older than `before`, and returns how many.
    fn prune(&mut self, before: Timestamp) -> u64 {
        let had = self.events.len();
        self.events.retain(|(_, event)| event.at >= before);
        self.deliveries.clear();
        for (number, event) in &self.events {
            if let Some(delivery) = event.delivery {
                let numbers = self.deliveries.entry(delivery).or_default();
                numbers.push_back(*number);
            }
        }
        (had - self.events.len()) as u64
    }

    fn get(&self, number: u64) -> Option<&TraceEvent> {
        let at = self
            .events
            .binary_search_by_key(&number, |(number, _)| *number);
        self.events.get(at.ok()?).map(|(_, event)| event)
    }

    fn of_delivery(&self, app: &AppId, delivery: DeliveryId) -> impl Iterator<Item = &TraceEvent> {
        let numbers = self.deliveries.get(&delivery).into_iter().flatten();
        numbers
            .filter_map(|number| self.get(*number))
            .filter(move |event| event.app == *app)
    }

    fn of_message(&self, app: &AppId, message: &MessageId) -> impl Iterator<Item = &TraceEvent> {
        self.events
            .iter()
            .map(|(_, event)| event)
            .filter(move |event| event.app == *app && event.message == *message)
    }

    /// Records the mark, and returns `true` if it was new.
    fn record(&mut self, app: &AppId, mark: &Mark) -> bool {
        let Some(known) = self.of_delivery(app, mark.delivery).next() else {
            return false;
        };
        if mark.device.is_some() && mark.device != known.device
            || self
                .of_delivery(app, mark.delivery)
                .any(|event| event.stage == mark.stage)
        {
            return false;
        }
        let event = TraceEvent::new(app.clone(), known.message.clone(), mark.at, mark.stage)
            .with_delivery(known.delivery)
            .with_user(known.user.clone())
            .with_device(known.device.clone())
            .with_channel(known.channel.clone())
            .with_certificate(known.certificate);
        self.add(event);
        true
    }
}

#[async_trait]
impl TraceStore for MemoryStore {
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()> {
        let mut state = self.state();
        events.into_iter().for_each(|event| state.traces.add(event));
        state.traces.shrink(self.config.max_trace_events);
        Ok(())
    }

    async fn record(&self, app: &AppId, marks: Vec<Mark>) -> Result<Vec<bool>> {
        marks.iter().try_for_each(Mark::check)?;
        let mut state = self.state();
        let new = marks
            .iter()
            .map(|mark| state.traces.record(app, mark))
            .collect();
        state.traces.shrink(self.config.max_trace_events);
        Ok(new)
    }

    async fn trace_of_delivery(
        &self,
        app: &AppId,
        delivery: DeliveryId,
    ) -> Result<Vec<TraceEvent>> {
        let state = self.state();
        let Some(one) = state.traces.of_delivery(app, delivery).next() else {
            return Ok(Vec::new());
        };
        Ok(oldest_first(
            state.traces.of_message(app, &one.message).filter(|event| {
                event.delivery == Some(delivery)
                    || event.delivery.is_none()
                        && (event.user.is_none() || event.user == one.user)
                        && (event.device.is_none() || event.device == one.device)
            }),
        ))
    }

    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>> {
        let state = self.state();
        Ok(oldest_first(state.traces.of_message(app, message)))
    }

    async fn find(
        &self,
        app: &AppId,
        query: &TraceQuery,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<TraceEvent>> {
        if limit == 0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a page of at most 0 events was asked for",
            ));
        }
        let after = after.as_ref().map(place).transpose()?;
        let state = self.state();
        let mut found: Vec<_> = state
            .traces
            .events
            .iter()
            .filter(|(_, event)| event.app == *app && query.selects(event))
            .map(|(number, event)| ((event.at.unix_millis(), *number), event))
            .filter(|(place, _)| after.is_none_or(|after| *place < after))
            .collect();
        found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        let next = found
            .get(limit)
            .and_then(|_| found.get(limit - 1))
            .map(|((at, number), _)| Cursor::new(format!("event:{at}:{number}")));
        let items = found.into_iter().take(limit);
        Ok(Page::new(
            items.map(|(_, event)| event.clone()).collect(),
            next,
        ))
    }

    async fn traced_apps(&self) -> Result<Vec<AppId>> {
        let state = self.state();
        let apps = state.traces.events.iter().map(|(_, event)| &event.app);
        let apps: BTreeSet<&AppId> = apps.collect();
        Ok(apps.into_iter().cloned().collect())
    }

    async fn prune_traces(&self, before: Timestamp) -> Result<u64> {
        Ok(self.state().traces.prune(before))
    }
}

/// Time and number of the event that a cursor names.
fn place(cursor: &Cursor) -> Result<(i64, u64)> {
    let parts = cursor.as_str().strip_prefix("event:");
    parts
        .and_then(|parts| parts.split_once(':'))
        .and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "the cursor does not come from a search of traces",
            )
            .advise("begin without a cursor")
        })
}

fn oldest_first<'a>(events: impl Iterator<Item = &'a TraceEvent>) -> Vec<TraceEvent> {
    let mut events: Vec<_> = events.cloned().collect();
    events.sort_by_key(|event| event.at);
    events.truncate(TRACE_LIMIT);
    events
}
