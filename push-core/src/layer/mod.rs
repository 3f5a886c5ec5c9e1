//! Layers: what is put around a provider, a store or a queue without changing it.
mod provider;
mod queue;
mod store;

use std::{fmt, sync::Arc};

use serde::Deserialize;

use crate::{
    AppId, CertificateId, Channel, CredentialRef, Describe, DynProvider, Faults, Queue, Result,
    Store,
};

pub use self::{provider::AroundProvider, queue::AroundQueue, store::AroundStore};

/// Puts something around providers, stores and queues: metrics, tracing, a rate limit, faults for a test, an audit.
///
/// A layer takes an object and returns one of the same contract, which the rest of the gateway cannot distinguish from an object
/// without a layer. What it does not want to change it returns as it is, which is what every method does by default.
///
/// [`Layered`] is the usual object to return: it forwards every call to the inner object, but for those that its
/// [`AroundProvider`], [`AroundStore`] or [`AroundQueue`] changes. A method that a contract gets later is forwarded, too.
///
/// # What a layer keeps
/// - Everything that the contract of the inner object promises: every delivery, answer and error, and its order.
/// - [`Capabilities`](crate::Capabilities), but for `max_batch` and `max_in_flight`, which it may make smaller; `Health`,
///   `check_token`, `check_fields` and `receive`.
/// - Each target is given to the inner provider at most once in a call, with its own content and badge, and under the id of the
///   batch; part of a batch goes under a new [`BatchId`](crate::BatchId).
/// - One verdict for each target, the inner one if there is one, as soon as it is known. A layer that does not pass a target on
///   reports [`VerdictKind::Postponed`](crate::VerdictKind::Postponed) for it, and never a verdict about token or credential,
///   because the vendor was not asked.
/// - Cancellation: a future that is dropped drops the inner one, and starts nothing that outlives it.
/// - Methods of the inner object that do no I/O do none with the layer. The methods of [`Layer`] do none.
/// - No token, secret or text in a log, an error or a `Debug`.
///
/// `layer_conformance!` of `push-testkit` tests this.
///
/// ```
/// use std::sync::Arc;
/// use push_core::{
///     AroundQueue, Delivery, Layer, Layered, Put, Queue, Result, async_trait,
/// };
///
/// /// Reports how many deliveries are put at once.
/// #[derive(Debug)]
/// struct CountPuts;
///
/// impl Layer for CountPuts {
///     fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
///         Arc::new(Layered::new(inner, CountPuts))
///     }
/// }
///
/// #[async_trait]
/// impl AroundQueue for CountPuts {
///     async fn put(&self, inner: &dyn Queue, deliveries: Vec<Delivery>) -> Result<Vec<Put>> {
///         println!("{} deliveries", deliveries.len());
///         inner.put(deliveries).await
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    note = "implement `Layer` for it; each method that is left out returns the object as it is"
)]
pub trait Layer: fmt::Debug + Send + Sync + 'static {
    /// Returns the provider of `credential` with this layer around it. Called whenever a provider is built, so again after a
    /// rotation: what must outlast that, as a quota must, is the layer's own. A provider that is built only to check an upload
    /// has no layers.
    fn provider(&self, inner: DynProvider, credential: &CredentialRef) -> DynProvider {
        let _ = credential;
        inner
    }

    /// Returns the store with this layer around it. Called once for each gateway.
    fn store(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        inner
    }

    /// Returns the queue with this layer around it. Called once for each gateway.
    fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
        inner
    }
}

/// The layers of a gateway. The first one is outermost: a call passes them in the order in which they were added, and its answer
/// in the reverse order.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Arc<dyn Layer>>);

impl Layers {
    /// No layer.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a layer inside all that were added before.
    #[must_use]
    pub fn with(mut self, layer: Arc<dyn Layer>) -> Self {
        self.0.push(layer);
        self
    }

    /// Returns `true` if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the provider of `credential` with all layers around it.
    pub fn provider(&self, inner: DynProvider, credential: &CredentialRef) -> DynProvider {
        let inward = self.0.iter().rev();
        inward.fold(inner, |inner, layer| layer.provider(inner, credential))
    }

    /// Returns the store with all layers around it.
    pub fn store(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        let inward = self.0.iter().rev();
        inward.fold(inner, |inner, layer| layer.store(inner))
    }

    /// Returns the queue with all layers around it.
    pub fn queue(&self, inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
        let inward = self.0.iter().rev();
        inward.fold(inner, |inner, layer| layer.queue(inner))
    }
}

impl FromIterator<Arc<dyn Layer>> for Layers {
    fn from_iter<T: IntoIterator<Item = Arc<dyn Layer>>>(layers: T) -> Self {
        Self(layers.into_iter().collect())
    }
}

