//! What arrives on a phone: the arrivals, the screen, the badge, and what waits while the phone is off.
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{Timestamp, payload::Payload};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How many arrivals a phone remembers, how many notifications its screen holds, and how many pushes are kept for it.
pub const REMEMBERED: usize = 1024;

/// One push as a vendor's phone got it.
pub trait Arrives: Clone + Send + Sync + 'static {
    /// Whether the phone shows it.
    fn is_shown(&self) -> bool;

    /// Whether it takes the place of `earlier` on the screen.
    fn replaces(&self, earlier: &Self) -> bool;

    /// The number on the icon after it, where `now` is the number before.
    fn badge_after(&self, now: u32) -> u32;

    /// The push as the control API shows it.
    fn to_json(&self) -> Value;

    /// What the app is given when a person clicks on it, in the vendor's own form; `None` if the click does not reach the app.
    fn click_payload(&self) -> Option<Payload>;

    /// Notes that it is the `number`-th arrival of its phone, from 1. Default: nothing is noted.
    fn set_number(&mut self, number: u64) {
        let _ = number;
    }
}

/// What arrived on one phone. Clones share the same content.
pub struct Inbox<A>(Arc<Shared<A>>);

struct Shared<A> {
    state: Mutex<State<A>>,
    arrived: watch::Sender<u64>,
}

struct State<A> {
    arrivals: VecDeque<A>,
    screen: Vec<A>,
    badge: u32,
    off: bool,
    kept: VecDeque<(A, Timestamp)>,
}

impl<A> Clone for Inbox<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> Default for Inbox<A> {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                arrivals: VecDeque::new(),
                screen: Vec::new(),
                badge: 0,
                off: false,
                kept: VecDeque::new(),
            }),
            arrived: watch::Sender::new(0),
        }))
    }
}

impl<A: Arrives> Inbox<A> {
    /// Adds an arrival: to the arrivals, to the screen if it is shown, and to the badge.
    pub fn receive(&self, mut arrival: A) {
        let mut state = self.lock();
        // Under the lock, so that the count and the arrivals agree.
        self.0.arrived.send_modify(|count| {
            *count += 1;
            arrival.set_number(*count);
            state.badge = arrival.badge_after(state.badge);
            if arrival.is_shown() {
                state.screen.retain(|earlier| !arrival.replaces(earlier));
                if state.screen.len() == REMEMBERED {
                    state.screen.remove(0);
                }
                state.screen.push(arrival.clone());
            }
            if state.arrivals.len() == REMEMBERED {
                state.arrivals.pop_front();
            }
            state.arrivals.push_back(arrival);
        });
    }

    /// The last 1,024 arrivals, oldest first.
    pub fn arrivals(&self) -> Vec<A> {
        self.lock().arrivals.iter().cloned().collect()
    }

    /// What the screen shows, oldest first.
    pub fn screen(&self) -> Vec<A> {
        self.lock().screen.clone()
    }

    /// The number on the icon.
    pub fn badge(&self) -> u32 {
        self.lock().badge
    }

    /// How many pushes have arrived.
    pub fn arrived(&self) -> u64 {
        *self.0.arrived.borrow()
    }

    /// Completes when at least `count` pushes have arrived, and returns the last.
    pub async fn wait_for(&self, count: u64) -> Option<A> {
        let mut arrived = self.0.arrived.subscribe();
        // The sender lives in `self`.
        arrived
            .wait_for(|arrived| *arrived >= count)
            .await
            .map(drop)
            .unwrap_or(());
        self.lock().arrivals.back().cloned()
    }

    /// Takes the newest notification that `which` names from the screen, as a tap does.
    pub fn tap(&self, which: impl Fn(&A) -> bool) -> Option<A> {
        let mut state = self.lock();
        let at = state.screen.iter().rposition(which)?;
        Some(state.screen.remove(at))
    }

