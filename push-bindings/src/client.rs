//! The client, as the app calls it.
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use push_client::{FileState, SlotState};
use push_core::payload::Payload;
use push_login_auto::AutoLogin;
use push_login_manual::ManualLogin;
use tokio::{
    runtime::{Handle, Runtime},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    AppError, CallHandler, Config, ErrorKind, Event, EventListener, Interceptor, LoginCenter,
    PayloadShape, Platform, PushError, RouteHandler, Slot, Token,
    event::pump,
    faults::Faults,
    handlers::{Calls, Chats, First},
    login::account,
    platform::Phone,
};

/// How long the end may take: saving the state, and what the listener does with the last events.
const END: Duration = Duration::from_secs(5);

/// The door through which a click came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Door {
    /// The app was started by it: launch options, the first intent.
    Launch,
    /// The operating system called back: a notification-center response.
    Response,
    /// The running app was brought forward by it: a new intent.
    Warm,
}

impl From<Door> for push_client::Door {
    fn from(door: Door) -> Self {
        match door {
            Door::Launch => Self::Launch,
            Door::Response => Self::Response,
            Door::Warm => Self::Warm,
        }
    }
}

/// What a platform is told when a callback is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Completed {
    /// There was something new.
    NewData,
    /// There was nothing new.
    NoData,
    /// It went wrong.
    Failed,
}

/// A platform's completion callback: called exactly once. The app implements it where the platform has one.
#[uniffi::export(with_foreign)]
pub trait Completion: Send + Sync {
    /// The client is done.
    ///
    /// # Errors
    /// Told as an event.
    fn complete(&self, how: Completed) -> Result<(), AppError>;
}

/// How far a token has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum TokenState {
    /// Push is switched off for this device.
    Off,
    /// The platform has not given a token yet.
    NoToken,
    /// The token is known but not at the gateway: `words` say why.
    Waiting,
    /// The token is on its way to the gateway.
    Uploading,
    /// The gateway has the token.
    Uploaded,
}

/// How far a token has come, and why no further: the first thing to look at when no push arrives.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct TokenStatus {
    /// How far.
    pub state: TokenState,
    /// The IM SDK's number for why it waits, as 21005 for nobody logged in.
    pub code: Option<u32>,
    /// The state in words, with what to do.
    pub words: String,
    /// What will keep an uploaded token from working nevertheless, as `environment-mismatch`.
    pub warning: Option<String>,
    /// Since when the gateway has it, in milliseconds since 1970.
    pub uploaded_at_ms: Option<i64>,
}

impl From<SlotState> for TokenStatus {
    fn from(state: SlotState) -> Self {
        let status = |state, words: &str| Self {
            state,
            code: None,
            words: words.to_owned(),
            warning: None,
            uploaded_at_ms: None,
        };
        match state {
            SlotState::Off => status(
                TokenState::Off,
                "push is switched off for this device; set_push switches it on",
            ),
            SlotState::Waiting(error) => Self {
                code: error.code(),
                ..status(TokenState::Waiting, &error.to_string())
            },
            SlotState::Uploading => status(
                TokenState::Uploading,
                "the token is on its way to the gateway",
            ),
            SlotState::Uploaded { at, warning } => Self {
                warning: warning.as_ref().map(|it| it.code.clone()),
                uploaded_at_ms: Some(at.unix_millis()),
                ..match warning {
                    None => status(TokenState::Uploaded, "the gateway has the token"),
                    Some(warning) => status(TokenState::Uploaded, &warning.text),
                }
            },
            _ => status(
                TokenState::NoToken,
                "the platform has not given a token yet",
            ),
        }
    }
}

/// The app half of offline push: registers this device with login and logout, and opens what a click names.
///
/// Methods may be called from any thread and return at once, but for `stop`.
#[derive(uniffi::Object)]
pub struct PushClient {
    client: push_client::PushClient,
    logins: Arc<LoginCenter>,
    manual: ManualLogin,
    shape: PayloadShape,
    faults: Faults,
    running: Mutex<Option<Running>>,
    ended: Arc<Ended>,
}

/// Whether shutdown has finished.
#[derive(Default)]
struct Ended {
    is_so: Mutex<bool>,
    changed: Condvar,
}

impl Ended {
    /// Waits for it, also if another caller began it.
    fn wait(&self) {
        let is_so = self.is_so.lock().unwrap_or_else(PoisonError::into_inner);
        // Each of its three parts is bounded; a callback that hangs must not hang the app.
        drop(
            self.changed
                .wait_timeout_while(is_so, 3 * END, |is_so| !*is_so),
        );
    }
}

