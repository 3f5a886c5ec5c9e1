//! Deliveries as they are stored, and what goes with one that ends.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use push_core::{
    Address, AppId, Badge, BatchId, BatchRef, Channel, Content, ContentId, Delivery, DeliveryId,
    DeviceId, DeviceToken, Environment, Error, ErrorKind, Instance, Lane, MessageId, Notification,
    Result, Slot, Timestamp, UserId, cause::of_json,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Params, Row, params_from_iter, types::Value},
};
use uuid::Uuid;

/// The columns of a delivery that do not change while it waits, as they are written.
pub(crate) struct Values<'a> {
    delivery: &'a Delivery,
    pub(crate) due: i64,
}

impl<'a> Values<'a> {
    pub(crate) fn new(delivery: &'a Delivery, now: i64) -> Self {
        Self {
            delivery,
            due: delivery.due.map_or(now, |due| due.unix_millis().max(now)),
        }
    }

    /// Row, lane, due, uuid, content, user, device, slot, instance, environment, token, channel, badge, scheduled, revision,
    /// created_at.
    pub(crate) fn params(&self, row: i64, lane: i64, content: i64) -> impl Params {
        let delivery = self.delivery;
        let text = |text: &str| Value::Text(text.to_owned());
        let (user, device, instance, environment, token) = match &delivery.to {
            Address::Device {
                user,
                device,
                instance,
                ..
            } => (
                text(user.as_str()),
                text(device.as_str()),
                match instance.is_only() {
                    true => Value::Null,
                    false => text(instance.as_str()),
                },
                Value::Null,
                Value::Null,
            ),
            Address::Token {
                environment, token, ..
            } => (
                Value::Null,
                Value::Null,
                Value::Null,
                text(environment.as_str()),
                text(token.expose()),
            ),
            _ => (
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ),
        };
        let badge = match delivery.badge {
            Badge::Set(number) => Value::Integer(number.into()),
            Badge::Add(number) => Value::Integer(-1 - i64::from(number)),
            _ => Value::Null,
        };
        let scheduled = delivery.due.map(Timestamp::unix_millis);
        params_from_iter([
            row.into(),
            lane.into(),
            self.due.into(),
            Value::Blob(delivery.id.as_uuid().as_bytes().to_vec()),
            content.into(),
            user,
            device,
            text(delivery.slot().as_str()),
            instance,
            environment,
            token,
            text(delivery.channel.as_str()),
            badge,
            scheduled.into(),
            revision(delivery.revision).into(),
            delivery.created_at.unix_millis().into(),
        ])
    }
}

/// A row of `delivery` whose columns have the right types, not checked yet: that is left to the caller's thread.
pub(crate) struct Stored {
    attempts: i64,
    uuid: Uuid,
    content: i64,
    user: Option<String>,
    device: Option<String>,
    slot: String,
    instance: Option<String>,
    environment: Option<String>,
    token: Option<String>,
    channel: String,
    badge: Option<i64>,
    scheduled: Option<i64>,
    revision: i64,
    created_at: i64,
    batch: Option<BatchRef>,
}

/// The columns of [`Stored::read`], in its order.
pub(crate) const COLUMNS: &str = "id, attempts, uuid, content, user, device, slot, instance, environment, token, channel, \
     badge, scheduled, revision, created_at, batch, batch_size";

