//! What the client tells about its work, in a form that every language can read.
use std::sync::Arc;

use push_client::{Dropped, Event as Told, Permission};
use push_core::{LogoutCause, payload::ClickTarget};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{AppError, Slot};

/// Something that happened: for the app's own reports and for tests. Holds no token, no ticket and no message text, but ids.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Event {
    /// What it is, a stable word as `uploaded`: the names are those of `push_client::Event`, and `callback_failed`.
    pub name: String,
    /// Whether somebody should look at it.
    pub is_trouble: bool,
    /// What happened, for people.
    pub words: String,
    /// The kind of token that it is about.
    pub slot: Option<Slot>,
    /// The user who logged in, or whom the device was taken from.
    pub user: Option<String>,
    /// Who did it: a bridge, a handler, an interceptor, a callback.
    pub by: Option<String>,
    /// The IM SDK's number for what is wrong, as 22002 for a gateway that cannot be reached.
    pub code: Option<u32>,
    /// The delivery that it is about, as the gateway's trace names it.
    pub delivery: Option<String>,
    /// The user whose chat, or whose call, a click is about.
    pub target_user: Option<String>,
    /// The group whose chat, or whose call, a click is about.
    pub target_group: Option<String>,
}

/// Hears everything that happens. The app implements it if it wants to.
#[uniffi::export(with_foreign)]
pub trait EventListener: Send + Sync {
    /// Hears one event. Events come in their order.
    ///
    /// # Errors
    /// Only logged: telling it would fail again.
    fn on_event(&self, event: Event) -> Result<(), AppError>;
}

impl Event {
    pub(crate) fn named(name: &str, is_trouble: bool, words: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            is_trouble,
            words: words.into(),
            slot: None,
            user: None,
            by: None,
            code: None,
            delivery: None,
            target_user: None,
            target_group: None,
        }
    }

    fn about(mut self, target: &ClickTarget) -> Self {
        match target {
            ClickTarget::User(user) => self.target_user = Some(user.to_string()),
            ClickTarget::Group(group) => self.target_group = Some(group.to_string()),
            ClickTarget::Call(call) => {
                self.target_user = call.user.as_ref().map(ToString::to_string);
                self.target_group = call.group.as_ref().map(ToString::to_string);
            }
        }
        self
    }

    fn by(mut self, by: impl Into<String>) -> Self {
        self.by = Some(by.into());
        self
    }

    fn user(mut self, user: &push_core::UserId) -> Self {
        self.user = Some(user.to_string());
        self
    }

    fn slot(mut self, slot: push_core::Slot) -> Self {
        self.slot = Some(slot.into());
        self
    }
}

