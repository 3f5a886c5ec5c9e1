//! Around a provider.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use push_core::{
    AroundProvider, Batch, BatchId, Channel, Class, Clock, CredentialRef, Health, Provider, Result,
    Verdict, VerdictKind, Verdicts, async_trait,
};
use tracing::{Instrument as _, Span};

use crate::{
    Level,
    event::{Begun, at_level, outcome},
};

/// Logs each batch and each check of the credential.
pub(crate) struct TracedProvider {
    channel: Channel,
    credential: CredentialRef,
    level: Level,
    clock: Arc<dyn Clock>,
}

impl TracedProvider {
    pub(crate) const fn new(
        channel: Channel,
        credential: CredentialRef,
        level: Level,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            channel,
            credential,
            level,
            clock,
        }
    }
}

#[async_trait]
impl AroundProvider for TracedProvider {
    async fn send(&self, inner: &dyn Provider, batch: Batch, verdicts: Verdicts) {
        let class = batch.content().map(|content| content.class.clone());
        let span = at_level!(
            self.level,
            span,
            "send",
            channel = self.channel.as_str(),
            app = self.credential.app.as_str(),
            certificate = %self.credential.certificate,
            class = class.as_ref().map(Class::as_str),
            batch = %batch.id,
            targets = batch.targets.len(),
        );
        let sent = Sent {
            begun: Begun::now(&self.clock),
            channel: self.channel.clone(),
            credential: self.credential.clone(),
            class,
            batch: batch.id,
            targets: batch.targets.len(),
            level: self.level,
            span: span.clone(),
            counts: Counts::default(),
        };
        // The event is written when the last verdict is known, also if the future is dropped.
        let verdicts = verdicts.observed(move |verdicts| sent.counts.add(verdicts));
        inner.send(batch, verdicts).instrument(span).await;
    }

    async fn verify(&self, inner: &dyn Provider) -> Result<Health> {
        let begun = Begun::now(&self.clock);
        let span = at_level!(
            self.level,
            span,
            "verify",
            channel = self.channel.as_str(),
            app = self.credential.app.as_str(),
            certificate = %self.credential.certificate,
        );
        let result = inner.verify().instrument(span.clone()).await;
        let outcome = outcome(&result);
        let duration_ms = begun.duration_ms();
        span.in_scope(|| {
            at_level!(
                self.level,
                event,
                channel = self.channel.as_str(),
                app = self.credential.app.as_str(),
                certificate = %self.credential.certificate,
                outcome,
                duration_ms,
                "verified"
            );
        });
        result
    }
}

impl fmt::Debug for TracedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedProvider")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// One batch, logged when it is dropped: after the last verdict.
struct Sent {
    begun: Begun,
    channel: Channel,
    credential: CredentialRef,
    class: Option<Class>,
    batch: BatchId,
    targets: usize,
    level: Level,
    span: Span,
    counts: Counts,
}

impl Drop for Sent {
    fn drop(&mut self) {
        let duration_ms = self.begun.duration_ms();
        let of = |outcome: Outcome| self.counts.of(outcome);
        self.span.in_scope(|| {
            at_level!(
                self.level,
                event,
                channel = self.channel.as_str(),
                app = self.credential.app.as_str(),
                certificate = %self.credential.certificate,
                class = self.class.as_ref().map(Class::as_str),
                batch = %self.batch,
                targets = self.targets,
                accepted = of(Outcome::Accepted),
                token_dead = of(Outcome::TokenDead),
                token_unusable = of(Outcome::TokenUnusable),
                refused = of(Outcome::Refused),
                rate_limited = of(Outcome::RateLimited),
                unavailable = of(Outcome::Unavailable),
                unknown = of(Outcome::Unknown),
                postponed = of(Outcome::Postponed),
                duration_ms,
                "sent"
            );
        });
    }
}

/// What is counted of verdicts.
#[derive(Clone, Copy)]
enum Outcome {
    Accepted,
    TokenDead,
    TokenUnusable,
    Refused,
    RateLimited,
    Unavailable,
    Unknown,
    Postponed,
}

impl Outcome {
    const COUNT: usize = 8;

    const fn of(kind: VerdictKind) -> Self {
        match kind {
            VerdictKind::Accepted => Self::Accepted,
            VerdictKind::TokenDead { .. } => Self::TokenDead,
            VerdictKind::TokenUnusable(_) => Self::TokenUnusable,
            VerdictKind::TargetRefused
            | VerdictKind::CredentialRefused
            | VerdictKind::PayloadRefused => Self::Refused,
            VerdictKind::RateLimited(_) => Self::RateLimited,
            VerdictKind::Unavailable(_) => Self::Unavailable,
            VerdictKind::Postponed => Self::Postponed,
            _ => Self::Unknown,
        }
    }
}

#[derive(Default)]
struct Counts([AtomicUsize; Outcome::COUNT]);

impl Counts {
    fn add(&self, verdicts: &[(usize, Verdict)]) {
        for (_, verdict) in verdicts {
            let outcome = Outcome::of(verdict.kind);
            self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn of(&self, outcome: Outcome) -> usize {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }
}