impl Stored {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let batch = match row.get::<_, Option<[u8; 16]>>(15)? {
            Some(id) => Some(BatchRef::new(
                BatchId::from_uuid(Uuid::from_bytes(id)),
                row.get(16)?,
            )),
            None => None,
        };
        Ok(Self {
            attempts: row.get(1)?,
            uuid: Uuid::from_bytes(row.get(2)?),
            content: row.get(3)?,
            user: row.get(4)?,
            device: row.get(5)?,
            slot: row.get(6)?,
            instance: row.get(7)?,
            environment: row.get(8)?,
            token: row.get(9)?,
            channel: row.get(10)?,
            badge: row.get(11)?,
            scheduled: row.get(12)?,
            revision: row.get(13)?,
            created_at: row.get(14)?,
            batch,
        })
    }

    /// Which attempt the next lease is.
    pub(crate) fn attempt(&self) -> u32 {
        let attempts = u32::try_from(self.attempts.max(0)).unwrap_or(u32::MAX);
        attempts.saturating_add(1)
    }

    pub(crate) fn batch(&self) -> Option<BatchRef> {
        self.batch
    }

    fn to(&self) -> Result<Address> {
        let slot: Slot = self.slot.parse()?;
        match (&self.user, &self.device, &self.environment, &self.token) {
            (Some(user), Some(device), None, None) => Ok(Address::Device {
                user: UserId::new(user.as_str())?,
                device: DeviceId::new(device.as_str())?,
                slot,
                instance: Instance::new(self.instance.as_deref().unwrap_or_default())?,
            }),
            (None, None, Some(environment), Some(token)) => Ok(Address::Token {
                slot,
                environment: environment.parse::<Environment>()?,
                token: DeviceToken::new(token.as_str())?,
            }),
            _ => Err(corrupt("a stored delivery has no address")),
        }
    }
}

fn corrupt(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}

/// A row of `content`, as it is stored.
struct StoredContent {
    uuid: Uuid,
    message: String,
    body: String,
}

/// The contents of several rows, each read once.
#[derive(Default)]
pub(crate) struct Contents(HashMap<i64, Result<StoredContent>>);

impl Contents {
    /// Reads the content of `stored`, unless it was read before.
    pub(crate) fn read(&mut self, db: &Connection, stored: &Stored) -> Outcome<()> {
        let Entry::Vacant(new) = self.0.entry(stored.content) else {
            return Ok(());
        };
        let mut select = db.prepare_cached(
            "SELECT c.uuid, m.message, c.body FROM content c JOIN message m ON m.id = c.message WHERE c.id = ?1",
        )?;
        let mut rows = select.query([stored.content])?;
        let content = match rows.next()? {
            None => Err(corrupt("the content of a stored delivery is missing")),
            Some(row) => read_content(row).map_err(|source| {
                corrupt("the content of a stored delivery cannot be read").because(source)
            }),
        };
        new.insert(content);
        Ok(())
    }
}

fn read_content(row: &Row<'_>) -> rusqlite::Result<StoredContent> {
    Ok(StoredContent {
        uuid: Uuid::from_bytes(row.get(0)?),
        message: row.get(1)?,
        body: row.get(2)?,
    })
}

/// Makes deliveries of rows.
pub(crate) struct Reading<'a> {
    lane: &'a Lane,
    stored: Contents,
    contents: HashMap<i64, Arc<Content>>,
}

impl<'a> Reading<'a> {
    /// Reads rows of `lane`.
    pub(crate) fn new(lane: &'a Lane, stored: Contents) -> Self {
        Self {
            lane,
            stored,
            contents: HashMap::new(),
        }
    }

    /// The delivery in a row.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] or [`ErrorKind::Invalid`] if it is damaged.
    pub(crate) fn delivery(&mut self, stored: &Stored) -> Result<Delivery> {
        let content = self.content(stored.content)?;
        let badge = match stored.badge {
            None => Badge::Leave,
            Some(number) => {
                let (count, is_sum) = match number {
                    0.. => (number, false),
                    _ => (-1 - number, true),
                };
                let count = u32::try_from(count)
                    .map_err(|_| corrupt("the badge of a stored delivery is out of range"))?;
                if is_sum {
                    Badge::Add(count)
                } else {
                    Badge::Set(count)
                }
            }
        };
        let mut delivery = Delivery::new(
            DeliveryId::from_uuid(stored.uuid),
            content,
            stored.to()?,
            Channel::new(stored.channel.as_str())?,
            self.lane.credential.certificate,
            Timestamp::from_unix_millis(stored.created_at),
        )
        .with_badge(badge)
        .with_revision(stored.revision.max(0).unsigned_abs());
        delivery.due = stored.scheduled.map(Timestamp::from_unix_millis);
        Ok(delivery)
    }

