//! The gateway: everything put together.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use push_core::{
    AppId, CertificateId, CredentialRef, Cursor, DeliveryId, Error, ErrorKind, Health, Ingress,
    Message, MessageId, Page, PresenceChange, Reason, Receipt, Result, Secret, Stage,
    StoredCredential, Submitted, Tag, Timestamp, TraceEvent, TraceQuery, UserId, async_trait,
};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::{
    credentials::{CredentialInfo, Expiry, RemovedCredential, UnusableCredential, Upload, Vault},
    lane_status::LaneStatus,
    metrics::{Metrics, Snapshot},
    parts::Parts,
    pipeline::Pipeline,
    receipt_address::ReceiptAddresses,
    receipt_key::ReceiptKeys,
    removed,
    seal::random,
    services::Services,
    ticket::{Ticket, Tickets},
    trace::Recorder,
};

/// The server half: takes messages, decides, queues, sends, and records what happened to each. Clones share one gateway.
///
/// Needs a tokio runtime from [`Gateway::start`] on. Its methods complete their work even if the caller drops the future, so that
/// a client that disconnects leaves no partial change.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) services: Arc<Services>,
    pub(crate) tickets: Tickets,
    pub(crate) pipeline: Pipeline,
    pub(crate) receipt_keys: ReceiptKeys,
    pub(crate) receipt_addresses: ReceiptAddresses,
    background: Mutex<JoinSet<()>>,
}

/// A delivery that waits for its credential.
#[derive(Debug)]
pub(crate) struct Delayed {
    pub(crate) delivery: DeliveryId,
    pub(crate) certificate: CertificateId,
    pub(crate) reason: Reason,
    pub(crate) status: LaneStatus,
}

impl Gateway {
    /// Puts a gateway together. Nothing runs yet, and nothing is read or written.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the settings cannot work.
    pub fn new(parts: Parts) -> Result<Self> {
        let store = parts.layers.store(parts.store);
        let queue = parts.layers.queue(parts.queue);
        let settings = parts.settings;
        settings.check()?;
        let seed = match settings.pipeline.seed {
            Some(seed) => seed,
            None => {
                let mut bytes = [0; 8];
                random(&mut bytes)?;
                u64::from_ne_bytes(bytes)
            }
        };
        let metrics = Arc::new(Metrics::default());
        let recorder = Arc::new(Recorder::new(
            Arc::clone(&store),
            Arc::clone(&metrics),
            settings.limits.trace_buffer,
        ));
        let receipt_addresses =
            ReceiptAddresses::new(&parts.master_key, settings.public_url.as_deref())?;
        let vault = Arc::new(Vault::new(
            Arc::clone(&store),
            (parts.registry, parts.layers),
            &parts.master_key,
            receipt_addresses.clone(),
            &settings,
            Arc::clone(&parts.clock),
        )?);
        let services = Arc::new(Services {
            store,
            queue,
            vault,
            clock: parts.clock,
            recorder,
            metrics,
            settings,
            explaining: tokio::sync::Mutex::default(),
        });
        Ok(Self(Arc::new(Inner {
            tickets: Tickets::new(&parts.master_key)?,
            receipt_keys: ReceiptKeys::new(&parts.master_key)?,
            receipt_addresses,
            pipeline: Pipeline::new(Arc::clone(&services), seed),
            services,
            background: Mutex::default(),
        })))
    }

