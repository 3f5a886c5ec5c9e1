//! Sharing the operating system's callbacks with those who had them before.
use std::{
    cell::RefCell,
    fmt,
    mem::{Discriminant, discriminant},
    sync::{Arc, Mutex, PoisonError},
};

use push_core::{Slot, payload::Payload};

use crate::{Completion, Token};

/// A callback of the operating system.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HostEvent {
    /// The app was started; by a click on a notification, if there is a payload.
    Launched(Option<Payload>),
    /// A token arrived.
    TokenArrived(Slot, Token),
    /// There is no token, and why.
    TokenFailed(Slot, String),
    /// A person clicked on a notification while the app was alive.
    Clicked(Payload, Completion),
    /// A push arrived without anybody clicking.
    Arrived(Payload, Completion),
    /// The app is in foreground.
    Foreground,
    /// The app is in background.
    Background,
}

/// An observer of the operating system's callbacks: the app, a library, or the client.
pub trait HostObserver: fmt::Debug + Send + Sync + 'static {
    /// Hears one. Must not block.
    fn heard(&self, event: &HostEvent);
}

/// The observers of a place where the operating system has room for one only (an app delegate, a notification-center
/// delegate, a messaging service).
///
/// Take-over without taking away: whoever was installed before is called first and keeps being called, also after a logout
/// (S48, S49); installing twice is a no-op; observers that forward to each other end where they began.
///
/// The code that belongs to a platform installs the observer it found in that place, puts itself there, and calls
/// [`HostHooks::dispatch`]; [`Builder::hooks`](crate::Builder::hooks) adds the client.
#[derive(Default)]
pub struct HostHooks {
    observers: Mutex<Vec<Arc<dyn HostObserver>>>,
}

thread_local! {
    /// What is being dispatched on this thread, and by whom.
    static UNDER_WAY: RefCell<Vec<(usize, Discriminant<HostEvent>)>> = const { RefCell::new(Vec::new()) };
}

impl HostHooks {
    /// Without observers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `observer` behind those that are there. Returns `true` if it is new.
    pub fn install(&self, observer: Arc<dyn HostObserver>) -> bool {
        let mut observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = !observers.iter().any(|it| Arc::ptr_eq(it, &observer));
        if is_new {
            observers.push(observer);
        }
        is_new
    }

    /// Takes `observer` out. Returns `true` if it was there.
    pub fn remove(&self, observer: &Arc<dyn HostObserver>) -> bool {
        let mut observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = observers.len();
        observers.retain(|it| !Arc::ptr_eq(it, observer));
        observers.len() < before
    }

    /// Lets every observer hear `event`, in the order of installation. A [`Completion`] in it is theirs first: who does not
    /// complete or [defer](Completion::defer) it leaves it to the client, and without a client to this.
    ///
    /// A nested dispatch of the same kind of event, which an observer's forwarding causes, is the one under way already, and
    /// goes nowhere.
    pub fn dispatch(&self, event: &HostEvent) {
        let key = (std::ptr::from_ref(self).addr(), discriminant(event));
        let Some(_guard) = UnderWay::enter(key) else {
            return;
        };
        let observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for observer in &observers {
            observer.heard(event);
        }
        if observers.is_empty()
            && let HostEvent::Clicked(_, completion) | HostEvent::Arrived(_, completion) = event
        {
            completion.complete_unless_deferred(crate::Completed::NoData);
        }
    }
}

impl fmt::Debug for HostHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the observers: one may hold these hooks.
        let observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        write!(f, "HostHooks({} observers)", observers.len())
    }
}

struct UnderWay;

impl UnderWay {
    fn enter(key: (usize, Discriminant<HostEvent>)) -> Option<Self> {
        UNDER_WAY.with_borrow_mut(|it| {
            if it.contains(&key) {
                return None;
            }
            it.push(key);
            Some(Self)
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.with_borrow_mut(|it| it.pop());
    }
}
