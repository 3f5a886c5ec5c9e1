//! Which device a ticket is bound to, and which tickets are revoked.
//!
//! Two small tables, of which every change deletes a few rows that have expired.
use push_core::{
    Admitted, AppId, DeviceFacts, DeviceRef, Platform, Presence, ShownTicket, TicketRefusal,
    Timestamp, UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

/// How many expired rows each change deletes. More than the one that it adds, so that the tables shrink.
const DELETED_PER_CHANGE: i64 = 4;

/// Of which devices of a user tickets are revoked.
#[derive(Clone, Copy)]
pub(crate) enum Revoked<'a> {
    /// Of all.
    User,
    /// Of those of a platform.
    Platform(Platform),
    /// Of one.
    Device(&'a str),
}

impl<'a> Revoked<'a> {
    /// Device and platform; an empty text is none.
    const fn columns(self) -> (&'a str, &'a str) {
        match self {
            Self::User => ("", ""),
            Self::Platform(platform) => ("", platform.as_str()),
            Self::Device(device) => (device, ""),
        }
    }
}

/// What is known of a ticket for a device.
pub(crate) enum Standing {
    /// It is bound to the device.
    Bound,
    /// It is good for the device, and not bound yet.
    Free,
    /// It is not good for the device.
    Refused(TicketRefusal),
}

/// Revokes the tickets of `user` that were issued before `at`.
pub(crate) fn revoke(
    db: &Connection,
    app: &AppId,
    user: &UserId,
    of: Revoked<'_>,
    at: Timestamp,
    now: Timestamp,
) -> Outcome<()> {
    let (device, platform) = of.columns();
    db.prepare_cached(
        "INSERT INTO revocation (app, user, device, platform, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET at = max(at, ?5)",
    )?
    .execute(params![
        app.as_str(),
        user.as_str(),
        device,
        platform,
        at.unix_millis()
    ])?;
    let forgotten = now - ShownTicket::MAX_LIFE;
    db.prepare_cached(
        "DELETE FROM revocation WHERE (app, user, device, platform) IN
         (SELECT app, user, device, platform FROM revocation INDEXED BY revocation_by_time WHERE at < ?1 LIMIT ?2)",
    )?
    .execute(params![forgotten.unix_millis(), DELETED_PER_CHANGE])?;
    Ok(())
}

/// Revokes the tickets that are bound to devices of `user` whose logins are dated after `at`: a clock was set back since, so that
/// their times say nothing. They are bound to a device without an id then.
pub(crate) fn revoke_bound(
    db: &Connection,
    app: &AppId,
    user: &UserId,
    of: Revoked<'_>,
    at: Timestamp,
) -> Outcome<()> {
    let (device, platform) = of.columns();
    // The devices of one user are few, and usually none of them is meant.
    let mut select = db.prepare_cached(
        "SELECT CAST(device AS BLOB) FROM device WHERE app = ?1 AND user = ?2 AND ends_from > ?3
         AND (device = ?4 OR ?4 = '' AND (platform = ?5 OR ?5 = ''))",
    )?;
    let mut rows = select.query(params![
        app.as_str(),
        user.as_str(),
        at.unix_millis(),
        device,
        platform
    ])?;
    while let Some(row) = rows.next()? {
        let device: Vec<u8> = row.get(0)?;
        // The id of a damaged row is bound to no ticket.
        if let Ok(device) = String::from_utf8(device) {
            db.prepare_cached("UPDATE ticket SET device = '' WHERE app = ?1 AND device = ?2")?
                .execute([app.as_str(), &device])?;
        }
    }
    Ok(())
}

/// Looks a ticket up. `facts` are what an unknown device reports of itself.
pub(crate) fn standing(
    db: &Connection,
    owner: &DeviceRef,
    ticket: &ShownTicket,
    facts: &DeviceFacts,
) -> Outcome<Standing> {
    let (app, user, device) = (
        owner.app.as_str(),
        owner.user.as_str(),
        owner.device.as_str(),
    );
    // As bytes: a damaged platform does not keep the phone from being checked.
    let known: Option<(Option<Vec<u8>>, bool)> = db
        .prepare_cached(
            "SELECT CAST(platform AS BLOB), user = ?3 FROM device INDEXED BY device_by_id WHERE app = ?1 AND device = ?2",
        )?
        .query_row([app, device, user], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let reported = facts.platform.map(|platform| platform.as_str().to_owned());
    let (is_new, is_of_user) = (known.is_none(), known.as_ref().is_some_and(|known| known.1));
    let stored = known
        .and_then(|(platform, _)| platform)
        .map(String::from_utf8);
    let is_damaged = matches!(stored, Some(Err(_)));
    let platform = stored.and_then(Result::ok).or(reported);
    // What is revoked of all platforms has an empty one. A new device without a platform is of every one.
    let any = (is_new && platform.is_none()) || is_damaged;
    // On a device that is not the user's, every end counts: a phone that was kicked may call itself another device.
    let revoked: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM revocation WHERE app = ?1 AND user = ?2 AND at > ?6
             AND (?7 OR device = ?3 OR device = '' AND (platform = '' OR platform = ?4 OR ?5)))",
        )?
        .query_row(
            params![
                app,
                user,
                device,
                platform,
                any,
                ticket.issued_at.unix_millis(),
                !is_of_user
            ],
            |row| row.get(0),
        )?;
    if revoked {
        return Ok(Standing::Refused(TicketRefusal::Revoked));
    }
    let bound: Option<Vec<u8>> = db
        .prepare_cached("SELECT CAST(device AS BLOB) FROM ticket WHERE app = ?1 AND id = ?2")?
        .query_row(params![app, ticket.id.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(bound) = bound else {
        return Ok(Standing::Free);
    };
    Ok(match std::str::from_utf8(&bound) {
        Ok(bound) if bound == device => Standing::Bound,
        Ok("") => Standing::Refused(TicketRefusal::Revoked),
        Ok(_) => Standing::Refused(TicketRefusal::OtherDevice),
        Err(_) => Standing::Refused(TicketRefusal::Damaged),
    })
}

/// Checks a ticket, and binds it to the device if it is bound to none.
pub(crate) fn admit(
    db: &Connection,
    owner: &DeviceRef,
    ticket: &ShownTicket,
    facts: &DeviceFacts,
    now: Timestamp,
) -> Outcome<Admitted<()>> {
    match standing(db, owner, ticket, facts)? {
        Standing::Bound => Ok(Ok(())),
        Standing::Refused(refusal) => Ok(Err(refusal)),
        Standing::Free => bind(db, owner, ticket, now).map(Ok),
    }
}

/// Binds a free ticket to the device.
pub(crate) fn bind(
    db: &Connection,
    owner: &DeviceRef,
    ticket: &ShownTicket,
    now: Timestamp,
) -> Outcome<()> {
    db.prepare_cached("INSERT INTO ticket (app, id, device, ends_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            owner.app.as_str(),
            ticket.id.as_bytes(),
            owner.device.as_str(),
            ticket.ends_at.unix_millis()
        ])?;
    db.prepare_cached(
        "DELETE FROM ticket WHERE (app, id) IN
         (SELECT app, id FROM ticket INDEXED BY ticket_by_end WHERE ends_at < ?1 LIMIT ?2)",
    )?
    .execute(params![now.unix_millis(), DELETED_PER_CHANGE])?;
    Ok(())
}

/// Returns `true` if the device would be one more than `most` of the user that can get pushes.
pub(crate) fn is_one_too_many(db: &Connection, owner: &DeviceRef, most: usize) -> Outcome<bool> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let others: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM device AS d WHERE app = ?1 AND user = ?2 AND device <> ?3 AND presence <> ?4
             AND EXISTS (SELECT 1 FROM registration AS r WHERE r.app = d.app AND r.user = d.user AND r.device = d.device)",
        )?
        .query_row(
            params![
                owner.app.as_str(),
                owner.user.as_str(),
                owner.device.as_str(),
                Presence::Offline.as_str()
            ],
            |row| row.get(0),
        )?;
    Ok(others >= most)
}
