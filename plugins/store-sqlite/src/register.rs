//! Storing and removing registrations.
use std::sync::Arc;

use push_core::{
    Admitted, AppId, Channel, Device, DeviceFacts, DeviceId, DeviceRef, DeviceToken, EndCause,
    Ended, Ending, Instance, Permission, Platform, Presence, Registered, Registration, ShownTicket,
    Slot, TicketRefusal, Timestamp, UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, Params, params},
};

use crate::{
    devices, endings,
    row::{Damage, parsed, revision},
    tickets::{self, Revoked, Standing},
};

/// The lowest revision that a change at `now` gives: [`Device::revision_after`] of the highest one before.
pub(crate) fn revision_at(now: Timestamp) -> i64 {
    i64::try_from(Device::revision_after(0, now)).unwrap_or(i64::MAX)
}

/// What a device reported.
pub(crate) struct Report {
    pub(crate) owner: DeviceRef,
    pub(crate) facts: DeviceFacts,
    pub(crate) now: Timestamp,
    pub(crate) damage: Arc<Damage>,
}

/// What is known of the device before.
struct Known {
    user: String,
    offline: bool,
    facts: DeviceFacts,
}

impl Report {
    /// Stores it if the ticket is good for the device and the user has no more than `max_devices` then.
    pub(crate) fn store_with(
        &self,
        db: &Connection,
        ticket: &ShownTicket,
        max_devices: usize,
        registrations: &[Registration],
    ) -> Outcome<Admitted<Vec<Registered>>> {
        let standing = tickets::standing(db, &self.owner, ticket, &self.facts)?;
        if let Standing::Refused(refusal) = standing {
            return Ok(Err(refusal));
        }
        if tickets::is_one_too_many(db, &self.owner, max_devices)? {
            return Ok(Err(TicketRefusal::TooManyDevices));
        }
        if let Standing::Free = standing {
            tickets::bind(db, &self.owner, ticket, self.now)?;
        }
        self.store_from(db, registrations, Some(ticket.revoked_from()))
            .map(Ok)
    }

    /// Stores it, and returns what each registration did.
    pub(crate) fn store(
        &self,
        db: &Connection,
        registrations: &[Registration],
    ) -> Outcome<Vec<Registered>> {
        self.store_from(db, registrations, None)
    }

    /// Stores it, where a login that a ticket proves ends by a report of `ends_from` or later.
    fn store_from(
        &self,
        db: &Connection,
        registrations: &[Registration],
        ends_from: Option<Timestamp>,
    ) -> Outcome<Vec<Registered>> {
        let known = self.known(db)?;
        let Some(first) = registrations.first() else {
            self.store_facts(db, known)?;
            return Ok(Vec::new());
        };
        let (mut news, mut displaced) =
            self.take_device(db, known, first.reported_at, ends_from)?;
        registrations
            .iter()
            .map(|new| {
                let mut displaced = std::mem::take(&mut displaced);
                self.take_token(db, new, &mut displaced)?;
                let changed = put(db, new)? | std::mem::take(&mut news);
                Ok(Registered::new(changed, displaced))
            })
            .collect()
    }

    fn known(&self, db: &Connection) -> Outcome<Option<Known>> {
        let mut select = db.prepare_cached(
            "SELECT CAST(user AS BLOB), presence, platform, language, time_zone, permission, brand, app_version
             FROM device INDEXED BY device_by_id WHERE app = ?1 AND device = ?2",
        )?;
        let key = [self.owner.app.as_str(), self.owner.device.as_str()];
        let mut rows = select.query(key)?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        // A damaged row is repaired by what the device reports.
        let user: Vec<u8> = row.get(0)?;
        let presence = self.damage.skip("device", row.get::<_, String>(1))?;
        let facts = self.damage.skip("device", devices::facts(row, 2))?;
        Ok(Some(Known {
            user: String::from_utf8(user).unwrap_or_default(),
            offline: presence.is_none_or(|presence| presence == Presence::Offline.as_str()),
            facts: facts.unwrap_or_default(),
        }))
    }

