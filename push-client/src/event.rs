//! The events that the client emits.
use std::sync::Arc;

use push_core::{
    DeliveryId, Error, Generation, LogoutCause, Slot, UserId,
    api::Warning,
    payload::{ClickTarget, NoTarget, Payload},
};

use crate::{ClickSource, Completed, Permission, TokenError};

/// An event of the client, for the app's reports, for tests, and (by [`Event::name`]) for counters.
///
/// It holds no token, ticket or message text; `Debug` may be logged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The client has started without a part that apps usually have; the error says which, and how to add it.
    StartedWithout(Arc<Error>),
    /// A login began a generation.
    LoggedIn {
        /// The generation.
        generation: Generation,
        /// The user who logged in.
        user: UserId,
        /// The bridge that reported it.
        by: &'static str,
    },
    /// A second bridge reported the current login (S45). Both bridges keep running.
    AlsoLoggedIn {
        /// The generation.
        generation: Generation,
        /// The bridge that reported it first.
        first: &'static str,
        /// The bridge that reported it now.
        by: &'static str,
    },
    /// A login ended; the device is being unbound.
    LoggedOut {
        /// The generation.
        generation: Generation,
        /// Why.
        cause: LogoutCause,
        /// The bridge that reported it.
        by: &'static str,
    },
    /// A logout from a login that is not the current one was ignored (S43).
    StaleLogout {
        /// The generation of that login.
        generation: Generation,
        /// The bridge that reported it.
        by: &'static str,
    },
    /// A bridge returned while the session was open.
    BridgeEnded {
        /// The bridge.
        name: String,
        /// Why, if it failed.
        error: Option<Arc<Error>>,
    },
    /// The user's answer to the request for permission; `None` if the platform returned none. The client continues in any case.
    Permission(Option<Permission>),
    /// The platform returned a new token.
    TokenChanged(Slot),
    /// The gateway has the token.
    Uploaded {
        /// The slot.
        slot: Slot,
        /// Why pushes to it will fail nevertheless (S57).
        warning: Option<Warning>,
    },
    /// A token is not at the gateway.
    TokenFailed {
        /// The slot.
        slot: Slot,
        /// Why.
        error: TokenError,
    },
    /// The gateway has removed this user's registrations of this device.
    Unbound(UserId),
    /// The gateway refused the ticket; the client sends nothing until a login with another one.
    TicketRefused(UserId),
    /// Push was switched on or off for this device.
    PushSwitched(bool),
    /// A push arrived and was not clicked (S31).
    Received(Payload),
    /// A click, also one that opens nothing (S33).
    Clicked {
        /// How the operating system reported it.
        source: ClickSource,
        /// The delivery, if the payload names one.
        delivery: Option<DeliveryId>,
        /// The payload.
        payload: Payload,
    },
    /// A click that was reported before, from this or another source (S32).
    DuplicateClick(ClickSource),
    /// An interceptor handled a click (S20).
    Intercepted {
        /// The interceptor.
        by: String,
    },
    /// A click has no target, and why.
    NothingToOpen(NoTarget),
    /// A click waits for a login, or until the app is ready.
    ClickPending(ClickTarget),
    /// A waiting click was dropped.
    ClickDropped {
        /// The target of the click.
        target: ClickTarget,
        /// Why.
        why: Dropped,
    },
    /// A handler opened a click's target.
    Opened {
        /// The handler.
        by: String,
        /// The target.
        target: ClickTarget,
    },
    /// A handler cannot open anything yet (S30); [`PushClient::ready`](crate::PushClient::ready) routes the click again.
    NotReady {
        /// The handler.
        by: String,
    },
    /// A handler could not open a click's target.
    OpenFailed {
        /// The handler.
        by: String,
        /// The handler's reason.
        why: String,
    },
    /// No handler opens such targets (S29).
    Unhandled(ClickTarget),
    /// The client completed a platform's callback, at once or after the time-out.
    Completed {
        /// The result.
        how: Completed,
        /// Whether the time-out completed it.
        timed_out: bool,
    },
    /// The gateway accepted a report of the device's presence.
    PresenceReported,
    /// The gateway accepted this number of receipts.
    ReceiptsReported(usize),
    /// This number of receipts was discarded.
    ReceiptsDropped(usize),
    /// The gateway did not accept a report, and why.
    ReportFailed(String),
    /// The state could not be saved; a restart would lose the latest changes.
    StateNotSaved(Arc<Error>),
    /// The folder that is shared with the extension cannot be used, so the extension does not acknowledge pushes.
    SharedFolderFailed(Arc<Error>),
    /// The saved state was damaged; the client started with a new state.
    StateLost(String),
}

/// Why a waiting click was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// A later click replaced it (S27).
    Replaced,
    /// The account that it belongs to has logged out (S28).
    LoggedOut,
    /// Another account has logged in (S28).
    OtherAccount,
}

impl Event {
    /// Returns the stable name of the event, for counters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StartedWithout(_) => "started_without",
            Self::LoggedIn { .. } => "logged_in",
            Self::AlsoLoggedIn { .. } => "also_logged_in",
            Self::LoggedOut { .. } => "logged_out",
            Self::StaleLogout { .. } => "stale_logout",
            Self::BridgeEnded { .. } => "bridge_ended",
            Self::Permission(_) => "permission",
            Self::TokenChanged(_) => "token_changed",
            Self::Uploaded { .. } => "uploaded",
            Self::TokenFailed { .. } => "token_failed",
            Self::Unbound(_) => "unbound",
            Self::TicketRefused(_) => "ticket_refused",
            Self::PushSwitched(_) => "push_switched",
            Self::Received(_) => "received",
            Self::Clicked { .. } => "clicked",
            Self::DuplicateClick(_) => "duplicate_click",
            Self::Intercepted { .. } => "intercepted",
            Self::NothingToOpen(_) => "nothing_to_open",
            Self::ClickPending(_) => "click_pending",
            Self::ClickDropped { .. } => "click_dropped",
            Self::Opened { .. } => "opened",
            Self::NotReady { .. } => "not_ready",
            Self::OpenFailed { .. } => "open_failed",
            Self::Unhandled(_) => "unhandled",
            Self::Completed { .. } => "completed",
            Self::PresenceReported => "presence_reported",
            Self::ReceiptsReported(_) => "receipts_reported",
            Self::ReceiptsDropped(_) => "receipts_dropped",
            Self::ReportFailed(_) => "report_failed",
            Self::StateNotSaved(_) => "state_not_saved",
            Self::SharedFolderFailed(_) => "shared_folder_failed",
            Self::StateLost(_) => "state_lost",
        }
    }

    /// Returns `true` for an event that needs attention.
    pub const fn needs_attention(&self) -> bool {
        matches!(
            self,
            Self::StartedWithout(_)
                | Self::AlsoLoggedIn { .. }
                | Self::BridgeEnded { .. }
                | Self::TokenFailed { .. }
                | Self::Uploaded {
                    warning: Some(_),
                    ..
                }
                | Self::TicketRefused(_)
                | Self::OpenFailed { .. }
                | Self::Unhandled(_)
                | Self::Completed {
                    timed_out: true,
                    ..
                }
                | Self::ReceiptsDropped(_)
                | Self::ReportFailed(_)
                | Self::StateNotSaved(_)
                | Self::SharedFolderFailed(_)
                | Self::StateLost(_)
        )
    }
}
