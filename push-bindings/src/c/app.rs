//! Calls the app's functions, and none after the client was closed.
use std::{
    cell::Cell,
    collections::BTreeMap,
    ffi::c_void,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    answers,
    callbacks::{Callbacks, Completion, slot_number, with_entity, with_event},
    fault::not_open,
    text::c_string,
};
use crate::{
    AppError, Call, CallHandler, Completed, Entity, Event, EventListener, Interceptor, Job, Opened,
    PermissionAnswer, Platform, PushError, RouteHandler, Slot, TokenAnswer,
};

thread_local! {
    /// The number of callbacks that are running on this thread.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Returns `true` if this thread is inside a callback.
pub(super) fn is_inside_callback() -> bool {
    INSIDE.get() > 0
}

/// The app's functions, as long as its client is open.
pub(super) struct App {
    callbacks: Callbacks,
    /// The client's name.
    pub(super) client: usize,
    gate: Mutex<Gate>,
    changed: Condvar,
    completions: Mutex<Completions>,
}

#[derive(Default)]
struct Gate {
    is_closed: bool,
    /// The number of callbacks that are running on all threads.
    under_way: usize,
}

#[derive(Default)]
struct Completions {
    /// Whether the client is being closed, so that no completion is stored any more.
    is_closed: bool,
    last: u64,
    open: BTreeMap<u64, (Completion, UserData)>,
}

/// The `user_data` of a completion callback.
struct UserData(*mut c_void);
// SAFETY: the pointer is not dereferenced here; it is only passed back to a function that the header requires to be callable
// from any thread.
unsafe impl Send for UserData {}

/// Counts a callback as running, on this thread and in total.
struct UnderWay<'a>(&'a App);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
        self.0.gate().under_way -= 1;
        self.0.changed.notify_all();
    }
}

impl App {
    pub(super) fn new(callbacks: Callbacks, client: usize) -> Arc<Self> {
        Arc::new(Self {
            callbacks,
            client,
            gate: Mutex::default(),
            changed: Condvar::new(),
            completions: Mutex::default(),
        })
    }

    pub(super) fn has_calls(&self) -> bool {
        self.callbacks.answer_call.is_some()
    }

    pub(super) fn has_interceptor(&self) -> bool {
        self.callbacks.process_notification.is_some()
    }

    pub(super) fn has_listener(&self) -> bool {
        self.callbacks.event.is_some()
    }

    /// Runs `call` unless the client is closed; [`App::close`] waits until it has returned.
    fn call<T>(&self, call: impl FnOnce(&Callbacks) -> T) -> Result<T, AppError> {
        {
            let mut gate = self.gate();
            if gate.is_closed {
                return Err(failed("the client is closed"));
            }
            gate.under_way += 1;
        }
        INSIDE.set(INSIDE.get() + 1);
        let _under_way = UnderWay(self);
        Ok(call(&self.callbacks))
    }

