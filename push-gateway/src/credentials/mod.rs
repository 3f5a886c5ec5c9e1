//! Credentials: uploaded, checked, sealed, built into providers, rotated in place.
mod info;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use push_core::{
    AppId, BuildContext, Capabilities, CertificateId, Channel, Clock, CredentialRef, DynProvider,
    Error, ErrorKind, Health, Layers, NewCredential, ProviderKind, RawConfig, Reason, Registry,
    Result, Store, StoredCredential, Timestamp,
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    decision::{ClassPolicy, CredentialFacts, Credentials, check_policies_with, reasons},
    key_check,
    receipt_address::ReceiptAddresses,
    seal::{Forms, MasterKey, Purpose, Sealer},
    settings::Settings,
};

pub use info::{CredentialInfo, Expiry, RemovedCredential, UnusableCredential, Upload};

/// How often another id is tried for a new credential, if others add credentials at the same time.
const ID_ATTEMPTS: usize = 32;

/// A credential built into its provider.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) provider: DynProvider,
    pub(crate) facts: CredentialFacts,
    /// Distinguishes this build from those before and after a rotation.
    pub(crate) generation: u64,
    /// Whether the vendor has accepted a push of this build: only then are its words on tokens believed.
    proved: AtomicBool,
}

impl Loaded {
    pub(crate) fn proved(&self) -> bool {
        self.proved.load(Ordering::Relaxed)
    }

    pub(crate) fn prove(&self) {
        self.proved.store(true, Ordering::Relaxed);
    }
}

/// A credential that cannot be used, and why.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    pub(crate) reason: Reason,
    pub(crate) evidence: String,
}

pub(crate) type Load = Result<Arc<Loaded>, Unusable>;

/// All credentials, with their providers built once and kept.
pub(crate) struct Vault {
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    /// Around every provider that sends.
    layers: Layers,
    context: BuildContext,
    sealer: Sealer,
    key_source: String,
    /// Whether the master key was found to be that of the store.
    is_key_checked: OnceCell<()>,
    receipt_addresses: ReceiptAddresses,
    policies: Vec<ClassPolicy>,
    verify_timeout: Duration,
    cache: Mutex<HashMap<CredentialRef, Cached>>,
    generations: AtomicU64,
}

#[derive(Clone)]
struct Cached {
    load: Load,
    rotated_at: Timestamp,
}

