//! The last step of a submission: recording and returning what was done with each message.
use std::collections::HashMap;

use push_core::{Channel, DeliveryRef, Lane, Put, Reason, Skipped, Stage, Submitted, TraceEvent};

use super::plan::{Planned, Queued};
use crate::{
    decision::{Decision, Skip, To, reasons},
    gateway::Inner,
};

impl Inner {
    /// Records and returns what was done with each message.
    pub(super) fn answer(
        &self,
        planned: &Planned<'_>,
        decisions: Vec<Decision<'_>>,
        queued: Vec<Vec<Queued>>,
    ) -> Vec<Submitted> {
        let app = planned.app;
        let mut events = Vec::new();
        let mut answers = Vec::with_capacity(planned.messages.len());
        let mut skips: HashMap<&'static str, u64> = HashMap::new();
        let mut channels: HashMap<Channel, u64> = HashMap::new();
        let mut lanes: HashMap<Lane, Option<Reason>> = HashMap::new();
        let prepared = planned.prepared.iter();
        for (((message, prepared), decision), queued) in planned
            .messages
            .iter()
            .zip(prepared)
            .zip(decisions)
            .zip(queued)
        {
            let event =
                |stage| TraceEvent::new(app.clone(), message.id.clone(), planned.now, stage);
            events.push(event(Stage::Accepted));
            let mut answer = Submitted::new(message.id.clone());
            let mut skip = |skip: Skip| {
                *skips.entry(skip.reason.code).or_default() += 1;
                events.push(
                    event(Stage::Decided)
                        .because(&skip.reason)
                        .with_user(skip.user.clone())
                        .with_device(skip.device.clone()),
                );
                answer.skipped.push(
                    Skipped::new(skip.reason.code.to_owned())
                        .with_user(skip.user)
                        .with_device(skip.device)
                        .with_token(skip.token),
                );
            };
            if let Err(reason) = prepared {
                skip(Skip {
                    user: None,
                    device: None,
                    token: None,
                    reason: *reason,
                });
            }
            decision.skips.into_iter().for_each(&mut skip);
            let mut stored = Vec::new();
            for (push, Queued { delivery, put }) in decision.pushes.iter().zip(queued) {
                let token = match push.to {
                    To::Token { place, .. } => Some(place),
                    To::Device { .. } => None,
                };
                if put == Put::New {
                    stored.push((delivery, token));
                    continue;
                }
                skip(Skip {
                    user: delivery.user().cloned(),
                    device: delivery.device().cloned(),
                    token,
                    reason: match put {
                        Put::Fenced => reasons::FENCED,
                        Put::Full => reasons::SHARE_FULL,
                        _ => reasons::DUPLICATE_MESSAGE,
                    },
                });
            }
            for (delivery, token) in stored {
                let lane = delivery.lane();
                let waits = *lanes
                    .entry(lane)
                    .or_insert_with_key(|lane| self.pipeline.lane_status(lane).reason());
                *channels.entry(delivery.channel.clone()).or_default() += 1;
                let event = TraceEvent::of(&delivery, planned.now, Stage::Queued);
                events.push(match waits {
                    Some(reason) => event.because(&reason),
                    None => event,
                });
                answer.deliveries.push(
                    DeliveryRef::new(delivery.id, delivery.channel.clone())
                        .with_user(delivery.user().cloned())
                        .with_device(delivery.device().cloned())
                        .with_token(token),
                );
            }
            answers.push(answer);
        }
        self.services
            .metrics
            .messages(app.as_str(), planned.messages.len() as u64);
        for (reason, count) in skips {
            self.services.metrics.skipped(app.as_str(), reason, count);
        }
        for (channel, count) in &channels {
            self.services
                .metrics
                .queued(app.as_str(), channel.as_str(), *count);
        }
        self.services.recorder.append(events);
        answers
    }
}
