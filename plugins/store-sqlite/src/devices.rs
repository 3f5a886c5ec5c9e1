//! Reading devices and their registrations.
use push_core::{
    AppId, CertificateId, Channel, Device, DeviceFacts, DeviceId, DeviceRef, DeviceToken, Instance,
    Quarantine, Receiver, Registration, SlotRef, StoredRegistration, Timestamp, UserId,
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

/// A user with devices, by id, and those that cannot be read.
pub(crate) fn of_user(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    user: &UserId,
) -> Outcome<Receiver> {
    let key = [app.as_str(), user.as_str()];
    let found = devices(
        db,
        damage,
        &format!("SELECT {DEVICE} FROM device WHERE app = ?1 AND user = ?2 ORDER BY device"),
        key,
    )?;
    let whole = found.whole.into_iter().map(|(_, device)| device).collect();
    let damaged = found.damaged.into_iter().map(|(_, device)| device);
    let mut receiver = Receiver::new(user.clone(), whole).with_damaged(damaged.collect());
    let devices = &mut receiver.devices;
    if devices.is_empty() {
        return Ok(receiver);
    }
    let sql = format!("SELECT {REGISTRATION} FROM registration WHERE app = ?1 AND user = ?2");
    let found = registrations(db, damage, app, &sql, key)?;
    for stored in found.whole {
        let id = &stored.registration.device;
        let place = devices.binary_search_by(|device| device.device.cmp(id));
        if let Ok(place) = place {
            devices[place].registrations.push(stored);
        }
    }
    for device in &mut *devices {
        sort(&mut device.registrations);
        // One of a device that cannot be read may be of any.
        let of_device = |id: &Option<DeviceId>| id.as_ref().is_none_or(|id| *id == device.device);
        device.has_damaged = found.damaged.iter().any(of_device);
    }
    Ok(receiver)
}

/// What is known of a device.
pub(crate) enum One {
    /// Whose it is.
    Whole(UserId, Device),
    /// It cannot be read; whose it is, if that can be.
    Damaged(Option<UserId>),
    /// There is none.
    Missing,
}

/// A device, and whose it is.
pub(crate) fn one(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    device: &DeviceId,
) -> Outcome<One> {
    let sql = format!(
        "SELECT {DEVICE} FROM device INDEXED BY device_by_id WHERE app = ?1 AND device = ?2"
    );
    let mut found = devices(db, damage, &sql, [app.as_str(), device.as_str()])?;
    let Some((user, mut device)) = found.whole.pop() else {
        let damaged = found.damaged.pop();
        return Ok(damaged.map_or(One::Missing, |(user, _)| One::Damaged(user)));
    };
    let sql = format!(
        "SELECT {REGISTRATION} FROM registration WHERE app = ?1 AND user = ?2 AND device = ?3"
    );
    let key = [app.as_str(), user.as_str(), device.device.as_str()];
    let found = registrations(db, damage, app, &sql, key)?;
    device.registrations = found.whole;
    device.has_damaged = !found.damaged.is_empty();
    sort(&mut device.registrations);
    Ok(One::Whole(user, device))
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
    Ok(registrations(db, damage, app, &sql, key)?.whole.pop())
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
    let mut found = registrations(db, damage, app, &sql, key)?.whole;
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

/// What was read, and of what cannot be read the ids that can.
struct Found<T, D> {
    whole: Vec<T>,
    damaged: Vec<D>,
}

type FoundDevices = Found<(UserId, Device), (Option<UserId>, Option<DeviceId>)>;

fn devices(db: &Connection, damage: &Damage, sql: &str, key: impl Params) -> Outcome<FoundDevices> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(key)?;
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match damage.skip("device", device(row))? {
            Some(device) => whole.push(device),
            None => damaged.push((
                parsed(row, 0, UserId::new).ok(),
                parsed(row, 1, DeviceId::new).ok(),
            )),
        }
    }
    Ok(Found { whole, damaged })
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
) -> Outcome<Found<StoredRegistration, Option<DeviceId>>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(key)?;
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match damage.skip("registration", registration(row, app))? {
            Some(stored) => whole.push(stored),
            None => damaged.push(parsed(row, 1, DeviceId::new).ok()),
        }
    }
    Ok(Found { whole, damaged })
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
