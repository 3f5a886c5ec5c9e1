//! How the service refuses a request.
use push_core::Timestamp;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) timestamp: Option<Timestamp>,
}

pub(super) const fn refuse(status: u16, reason: &'static str) -> Refused {
    Refused {
        status,
        reason,
        timestamp: None,
    }
}
