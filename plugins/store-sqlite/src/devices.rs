//! Reading devices and their registrations.
use push_core::{
    AppId, CertificateId, Channel, Device, DeviceFacts, DeviceId, DeviceRef, DeviceToken, Instance,
    Quarantine, Registration, SlotRef, StoredRegistration, Timestamp, UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, Params, Row, params},
};

use crate::row::{Damage, damaged, parsed, parsed_if_any, revision, time};

const DEVICE: &str = "user, device, presence, presence_at, badge, revision,
    platform, language, time_zone, permission, brand, app_version";

const REGISTRATION: &str =
    "user, device, slot, channel, instance, rank, certificate, environment, token, reported_at,
    quarantine_reason, quarantine_at";

/// The devices of a user, by id.
pub(crate) fn of_user(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    user: &UserId,
) -> Outcome<Vec<Device>> {
    let key = [app.as_str(), user.as_str()];
    let found = devices(
        db,
        damage,
        &format!("SELECT {DEVICE} FROM device WHERE app = ?1 AND user = ?2 ORDER BY device"),
        key,
    )?;
    let mut devices: Vec<Device> = found.into_iter().map(|(_, device)| device).collect();
    if devices.is_empty() {
        return Ok(devices);
    }
    let sql = format!("SELECT {REGISTRATION} FROM registration WHERE app = ?1 AND user = ?2");
    for stored in registrations(db, damage, app, &sql, key)? {
        let id = &stored.registration.device;
        let place = devices.binary_search_by(|device| device.device.cmp(id));
        if let Ok(place) = place {
            devices[place].registrations.push(stored);
        }
    }
    devices
        .iter_mut()
        .for_each(|device| sort(&mut device.registrations));
    Ok(devices)
}

/// A device, and whose it is.
pub(crate) fn one(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    device: &DeviceId,
) -> Outcome<Option<(UserId, Device)>> {
    let sql = format!(
        "SELECT {DEVICE} FROM device INDEXED BY device_by_id WHERE app = ?1 AND device = ?2"
    );
    let mut found = devices(db, damage, &sql, [app.as_str(), device.as_str()])?;
    let Some((user, mut device)) = found.pop() else {
        return Ok(None);
    };
    let sql = format!(
        "SELECT {REGISTRATION} FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3"
    );
    let key = [app.as_str(), user.as_str(), device.device.as_str()];
    device.registrations = registrations(db, damage, app, &sql, key)?;
    sort(&mut device.registrations);
    Ok(Some((user, device)))
}

/// The registration in a slot, if the device is still that user's.
pub(crate) fn in_slot(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    slot: &SlotRef,
) -> Outcome<Option<StoredRegistration>> {
    let sql = format!(
        "SELECT {REGISTRATION} FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3
         AND slot = ?4 AND channel = ?5 AND instance = ?6"
    );
    let key = params![
        app.as_str(),
        slot.user.as_str(),
        slot.device.as_str(),
        slot.slot.as_str(),
        slot.channel.as_str(),
        slot.instance.as_str(),
    ];
    Ok(registrations(db, damage, app, &sql, key)?.pop())
}

/// The registration that holds a token; the first by slot if there are several.
pub(crate) fn with_token(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    channel: &Channel,
    token: &DeviceToken,
) -> Outcome<Option<StoredRegistration>> {
    let sql = format!(
        "SELECT {REGISTRATION} FROM registration INDEXED BY registration_by_token
         WHERE app = ?1 AND channel = ?2 AND token = ?3"
    );
    let key = [app.as_str(), channel.as_str(), token.expose()];
    let mut found = registrations(db, damage, app, &sql, key)?;
    sort(&mut found);
    Ok(found.into_iter().next())
}

/// The columns from `platform` on, which is number `first`.
pub(crate) fn facts(row: &Row<'_>, first: usize) -> rusqlite::Result<DeviceFacts> {
    Ok(DeviceFacts::default()
        .with_platform(parsed_if_any(row, first, |it: String| it.parse())?)
        .with_language(row.get::<_, Option<String>>(first + 1)?)
        .with_time_zone(row.get::<_, Option<String>>(first + 2)?)
        .with_permission(parsed_if_any(row, first + 3, |it: String| it.parse())?)
        .with_brand(row.get::<_, Option<String>>(first + 4)?)
        .with_app_version(row.get::<_, Option<String>>(first + 5)?))
}

fn devices(
    db: &Connection,
    damage: &Damage,
    sql: &str,
    key: impl Params,
) -> Outcome<Vec<(UserId, Device)>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(damage.skip("device", device(row))?);
    }
    Ok(found)
}

fn device(row: &Row<'_>) -> rusqlite::Result<(UserId, Device)> {
    let mut device = Device::new(
        parsed(row, 1, DeviceId::new)?,
        time(row, 3)?,
        revision(row, 5)?,
    );
    device.presence = parsed(row, 2, |it| it.parse())?;
    device.badge = row.get(4)?;
    device.facts = facts(row, 6)?;
    Ok((parsed(row, 0, UserId::new)?, device))
}

fn registrations(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    sql: &str,
    key: impl Params,
) -> Outcome<Vec<StoredRegistration>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(damage.skip("registration", registration(row, app))?);
    }
    Ok(found)
}

fn registration(row: &Row<'_>, app: &AppId) -> rusqlite::Result<StoredRegistration> {
    let owner = DeviceRef::new(
        app.clone(),
        parsed(row, 0, UserId::new)?,
        parsed(row, 1, DeviceId::new)?,
    );
    let registration = Registration::new(
        owner,
        parsed(row, 3, Channel::new)?,
        CertificateId::new(row.get(6)?).map_err(|error| damaged(6, error))?,
        parsed(row, 7, |it| it.parse())?,
        parsed(row, 8, DeviceToken::new)?,
        time(row, 9)?,
    )
    .with_slot(parsed(row, 2, |it| it.parse())?)
    .with_instance(parsed(row, 4, Instance::new)?)
    .with_rank(row.get(5)?);
    let reason: Option<String> = row.get(10)?;
    let at: Option<i64> = row.get(11)?;
    Ok(StoredRegistration::new(registration).with_quarantine(
        reason
            .zip(at)
            .map(|(reason, at)| Quarantine::new(reason, Timestamp::from_unix_millis(at))),
    ))
}

/// By slot, in the order of [`Slot`](push_core::Slot), then by channel and instance.
fn sort(registrations: &mut [StoredRegistration]) {
    registrations.sort_unstable_by(|a, b| {
        let (a, b) = (&a.registration, &b.registration);
        (a.slot, &a.channel, &a.instance).cmp(&(b.slot, &b.channel, &b.instance))
    });
}
