//! What all lanes use.
use std::sync::Arc;

use push_core::{DeviceToken, Lane, Reason};
use tokio::sync::mpsc;

use super::{
    backoff::Backoff,
    cell::Cell,
    steady::{Moment, Now, Steady},
};
use crate::services::Services;

/// What every lane uses.
pub(super) struct Shared {
    pub(super) services: Arc<Services>,
    pub(super) steady: Steady,
    pub(super) backoff: Backoff,
    pub(super) probe: Backoff,
    /// Lanes that got deliveries from other lanes.
    pub(super) announced: mpsc::UnboundedSender<Lane>,
}

impl Shared {
    /// The time.
    pub(super) fn now(&self) -> Now {
        self.steady.now()
    }

    /// Suspends a credential and raises the alarm, once. The first trial follows after
    /// [`PipelineSettings::probe_first`](crate::PipelineSettings::probe_first), and one of a token that is not among `accusers`
    /// at once, if there are any.
    pub(super) fn suspend(
        &self,
        cell: &Cell,
        cause: Reason,
        evidence: &str,
        now: Moment,
        trial: bool,
        accusers: &[&DeviceToken],
    ) {
        let news =
            cell.credential
                .state()
                .suspend(cause, evidence, now, trial, &self.probe, accusers);
        cell.control().shrink();
        cell.credential.notify();
        if news {
            let credential = &cell.credential.credential;
            self.services
                .metrics
                .alarms(credential.app.as_str(), cause.code, 1);
            let cause = self.services.vault.advised_if_loaded(credential, cause);
            tracing::error!(
                ?credential,
                reason = cause.code,
                evidence,
                "{}; {}",
                cause.text,
                cause.advice
            );
        }
    }

    /// Wakes other lanes, which got deliveries.
    pub(super) fn announce(&self, lanes: Vec<Lane>) {
        for lane in lanes {
            // The pipeline listens for as long as lanes run.
            drop(self.announced.send(lane));
        }
    }
}