    /// Stores facts that came without a registration.
    fn store_facts(&self, db: &Connection, known: Option<Known>) -> Outcome<()> {
        let Some(mut known) = known else {
            return self.take_device(db, None, self.now, None).map(drop);
        };
        if known.user == self.owner.user.as_str() && known.facts.update(&self.facts) {
            let facts = &known.facts;
            db.prepare_cached(
                "UPDATE device SET platform = ?4, language = ?5, time_zone = ?6, permission = ?7, brand = ?8, app_version = ?9
                 WHERE app = ?1 AND user = ?2 AND device = ?3",
            )?
            .execute(params![
                self.owner.app.as_str(),
                self.owner.user.as_str(),
                self.owner.device.as_str(),
                facts.platform.map(Platform::as_str),
                facts.language,
                facts.time_zone,
                facts.permission.map(Permission::as_str),
                facts.brand,
                facts.app_version,
            ])?;
        }
        Ok(())
    }

    /// Makes the device the user's. Returns whether it starts online or its facts changed, and the former user if that lost a
    /// registration.
    fn take_device(
        &self,
        db: &Connection,
        known: Option<Known>,
        at: Timestamp,
        ends_from: Option<Timestamp>,
    ) -> Outcome<(bool, Vec<Ended>)> {
        let app = self.owner.app.as_str();
        let (user, device) = (self.owner.user.as_str(), self.owner.device.as_str());
        let mut facts = DeviceFacts::default();
        let (mut news, mut lost, mut former) = (true, 0, None);
        // A login that goes on, without a ticket, is not newer than it was.
        let mut ends_from = ends_from.map_or(i64::MIN, Timestamp::unix_millis);
        // The table is clustered by user: a device that changes hands is a new row.
        let sql = match known {
            None => {
                facts.update(&self.facts);
                INSERT
            }
            Some(known) => {
                facts = known.facts;
                let changed = facts.update(&self.facts);
                if known.user != user {
                    lost = db
                        .prepare_cached(
                            "DELETE FROM registration WHERE app = ?1 AND device = ?2 AND user =
                             (SELECT user FROM device INDEXED BY device_by_id WHERE app = ?1 AND device = ?2)",
                        )?
                        .execute([app, device])?;
                    former = Some(known.user);
                    MOVE
                } else if known.offline {
                    START
                } else {
                    news = changed;
                    REPORT
                }
            }
        };
        if sql != REPORT && ends_from == i64::MIN {
            ends_from = at.unix_millis();
        }
        let revision: u64 = db.prepare_cached(sql)?.query_row(
            params![
                app,
                user,
                device,
                Presence::Online.as_str(),
                at.unix_millis(),
                revision_at(self.now),
                facts.platform.map(Platform::as_str),
                facts.language,
                facts.time_zone,
                facts.permission.map(Permission::as_str),
                facts.brand,
                facts.app_version,
                ends_from,
            ],
            |row| revision(row, 0),
        )?;
        // The id of a former user that cannot be read belongs to no delivery either.
        let former = former.and_then(|former| UserId::new(former).ok());
        if let Some(former) = &former {
            endings::device_taken(db, &self.owner.app, former, &self.owner.device, self.now)?;
        }
        let ended = former.filter(|_| lost > 0).map(|user| {
            Ended::new(
                user,
                self.owner.device.clone(),
                None,
                EndCause::DeviceTaken,
                revision,
            )
        });
        Ok((news, ended.into_iter().collect()))
    }

    /// Takes the token away from other devices.
    fn take_token(
        &self,
        db: &Connection,
        new: &Registration,
        displaced: &mut Vec<Ended>,
    ) -> Outcome<()> {
        let mut lost: Vec<(UserId, DeviceId, Slot)> = Vec::new();
        {
            let mut taken = db.prepare_cached(
                "DELETE FROM registration INDEXED BY registration_by_token
                 WHERE app = ?1 AND channel = ?2 AND token = ?3 AND device <> ?4
                 RETURNING user, device, slot",
            )?;
            let mut rows = taken.query([
                new.app.as_str(),
                new.channel.as_str(),
                new.token.expose(),
                new.device.as_str(),
            ])?;
            while let Some(row) = rows.next()? {
                let one = (|| {
                    Ok((
                        parsed(row, 0, UserId::new)?,
                        parsed(row, 1, DeviceId::new)?,
                        parsed(row, 2, |slot| slot.parse())?,
                    ))
                })();
                lost.extend(self.damage.skip("registration", one)?);
            }
        }
        // Once for each slot, however many of its instances had the token.
        lost.sort_unstable();
        lost.dedup();
        for devices in lost.chunk_by(|a, b| a.1 == b.1) {
            let (user, device, _) = &devices[0];
            let found = advance(db, &new.app, user, device, self.now)?;
            for (user, device, slot) in devices {
                let ending =
                    Ending::new(EndCause::TokenTaken, self.now).on(device.clone(), Some(*slot));
                endings::add(db, &new.app, user, &ending)?;
            }
            let ended = devices.iter().map(|(user, device, slot)| {
                Ended::new(
                    user.clone(),
                    device.clone(),
                    Some(*slot),
                    EndCause::TokenTaken,
                    found,
                )
            });
            displaced.extend(ended);
        }
        Ok(())
    }
}

