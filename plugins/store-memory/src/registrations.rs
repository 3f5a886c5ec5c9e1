//! Device registrations, presence, badges and tags.
use push_core::{
    Admitted, AppId, Audience, BadgeArithmetic, BadgeChange, Channel, CredentialRef, Cursor,
    DeviceFacts, DeviceRef, DeviceToken, EndCause, Ended, Ending, Error, ErrorKind, Page, Presence,
    PresenceChange, PresenceSet, Quarantine, Receiver, Registered, Registration, RegistrationStore,
    Result, ShownTicket, Slot, SlotRef, StoredRegistration, Tag, Timestamp, UserId, async_trait,
};

use crate::{MemoryStore, State, scan};

#[async_trait]
impl RegistrationStore for MemoryStore {
    async fn register(
        &self,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Vec<Registered>> {
        check_owner(owner, &registrations)?;
        let now = self.clock.now();
        let mut state = self.state();
        state.make_room(owner, self.config.max_devices)?;
        let app = state.apps.entry(owner.app.clone()).or_default();
        let known = app.devices.len();
        let registered = app.register(owner, facts, registrations, None, now);
        let added = app.devices.len() - known;
        state.devices += added;
        Ok(registered)
    }

    async fn admit(
        &self,
        owner: &DeviceRef,
        ticket: &ShownTicket,
        facts: &DeviceFacts,
    ) -> Result<Admitted<()>> {
        let now = self.clock.now();
        let mut state = self.state();
        state.make_room_for_tickets(1, self.config.max_tickets, now)?;
        let app = state.apps.entry(owner.app.clone()).or_default();
        Ok(app.admit(owner, ticket, facts, usize::MAX))
    }

    async fn register_with(
        &self,
        ticket: &ShownTicket,
        max_devices: usize,
        owner: &DeviceRef,
        facts: &DeviceFacts,
        registrations: Vec<Registration>,
    ) -> Result<Admitted<Vec<Registered>>> {
        check_owner(owner, &registrations)?;
        let now = self.clock.now();
        let mut state = self.state();
        state.make_room(owner, self.config.max_devices)?;
        state.make_room_for_tickets(1, self.config.max_tickets, now)?;
        let app = state.apps.entry(owner.app.clone()).or_default();
        let admitted = app.admit(owner, ticket, facts, max_devices);
        let known = app.devices.len();
        let ends_from = Some(ticket.revoked_from());
        let registered =
            admitted.map(|()| app.register(owner, facts, registrations, ends_from, now));
        let added = app.devices.len() - known;
        state.devices += added;
        Ok(registered)
    }

    async fn unregister(
        &self,
        owner: &DeviceRef,
        slot: Option<Slot>,
        cause: EndCause,
    ) -> Result<Option<Ended>> {
        let now = self.clock.now();
        let mut state = self.state();
        state.make_room_for_tickets(1, self.config.max_tickets, now)?;
        let app = state.apps.entry(owner.app.clone()).or_default();
        Ok(app.unregister(owner, slot, cause, now))
    }

    async fn refuse(&self, owner: &DeviceRef, slot: Slot, reason: &str) -> Result<()> {
        let now = self.clock.now();
        let mut state = self.state();
        let app = state.apps.entry(owner.app.clone()).or_default();
        app.refuse(owner, slot, reason, now);
        Ok(())
    }

    async fn endings(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Ending>>> {
        let state = self.state();
        let app = state.apps.get(app);
        let of = |user| app.map(|app| app.endings.of(user)).unwrap_or_default();
        Ok(users.iter().map(of).collect())
    }

    async fn receivers(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Receiver>> {
        let state = self.state();
        let app = state.apps.get(app);
        let devices = |user| app.map(|app| app.devices_of(user)).unwrap_or_default();
        Ok(users
            .iter()
            .map(|user| Receiver::new(user.clone(), devices(user)))
            .collect())
    }

    async fn scan(
        &self,
        app: &AppId,
        audience: &Audience,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Receiver>> {
        let state = self.state();
        scan::page(state.apps.get(app), audience, after.as_ref(), limit)
    }

    async fn resolve(
        &self,
        app: &AppId,
        slots: &[SlotRef],
    ) -> Result<Vec<Option<StoredRegistration>>> {
        let state = self.state();
        let app = state.apps.get(app);
        Ok(slots
            .iter()
            .map(|slot| app.and_then(|app| app.resolve(slot)))
            .collect())
    }

    async fn holders(
        &self,
        app: &AppId,
        channel: &Channel,
        tokens: &[DeviceToken],
    ) -> Result<Vec<Option<StoredRegistration>>> {
        let state = self.state();
        let app = state.apps.get(app);
        Ok(tokens
            .iter()
            .map(|token| app.and_then(|app| app.holder(channel, token)))
            .collect())
    }

    async fn forget(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        dead_since: Timestamp,
    ) -> Result<bool> {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(app) = state.apps.get_mut(app) else {
            return Ok(false);
        };
        let Some(device) = app.tokens.get(&(channel.clone(), token.clone())).cloned() else {
            return Ok(false);
        };
        Ok(app.forget(&device, now, |stored| {
            meant(stored, channel, token, dead_since)
        }))
    }

    async fn quarantine(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        reason: &str,
        since: Timestamp,
    ) -> Result<bool> {
        let mut state = self.state();
        let row = state.apps.get_mut(app).and_then(|app| {
            let device = app.tokens.get(&(channel.clone(), token.clone()))?;
            app.devices.get_mut(device)
        });
        let mut done = false;
        for stored in row
            .into_iter()
            .flat_map(|row| row.registrations.values_mut())
        {
            if meant(stored, channel, token, since) {
                stored.quarantine = Some(Quarantine::new(reason, since));
                done = true;
            }
        }
        Ok(done)
    }

    async fn release(&self, credential: &CredentialRef) -> Result<u64> {
        let mut state = self.state();
        let mut released = 0;
        for stored in state
            .apps
            .get_mut(&credential.app)
            .into_iter()
            .flat_map(|app| app.devices.values_mut())
            .flat_map(|row| row.registrations.values_mut())
        {
            if stored.registration.certificate == credential.certificate
                && stored.quarantine.take().is_some()
            {
                released += 1;
            }
        }
        Ok(released)
    }

    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<PresenceSet> {
        let now = self.clock.now();
        let mut state = self.state();
        let ends = changes
            .iter()
            .filter(|change| change.presence == Presence::Offline)
            .count();
        state.make_room_for_tickets(ends, self.config.max_tickets, now)?;
        let mut set = PresenceSet::default();
        let app = state.apps.entry(app.clone()).or_default();
        for change in &changes {
            app.set_presence(change, now, &mut set);
        }
        Ok(set)
    }

    async fn change_badges(&self, app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>> {
        let now = self.clock.now();
        let mut state = self.state();
        let State { apps, badges, .. } = &mut *state;
        badges.prune(now, self.config.max_badge_changes);
        let mut numbers = Vec::with_capacity(changes.len());
        for it in changes {
            let row = apps
                .get_mut(app)
                .and_then(|app| app.device_of(&it.user, &it.device));
            let Some(row) = row else {
                numbers.push(0);
                continue;
            };
            let key = (app.clone(), it.message, it.user, it.device);
            if let Some(number) = badges.find(&key) {
                numbers.push(number);
                continue;
            }
            row.badge = match it.change {
                BadgeArithmetic::Set(number) => number,
                BadgeArithmetic::Add(more) => row.badge.saturating_add(more),
            };
            badges.add(key, row.badge, now);
            numbers.push(row.badge);
        }
        badges.prune(now, self.config.max_badge_changes);
        Ok(numbers)
    }

    async fn set_tags(&self, app: &AppId, user: &UserId, mut tags: Vec<Tag>) -> Result<()> {
        tags.sort_unstable();
        tags.dedup();
        if tags.len() > Tag::MAX_PER_USER {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "a user has at most {} tags, not {}",
                    Tag::MAX_PER_USER,
                    tags.len()
                ),
            ));
        }
        let mut state = self.state();
        let State { apps, tagged, .. } = &mut *state;
        if tags.is_empty() {
            let app = apps.get_mut(app);
            let had = app.is_some_and(|app| app.tags.remove(user).is_some());
            *tagged -= usize::from(had);
            return Ok(());
        }
        let known = apps.get(app).is_some_and(|app| app.tags.contains_key(user));
        if !known && *tagged >= self.config.max_devices {
            return Err(full("users with tags", *tagged, "max_devices"));
        }
        *tagged += usize::from(!known);
        let app = apps.entry(app.clone()).or_default();
        app.tags.insert(user.clone(), tags);
        Ok(())
    }

    async fn tags(&self, app: &AppId, user: &UserId) -> Result<Vec<Tag>> {
        let state = self.state();
        let tags = state.apps.get(app).and_then(|app| app.tags.get(user));
        Ok(tags.cloned().unwrap_or_default())
    }

    async fn count(&self, app: &AppId) -> Result<u64> {
        let state = self.state();
        Ok(state.apps.get(app).map_or(0, |app| {
            app.devices
                .values()
                .map(|row| row.registrations.len() as u64)
                .sum()
        }))
    }
}

fn check_owner(owner: &DeviceRef, registrations: &[Registration]) -> Result<()> {
    if registrations.iter().any(|new| new.owner() != *owner) {
        return Err(Error::new(
            ErrorKind::Invalid,
            "a registration is of another device than the call",
        )
        .advise("register each device in a call of its own"));
    }
    Ok(())
}

impl State {
    /// Checks that the device `owner` can be stored.
    fn make_room(&self, owner: &DeviceRef, most: usize) -> Result<()> {
        let known = self
            .apps
            .get(&owner.app)
            .is_some_and(|app| app.devices.contains_key(&owner.device));
        if !known && self.devices >= most {
            return Err(full("devices", self.devices, "max_devices"));
        }
        Ok(())
    }

    /// Checks that `count` more facts about tickets can be stored, and forgets those that have expired if they are needed.
    fn make_room_for_tickets(&mut self, count: usize, most: usize, now: Timestamp) -> Result<()> {
        let known = |state: &Self| {
            state
                .apps
                .values()
                .map(|app| app.tickets.len())
                .sum::<usize>()
        };
        if known(self) + count <= most {
            return Ok(());
        }
        self.apps
            .values_mut()
            .for_each(|app| app.tickets.prune(now));
        match known(self) {
            left if left + count > most => Err(full("tickets", left, "max_tickets")),
            _ => Ok(()),
        }
    }
}

/// Whether it is this token, and was not registered again after `since`.
fn meant(
    stored: &StoredRegistration,
    channel: &Channel,
    token: &DeviceToken,
    since: Timestamp,
) -> bool {
    let it = &stored.registration;
    it.channel == *channel && it.token == *token && it.reported_at <= since
}

fn full(what: &str, has: usize, key: &str) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("the store has {has} {what}, which is its limit"),
    )
    .at("store/memory")
    .advise(format!(
        "raise {key}, or use a store that keeps its data on disk"
    ))
}
