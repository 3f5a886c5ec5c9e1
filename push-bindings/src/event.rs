//! The client's events, in a form for all languages.
use std::sync::Arc;

use push_client::{Dropped, Event as ClientEvent, Permission};
use push_core::{LogoutCause, payload::ClickTarget};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{AppError, Slot};

/// An event, for the app's reports and for tests. Holds ids, but no token, ticket or message text.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Event {
    /// A stable name, such as `uploaded`: the names of `push_client::Event`, and `callback_failed`.
    pub name: String,
    /// Whether the event needs attention.
    pub needs_attention: bool,
    /// A description for people.
    pub text: String,
    /// The slot of the token that it is about.
    pub slot: Option<Slot>,
    /// The user who logged in, or from whom the device was unbound.
    pub user: Option<String>,
    /// The bridge, handler, interceptor or callback that caused it.
    pub by: Option<String>,
    /// The IM SDK's number of the error, such as 22002 for a gateway that cannot be reached.
    pub code: Option<u32>,
    /// The delivery that it is about, as the gateway's trace names it.
    pub delivery: Option<String>,
    /// The user whose chat, or whose call, a click is about.
    pub target_user: Option<String>,
    /// The group whose chat, or whose call, a click is about.
    pub target_group: Option<String>,
}

/// A listener for events. Optional; the app implements it.
#[uniffi::export(with_foreign)]
pub trait EventListener: Send + Sync {
    /// Handles one event. Events are passed in order.
    ///
    /// # Errors
    /// Only logged, because reporting it would call the listener again.
    fn on_event(&self, event: Event) -> Result<(), AppError>;
}

