//! From messages to queued deliveries, a batch at a time.
//!
//! One [`Planned`] value goes through the steps: expand the audiences, decide, count badges, queue, answer.
mod answer;
mod plan;

use std::collections::BTreeSet;

use push_core::{
    AppId, Cancel, Error, ErrorKind, Message, MessageId, Put, Reason, Result, Submitted, Timestamp,
    UserId,
};

use self::plan::{Planned, Queued, listed_receivers};
use crate::{
    decision::{Decision, explain, reasons, unexplained},
    gateway::Inner,
    registration::check_written,
};

/// How many deliveries one call of the queue cancels.
const CANCEL_PORTION: usize = 2_000;

impl Inner {
    /// Decides, counts badges, queues durably, and returns what it did with each message.
    pub(crate) async fn submit(&self, app: &AppId, messages: &[Message]) -> Result<Vec<Submitted>> {
        self.check_size(messages)?;
        self.check_fields(app, messages).await?;
        let now = self.services.clock.now();
        check_times(messages, now)?;
        let mut planned = Planned::new(app, messages, now, &self.services.settings.decision);
        let audiences = self.expand(&planned).await?;
        let tokens = self.canonical_tokens(&planned).await?;
        planned.credentials = self.facts_of(app, &audiences, &tokens).await?;
        let mut decisions = planned.decide(&audiences, &tokens);
        self.explain(app, &mut decisions).await;
        self.leave_full_lanes(&planned, &mut decisions)?;
        let badges = self.count_badges(&planned, &decisions).await?;
        let deliveries = planned.deliveries(&decisions, badges);
        let queued = self.enqueue(deliveries).await?;
        refuse_if_full(&queued)?;
        Ok(self.answer(&planned, decisions, queued))
    }

    /// Says more precisely why devices and users get no push, where the store remembers how it ended.
    pub(crate) async fn explain(&self, app: &AppId, decisions: &mut [Decision<'_>]) {
        let users: BTreeSet<UserId> = decisions
            .iter()
            .flat_map(|decision| unexplained(&decision.skips))
            .collect();
        if users.is_empty() {
            return;
        }
        let users: Vec<UserId> = users.into_iter().collect();
        let endings = match self.services.store.endings(app, &users).await {
            Ok(endings) => users.into_iter().zip(endings).collect(),
            Err(error) => {
                // The reasons are true without, and the pushes go.
                tracing::warn!(%app, %error, "why users have no token cannot be looked up");
                return;
            }
        };
        for decision in decisions {
            explain(&mut decision.skips, &endings);
        }
    }

    fn check_size(&self, messages: &[Message]) -> Result<()> {
        let limits = &self.services.settings.limits;
        let receivers: usize = messages.iter().map(listed_receivers).sum();
        if messages.len() > limits.messages || receivers > limits.receivers {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(&self) -> Error {
        let limits = &self.services.settings.limits;
        Error::new(
            ErrorKind::Invalid,
            format!(
                "one call takes at most {} messages with {} receivers together",
                limits.messages, limits.receivers
            ),
        )
        .advise("send the rest in another call; a message may be repeated with other receivers")
    }

    /// Cancels the deliveries of a message that are not sent yet, and fences off later ones (S84).
    pub(crate) async fn recall(&self, app: &AppId, message: MessageId) -> Result<u64> {
        self.cancel(app, &Cancel::Message(message), reasons::RECALLED)
            .await
    }

    /// Cancels deliveries, a portion at a time, and records why.
    pub(crate) async fn cancel(&self, app: &AppId, what: &Cancel, reason: Reason) -> Result<u64> {
        let mut count = 0;
        loop {
            let cancelled = self
                .services
                .queue
                .cancel(app, what, CANCEL_PORTION)
                .await?;
            count += cancelled.len() as u64;
            self.pipeline.record_cancelled(&cancelled, reason).await;
            if cancelled.len() < CANCEL_PORTION {
                return Ok(count);
            }
        }
    }
}

/// Refuses a message that was sent at a time which is still to come, further than clocks are apart: it would live as long.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the message.
fn check_times(messages: &[Message], now: Timestamp) -> Result<()> {
    for (place, message) in messages.iter().enumerate() {
        if let Some(at) = message.sent_at {
            check_written(at, now).map_err(|error| {
                error.at(format!("`[{place}].sent_at` of message {}", message.id))
            })?;
        }
    }
    Ok(())
}

/// Refuses a submission of which nothing was queued because its app or credentials hold their share of the queue: the caller must
/// slow down. As long as something was queued, the rest is skipped with a reason.
///
/// # Errors
/// [`ErrorKind::Busy`].
fn refuse_if_full(queued: &[Vec<Queued>]) -> Result<()> {
    let mut all = queued.iter().flatten();
    let full = all.clone().find(|queued| queued.put == Put::Full);
    let Some(full) = full else {
        return Ok(());
    };
    if all.any(|queued| matches!(queued.put, Put::New | Put::Duplicate)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Busy,
        format!(
            "the deliveries that wait for certificate {}, or for its app, are their share of the queue",
            full.delivery.certificate
        ),
    )
    .advise("send it again later: look at the credential's state, or raise `max_deliveries` of the queue"))
}