impl From<&Told> for Event {
    fn from(told: &Told) -> Self {
        let event = |words: String| Self::named(told.name(), told.is_trouble(), words);
        match told {
            Told::LoggedIn { user, by, .. } => {
                event(format!("{user} logged in")).user(user).by(*by)
            }
            Told::AlsoLoggedIn { first, by, .. } => event(format!(
                "the login that {first} told was told by {by} too; one of them is enough"
            ))
            .by(*by),
            Told::LoggedOut { cause, by, .. } => event(
                match cause {
                    LogoutCause::Logout => "logged out",
                    LogoutCause::KickedOffline => "another device took over",
                    LogoutCause::CredentialExpired => "what proved the login has expired",
                    LogoutCause::OtherAccount => {
                        "another account logged in and could not be registered in its place"
                    }
                    _ => "the login ended",
                }
                .to_owned(),
            )
            .by(*by),
            Told::StaleLogout { by, .. } => {
                event("the end of an earlier login was told late and ignored".to_owned()).by(*by)
            }
            Told::BridgeEnded { name, error } => event(match error {
                Some(error) => format!("the login bridge failed: {error}"),
                None => "the login bridge ended".to_owned(),
            })
            .by(name),
            Told::Permission(answer) => event(match answer {
                Some(Permission::Granted) => "notifications may be shown".to_owned(),
                Some(Permission::Denied) => "notifications may not be shown".to_owned(),
                Some(Permission::Failed(why)) => {
                    format!("the question for permission could not be asked: {why}")
                }
                None => "the question for permission was not answered".to_owned(),
            }),
            Told::TokenChanged(slot) => event("there is a new token".to_owned()).slot(*slot),
            Told::Uploaded { slot, warning } => event(match warning {
                None => "the gateway has the token".to_owned(),
                Some(warning) => format!(
                    "the gateway has the token, but {}: {}",
                    warning.code, warning.text
                ),
            })
            .slot(*slot),
            Told::TokenFailed { slot, error } => Self {
                code: error.code(),
                ..event(error.to_string()).slot(*slot)
            },
            Told::Unbound(user) => event(format!(
                "the gateway has taken this device away from {user}"
            ))
            .user(user),
            Told::TicketRefused(user) => event(
                "the gateway refuses the ticket: log in with a new one from the IM server"
                    .to_owned(),
            )
            .user(user),
            Told::PushSwitched(true) => event("push was switched on".to_owned()),
            Told::PushSwitched(false) => event("push was switched off".to_owned()),
            Told::Received(_) => event("a push arrived".to_owned()),
            Told::Clicked { delivery, .. } => Self {
                delivery: delivery.map(|it| it.to_string()),
                ..event("a person clicked".to_owned())
            },
            Told::DuplicateClick(_) => event("a click was told a second time".to_owned()),
            Told::Intercepted { by } => event("the app took a click over".to_owned()).by(by),
            Told::NothingToOpen(why) => event(format!("a click names nothing to open: {why}")),
            Told::ClickPending(target) => {
                event("a click waits for a login or for the app".to_owned()).about(target)
            }
            Told::ClickDropped { target, why } => event(
                match why {
                    Dropped::Replaced => "a waiting click was replaced by a later one",
                    Dropped::LoggedOut => "a waiting click went with its account's logout",
                    Dropped::OtherAccount => "a waiting click was for another account",
                    _ => "a waiting click was dropped",
                }
                .to_owned(),
            )
            .about(target),
            Told::Opened { by, target } => event("a click opened what it names".to_owned())
                .by(by)
                .about(target),
            Told::NotReady { by } => event("a handler is not ready".to_owned()).by(by),
            Told::OpenFailed { by, why } => event(format!("a handler failed: {why}")).by(by),
            Told::Unhandled(target) => {
                event("no handler opens such targets".to_owned()).about(target)
            }
            Told::Completed { timed_out, .. } => event(
                if *timed_out {
                    "a completion was called by the time-out"
                } else {
                    "a completion was called"
                }
                .to_owned(),
            ),
            Told::PresenceReported => event("the gateway knows where the device is".to_owned()),
            Told::ReceiptsReported(count) => event(format!("the gateway took {count} receipts")),
            Told::ReceiptsDropped(count) => event(format!("{count} receipts were given up")),
            Told::ReportFailed(why) => event(format!("a report was not taken: {why}")),
            Told::StateNotSaved(error) | Told::SharedFolderFailed(error) => {
                event(error.to_string())
            }
            Told::StateLost(why) => event(format!("the saved state was left behind: {why}")),
            _ => event(told.name().replace('_', " ")),
        }
    }
}

/// Hands events to the listener, in their order, until `stop`; then what has happened before it.
pub(crate) async fn pump(
    listener: Arc<dyn EventListener>,
    mut told: broadcast::Receiver<Told>,
    mut faults: mpsc::Receiver<Event>,
    mut stop: oneshot::Receiver<()>,
) {
    let hand_over = |event: Event| {
        if let Err(error) = listener.on_event(event) {
            let why = error.into_words();
            tracing::warn!(target: "push_client", "the app's callback on_event failed: {why}");
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(fault) = faults.recv() => hand_over(fault),
            event = told.recv() => match event {
                Ok(event) => hand_over(Event::from(&event)),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    hand_over(missed(count));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = &mut stop => break,
        }
    }
    while let Ok(fault) = faults.try_recv() {
        hand_over(fault);
    }
    while let Ok(event) = told.try_recv() {
        hand_over(Event::from(&event));
    }
}

fn missed(count: u64) -> Event {
    Event::named(
        "events_missed",
        true,
        format!("the listener was too slow for {count} events"),
    )
}
