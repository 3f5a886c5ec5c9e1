//! From messages to queued deliveries, a batch at a time.
use std::collections::{BTreeSet, HashMap, HashSet};

use push_core::{
    AppId, Badge, BadgeChange, Cancel, CertificateId, Channel, Delivery, DeliveryRef, Device,
    Error, ErrorKind, Lane, Message, MessageId, Put, Reason, Result, Skipped, Stage, Submitted,
    Timestamp, TraceEvent, UserId,
};

use crate::{
    decision::{Credentials, Decision, Notifications, Prepared, decide, prepare, reasons},
    gateway::Inner,
};

impl Inner {
    /// Decides, counts badges, queues durably, and answers for each message.
    pub(crate) async fn submit(&self, app: &AppId, messages: &[Message]) -> Result<Vec<Submitted>> {
        self.check_size(messages)?;
        let now = self.clock.now();
        let settings = &self.settings.decision;
        // Held until the deliveries are queued: a logout meanwhile waits for it, and cancels them.
        let pass = self.grace.enter();

        let prepared: Vec<Result<Prepared<'_>, Reason>> = messages
            .iter()
            .map(|it| prepare(it, now, settings))
            .collect();
        let receivers: Vec<Vec<&UserId>> = prepared
            .iter()
            .zip(messages)
            .map(|(prepared, message)| match prepared {
                Ok(_) => distinct(&message.receivers),
                Err(_) => Vec::new(),
            })
            .collect();
        let earlier = repeated_in(messages, &receivers);
        let repeated = |place: usize, user: &UserId| {
            earlier.contains(&(place, user)) || self.recent.contains(app, &messages[place].id, user)
        };
        let mut places = HashMap::new();
        let mut users = Vec::new();
        for (place, receivers) in receivers.iter().enumerate() {
            for user in receivers.iter().filter(|it| !repeated(place, it)) {
                places.entry(*user).or_insert_with(|| {
                    users.push((*user).clone());
                    users.len() - 1
                });
            }
        }
        let devices = match users.is_empty() {
            true => Vec::new(),
            false => self.store.devices_of(app, &users).await?,
        };
        let certificates: BTreeSet<_> = devices
            .iter()
            .flatten()
            .flat_map(|it| &it.registrations)
            .map(|it| it.registration.certificate)
            .collect();
        let credentials = self.facts(app, &certificates).await?;

        let mut decisions = Vec::with_capacity(messages.len());
        for (place, (prepared, receivers)) in prepared.iter().zip(&receivers).enumerate() {
            let mut decision = Decision::default();
            let mut duplicates = Vec::new();
            if let Ok(prepared) = prepared {
                for user in receivers {
                    let devices: &[Device] = match places.get(user) {
                        Some(found) if !repeated(place, user) => {
                            devices.get(*found).map_or(&[], Vec::as_slice)
                        }
                        _ => {
                            duplicates.push(*user);
                            continue;
                        }
                    };
                    decide(
                        prepared,
                        user,
                        devices,
                        &credentials,
                        now,
                        settings,
                        &mut decision,
                    );
                }
            }
            decisions.push((decision, duplicates));
        }

        let changes: Vec<BadgeChange> = decisions
            .iter()
            .flat_map(|(decision, _)| &decision.pushes)
            .filter_map(|push| {
                Some(BadgeChange {
                    user: push.registration.user.clone(),
                    device: push.registration.device.clone(),
                    change: push.badge?,
                })
            })
            .collect();
        let mut badges = match changes.is_empty() {
            true => Vec::new(),
            false => self.store.change_badges(app, changes).await?,
        }
        .into_iter();

        let mut deliveries: Vec<Delivery> = Vec::new();
        for (prepared, (decision, _)) in prepared.iter().zip(&decisions) {
            let Ok(prepared) = prepared else {
                continue;
            };
            let mut notifications = Notifications::new(prepared);
            for push in &decision.pushes {
                let badge = match push.badge.and_then(|_| badges.next()) {
                    Some(number) => Badge::Set(number),
                    None => Badge::Leave,
                };
                deliveries.push(notifications.delivery(app, push, badge, now));
            }
        }
        let mut queued: Vec<Queued> = deliveries.iter().map(Queued::of).collect();
        if !deliveries.is_empty() {
            let lanes: BTreeSet<_> = deliveries.iter().map(Delivery::lane).collect();
            let puts = self.queue.put(deliveries).await?;
            for (queued, put) in queued.iter_mut().zip(puts) {
                queued.new = put == Put::New;
            }
            self.pipeline.wake(&lanes);
        }
        drop(pass);
        let answers = self.answer(app, messages, &prepared, &decisions, queued, now);
        Ok(answers)
    }

    /// What decisions must know of these credentials now.
    pub(crate) async fn facts(
        &self,
        app: &AppId,
        ids: &BTreeSet<CertificateId>,
    ) -> Result<Credentials> {
        let mut credentials = self.vault.facts(app, ids).await?;
        for (id, facts) in &mut credentials {
            let lane = Lane {
                app: app.clone(),
                certificate: *id,
            };
            if self.pipeline.is_full(&lane) {
                *facts = Err(reasons::LANE_FULL);
            }
        }
        Ok(credentials)
    }

