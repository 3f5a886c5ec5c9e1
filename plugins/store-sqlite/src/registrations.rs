//! Registrations.
use push_core::{
    AppId, BadgeChange, CertificateId, Channel, Device, DeviceId, DeviceToken, Displaced, Lane,
    Presence, PresenceChange, Quarantine, Registered, Registration, RegistrationStore, Result,
    Slot, StoredRegistration, Timestamp, UserId, async_trait,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, Row, params},
};

use crate::{
    SqliteStore, presence,
    row::{damaged, parsed, parsed_if_any, time},
};

#[async_trait]
impl RegistrationStore for SqliteStore {
    async fn register(&self, registrations: Vec<Registration>) -> Result<Vec<Registered>> {
        if registrations.is_empty() {
            return Ok(Vec::new());
        }
        self.main
            .write(registrations.len(), move |db| {
                registrations.iter().map(|it| register(db, it)).collect()
            })
            .await
    }

    async fn unregister(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<bool> {
        let now = self.clock.now().unix_millis();
        let (app, user, device) = (app.clone(), user.clone(), device.clone());
        self.main
            .write(1, move |db| {
                let key = [app.as_str(), user.as_str(), device.as_str()];
                if slot.is_none() {
                    db.prepare_cached(
                        "UPDATE device SET presence = ?4, presence_at = max(presence_at, ?5)
                         WHERE app = ?1 AND user = ?2 AND device = ?3",
                    )?
                    .execute(params![
                        key[0],
                        key[1],
                        key[2],
                        Presence::Offline.as_str(),
                        now
                    ])?;
                }
                let gone = db
                    .prepare_cached(
                        "DELETE FROM registration
                         WHERE app = ?1 AND user = ?2 AND device = ?3 AND (?4 IS NULL OR slot = ?4)",
                    )?
                    .execute(params![key[0], key[1], key[2], slot.map(Slot::as_str)])?;
                Ok(gone > 0)
            })
            .await
    }

    async fn devices_of(&self, app: &AppId, users: &[UserId]) -> Result<Vec<Vec<Device>>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let (app, users) = (app.clone(), users.to_vec());
        self.main
            .read(move |db| users.iter().map(|it| devices_of(db, &app, it)).collect())
            .await
    }

    async fn forget(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        dead_since: Timestamp,
    ) -> Result<bool> {
        let (app, channel, token) = (app.clone(), channel.clone(), token.clone());
        self.main
            .write(1, move |db| {
                let gone = db
                    .prepare_cached(
                        "DELETE FROM registration INDEXED BY registration_by_token
                         WHERE app = ?1 AND channel = ?2 AND token = ?3 AND told_at <= ?4",
                    )?
                    .execute(params![
                        app.as_str(),
                        channel.as_str(),
                        token.expose(),
                        dead_since.unix_millis()
                    ])?;
                Ok(gone > 0)
            })
            .await
    }

    async fn quarantine(
        &self,
        app: &AppId,
        channel: &Channel,
        token: &DeviceToken,
        reason: &str,
        since: Timestamp,
    ) -> Result<bool> {
        let (app, channel, token) = (app.clone(), channel.clone(), token.clone());
        let reason = reason.to_owned();
        self.main
            .write(1, move |db| {
                let aside = db
                    .prepare_cached(
                        "UPDATE registration INDEXED BY registration_by_token SET quarantine_reason = ?4, quarantine_at = ?5
                         WHERE app = ?1 AND channel = ?2 AND token = ?3 AND told_at <= ?5",
                    )?
                    .execute(params![
                        app.as_str(),
                        channel.as_str(),
                        token.expose(),
                        reason,
                        since.unix_millis()
                    ])?;
                Ok(aside > 0)
            })
            .await
    }

    async fn release(&self, lane: &Lane) -> Result<u64> {
        let lane = lane.clone();
        self.main
            .write(1, move |db| {
                let released = db
                    .prepare_cached(
                        "UPDATE registration INDEXED BY registration_aside SET quarantine_reason = NULL, quarantine_at = NULL
                         WHERE app = ?1 AND certificate = ?2 AND quarantine_at IS NOT NULL",
                    )?
                    .execute(params![lane.app.as_str(), lane.certificate.get()])?;
                Ok(released as u64)
            })
            .await
    }

