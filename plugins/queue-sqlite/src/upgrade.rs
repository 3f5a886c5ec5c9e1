//! Moves the rows of a file of version 2 into the tables of version 3.
use std::{collections::HashMap, sync::Arc};

use push_core::{
    Address, Badge, CertificateId, Channel, Class, Content, ContentId, Delivery, DeliveryId,
    DeviceId, Error, ErrorKind, Instance, MessageId, Notification, Result, Timestamp, UserId,
    cause::of_json,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    damaged, identity,
    put::{self, Batch},
};

/// The most rows that are read before they are written.
const PORTION: i64 = 1000;

/// Moves what is left of version 2, in one transaction.
pub(crate) fn run(db: &Connection, now: Timestamp) -> Outcome<()> {
    let is_old = db
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE name = 'delivery_v2'",
            [],
            |_| Ok(()),
        )
        .optional()?
        .is_some();
    if !is_old {
        return Ok(());
    }
    let mut moved = 0;
    let mut after = 0;
    while let Some(last) = move_deliveries(db, now, after, &mut moved)? {
        after = last;
    }
    move_seen(db)?;
    // Row by row first, so that tokens and texts are overwritten.
    db.execute_batch(
        "DELETE FROM delivery_v2 WHERE true; DELETE FROM notification_v2 WHERE true;
         DROP TABLE delivery_v2; DROP TABLE notification_v2; DROP TABLE seen_v2; DROP TABLE lane_v2;",
    )?;
    if moved > 0 {
        tracing::info!(moved, "the deliveries of an older file were moved");
    }
    Ok(())
}

/// A row of `delivery_v2`.
struct Old {
    app: String,
    certificate: i64,
    due: i64,
    is_leased: bool,
    attempts: i64,
    uuid: Uuid,
    message: String,
    user: String,
    device: String,
    slot: String,
    channel: String,
    created_at: i64,
    body: String,
}

const OLD: &str = "SELECT d.id, l.app, l.certificate, d.due, d.lease IS NOT NULL, d.attempts, d.uuid, m.message, d.user, d.device,
         d.slot, d.channel, d.created_at, coalesce(n.body, d.body)
     FROM delivery_v2 d LEFT JOIN lane_v2 l ON l.id = d.lane LEFT JOIN message m ON m.id = d.message
     LEFT JOIN notification_v2 n ON n.id = d.notification WHERE d.id > ?1 ORDER BY d.id LIMIT ?2";

impl Old {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            app: row.get(1)?,
            certificate: row.get(2)?,
            due: row.get(3)?,
            is_leased: row.get(4)?,
            attempts: row.get(5)?,
            uuid: Uuid::from_bytes(row.get(6)?),
            message: row.get(7)?,
            user: row.get(8)?,
            device: row.get(9)?,
            slot: row.get(10)?,
            channel: row.get(11)?,
            created_at: row.get(12)?,
            body: row.get(13)?,
        })
    }

    /// The delivery, and the number on the icon, which was a part of the notification.
    fn delivery(&self, shared: &mut HashMap<ContentId, Arc<Content>>) -> Result<Delivery> {
        let damaged = |source: serde_json::Error| {
            // Not the source itself: it may quote the text.
            Error::new(
                ErrorKind::Corrupt,
                format!("a stored notification cannot be read: {}", of_json(&source)),
            )
        };
        let mut body: Value = serde_json::from_str(&self.body).map_err(damaged)?;
        let mut badge = Badge::Leave;
        if let Some(fields) = body.as_object_mut() {
            if let Some(old) = fields.remove("badge") {
                badge = serde_json::from_value(old).map_err(damaged)?;
            }
            // Of every channel's fields, those of this channel.
            if let Some(vendor) = fields.remove("vendor") {
                let own = vendor.get(&self.channel).cloned();
                fields.insert(
                    "vendor".to_owned(),
                    own.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
                );
            }
        }
        let text = body.to_string();
        let id = identity::of_parts(&[&self.app, &self.message, &text]);
        let id = ContentId::from_uuid(Uuid::from_bytes(id));
        let content = match shared.get(&id) {
            Some(content) => Arc::clone(content),
            None => {
                let notification: Notification = serde_json::from_value(body).map_err(damaged)?;
                let content = Arc::new(Content::new(
                    id,
                    self.app.parse()?,
                    MessageId::new(self.message.as_str())?,
                    Class::CHAT,
                    notification,
                ));
                shared.insert(id, Arc::clone(&content));
                content
            }
        };
        let delivery = Delivery::new(
            DeliveryId::from_uuid(self.uuid),
            content,
            Address::Device {
                user: UserId::new(self.user.as_str())?,
                device: DeviceId::new(self.device.as_str())?,
                slot: self.slot.parse()?,
                instance: Instance::ONLY,
            },
            Channel::new(self.channel.as_str())?,
            CertificateId::new(self.certificate)?,
            Timestamp::from_unix_millis(self.created_at),
        );
        Ok(delivery.with_badge(badge))
    }
}