impl Vault {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        (registry, layers): (Arc<Registry>, Layers),
        master_key: &MasterKey,
        receipt_addresses: ReceiptAddresses,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Ok(Self {
            store,
            registry,
            layers,
            context: settings.build_context(clock),
            sealer: Sealer::new(master_key)?,
            key_source: master_key.source().to_owned(),
            is_key_checked: OnceCell::new(),
            receipt_addresses,
            policies: settings.decision.policies.clone(),
            verify_timeout: settings.limits.verify_timeout,
            cache: Mutex::default(),
            generations: AtomicU64::new(1),
        })
    }

    /// Checks once that the credentials in the store were sealed with this master key.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if they were not; those of the store.
    pub(crate) async fn check_key(&self) -> Result<()> {
        let program = self.registry.program();
        let check = || key_check::verify(&*self.store, &self.sealer, &self.key_source, program);
        self.is_key_checked.get_or_try_init(check).await.copied()
    }

    /// Makes this master key the one of the store. Credentials sealed with another one have to be uploaded again.
    pub(crate) async fn accept_key(&self) -> Result<()> {
        key_check::accept(&*self.store, &self.sealer).await
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<CredentialRef, Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a new credential, after its provider has accepted the configuration.
    pub(crate) async fn add(&self, app: &AppId, upload: Upload) -> Result<StoredCredential> {
        let provider = self.build(app, &upload.provider, &upload.config)?;
        // Never beside credentials that were sealed with another key.
        self.check_key().await?;
        let stored = match upload.id {
            Some(id) => {
                let new = self.sealed(app, id, &upload, provider.capabilities())?;
                self.store.add_credential(id, new).await?
            }
            None => self.add_anywhere(app, &upload, &provider).await?,
        };
        // Built when it is needed: only now is its id known, and with it its receipt address.
        self.cache().remove(&stored.reference());
        Ok(stored)
    }

    /// Stores a new credential under a free id. Who adds one at the same time may be given the same id, and be first.
    async fn add_anywhere(
        &self,
        app: &AppId,
        upload: &Upload,
        provider: &DynProvider,
    ) -> Result<StoredCredential> {
        for _ in 0..ID_ATTEMPTS {
            let id = self.store.free_certificate(app).await?;
            let new = self.sealed(app, id, upload, provider.capabilities())?;
            match self.store.add_credential(id, new).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                added => return added,
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("too many credentials of app {app} are added at the same time"),
        )
        .advise("upload it again"))
    }

    /// Replaces a credential's content; its id stays.
    pub(crate) async fn rotate(
        &self,
        credential: &CredentialRef,
        upload: Upload,
    ) -> Result<StoredCredential> {
        let old = self.stored_or_damaged(credential).await?;
        if let Some(old) = &old
            && old.provider != upload.provider
        {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "certificate {} is of provider `{}`, and stays so",
                    credential.certificate, old.provider
                ),
            )
            .advise("upload the other provider's credential as a new one"));
        }
        let provider = self.build(&credential.app, &upload.provider, &upload.config)?;
        let capabilities = provider.capabilities();
        if let Some(old) = old
            && capabilities.environment != old.environment
        {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "certificate {} is for another environment than this content",
                    credential.certificate
                ),
            )
            .advise("rotate it with content for the same environment; the other environment has an id of its own"));
        }
        self.check_key().await?;
        let new = self.sealed(
            &credential.app,
            credential.certificate,
            &upload,
            capabilities,
        )?;
        let stored = self
            .store
            .rotate_credential(credential.certificate, new)
            .await?;
        self.cache().remove(credential);
        Ok(stored)
    }

    /// Builds a provider without storing anything, and checks the operator's policies with it.
    fn build(&self, app: &AppId, provider: &str, config: &Value) -> Result<DynProvider> {
        if let Some(key) = file_key(config) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the configuration names a file in `{key}`"),
            )
            .advise("send the file's content under the key without `_file`"));
        }
        let raw = RawConfig::from_json(config)?;
        let provider = self
            .registry
            .build::<ProviderKind>(provider, raw, &self.context)?;
        check_policies_with(&self.policies, app, &provider)?;
        Ok(provider)
    }

    /// Checks the operator's policies with a stored credential, if there are any for its channel.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the class and the field; those of the store.
    pub(crate) async fn check_policies(&self, stored: &StoredCredential) -> Result<()> {
        let of_channel = |policy: &ClassPolicy| policy.vendor.contains_key(&stored.channel);
        if !self.policies.iter().any(of_channel) {
            return Ok(());
        }
        match self.load(&stored.reference()).await? {
            Ok(loaded) => check_policies_with(&self.policies, &stored.app, &loaded.provider),
            // It has been logged why.
            Err(_) => Ok(()),
        }
    }

    fn sealed(
        &self,
        app: &AppId,
        id: CertificateId,
        upload: &Upload,
        capabilities: &Capabilities,
    ) -> Result<NewCredential> {
        let plain = zeroize::Zeroizing::new(upload.config.to_string());
        let purpose = Purpose::Credential {
            app,
            provider: &upload.provider,
            id,
        };
        Ok(NewCredential::new(
            app.clone(),
            upload.provider.clone(),
            capabilities.channel.clone(),
            self.sealer.seal(purpose, plain.as_bytes())?,
            self.now(),
        )
        .with_environment(capabilities.environment)
        .with_label(upload.label.clone())
        .with_expires_at(capabilities.expires_at))
    }

    /// Keeps what was built, unless something is kept already: that is as new, or newer.
    fn keep(&self, stored: &StoredCredential, provider: DynProvider) -> Load {
        let loaded = Arc::new(Loaded {
            facts: provider.capabilities().into(),
            provider,
            generation: self.generations.fetch_add(1, Ordering::Relaxed),
            proved: AtomicBool::new(false),
        });
        self.cache()
            .entry(stored.reference())
            .or_insert_with(|| Cached {
                rotated_at: stored.rotated_at,
                load: Ok(loaded),
            })
            .load
            .clone()
    }

    /// Removes a credential. Returns `true` if there was one.
    pub(crate) async fn remove(&self, credential: &CredentialRef) -> Result<bool> {
        let removed = self.store.remove_credential(credential).await?;
        self.cache().remove(credential);
        Ok(removed)
    }

    /// The providers of the app's credentials for `channel` that can be built.
    pub(crate) async fn providers_of(
        &self,
        app: &AppId,
        channel: &Channel,
    ) -> Result<Vec<DynProvider>> {
        let mut providers = Vec::new();
        for stored in self.store.credentials(Some(app)).await? {
            if stored.channel == *channel
                && let Ok(loaded) = self.load(&stored.reference()).await?
            {
                providers.push(Arc::clone(&loaded.provider));
            }
        }
        Ok(providers)
    }

    /// The provider of `credential`, built if need be.
    ///
    /// # Errors
    /// Only if the store could not be asked. What is wrong with the credential is in the [`Load`].
    pub(crate) async fn load(&self, credential: &CredentialRef) -> Result<Load> {
        if let Some(cached) = self.cache().get(credential) {
            return Ok(cached.load.clone());
        }
        // Neither is kept: it may be uploaded at any time.
        let stored = match self.store.credential(credential).await {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                return Ok(Err(Unusable {
                    reason: reasons::CERTIFICATE_UNKNOWN,
                    evidence: String::new(),
                }));
            }
            // It stops what is sent with it, and nothing else.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::error!(?credential, %error, "a stored credential cannot be used");
                return Ok(Err(Unusable {
                    reason: reasons::CREDENTIAL_UNUSABLE,
                    evidence: error.to_string(),
                }));
            }
            Err(error) => return Err(error),
        };
        let forms = match Sealer::is_without_id(&stored.sealed)
            && self.store.key_check().await?.is_none()
        {
            true => Forms::All,
            false => Forms::Bound,
        };
        Ok(self.open(&stored, forms))
    }

    fn open(&self, stored: &StoredCredential, forms: Forms) -> Load {
        let purpose = Purpose::Credential {
            app: &stored.app,
            provider: &stored.provider,
            id: stored.id,
        };
        let opened = self
            .sealer
            .open(purpose, forms, &stored.sealed)
            .and_then(|plain| {
                let config = serde_json::from_slice(&plain).map_err(|_| {
                    Error::new(ErrorKind::Corrupt, "the sealed configuration is not JSON")
                })?;
                let raw = RawConfig::from_json(&config)?;
                let receipts = self.receipt_addresses.address(&stored.reference())?;
                let context = self.context.clone().with_receipts(receipts);
                self.registry
                    .build::<ProviderKind>(&stored.provider, raw, &context)
            });
        match opened {
            Ok(provider) => {
                let provider = self.layers.provider(provider, &stored.reference());
                self.keep(stored, provider)
            }
            Err(error) => {
                let unusable = Unusable {
                    reason: match error.kind() {
                        ErrorKind::NotFound => reasons::NO_PROVIDER,
                        _ => reasons::CREDENTIAL_UNUSABLE,
                    },
                    evidence: error.to_string(),
                };
                tracing::error!(credential = ?stored.reference(), %error, "a stored credential cannot be used");
                self.cache()
                    .entry(stored.reference())
                    .or_insert_with(|| Cached {
                        load: Err(unusable),
                        rotated_at: stored.rotated_at,
                    })
                    .load
                    .clone()
            }
        }
    }

    /// Which build of `credential` is the current one, if there is any.
    pub(crate) fn generation(&self, credential: &CredentialRef) -> Option<u64> {
        let cache = self.cache();
        cache
            .get(credential)?
            .load
            .as_ref()
            .ok()
            .map(|it| it.generation)
    }

    /// Whether the vendor accepted a push of the current build of `credential`.
    pub(crate) fn proved(&self, credential: &CredentialRef) -> bool {
        let cache = self.cache();
        let cached = cache.get(credential);
        cached.is_some_and(|cached| cached.load.as_ref().is_ok_and(|loaded| loaded.proved()))
    }

    /// `reason` with the advice of the credential's provider, if the vendor refuses the credential and the provider has any.
    pub(crate) async fn advised(&self, credential: &CredentialRef, reason: Reason) -> Reason {
        if reason == reasons::CREDENTIAL_REFUSED {
            // Without its provider, the general advice remains.
            drop(self.load(credential).await);
        }
        self.advised_if_loaded(credential, reason)
    }

    /// The same of a credential that was used before.
    pub(crate) fn advised_if_loaded(&self, credential: &CredentialRef, reason: Reason) -> Reason {
        let cache = self.cache();
        let loaded = cache.get(credential).and_then(|it| it.load.as_ref().ok());
        match loaded.map_or("", |loaded| loaded.facts.repair) {
            advice if reason == reasons::CREDENTIAL_REFUSED && !advice.is_empty() => {
                Reason::new(reason.code, reason.text, advice)
            }
            _ => reason,
        }
    }

    /// What decisions must know of these credentials.
    pub(crate) async fn facts(
        &self,
        app: &AppId,
        ids: &BTreeSet<CertificateId>,
    ) -> Result<Credentials> {
        let mut facts = Credentials::with_capacity(ids.len());
        for id in ids {
            let credential = CredentialRef::new(app.clone(), *id);
            match self.load(&credential).await? {
                Ok(loaded) => {
                    facts.insert(*id, Ok(loaded.facts.clone()));
                }
                Err(it) if it.reason == reasons::CERTIFICATE_UNKNOWN => {}
                Err(it) => {
                    facts.insert(*id, Err(it.reason));
                }
            }
        }
        Ok(facts)
    }

    /// Asks the vendor whether it accepts the credential.
    pub(crate) async fn verify(&self, credential: &CredentialRef) -> Result<Health> {
        self.stored_or_damaged(credential).await?;
        let loaded = match self.load(credential).await? {
            Ok(loaded) => loaded,
            Err(unusable) => {
                return Ok(Health::refused(unusable.evidence));
            }
        };
        tokio::select! {
            health = loaded.provider.verify() => health,
            () = self.context.clock.sleep(self.verify_timeout) => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the vendor did not say within {} s whether it accepts the credential",
                    self.verify_timeout.as_secs_f64()
                ),
            )
            .advise("check the way to the vendor, or raise `limits.verify_timeout`")),
        }
    }

    /// A stored credential.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none.
    pub(crate) async fn stored(&self, credential: &CredentialRef) -> Result<StoredCredential> {
        self.store.credential(credential).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "app {} has no certificate {}",
                    credential.app, credential.certificate
                ),
            )
            .advise("list the credentials of the app: each has its id")
        })
    }

    /// A stored credential; `None` if its record is damaged.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none.
    async fn stored_or_damaged(
        &self,
        credential: &CredentialRef,
    ) -> Result<Option<StoredCredential>> {
        match self.stored(credential).await {
            Ok(stored) => Ok(Some(stored)),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Drops what another gateway has rotated meanwhile, and returns those credentials.
    pub(crate) fn forget_rotated(&self, stored: &[StoredCredential]) -> Vec<CredentialRef> {
        let mut cache = self.cache();
        let rotated: Vec<CredentialRef> = stored
            .iter()
            .filter(|stored| {
                let cached = cache.get(&stored.reference());
                cached.is_some_and(|cached| cached.rotated_at != stored.rotated_at)
            })
            .map(StoredCredential::reference)
            .collect();
        for credential in &rotated {
            cache.remove(credential);
        }
        rotated
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// The first key anywhere in `config` that names a file.
fn file_key(config: &Value) -> Option<&str> {
    match config {
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            if key.ends_with("_file") {
                Some(key.as_str())
            } else {
                file_key(value)
            }
        }),
        Value::Array(items) => items.iter().find_map(file_key),
        _ => None,
    }
}