/// A shutdown in progress: finished when this is dropped, also by a panic.
struct Ending(Arc<Ended>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.is_so.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// What ends with the client.
struct Running {
    runtime: Runtime,
    pump: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

#[uniffi::export]
impl PushClient {
    /// Checks everything and starts. Nothing is asked of the phone or the person before the first login.
    ///
    /// Keep the client for as long as the app lives.
    ///
    /// # Errors
    /// `Config` if a certificate id is missing or zero, or anything else is unusable: the words say what to write where.
    /// `Conflict` if a newer version of the app wrote the state.
    #[uniffi::constructor(default(calls = None, interceptor = None, listener = None))]
    pub fn start(
        config: Config,
        platform: Arc<dyn Platform>,
        routes: Arc<dyn RouteHandler>,
        calls: Option<Arc<dyn CallHandler>>,
        interceptor: Option<Arc<dyn Interceptor>>,
        listener: Option<Arc<dyn EventListener>>,
    ) -> Result<Arc<Self>, PushError> {
        let checked = config.check()?;
        if Handle::try_current().is_ok() {
            return Err(PushError::new(
                ErrorKind::Config,
                "PushClient.start",
                "it was called inside a callback of another client, or inside an asynchronous runtime",
                "start the client where the app starts",
            ));
        }
        let (faults, told_faults) = Faults::new();
        let phone = Phone::new(platform, &checked, faults.clone());
        let logins = LoginCenter::new(checked.app);
        let manual = ManualLogin::new();
        let mut builder =
            push_client::PushClient::builder(Arc::new(phone), Arc::new(checked.gateway))
                .certificates(checked.certificates)
                .state(FileState::new(&config.state_path))
                .route("chats", Chats(routes, faults.clone()))
                .bridge("auto", Arc::new(AutoLogin::new(logins.center.clone())))
                .bridge("manual", Arc::new(manual.clone()));
        if let Some(calls) = calls {
            builder = builder.route("calls", Calls(calls, faults.clone()));
        }
        if let Some(interceptor) = interceptor {
            builder = builder.interceptor("app", First(interceptor, faults.clone()));
        }
        if let Some(folder) = config.extension_folder {
            builder = builder.extension_folder(folder);
        }
        if let Some(device) = checked.device {
            builder = builder.device(device);
        }
        let runtime = runtime()?;
        let client = match runtime.block_on(builder.start()) {
            Ok(client) => client,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error.into());
            }
        };
        let pump = listener.map(|it| listen(&runtime, &client, it, told_faults));
        Ok(Arc::new(Self {
            client,
            logins,
            manual,
            shape: checked.shape,
            faults,
            running: Mutex::new(Some(Running { runtime, pump })),
            ended: Arc::default(),
        }))
    }

    /// Where the app logs in and out if push shall follow by itself: the automatic bridge. Always the same object.
    pub fn login_center(&self) -> Arc<LoginCenter> {
        Arc::clone(&self.logins)
    }

    /// `user` has logged in: the manual bridge, for an app that does not use `login_center`. `ticket` is what the IM server got
    /// for this user from the gateway. The same again changes nothing; a new ticket renews it.
    ///
    /// # Errors
    /// If the user's id is not one.
    pub fn register_service(&self, user: String, ticket: String) -> Result<(), PushError> {
        let account = account(&self.logins.app, &user, ticket)?;
        self.manual.register_service(account);
        Ok(())
    }

    /// Whoever registered by `register_service` has logged out: nobody receives push on this device, nor does who was logged in
    /// when the app ended and has not logged in again. Fine if nobody did.
    pub fn unregister_service(&self) {
        self.manual.unregister_service();
    }

    /// A token came from the phone without being asked for, or anew. Kept while nobody is logged in, and uploaded as soon as
    /// somebody is.
    ///
    /// # Errors
    /// If it is not one that can be uploaded: empty (22003), too long (22004), or with characters that no token has. The token
    /// before stays good.
    pub fn token_received(&self, slot: Slot, token: Token) -> Result<(), PushError> {
        Ok(self.client.token_received(slot.into(), token.into())?)
    }

    /// The phone has no token, and why.
    pub fn token_failed(&self, slot: Slot, why: String) {
        self.client.token_failed(slot.into(), why);
    }

    /// A token is no longer valid, as when a Live Activity ended: the gateway forgets it.
    pub fn token_removed(&self, slot: Slot) {
        self.client.token_removed(slot.into());
    }

    /// The app was started by a click; `payload` is what `PayloadShape` says.
    pub fn launched(&self, payload: String) {
        self.client.launched(self.payload(&payload));
    }

    /// A person clicked on a notification. `completion` is called exactly once, when the client is done.
    #[uniffi::method(default(completion = None))]
    pub fn clicked(&self, door: Door, payload: String, completion: Option<Arc<dyn Completion>>) {
        let completion = self.completion(completion);
        self.client
            .clicked(door.into(), self.payload(&payload), completion);
    }

    /// A push arrived without anybody clicking: it is counted and opens nothing. `completion` is called exactly once.
    #[uniffi::method(default(completion = None))]
    pub fn arrived(&self, payload: String, completion: Option<Arc<dyn Completion>>) {
        let completion = self.completion(completion);
        self.client.arrived(self.payload(&payload), completion);
    }

    /// The app can open things now: a click that a handler was not ready for is tried again.
    pub fn ready(&self) {
        self.client.ready();
    }

    /// The app is in foreground: messages are not pushed. What failed is tried again at once.
    pub fn foreground(&self) {
        self.client.foreground();
    }

    /// The app is in background, with so many unread messages; none for the number that `set_unread` told.
    #[uniffi::method(default(unread = None))]
    pub fn background(&self, unread: Option<u32>) {
        self.client.background(unread);
    }

    /// An Android activity started: the first one means foreground.
    pub fn activity_started(&self) {
        self.client.activity_started();
    }

    /// An Android activity stopped: the last one means background, unless it is only being made anew
    /// (`isChangingConfigurations`).
    pub fn activity_stopped(&self, is_changing_configuration: bool) {
        self.client.activity_stopped(is_changing_configuration);
    }

    /// The number of unread messages: shown on the app's icon, and reported when the app goes to background.
    pub fn set_unread(&self, unread: u32) {
        self.client.set_unread(unread);
    }

    /// Switches push on or off for this device. It survives restarts and logins.
    pub fn set_push(&self, on: bool) {
        self.client.set_push(on);
    }

    /// How far the token of `slot` has come.
    pub fn token_status(&self, slot: Slot) -> TokenStatus {
        self.client.slot(slot.into()).into()
    }

    /// Who is logged in, as push sees it.
    pub fn user(&self) -> Option<String> {
        self.client.user().map(|it| it.to_string())
    }

    /// This installation's id. It survives restarts and new tokens.
    pub fn device(&self) -> String {
        self.client.device().to_string()
    }

    /// How often each kind of event has happened, by its name.
    pub fn counts(&self) -> HashMap<String, u64> {
        self.client
            .counts()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }

    /// Ends everything and waits until the state is saved, some seconds at most. What is not told to the gateway yet is told
    /// after the next start. After it no callback comes any more, but from inside a method that the app calls nevertheless. On the
    /// library's own thread, inside a callback, it only begins that, and a second call elsewhere waits.
    pub fn stop(&self) {
        self.end(Handle::try_current().is_err());
    }
}