/// Moves a portion of the deliveries after row `after`; returns the last row of it.
fn move_deliveries(
    db: &Connection,
    now: Timestamp,
    after: i64,
    moved: &mut usize,
) -> Outcome<Option<i64>> {
    let rows: Vec<(i64, rusqlite::Result<Old>)> = db
        .prepare_cached(OLD)?
        .query_map([after, PORTION], |row| Ok((row.get(0)?, Old::read(row))))?
        .collect::<Result<_, _>>()?;
    let last = rows.last().map(|(row, _)| *row);
    let mut shared = HashMap::new();
    let mut deliveries = Vec::new();
    let mut attempts_and_due = Vec::new();
    for (row, old) in rows {
        let read = old
            .map_err(|source| format!("a column of a stored delivery cannot be read: {source}"))
            .and_then(|old| {
                let delivery = old.delivery(&mut shared);
                let delivery = delivery.map_err(|error| error.message().to_owned())?;
                Ok((old, delivery))
            });
        match read {
            Ok((old, delivery)) => {
                deliveries.push(delivery);
                // Only one process has the file, so nothing that is leased is still held.
                let due = if old.is_leased { 0 } else { old.due };
                attempts_and_due.push((old.attempts, due));
            }
            Err(reason) => quarantine(db, row, &reason, now)?,
        }
    }
    *moved += deliveries.len();
    let batch = Batch::new(deliveries)?;
    put::put_old(db, &batch, now, &attempts_and_due)?;
    Ok(last)
}

fn quarantine(db: &Connection, row: i64, reason: &str, now: Timestamp) -> Outcome<()> {
    let number = damaged::count(db)? + 1;
    db.prepare_cached(
        "INSERT INTO damaged SELECT ?2, ?3, ?4, id, NULL, uuid, NULL, user, device, slot, channel FROM delivery_v2 WHERE id = ?1",
    )?
    .execute(params![row, number, now.unix_millis(), reason])?;
    tracing::error!(
        row,
        reason,
        number,
        "a delivery of an older file is damaged and will not be sent; it was moved to the table `damaged`"
    );
    damaged::counted(db, number)
}

/// Moves what is remembered. The deliveries that wait are there already.
fn move_seen(db: &Connection) -> Outcome<()> {
    let mut insert =
        db.prepare_cached("INSERT INTO seen VALUES (?1, ?2, 0) ON CONFLICT DO NOTHING")?;
    let mut select = db.prepare("SELECT message, user, device, slot FROM seen_v2")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        // Names that are not UTF-8 are names of no delivery that can be put.
        if let (Ok(user), Ok(device), Ok(slot)) = (text(1), text(2), text(3)) {
            let message: i64 = row.get(0)?;
            insert.execute(params![message, identity::of_version_2(user, device, slot)])?;
        }
    }
    Ok(())
}