    /// Empties the screen, sets the badge to zero and drops what waits; with `arrivals` also what arrived. The count of
    /// arrivals stays.
    pub fn clear(&self, arrivals: bool) {
        let mut state = self.lock();
        state.screen.clear();
        state.kept.clear();
        state.badge = 0;
        if arrivals {
            state.arrivals.clear();
        }
    }

    /// Whether the phone is off.
    pub fn is_off(&self) -> bool {
        self.lock().off
    }

    /// Switches the phone off: the vendor keeps pushes with [`Inbox::keep`] instead of handing them over.
    pub fn switch_off(&self) {
        self.lock().off = true;
    }

    /// Keeps a push until `until` for a phone that is off, in place of those that `covers` names, which it returns. The oldest
    /// of [`REMEMBERED`] makes room for one more.
    pub fn keep(&self, arrival: A, until: Timestamp, covers: impl Fn(&A) -> bool) -> Vec<A> {
        let mut state = self.lock();
        let (covered, rest): (VecDeque<_>, VecDeque<_>) =
            state.kept.drain(..).partition(|(kept, _)| covers(kept));
        state.kept = rest;
        if state.kept.len() == REMEMBERED {
            state.kept.pop_front();
        }
        state.kept.push_back((arrival, until));
        covered.into_iter().map(|(covered, _)| covered).collect()
    }

    /// How many pushes are kept.
    pub fn kept(&self) -> usize {
        self.lock().kept.len()
    }

    /// Drops the oldest push that is kept.
    pub fn drop_oldest(&self) -> Option<A> {
        self.lock().kept.pop_front().map(|(oldest, _)| oldest)
    }

    /// Drops every push that is kept.
    pub fn drop_kept(&self) {
        self.lock().kept.clear();
    }

    /// Switches the phone on and returns what was kept and is not over at `now`, oldest first.
    pub fn switch_on(&self, now: Timestamp) -> Vec<A> {
        let mut state = self.lock();
        state.off = false;
        state
            .kept
            .drain(..)
            .filter(|(_, until)| now < *until)
            .map(|(kept, _)| kept)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> fmt::Debug for Inbox<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("arrived", &*self.0.arrived.borrow())
            .finish_non_exhaustive()
    }
}

/// An [`Inbox`] whose arrivals are JSON: what the control API reads.
pub trait View: Send + Sync {
    /// See [`Inbox::arrived`].
    fn arrived(&self) -> u64;

    /// At most `limit` of the remembered arrivals after the `after`-th, oldest first, each with its `number`.
    fn arrivals_after(&self, after: u64, limit: usize) -> Vec<Value>;

    /// The screen and the badge, as `{"screen": […], "badge": n}`.
    fn shown(&self) -> Value;

    /// What the app is given when a person clicks the newest notification on the screen.
    fn newest_click(&self) -> Option<Payload>;

    /// Forgets what arrived and what is shown. The count of arrivals stays.
    fn forget(&self);

    /// Completes when at least `count` pushes have arrived.
    fn wait(&self, count: u64) -> BoxFuture<'_, ()>;
}

impl<A: Arrives> View for Inbox<A> {
    fn arrived(&self) -> u64 {
        Self::arrived(self)
    }

    fn arrivals_after(&self, after: u64, limit: usize) -> Vec<Value> {
        let state = self.lock();
        let first = *self.0.arrived.borrow() + 1 - state.arrivals.len() as u64;
        (first..)
            .zip(&state.arrivals)
            .filter(|(number, _)| *number > after)
            .take(limit)
            .map(|(number, arrival)| json!({ "number": number, "push": arrival.to_json() }))
            .collect()
    }

    fn shown(&self) -> Value {
        let state = self.lock();
        let screen: Vec<_> = state.screen.iter().map(Arrives::to_json).collect();
        json!({ "screen": screen, "badge": state.badge })
    }

    fn newest_click(&self) -> Option<Payload> {
        self.lock().screen.last()?.click_payload()
    }

    fn forget(&self) {
        self.clear(true);
    }

