//! What last ended push for users, devices and slots.
use push_core::{AppId, DeviceId, EndCause, Ending, Slot, Timestamp, UserId};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};

use crate::row::{Damage, parsed, time};

/// Returns the endings of a user: that of the user first, then by device and slot.
pub(crate) fn of_user(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    user: &UserId,
) -> Outcome<Vec<Ending>> {
    let mut select = db.prepare_cached(
        "SELECT device, slot, cause, reason, at FROM ending WHERE app = ?1 AND user = ?2
         ORDER BY device, slot",
    )?;
    let mut rows = select.query([app.as_str(), user.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(damage.skip("ending", ending(row))?);
    }
    Ok(found)
}

fn ending(row: &Row<'_>) -> rusqlite::Result<Ending> {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let device = parsed(row, 0, |device| some(device).map(DeviceId::new).transpose())?;
    let slot = parsed(row, 1, |slot| {
        some(slot).map(|slot| slot.parse()).transpose()
    })?;
    let ending =
        Ending::new(parsed(row, 2, |cause| cause.parse())?, time(row, 4)?).because(row.get(3)?);
    Ok(match device {
        Some(device) => ending.on(device, slot),
        None => ending,
    })
}

/// Remembers `ending`, which includes the slots of its device.
pub(crate) fn add(db: &Connection, app: &AppId, user: &UserId, ending: &Ending) -> Outcome<()> {
    let device = ending.device.as_ref().map_or("", DeviceId::as_str);
    if ending.device.is_some() && ending.slot.is_none() {
        clear_device(db, app, user.as_str(), device)?;
    }
    db.prepare_cached(
        "INSERT INTO ending (app, user, device, slot, cause, reason, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET cause = ?5, reason = ?6, at = ?7",
    )?
    .execute(params![
        app.as_str(),
        user.as_str(),
        device,
        ending.slot.map_or("", Slot::as_str),
        ending.cause.as_str(),
        ending.reason,
        ending.at.unix_millis(),
    ])?;
    Ok(())
}

/// Remembers why a device is offline. If it `was_offline` before, the first cause that was known stays.
pub(crate) fn went_offline(
    db: &Connection,
    app: &AppId,
    user: &UserId,
    ending: &Ending,
    was_offline: bool,
) -> Outcome<()> {
    let device = ending.device.as_ref().map_or("", DeviceId::as_str);
    // As bytes: a damaged cause is replaced.
    let known: Option<Vec<u8>> = db
        .prepare_cached(
            "SELECT CAST(cause AS BLOB) FROM ending WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot = ''",
        )?
        .query_row([app.as_str(), user.as_str(), device], |row| row.get(0))
        .optional()?;
    let stays = known
        .and_then(|known| String::from_utf8(known).ok())
        .is_some_and(|known| known != EndCause::Offline.as_str());
    if was_offline && stays {
        return Ok(());
    }
    add(db, app, user, ending)
}

/// The user registered `slot` of `device`.
pub(crate) fn clear(
    db: &Connection,
    app: &AppId,
    user: &UserId,
    device: &DeviceId,
    slot: Slot,
) -> Outcome<()> {
    db.prepare_cached(
        "DELETE FROM ending WHERE app = ?1 AND user = ?2 AND (device = '' OR device = ?3 AND slot IN ('', ?4))",
    )?
    .execute([app.as_str(), user.as_str(), device.as_str(), slot.as_str()])?;
    Ok(())
}

/// The device is not the user's any more, or push has ended for the whole device.
pub(crate) fn clear_device(db: &Connection, app: &AppId, user: &str, device: &str) -> Outcome<()> {
    db.prepare_cached("DELETE FROM ending WHERE app = ?1 AND user = ?2 AND device = ?3")?
        .execute([app.as_str(), user, device])?;
    Ok(())
}

/// Another user registered on a device of `user`.
pub(crate) fn device_taken(
    db: &Connection,
    app: &AppId,
    user: &UserId,
    device: &DeviceId,
    now: Timestamp,
) -> Outcome<()> {
    clear_device(db, app, user.as_str(), device.as_str())?;
    add(db, app, user, &Ending::new(EndCause::DeviceTaken, now))
}
