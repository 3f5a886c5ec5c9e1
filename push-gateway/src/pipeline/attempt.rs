//! What travels between a lane's two tasks: deliveries with their tokens, attempts and answers.
use std::sync::Arc;

use push_core::{
    Address, BatchRef, Delivery, DeviceToken, Environment, Lease, Reason, SlotRef, Timestamp,
    TraceEvent, Verdict,
};

use super::{refusals::Mark, steady::Moment};
use crate::credentials::Loaded;

/// A delivery that is ready to be sent: its token is known.
#[derive(Debug)]
pub(super) struct Sendable {
    pub(super) lease: Lease,
    pub(super) token: DeviceToken,
    pub(super) environment: Environment,
    /// When the app registered the token. A verdict can only cost a token that was not registered again since (S114).
    pub(super) reported_at: Timestamp,
}

/// One batch, while it is with the provider.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) batch: BatchRef,
    pub(super) members: Vec<Sendable>,
    pub(super) began: Moment,
    pub(super) loaded: Arc<Loaded>,
    pub(super) trial: bool,
    /// How often the credential had been repaired when it began.
    pub(super) repaired: u64,
    /// How many refusals of the credential were known when it began.
    pub(super) refusals: Mark,
}

/// What the settle loop is given.
#[derive(Debug)]
pub(super) enum Item {
    /// Verdicts on deliveries of a batch, by position.
    Answers(Arc<Attempt>, Vec<(usize, Verdict)>),
    /// A delivery that was not sent, and why it never will be.
    Drop(Box<Lease>, Reason),
    /// What the vendor reported later about a delivery it had accepted.
    Late(Box<LateVerdict>),
}

/// A verdict that a vendor reported after it had accepted the push.
#[derive(Debug)]
pub(crate) struct LateVerdict {
    /// The token it concerns.
    pub(crate) token: DeviceToken,
    /// What the vendor reported.
    pub(crate) verdict: Verdict,
    /// When it happened, by the vendor's clock, but not in the future.
    pub(crate) at: Timestamp,
    /// An event of the delivery, if it is known.
    pub(crate) event: Option<TraceEvent>,
}

/// The slot that a delivery to a device goes to.
pub(super) fn slot_of(delivery: &Delivery) -> Option<SlotRef> {
    match &delivery.to {
        Address::Device {
            user,
            device,
            slot,
            instance,
        } => Some(SlotRef::new(
            user.clone(),
            device.clone(),
            *slot,
            delivery.channel.clone(),
            instance.clone(),
        )),
        _ => None,
    }
}
