//! Lanes: one for each credential and message class, from the queue to the vendor and back.
//!
//! Each lane has two tasks: a dispatcher that leases and sends in batches, and a settle loop that alone acts on verdicts. The
//! lanes of one credential share its suspension, its back-off and the suspicion against it.
mod attempt;
mod backoff;
mod batch;
mod cell;
mod control;
mod credential;
mod evidence;
mod guard;
mod lane;
mod refusals;
mod settle;
mod shared;
mod steady;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use push_core::{
    Cancel, Cancelled, Class, CredentialRef, Lane, LaneState, Reason, RemovalCause, Result,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::Instrument;

pub(crate) use self::attempt::LateVerdict;
use self::{
    attempt::Item,
    backoff::Backoff,
    cell::Cell,
    control::Control,
    credential::CredentialCell,
    shared::Shared,
    steady::{Moment, Now, Steady},
};
use crate::{
    decision::reasons, lane_status::LaneStatus, removed, services::Services, trace::cancelled_event,
};

/// How many expired deliveries one call of the queue removes.
const EXPIRED_PORTION: usize = 2_000;

/// All lanes.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    lanes: Mutex<Lanes>,
    announced: tokio::sync::Mutex<mpsc::UnboundedReceiver<Lane>>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Lanes {
    running: bool,
    credentials: HashMap<CredentialRef, Arc<CredentialCell>>,
    cells: HashMap<Lane, Running>,
    full: HashSet<Lane>,
    tasks: JoinSet<()>,
}

/// A lane whose tasks run.
#[derive(Clone)]
struct Running {
    cell: Arc<Cell>,
    items: mpsc::WeakUnboundedSender<Item>,
}

/// How much was found damaged so far.
#[derive(Default)]
struct Damage {
    queue: u64,
    store: u64,
}

impl Pipeline {
    pub(crate) fn new(services: Arc<Services>, seed: u64) -> Self {
        let settings = &services.settings.pipeline;
        let (announced, inbox) = mpsc::unbounded_channel();
        Self {
            shared: Arc::new(Shared {
                backoff: Backoff::new(settings.backoff_base, settings.backoff_max, seed),
                probe: Backoff::new(settings.probe_first, settings.probe_max, seed),
                steady: Steady::new(Arc::clone(&services.clock)),
                services,
                announced,
            }),
            lanes: Mutex::default(),
            announced: tokio::sync::Mutex::new(inbox),
            stop: watch::Sender::new(false),
        }
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the wall clock, and the time by which lanes wait.
    pub(crate) fn now(&self) -> Now {
        self.shared.now()
    }

    /// Begins to send. Before, deliveries only queue up.
    pub(crate) fn start(&self) {
        self.lanes().running = true;
    }

    /// Deliveries of these lanes are due now.
    pub(crate) fn wake<'a>(&self, lanes: impl IntoIterator<Item = &'a Lane>) {
        let now = self.shared.now().moment;
        for lane in lanes {
            self.wake_after(lane, Duration::ZERO, now);
        }
    }

    fn wake_after(&self, lane: &Lane, after: Duration, now: Moment) {
        if let Some(running) = self.running(lane) {
            running.cell.wake(after, now);
        }
    }

    /// The lane with its tasks, which start if need be; `None` before the start and after the end.
    fn running(&self, lane: &Lane) -> Option<Running> {
        let mut lanes = self.lanes();
        if let Some(running) = lanes.cells.get(lane) {
            return Some(running.clone());
        }
        if !lanes.running {
            return None;
        }
        let settings = &self.shared.services.settings.pipeline;
        let credential = lanes
            .credentials
            .entry(lane.credential.clone())
            .or_insert_with(|| Arc::new(CredentialCell::new(lane.credential.clone(), settings)));
        let credential = Arc::clone(credential);
        let cell = Arc::new(Cell::new(lane.clone(), credential, Control::new(settings)));
        let (items, inbox) = mpsc::unbounded_channel();
        let running = Running {
            cell: Arc::clone(&cell),
            items: items.downgrade(),
        };
        lanes.cells.insert(lane.clone(), running.clone());
        let span = tracing::info_span!("lane", app = %lane.credential.app, certificate = %lane.credential.certificate, class = %lane.class);
        let dispatch = lane::dispatch(
            Arc::clone(&self.shared),
            Arc::clone(&cell),
            items,
            self.stop.subscribe(),
        );
        lanes.tasks.spawn(dispatch.instrument(span.clone()));
        let settle = settle::settle(Arc::clone(&self.shared), cell, inbox);
        lanes.tasks.spawn(settle.instrument(span));
        Some(running)
    }

