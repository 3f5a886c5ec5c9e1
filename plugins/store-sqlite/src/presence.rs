//! Presence.
use push_core::{
    AppId, DeviceId, Ended, Platform, Presence, PresenceChange, PresenceSet, Timestamp,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, params},
};

use crate::{
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
    if change.presence == Presence::Offline {
        let of = match (&change.device, change.platform) {
            (Some(device), _) => Revoked::Device(device.as_str()),
            (None, Some(platform)) => Revoked::Platform(platform),
            (None, None) => Revoked::User,
        };
        tickets::revoke(db, app, &change.user, of, change.at, now)?;
    }
    let platform = change.platform.map(Platform::as_str);
    // A named device takes the platform over; without a name the platform says which are meant.
    let which = match (&change.device, platform) {
        (Some(_), _) => "AND device = ?7",
        (None, Some(_)) => "AND ?7 IS NULL AND platform = ?5",
        (None, None) => "AND ?7 IS NULL",
    };
    let mut update = db.prepare_cached(&format!(
        "UPDATE device SET presence = ?3, presence_at = ?4, platform = coalesce(?5, platform), badge = coalesce(?6, badge),
         revision = CASE WHEN ?3 = ?9 OR presence = ?9 THEN max(revision + 1, ?8) ELSE revision END
         WHERE app = ?1 AND user = ?2 AND presence_at <= ?4 {which} RETURNING device, revision"
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
    ])?;
    while let Some(row) = rows.next()? {
        set.accepted += 1;
        if change.presence != Presence::Offline {
            continue;
        }
        let found = (|| Ok((parsed(row, 0, DeviceId::new)?, revision(row, 1)?)))();
        let ended = damage.skip("device", found)?;
        set.ended.extend(ended.map(|(device, revision)| Ended {
            user: change.user.clone(),
            device,
            slot: None,
            revision,
        }));
    }
    Ok(())
}
