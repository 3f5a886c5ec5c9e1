//! A queue that fails when a test says so.
#![allow(dead_code, unreachable_pub)]
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use push_core::{AppId, CredentialRef, Lane, ManualClock, Queue, Result, async_trait};

/// A queue whose calls can be held up, or made to fail.
#[derive(Debug)]
pub struct Fickle {
    inner: Arc<dyn Queue>,
    /// Puts wait while this has no permit; closed, it holds up nothing.
    pub gate: tokio::sync::Semaphore,
    pub failures: AtomicU64,
    /// Its file is gone.
    pub unhealthy: AtomicBool,
    /// Acknowledgements wait for ever.
    pub hold_acks: AtomicBool,
    /// How many acknowledgements fail, and how many were asked for.
    pub failing_acks: AtomicU64,
    pub acks: AtomicU64,
    /// How many deliveries it says are damaged.
    pub damaged: AtomicU64,
    /// What was removed and not confirmed, as a queue on a disk keeps it.
    pub removed: Mutex<Vec<(push_core::RemovalCause, push_core::Removed)>>,
    /// Confirmations wait for ever.
    pub hold_confirmations: AtomicBool,
    /// Messages that another process recalls just before the queue is asked which deliveries it holds.
    pub recalled_meanwhile: Mutex<Vec<(AppId, push_core::MessageId)>>,
    /// How long a return of leases takes, by this clock.
    pub slow: Mutex<Option<(ManualClock, Duration)>>,
}

impl Fickle {
    pub fn new(inner: Arc<dyn Queue>) -> Arc<Self> {
        let gate = tokio::sync::Semaphore::new(0);
        gate.close();
        Arc::new(Self {
            inner,
            gate,
            failures: AtomicU64::new(0),
            hold_acks: AtomicBool::new(false),
            failing_acks: AtomicU64::new(0),
            acks: AtomicU64::new(0),
            unhealthy: AtomicBool::new(false),
            damaged: AtomicU64::new(0),
            removed: Mutex::default(),
            hold_confirmations: AtomicBool::new(false),
            recalled_meanwhile: Mutex::default(),
            slow: Mutex::default(),
        })
    }

    /// Holds up every put until a permit is added.
    pub fn held(inner: Arc<dyn Queue>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            gate: tokio::sync::Semaphore::new(0),
            failures: AtomicU64::new(0),
            hold_acks: AtomicBool::new(false),
            failing_acks: AtomicU64::new(0),
            acks: AtomicU64::new(0),
            unhealthy: AtomicBool::new(false),
            damaged: AtomicU64::new(0),
            removed: Mutex::default(),
            hold_confirmations: AtomicBool::new(false),
            recalled_meanwhile: Mutex::default(),
            slow: Mutex::default(),
        })
    }

    pub fn removed(
        &self,
    ) -> std::sync::MutexGuard<'_, Vec<(push_core::RemovalCause, push_core::Removed)>> {
        self.removed
            .lock()
            .expect("no test panics while holding it")
    }

    fn next_failure(&self) -> Result<()> {
        next_failure(&self.failures)
    }
}

/// Fails as long as failures are left.
fn next_failure(left: &AtomicU64) -> Result<()> {
    let left = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1));
    match left {
        Ok(_) => Err(push_core::Error::new(
            push_core::ErrorKind::Unavailable,
            "the queue is away",
        )),
        Err(_) => Ok(()),
    }
}

#[async_trait]
impl Queue for Fickle {
    async fn put(&self, deliveries: Vec<push_core::Delivery>) -> Result<Vec<push_core::Put>> {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
        self.next_failure()?;
        self.inner.put(deliveries).await
    }
    async fn lease(
        &self,
        lane: &Lane,
        limit: usize,
        hold: Duration,
    ) -> Result<Vec<push_core::Lease>> {
        self.next_failure()?;
        self.inner.lease(lane, limit, hold).await
    }
    async fn ack(&self, leases: Vec<push_core::LeaseId>) -> Result<u64> {
        self.next_failure()?;
        self.acks.fetch_add(1, Ordering::Relaxed);
        next_failure(&self.failing_acks)?;
        if self.hold_acks.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.inner.ack(leases).await
    }
    async fn nack(&self, returns: Vec<push_core::Return>) -> Result<u64> {
        self.next_failure()?;
        if let Some((clock, time)) = &*self.slow.lock().expect("no test panics while holding it") {
            clock.advance(*time);
        }
        self.inner.nack(returns).await
    }
    async fn replace(
        &self,
        replacements: Vec<(push_core::LeaseId, push_core::Delivery)>,
    ) -> Result<u64> {
        self.next_failure()?;
        self.inner.replace(replacements).await
    }
    async fn hasten(&self, credential: &CredentialRef) -> Result<u64> {
        self.inner.hasten(credential).await
    }
    async fn cancel(
        &self,
        app: &AppId,
        what: &push_core::Cancel,
        limit: usize,
    ) -> Result<Vec<push_core::Cancelled>> {
        let cancelled = self.inner.cancel(app, what, limit).await?;
        let removed = cancelled.iter().map(|one| (what.cause(), one.into()));
        self.removed().extend(removed);
        Ok(cancelled)
    }
    async fn lanes(&self) -> Result<Vec<push_core::LaneState>> {
        self.inner.lanes().await
    }
    async fn remembered(
        &self,
        app: &AppId,
        messages: Vec<push_core::MessageId>,
    ) -> Result<Option<Vec<bool>>> {
        self.inner.remembered(app, messages).await
    }
    async fn holds(
        &self,
        app: &AppId,
        deliveries: Vec<push_core::Sought>,
    ) -> Result<Option<Vec<bool>>> {
        let recalled = std::mem::take(
            &mut *self
                .recalled_meanwhile
                .lock()
                .expect("no test panics while holding it"),
        );
        for (app, message) in recalled {
            self.cancel(&app, &push_core::Cancel::Message(message), 9)
                .await?;
        }
        self.inner.holds(app, deliveries).await
    }
    async fn unconfirmed(
        &self,
        cause: push_core::RemovalCause,
        limit: usize,
    ) -> Result<Vec<push_core::Removed>> {
        let removed = self.removed();
        let of_cause = removed.iter().filter(|(of, _)| *of == cause);
        Ok(of_cause.map(|(_, one)| one.clone()).take(limit).collect())
    }
    async fn confirm(&self, deliveries: Vec<push_core::DeliveryId>) -> Result<()> {
        if self.hold_confirmations.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.removed()
            .retain(|(_, one)| !deliveries.contains(&one.id));
        Ok(())
    }
    async fn check(&self) -> Result<()> {
        if self.unhealthy.load(Ordering::Relaxed) {
            let error = push_core::Error::new(
                push_core::ErrorKind::Unavailable,
                "a file of the queue is gone",
            );
            return Err(error.at("/var/lib/secret-place/queue.db"));
        }
        self.inner.check().await
    }
    async fn damaged(&self) -> Result<u64> {
        Ok(self.damaged.load(Ordering::Relaxed))
    }
}
