//! Badges, which each message changes once.
//!
//! A table remembers which message changed which badge. Its rows are small and clustered by day and message: the receivers of
//! one group message are neighbours in the file, and what has expired is at its beginning.
use push_core::{AppId, BadgeArithmetic, BadgeChange, Timestamp};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// How many expired rows each change deletes. More than the one that it adds, so that the table shrinks after a busy day.
const DELETED_PER_CHANGE: i64 = 4;

/// Applies changes in order, and returns each new number.
pub(crate) fn change(
    db: &Connection,
    app: &AppId,
    changes: &[BadgeChange],
    now: Timestamp,
) -> Outcome<Vec<u32>> {
    let day = now.unix_millis().div_euclid(DAY);
    let numbers = changes
        .iter()
        .map(|change| change_one(db, app, change, day))
        .collect::<Outcome<_>>()?;
    // Yesterday's rows may be less than a day old.
    db.prepare_cached(
        "DELETE FROM badge_change WHERE (day, message, device) IN
         (SELECT day, message, device FROM badge_change WHERE day < ?1 LIMIT ?2)",
    )?
    .execute(params![day - 1, changes.len() as i64 * DELETED_PER_CHANGE])?;
    Ok(numbers)
}

fn change_one(db: &Connection, app: &AppId, it: &BadgeChange, day: i64) -> Outcome<u32> {
    let key = [app.as_str(), it.user.as_str(), it.device.as_str()];
    let badge: Option<i64> = db
        .prepare_cached("SELECT badge FROM device WHERE app = ?1 AND user = ?2 AND device = ?3")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    let Some(badge) = badge else {
        return Ok(0);
    };
    // A damaged number stops neither this message nor those to others. The phone reports the right one.
    let badge = u32::try_from(badge).unwrap_or_default();
    let message = fingerprint(&[app.as_str(), it.message.as_str()]);
    let device = fingerprint(&key);
    // Tomorrow's as well: the clock may have been set back.
    let earlier: Option<i64> = db
        .prepare_cached(
            "SELECT badge FROM badge_change WHERE day IN (?1 - 1, ?1, ?1 + 1) AND message = ?2 AND device = ?3",
        )?
        .query_row([day, message, device], |row| row.get(0))
        .optional()?;
    if let Some(earlier) = earlier {
        return Ok(u32::try_from(earlier).unwrap_or(badge));
    }
    let number = match it.change {
        BadgeArithmetic::Set(number) => number,
        BadgeArithmetic::Add(more) => badge.saturating_add(more),
    };
    if number != badge {
        db.prepare_cached(
            "UPDATE device SET badge = ?4 WHERE app = ?1 AND user = ?2 AND device = ?3",
        )?
        .execute(params![key[0], key[1], key[2], number])?;
    }
    db.prepare_cached(
        "INSERT INTO badge_change (day, message, device, badge) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![day, message, device, number])?;
    Ok(number)
}

/// FNV-1a of 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): short keys for long ids. Message and device have one each,
/// so two changes are only mistaken for one another if both pairs collide. Never change it: the file has its values.
fn fingerprint(parts: &[&str]) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    // Ids have no control characters, so a line break separates them.
    for byte in parts.iter().flat_map(|part| part.bytes().chain([b'\n'])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash.cast_signed()
}