    /// Looks for lanes that were not announced, now and then, until the future is dropped.
    pub(crate) async fn sweep(&self) {
        let mut damage = Damage::default();
        loop {
            match self.shared.services.queue.lanes().await {
                Ok(states) => self.see_to(states).await,
                Err(error) => tracing::warn!(%error, "the queue does not return its lanes"),
            }
            self.count_damage(&mut damage).await;
            removed::explain(&self.shared.services, RemovalCause::Damaged).await;
            self.shared
                .services
                .clock
                .sleep(self.shared.services.settings.pipeline.sweep)
                .await;
        }
    }

    /// Adds what the queue and the store found damaged since `known` to the counters.
    async fn count_damage(&self, known: &mut Damage) {
        let services = &self.shared.services;
        let queue = match services.queue.damaged().await {
            Ok(count) => count,
            Err(error) => {
                tracing::warn!(%error, "the queue does not return how many deliveries are damaged");
                known.queue
            }
        };
        let store = services.store.damaged_rows();
        for (part, count, known) in [
            ("queue", queue, &mut known.queue),
            ("store", store, &mut known.store),
        ] {
            services.metrics.damaged(part, count.saturating_sub(*known));
            *known = count;
        }
    }

    /// Wakes lanes that got deliveries from other lanes, until the future is dropped.
    pub(crate) async fn follow(&self) {
        let mut announced = self.announced.lock().await;
        while let Some(lane) = announced.recv().await {
            self.wake([&lane]);
        }
    }

    async fn see_to(&self, states: Vec<LaneState>) {
        let full = states
            .iter()
            .filter(|state| state.depth >= self.shared.services.settings.pipeline.lane_depth)
            .map(|state| state.lane.clone());
        self.lanes().full = full.collect();
        let now = self.shared.now().moment;
        for state in &states {
            self.wake_after(&state.lane, state.next_due, now);
        }
        // After all are awake, since it may take long.
        let mut idle: Vec<&CredentialRef> = states
            .iter()
            .map(|state| &state.lane.credential)
            .filter(|credential| self.status(credential) != LaneStatus::Open)
            .collect();
        idle.sort();
        idle.dedup();
        for credential in idle {
            self.drop_expired(credential).await;
        }
    }

    /// Ends what has expired for a credential that does not send: it is not leased, and would fill the queue.
    async fn drop_expired(&self, credential: &CredentialRef) {
        let expired = Cancel::Expired(credential.clone());
        loop {
            let queue = &self.shared.services.queue;
            let gone = match queue
                .cancel(&credential.app, &expired, EXPIRED_PORTION)
                .await
            {
                Ok(gone) => gone,
                Err(error) => {
                    tracing::warn!(?credential, %error, "expired deliveries could not be removed");
                    return;
                }
            };
            self.record_cancelled(&gone, reasons::EXPIRED).await;
            if gone.len() < EXPIRED_PORTION {
                return;
            }
        }
    }

    /// Records deliveries that were cancelled. When it returns, the reasons are stored: a gateway that is killed after it
    /// answered a recall or logout still knows why nothing was sent. One that is killed before finds them in the queue, which
    /// remembers them until then.
    pub(crate) async fn record_cancelled(&self, cancelled: &[Cancelled], reason: Reason) {
        if cancelled.is_empty() {
            return;
        }
        let shared = &self.shared;
        let now = shared.now().wall;
        let events = cancelled
            .iter()
            .map(|cancelled| cancelled_event(cancelled, now, reason));
        shared.services.recorder.append(events);
        let mut counts: HashMap<&CredentialRef, u64> = HashMap::new();
        for cancelled in cancelled {
            *counts.entry(&cancelled.lane.credential).or_default() += 1;
        }
        for (credential, count) in counts {
            let facts = shared.services.vault.load(credential).await;
            if let Ok(Ok(loaded)) = facts {
                let channel = &loaded.facts.channel;
                shared.services.metrics.settled(
                    credential.app.as_str(),
                    channel.as_str(),
                    reason.code,
                    count,
                );
            }
        }
        if !shared.services.recorder.flush().await {
            return;
        }
        let ends = cancelled.iter().map(|cancelled| cancelled.id).collect();
        if let Err(error) = shared.services.queue.confirm(ends).await {
            tracing::warn!(%error, "the queue did not forget what was cancelled; it is looked at again at the next start");
        }
    }

