//! The steps of a submission before it is queued.
use std::collections::{BTreeSet, HashMap, HashSet};

use push_core::{
    AppId, Audience, BadgeChange, CertificateId, Class, CredentialRef, Delivery, DeviceId, Error,
    ErrorKind, Lane, Message, OfflinePushInfo, Put, Reason, Receiver, Result, Timestamp,
    TokenAddress, UserId,
};

use crate::{
    decision::{
        Contents, Credentials, Decision, DecisionSettings, Prepared, Push, Skip, To, decide,
        decide_token, prepare, reasons, vendor_fields,
    },
    gateway::Inner,
};

/// How many users one page of an audience has.
const PAGE: usize = 1_000;

/// A submission under way.
pub(super) struct Planned<'a> {
    pub(super) app: &'a AppId,
    pub(super) messages: &'a [Message],
    pub(super) now: Timestamp,
    pub(super) prepared: Vec<Result<Prepared<'a>, Reason>>,
    pub(super) credentials: Credentials,
    settings: &'a DecisionSettings,
}

/// Whom the messages of a submission go to.
pub(super) struct Audiences {
    users: Vec<Receiver>,
    /// For each message, the places of its receivers in `users`.
    places: Vec<Vec<usize>>,
    /// For messages whose receivers have only some of their devices: those receivers themselves.
    selected: HashMap<usize, Vec<Receiver>>,
    /// For each message, the devices of its audience that belong to no user.
    missing: HashMap<usize, Vec<DeviceId>>,
    /// The messages whose audience selects no user.
    empty: HashSet<usize>,
}

/// For each message with a token audience: its tokens in canonical form, or why one cannot be sent to.
pub(super) type Tokens = HashMap<usize, Vec<Result<TokenAddress, Reason>>>;

impl Audiences {
    fn of(&self, place: usize) -> impl Iterator<Item = &Receiver> {
        let selected = self.selected.get(&place).map_or(&[][..], Vec::as_slice);
        let listed = self.places[place].iter().map(|user| &self.users[*user]);
        listed.chain(selected)
    }

    fn certificates(&self) -> impl Iterator<Item = CertificateId> {
        self.users
            .iter()
            .chain(self.selected.values().flatten())
            .flat_map(|receiver| &receiver.devices)
            .flat_map(|device| &device.registrations)
            .map(|stored| stored.registration.certificate)
    }
}

impl<'a> Planned<'a> {
    pub(super) fn new(
        app: &'a AppId,
        messages: &'a [Message],
        now: Timestamp,
        settings: &'a DecisionSettings,
    ) -> Self {
        Self {
            app,
            messages,
            now,
            prepared: messages
                .iter()
                .map(|message| prepare(message, now, settings))
                .collect(),
            credentials: Credentials::new(),
            settings,
        }
    }

    /// The messages that can be pushed, with their places.
    fn pushable(&self) -> impl Iterator<Item = (usize, &'a Message, &Prepared<'a>)> {
        let messages = self.messages.iter().enumerate();
        messages
            .zip(&self.prepared)
            .filter_map(|((place, message), prepared)| {
                Some((place, message, prepared.as_ref().ok()?))
            })
    }

    /// Decides for every receiver.
    pub(super) fn decide<'d>(
        &self,
        audiences: &'d Audiences,
        tokens: &'d Tokens,
    ) -> Vec<Decision<'d>> {
        let mut decisions: Vec<Decision<'d>> = Vec::new();
        decisions.resize_with(self.messages.len(), Decision::default);
        for (place, _, prepared) in self.pushable() {
            let decision = &mut decisions[place];
            let (credentials, now) = (&self.credentials, self.now);
            for receiver in audiences.of(place) {
                decide(
                    prepared,
                    receiver,
                    credentials,
                    now,
                    self.settings,
                    decision,
                );
            }
            if audiences.empty.contains(&place) {
                decision.skips.push(Skip {
                    user: None,
                    device: None,
                    token: None,
                    reason: reasons::AUDIENCE_EMPTY,
                });
            }
            for device in audiences.missing.get(&place).into_iter().flatten() {
                let skip = Skip::device(None, device, reasons::DEVICE_UNKNOWN);
                decision.skips.push(skip);
            }
            for (at, token) in tokens.get(&place).into_iter().flatten().enumerate() {
                match token {
                    Ok(address) => {
                        decide_token(prepared, at, address, credentials, now, decision);
                    }
                    Err(reason) => decision.skips.push(Skip::token(at, *reason)),
                }
            }
        }
        decisions
    }

    /// Makes the deliveries of all decisions, in their order; `badges` are the new numbers of those that change one.
    pub(super) fn deliveries(
        &self,
        decisions: &[Decision<'_>],
        badges: Vec<u32>,
    ) -> Vec<Vec<Delivery>> {
        let mut badges = badges.into_iter();
        let mut all = Vec::with_capacity(self.messages.len());
        let messages = self.messages.iter().zip(&self.prepared);
        for ((message, prepared), decision) in messages.zip(decisions) {
            let mut deliveries = Vec::with_capacity(decision.pushes.len());
            if let Ok(prepared) = prepared {
                let mut contents = Contents::new(self.app, prepared);
                for push in &decision.pushes {
                    // A push was decided with these facts.
                    let Some(Ok(facts)) = self.credentials.get(&push.certificate) else {
                        continue;
                    };
                    let number = badge_change(message, push).and_then(|_| badges.next());
                    let badge = push.badge_of(facts, number);
                    deliveries.push(contents.delivery(push, facts, badge, self.now));
                }
            }
            all.push(deliveries);
        }
        all
    }
}

