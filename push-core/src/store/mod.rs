//! What the gateway must remember: which user is logged in on which device with which tokens, credentials, and traces.
mod credentials;
mod device;
mod registration;
mod registrations;
mod traces;

pub use self::{credentials::*, device::*, registration::*, registrations::*, traces::*};

/// Everything the gateway must remember but its queue. A store plugin builds one.
///
/// Every method is atomic and durable when it returns, except [`TraceStore::append`], which may be durable a moment later.
/// Methods are called concurrently; an implementation groups them.
///
/// What belongs to one app is never read or changed through another: the same ids in two apps are different objects.
///
/// # Errors
/// Besides those named at each method, [`ErrorKind::Busy`](crate::ErrorKind::Busy) if a limit of the store is reached,
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the medium cannot be reached, and
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if it cannot be read. A call that fails has changed nothing. Lists leave out single entries that are
/// damaged: those never stop the others from being read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store",
    note = "a store implements `RegistrationStore`, `CredentialStore` and `TraceStore`, each with `#[async_trait]` above the `impl`"
)]
pub trait Store: RegistrationStore + CredentialStore + TraceStore {}

impl<T: RegistrationStore + CredentialStore + TraceStore> Store for T {}
