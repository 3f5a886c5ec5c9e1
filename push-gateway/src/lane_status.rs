//! Whether the deliveries of a credential are sent.
use push_core::{Reason, Timestamp};

/// Whether the deliveries of a credential travel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaneStatus {
    /// They do.
    Open,
    /// They wait for the vendor to recover.
    BackingOff {
        /// Until when.
        until: Timestamp,
        /// The code of a [`Reason`](push_core::Reason).
        reason: &'static str,
        /// The vendor's code or message that led to it.
        evidence: String,
    },
    /// They wait for an operator, or for the next trial to succeed.
    Suspended {
        /// The code of a [`Reason`](push_core::Reason).
        reason: &'static str,
        /// Since when.
        since: Timestamp,
        /// When one delivery is tried next.
        probe_at: Timestamp,
        /// The vendor's code or message that led to it.
        evidence: String,
    },
}

impl LaneStatus {
    /// Why deliveries wait; `None` if they do not.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Open => None,
            Self::BackingOff { reason, .. } | Self::Suspended { reason, .. } => {
                Reason::find(reason).copied()
            }
        }
    }
}
