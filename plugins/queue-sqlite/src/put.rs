//! Storing deliveries, once each.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use push_core::{
    AppId, Delivery, Error, ErrorKind, Lane, MessageId, Notification, Put, Result, Timestamp,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

/// Deliveries and the texts of their notifications, each written once for all that share it.
pub(crate) struct Batch {
    deliveries: Vec<Delivery>,
    /// Of each delivery, its notification's place in `bodies`.
    body_of: Vec<usize>,
    bodies: Vec<Body>,
}

struct Body {
    text: String,
    /// How many deliveries of the batch have it.
    uses: usize,
}

impl Batch {
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Result<Self> {
        let mut known: HashMap<*const Notification, usize> = HashMap::new();
        let mut body_of = Vec::with_capacity(deliveries.len());
        let mut bodies: Vec<Body> = Vec::new();
        for it in &deliveries {
            let place = match known.entry(Arc::as_ptr(&it.notification)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let text = serde_json::to_string(&*it.notification).map_err(|source| {
                        Error::new(
                            ErrorKind::Internal,
                            "a notification cannot be written as JSON",
                        )
                        .because(source)
                    })?;
                    bodies.push(Body { text, uses: 0 });
                    *new.insert(bodies.len() - 1)
                }
            };
            bodies[place].uses += 1;
            body_of.push(place);
        }
        Ok(Self {
            deliveries,
            body_of,
            bodies,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.deliveries.len()
    }
}

/// Stores what is new of `batch`.
pub(crate) fn put(db: &Connection, batch: &Batch, now: Timestamp, most: i64) -> Outcome<Vec<Put>> {
    let mut putting = Putting::begin(db)?;
    let mut done = Vec::with_capacity(batch.len());
    for (delivery, body) in batch.deliveries.iter().zip(&batch.body_of) {
        done.push(putting.put(delivery, *body, &batch.bodies[*body], now)?);
    }
    if putting.depth > most {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("the queue holds {} deliveries", putting.before),
        )
        .at("queue/sqlite")
        .advise("try again later, or raise max_deliveries")
        .into());
    }
    putting.end()?;
    Ok(done)
}

struct Putting<'a> {
    db: &'a Connection,
    /// The queue's depth before and so far.
    before: i64,
    depth: i64,
    newest: i64,
    next_delivery: i64,
    next_message: i64,
    next_notification: i64,
    messages: HashMap<(AppId, MessageId), Known>,
    /// By message and place in the batch: row, and how many deliveries more have it.
    notifications: HashMap<(i64, usize), (i64, i64)>,
    /// Row, and how many deliveries more are in it.
    lanes: HashMap<Lane, (i64, i64)>,
}

#[derive(Clone, Copy)]
struct Known {
    row: i64,
    newest: i64,
    stored: i64,
}

impl<'a> Putting<'a> {
    fn begin(db: &'a Connection) -> Outcome<Self> {
        let sql = "SELECT depth, newest, delivery, message, notification FROM counter";
        Ok(db.prepare_cached(sql)?.query_row([], |row| {
            Ok(Self {
                db,
                before: row.get(0)?,
                depth: row.get(0)?,
                newest: row.get(1)?,
                next_delivery: row.get(2)?,
                next_message: row.get(3)?,
                next_notification: row.get(4)?,
                messages: HashMap::new(),
                notifications: HashMap::new(),
                lanes: HashMap::new(),
            })
        })?)
    }

    fn put(&mut self, it: &Delivery, place: usize, body: &Body, now: Timestamp) -> Outcome<Put> {
        let created = it.created_at.unix_millis();
        let message = self.message(it, created)?;
        let new = self
            .db
            .prepare_cached("INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
            .execute(params![
                message,
                it.user.as_str(),
                it.device.as_str(),
                it.slot.as_str(),
                self.next_delivery
            ])?;
        if new == 0 {
            return Ok(Put::Duplicate);
        }
        let (notification, own) = if body.uses > 1 {
            (Some(self.notification(message, place, &body.text)?), None)
        } else {
            (None, Some(&body.text))
        };
        let lane = self.lane(it.lane())?;
        self.db
            .prepare_cached(
                "INSERT INTO delivery VALUES (?1, ?2, ?3, NULL, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                self.next_delivery,
                lane,
                // Decided in the future by another clock than ours, it is still due at once.
                created.min(now.unix_millis()),
                it.id.as_uuid().as_bytes(),
                message,
                it.user.as_str(),
                it.device.as_str(),
                it.slot.as_str(),
                it.channel.as_str(),
                it.environment.as_str(),
                it.token.expose(),
                it.told_at.unix_millis(),
                created,
                notification,
                own,
                it.notification.expires_at.map(Timestamp::unix_millis),
            ])?;
        self.next_delivery += 1;
        self.depth += 1;
        self.newest = self.newest.max(created);
        Ok(Put::New)
    }