/// How many receivers the audience of `message` lists; none where the store selects them.
pub(super) fn listed_receivers(message: &Message) -> usize {
    message.audience.listed().unwrap_or_default()
}

/// The change that `push` of `message` makes to the badge that the gateway counts for a device.
fn badge_change(message: &Message, push: &Push<'_>) -> Option<BadgeChange> {
    match (&push.to, push.badge) {
        (To::Device { registration, .. }, Some(change)) => Some(BadgeChange::new(
            message.id.clone(),
            registration.user.clone(),
            registration.device.clone(),
            change,
        )),
        _ => None,
    }
}

impl Inner {
    /// Reads the receivers of every message, each user once.
    pub(super) async fn expand(&self, planned: &Planned<'_>) -> Result<Audiences> {
        let mut audiences = Audiences {
            users: Vec::new(),
            places: vec![Vec::new(); planned.messages.len()],
            selected: HashMap::new(),
            missing: HashMap::new(),
            empty: HashSet::new(),
        };
        let mut users: Vec<UserId> = Vec::new();
        let mut known: HashMap<&UserId, usize> = HashMap::new();
        let listed = planned.messages.iter().map(listed_receivers).sum();
        let limit = self.services.settings.limits.receivers;
        let mut room = limit.saturating_sub(listed);
        for (place, message, _) in planned.pushable() {
            match &message.audience {
                Audience::Users(receivers) => {
                    let mut seen = HashSet::with_capacity(receivers.len());
                    for user in receivers {
                        let at = *known.entry(user).or_insert_with(|| {
                            users.push(user.clone());
                            users.len() - 1
                        });
                        if seen.insert(at) {
                            audiences.places[place].push(at);
                        }
                    }
                }
                Audience::Tokens(_) => {}
                audience => {
                    // Listed devices are counted already.
                    let most = audience.listed().unwrap_or(room);
                    let selected = self.scan(planned.app, audience, most).await?;
                    if audience.listed().is_none() {
                        room -= selected.len();
                    }
                    if let Audience::Devices(devices) = audience {
                        let found: HashSet<&DeviceId> = selected
                            .iter()
                            .flat_map(|receiver| {
                                let whole = receiver.devices.iter().map(|device| &device.device);
                                whole.chain(receiver.damaged.iter().flatten())
                            })
                            .collect();
                        let missing = devices.iter().filter(|device| !found.contains(device));
                        let missing = missing.cloned().collect();
                        audiences.missing.insert(place, missing);
                    }
                    if selected.is_empty() && !matches!(audience, Audience::Devices(_)) {
                        audiences.empty.insert(place);
                    }
                    audiences.selected.insert(place, selected);
                }
            }
        }
        if !users.is_empty() {
            audiences.users = self.services.store.receivers(planned.app, &users).await?;
        }
        Ok(audiences)
    }