const INSERT: &str = "INSERT INTO device
    (app, user, device, presence, presence_at, revision, platform, language, time_zone, permission, brand, app_version, ends_from, badge)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0) RETURNING revision";

const MOVE: &str = "UPDATE device INDEXED BY device_by_id SET user = ?2, presence = ?4, presence_at = ?5, badge = 0,
    revision = max(revision + 1, ?6),
    platform = ?7, language = ?8, time_zone = ?9, permission = ?10, brand = ?11, app_version = ?12,
    ends_from = ?13 WHERE app = ?1 AND device = ?3 RETURNING revision";

const START: &str = "UPDATE device SET presence = ?4, presence_at = ?5, badge = 0, revision = max(revision + 1, ?6),
    platform = ?7, language = ?8, time_zone = ?9, permission = ?10, brand = ?11, app_version = ?12,
    ends_from = ?13 WHERE app = ?1 AND user = ?2 AND device = ?3 RETURNING revision";

// The parameters are those of the others, so two are not used.
const REPORT: &str = "UPDATE device SET revision = max(revision + 1, ?6),
    platform = ?7, language = ?8, time_zone = ?9, permission = ?10, brand = ?11, app_version = ?12,
    ends_from = max(ends_from, ?13) WHERE app = ?1 AND user = ?2 AND device = ?3 RETURNING revision";

/// Stores the registration. Returns `true` if it differs from the one that was there.
fn put(db: &Connection, new: &Registration) -> Outcome<bool> {
    endings::clear(db, &new.app, &new.user, &new.device, new.slot)?;
    // The usual case, an app that reports the same token again, writes one number.
    let same = db
        .prepare_cached(
            "UPDATE registration SET reported_at = ?11 WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot = ?4
             AND channel = ?5 AND instance = ?6 AND rank = ?7 AND certificate = ?8 AND environment = ?9 AND token = ?10
             AND quarantine_at IS NULL",
        )?
        .execute(values(new))?;
    if same > 0 {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO registration (app, user, device, slot, channel, instance, rank, certificate, environment, token, reported_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET rank = ?7, certificate = ?8, environment = ?9, token = ?10, reported_at = ?11,
         quarantine_reason = NULL, quarantine_at = NULL",
    )?
    .execute(values(new))?;
    if new.instance != Instance::ONLY {
        db.prepare_cached(
            "DELETE FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot = ?4 AND (channel, instance) IN
             (SELECT channel, instance FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot = ?4
              ORDER BY channel = ?5 AND instance = ?6 DESC, reported_at DESC LIMIT -1 OFFSET ?7)",
        )?
        .execute(params![
            new.app.as_str(),
            new.user.as_str(),
            new.device.as_str(),
            new.slot.as_str(),
            new.channel.as_str(),
            new.instance.as_str(),
            i64::try_from(Instance::MAX_PER_SLOT).unwrap_or(i64::MAX),
        ])?;
    }
    Ok(true)
}

fn values(new: &Registration) -> impl Params {
    (
        new.app.as_str(),
        new.user.as_str(),
        new.device.as_str(),
        new.slot.as_str(),
        new.channel.as_str(),
        new.instance.as_str(),
        new.rank,
        new.certificate.get(),
        new.environment.as_str(),
        new.token.expose(),
        new.reported_at.unix_millis(),
    )
}

/// Moves a device's revision on, and returns the new one.
fn advance(
    db: &Connection,
    app: &AppId,
    user: &UserId,
    device: &DeviceId,
    now: Timestamp,
) -> Outcome<u64> {
    Ok(db
        .prepare_cached(
            "UPDATE device SET revision = max(revision + 1, ?4) WHERE app = ?1 AND user = ?2 AND device = ?3
             RETURNING revision",
        )?
        .query_row(
            params![
                app.as_str(),
                user.as_str(),
                device.as_str(),
                revision_at(now)
            ],
            |row| revision(row, 0),
        )?)
}

/// Removes the registrations of a device or one of its slots.
pub(crate) fn unregister(
    db: &Connection,
    owner: DeviceRef,
    slot: Option<Slot>,
    cause: EndCause,
    now: Timestamp,
) -> Outcome<Option<Ended>> {
    if slot.is_none() && cause != EndCause::SwitchedOff {
        let of = Revoked::Device(owner.device.as_str());
        tickets::revoke(db, &owner.app, &owner.user, of, now, now)?;
        tickets::revoke_bound(db, &owner.app, &owner.user, of, now)?;
    }
    let key = [
        owner.app.as_str(),
        owner.user.as_str(),
        owner.device.as_str(),
    ];
    let offline: Option<bool> = db
        .prepare_cached(
            "SELECT presence = ?4 FROM device WHERE app = ?1 AND user = ?2 AND device = ?3",
        )?
        .query_row(
            params![key[0], key[1], key[2], Presence::Offline.as_str()],
            |row| row.get(0),
        )
        .optional()?;
    let Some(offline) = offline else {
        return Ok(None);
    };
    let removed = db
        .prepare_cached(
            "DELETE FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3 AND (?4 IS NULL OR slot = ?4)",
        )?
        .execute(params![key[0], key[1], key[2], slot.map(Slot::as_str)])?;
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
            now.unix_millis()
        ])?;
    }
    if removed == 0 && (slot.is_some() || offline) {
        return Ok(None);
    }
    let revision = advance(db, &owner.app, &owner.user, &owner.device, now)?;
    let ending = Ending::new(cause, now).on(owner.device.clone(), slot);
    if slot.is_some() {
        endings::add(db, &owner.app, &owner.user, &ending)?;
    } else {
        endings::went_offline(db, &owner.app, &owner.user, &ending, offline)?;
    }
    Ok(Some(Ended::new(
        owner.user,
        owner.device,
        slot,
        cause,
        revision,
    )))
}

