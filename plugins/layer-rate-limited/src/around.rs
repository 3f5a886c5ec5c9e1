//! What stands around a provider.
use std::{sync::Arc, time::Duration};

use push_core::{
    AroundProvider, Batch, BatchId, Capabilities, Provider, Target, Verdict, Verdicts, async_trait,
};

use crate::{limiter::Limiter, waiting::take};

/// When a delivery is tried again that was waiting when its attempt ended.
const SOON: Duration = Duration::from_secs(1);

/// Makes deliveries wait for their turn.
#[derive(Debug)]
pub(crate) struct Around {
    limiter: Arc<Limiter>,
    capabilities: Capabilities,
}

impl Around {
    pub(crate) fn new(limiter: Arc<Limiter>, inner: &Capabilities) -> Self {
        let mut capabilities = inner.clone();
        // All of a batch is sent at the same time, so that its id stays what the vendor knows it by.
        capabilities.max_batch = inner.max_batch.min(limiter.largest_batch());
        let most = limiter.most_in_flight().max(capabilities.max_batch);
        capabilities.max_in_flight = Some(inner.max_in_flight.map_or(most, |it| it.min(most)));
        Self {
            limiter,
            capabilities,
        }
    }
}

#[async_trait]
impl AroundProvider for Around {
    fn capabilities<'a>(&'a self, _: &'a dyn Provider) -> &'a Capabilities {
        &self.capabilities
    }

    async fn send(&self, inner: &dyn Provider, mut batch: Batch, verdicts: Verdicts) {
        let Some(class) = batch.content().map(|content| content.class.clone()) else {
            return inner.send(batch, verdicts).await;
        };
        let waiting = Held(Some(verdicts));
        self.split(&mut batch, &waiting);
        match take(&self.limiter, class, batch.targets.len()).await {
            Ok(()) => {
                if let Some(verdicts) = waiting.release() {
                    inner.send(batch, verdicts).await;
                }
            }
            Err(after) => waiting.postpone(after),
        }
    }
}

impl Around {
    /// Leaves in `batch` as many targets as can be sent at the same time, and postpones the others. The pipeline makes no larger
    /// batches; other callers may.
    fn split(&self, batch: &mut Batch, verdicts: &Held) {
        let most = self.limiter.largest_batch();
        if batch.targets.len() <= most {
            return;
        }
        let all = batch.targets.len();
        batch.targets.truncate(most);
        // A vendor that recognises the id of the whole would drop what it has not seen.
        batch.id = match batch.targets.as_slice() {
            [Target { delivery, .. }] => BatchId::from_uuid(delivery.as_uuid()),
            _ => BatchId::new(self.limiter.now()),
        };
        verdicts.report(most..all, SOON);
    }
}

/// The verdicts of targets that wait. The inner provider has not seen them: if the wait is dropped, they were certainly not sent.
struct Held(Option<Verdicts>);

impl Held {
    fn report(&self, positions: std::ops::Range<usize>, after: Duration) {
        if let Some(verdicts) = &self.0 {
            let verdict = postponed(after);
            verdicts.report_many(positions.map(|position| (position, verdict.clone())));
        }
    }

    fn postpone(mut self, after: Duration) {
        if let Some(verdicts) = self.0.take() {
            verdicts.report_rest(&postponed(after));
        }
    }

    fn release(mut self) -> Option<Verdicts> {
        self.0.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(verdicts) = self.0.take() {
            verdicts.report_rest(&postponed(SOON));
        }
    }
}

fn postponed(after: Duration) -> Verdict {
    Verdict::postponed(
        after,
        "the gateway's rate limit for this credential is used up",
    )
}