    async fn set_presence(&self, app: &AppId, changes: Vec<PresenceChange>) -> Result<u64> {
        if changes.is_empty() {
            return Ok(0);
        }
        let app = app.clone();
        self.main
            .write(changes.len(), move |db| {
                let mut taken = 0;
                for it in &changes {
                    taken += presence::set(db, &app, it)?;
                }
                Ok(taken)
            })
            .await
    }

    async fn change_badges(&self, app: &AppId, changes: Vec<BadgeChange>) -> Result<Vec<u32>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let app = app.clone();
        self.main
            .write(changes.len(), move |db| {
                changes
                    .iter()
                    .map(|it| presence::change_badge(db, &app, it))
                    .collect()
            })
            .await
    }

    async fn count(&self, app: &AppId) -> Result<u64> {
        let app = app.clone();
        self.main
            .read(move |db| {
                let count: Option<i64> = db
                    .prepare_cached("SELECT registrations FROM tally WHERE app = ?1")?
                    .query_row([app.as_str()], |row| row.get(0))
                    .optional()?;
                Ok(count.unwrap_or_default().unsigned_abs())
            })
            .await
    }
}

fn register(db: &Connection, it: &Registration) -> Outcome<Registered> {
    let mut done = Registered::default();
    let started = take_device(db, it, &mut done)?;
    take_token(db, it, &mut done)?;
    let changed = db
        .prepare_cached(
            "SELECT 1 FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot = ?4
             AND channel = ?5 AND certificate = ?6 AND environment = ?7 AND token = ?8 AND quarantine_at IS NULL",
        )?
        .query_row(
            params![
                it.app.as_str(),
                it.user.as_str(),
                it.device.as_str(),
                it.slot.as_str(),
                it.channel.as_str(),
                it.certificate.get(),
                it.environment.as_str(),
                it.token.expose(),
            ],
            |_| Ok(()),
        )
        .optional()?
        .is_none();
    if changed {
        db.prepare_cached(
            "INSERT INTO registration VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, NULL)
             ON CONFLICT DO UPDATE SET channel = ?5, certificate = ?6, environment = ?7, token = ?8, told_at = ?9,
             quarantine_reason = NULL, quarantine_at = NULL",
        )?
        .execute(params![
            it.app.as_str(),
            it.user.as_str(),
            it.device.as_str(),
            it.slot.as_str(),
            it.channel.as_str(),
            it.certificate.get(),
            it.environment.as_str(),
            it.token.expose(),
            it.told_at.unix_millis(),
        ])?;
    } else {
        db.prepare_cached(
            "UPDATE registration SET told_at = ?5 WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot = ?4",
        )?
        .execute(params![
            it.app.as_str(),
            it.user.as_str(),
            it.device.as_str(),
            it.slot.as_str(),
            it.told_at.unix_millis(),
        ])?;
    }
    done.changed = started || changed;
    Ok(done)
}

