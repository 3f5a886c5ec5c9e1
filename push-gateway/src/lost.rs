//! What was accepted before the start, and is not in the queue any more.
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use push_core::{
    AppId, DeliveryId, MessageId, Reason, Result, Sought, Stage, Timestamp, TraceEvent, TraceQuery,
};

use crate::{decision::reasons, gateway::Inner, removed};

/// How long back is looked: shorter than the day for which a queue remembers every message.
const WINDOW: Duration = Duration::from_secs(23 * 60 * 60);
/// How many events are read at a time.
const PAGE: usize = 1_000;
/// The most events that are read for one app.
const MOST: usize = 2_000_000;
/// How many messages the warning names.
const NAMED: usize = 5;

impl Inner {
    /// Compares what the traces know as queued and not settled with the queue, once after the start, and records, counts and
    /// logs what the queue does not know.
    pub(crate) async fn report_lost(&self, started: Timestamp) {
        let apps = match self.apps().await {
            Ok(apps) => apps,
            Err(error) => {
                tracing::warn!(%error, "whether deliveries were lost cannot be looked up");
                return;
            }
        };
        for app in apps {
            let mut lost = Lost::default();
            if let Err(error) = self.find_lost(&app, started, &mut lost).await {
                tracing::warn!(%app, %error, "whether deliveries were lost cannot be looked up");
            }
            if lost.deliveries > 0 {
                tracing::warn!(
                    %app,
                    lost = lost.deliveries,
                    messages = ?lost.messages,
                    "deliveries that were accepted are not in the queue any more: the queue's file was replaced or damaged; their traces say so"
                );
            }
            if lost.unexplained > 0 {
                tracing::warn!(
                    %app,
                    deliveries = lost.unexplained,
                    "deliveries that were accepted are not in the queue any more, and no trace says how they ended: their records were damaged, or the traces of their ends were not stored"
                );
            }
        }
    }

    /// The apps that have traces, or credentials if the store does not list those with traces.
    async fn apps(&self) -> Result<BTreeSet<AppId>> {
        let traced = self.services.store.traced_apps().await?;
        let stored = self.services.store.credentials(None).await?;
        let with_credentials = stored.into_iter().map(|credential| credential.app);
        Ok(traced.into_iter().chain(with_credentials).collect())
    }

    async fn find_lost(&self, app: &AppId, started: Timestamp, lost: &mut Lost) -> Result<()> {
        let query = TraceQuery::all()
            .with_from(started - WINDOW)
            .with_until(started);
        let store = &self.services.store;
        // Newest first: how a delivery ended is read before that it was queued, and need be known only until then.
        let mut ended: HashSet<DeliveryId> = HashSet::new();
        let mut after = None;
        for _ in 0..MOST / PAGE {
            let page = store.find(app, &query, after, PAGE).await?;
            let mut open: BTreeMap<MessageId, Vec<TraceEvent>> = BTreeMap::new();
            for event in page.items {
                let Some(delivery) = event.delivery else {
                    continue;
                };
                match event.stage {
                    Stage::Queued if !ended.remove(&delivery) => {
                        open.entry(event.message.clone()).or_default().push(event);
                    }
                    Stage::Settled | Stage::Delivered | Stage::Shown | Stage::Clicked => {
                        ended.insert(delivery);
                    }
                    _ => {}
                }
            }
            if !self.record_lost(app, open, lost).await? {
                return Ok(());
            }
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(()),
            };
        }
        tracing::warn!(%app, events = MOST, "there are more trace events than are compared with the queue at the start");
        Ok(())
    }

    /// Records which of these deliveries the queue does not know; returns `false` if it cannot say so.
    async fn record_lost(
        &self,
        app: &AppId,
        open: BTreeMap<MessageId, Vec<TraceEvent>>,
        lost: &mut Lost,
    ) -> Result<bool> {
        if open.is_empty() {
            return Ok(true);
        }
        let messages = open.keys().cloned().collect();
        let queue = &self.services.queue;
        let Some(known) = queue.remembered(app, messages).await? else {
            return Ok(false);
        };
        let mut events = Vec::new();
        let mut remembered = Vec::new();
        for ((message, queued), known) in open.into_iter().zip(known) {
            if known {
                remembered.extend(queued);
                continue;
            }
            // Pages are read from the newest event to the oldest.
            if lost.messages.len() < NAMED {
                lost.messages.push(message);
            }
            let gone = queued.into_iter();
            events.extend(gone.map(|event| self.settled(event, &reasons::LOST)));
        }
        let unexplained = self.unexplained(app, remembered).await?;
        lost.unexplained += unexplained.len() as u64;
        lost.deliveries += events.len() as u64;
        let unexplained = unexplained.into_iter();
        events.extend(unexplained.map(|event| self.settled(event, &reasons::END_UNKNOWN)));
        self.services
            .metrics
            .lost(app.as_str(), events.len() as u64);
        self.services.recorder.append(events);
        self.services.recorder.flush().await;
        Ok(true)
    }

    /// Of deliveries of messages that the queue remembers, those that it does not have, and of which no trace says how they ended.
    async fn unexplained(&self, app: &AppId, queued: Vec<TraceEvent>) -> Result<Vec<TraceEvent>> {
        let sought = queued.iter().filter_map(|event| {
            Some(Sought::new(
                event.delivery?,
                event.message.clone(),
                event.user.clone(),
            ))
        });
        let held = self.services.queue.holds(app, sought.collect()).await?;
        let Some(held) = held else {
            return Ok(Vec::new());
        };
        // The queue may have removed it meanwhile, and knows why.
        if held.contains(&false) {
            removed::explain_all(&self.services).await;
        }
        // It may have ended since its trace was read. An end is stored before the queue forgets the delivery.
        if !self.services.recorder.flush().await {
            return Ok(Vec::new());
        }
        let mut unexplained = Vec::new();
        let gone = queued.into_iter().zip(held).filter(|(_, held)| !held);
        for (event, _) in gone {
            let Some(delivery) = event.delivery else {
                continue;
            };
            let trace = self.services.store.trace_of_delivery(app, delivery).await?;
            let is_end = |event: &TraceEvent| {
                event.delivery == Some(delivery) && event.stage == Stage::Settled
            };
            if !trace.iter().any(is_end) {
                unexplained.push(event);
            }
        }
        Ok(unexplained)
    }

    fn settled(&self, queued: TraceEvent, reason: &Reason) -> TraceEvent {
        queued
            .because(reason)
            .with_at(self.services.clock.now())
            .with_stage(Stage::Settled)
    }
}

/// What was lost of one app.
#[derive(Default)]
struct Lost {
    /// Of messages that the queue does not know.
    deliveries: u64,
    messages: Vec<MessageId>,
    /// Of which neither the queue nor a trace knows how they ended.
    unexplained: u64,
}