impl PushClient {
    fn payload(&self, text: &str) -> Payload {
        self.shape.parse(text)
    }

    fn completion(&self, app: Option<Arc<dyn Completion>>) -> push_client::Completion {
        let Some(app) = app else {
            return push_client::Completion::none();
        };
        let faults = self.faults.clone();
        push_client::Completion::new(move |how| {
            let how = match how {
                push_client::Completed::NewData => Completed::NewData,
                push_client::Completed::NoData => Completed::NoData,
                push_client::Completed::Failed => Completed::Failed,
            };
            faults.watch("complete", app.complete(how), "done");
        })
    }

    /// Returns `true` once shutdown has finished.
    #[cfg(test)]
    pub(crate) fn has_ended(&self) -> bool {
        *self
            .ended
            .is_so
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Shuts down, once, and with `waits` returns only when that has finished. A callback must not wait: it would wait for
    /// itself.
    pub(crate) fn end(&self, waits: bool) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Running { runtime, pump }) = running {
            let client = self.client.clone();
            let ending = Ending(Arc::clone(&self.ended));
            // A thread of its own in any case: the caller may be inside a runtime.
            let thread = std::thread::Builder::new()
                .name("push-end".to_owned())
                .spawn(move || {
                    let _ending = ending;
                    // Dropped before shutdown has finished: it holds the app's objects, and dropping those calls the app.
                    let client = client;
                    runtime.block_on(async {
                        drop(timeout(END, client.close()).await);
                        if let Some((stop, pump)) = pump {
                            // Gone already: then there is nothing to stop.
                            stop.send(()).ok();
                            drop(timeout(END, pump).await);
                        }
                    });
                    // After this, no callback is under way.
                    runtime.shutdown_timeout(END);
                });
            if let Err(error) = thread {
                tracing::warn!(target: "push_client", "the state may not be saved: no thread could be started: {error}");
            }
        }
        if waits {
            self.ended.wait();
        }
    }
}

impl Drop for PushClient {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl fmt::Debug for PushClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

fn runtime() -> Result<Runtime, PushError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("push")
        .enable_all()
        .build()
        .map_err(|error| {
            PushError::new(
                ErrorKind::Unavailable,
                "PushClient.start",
                format!("no thread could be started: {error}"),
                "end what else runs in this process, and start again",
            )
        })
}

fn listen(
    runtime: &Runtime,
    client: &push_client::PushClient,
    listener: Arc<dyn EventListener>,
    faults: mpsc::Receiver<Event>,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let pump = runtime.spawn(pump(listener, client.subscribe(), faults, stopped));
    (stop, pump)
}
