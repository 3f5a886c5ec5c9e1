//! The store of credentials.
use std::fmt;

use crate::{
    AppId, CertificateId, Channel, CredentialRef, Environment, Result, Timestamp, async_trait,
};

/// A credential as it is stored: its configuration is sealed, and only the gateway has the key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCredential {
    /// The app it belongs to.
    pub app: AppId,
    /// Its id within the app, which survives rotation (S58).
    pub id: CertificateId,
    /// The provider plugin it configures, by its name in the registry.
    pub provider: String,
    /// The channel that plugin speaks.
    pub channel: Channel,
    /// The environment it sends to; `None` if the vendor has only one.
    pub environment: Option<Environment>,
    /// A name for people; empty for none.
    pub label: String,
    /// The encrypted configuration.
    pub sealed: Vec<u8>,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// When its content was last replaced.
    pub rotated_at: Timestamp,
    /// When it expires, if the vendor dates it.
    pub expires_at: Option<Timestamp>,
}

impl StoredCredential {
    /// The first version of credential `id`.
    pub fn new(id: CertificateId, new: NewCredential) -> Self {
        Self {
            app: new.app,
            id,
            provider: new.provider,
            channel: new.channel,
            environment: new.environment,
            label: new.label,
            sealed: new.sealed,
            created_at: new.at,
            rotated_at: new.at,
            expires_at: new.expires_at,
        }
    }

    /// Its app and id.
    pub fn reference(&self) -> CredentialRef {
        CredentialRef::new(self.app.clone(), self.id)
    }
}

impl fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCredential")
            .field("app", &self.app)
            .field("id", &self.id)
            .field("provider", &self.provider)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// What a new or rotated credential consists of. The fields are those of [`StoredCredential`].
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct NewCredential {
    pub app: AppId,
    pub provider: String,
    pub channel: Channel,
    pub environment: Option<Environment>,
    pub label: String,
    pub sealed: Vec<u8>,
    pub at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl NewCredential {
    /// A credential without environment, label and end.
    pub fn new(
        app: AppId,
        provider: impl Into<String>,
        channel: Channel,
        sealed: Vec<u8>,
        at: Timestamp,
    ) -> Self {
        Self {
            app,
            provider: provider.into(),
            channel,
            environment: None,
            label: String::new(),
            sealed,
            at,
            expires_at: None,
        }
    }

    crate::setters! {
        with_environment(environment: impl Into<Option<Environment>>);
        with_label(label: impl Into<String>);
        with_expires_at(expires_at: impl Into<Option<Timestamp>>);
    }
}

impl fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCredential")
            .field("app", &self.app)
            .field("provider", &self.provider)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Credentials, by app and integer id.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of credentials",
    note = "a store implements `RegistrationStore`, `CredentialStore` and `TraceStore`, each with `#[async_trait]` above the `impl`"
)]
#[async_trait]
pub trait CredentialStore: fmt::Debug + Send + Sync + 'static {
    /// Returns an id that no credential of `app` has or had. Ids that were returned are not reserved: another call may add
    /// one first.
    async fn free_certificate(&self, app: &AppId) -> Result<CertificateId>;

    /// Stores a new credential under `id`, which its sealed configuration names.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the id is taken, or was that of a removed credential.
    async fn add_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential>;

    /// Replaces a credential's content, label and expiry in place; id, provider, channel and environment stay (S58).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such credential,
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if provider, channel or environment differ; of a damaged record, what
    /// can still be read is compared.
    async fn rotate_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential>;

    /// The credentials of an app, by id; of every app if `app` is `None`. Those whose record is damaged are left out.
    async fn credentials(&self, app: Option<&AppId>) -> Result<Vec<StoredCredential>>;

    /// One credential.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if its record is damaged: [`rotate_credential`](Self::rotate_credential)
    /// writes it anew.
    async fn credential(&self, credential: &CredentialRef) -> Result<Option<StoredCredential>>;

    /// Removes a credential; its id is never given to another. Returns `true` if there was one. Registrations that name it
    /// stay.
    async fn remove_credential(&self, credential: &CredentialRef) -> Result<bool>;

    /// Replaces the sealed configuration of a credential if it still is `before`; times and all else stay. Returns `true` if it
    /// was replaced. For a configuration that is the same and is only sealed in another form.
    async fn reseal_credential(
        &self,
        credential: &CredentialRef,
        before: &[u8],
        after: Vec<u8>,
    ) -> Result<bool>;

    /// Returns the sealed value by which the gateway knows its master key again; `None` if none was stored yet.
    async fn key_check(&self) -> Result<Option<Vec<u8>>>;

    /// Stores that value if the stored one still is `before`, `None` for none. Returns `true` if it was stored.
    async fn set_key_check(&self, before: Option<&[u8]>, after: Vec<u8>) -> Result<bool>;
}
