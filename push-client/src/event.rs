//! The events that the client emits.
use std::sync::Arc;

use push_core::{
    DeliveryId, Error, Generation, LogoutCause, Slot, UserId,
    api::Warning,
    payload::{ClickTarget, NoTarget, Payload},
};

use crate::{Completed, Door, Permission, TokenError};

/// Something that happened in the client: for the app's own reports, for tests, and (by [`Event::name`]) for counters.
///
/// No token, ticket or message text is in it; `Debug` may be logged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The client has started without something that apps usually have; the error says what to write where.
    StartedWithout(Arc<Error>),
    /// A login began a generation.
    LoggedIn {
        /// The generation.
        generation: Generation,
        /// Who logged in.
        user: UserId,
        /// The bridge that said so.
        by: &'static str,
    },
    /// A second bridge reported the login that is there already (S45). Both stay at work.
    AlsoLoggedIn {
        /// The generation.
        generation: Generation,
        /// The bridge that was first.
        first: &'static str,
        /// The bridge that said it too.
        by: &'static str,
    },
    /// A login ended; the device is being unbound.
    LoggedOut {
        /// The generation.
        generation: Generation,
        /// Why.
        cause: LogoutCause,
        /// The bridge that said so.
        by: &'static str,
    },
    /// The end of a login that is not the current one was reported and ignored (S43).
    StaleLogout {
        /// The generation that was meant.
        generation: Generation,
        /// The bridge that said so.
        by: &'static str,
    },
    /// A bridge's work ended while the session is open.
    BridgeEnded {
        /// The bridge.
        name: String,
        /// Why, if it failed.
        error: Option<Arc<Error>>,
    },
    /// The person's answer about notifications; `None` if the platform gave none. No answer stops anything.
    Permission(Option<Permission>),
    /// The platform gave a token that is new.
    TokenChanged(Slot),
    /// The gateway has the token.
    Uploaded {
        /// The slot.
        slot: Slot,
        /// What will keep it from working nevertheless (S57).
        warning: Option<Warning>,
    },
    /// A token is not at the gateway.
    TokenFailed {
        /// The slot.
        slot: Slot,
        /// Why.
        error: TokenError,
    },
    /// The gateway has taken the device away from this user.
    Unbound(UserId),
    /// The gateway refuses the ticket: nothing is sent until a login with another one.
    TicketRefused(UserId),
    /// Push was switched on or off for this device.
    PushSwitched(bool),
    /// A push arrived without anybody clicking (S31).
    Received(Payload),
    /// A click, also one that opens nothing (S33).
    Clicked {
        /// The door.
        door: Door,
        /// The delivery, if the payload names one.
        delivery: Option<DeliveryId>,
        /// The payload.
        payload: Payload,
    },
    /// A click that was reported before, through this or another door (S32).
    DuplicateClick(Door),
    /// An interceptor took a click over (S20).
    Intercepted {
        /// The interceptor.
        by: String,
    },
    /// A click names nothing to open, and why.
    NothingToOpen(NoTarget),
    /// A click waits, for a login or for the app to be ready.
    ClickPending(ClickTarget),
    /// A waiting click was dropped.
    ClickDropped {
        /// What it would have opened.
        target: ClickTarget,
        /// Why.
        why: Dropped,
    },
    /// A handler opened a click's target.
    Opened {
        /// The handler.
        by: String,
        /// What it opened.
        target: ClickTarget,
    },
    /// A handler cannot open anything yet (S30): [`PushClient::ready`](crate::PushClient::ready) asks again.
    NotReady {
        /// The handler.
        by: String,
    },
    /// A handler could not open a click's target.
    OpenFailed {
        /// The handler.
        by: String,
        /// Its words.
        why: String,
    },
    /// No handler opens such targets (S29).
    Unhandled(ClickTarget),
    /// A platform's callback was completed by the client, or by its time-out.
    Completed {
        /// How.
        how: Completed,
        /// Whether it took too long.
        timed_out: bool,
    },
    /// The gateway took a report of the device's presence.
    PresenceReported,
    /// The gateway took this number of receipts.
    ReceiptsReported(usize),
    /// This number of receipts was discarded.
    ReceiptsDropped(usize),
    /// A report was not taken, and the words for it.
    ReportFailed(String),
    /// The state could not be saved: what happens now would be lost by a restart.
    StateNotSaved(Arc<Error>),
    /// The folder that is shared with the extension cannot be used: pushes are not acknowledged by it.
    SharedFolderFailed(Arc<Error>),
    /// What was saved could not be read and was left behind: the client starts anew.
    StateLost(String),
}

/// Why a waiting click was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// A later click took its place, as a whole (S27).
    Replaced,
    /// The account it was for has logged out (S28).
    LoggedOut,
    /// Another account has logged in (S28).
    OtherAccount,
}

impl Event {
    /// Its name, stable, for counters.
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
    pub const fn is_trouble(&self) -> bool {
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
