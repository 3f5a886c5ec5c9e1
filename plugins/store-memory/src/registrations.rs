//! Device registrations and presence.
use push_core::{
    AppId, BadgeArithmetic, BadgeChange, Channel, Device, DeviceId, DeviceToken, Error, ErrorKind,
    Lane, Presence, PresenceChange, Quarantine, Registered, Registration, RegistrationStore,
    Result, Slot, StoredRegistration, Timestamp, UserId, async_trait,
};

use crate::{MemoryStore, app::App};

#[async_trait]
impl RegistrationStore for MemoryStore {
    async fn register(&self, registrations: Vec<Registration>) -> Result<Vec<Registered>> {
        let mut state = self.state();
        let new: std::collections::HashSet<_> = registrations
            .iter()
            .filter(|it| {
                let app = state.apps.get(&it.app);
                app.is_none_or(|app| !app.devices.contains_key(&it.device))
            })
            .map(|it| (&it.app, &it.device))
            .collect();
        let devices = state.devices + new.len();
        if devices > self.config.max_devices {
            return Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "the store knows {} devices, and {} more would be too many",
                    state.devices,
                    new.len()
                ),
            )
            .at("store/memory")
            .advise("raise max_devices, or use a store that keeps its devices on disk"));
        }
        state.devices = devices;
        Ok(registrations
            .into_iter()
            .map(|it| state.apps.entry(it.app.clone()).or_default().register(it))
            .collect())
    }

    async fn unregister(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<bool> {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(app) = state.apps.get_mut(app) else {
            return Ok(false);
        };
        let Some(row) = app.device_of(user, device) else {
            return Ok(false);
        };
        if slot.is_none() {
            row.presence = Presence::Offline;
            row.presence_at = row.presence_at.max(now);
        }
        Ok(app.remove(device, |it| {
            slot.is_none_or(|slot| slot == it.registration.slot)
        }))
    }

    async fn devices_of(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Device>>> {
        let state = self.state();
        let app = state.apps.get(app);
        Ok(users
            .iter()
            .map(|user| app.map(|app| app.devices(user)).unwrap_or_default())
            .collect())
    }

    async fn forget(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        dead_since: Timestamp,
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(app) = state.apps.get_mut(app) else {
            return Ok(false);
        };
        let Some(device) = app.tokens.get(&(channel.clone(), token.clone())).cloned() else {
            return Ok(false);
        };
        Ok(app.remove(&device, |it| meant(it, channel, token, dead_since)))
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
        let rows = state.apps.get_mut(app).and_then(|app| {
            let device = app.tokens.get(&(channel.clone(), token.clone()))?;
            app.devices.get_mut(device)
        });
        let mut done = false;
        for it in rows
            .into_iter()
            .flat_map(|it| it.registrations.values_mut())
        {
            if meant(it, channel, token, since) {
                it.quarantine = Some(Quarantine {
                    reason: reason.to_owned(),
                    at: since,
                });
                done = true;
            }
        }
        Ok(done)
    }

    async fn release(&self, lane: &Lane) -> Result<u64> {
        let mut state = self.state();
        let mut released = 0;
        for it in state
            .apps
            .get_mut(&lane.app)
            .into_iter()
            .flat_map(|app| app.devices.values_mut())
            .flat_map(|it| it.registrations.values_mut())
        {
            if it.registration.certificate == lane.certificate && it.quarantine.take().is_some() {
                released += 1;
            }
        }
        Ok(released)
    }

    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<u64> {
        let mut state = self.state();
        Ok(state
            .apps
            .get_mut(app)
            .map_or(0, |app| changes.iter().map(|it| app.set_presence(it)).sum()))
    }

    async fn change_badges(&self, app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>> {
        let mut state = self.state();
        let mut app = state.apps.get_mut(app);
        Ok(changes
            .into_iter()
            .map(|it| {
                let row = app
                    .as_mut()
                    .and_then(|app| app.device_of(&it.user, &it.device));
                row.map_or(0, |row| {
                    row.badge = match it.change {
                        BadgeArithmetic::Set(number) => number,
                        BadgeArithmetic::Add(more) => row.badge.saturating_add(more),
                    };
                    row.badge
                })
            })
            .collect())
    }

    async fn count(&self, app: &AppId) -> Result<u64> {
        let state = self.state();
        Ok(state.apps.get(app).map_or(0, |app| {
            app.devices
                .values()
                .map(|it| it.registrations.len() as u64)
                .sum()
        }))
    }
}

/// Whether it is this token, and was not told again after `since`.
fn meant(
    it: &StoredRegistration,
    channel: &Channel,
    token: &DeviceToken,
    since: Timestamp,
) -> bool {
    let it = &it.registration;
    it.channel == *channel && it.token == *token && it.told_at <= since
}

impl App {
    fn devices(&self, user: &UserId) -> Vec<Device> {
        self.users
            .get(user)
            .into_iter()
            .flatten()
            .filter_map(|id| {
                let row = self.devices.get(id)?;
                Some(Device {
                    device: id.clone(),
                    platform: row.platform,
                    presence: row.presence,
                    presence_at: row.presence_at,
                    badge: row.badge,
                    registrations: row.registrations.values().cloned().collect(),
                })
            })
            .collect()
    }
}