impl Event {
    pub(crate) fn named(name: &str, needs_attention: bool, text: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            needs_attention,
            text: text.into(),
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
            _ => {}
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

impl From<&ClientEvent> for Event {
    fn from(event: &ClientEvent) -> Self {
        let report = |text: String| Self::named(event.name(), event.needs_attention(), text);
        match event {
            ClientEvent::LoggedIn { user, by, .. } => {
                report(format!("{user} logged in")).user(user).by(*by)
            }
            ClientEvent::AlsoLoggedIn { first, by, .. } => report(format!(
                "the login that {first} reported was also reported by {by}; one of them is enough"
            ))
            .by(*by),
            ClientEvent::LoggedOut { cause, by, .. } => report(
                match cause {
                    LogoutCause::Logout => "logged out",
                    LogoutCause::KickedOffline => "another device logged in",
                    LogoutCause::CredentialExpired => "the login's credential has expired",
                    LogoutCause::OtherAccount => {
                        "another account logged in and could not be registered in its place"
                    }
                    _ => "the login ended",
                }
                .to_owned(),
            )
            .by(*by),
            ClientEvent::StaleLogout { by, .. } => {
                report("a late logout from an earlier login was ignored".to_owned()).by(*by)
            }
            ClientEvent::BridgeEnded { name, error } => report(match error {
                Some(error) => format!("the login bridge failed: {error}"),
                None => "the login bridge returned while the client was running".to_owned(),
            })
            .by(name),
            ClientEvent::Permission(answer) => report(match answer {
                Some(Permission::Granted) => "notifications may be shown".to_owned(),
                Some(Permission::Denied) => "notifications may not be shown".to_owned(),
                Some(Permission::Failed(why)) => {
                    format!("permission could not be requested: {why}")
                }
                Some(_) => "the request for permission was answered".to_owned(),
                None => "the request for permission was not answered".to_owned(),
            }),
            ClientEvent::TokenChanged(slot) => {
                report("there is a new token".to_owned()).slot(*slot)
            }
            ClientEvent::Uploaded { slot, warning } => report(match warning {
                None => "the gateway has the token".to_owned(),
                Some(warning) => format!(
                    "the gateway has the token, but {}: {}",
                    warning.code, warning.text
                ),
            })
            .slot(*slot),
            ClientEvent::TokenFailed { slot, error } => Self {
                code: error.code(),
                ..report(error.to_string()).slot(*slot)
            },
            ClientEvent::Unbound(user) => {
                report(format!("the gateway has unbound this device from {user}")).user(user)
            }
            ClientEvent::TicketRefused(user) => report(
                "the gateway refused the ticket; log in with a new one from the IM server"
                    .to_owned(),
            )
            .user(user),
            ClientEvent::PushSwitched(true) => report("push was switched on".to_owned()),
            ClientEvent::PushSwitched(false) => report("push was switched off".to_owned()),
            ClientEvent::Received(_) => report("a push arrived".to_owned()),
            ClientEvent::Clicked { delivery, .. } => Self {
                delivery: delivery.map(|it| it.to_string()),
                ..report("a notification was clicked".to_owned())
            },
            ClientEvent::DuplicateClick(_) => {
                report("a click was reported a second time".to_owned())
            }
            ClientEvent::Intercepted { by } => {
                report("the app handled a click itself".to_owned()).by(by)
            }
            ClientEvent::NothingToOpen(why) => report(format!("a click has no target: {why}")),
            ClientEvent::ClickPending(target) => {
                report("a click waits for a login, or until the app is ready".to_owned())
                    .about(target)
            }
            ClientEvent::ClickDropped { target, why } => report(
                match why {
                    Dropped::Replaced => "a waiting click was replaced by a later one",
                    Dropped::LoggedOut => "a waiting click was dropped at its account's logout",
                    Dropped::OtherAccount => {
                        "a click was dropped because it belongs to another account"
                    }
                    _ => "a waiting click was dropped",
                }
                .to_owned(),
            )
            .about(target),
            ClientEvent::Opened { by, target } => {
                report("a handler opened the target of a click".to_owned())
                    .by(by)
                    .about(target)
            }
            ClientEvent::NotReady { by } => report("a handler is not ready".to_owned()).by(by),
            ClientEvent::OpenFailed { by, why } => {
                report(format!("a handler failed: {why}")).by(by)
            }
            ClientEvent::Unhandled(target) => {
                report("no handler opens this kind of target".to_owned()).about(target)
            }
            ClientEvent::Completed { timed_out, .. } => report(
                if *timed_out {
                    "a completion was called after the time-out"
                } else {
                    "a completion was called"
                }
                .to_owned(),
            ),
            ClientEvent::PresenceReported => {
                report("the gateway accepted the device's presence".to_owned())
            }
            ClientEvent::ReceiptsReported(count) => {
                report(format!("the gateway accepted {count} receipts"))
            }
            ClientEvent::ReceiptsDropped(count) => {
                report(format!("{count} receipts were discarded"))
            }
            ClientEvent::ReportFailed(why) => {
                report(format!("the gateway did not accept a report: {why}"))
            }
            ClientEvent::StateNotSaved(error) | ClientEvent::SharedFolderFailed(error) => {
                report(error.to_string())
            }
            ClientEvent::StateLost(why) => {
                report(format!("the saved state was replaced by a new one: {why}"))
            }
            _ => report(event.name().replace('_', " ")),
        }
    }
}

/// Passes events to the listener in order until `stop`, and then those that happened before it.
pub(crate) async fn pump(
    listener: Arc<dyn EventListener>,
    mut event: broadcast::Receiver<ClientEvent>,
    mut faults: mpsc::Receiver<Event>,
    mut stop: oneshot::Receiver<()>,
) {
    let hand_over = |event: Event| {
        if let Err(error) = listener.on_event(event) {
            let why = error.into_text();
            tracing::warn!(target: "push_client", "the app's callback on_event failed: {why}");
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(fault) = faults.recv() => hand_over(fault),
            event = event.recv() => match event {
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
    while let Ok(event) = event.try_recv() {
        hand_over(Event::from(&event));
    }
}

fn missed(count: u64) -> Event {
    Event::named(
        "events_missed",
        true,
        format!("the listener was too slow and missed {count} events"),
    )
}
