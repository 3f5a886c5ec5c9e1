//! Presence and badges.
use push_core::{AppId, BadgeArithmetic, BadgeChange, Platform, PresenceChange};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

/// Applies one change; answers how many devices took it.
pub(crate) fn set(db: &Connection, app: &AppId, it: &PresenceChange) -> Outcome<u64> {
    let platform = it.platform.map(Platform::as_str);
    // A named device is told its platform; without a name the platform says which are meant.
    let which = match (&it.device, platform) {
        (Some(_), _) => "AND device = ?7",
        (None, Some(_)) => "AND ?7 IS NULL AND platform = ?5",
        (None, None) => "AND ?7 IS NULL",
    };
    let taken = db
        .prepare_cached(&format!(
            "UPDATE device SET presence = ?3, presence_at = ?4, platform = coalesce(?5, platform),
             badge = coalesce(?6, badge)
             WHERE app = ?1 AND user = ?2 AND presence_at <= ?4 {which}"
        ))?
        .execute(params![
            app.as_str(),
            it.user.as_str(),
            it.presence.as_str(),
            it.at.unix_millis(),
            platform,
            it.badge,
            it.device.as_ref().map(|it| it.as_str()),
        ])?;
    Ok(taken as u64)
}

/// Applies one change; answers the new number.
pub(crate) fn change_badge(db: &Connection, app: &AppId, it: &BadgeChange) -> Outcome<u32> {
    let (sql, number) = match it.change {
        BadgeArithmetic::Set(number) => (
            "UPDATE device SET badge = ?4 WHERE app = ?1 AND user = ?2 AND device = ?3 RETURNING badge",
            number,
        ),
        BadgeArithmetic::Add(more) => (
            "UPDATE device SET badge = min(badge + ?4, 4294967295)
             WHERE app = ?1 AND user = ?2 AND device = ?3 RETURNING badge",
            more,
        ),
    };
    let badge = db
        .prepare_cached(sql)?
        .query_row(
            params![app.as_str(), it.user.as_str(), it.device.as_str(), number],
            |row| row.get(0),
        )
        .optional()?;
    Ok(badge.unwrap_or_default())
}
