//! Around a provider.
use std::pin::Pin;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{
    Batch, Capabilities, DeviceToken, Health, Layered, Provider, Received, Result, Slot, Verdicts,
    async_trait,
};

/// What a layer does around the calls of a provider. Every method forwards to `inner` unless it is changed; what a changed one
/// must keep is said at [`Layer`](crate::Layer).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does nothing around a provider",
    note = "implement `AroundProvider` for it, with `#[async_trait]` above the `impl`; methods that are left out forward the call"
)]
#[async_trait]
pub trait AroundProvider: std::fmt::Debug + Send + Sync + 'static {
    /// Around [`Provider::capabilities`]. `max_batch` and `max_in_flight` may be smaller than those of `inner`.
    fn capabilities<'a>(&'a self, inner: &'a dyn Provider) -> &'a Capabilities {
        inner.capabilities()
    }

    /// Around [`Provider::send`]. [`Verdicts::observed`] shows the verdicts on their way.
    // Written without `async`, so that a layer that does not change it allocates no future.
    fn send<'this, 'inner, 'call>(
        &'this self,
        inner: &'inner dyn Provider,
        batch: Batch,
        verdicts: Verdicts,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'call>>
    where
        'this: 'call,
        'inner: 'call,
        Self: 'call,
    {
        inner.send(batch, verdicts)
    }

    /// Around [`Provider::verify`].
    async fn verify(&self, inner: &dyn Provider) -> Result<Health> {
        inner.verify().await
    }

    /// Around [`Provider::check_token`].
    fn check_token(
        &self,
        inner: &dyn Provider,
        slot: Slot,
        token: &DeviceToken,
    ) -> Result<DeviceToken> {
        inner.check_token(slot, token)
    }

    /// Around [`Provider::check_fields`].
    fn check_fields(&self, inner: &dyn Provider, fields: &Map<String, Value>) -> Result<()> {
        inner.check_fields(fields)
    }

    /// Around [`Provider::receive`].
    fn receive(&self, inner: &dyn Provider, request: &http::Request<Bytes>) -> Result<Received> {
        inner.receive(request)
    }
}

// A method that is missing here would get the contract's default instead of the inner provider's.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<A: AroundProvider> Provider for Layered<dyn Provider, A> {
    fn capabilities(&self) -> &Capabilities {
        self.around.capabilities(&*self.inner)
    }

    fn send<'this, 'call>(
        &'this self,
        batch: Batch,
        verdicts: Verdicts,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'call>>
    where
        'this: 'call,
        Self: 'call,
    {
        self.around.send(&*self.inner, batch, verdicts)
    }

    async fn verify(&self) -> Result<Health> {
        self.around.verify(&*self.inner).await
    }

    fn check_token(&self, slot: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        self.around.check_token(&*self.inner, slot, token)
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        self.around.check_fields(&*self.inner, fields)
    }

    fn receive(&self, request: &http::Request<Bytes>) -> Result<Received> {
        self.around.receive(&*self.inner, request)
    }
}