/// A provider, store or queue `O` with `A` around its calls: [`AroundProvider`], [`AroundStore`] or [`AroundQueue`].
///
/// It implements every method of the contract by calling `A`, whose methods call `O` unless it changes them. A call of
/// [`Provider::send`](crate::Provider::send) allocates one future for each layer that changes it, and nothing for one that does
/// not; calls of stores and queues two futures.
pub struct Layered<O: ?Sized, A> {
    inner: Arc<O>,
    around: A,
}

impl<O: ?Sized, A> Layered<O, A> {
    /// Puts `around` around the calls of `inner`.
    pub const fn new(inner: Arc<O>, around: A) -> Self {
        Self { inner, around }
    }
}

impl<O: fmt::Debug + ?Sized, A: fmt::Debug> fmt::Debug for Layered<O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered")
            .field("around", &self.around)
            .field("inner", &&*self.inner)
            .finish()
    }
}

/// A call of a store or queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// The method's name, as in `put`.
    pub name: &'static str,
    /// How many rows it concerns at most: the length of its list, or its limit; 1 for one row, 0 if the call does not say.
    pub rows: usize,
}

impl Operation {
    /// The call of the method `name`.
    pub const fn new(name: &'static str, rows: usize) -> Self {
        Self { name, rows }
    }
}

/// Which credentials a layer is for, in its configuration. What is empty or absent does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[describe(crate = crate)]
#[non_exhaustive]
pub struct Selection {
    /// Those of these channels.
    pub channels: Vec<Channel>,
    /// Those of this app.
    pub app: Option<AppId>,
    /// The one with this id; `app` is needed, too, because ids count for each app.
    pub certificate: Option<CertificateId>,
}

impl Selection {
    /// Returns `true` if `credential`, which is of `channel`, is one of those.
    pub fn selects(&self, credential: &CredentialRef, channel: &Channel) -> bool {
        (self.channels.is_empty() || self.channels.contains(channel))
            && self.app.as_ref().is_none_or(|app| *app == credential.app)
            && self
                .certificate
                .is_none_or(|certificate| certificate == credential.certificate)
    }

    /// Refuses a certificate id without its app.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config).
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        faults.refuse(
            self.certificate.is_some() && self.app.is_none(),
            "certificate",
            "says nothing without `app`: ids count for each app",
        );
        faults.result()
    }
}

/// Makes a trait whose methods are those of contracts with the inner object as first argument, each forwarding to it, and
/// implements the contracts for [`Layered`] by calling that trait. Behind each method: how many rows it concerns.
macro_rules! around {
    (
        $(#[$doc:meta])*
        trait $around:ident of $object:ident;
        $(
            impl $contract:ident {
                $(fn $plain:ident() -> $returned:ty;)*
                $(
                    async fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $answer:ty
                        => $rows:expr;
                )*
            }
        )+
    ) => {
        $(#[$doc])*
        #[async_trait]
        pub trait $around: std::fmt::Debug + Send + Sync + 'static {
            /// Around every asynchronous call whose own method is not changed. `future` is the call of the inner object. An
            /// error that is returned instead of the answer must be one that the contract allows.
            fn call<T: Send, F: Future<Output = Result<T>> + Send>(
                &self,
                operation: crate::Operation,
                future: F,
            ) -> impl Future<Output = Result<T>> + Send {
                let _ = operation;
                future
            }
            $(
                $(
                    #[doc = concat!("Around [`", stringify!($contract), "::", stringify!($plain), "`].")]
                    fn $plain(&self, inner: &dyn $object) -> $returned {
                        inner.$plain()
                    }
                )*
                $(
                    #[doc = concat!("Around [`", stringify!($contract), "::", stringify!($name), "`].")]
                    async fn $name(&self, inner: &dyn $object, $($argument: $type),*) -> $answer {
                        let operation = crate::Operation::new(stringify!($name), $rows);
                        self.call(operation, inner.$name($($argument),*)).await
                    }
                )*
            )+
        }

        $(
            // A method that is missing here would get the contract's default instead of the inner object's.
            #[deny(clippy::missing_trait_methods)]
            #[async_trait]
            impl<A: $around> $contract for crate::Layered<dyn $object, A> {
                $(
                    fn $plain(&self) -> $returned {
                        self.around.$plain(&*self.inner)
                    }
                )*
                $(
                    async fn $name(&self, $($argument: $type),*) -> $answer {
                        self.around.$name(&*self.inner, $($argument),*).await
                    }
                )*
            }
        )+
    };
}
use around;
