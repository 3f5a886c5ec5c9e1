//! Presence.
use std::collections::BTreeSet;

use push_core::{
    AppId, DeviceId, EndCause, Ended, Ending, Platform, Presence, PresenceChange, PresenceSet,
    Timestamp,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, params},
};

use crate::{
    endings,
    register::revision_at,
    row::{Damage, parsed, revision},
    tickets::{self, Revoked},
};

/// Applies one change, and adds to `set` what it did.
pub(crate) fn set(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    change: &PresenceChange,
    now: Timestamp,
    set: &mut PresenceSet,
) -> Outcome<()> {
    if change.presence == Presence::Offline && change.because != Some(EndCause::SwitchedOff) {
        let of = match (&change.device, change.platform) {
            (Some(device), _) => Revoked::Device(device.as_str()),
            (None, Some(platform)) => Revoked::Platform(platform),
            (None, None) => Revoked::User,
        };
        tickets::revoke(db, app, &change.user, of, change.at, now)?;
        if change.is_latest {
            tickets::revoke_bound(db, app, &change.user, of, change.at)?;
        }
    }
    let platform = change.platform.map(Platform::as_str);
    // A named device takes the platform over; without a name the platform says which are meant.
    let which = match (&change.device, platform) {
        (Some(_), _) => "AND device = ?7",
        (None, Some(_)) => "AND ?7 IS NULL AND platform = ?5",
        (None, None) => "AND ?7 IS NULL",
    };
    let cause = change.because.unwrap_or(EndCause::Offline);
    let were_offline = match change.presence {
        Presence::Offline => offline(db, app, change)?,
        _ => BTreeSet::new(),
    };
    let mut update = db.prepare_cached(&format!(
        "UPDATE device SET presence = ?3, presence_at = max(presence_at, ?4),
         ends_from = iif(?3 = ?9 OR ?10, ends_from, max(ends_from, ?4)), platform = coalesce(?5, platform), badge = coalesce(?6, badge),
         revision = CASE WHEN ?3 = ?9 OR presence = ?9 THEN max(revision + 1, ?8) ELSE revision END
         WHERE app = ?1 AND user = ?2 AND (?11 OR ?4 >= iif(?3 = ?9, ends_from, presence_at))
         AND NOT (?10 AND presence = ?9 AND ?3 <> ?9) {which} RETURNING device, revision"
    ))?;
    let mut rows = update.query(params![
        app.as_str(),
        change.user.as_str(),
        change.presence.as_str(),
        change.at.unix_millis(),
        platform,
        change.badge,
        change.device.as_ref().map(DeviceId::as_str),
        revision_at(now),
        Presence::Offline.as_str(),
        change.by_phone,
        change.is_latest,
    ])?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        set.accepted += 1;
        if change.presence != Presence::Offline {
            continue;
        }
        let found = (|| Ok((parsed(row, 0, DeviceId::new)?, revision(row, 1)?)))();
        gone.extend(damage.skip("device", found)?);
    }
    for (device, revision) in gone {
        let ending = Ending::new(cause, change.at).on(device.clone(), None);
        let was_offline = were_offline.contains(device.as_str());
        endings::went_offline(db, app, &change.user, &ending, was_offline)?;
        set.ended.push(Ended::new(
            change.user.clone(),
            device,
            None,
            cause,
            revision,
        ));
    }
    Ok(())
}

/// Those of the user's devices that are offline before the change.
fn offline(db: &Connection, app: &AppId, change: &PresenceChange) -> Outcome<BTreeSet<String>> {
    let mut select = db.prepare_cached(
        "SELECT CAST(device AS BLOB) FROM device WHERE app = ?1 AND user = ?2 AND presence = ?3",
    )?;
    let key = [
        app.as_str(),
        change.user.as_str(),
        Presence::Offline.as_str(),
    ];
    let rows = select.query_map(key, |row| row.get::<_, Vec<u8>>(0))?;
    let mut found = BTreeSet::new();
    for device in rows {
        // The id of a damaged row belongs to no device.
        found.extend(String::from_utf8(device?));
    }
    Ok(found)
}
