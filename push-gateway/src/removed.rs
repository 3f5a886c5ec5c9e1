//! Deliveries that the queue removed, and of which it does not know that their end is recorded.
use push_core::{DeliveryId, EndCause, Reason, RemovalCause, Removed, Result, Stage, TraceEvent};

use crate::{
    decision::{reason_of, reasons},
    services::Services,
};

/// How many deliveries are looked at together.
const PORTION: usize = 1_000;

/// Records why the queue removed what an earlier run removed and did not record: it was killed in between. To be called before
/// anything else cancels deliveries.
pub(crate) async fn explain_all(services: &Services) {
    for &cause in RemovalCause::ALL {
        explain(services, cause).await;
    }
}

/// Records why the queue removed deliveries for this cause, unless their traces say so already.
pub(crate) async fn explain(services: &Services, cause: RemovalCause) {
    // Two at once would both find no end in a trace, and record it twice.
    let _turn = services.explaining.lock().await;
    loop {
        let removed = match services.queue.unconfirmed(cause, PORTION).await {
            Ok(removed) => removed,
            Err(error) => {
                tracing::warn!(%error, "the queue does not return the deliveries that it removed");
                return;
            }
        };
        if removed.is_empty() {
            return;
        }
        let is_last = removed.len() < PORTION;
        match record(services, cause, removed).await {
            Ok(true) if !is_last => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "why deliveries were removed cannot be recorded; it is tried again");
                return;
            }
        }
    }
}

/// Records why these deliveries were removed, and confirms that. Returns `false` if the store does not accept it for now.
async fn record(services: &Services, cause: RemovalCause, removed: Vec<Removed>) -> Result<bool> {
    // What waits to be stored may say why.
    if !services.recorder.flush().await {
        return Ok(false);
    }
    let mut confirmed: Vec<DeliveryId> = Vec::with_capacity(removed.len());
    for removed in removed {
        confirmed.push(removed.id);
        let trace = services
            .store
            .trace_of_delivery(&removed.app, removed.id)
            .await?;
        let mut own = trace
            .into_iter()
            .filter(|event| event.delivery == Some(removed.id));
        let first = own.next();
        let is_settled = |event: &TraceEvent| event.stage == Stage::Settled;
        if first.as_ref().is_some_and(is_settled) || own.any(|event| is_settled(&event)) {
            continue;
        }
        let app = removed.app.clone();
        if cause == RemovalCause::Damaged {
            services.metrics.lost(app.as_str(), 1);
        }
        let reason = reason(services, cause, &removed).await?;
        let Some(event) = settled(services, first, removed) else {
            tracing::warn!(%app, reason = reason.code, "a delivery was removed, of which neither a trace nor the message is known");
            continue;
        };
        if let Some(channel) = &event.channel {
            let metrics = &services.metrics;
            metrics.settled(app.as_str(), channel.as_str(), reason.code, 1);
        }
        services.recorder.append([event.because(&reason)]);
    }
    let is_stored = services.recorder.flush().await;
    if is_stored {
        services.queue.confirm(confirmed).await?;
    }
    Ok(is_stored)
}

/// The event that settles a delivery, from one of its trace or from what the queue knows; `None` if its message is not known.
fn settled(services: &Services, known: Option<TraceEvent>, removed: Removed) -> Option<TraceEvent> {
    let now = services.clock.now();
    let base = match known {
        Some(known) => TraceEvent::new(known.app, known.message, now, Stage::Settled)
            .with_user(known.user)
            .with_device(known.device)
            .with_channel(known.channel)
            .with_certificate(known.certificate),
        None => TraceEvent::new(removed.app, removed.message?, now, Stage::Settled)
            .with_user(removed.user)
            .with_device(removed.device)
            .with_certificate(removed.certificate),
    };
    Some(base.with_delivery(removed.id))
}

async fn reason(services: &Services, cause: RemovalCause, removed: &Removed) -> Result<Reason> {
    Ok(match cause {
        RemovalCause::Recalled => reasons::RECALLED,
        RemovalCause::Expired => reasons::EXPIRED,
        RemovalCause::Read => reasons::READ_ELSEWHERE,
        RemovalCause::Damaged => reasons::DAMAGED,
        RemovalCause::Ended => end_of(services, removed).await?,
        // A cause of a newer version.
        _ => reasons::END_UNKNOWN,
    })
}

/// Why push ended on the device of a delivery, as the store remembers it.
async fn end_of(services: &Services, removed: &Removed) -> Result<Reason> {
    let ended = reasons::OFFLINE;
    let (Some(user), Some(device)) = (&removed.user, &removed.device) else {
        return Ok(ended);
    };
    let users = std::slice::from_ref(user);
    let endings = services.store.endings(&removed.app, users).await?;
    let endings: Vec<_> = endings.into_iter().flatten().collect();
    let of_device = endings
        .iter()
        .find(|ending| ending.device.as_ref() == Some(device));
    // A device that another user has registered on is not the user's any more.
    let taken = endings
        .iter()
        .find(|ending| ending.device.is_none() && ending.cause == EndCause::DeviceTaken);
    let ending = of_device.or(taken);
    let reason = ending.and_then(|ending| reason_of(ending.cause, ending.reason.as_deref()));
    Ok(reason.unwrap_or(ended))
}
