//! Why push ended for a user, on a device or in a slot of it.
use serde::{Deserialize, Serialize};

use crate::{DeviceId, Slot, Timestamp, channel::word_enum};

word_enum! {
    /// Why a user, a device or a slot gets no push any more, or never got one.
    #[non_exhaustive]
    EndCause("cause") {
        /// The user logged out.
        LoggedOut = "logged-out",
        /// Another login took the place of this one, or the IM server ended it.
        Kicked = "kicked",
        /// What proved the login has expired.
        LoginExpired = "login-expired",
        /// The app switched push off.
        SwitchedOff = "switched-off",
        /// The app withdrew a token: the phone's system gives it none any more, for instance.
        Withdrawn = "withdrawn",
        /// The device was reported offline without a cause.
        Offline = "offline",
        /// Another user registered on the device.
        DeviceTaken = "device-taken",
        /// Another device registered the token.
        TokenTaken = "token-taken",
        /// The vendor called the token dead.
        TokenDead = "token-dead",
        /// The gateway refused the registration.
        Refused = "refused",
    }
}

impl EndCause {
    /// Returns `true` for a cause that an app or an IM server can report; the others are found out by the gateway.
    pub const fn is_reported(self) -> bool {
        matches!(
            self,
            Self::LoggedOut
                | Self::Kicked
                | Self::LoginExpired
                | Self::SwitchedOff
                | Self::Withdrawn
                | Self::Offline
        )
    }
}

/// What last ended push, or kept it from beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// The device, if it is still the user's; `None` for the user.
    pub device: Option<DeviceId>,
    /// The slot; `None` for the whole device.
    pub slot: Option<Slot>,
    /// Why.
    pub cause: EndCause,
    /// With [`EndCause::Refused`], the code of the [`Reason`](crate::Reason).
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Ending {
    /// Returns an end for the user, without device and slot.
    pub const fn new(cause: EndCause, at: Timestamp) -> Self {
        Self {
            device: None,
            slot: None,
            cause,
            reason: None,
            at,
        }
    }

    /// Names the device, and perhaps the slot, that ended.
    #[must_use]
    pub fn on(mut self, device: DeviceId, slot: Option<Slot>) -> Self {
        self.device = Some(device);
        self.slot = slot;
        self
    }

    /// Names the reason of a refusal.
    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}