    /// Makes the master key the one that [`Gateway::start`] expects from now on, instead of the key that the stored credentials
    /// were sealed with. Those cannot be used until each of them is uploaded again under its id.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn accept_master_key(&self) -> Result<()> {
        self.0.services.vault.accept_key().await
    }

    /// Begins to send, also what an earlier run left in the queue (S128). A second call does nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] outside a tokio runtime, and if the credentials in the store were sealed with another master
    /// key; those of the store.
    pub async fn start(&self) -> Result<()> {
        tokio::runtime::Handle::try_current().map_err(|_| {
            Error::new(
                ErrorKind::Config,
                "the gateway was started outside a tokio runtime",
            )
            .advise(
                "call start() inside #[tokio::main], or from Runtime::block_on of a runtime that the program keeps",
            )
        })?;
        self.0.services.vault.check_key().await?;
        let is_running = !self.background().is_empty();
        if !is_running {
            removed::explain_all(&self.0.services).await;
        }
        self.run();
        Ok(())
    }

    fn background(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        let background = self.0.background.lock();
        background.unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut background = self.background();
        if !background.is_empty() {
            return;
        }
        self.0.pipeline.start();
        let inner = Arc::clone(&self.0);
        background.spawn(async move {
            let services = &inner.services;
            services.recorder.run(&*services.clock).await;
        });
        let inner = Arc::clone(&self.0);
        background.spawn(async move { inner.pipeline.sweep().await });
        let inner = Arc::clone(&self.0);
        background.spawn(async move { inner.pipeline.follow().await });
        let inner = Arc::clone(&self.0);
        background.spawn(async move { inner.run_housekeeping().await });
        let inner = Arc::clone(&self.0);
        let started = self.now();
        background.spawn(async move { inner.report_lost(started).await });
    }

    /// Runs a way in beside its requests ([`Ingress::run`]) until the gateway shuts down. Call it after [`Gateway::start`].
    pub fn run_ingress(&self, ingress: Arc<dyn Ingress>) {
        let gateway: Arc<dyn push_core::Gateway> = Arc::new(self.clone());
        let mut background = self.background();
        background.spawn(async move { ingress.run(gateway).await });
    }

    /// Stops: leases nothing more, waits for answers for at most [`PipelineSettings::drain`](crate::PipelineSettings::drain),
    /// returns the others to the queue, and stores the traces.
    pub async fn shutdown(&self) {
        self.0.pipeline.stop().await;
        let mut background = std::mem::take(
            &mut *self
                .0
                .background
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        background.shutdown().await;
        self.0.services.recorder.flush().await;
    }

    /// Runs `work` to its end even if the caller drops this future.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match tokio::spawn(work).await {
            Ok(result) => result,
            Err(source) => {
                Err(Error::new(ErrorKind::Internal, "a request failed inside").because(source))
            }
        }
    }

    /// Looks whether the store and the queue still have what they kept: for a health check.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub async fn check(&self) -> Result<()> {
        self.0.services.queue.check().await?;
        self.0.services.store.check().await
    }

    /// The counters.
    pub fn metrics(&self) -> Snapshot {
        self.0.services.metrics.snapshot()
    }

    /// The time by the gateway's clock.
    pub fn now(&self) -> Timestamp {
        self.0.services.clock.now()
    }

    /// Issues a ticket for a phone on which `user` is logged in, good for `life`.
    ///
    /// # Errors
    /// As [`Tickets::issue`].
    pub fn issue_ticket(
        &self,
        app: &AppId,
        user: &UserId,
        life: std::time::Duration,
    ) -> Result<(Secret, Ticket)> {
        self.0.tickets.issue(app, user, self.now(), life)
    }

    /// Checks tickets.
    pub fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    /// Uploads a credential, once its provider accepts the configuration, and returns its id.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the provider refuses the configuration, [`ErrorKind::NotFound`] if there is no such
    /// provider in this build (S123), [`ErrorKind::Conflict`] if the id is taken.
    pub async fn add_credential(&self, app: &AppId, upload: Upload) -> Result<CredentialInfo> {
        let (inner, app) = (Arc::clone(&self.0), app.clone());
        self.detached(async move {
            let stored = inner.services.vault.add(&app, upload).await?;
            // Registrations may have waited for this id.
            inner.pipeline.resume(&stored.reference()).await?;
            inner.info(stored).await
        })
        .await
    }

    /// Replaces a credential's content. Its id stays (S58); quarantined tokens are released, and deliveries that wait
    /// go at once.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Conflict`] if provider or environment differ, and those of the provider.
    pub async fn rotate_credential(
        &self,
        credential: &CredentialRef,
        upload: Upload,
    ) -> Result<CredentialInfo> {
        let (inner, credential) = (Arc::clone(&self.0), credential.clone());
        self.detached(async move {
            let stored = inner.services.vault.rotate(&credential, upload).await?;
            inner.pipeline.resume(&credential).await?;
            inner.info(stored).await
        })
        .await
    }

    /// Resumes a suspended credential after its cause was repaired at the vendor, as a rotation does.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such credential.
    pub async fn resume_credential(&self, credential: &CredentialRef) -> Result<CredentialInfo> {
        let (inner, credential) = (Arc::clone(&self.0), credential.clone());
        self.detached(async move {
            let stored = inner.services.vault.stored(&credential).await?;
            inner.pipeline.resume(&credential).await?;
            inner.info(stored).await
        })
        .await
    }

    /// Removes a credential. Its id is never given to another; registrations that name it stay and are skipped with
    /// `certificate-unknown`. Deliveries that wait for it go on to wait, for the same reason, until their life ends.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such credential.
    pub async fn remove_credential(&self, credential: &CredentialRef) -> Result<RemovedCredential> {
        let (inner, credential) = (Arc::clone(&self.0), credential.clone());
        self.detached(async move {
            let stored = inner.services.vault.stored(&credential).await?;
            let info = inner.info(stored).await?;
            inner.services.vault.remove(&credential).await?;
            // The lanes look again, and find no credential.
            inner.pipeline.resume(&credential).await?;
            let lanes = inner.services.queue.lanes().await?;
            let of_credential = lanes.iter().filter(|it| it.lane.credential == credential);
            let waiting = of_credential.map(|it| it.depth).sum();
            tracing::info!(
                ?credential,
                provider = info.provider,
                waiting,
                "a credential was removed"
            );
            Ok(RemovedCredential { info, waiting })
        })
        .await
    }

    /// The app's credentials, by id.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn credentials(&self, app: &AppId) -> Result<Vec<CredentialInfo>> {
        let stored = self.0.services.store.credentials(Some(app)).await?;
        let mut credentials = Vec::with_capacity(stored.len());
        for credential in stored {
            credentials.push(self.0.info(credential).await?);
        }
        Ok(credentials)
    }

    /// Asks the vendor whether it accepts a credential, without disturbing a user.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such credential, [`ErrorKind::Unavailable`] if the vendor cannot be asked.
    pub async fn verify_credential(&self, credential: &CredentialRef) -> Result<Health> {
        self.0.services.vault.verify(credential).await
    }

    /// Replaces the tags of a user, by which [`Audience::Tags`](push_core::Audience::Tags) selects.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for more than [`Tag::MAX_PER_USER`] tags, and those of the store.
    pub async fn set_tags(&self, app: &AppId, user: &UserId, mut tags: Vec<Tag>) -> Result<()> {
        tags.sort();
        tags.dedup();
        if tags.len() > Tag::MAX_PER_USER {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("a user has at most {} tags", Tag::MAX_PER_USER),
            ));
        }
        self.0.services.store.set_tags(app, user, tags).await
    }

    /// The tags of a user, sorted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tags(&self, app: &AppId, user: &UserId) -> Result<Vec<Tag>> {
        self.0.services.store.tags(app, user).await
    }

    /// The deliveries of these events that are not settled and wait because their credential is suspended or backs off now.
    pub(crate) async fn delayed(&self, app: &AppId, events: &[TraceEvent]) -> Vec<Delayed> {
        let mut open: BTreeMap<DeliveryId, CertificateId> = BTreeMap::new();
        for event in events {
            match (event.delivery, event.certificate, event.stage) {
                (Some(delivery), _, Stage::Settled) => drop(open.remove(&delivery)),
                // What a phone reports may come before the vendor's answer is stored.
                (Some(delivery), Some(certificate), Stage::Queued | Stage::Attempt) => {
                    open.insert(delivery, certificate);
                }
                _ => {}
            }
        }
        let mut delayed = Vec::new();
        for (delivery, certificate) in open {
            let credential = CredentialRef::new(app.clone(), certificate);
            let status = self.0.pipeline.credential_status(&credential);
            if let Some(reason) = status.reason() {
                delayed.push(Delayed {
                    delivery,
                    certificate,
                    reason: self.advised(&credential, reason).await,
                    status,
                });
            }
        }
        delayed
    }

    /// `reason` with the advice of the credential's provider, if it has any.
    pub(crate) async fn advised(&self, credential: &CredentialRef, reason: Reason) -> Reason {
        self.0.services.vault.advised(credential, reason).await
    }

    /// A page of the trace events that `query` selects, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn find_traces(
        &self,
        app: &AppId,
        query: &TraceQuery,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<TraceEvent>> {
        self.0.services.recorder.flush().await;
        self.0.services.store.find(app, query, after, limit).await
    }

    /// The events of one message, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn trace_of_message(
        &self,
        app: &AppId,
        message: &MessageId,
    ) -> Result<Vec<TraceEvent>> {
        self.0.services.recorder.flush().await;
        self.0.services.store.trace_of_message(app, message).await
    }

    /// The events of one delivery and of its message, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn trace_of_delivery(
        &self,
        app: &AppId,
        delivery: DeliveryId,
    ) -> Result<Vec<TraceEvent>> {
        self.0.services.recorder.flush().await;
        self.0.services.store.trace_of_delivery(app, delivery).await
    }
}