    fn content(&mut self, row: i64) -> Result<Arc<Content>> {
        if let Some(known) = self.contents.get(&row) {
            return Ok(Arc::clone(known));
        }
        let damaged = || corrupt("the content of a stored delivery cannot be read");
        let stored = match self.stored.0.get(&row) {
            Some(Ok(stored)) => stored,
            Some(Err(error)) => return Err(corrupt(error.message())),
            None => return Err(damaged()),
        };
        let notification: Notification = serde_json::from_str(&stored.body).map_err(|source| {
            // Not the source itself: it may quote the text.
            corrupt(format!(
                "a stored notification cannot be read: {}",
                of_json(&source)
            ))
        })?;
        let content = Arc::new(Content::new(
            ContentId::from_uuid(stored.uuid),
            self.lane.credential.app.clone(),
            MessageId::new(stored.message.as_str())?,
            self.lane.class.clone(),
            notification,
        ));
        self.contents.insert(row, Arc::clone(&content));
        Ok(content)
    }
}

/// Counts what ends, so that lanes and contents are written once for many deliveries.
#[derive(Default)]
pub(crate) struct Ending {
    lanes: HashMap<i64, i64>,
    contents: HashMap<i64, i64>,
    pub(crate) count: i64,
}

impl Ending {
    /// A delivery of this lane and content was deleted.
    pub(crate) fn add(&mut self, lane: i64, content: Option<i64>) {
        *self.lanes.entry(lane).or_default() += 1;
        if let Some(row) = content {
            *self.contents.entry(row).or_default() += 1;
        }
        self.count += 1;
    }

    /// Writes what was counted. A content that no delivery has any more is deleted.
    pub(crate) fn end(self, db: &Connection) -> Outcome<()> {
        if self.count == 0 {
            return Ok(());
        }
        for (row, less) in self.contents {
            let is_gone = db
                .prepare_cached("DELETE FROM content WHERE id = ?1 AND deliveries <= ?2")?
                .execute([row, less])?;
            if is_gone == 0 {
                db.prepare_cached("UPDATE content SET deliveries = deliveries - ?2 WHERE id = ?1")?
                    .execute([row, less])?;
            }
        }
        for (row, less) in self.lanes {
            db.prepare_cached("UPDATE lane SET depth = depth - ?2 WHERE id = ?1")?
                .execute([row, less])?;
        }
        db.prepare_cached("UPDATE counter SET depth = depth - ?1")?
            .execute([self.count])?;
        Ok(())
    }
}

/// The rows of the lanes of a credential.
pub(crate) fn lane_rows(db: &Connection, app: &str, certificate: u32) -> Outcome<Vec<i64>> {
    Ok(db
        .prepare_cached("SELECT id FROM lane WHERE app = ?1 AND certificate = ?2")?
        .query_map((app, certificate), |row| row.get(0))?
        .collect::<Result<_, _>>()?)
}

/// The row of a lane.
pub(crate) fn lane_row(db: &Connection, lane: &Lane) -> Outcome<Option<i64>> {
    Ok(db
        .prepare_cached("SELECT id FROM lane WHERE app = ?1 AND certificate = ?2 AND class = ?3")?
        .query_row(
            (
                lane.credential.app.as_str(),
                lane.credential.certificate.get(),
                lane.class.as_str(),
            ),
            |row| row.get(0),
        )
        .optional()?)
}

/// A revision as it is stored. Revisions are microseconds, far below the largest number that SQLite holds.
pub(crate) fn revision(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// Whether each message is remembered.
pub(crate) fn remembered(
    db: &Connection,
    app: &AppId,
    messages: &[MessageId],
) -> Outcome<Vec<bool>> {
    let mut select = db.prepare_cached("SELECT 1 FROM message WHERE app = ?1 AND message = ?2")?;
    let known = messages
        .iter()
        .map(|message| select.exists([app.as_str(), message.as_str()]));
    Ok(known.collect::<Result<_, _>>()?)
}
