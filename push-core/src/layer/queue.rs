//! Around a queue.
use std::time::Duration;

use super::around;
use crate::{
    AppId, Cancel, Cancelled, CredentialRef, Delivery, DeliveryId, Lane, LaneState, Lease, LeaseId,
    MessageId, Put, Queue, RemovalCause, Removed, Result, Return, Sought, async_trait,
};

around! {
    /// What a layer does around the calls of a queue. Every method forwards to `inner` unless it is changed; what a changed one
    /// must keep is said at [`Layer`](crate::Layer).
    #[diagnostic::on_unimplemented(
        message = "`{Self}` does nothing around a queue",
        note = "implement `AroundQueue` for it, with `#[async_trait]` above the `impl`; methods that are left out forward the call"
    )]
    trait AroundQueue of Queue;
    impl Queue {
        async fn put(deliveries: Vec<Delivery>) -> Result<Vec<Put>> => deliveries.len();
        async fn lease(lane: &Lane, limit: usize, hold: Duration) -> Result<Vec<Lease>> => limit;
        async fn ack(leases: Vec<LeaseId>) -> Result<u64> => leases.len();
        async fn nack(returns: Vec<Return>) -> Result<u64> => returns.len();
        async fn replace(replacements: Vec<(LeaseId, Delivery)>) -> Result<u64> => replacements.len();
        async fn hasten(credential: &CredentialRef) -> Result<u64> => 0;
        async fn cancel(app: &AppId, what: &Cancel, limit: usize) -> Result<Vec<Cancelled>> => limit;
        async fn lanes() -> Result<Vec<LaneState>> => 0;
        async fn damaged() -> Result<u64> => 0;
        async fn remembered(app: &AppId, messages: Vec<MessageId>) -> Result<Option<Vec<bool>>> => messages.len();
        async fn holds(app: &AppId, deliveries: Vec<Sought>) -> Result<Option<Vec<bool>>> => deliveries.len();
        async fn unconfirmed(cause: RemovalCause, limit: usize) -> Result<Vec<Removed>> => limit;
        async fn confirm(deliveries: Vec<DeliveryId>) -> Result<()> => deliveries.len();
        async fn check() -> Result<()> => 0;
    }
}
