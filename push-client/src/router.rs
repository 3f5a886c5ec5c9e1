//! Routes a click to the handler that opens its target, exactly once.
use std::sync::Arc;

use push_core::{
    Click, Handled, Opened, Receipt, ReceiptKind,
    payload::{ClickTarget, Payload},
};

use crate::{
    Completed, Completion, Event,
    click::{ClickSource, delivery_of, receiver_of},
    event::Dropped,
    shared::Shared,
    state::{AccountKey, Current, PendingClick},
};

impl Shared {
    /// Handles a click on a notification.
    pub(crate) fn clicked(
        self: &Arc<Self>,
        source: ClickSource,
        payload: Payload,
        completion: &Completion,
    ) {
        let how = self.route(source, payload);
        self.finish(completion, how);
    }

    fn route(self: &Arc<Self>, source: ClickSource, payload: Payload) -> Completed {
        let parts = &self.parts;
        let now = parts.clock.now();
        let is_known = self
            .state()
            .is_known_click(&payload, source, now, &parts.settings);
        if is_known {
            self.emit(Event::DuplicateClick(source));
            return Completed::NoData;
        }
        let delivery = delivery_of(&payload);
        self.changed();
        self.receipt(&payload, ReceiptKind::Clicked);
        self.emit(Event::Clicked {
            source,
            delivery,
            payload: payload.clone(),
        });
        for interceptor in &parts.interceptors {
            if interceptor.hook.intercept(&payload) == Handled::Yes {
                self.emit(Event::Intercepted {
                    by: interceptor.name.clone(),
                });
                return Completed::NewData;
            }
        }
        let target = match payload.target(payload.shape().profile()) {
            Ok(target) => target,
            Err(why) => {
                self.emit(Event::NothingToOpen(why));
                return Completed::NoData;
            }
        };
        let receiver = receiver_of(&payload);
        let click = PendingClick {
            target: target.clone(),
            payload,
            owner: None,
        };
        let (replaced, is_logged_in) = {
            let mut state = self.state();
            let user = state.current.as_ref().map(|current| current.key().user);
            if let (Some(receiver), Some(user)) = (&receiver, &user)
                && receiver != user
            {
                // The notification belongs to another account.
                drop(state);
                self.emit_click_dropped(click, Dropped::OtherAccount);
                return Completed::NoData;
            }
            (state.keep_click(click), user.is_some())
        };
        if let Some(replaced) = replaced {
            self.changed();
            self.emit_click_dropped(replaced, Dropped::Replaced);
        }
        if is_logged_in {
            self.spawn_flush();
        } else {
            self.emit(Event::ClickPending(target));
        }
        Completed::NewData
    }

    /// Handles a push that arrived and was not clicked (S31).
    pub(crate) fn arrived(self: &Arc<Self>, payload: Payload, completion: &Completion) {
        self.receipt(&payload, ReceiptKind::Delivered);
        self.emit(Event::Received(payload));
        self.finish(completion, Completed::NewData);
    }

    fn receipt(&self, payload: &Payload, what: ReceiptKind) {
        let Some(delivery) = delivery_of(payload) else {
            return;
        };
        let receipt = Receipt::new(delivery, what, self.parts.clock.now());
        let dropped = self.state().queue_receipt(receipt, &self.parts.settings);
        self.changed();
        if dropped > 0 {
            self.emit(Event::ReceiptsDropped(dropped));
        }
        self.receipts.notify();
    }

    /// Completes now, or after the time-out if it was deferred (S34).
    fn finish(self: &Arc<Self>, completion: &Completion, how: Completed) {
        if completion.complete_unless_deferred(how) {
            self.emit(Event::Completed {
                how,
                timed_out: false,
            });
            return;
        }
        if completion.is_complete() {
            return;
        }
        let shared = Arc::clone(self);
        let completion = completion.clone();
        self.parts.runtime.spawn(async move {
            let timeout = shared.parts.settings.completion_timeout;
            let sleep = shared.parts.clock.sleep(timeout);
            tokio::select! {
                () = sleep => {}
                () = shared.closed() => {}
            }
            let how = Completed::Failed;
            if completion.complete(how) {
                shared.emit(Event::Completed {
                    how,
                    timed_out: true,
                });
            }
        });
    }

    /// Opens the pending click later, on the platform's main thread.
    pub(crate) fn spawn_flush(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.parts.runtime.spawn(async move {
            let phone = Arc::clone(&shared.parts.phone);
            phone.on_main(Box::new(move || shared.flush()));
        });
    }

    fn flush(self: &Arc<Self>) {
        if self.is_closed() {
            // The client closed before the job ran. The saved state does not list the click as opened, so it may be repeated.
            return;
        }
        let (pending, key, ready_count) = {
            let mut state = self.state();
            let Some(key) = state.current.as_ref().map(Current::key) else {
                return;
            };
            // It belongs to this account: the login dropped clicks of other accounts.
            let Some(pending) = state.pending.take() else {
                return;
            };
            (pending, key, state.ready_count)
        };
        let receiver = receiver_of(&pending.payload);
        if receiver.is_some_and(|receiver| receiver != key.user) {
            self.changed();
            self.emit_click_dropped(pending, Dropped::OtherAccount);
            return;
        }
        if self.open(&pending, &key) {
            // From now on a repetition is a duplicate.
            self.changed();
        } else {
            self.keep_for_later(pending, &key, ready_count);
        }
    }

    /// Calls the handlers in order. Returns `false` if the click has to wait.
    fn open(&self, pending: &PendingClick, key: &AccountKey) -> bool {
        let target = &pending.target;
        let click = Click::new(target.clone(), pending.payload.clone(), key.user.clone());
        let mut has_failed = false;
        let routes = self.parts.routes.iter();
        for handler in routes.filter(|route| route.hook.matches(target)) {
            let by = handler.name.clone();
            match handler.hook.open(&click) {
                Opened::Done => {
                    self.emit(Event::Opened {
                        by,
                        target: target.clone(),
                    });
                    return true;
                }
                Opened::NotReady => {
                    self.emit(Event::NotReady { by });
                    return false;
                }
                Opened::Failed(why) => {
                    has_failed = true;
                    self.emit(Event::OpenFailed { by, why });
                }
            }
        }
        if !has_failed {
            self.emit(Event::Unhandled(target.clone()));
        }
        true
    }

    /// Stores a click again, unless a later click or another account has replaced it meanwhile.
    fn keep_for_later(self: &Arc<Self>, click: PendingClick, key: &AccountKey, ready_count: u64) {
        let target: ClickTarget = click.target.clone();
        let mut state = self.state();
        let current = state.current.as_ref();
        let is_same = current.is_some_and(|current| current.key() == *key);
        let dropped = if !is_same {
            Some((click, Dropped::OtherAccount))
        } else if state.pending.is_some() {
            Some((click, Dropped::Replaced))
        } else {
            state.pending = Some(click);
            None
        };
        self.changed();
        // The app became ready after the handler had returned `NotReady`.
        let again = state.ready_count != ready_count;
        drop(state);
        match dropped {
            Some((click, why)) => self.emit_click_dropped(click, why),
            None if again => self.spawn_flush(),
            None => self.emit(Event::ClickPending(target)),
        }
    }

    /// Routes the pending click again, because the app can open targets now (S30).
    pub(crate) fn ready(self: &Arc<Self>) {
        self.state().ready_count += 1;
        self.spawn_flush();
    }
}