    fn check_size(&self, messages: &[Message]) -> Result<()> {
        let limits = &self.settings.limits;
        let receivers: usize = messages.iter().map(|it| it.receivers.len()).sum();
        if messages.len() > limits.messages || receivers > limits.receivers {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "at most {} messages with {} receivers together in one call",
                    limits.messages, limits.receivers
                ),
            )
            .advise(
                "send the rest in another call; a message may be repeated with other receivers",
            ));
        }
        Ok(())
    }

    /// Records and answers what became of each message.
    fn answer(
        &self,
        app: &AppId,
        messages: &[Message],
        prepared: &[Result<Prepared<'_>, Reason>],
        decisions: &[(Decision<'_>, Vec<&UserId>)],
        queued: Vec<Queued>,
        now: Timestamp,
    ) -> Vec<Submitted> {
        let mut queued = queued.into_iter();
        let mut events = Vec::new();
        let mut answers = Vec::with_capacity(messages.len());
        let mut skips: HashMap<&'static str, u64> = HashMap::new();
        let mut channels: HashMap<Channel, u64> = HashMap::new();
        for ((message, prepared), (decision, duplicates)) in
            messages.iter().zip(prepared).zip(decisions)
        {
            let event = |stage| TraceEvent::new(app.clone(), message.id.clone(), now, stage);
            events.push(event(Stage::Accepted));
            let mut answer = Submitted {
                message: message.id.clone(),
                deliveries: Vec::new(),
                skipped: Vec::new(),
            };
            let mut skip = |user: Option<&UserId>, device: Option<&Device>, reason: Reason| {
                *skips.entry(reason.code).or_default() += 1;
                let device_id = device.map(|it| it.device.clone());
                events.push(TraceEvent {
                    user: user.cloned(),
                    device: device_id.clone(),
                    ..event(Stage::Decided).because(&reason)
                });
                answer.skipped.push(Skipped {
                    user: user.cloned(),
                    device: device_id,
                    reason: reason.code.to_owned(),
                });
            };
            if let Err(reason) = prepared {
                skip(None, None, *reason);
            }
            for user in duplicates {
                skip(Some(user), None, reasons::DUPLICATE_MESSAGE);
            }
            for it in &decision.skips {
                skip(Some(it.user), it.device, it.reason);
            }
            for it in queued.by_ref().take(decision.pushes.len()) {
                let registered = &it.reference;
                if it.new {
                    self.recent.insert(app, &message.id, &registered.user);
                    *channels.entry(registered.channel.clone()).or_default() += 1;
                    events.push(TraceEvent {
                        delivery: Some(registered.id),
                        user: Some(registered.user.clone()),
                        device: Some(registered.device.clone()),
                        channel: Some(registered.channel.clone()),
                        certificate: Some(it.certificate),
                        ..event(Stage::Queued)
                    });
                    answer.deliveries.push(it.reference);
                } else {
                    let reason = reasons::DUPLICATE_MESSAGE;
                    *skips.entry(reason.code).or_default() += 1;
                    events.push(TraceEvent {
                        user: Some(registered.user.clone()),
                        device: Some(registered.device.clone()),
                        ..event(Stage::Decided).because(&reason)
                    });
                    answer.skipped.push(Skipped {
                        user: Some(it.reference.user),
                        device: Some(it.reference.device),
                        reason: reason.code.to_owned(),
                    });
                }
            }
            answers.push(answer);
        }
        self.metrics.messages(app, messages.len() as u64);
        for (reason, count) in skips {
            self.metrics.skipped(app, reason, count);
        }
        for (channel, count) in &channels {
            self.metrics.queued(app, channel, *count);
        }
        self.recorder.append(events);
        answers
    }

    /// Cancels what of a message is not sent yet (S84).
    pub(crate) async fn recall(&self, app: &AppId, message: MessageId) -> Result<u64> {
        self.grace.wait().await;
        self.cancel(app, &Cancel::Message(message), reasons::RECALLED)
            .await
    }

    /// Cancels deliveries and records why.
    pub(crate) async fn cancel(&self, app: &AppId, what: &Cancel, reason: Reason) -> Result<u64> {
        let cancelled = self.queue.cancel(app, what).await?;
        let now = self.clock.now();
        for it in &cancelled {
            self.metrics.settled(app, &it.channel, reason.code, 1);
        }
        self.recorder.append(
            cancelled
                .iter()
                .map(|it| TraceEvent::of(it, now, Stage::Settled).because(&reason)),
        );
        Ok(cancelled.len() as u64)
    }
}

/// What is still to be said of a delivery once the queue has it.
struct Queued {
    reference: DeliveryRef,
    certificate: CertificateId,
    new: bool,
}

impl Queued {
    fn of(delivery: &Delivery) -> Self {
        Self {
            reference: DeliveryRef {
                id: delivery.id,
                user: delivery.user.clone(),
                device: delivery.device.clone(),
                channel: delivery.channel.clone(),
            },
            certificate: delivery.certificate,
            new: false,
        }
    }
}

/// Each user once, in order.
fn distinct(users: &[UserId]) -> Vec<&UserId> {
    if users.len() < 2 {
        return users.iter().collect();
    }
    let mut seen = HashSet::with_capacity(users.len());
    users.iter().filter(|it| seen.insert(*it)).collect()
}

/// The receivers, by place of their message, who got the same message earlier in the same call.
fn repeated_in<'a>(
    messages: &'a [Message],
    receivers: &[Vec<&'a UserId>],
) -> HashSet<(usize, &'a UserId)> {
    let mut ids = HashSet::with_capacity(messages.len());
    let mut repeated = HashSet::new();
    if messages.iter().all(|it| ids.insert(&it.id)) {
        return repeated;
    }
    let mut seen = HashSet::new();
    for (place, (message, receivers)) in messages.iter().zip(receivers).enumerate() {
        for user in receivers {
            if !seen.insert((&message.id, *user)) {
                repeated.insert((place, *user));
            }
        }
    }
    repeated
}