/// Remembers a registration that the gateway refused.
pub(crate) fn refuse(
    db: &Connection,
    owner: &DeviceRef,
    slot: Slot,
    reason: String,
    now: Timestamp,
) -> Outcome<()> {
    let key = [
        owner.app.as_str(),
        owner.user.as_str(),
        owner.device.as_str(),
    ];
    let is_owner = db
        .prepare_cached("SELECT 1 FROM device WHERE app = ?1 AND user = ?2 AND device = ?3")?
        .exists(key)?;
    let ending = Ending::new(EndCause::Refused, now).because(Some(reason));
    let ending = if is_owner {
        ending.on(owner.device.clone(), Some(slot))
    } else {
        ending
    };
    endings::add(db, &owner.app, &owner.user, &ending)
}

/// Removes a token that died before `dead_since`. Returns `true` if there was one.
pub(crate) fn forget(
    db: &Connection,
    damage: &Damage,
    (app, channel, token): (&AppId, &Channel, &DeviceToken),
    dead_since: Timestamp,
    now: Timestamp,
) -> Outcome<bool> {
    let mut delete = db.prepare_cached(
        "DELETE FROM registration INDEXED BY registration_by_token
         WHERE app = ?1 AND channel = ?2 AND token = ?3 AND reported_at <= ?4
         RETURNING user, device, slot",
    )?;
    let mut rows = delete.query(params![
        app.as_str(),
        channel.as_str(),
        token.expose(),
        dead_since.unix_millis()
    ])?;
    let mut gone = false;
    let mut lost = Vec::new();
    while let Some(row) = rows.next()? {
        gone = true;
        let one = (|| {
            let ending = Ending::new(EndCause::TokenDead, now).on(
                parsed(row, 1, DeviceId::new)?,
                Some(parsed(row, 2, |slot| slot.parse())?),
            );
            Ok((parsed(row, 0, UserId::new)?, ending))
        })();
        lost.extend(damage.skip("registration", one)?);
    }
    for (user, ending) in lost {
        endings::add(db, app, &user, &ending)?;
    }
    Ok(gone)
}