    fn message(&mut self, it: &Delivery, created: i64) -> Outcome<i64> {
        let key = (it.app.clone(), it.message.clone());
        if let Some(known) = self.messages.get_mut(&key) {
            known.newest = known.newest.max(created);
            return Ok(known.row);
        }
        let found: Option<(i64, i64)> = self
            .db
            .prepare_cached("SELECT id, newest FROM message WHERE app = ?1 AND message = ?2")?
            .query_row([it.app.as_str(), it.message.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let known = match found {
            Some((row, stored)) => Known {
                row,
                newest: stored.max(created),
                stored,
            },
            None => {
                let row = self.next_message;
                self.next_message += 1;
                self.db
                    .prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![row, it.app.as_str(), it.message.as_str(), created])?;
                Known {
                    row,
                    newest: created,
                    stored: created,
                }
            }
        };
        self.messages.insert(key, known);
        Ok(known.row)
    }

    fn notification(&mut self, message: i64, place: usize, text: &str) -> Outcome<i64> {
        if let Some((row, more)) = self.notifications.get_mut(&(message, place)) {
            *more += 1;
            return Ok(*row);
        }
        // A message to many comes in many batches.
        let found: Option<i64> = self
            .db
            .prepare_cached("SELECT id FROM notification INDEXED BY notification_by_message WHERE message = ?1 AND body = ?2")?
            .query_row(params![message, text], |row| row.get(0))
            .optional()?;
        let row = match found {
            Some(row) => row,
            None => {
                let row = self.next_notification;
                self.next_notification += 1;
                self.db
                    .prepare_cached("INSERT INTO notification VALUES (?1, ?2, ?3, 0)")?
                    .execute(params![row, message, text])?;
                row
            }
        };
        self.notifications.insert((message, place), (row, 1));
        Ok(row)
    }

    fn lane(&mut self, lane: Lane) -> Outcome<i64> {
        match self.lanes.entry(lane) {
            Entry::Occupied(mut known) => {
                let (row, more) = known.get_mut();
                *more += 1;
                Ok(*row)
            }
            Entry::Vacant(new) => {
                let (app, certificate) = (new.key().app.as_str(), new.key().certificate.get());
                let row = self
                    .db
                    .prepare_cached(
                        "INSERT INTO lane (app, certificate, depth) VALUES (?1, ?2, 0)
                         ON CONFLICT DO UPDATE SET depth = depth RETURNING id",
                    )?
                    .query_row(params![app, certificate], |row| row.get(0))?;
                new.insert((row, 1));
                Ok(row)
            }
        }
    }

    /// Writes what was counted.
    fn end(self) -> Outcome<()> {
        for it in self.messages.values().filter(|it| it.newest > it.stored) {
            self.db
                .prepare_cached("UPDATE message SET newest = ?2 WHERE id = ?1")?
                .execute([it.row, it.newest])?;
        }
        for (row, more) in self.notifications.into_values() {
            self.db
                .prepare_cached(
                    "UPDATE notification SET deliveries = deliveries + ?2 WHERE id = ?1",
                )?
                .execute([row, more])?;
        }
        for (row, more) in self.lanes.into_values() {
            self.db
                .prepare_cached("UPDATE lane SET depth = depth + ?2 WHERE id = ?1")?
                .execute([row, more])?;
        }
        self.db
            .prepare_cached(
                "UPDATE counter SET depth = ?1, newest = ?2, delivery = ?3, message = ?4, notification = ?5",
            )?
            .execute([
                self.depth,
                self.newest,
                self.next_delivery,
                self.next_message,
                self.next_notification,
            ])?;
        Ok(())
    }
}