    /// Prevents further callbacks and waits for running ones. Returns `false` if one has not returned after `limit`.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut gate = self.gate();
        gate.is_closed = true;
        while gate.under_way > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            gate = self
                .changed
                .wait_timeout(gate, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Stores a platform's completion callback; `None` if there is none.
    ///
    /// # Errors
    /// If the client is being closed, so that it would never be called.
    pub(super) fn keep(
        self: &Arc<Self>,
        completion: Completion,
        user_data: *mut c_void,
    ) -> Result<Option<Arc<dyn crate::Completion>>, PushError> {
        if completion.is_none() {
            return Ok(None);
        }
        let mut completions = self.completions();
        if completions.is_closed {
            return Err(not_open());
        }
        completions.last += 1;
        let number = completions.last;
        completions
            .open
            .insert(number, (completion, UserData(user_data)));
        drop(completions);
        Ok(Some(Arc::new(Done {
            app: Arc::clone(self),
            number,
        })))
    }

    /// Calls the completion of that number unless it was called before.
    fn complete(&self, number: u64, how: i32) -> Result<(), AppError> {
        self.call(|_| {
            // Taken only inside the call: otherwise it would be lost if the client is closed.
            let kept = self.completions().open.remove(&number);
            if let Some((Some(completion), user_data)) = kept {
                // SAFETY: the function has the type in the header and gets its `user_data`.
                unsafe { completion(how, user_data.0) };
            }
        })
    }

    /// Calls every completion that is still open, because the platform waits for it, and accepts no more.
    pub(super) fn complete_all(&self) {
        let open: Vec<u64> = {
            let mut completions = self.completions();
            completions.is_closed = true;
            completions.open.keys().copied().collect()
        };
        for number in open {
            // The client is closed: there is no receiver for the error.
            drop(self.complete(number, how_number(Completed::Failed)));
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn completions(&self) -> MutexGuard<'_, Completions> {
        self.completions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(why: impl Into<String>) -> AppError {
    AppError::Failed { why: why.into() }
}

/// `OFFLINE_PUSH_COMPLETED_…`
pub(super) const fn how_number(how: Completed) -> i32 {
    match how {
        Completed::NewData => 0,
        Completed::NoData => 1,
        Completed::Failed => 2,
    }
}

/// A platform's completion callback that the client holds. If the client drops it without calling it, it is called with `Failed`.
struct Done {
    app: Arc<App>,
    number: u64,
}

impl crate::Completion for Done {
    fn complete(&self, how: Completed) -> Result<(), AppError> {
        self.app.complete(self.number, how_number(how))
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        // Fails if the client is closed, which has completed it.
        drop(
            self.app
                .complete(self.number, how_number(Completed::Failed)),
        );
    }
}

impl Platform for App {
    fn hook(&self) -> Result<(), AppError> {
        self.call(|it| {
            if let Some(hook) = it.hook {
                // SAFETY: the function has the type in the header and gets its `user_data`.
                unsafe { hook(it.user_data) };
            }
        })
    }

    fn ask_permission(&self, answer: Arc<PermissionAnswer>) -> Result<(), AppError> {
        self.call(|it| {
            if let Some(ask) = it.ask_permission {
                let answer = answers::PERMISSIONS.give(self.client, answer);
                // SAFETY: the function has the type in the header and gets its `user_data`.
                unsafe { ask(answer, it.user_data) };
            }
        })
    }

    fn request_token(&self, slot: Slot, answer: Arc<TokenAnswer>) -> Result<(), AppError> {
        self.call(|it| {
            if let Some(request) = it.request_token {
                let answer = answers::TOKENS.give(self.client, answer);
                // SAFETY: the function has the type in the header and gets its `user_data`.
                unsafe { request(slot_number(slot), answer, it.user_data) };
            }
        })
    }

    fn set_badge(&self, badge: u32) -> Result<(), AppError> {
        self.call(|it| {
            if let Some(set_badge) = it.set_badge {
                // SAFETY: the function has the type in the header and gets its `user_data`.
                unsafe { set_badge(badge, it.user_data) };
            }
        })
    }

    fn on_main(&self, job: Arc<Job>) -> Result<(), AppError> {
        let Some(on_main) = self.callbacks.on_main else {
            job.run();
            return Ok(());
        };
        self.call(|it| {
            let job = answers::JOBS.give(self.client, job);
            // SAFETY: the function has the type in the header and gets its `user_data`.
            unsafe { on_main(job, it.user_data) };
        })
    }
}

impl RouteHandler for App {
    fn navigate_to_chat(&self, user_id: String, group_id: String) -> Result<Opened, AppError> {
        let (user, group) = (c_string(&user_id), c_string(&group_id));
        self.call(|it| {
            it.navigate_to_chat.map(|navigate| {
                // SAFETY: the function has the type in the header and gets its `user_data`; the texts outlive the call.
                unsafe { navigate(user.as_ptr(), group.as_ptr(), it.user_data) }
            })
        })
        .map(opened)
    }
}

impl CallHandler for App {
    fn answer_call(&self, call: Call) -> Result<Opened, AppError> {
        let user = call.user_id.as_deref().map(c_string);
        let group = call.group_id.as_deref().map(c_string);
        let at = |text: &Option<std::ffi::CString>| {
            text.as_ref().map_or(std::ptr::null(), |it| it.as_ptr())
        };
        self.call(|it| {
            it.answer_call.map(|answer| {
                with_entity(&call.entity, |entity| {
                    // SAFETY: the function has the type in the header and gets its `user_data`; texts and struct outlive the call.
                    unsafe { answer(at(&user), at(&group), entity, it.user_data) }
                })
            })
        })
        .map(opened)
    }
}

fn opened(answer: Option<i32>) -> Opened {
    match answer {
        Some(0) => Opened::Done,
        Some(1) => Opened::NotReady,
        Some(other) => Opened::Failed {
            why: format!("the app answered {other}"),
        },
        None => Opened::Failed {
            why: "the app has no function for calls".to_owned(),
        },
    }
}

impl Interceptor for App {
    fn process_notification(
        &self,
        payload: String,
        entity: Option<Entity>,
    ) -> Result<bool, AppError> {
        let payload = c_string(&payload);
        self.call(|it| {
            let Some(process) = it.process_notification else {
                return false;
            };
            // SAFETY: the function has the type in the header and gets its `user_data`; text and struct outlive the call.
            let ask = |entity| unsafe { process(payload.as_ptr(), entity, it.user_data) };
            match &entity {
                Some(entity) => with_entity(entity, ask),
                None => ask(std::ptr::null()),
            }
        })
    }
}

impl EventListener for App {
    fn on_event(&self, event: Event) -> Result<(), AppError> {
        self.call(|it| {
            if let Some(hear) = it.event {
                // SAFETY: the function has the type in the header and gets its `user_data`; texts and struct outlive the call.
                with_event(&event, |event| unsafe { hear(event, it.user_data) });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{mem::MaybeUninit, sync::mpsc, thread};

    use super::*;

    type Channel = (mpsc::Sender<i32>, Mutex<mpsc::Receiver<()>>);

    /// Reports that it began, and waits until the test lets it return.
    unsafe extern "C" fn slow_hook(user_data: *mut c_void) {
        // SAFETY: the test hands over a `Channel` that outlives the app.
        let (began, may_return) = unsafe { &*user_data.cast::<Channel>() };
        began.send(0).expect("the test listens");
        let may_return = may_return.lock().expect("no test panics here");
        may_return.recv().expect("the test sends");
    }

    /// Records the result.
    unsafe extern "C" fn completed(how: i32, user_data: *mut c_void) {
        // SAFETY: the test hands over a `Channel` that outlives the app.
        let (results, _) = unsafe { &*user_data.cast::<Channel>() };
        results.send(how).expect("the test listens");
    }

    fn app(channel: &Channel) -> Arc<App> {
        // SAFETY: all zeros are a value of every `Grow`.
        let callbacks = unsafe { MaybeUninit::<Callbacks>::zeroed().assume_init() };
        let callbacks = Callbacks {
            user_data: std::ptr::from_ref(channel).cast_mut().cast(),
            hook: Some(slow_hook),
            ..callbacks
        };
        App::new(callbacks, 1)
    }

    fn channel() -> (Channel, mpsc::Receiver<i32>, mpsc::Sender<()>) {
        let (sender, results) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        ((sender, Mutex::new(gone)), results, go)
    }

    #[test]
    fn closing_waits_for_a_running_callback_and_none_begins_after_it() {
        let (channel, results, go) = channel();
        let app = app(&channel);
        thread::scope(|threads| {
            threads.spawn(|| app.hook().expect("the client is open"));
            assert_eq!(results.recv(), Ok(0));
            assert!(
                !app.close(Duration::ZERO),
                "the call does not wait for a callback"
            );
            let closing = threads.spawn(|| app.close(Duration::from_secs(60)));
            go.send(()).expect("the callback listens");
            assert!(closing.join().expect("it closes"));
        });
        assert!(app.hook().is_err());
        assert_eq!(results.try_recv(), Err(mpsc::TryRecvError::Empty));
        assert!(!is_inside_callback());
    }

    #[test]
    fn a_completion_is_called_exactly_once() {
        let (channel, results, _go) = channel();
        let app = app(&channel);
        let data = std::ptr::from_ref(&channel).cast_mut().cast();
        let keep = || app.keep(Some(completed), data).expect("the client is open");
        let done = keep().expect("there is one");
        done.complete(Completed::NoData)
            .expect("the client is open");
        done.complete(Completed::NewData)
            .expect("the client is open");
        drop(done);
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [1]);
        drop(keep());
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [2]);
        let late = keep();
        app.complete_all();
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [2]);
        drop(late);
        assert!(app.keep(Some(completed), data).is_err());
        assert!(app.keep(None, data).is_ok_and(|it| it.is_none()));
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [0; 0]);
    }
    #[test]
    fn a_completion_that_finds_the_client_closed_is_left_for_the_end() {
        let (channel, results, _go) = channel();
        let app = app(&channel);
        let data = std::ptr::from_ref(&channel).cast_mut().cast();
        let done = app.keep(Some(completed), data).expect("the client is open");
        assert!(app.close(Duration::ZERO));
        let done = done.expect("there is one");
        assert!(done.complete(Completed::NewData).is_err());
        assert_eq!(
            app.completions().open.len(),
            1,
            "the completion is still stored"
        );
        assert_eq!(results.try_iter().collect::<Vec<_>>(), [0; 0]);
    }
}
