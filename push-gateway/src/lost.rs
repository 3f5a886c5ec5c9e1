//! What was accepted before the start, and is not in the queue any more.
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use push_core::{AppId, DeliveryId, MessageId, Result, Stage, Timestamp, TraceEvent, TraceQuery};

use crate::{decision::reasons, gateway::Inner};

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
        let apps: BTreeSet<AppId> = match self.services.store.credentials(None).await {
            Ok(stored) => stored
                .into_iter()
                .map(|credential| credential.app)
                .collect(),
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
        }
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

    /// Records which of these deliveries the queue does not know; returns `false` if it does not know.
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
        let Some(known) = self.services.queue.remembered(app, messages).await? else {
            return Ok(false);
        };
        let now = self.services.clock.now();
        let gone = open.into_iter().zip(known).filter(|(_, known)| !known);
        let mut events = Vec::new();
        for ((message, queued), _) in gone {
            lost.deliveries += queued.len() as u64;
            // Pages are read from the newest event to the oldest.
            if lost.messages.len() < NAMED {
                lost.messages.push(message);
            }
            events.extend(queued.into_iter().map(|event| {
                event
                    .because(&reasons::LOST)
                    .with_at(now)
                    .with_stage(Stage::Settled)
            }));
        }
        self.services
            .metrics
            .lost(app.as_str(), events.len() as u64);
        self.services.recorder.append(events);
        self.services.recorder.flush().await;
        Ok(true)
    }
}

/// What was lost of one app.
#[derive(Default)]
struct Lost {
    deliveries: u64,
    messages: Vec<MessageId>,
}
