//! Deliveries as they are stored, and what goes with one that ends.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use push_core::{
    Channel, Delivery, DeliveryId, DeviceId, DeviceToken, Error, ErrorKind, Lane, MessageId,
    Notification, Result, Timestamp, UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, Row, params},
};
use uuid::Uuid;

/// A row of `delivery`, not understood yet: that is left to the caller's thread.
pub(crate) struct Stored {
    pub(crate) row: i64,
    pub(crate) attempts: i64,
    uuid: Uuid,
    message: i64,
    user: String,
    device: String,
    slot: String,
    channel: String,
    environment: String,
    token: String,
    told_at: i64,
    created_at: i64,
    notification: Option<i64>,
    body: Option<String>,
}

/// The columns of [`Stored::read`], in its order, of the table `delivery`.
pub(crate) const COLUMNS: &str = "d.id, d.attempts, d.uuid, d.message, d.user, d.device, d.slot, d.channel, \
     d.environment, d.token, d.told_at, d.created_at, d.notification, d.body";

impl Stored {
    pub(crate) fn read(row: &Row<'_>) -> push_sqlite::rusqlite::Result<Self> {
        Ok(Self {
            row: row.get(0)?,
            attempts: row.get(1)?,
            uuid: Uuid::from_bytes(row.get(2)?),
            message: row.get(3)?,
            user: row.get(4)?,
            device: row.get(5)?,
            slot: row.get(6)?,
            channel: row.get(7)?,
            environment: row.get(8)?,
            token: row.get(9)?,
            told_at: row.get(10)?,
            created_at: row.get(11)?,
            notification: row.get(12)?,
            body: row.get(13)?,
        })
    }
}

/// What several rows share, read once.
#[derive(Default)]
pub(crate) struct Shared {
    messages: HashMap<i64, String>,
    bodies: HashMap<i64, String>,
}

impl Shared {
    /// Reads what `row` shares with others.
    pub(crate) fn read(&mut self, db: &Connection, it: &Stored) -> Outcome<()> {
        if let Entry::Vacant(new) = self.messages.entry(it.message) {
            let message = db
                .prepare_cached("SELECT message FROM message WHERE id = ?1")?
                .query_row([it.message], |row| row.get(0))?;
            new.insert(message);
        }
        if let Some(notification) = it.notification
            && let Entry::Vacant(new) = self.bodies.entry(notification)
        {
            let body = db
                .prepare_cached("SELECT body FROM notification WHERE id = ?1")?
                .query_row([notification], |row| row.get(0))?;
            new.insert(body);
        }
        Ok(())
    }
}

/// Makes deliveries of rows.
pub(crate) struct Reading {
    shared: Shared,
    notifications: HashMap<i64, Arc<Notification>>,
}

impl Reading {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared,
            notifications: HashMap::new(),
        }
    }

    /// The delivery in a row of `lane`.
    pub(crate) fn delivery(&mut self, lane: &Lane, it: Stored) -> Result<Delivery> {
        let notification = match (it.notification, it.body) {
            (Some(row), _) => match self.notifications.entry(row) {
                Entry::Occupied(known) => Arc::clone(known.get()),
                Entry::Vacant(new) => {
                    let body = self.shared.bodies.get(&row).map_or("", String::as_str);
                    Arc::clone(new.insert(parse(body)?))
                }
            },
            (None, body) => parse(body.as_deref().unwrap_or_default())?,
        };
        let message = self
            .shared
            .messages
            .get(&it.message)
            .map_or("", String::as_str);
        Ok(Delivery {
            id: DeliveryId::from_uuid(it.uuid),
            app: lane.app.clone(),
            message: MessageId::new(message)?,
            user: UserId::new(it.user)?,
            device: DeviceId::new(it.device)?,
            slot: it.slot.parse()?,
            channel: Channel::new(it.channel)?,
            certificate: lane.certificate,
            environment: it.environment.parse()?,
            token: DeviceToken::new(it.token)?,
            told_at: Timestamp::from_unix_millis(it.told_at),
            created_at: Timestamp::from_unix_millis(it.created_at),
            notification,
        })
    }
}

fn parse(body: &str) -> Result<Arc<Notification>> {
    serde_json::from_str(body).map(Arc::new).map_err(|source| {
        // Not the source itself: it may quote the text.
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "a stored notification cannot be read: {:?} at column {}",
                source.classify(),
                source.column()
            ),
        )
        .at("queue/sqlite")
    })
}

/// Counts what ends, so that lanes and notifications are written once for many deliveries.
#[derive(Default)]
pub(crate) struct Ending {
    lanes: HashMap<i64, i64>,
    notifications: HashMap<i64, i64>,
    pub(crate) count: i64,
}

impl Ending {
    /// A delivery of this lane and notification was deleted.
    pub(crate) fn add(&mut self, lane: i64, notification: Option<i64>) {
        *self.lanes.entry(lane).or_default() += 1;
        if let Some(row) = notification {
            *self.notifications.entry(row).or_default() += 1;
        }
        self.count += 1;
    }

    /// Writes what was counted. A notification that no delivery has any more is deleted.
    pub(crate) fn end(self, db: &Connection) -> Outcome<()> {
        if self.count == 0 {
            return Ok(());
        }
        for (row, less) in self.notifications {
            let left: i64 = db
                .prepare_cached(
                    "UPDATE notification SET deliveries = deliveries - ?2 WHERE id = ?1 RETURNING deliveries",
                )?
                .query_row([row, less], |row| row.get(0))?;
            if left <= 0 {
                db.prepare_cached("DELETE FROM notification WHERE id = ?1")?
                    .execute([row])?;
            }
        }
        for (row, less) in self.lanes {
            db.prepare_cached("UPDATE lane SET depth = depth - ?2 WHERE id = ?1")?
                .execute([row, less])?;
        }
        db.prepare_cached("UPDATE counter SET depth = depth - ?1")?
            .execute(params![self.count])?;
        Ok(())
    }
}
