//! The client's interface to the app.
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

/// The time limit of each part of the shutdown: saving the state, and passing the last events to the listener.
const END: Duration = Duration::from_secs(5);

/// The way in which the operating system reported a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ClickSource {
    /// The click started the app: launch options, the first intent.
    Launch,
    /// The operating system called a delegate: a notification-center response.
    Response,
    /// The click brought the running app to the foreground: a new intent.
    Warm,
}

impl From<ClickSource> for push_client::ClickSource {
    fn from(source: ClickSource) -> Self {
        match source {
            ClickSource::Launch => Self::Launch,
            ClickSource::Response => Self::Response,
            ClickSource::Warm => Self::Warm,
        }
    }
}

/// The result that a platform receives when a callback is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Completed {
    /// There was new data.
    NewData,
    /// There was no new data.
    NoData,
    /// The work failed.
    Failed,
}

/// A platform's completion callback: called exactly once. The app implements it where the platform has one.
#[uniffi::export(with_foreign)]
pub trait Completion: Send + Sync {
    /// Completes the callback.
    ///
    /// # Errors
    /// Reported as an event.
    fn complete(&self, how: Completed) -> Result<(), AppError>;
}

/// How far a token has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum TokenState {
    /// Push is switched off for this device.
    Off,
    /// The platform has not returned a token yet.
    NoToken,
    /// The token is known but not at the gateway: `text` says why.
    Waiting,
    /// The token is being uploaded.
    Uploading,
    /// The gateway has the token.
    Uploaded,
}

/// How far a token has come, and why no further. Check it first when no push arrives.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct TokenStatus {
    /// How far.
    pub state: TokenState,
    /// The IM SDK's number for why it waits, such as 21005 while no user is logged in.
    pub code: Option<u32>,
    /// A description of the state, with the next step.
    pub text: String,
    /// Why pushes to an uploaded token will fail nevertheless, such as `environment-mismatch`.
    pub warning: Option<String>,
    /// When the gateway confirmed it, in milliseconds since 1970.
    pub uploaded_at_ms: Option<i64>,
}

impl From<SlotState> for TokenStatus {
    fn from(state: SlotState) -> Self {
        let status = |state, text: &str| Self {
            state,
            code: None,
            text: text.to_owned(),
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
            SlotState::Uploading => status(TokenState::Uploading, "the token is being uploaded"),
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
                "the platform has not returned a token yet",
            ),
        }
    }
}

/// The app half of offline push: registers this device at login, unregisters it at logout, and opens the target of a click.
///
/// Methods may be called from any thread. All but `stop` return at once.
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
    /// Waits until shutdown has finished, also if another caller began it.
    fn wait(&self) {
        let is_so = self.is_so.lock().unwrap_or_else(PoisonError::into_inner);
        // Each of the three parts has a time limit; a callback that hangs must not hang the app.
        drop(
            self.changed
                .wait_timeout_while(is_so, 3 * END, |is_so| !*is_so),
        );
    }
}

