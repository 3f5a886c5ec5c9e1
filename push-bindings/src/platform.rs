//! The interface of the phone.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use push_client::Responder;
use push_core::Channel;

use crate::{AppError, Slot, config::Checked, faults::Faults};

/// The functions of the phone's operating system that push needs. The app implements it.
///
/// Methods must return at once. Nothing is requested before the first login.
#[uniffi::export(with_foreign)]
pub trait Platform: Send + Sync {
    /// Installs the app's observers of the operating system's callbacks, so that they reach the client. Called at every login,
    /// before any request. Keep forwarding to the earlier receivers.
    ///
    /// # Errors
    /// Reported as an event.
    fn hook(&self) -> Result<(), AppError>;

    /// Asks the user for permission to show notifications, and answers when the user has decided. The token is requested in any
    /// case.
    ///
    /// # Errors
    /// Counts as the answer that permission could not be requested.
    fn ask_permission(&self, answer: Arc<PermissionAnswer>) -> Result<(), AppError>;

    /// Requests the token of `slot` from the vendor. Keep `answer` until there is one: an answer that is released without a result
    /// counts as no token, and the token is requested again.
    ///
    /// # Errors
    /// Counts as no token.
    fn request_token(&self, slot: Slot, answer: Arc<TokenAnswer>) -> Result<(), AppError>;

    /// Sets the number on the app's icon; 0 removes it.
    ///
    /// # Errors
    /// Reported as an event.
    fn set_badge(&self, badge: u32) -> Result<(), AppError>;

    /// Runs `job` on the thread of the app's user interface, on which route and call handlers are called.
    ///
    /// # Errors
    /// Reported as an event; a click that could not be opened because of it waits for `PushClient.ready`.
    fn on_main(&self, job: Arc<Job>) -> Result<(), AppError>;
}

/// The user's answer to the request for permission to show notifications.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Permission {
    /// Granted, possibly provisionally.
    Granted,
    /// Denied.
    Denied,
    /// The request failed.
    Failed {
        /// Why.
        why: String,
    },
}

impl From<Permission> for push_client::Permission {
    fn from(it: Permission) -> Self {
        match it {
            Permission::Granted => Self::Granted,
            Permission::Denied => Self::Denied,
            Permission::Failed { why } => Self::Failed(why),
        }
    }
}

/// A token as the vendor issues it.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Token {
    /// Bytes, as from APNs.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Text, as from other vendors.
    Text {
        /// The text.
        text: String,
    },
}

impl From<Token> for push_client::Token {
    fn from(it: Token) -> Self {
        match it {
            Token::Bytes { bytes } => Self::Bytes(bytes),
            Token::Text { text } => Self::Text(text),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        push_client::Token::from(self.clone()).fmt(f)
    }
}

/// A value that is taken once.
struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    const fn new(it: T) -> Self {
        Self(Mutex::new(Some(it)))
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Receives one answer about permission.
#[derive(uniffi::Object)]
pub struct PermissionAnswer(Once<Responder<push_client::Permission>>);

impl PermissionAnswer {
    fn new(responder: Responder<push_client::Permission>) -> Arc<Self> {
        Arc::new(Self(Once::new(responder)))
    }
}

#[uniffi::export]
impl PermissionAnswer {
    /// Answers. Returns `false` if there was an answer before, which is kept.
    pub fn give(&self, permission: Permission) -> bool {
        let responder = self.0.take();
        let is_first = responder.is_some();
        if let Some(responder) = responder {
            responder.answer(permission.into());
        }
        is_first
    }
}

impl fmt::Debug for PermissionAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PermissionAnswer")
    }
}

/// Receives one answer about a token.
#[derive(uniffi::Object)]
pub struct TokenAnswer(Once<Responder<push_client::TokenAnswer>>);

impl TokenAnswer {
    fn new(responder: Responder<push_client::TokenAnswer>) -> Arc<Self> {
        Arc::new(Self(Once::new(responder)))
    }

    fn answer(&self, answer: push_client::TokenAnswer) -> bool {
        let responder = self.0.take();
        let is_first = responder.is_some();
        if let Some(responder) = responder {
            responder.answer(answer);
        }
        is_first
    }
}

#[uniffi::export]
impl TokenAnswer {
    /// Answers with the token. Returns `false` if there was an answer before, which is kept.
    pub fn give(&self, token: Token) -> bool {
        self.answer(Ok(token.into()))
    }

    /// Answers that there is none, and why; the token is requested again later. Returns `false` if there was an answer before.
    pub fn fail(&self, why: String) -> bool {
        self.answer(Err(why))
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer")
    }
}

/// A job that runs once.
#[derive(uniffi::Object)]
pub struct Job(Once<push_client::Job>);

#[uniffi::export]
impl Job {
    /// Runs the job. A second call does nothing.
    pub fn run(&self) {
        if let Some(job) = self.0.take() {
            job();
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// The adapter from the app's platform to the client's interface.
pub(crate) struct Phone {
    pub(crate) app: Arc<dyn Platform>,
    pub(crate) faults: Faults,
    pub(crate) channel: Channel,
    pub(crate) slots: Vec<push_core::Slot>,
    pub(crate) device_kind: Option<push_core::Platform>,
}

impl Phone {
    pub(crate) fn new(app: Arc<dyn Platform>, config: &Checked, faults: Faults) -> Self {
        Self {
            app,
            faults,
            channel: config.channel.clone(),
            slots: config.slots.clone(),
            device_kind: config.device_kind,
        }
    }
}

impl push_client::Phone for Phone {
    fn channel(&self) -> Channel {
        self.channel.clone()
    }

    fn slots(&self) -> Vec<push_core::Slot> {
        self.slots.clone()
    }

    fn device_kind(&self) -> Option<push_core::Platform> {
        self.device_kind
    }

    fn hook(&self) {
        self.faults.watch(
            "hook",
            self.app.hook(),
            "done: callbacks may not reach the client",
        );
    }

    fn ask_permission(&self, answer: Responder<push_client::Permission>) {
        let answer = PermissionAnswer::new(answer);
        if let Err(error) = self.app.ask_permission(Arc::clone(&answer)) {
            let why =
                self.faults
                    .report("ask_permission", error, "a failed request for permission");
            answer.give(Permission::Failed { why });
        }
    }

    fn request_token(&self, slot: push_core::Slot, answer: Responder<push_client::TokenAnswer>) {
        let answer = TokenAnswer::new(answer);
        if let Err(error) = self.app.request_token(slot.into(), Arc::clone(&answer)) {
            let why = self.faults.report("request_token", error, "no token");
            answer.fail(why);
        }
    }

    fn set_badge(&self, badge: u32) {
        self.faults
            .watch("set_badge", self.app.set_badge(badge), "done");
    }

    fn on_main(&self, job: push_client::Job) {
        let job = Arc::new(Job(Once::new(job)));
        self.faults.watch(
            "on_main",
            self.app.on_main(job),
            "not ready: the click waits for ready()",
        );
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// The channel of an Android phone with this `Build.BRAND` and `Build.MANUFACTURER`: that of its maker's push service, or `fcm` for
/// other makers if Play services are there and usable. Nothing if no channel reaches it.
#[uniffi::export]
pub fn android_channel(
    brand: String,
    manufacturer: String,
    has_play_services: bool,
) -> Option<String> {
    let maker = push_client::AndroidMaker::of(&brand, &manufacturer);
    maker.channel(has_play_services).map(Into::into)
}