/// Makes the device the user's; answers whether it starts online.
fn take_device(db: &Connection, it: &Registration, done: &mut Registered) -> Outcome<bool> {
    let (app, user, device) = (it.app.as_str(), it.user.as_str(), it.device.as_str());
    let found: Option<(String, String)> = db
        .prepare_cached("SELECT user, presence FROM device INDEXED BY device_by_id WHERE app = ?1 AND device = ?2")?
        .query_row([app, device], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let sql = match found {
        Some((owner, presence)) if owner == user => {
            if presence != Presence::Offline.as_str() {
                return Ok(false);
            }
            "UPDATE device SET presence = ?4, presence_at = ?5, badge = 0
             WHERE app = ?1 AND user = ?2 AND device = ?3"
        }
        Some((owner, _)) => {
            let lost = db
                .prepare_cached(
                    "DELETE FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3",
                )?
                .execute([app, &owner, device])?;
            if lost > 0 {
                done.displaced.push(Displaced {
                    user: UserId::new(owner)?,
                    device: it.device.clone(),
                });
            }
            "UPDATE device INDEXED BY device_by_id SET user = ?2, presence = ?4, presence_at = ?5, badge = 0
             WHERE app = ?1 AND device = ?3"
        }
        None => "INSERT INTO device VALUES (?1, ?2, ?3, NULL, ?4, ?5, 0)",
    };
    db.prepare_cached(sql)?.execute(params![
        app,
        user,
        device,
        Presence::Online.as_str(),
        it.told_at.unix_millis()
    ])?;
    Ok(true)
}

/// Takes the token away from other devices.
fn take_token(db: &Connection, it: &Registration, done: &mut Registered) -> Outcome<()> {
    let mut taken = db.prepare_cached(
        "DELETE FROM registration INDEXED BY registration_by_token
         WHERE app = ?1 AND channel = ?2 AND token = ?3 AND device <> ?4
         RETURNING user, device",
    )?;
    let lost = taken.query_map(
        [
            it.app.as_str(),
            it.channel.as_str(),
            it.token.expose(),
            it.device.as_str(),
        ],
        |row| {
            Ok(Displaced {
                user: parsed(row, 0, UserId::new)?,
                device: parsed(row, 1, DeviceId::new)?,
            })
        },
    )?;
    for it in lost {
        let it = it?;
        // Once, however many of its slots had the token.
        if !done.displaced.contains(&it) {
            done.displaced.push(it);
        }
    }
    Ok(())
}

fn devices_of(db: &Connection, app: &AppId, user: &UserId) -> Outcome<Vec<Device>> {
    let mut select = db.prepare_cached(
        "SELECT d.device, d.platform, d.presence, d.presence_at, d.badge,
         r.slot, r.channel, r.certificate, r.environment, r.token, r.told_at, r.quarantine_reason, r.quarantine_at
         FROM device d LEFT JOIN registration r ON r.app = d.app AND r.user = d.user AND r.device = d.device
         WHERE d.app = ?1 AND d.user = ?2 ORDER BY d.device",
    )?;
    let mut rows = select.query([app.as_str(), user.as_str()])?;
    let mut devices: Vec<Device> = Vec::new();
    while let Some(row) = rows.next()? {
        let device: String = row.get(0)?;
        if devices.last().is_none_or(|it| it.device.as_str() != device) {
            devices.push(Device {
                device: DeviceId::new(device)?,
                platform: parsed_if_any(row, 1, |it: String| it.parse())?,
                presence: parsed(row, 2, |it| it.parse())?,
                presence_at: time(row, 3)?,
                badge: row.get(4)?,
                registrations: Vec::new(),
            });
        }
        if let Some(device) = devices.last_mut()
            && let Some(slot) = parsed_if_any(row, 5, |it: String| it.parse())?
        {
            let it = registration(row, slot, app, user, &device.device)?;
            device.registrations.push(it);
        }
    }
    for it in &mut devices {
        it.registrations.sort_by_key(|it| it.registration.slot);
    }
    Ok(devices)
}

fn registration(
    row: &Row<'_>,
    slot: Slot,
    app: &AppId,
    user: &UserId,
    device: &DeviceId,
) -> push_sqlite::rusqlite::Result<StoredRegistration> {
    let reason: Option<String> = row.get(11)?;
    let at: Option<i64> = row.get(12)?;
    Ok(StoredRegistration {
        registration: Registration {
            app: app.clone(),
            user: user.clone(),
            device: device.clone(),
            slot,
            channel: parsed(row, 6, Channel::new)?,
            certificate: CertificateId::new(row.get(7)?).map_err(|it| damaged(7, it))?,
            environment: parsed(row, 8, |it| it.parse())?,
            token: parsed(row, 9, DeviceToken::new)?,
            told_at: time(row, 10)?,
        },
        quarantine: reason.zip(at).map(|(reason, at)| Quarantine {
            reason,
            at: Timestamp::from_unix_millis(at),
        }),
    })
}
