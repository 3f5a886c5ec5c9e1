//! How many deliveries of one credential may be sent, and whose turn it is.
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use push_core::{Class, Clock, Timestamp};

use crate::RateLimitedConfig;

/// The level is counted in thousandths of a delivery, so that a millisecond adds a whole number of them.
const PARTS: u64 = 1000;
/// What one delivery adds to the pass of a class whose share is 1.
const STRIDE: u64 = 1 << 20;
/// The part of what is sent in the longest wait that one lane may have in flight, so that four busy classes fit.
const LANES: u128 = 4;
/// The shortest and the longest time after which a postponed delivery comes back.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(600);

/// The limit of one credential.
///
/// A token bucket with one line of waiting batches for each class. Whose turn it is follows from the passes of the lines (stride
/// scheduling): what a class sends adds to its pass, the more the smaller its share is, and the smallest pass is next. A line that
/// was empty begins at the pass of the line that was served last, so that it neither waits for those that were there before it,
/// nor catches up on what it did not use.
pub(crate) struct Limiter {
    per_second: u64,
    burst: u64,
    max_wait: Duration,
    shares: BTreeMap<Class, u32>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// What may be sent now, in [`PARTS`].
    level: u64,
    /// The time up to which the level was raised.
    filled_at: Timestamp,
    lines: BTreeMap<Class, Line>,
    /// Where a line begins that was empty.
    pass: u64,
    next_number: u64,
    /// The batch whose turn is next, and which sleeps until then; all others are woken.
    first: Option<u64>,
}

#[derive(Default)]
struct Line {
    pass: u64,
    /// How many deliveries wait.
    waiting: u64,
    batches: VecDeque<Batch>,
}

struct Batch {
    number: u64,
    targets: u64,
    waker: Option<Waker>,
}

/// Where a batch is that waits.
pub(crate) enum Turn {
    /// It may be sent.
    Now,
    /// It is next, in this time.
    Next(Duration),
    /// Others are before it. It is woken when it is next, or may be sent.
    Later,
}

