//! What settling a batch of verdicts leads to.
use std::collections::BTreeMap;

use push_core::{Delivery, DeviceToken, Lease, LeaseId, Reason, Return, Timestamp, TraceEvent};

/// What is to be done about a batch of items.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) done: Vec<(LeaseId, Delivery, Reason)>,
    pub(super) tokens: Vec<TokenAct>,
    pub(super) again: Vec<Return>,
    pub(super) events: Vec<TraceEvent>,
    pub(super) verdicts: BTreeMap<&'static str, u64>,
}

/// What is to be done about a token, and about the delivery that it was tried for.
pub(super) struct TokenAct {
    pub(super) token: DeviceToken,
    /// As of when: the app may have registered the token again since.
    pub(super) since: Timestamp,
    /// Quarantine it for this reason; `None` removes it.
    pub(super) quarantine: Option<Reason>,
    /// The delivery; `None` for a late verdict.
    pub(super) lease: Option<Lease>,
}