    /// Whether any lane was full when the lanes were last looked at.
    pub(crate) fn has_full_lanes(&self) -> bool {
        !self.lanes().full.is_empty()
    }

    /// Whether `lane` was full when the lanes were last looked at.
    pub(crate) fn is_full(&self, lane: &Lane) -> bool {
        self.lanes().full.contains(lane)
    }

    /// The credential was repaired: its tokens are released, and its deliveries go at once.
    pub(crate) async fn resume(&self, credential: &CredentialRef) -> Result<()> {
        let released = self.shared.services.store.release(credential).await?;
        let hastened = self.shared.services.queue.hasten(credential).await?;
        tracing::info!(?credential, released, hastened, "the credential is resumed");
        let now = self.shared.now().moment;
        let cells: Vec<Arc<Cell>> = {
            let lanes = self.lanes();
            if let Some(cell) = lanes.credentials.get(credential) {
                cell.state().resume();
            }
            let of_credential = lanes
                .cells
                .values()
                .filter(|running| running.cell.lane.credential == *credential);
            of_credential
                .map(|running| Arc::clone(&running.cell))
                .collect()
        };
        for cell in cells {
            cell.control().resume(now);
            cell.look();
        }
        if hastened > 0 {
            // Lanes that do not run yet.
            let states = self.shared.services.queue.lanes().await?;
            for state in states {
                if state.lane.credential == *credential {
                    self.wake_after(&state.lane, state.next_due, now);
                }
            }
        }
        Ok(())
    }

    /// Whether the deliveries of `credential` are sent.
    pub(crate) fn status(&self, credential: &CredentialRef) -> LaneStatus {
        let now = self.shared.now();
        let lanes = self.lanes();
        let Some(cell) = lanes.credentials.get(credential) else {
            return LaneStatus::Open;
        };
        let status = cell.state().status(now);
        if status != LaneStatus::Open {
            return status;
        }
        lanes
            .cells
            .values()
            .filter(|running| running.cell.lane.credential == *credential)
            .map(|running| running.cell.control().evidence.status(now))
            .find(|status| *status != LaneStatus::Open)
            .unwrap_or(LaneStatus::Open)
    }

    /// Whether the deliveries of `lane` are sent: what holds the credential up, or else what holds up this class.
    pub(crate) fn lane_status(&self, lane: &Lane) -> LaneStatus {
        let now = self.shared.now();
        let lanes = self.lanes();
        let status = lanes
            .credentials
            .get(&lane.credential)
            .map_or(LaneStatus::Open, |cell| cell.state().status(now));
        if status != LaneStatus::Open {
            return status;
        }
        lanes.cells.get(lane).map_or(LaneStatus::Open, |running| {
            running.cell.control().evidence.status(now)
        })
    }

    /// What holds up all deliveries of `credential`, if anything does.
    pub(crate) fn credential_status(&self, credential: &CredentialRef) -> LaneStatus {
        let now = self.shared.now();
        let lanes = self.lanes();
        let cell = lanes.credentials.get(credential);
        cell.map_or(LaneStatus::Open, |cell| cell.state().status(now))
    }

    /// Hands over what a vendor reported later to the settle loop of the credential.
    pub(crate) fn late(&self, credential: &CredentialRef, late: LateVerdict) {
        let lane = Lane::new(credential.clone(), Class::CHAT);
        let items = self
            .running(&lane)
            .and_then(|running| running.items.upgrade());
        if let Some(items) = items {
            drop(items.send(Item::Late(Box::new(late))));
        }
    }

    /// Leases nothing more, waits, up to a limit, for what is in flight, and returns the rest to the queue.
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