impl Inner {
    pub(crate) async fn info(&self, stored: StoredCredential) -> Result<CredentialInfo> {
        let warning = self.services.settings.limits.expiry_warning;
        let receipts = self.receipt_addresses.address(&stored.reference());
        let load = self.services.vault.load(&stored.reference()).await?;
        Ok(CredentialInfo {
            unusable: load.err().map(|unusable| UnusableCredential {
                reason: unusable.reason,
                evidence: unusable.evidence,
            }),
            receipts: receipts.ok().flatten().map(|address| address.to_string()),
            lane: self.pipeline.status(&stored.reference()),
            expiry: Expiry::of(stored.expires_at, self.services.clock.now(), warning),
            id: stored.id,
            provider: stored.provider,
            channel: stored.channel,
            environment: stored.environment,
            label: stored.label,
            created_at: stored.created_at,
            rotated_at: stored.rotated_at,
            expires_at: stored.expires_at,
        })
    }

    /// Periodically picks up credentials that other gateways rotated, warns of expiring certificates, and deletes old traces.
    async fn run_housekeeping(&self) {
        let limits = &self.services.settings.limits;
        let mut warned = std::collections::HashMap::new();
        // By a time that never goes back: a clock that was ahead and is set back does not put it off until it has caught up.
        let mut pruned = None;
        let mut are_policies_checked = false;
        loop {
            match self.services.store.credentials(None).await {
                Ok(stored) => {
                    for credential in self.services.vault.forget_rotated(&stored) {
                        if let Err(error) = self.pipeline.resume(&credential).await {
                            tracing::warn!(?credential, %error, "a rotated credential could not be resumed");
                        }
                    }
                    for it in &stored {
                        self.warn_of_expiry(it, &mut warned);
                    }
                    if !std::mem::replace(&mut are_policies_checked, true) {
                        self.check_policies(&stored).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "the credentials cannot be looked at"),
            }
            let now = self.pipeline.now();
            if pruned.is_none_or(|pruned| now.moment.since(pruned) >= limits.traces / 24) {
                pruned = Some(now.moment);
                let before = now.wall - limits.traces;
                if let Err(error) = self.services.store.prune_traces(before).await {
                    tracing::warn!(%error, "old traces could not be dropped");
                }
            }
            self.services.clock.sleep(limits.housekeeping).await;
        }
    }

    /// Logs which policies of the operator do not fit a credential: pushes of that class would not be sent.
    async fn check_policies(&self, stored: &[StoredCredential]) {
        for it in stored {
            if let Err(error) = self.services.vault.check_policies(it).await {
                tracing::error!(credential = ?it.reference(), %error, "a policy does not fit a credential");
            }
        }
    }

    /// Logs once when a credential expires soon, and once when it has expired.
    fn warn_of_expiry(
        &self,
        stored: &StoredCredential,
        warned: &mut std::collections::HashMap<(CredentialRef, Timestamp), Expiry>,
    ) {
        let Some(expires_at) = stored.expires_at else {
            return;
        };
        let warning = self.services.settings.limits.expiry_warning;
        let expiry = Expiry::of(Some(expires_at), self.services.clock.now(), warning);
        let before = warned.insert((stored.reference(), expires_at), expiry);
        if expiry == Expiry::Fine || before == Some(expiry) {
            return;
        }
        let days = expires_at.since(self.services.clock.now()).as_secs() / 86_400;
        if expiry == Expiry::Expired {
            tracing::error!(credential = ?stored.reference(), "the certificate has expired: rotate it, its id stays");
        } else {
            tracing::warn!(credential = ?stored.reference(), days, "the certificate expires soon: rotate it, its id stays");
        }
    }
}

#[async_trait]
impl push_core::Gateway for Gateway {
    async fn submit(&self, app: &AppId, messages: Vec<Message>) -> Result<Vec<Submitted>> {
        let (inner, app) = (Arc::clone(&self.0), app.clone());
        let span = tracing::info_span!("message", %app, count = messages.len());
        let submit = async move { inner.submit(&app, &messages).await };
        self.detached(submit.instrument(span)).await
    }

    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<()> {
        let (inner, app) = (Arc::clone(&self.0), app.clone());
        self.detached(async move { inner.set_presence(&app, changes).await })
            .await
    }

    async fn recall(&self, app: &AppId, message: &MessageId) -> Result<u64> {
        let (inner, app, message) = (Arc::clone(&self.0), app.clone(), message.clone());
        self.detached(async move { inner.recall(&app, message).await })
            .await
    }

    async fn receipts(&self, app: &AppId, receipts: Vec<Receipt>) -> Result<()> {
        self.0.receipts(app, None, receipts, None).await
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("store", &self.0.services.store)
            .field("queue", &self.0.services.queue)
            .field("pipeline", &self.0.pipeline)
            .finish_non_exhaustive()
    }
}