    /// Reads all users that `audience` selects.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if there are more than `most`, which is what is left of the limit of one call.
    async fn scan(&self, app: &AppId, audience: &Audience, most: usize) -> Result<Vec<Receiver>> {
        if let Audience::Tags(condition) = audience {
            condition.check()?;
        }
        let mut receivers = Vec::new();
        let mut after = None;
        loop {
            let page = self.services.store.scan(app, audience, after, PAGE).await?;
            receivers.extend(page.items);
            if receivers.len() > most {
                return Err(self.too_large());
            }
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(receivers),
            };
        }
    }

    /// Brings the tokens that callers name into their vendors' canonical form.
    pub(super) async fn canonical_tokens(&self, planned: &Planned<'_>) -> Result<Tokens> {
        let mut tokens = Tokens::new();
        for (place, message, _) in planned.pushable() {
            let Audience::Tokens(addresses) = &message.audience else {
                continue;
            };
            let mut seen = HashSet::with_capacity(addresses.len());
            let mut canonical = Vec::with_capacity(addresses.len());
            for address in addresses {
                let credential = CredentialRef::new(planned.app.clone(), address.certificate_id);
                let checked = match self.services.vault.load(&credential).await? {
                    Ok(loaded) => {
                        let slot = address.slot;
                        match loaded.provider.check_token(slot, &address.token) {
                            Ok(token) => Ok(address.clone().with_token(token)),
                            Err(_) => Err(reasons::TOKEN_MALFORMED),
                        }
                    }
                    Err(unusable) => Err(unusable.reason),
                };
                canonical.push(match checked {
                    Ok(address) if !seen.insert(address.clone()) => Err(reasons::LISTED_TWICE),
                    checked => checked,
                });
            }
            tokens.insert(place, canonical);
        }
        Ok(tokens)
    }

    /// What decisions must know of the credentials of these receivers and tokens.
    pub(super) async fn facts_of(
        &self,
        app: &AppId,
        audiences: &Audiences,
        tokens: &Tokens,
    ) -> Result<Credentials> {
        let of_tokens = tokens
            .values()
            .flatten()
            .filter_map(|token| Some(token.as_ref().ok()?.certificate_id));
        let ids: BTreeSet<CertificateId> = audiences.certificates().chain(of_tokens).collect();
        self.services.vault.facts(app, &ids).await
    }

    /// Moves the pushes to full lanes to those that are skipped.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] if nothing else is left to push: the caller must slow down. As long as something can be
    /// queued it is, since one vendor's outage must not stop the pushes to others.
    pub(super) fn leave_full_lanes(
        &self,
        planned: &Planned<'_>,
        decisions: &mut [Decision<'_>],
    ) -> Result<()> {
        if !self.pipeline.has_full_lanes() {
            return Ok(());
        }
        let mut full: Option<(CertificateId, Class)> = None;
        let mut open = false;
        for (message, decision) in planned.messages.iter().zip(decisions.iter_mut()) {
            let class = message.effective_class();
            let Decision { pushes, skips } = decision;
            pushes.retain(|push| {
                let credential = CredentialRef::new(planned.app.clone(), push.certificate);
                if !self.pipeline.is_full(&Lane::new(credential, class.clone())) {
                    open = true;
                    return true;
                }
                full = Some((push.certificate, class.clone()));
                skips.push(match &push.to {
                    To::Device { registration, .. } => Skip::device(
                        Some(&registration.user),
                        &registration.device,
                        reasons::LANE_FULL,
                    ),
                    To::Token { place, .. } => Skip::token(*place, reasons::LANE_FULL),
                });
                false
            });
        }
        match full {
            Some((certificate, class)) if !open => Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "the number of `{class}` deliveries that wait for certificate {certificate} is at its limit"
                ),
            )
            .advise("send less until its vendor accepts pushes again: look at the credential's state")),
            _ => Ok(()),
        }
    }

    /// Changes the badges that the gateway counts; returns the new numbers of the pushes that change one, in order.
    pub(super) async fn count_badges(
        &self,
        planned: &Planned<'_>,
        decisions: &[Decision<'_>],
    ) -> Result<Vec<u32>> {
        let changes: Vec<BadgeChange> = planned
            .messages
            .iter()
            .zip(decisions)
            .flat_map(|(message, decision)| {
                let pushes = decision.pushes.iter();
                pushes.filter_map(move |push| badge_change(message, push))
            })
            .collect();
        match changes.is_empty() {
            true => Ok(Vec::new()),
            false => {
                self.services
                    .store
                    .change_badges(planned.app, changes)
                    .await
            }
        }
    }

    /// Queues deliveries durably and wakes their lanes.
    pub(super) async fn enqueue(&self, deliveries: Vec<Vec<Delivery>>) -> Result<Vec<Vec<Queued>>> {
        let lanes: BTreeSet<Lane> = deliveries.iter().flatten().map(Delivery::lane).collect();
        let counts: Vec<usize> = deliveries.iter().map(Vec::len).collect();
        let mut queued: Vec<Queued> = deliveries.iter().flatten().map(Queued::of).collect();
        if !queued.is_empty() {
            let flat = deliveries.into_iter().flatten().collect();
            let puts = self.services.queue.put(flat).await?;
            for (queued, put) in queued.iter_mut().zip(puts) {
                queued.put = put;
            }
            self.pipeline.wake(&lanes);
        }
        let mut rest = queued.into_iter();
        Ok(counts
            .into_iter()
            .map(|count| rest.by_ref().take(count).collect())
            .collect())
    }

    /// Checks the vendor fields of messages against the providers that would send them.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the message and the field.
    pub(super) async fn check_fields(&self, app: &AppId, messages: &[Message]) -> Result<()> {
        for message in messages {
            let overrides = message
                .push
                .iter()
                .flat_map(|OfflinePushInfo { per_channel, .. }| per_channel)
                .filter(|(_, overrides)| !overrides.fields.is_empty());
            for (channel, overrides) in overrides {
                let providers = self.services.vault.providers_of(app, channel).await?;
                // As they are laid over the policies of the class: a message can contradict one.
                let policies = &self.services.settings.decision.policies;
                let class = message.effective_class();
                let own = Some(&overrides.fields);
                let fields = vendor_fields(policies, app, &class, channel, own);
                for provider in providers {
                    provider.check_fields(&fields).map_err(|error| {
                        error.at(format!("message {}, channel {channel}", message.id))
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// A delivery and what the queue did with it.
pub(super) struct Queued {
    pub(super) delivery: Delivery,
    pub(super) put: Put,
}

impl Queued {
    fn of(delivery: &Delivery) -> Self {
        Self {
            delivery: delivery.clone(),
            put: Put::New,
        }
    }
}
