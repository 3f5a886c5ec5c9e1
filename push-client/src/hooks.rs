//! Shares the operating system's callbacks among several observers.
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
    /// The app was started, by a click on a notification if there is a payload.
    Launched(Option<Payload>),
    /// A token arrived.
    TokenArrived(Slot, Token),
    /// There is no token, and why.
    TokenFailed(Slot, String),
    /// A notification was clicked while the app was running.
    Clicked(Payload, Completion),
    /// A push arrived and was not clicked.
    Arrived(Payload, Completion),
    /// The app is in foreground.
    Foreground,
    /// The app is in background.
    Background,
}

/// An observer of the operating system's callbacks: the app, a library, or the client.
pub trait HostObserver: fmt::Debug + Send + Sync + 'static {
    /// Handles one callback. Must not block.
    fn on_event(&self, event: &HostEvent);
}

/// The observers of a callback for which the operating system accepts only one receiver (an app delegate, a
/// notification-center delegate, a messaging service).
///
/// An observer that was installed earlier is called first, and is still called after the client is installed and after a logout
/// (S48, S49). Installing an observer twice is a no-op. Observers that forward to each other do not loop.
///
/// The platform's code installs the receiver that it found, registers itself with the operating system instead, and calls
/// [`HostHooks::dispatch`]; [`Builder::hooks`](crate::Builder::hooks) adds the client.
#[derive(Default)]
pub struct HostHooks {
    observers: Mutex<Vec<Arc<dyn HostObserver>>>,
}

thread_local! {
    /// The hooks and events that this thread is dispatching.
    static UNDER_WAY: RefCell<Vec<(usize, Discriminant<HostEvent>)>> = const { RefCell::new(Vec::new()) };
}

impl HostHooks {
    /// Returns hooks without observers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `observer` after the others. Returns `true` if it is new.
    pub fn install(&self, observer: Arc<dyn HostObserver>) -> bool {
        let mut observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = !observers.iter().any(|known| Arc::ptr_eq(known, &observer));
        if is_new {
            observers.push(observer);
        }
        is_new
    }

    /// Removes `observer`. Returns `true` if it was installed.
    pub fn remove(&self, observer: &Arc<dyn HostObserver>) -> bool {
        let mut observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = observers.len();
        observers.retain(|known| !Arc::ptr_eq(known, observer));
        observers.len() < before
    }

    /// Calls every observer with `event`, in the order of installation. An observer may complete or [defer](Completion::defer) a
    /// [`Completion`] in it; otherwise the client completes it, or this method if there is no observer.
    ///
    /// A nested dispatch of the same kind of event comes from an observer that forwards it, and is ignored.
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
            observer.on_event(event);
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
        // Without the observers: one of them may hold these hooks.
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
        UNDER_WAY.with_borrow_mut(|events| {
            if events.contains(&key) {
                return None;
            }
            events.push(key);
            Some(Self)
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.with_borrow_mut(Vec::pop);
    }
}
