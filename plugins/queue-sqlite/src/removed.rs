//! Which deliveries were removed without an acknowledgement, and which are still there.
use std::collections::{HashMap, HashSet};

use push_core::{
    AppId, CertificateId, DeliveryId, DeviceId, MessageId, RemovalCause, Removed, Sought, UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};
use uuid::Uuid;

/// Remembers that a delivery was removed.
pub(crate) fn add(db: &Connection, removed: &Removed, cause: RemovalCause) -> Outcome<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO removed (uuid, app, cause, message, user, device, certificate)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        removed.id.as_uuid().as_bytes(),
        removed.app.as_str(),
        cause.as_str(),
        removed.message.as_ref().map(MessageId::as_str),
        removed.user.as_ref().map(UserId::as_str),
        removed.device.as_ref().map(DeviceId::as_str),
        removed.certificate.map(CertificateId::get),
    ])?;
    Ok(())
}

/// Remembers what can be read of a row of `delivery` that is damaged: at least its id and app, or nothing.
pub(crate) fn add_damaged(db: &Connection, row: i64) -> Outcome<()> {
    // As bytes: any column may be the damaged one.
    let found = db
        .prepare_cached(
            "SELECT d.uuid, CAST(l.app AS BLOB), CAST(m.app AS BLOB), CAST(m.message AS BLOB),
                 CAST(d.user AS BLOB), CAST(d.device AS BLOB), l.certificate
             FROM delivery d LEFT JOIN lane l ON l.id = d.lane
             LEFT JOIN content c ON c.id = d.content LEFT JOIN message m ON m.id = c.message WHERE d.id = ?1",
        )?
        .query_row([row], |row| {
            let id: Vec<u8> = row.get(0)?;
            let app = readable(row, 1, |app| AppId::new(app).ok())?;
            let app = match app {
                Some(app) => Some(app),
                None => readable(row, 2, |app| AppId::new(app).ok())?,
            };
            let Some((id, app)) = <[u8; 16]>::try_from(id).ok().zip(app) else {
                return Ok(None);
            };
            let mut removed = Removed::new(DeliveryId::from_uuid(Uuid::from_bytes(id)), app);
            removed.message = readable(row, 3, |message| MessageId::new(message).ok())?;
            removed.user = readable(row, 4, |user| UserId::new(user).ok())?;
            removed.device = readable(row, 5, |device| DeviceId::new(device).ok())?;
            let certificate: Option<i64> = row.get(6)?;
            removed.certificate = certificate.and_then(|id| CertificateId::new(id).ok());
            Ok(Some(removed))
        })
        .optional()?;
    match found.flatten() {
        Some(removed) => add(db, &removed, RemovalCause::Damaged),
        None => Ok(()),
    }
}

fn readable<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(String) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    Ok(bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(parse))
}

/// Up to `limit` of the deliveries that were removed for this cause.
pub(crate) fn unconfirmed(
    db: &Connection,
    cause: RemovalCause,
    limit: usize,
) -> Outcome<Vec<Removed>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = db.prepare_cached(
        "SELECT uuid, app, message, user, device, certificate FROM removed WHERE cause = ?1 LIMIT ?2",
    )?;
    let rows = select.query_map(params![cause.as_str(), limit], |row| Ok(read(row)))?;
    let mut found = Vec::new();
    for row in rows {
        // What is damaged here, too, stays and is reported by nothing else.
        found.extend(row?.ok());
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Outcome<Removed> {
    let id = DeliveryId::from_uuid(Uuid::from_bytes(row.get(0)?));
    let mut removed = Removed::new(id, AppId::new(row.get::<_, String>(1)?)?);
    let text = |column| row.get::<_, Option<String>>(column);
    removed.message = text(2)?.map(MessageId::new).transpose()?;
    removed.user = text(3)?.map(UserId::new).transpose()?;
    removed.device = text(4)?.map(DeviceId::new).transpose()?;
    let certificate: Option<i64> = row.get(5)?;
    removed.certificate = certificate.map(CertificateId::new).transpose()?;
    Ok(removed)
}

/// Forgets removed deliveries.
pub(crate) fn confirm(db: &Connection, deliveries: &[DeliveryId]) -> Outcome<()> {
    let mut delete = db.prepare_cached("DELETE FROM removed WHERE uuid = ?1")?;
    for delivery in deliveries {
        delete.execute([delivery.as_uuid().as_bytes()])?;
    }
    Ok(())
}

/// Whether each delivery is there.
pub(crate) fn holds(db: &Connection, app: &AppId, sought: &[Sought]) -> Outcome<Vec<bool>> {
    // Few deliveries wait for one user. Others are found by their message: those to tokens, and those whose user is damaged.
    let mut of_user = db.prepare_cached(
        "SELECT 1 FROM delivery INDEXED BY delivery_by_user WHERE user = ?1 AND uuid = ?2",
    )?;
    let mut of_messages: HashMap<&MessageId, HashSet<Vec<u8>>> = HashMap::new();
    let mut held = Vec::with_capacity(sought.len());
    for one in sought {
        let id = *one.id.as_uuid().as_bytes();
        let is_of_user = match &one.user {
            Some(user) => of_user.exists(params![user.as_str(), id])?,
            None => false,
        };
        if !is_of_user && !of_messages.contains_key(&one.message) {
            of_messages.insert(&one.message, of_message(db, app, &one.message)?);
        }
        let of_message = of_messages.get(&one.message);
        held.push(is_of_user || of_message.is_some_and(|ids| ids.contains(&id[..])));
    }
    Ok(held)
}

/// The ids of a message's deliveries.
fn of_message(db: &Connection, app: &AppId, message: &MessageId) -> Outcome<HashSet<Vec<u8>>> {
    Ok(db
        .prepare_cached(
            "SELECT d.uuid FROM message m JOIN seen s ON s.message = m.id JOIN delivery d ON d.id = s.delivery
             WHERE m.app = ?1 AND m.message = ?2",
        )?
        .query_map([app.as_str(), message.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?)
}