/// A shutdown in progress. Dropping it marks the shutdown as finished, also after a panic.
struct Ending(Arc<Ended>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.is_so.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// The parts that end with the client.
struct Running {
    runtime: Runtime,
    pump: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

#[uniffi::export]
impl PushClient {
    /// Checks the configuration and starts the client. The client requests nothing from the phone or the user before the first login.
    ///
    /// Keep the client as long as the app runs.
    ///
    /// # Errors
    /// `Config` if a certificate id is missing or zero, or another part is unusable: the text says what to change.
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
                "start was called inside a callback of another client, or inside an asynchronous runtime",
                "start the client where the app starts",
            ));
        }
        let (faults, reported_faults) = Faults::new();
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
        let pump = listener.map(|listener| listen(&runtime, &client, listener, reported_faults));
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

    /// Returns the login center, the automatic bridge: push follows the app's logins there. Always the same object.
    pub fn login_center(&self) -> Arc<LoginCenter> {
        Arc::clone(&self.logins)
    }

    /// Reports that `user` has logged in: the manual bridge, for an app that does not use `login_center`. `ticket` is the one that
    /// the IM server got for this user from the gateway. Repeating it changes nothing; a new ticket replaces the old one.
    ///
    /// # Errors
    /// If the user's id is invalid.
    pub fn register_service(&self, user: String, ticket: String) -> Result<(), PushError> {
        let account = account(&self.logins.app, &user, ticket)?;
        self.manual.register_service(account);
        Ok(())
    }

    /// Reports that the user of `register_service` has logged out: no user gets pushes on this device any more. That includes the
    /// user of the app's last process who has not logged in again. Does nothing if there is none.
    pub fn unregister_service(&self) {
        self.manual.unregister_service();
    }

    /// Reports a token that the phone returned without a request, or a changed one. It is stored while no user is logged in, and
    /// uploaded at the next login.
    ///
    /// # Errors
    /// If the token cannot be uploaded: it is empty (22003), too long (22004), or has characters that are not allowed. The earlier
    /// token stays registered.
    pub fn token_received(&self, slot: Slot, token: Token) -> Result<(), PushError> {
        Ok(self.client.token_received(slot.into(), token.into())?)
    }

    /// Reports that the phone has no token, and why.
    pub fn token_failed(&self, slot: Slot, why: String) {
        self.client.token_failed(slot.into(), why);
    }

    /// Reports that a token is no longer valid, for example because a Live Activity has ended. The client unregisters it.
    pub fn token_removed(&self, slot: Slot) {
        self.client.token_removed(slot.into());
    }

    /// Reports that the app was started by a click. `payload` has the form of the configured `PayloadShape`.
    pub fn launched(&self, payload: String) {
        self.client.launched(self.payload(&payload));
    }

    /// Reports a click on a notification. `completion` is called exactly once, when the client has handled the click.
    #[uniffi::method(default(completion = None))]
    pub fn clicked(
        &self,
        source: ClickSource,
        payload: String,
        completion: Option<Arc<dyn Completion>>,
    ) {
        let completion = self.completion(completion);
        self.client
            .clicked(source.into(), self.payload(&payload), completion);
    }

    /// Reports that a push arrived and was not clicked. It is counted and opens nothing. `completion` is called exactly once.
    #[uniffi::method(default(completion = None))]
    pub fn arrived(&self, payload: String, completion: Option<Arc<dyn Completion>>) {
        let completion = self.completion(completion);
        self.client.arrived(self.payload(&payload), completion);
    }

    /// Reports that the app can open targets now. A click for which a handler was not ready is routed again.
    pub fn ready(&self) {
        self.client.ready();
    }

    /// Reports that the app is in foreground, where messages are not pushed. Failed requests are retried at once.
    pub fn foreground(&self) {
        self.client.foreground();
    }

    /// Reports that the app is in background, with this number of unread messages; none for the number of `set_unread`.
    #[uniffi::method(default(unread = None))]
    pub fn background(&self, unread: Option<u32>) {
        self.client.background(unread);
    }

    /// Reports that an Android activity started. The first one means foreground.
    pub fn activity_started(&self) {
        self.client.activity_started();
    }

    /// Reports that an Android activity stopped. The last one means background, unless the activity is only recreated
    /// (`isChangingConfigurations`).
    pub fn activity_stopped(&self, is_changing_configuration: bool) {
        self.client.activity_stopped(is_changing_configuration);
    }

    /// Sets the number of unread messages. It is shown on the app's icon, and reported when the app goes to background.
    pub fn set_unread(&self, unread: u32) {
        self.client.set_unread(unread);
    }

    /// Switches push on or off for this device. The setting stays over restarts and logins.
    pub fn set_push(&self, on: bool) {
        self.client.set_push(on);
    }

    /// Returns how far the token of `slot` has come.
    pub fn token_status(&self, slot: Slot) -> TokenStatus {
        self.client.slot(slot.into()).into()
    }

    /// Returns the user for whom push is registered.
    pub fn user(&self) -> Option<String> {
        self.client.user().map(|it| it.to_string())
    }

    /// Returns this installation's id. It stays the same over restarts and token changes.
    pub fn device(&self) -> String {
        self.client.device().to_string()
    }

    /// Returns how often each kind of event has happened, by its name.
    pub fn counts(&self) -> HashMap<String, u64> {
        self.client
            .counts()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }

    /// Stops the client and waits until the state is saved, some seconds at most. Pending reports are sent after the next start.
    /// After it has returned, no callback is called any more, except by a method that the app calls. On the library's own thread,
    /// inside a callback, it only starts the shutdown; a second call on another thread waits for it.
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

    /// Shuts down once, and with `waits` returns only when shutdown has finished. A callback must not wait, because shutdown waits
    /// for the callback.
    pub(crate) fn end(&self, waits: bool) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Running { runtime, pump }) = running {
            let client = self.client.clone();
            let ending = Ending(Arc::clone(&self.ended));
            // On a thread of its own, because the caller may be inside a runtime.
            let thread = std::thread::Builder::new()
                .name("push-end".to_owned())
                .spawn(move || {
                    let _ending = ending;
                    // Dropped before shutdown has finished: the client holds the app's objects, and dropping those calls the app.
                    let client = client;
                    runtime.block_on(async {
                        drop(timeout(END, client.close()).await);
                        if let Some((stop, pump)) = pump {
                            // The task has ended already.
                            stop.send(()).ok();
                            drop(timeout(END, pump).await);
                        }
                    });
                    // After this, no callback is running.
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
                "end other threads of this process, and start again",
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