impl Limiter {
    pub(crate) fn new(config: &RateLimitedConfig, clock: Arc<dyn Clock>) -> Self {
        let per_second = u64::from(config.per_second);
        let burst = config.burst.map_or(per_second, u64::from);
        Self {
            per_second,
            burst,
            max_wait: config.max_wait,
            shares: config.shares.clone(),
            state: Mutex::new(State {
                level: burst * PARTS,
                filled_at: clock.now(),
                lines: BTreeMap::new(),
                pass: 0,
                next_number: 0,
                first: None,
            }),
            clock,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) const fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// The largest batch: one that comes to an empty bucket goes within half of the longest wait.
    pub(crate) fn largest_batch(&self) -> usize {
        let in_time = self.sent_in(self.max_wait / 2).max(1);
        usize::try_from(in_time.min(u128::from(self.burst))).unwrap_or(usize::MAX)
    }

    /// How many deliveries one lane may give to the provider without some being postponed.
    pub(crate) fn most_in_flight(&self) -> usize {
        let most = self.sent_in(self.max_wait) / LANES;
        usize::try_from(most.max(1)).unwrap_or(usize::MAX)
    }

    fn sent_in(&self, time: Duration) -> u128 {
        u128::from(self.per_second) * time.as_millis() / 1000
    }

    fn share(&self, class: &Class) -> u64 {
        self.shares.get(class).map_or(1, |share| u64::from(*share))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch to the line of its class.
    ///
    /// # Errors
    /// After how long to come back, if it would wait for longer than [`Limiter::max_wait`].
    pub(crate) fn join(&self, class: &Class, targets: u64) -> Result<u64, Duration> {
        let mut state = self.lock();
        state.fill(self.now(), self.per_second, self.burst);
        let wait = self.estimate(&state, class, targets);
        if wait > self.max_wait {
            return Err(self.come_back(wait));
        }
        let number = state.next_number;
        state.next_number += 1;
        let pass = state.pass;
        let line = state.lines.entry(class.clone()).or_default();
        if line.batches.is_empty() {
            line.pass = line.pass.max(pass);
        }
        line.waiting += targets;
        line.batches.push_back(Batch {
            number,
            targets,
            waker: None,
        });
        Ok(number)
    }

    /// How long a batch would wait if the classes that wait now go on to use their shares.
    fn estimate(&self, state: &State, class: &Class, targets: u64) -> Duration {
        let own = self.share(class);
        let mut shares = own;
        let mut before = targets;
        for (other, line) in &state.lines {
            if other == class {
                before += line.waiting;
            } else if !line.batches.is_empty() {
                shares += self.share(other);
            }
        }
        let parts = u128::from(before * PARTS) * u128::from(shares) / u128::from(own);
        let missing = parts.saturating_sub(u128::from(state.level));
        let millis = missing.div_ceil(u128::from(self.per_second));
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// When a batch comes back that would wait for `wait`: when half of the longest wait is left.
    pub(crate) fn come_back(&self, wait: Duration) -> Duration {
        let half = self.max_wait / 2;
        wait.saturating_sub(half).max(half).clamp(SOONEST, LATEST)
    }

    /// Sends what may be sent, and returns where the batch `number` is. Keeps `waker` if it has to wait.
    pub(crate) fn turn(&self, class: &Class, number: u64, waker: &Waker) -> Turn {
        let mut state = self.lock();
        let woken = self.serve(&mut state, Some(number));
        let turn = match state.position(class, number) {
            None => Turn::Now,
            Some(batch) => {
                batch.waker = Some(waker.clone());
                match state.first {
                    Some(first) if first == number => Turn::Next(self.missing(&state)),
                    _ => Turn::Later,
                }
            }
        };
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        turn
    }

    /// Takes the batch `number` out of its line. Returns `false` if its turn has come already.
    pub(crate) fn leave(&self, class: &Class, number: u64) -> bool {
        let mut state = self.lock();
        let removed = state.lines.get_mut(class).and_then(|line| {
            let place = line.batches.iter().position(|it| it.number == number)?;
            let batch = line.batches.remove(place)?;
            line.waiting -= batch.targets;
            Some(batch)
        });
        let woken = self.serve(&mut state, None);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        removed.is_some()
    }

    /// Takes out of the lines what may be sent. Returns whom to wake: those, and the one that is next by now, but for `caller`.
    fn serve(&self, state: &mut State, caller: Option<u64>) -> Vec<Waker> {
        state.fill(self.now(), self.per_second, self.burst);
        let mut woken = Vec::new();
        let next = loop {
            let Some((class, line)) = self.next_line(&mut state.lines) else {
                break None;
            };
            let Some(batch) = line.batches.front_mut() else {
                break None;
            };
            let parts = batch.targets * PARTS;
            if state.level < parts {
                break Some((batch.number, batch.waker.clone()));
            }
            state.level -= parts;
            state.pass = line.pass;
            line.waiting -= batch.targets;
            let step = batch.targets * STRIDE / self.share(class);
            line.pass = line.pass.saturating_add(step);
            if let Some(batch) = line.batches.pop_front()
                && caller != Some(batch.number)
            {
                woken.extend(batch.waker);
            }
        };
        let number = next.as_ref().map(|(number, _)| *number);
        if number != state.first && number != caller {
            woken.extend(next.and_then(|(_, waker)| waker));
        }
        if number.is_none() {
            // No batch waits, so no class is ahead of another.
            state.pass = 0;
            state.lines.clear();
        }
        state.first = number;
        woken
    }

    fn next_line<'a>(
        &self,
        lines: &'a mut BTreeMap<Class, Line>,
    ) -> Option<(&'a Class, &'a mut Line)> {
        lines
            .iter_mut()
            .filter(|(_, line)| !line.batches.is_empty())
            // Of lines that are equally far, the one with the larger share.
            .min_by_key(|(class, line)| (line.pass, std::cmp::Reverse(self.share(class))))
    }

    /// How long until the batch that is next may be sent.
    fn missing(&self, state: &State) -> Duration {
        let first = state.first;
        let targets = state
            .lines
            .values()
            .filter_map(|line| line.batches.front())
            .find(|batch| Some(batch.number) == first)
            .map_or(0, |batch| batch.targets);
        let missing = (targets * PARTS).saturating_sub(state.level);
        Duration::from_millis(missing.div_ceil(self.per_second))
    }
}

impl State {
    /// Raises the level. A clock that was set back raises nothing, and one that was set forward at most a burst.
    fn fill(&mut self, now: Timestamp, per_second: u64, burst: u64) {
        let millis = u64::try_from(now.since(self.filled_at).as_millis()).unwrap_or(u64::MAX);
        let more = millis.saturating_mul(per_second);
        self.level = self.level.saturating_add(more).min(burst * PARTS);
        self.filled_at = now;
    }

    /// The batch `number`, while it waits.
    fn position(&mut self, class: &Class, number: u64) -> Option<&mut Batch> {
        let batches = &mut self.lines.get_mut(class)?.batches;
        // Numbers grow within a line.
        let place = batches
            .binary_search_by_key(&number, |batch| batch.number)
            .ok()?;
        batches.get_mut(place)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("per_second", &self.per_second)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}
