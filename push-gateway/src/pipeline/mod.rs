//! Lanes: one for each credential, from the queue to its vendor and back, so that one outage starves nobody else.
//!
//! Each lane has two tasks: a dispatcher that leases and sends in batches, and a settle loop that alone acts on verdicts.
mod backoff;
mod control;
mod guard;
mod lane;
mod settle;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use push_core::{
    Cancel, Clock, Lane, LaneState, Queue, Reason, Result, Stage, Store, Timestamp, TraceEvent,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use self::{backoff::Backoff, control::Control, lane::Cell};
use crate::{
    credentials::{LaneStatus, Vault},
    decision::reasons,
    metrics::Metrics,
    settings::PipelineSettings,
    trace::Recorder,
};

/// What every lane uses.
struct Shared {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
    metrics: Arc<Metrics>,
    settings: PipelineSettings,
    backoff: Backoff,
    probe: Backoff,
}

impl Shared {
    /// Suspends a lane and raises the alarm, once.
    fn suspend(&self, cell: &Cell, cause: Reason, evidence: &str, now: Timestamp, trial: bool) {
        let news = cell
            .control()
            .suspend(cause, evidence, now, trial, &self.probe);
        if news {
            self.metrics.alarm(&cell.lane.app, cause.code);
            tracing::error!(lane = ?cell.lane, reason = cause.code, evidence, "{}; {}", cause.text, cause.advice);
        }
    }
}

/// Everything a pipeline needs.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: PipelineSettings,
}

/// All lanes.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    lanes: Mutex<Lanes>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Lanes {
    running: bool,
    cells: HashMap<Lane, Arc<Cell>>,
    full: HashSet<Lane>,
    tasks: JoinSet<()>,
}

impl Pipeline {
    pub(crate) fn new(parts: Parts, seed: u64) -> Self {
        let settings = parts.settings;
        Self {
            shared: Arc::new(Shared {
                store: parts.store,
                queue: parts.queue,
                vault: parts.vault,
                clock: parts.clock,
                recorder: parts.recorder,
                metrics: parts.metrics,
                backoff: Backoff::new(settings.backoff_base, settings.backoff_max, seed),
                probe: Backoff::new(settings.probe_first, settings.probe_max, seed),
                settings,
            }),
            lanes: Mutex::default(),
            stop: watch::Sender::new(false),
        }
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to send. Before, deliveries only queue up.
    pub(crate) fn start(&self) {
        self.lanes().running = true;
    }

    /// Deliveries of these lanes are due now.
    pub(crate) fn wake<'a>(&self, lanes: impl IntoIterator<Item = &'a Lane>) {
        let now = self.shared.clock.now();
        for lane in lanes {
            self.wake_at(lane, now, now);
        }
    }

    fn wake_at(&self, lane: &Lane, at: Timestamp, now: Timestamp) {
        if let Some(cell) = self.cell(lane) {
            cell.wake(at, now);
        }
    }

    /// The cell of `lane`, with its tasks; `None` before the start and after the end.
    fn cell(&self, lane: &Lane) -> Option<Arc<Cell>> {
        let mut lanes = self.lanes();
        if let Some(cell) = lanes.cells.get(lane) {
            return Some(Arc::clone(cell));
        }
        if !lanes.running {
            return None;
        }
        let control = Control::new(&self.shared.settings);
        let cell = Arc::new(Cell::new(lane.clone(), control));
        lanes.cells.insert(lane.clone(), Arc::clone(&cell));
        let (items, inbox) = mpsc::unbounded_channel();
        lanes.tasks.spawn(lane::dispatch(
            Arc::clone(&self.shared),
            Arc::clone(&cell),
            items,
            self.stop.subscribe(),
        ));
        lanes.tasks.spawn(settle::settle(
            Arc::clone(&self.shared),
            Arc::clone(&cell),
            inbox,
        ));
        Some(cell)
    }

    /// Looks for lanes that nobody announced, now and then, until the future is dropped.
    pub(crate) async fn sweep(&self) {
        loop {
            match self.shared.queue.lanes().await {
                Ok(states) => self.see_to(states).await,
                Err(error) => tracing::warn!(%error, "the queue does not say which lanes it has"),
            }
            self.shared.clock.sleep(self.shared.settings.sweep).await;
        }
    }

    async fn see_to(&self, states: Vec<LaneState>) {
        let full = states
            .iter()
            .filter(|it| it.depth >= self.shared.settings.lane_depth)
            .map(|it| it.lane.clone());
        self.lanes().full = full.collect();
        let now = self.shared.clock.now();
        for it in &states {
            self.wake_at(&it.lane, it.next_due, now);
        }
        // After all are awake: it may take its time.
        for it in &states {
            if self.status(&it.lane) != LaneStatus::Open {
                self.drop_expired(&it.lane, now).await;
            }
        }
    }

    /// Ends what has expired in a lane that stands still: nobody leases it, and it would fill the queue.
    async fn drop_expired(&self, lane: &Lane, now: Timestamp) {
        let expired = Cancel::Expired(lane.certificate, now);
        loop {
            let gone = match self.shared.queue.cancel(&lane.app, &expired).await {
                Ok(gone) if gone.is_empty() => return,
                Ok(gone) => gone,
                Err(error) => {
                    tracing::warn!(?lane, %error, "expired deliveries could not be removed");
                    return;
                }
            };
            let reason = reasons::EXPIRED;
            let settled = |it| TraceEvent::of(it, now, Stage::Settled).because(&reason);
            for it in &gone {
                let metrics = &self.shared.metrics;
                metrics.settled(&lane.app, &it.channel, reason.code, 1);
            }
            self.shared.recorder.append(gone.iter().map(settled));
            // So many at once would overflow what may wait to be stored.
            self.shared.recorder.flush().await;
        }
    }

    /// Whether so much waited for `lane`, when it was last looked at, that no more should.
    pub(crate) fn is_full(&self, lane: &Lane) -> bool {
        self.lanes().full.contains(lane)
    }

    /// The credential was mended: its tokens come back, and its deliveries go at once.
    pub(crate) async fn resume(&self, lane: &Lane) -> Result<()> {
        let released = self.shared.store.release(lane).await?;
        let now = self.shared.clock.now();
        let hastened = self.shared.queue.hasten(lane, now).await?;
        tracing::info!(?lane, released, hastened, "the lane is resumed");
        if let Some(cell) = self.cell(lane) {
            cell.control().resume(now);
            cell.look();
        }
        Ok(())
    }

    /// Whether the deliveries of `lane` travel.
    pub(crate) fn status(&self, lane: &Lane) -> LaneStatus {
        let now = self.shared.clock.now();
        match self.lanes().cells.get(lane) {
            Some(cell) => cell.status(now),
            None => LaneStatus::Open,
        }
    }

    /// Leases nothing more, waits for what is in flight (bounded), and gives the rest back.
    pub(crate) async fn stop(&self) {
        let mut tasks = {
            let mut lanes = self.lanes();
            lanes.running = false;
            std::mem::take(&mut lanes.tasks)
        };
        self.stop.send_replace(true);
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a lane's task failed");
            }
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("lanes", &self.lanes().cells.keys())
            .finish_non_exhaustive()
    }
}