    fn wait(&self, count: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.wait_for(count).await) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{block_on, sample};

    #[derive(Clone, Debug, PartialEq)]
    struct Note(&'static str, bool);

    impl Arrives for Note {
        fn is_shown(&self) -> bool {
            self.1
        }

        fn replaces(&self, earlier: &Self) -> bool {
            self.0 == earlier.0
        }

        fn badge_after(&self, now: u32) -> u32 {
            now + 1
        }

        fn to_json(&self) -> Value {
            json!(self.0)
        }

        fn click_payload(&self) -> Option<Payload> {
            Some(Payload::intent(self.0))
        }
    }

    #[test]
    fn the_screen_holds_the_last_of_each_and_the_arrivals_hold_all() {
        let inbox = Inbox::default();
        for note in [Note("a", true), Note("b", false), Note("a", true)] {
            inbox.receive(note);
        }
        assert_eq!(inbox.screen(), [Note("a", true)]);
        assert_eq!((inbox.arrived(), inbox.badge()), (3, 3));
        assert_eq!(
            inbox.arrivals_after(1, 1),
            [json!({ "number": 2, "push": "b" })]
        );
        let click = View::newest_click(&inbox);
        assert_eq!(click, Some(Payload::intent("a")));
        assert_eq!(inbox.tap(|note| note.0 == "a"), Some(Note("a", true)));
        assert_eq!(inbox.tap(|note| note.0 == "a"), None);
        inbox.forget();
        assert_eq!(inbox.arrivals(), []);
        assert_eq!(inbox.arrived(), 3);
        inbox.receive(Note("c", true));
        assert_eq!(
            inbox.arrivals_after(0, 9),
            [json!({ "number": 4, "push": "c" })]
        );
    }

    #[test]
    fn a_phone_remembers_a_bounded_number_of_arrivals() {
        let inbox = Inbox::default();
        for _ in 0..=REMEMBERED {
            inbox.receive(Note("a", true));
        }
        assert_eq!(inbox.arrivals().len(), REMEMBERED);
        assert_eq!(inbox.arrivals_after(0, 1)[0]["number"], 2);
    }

    #[test]
    fn what_was_kept_arrives_unless_it_is_over_or_covered() {
        let inbox = Inbox::default();
        inbox.switch_off();
        let minute = Duration::from_secs(60);
        let soon = sample::NOW + minute;
        let later = sample::NOW + 3 * minute;
        assert_eq!(inbox.keep(Note("over", true), soon, |_| false), []);
        assert_eq!(inbox.keep(Note("a", true), later, |_| false), []);
        assert_eq!(
            inbox.keep(Note("b", true), later, |kept| kept.0 == "a"),
            [Note("a", true)]
        );
        assert_eq!(inbox.kept(), 2);
        assert!(inbox.is_off());
        assert_eq!(inbox.switch_on(sample::NOW + 2 * minute), [Note("b", true)]);
        assert!(!inbox.is_off());
    }

    #[test]
    fn a_bounded_number_of_pushes_is_kept_for_a_phone_that_is_off() {
        let inbox = Inbox::default();
        inbox.switch_off();
        let later = sample::NOW + Duration::from_secs(60);
        inbox.keep(Note("oldest", true), later, |_| false);
        for _ in 0..REMEMBERED {
            inbox.keep(Note("a", true), later, |_| false);
        }
        let kept = inbox.switch_on(sample::NOW);
        assert_eq!(kept.len(), REMEMBERED);
        assert!(!kept.contains(&Note("oldest", true)));
    }

    #[test]
    fn a_wait_ends_with_the_arrival_it_waits_for() {
        block_on(async {
            let inbox = Inbox::default();
            let other = inbox.clone();
            let waiting = tokio::spawn(async move { other.wait_for(2).await });
            inbox.receive(Note("a", true));
            inbox.receive(Note("b", true));
            assert_eq!(waiting.await.unwrap(), Some(Note("b", true)));
        });
    }
}
