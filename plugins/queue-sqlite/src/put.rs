//! Storing deliveries, once each.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use push_core::{
    Address, AppId, CertificateId, Content, ContentId, Delivery, Error, ErrorKind, Held, Lane,
    LeaseId, MessageId, Put, Result, Timestamp,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, params},
};

use crate::{
    identity::{self, Identity},
    row::{Ending, Values, revision},
};

/// Deliveries with what is computed before the writer's turn.
pub(crate) struct Batch {
    items: Vec<Item>,
    /// The notifications as JSON, each once.
    bodies: Vec<String>,
}

pub(crate) struct Item {
    delivery: Delivery,
    identity: Identity,
    /// Which of the bodies it has.
    body: usize,
}

impl Batch {
    /// Prepares `deliveries`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for an address that this version does not know.
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Result<Self> {
        let mut known: HashMap<*const Content, usize> = HashMap::new();
        let mut bodies = Vec::new();
        let mut items = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            if !matches!(delivery.to, Address::Device { .. } | Address::Token { .. }) {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "this queue does not know that kind of address",
                )
                .at("queue/sqlite")
                .advise("use a queue of the same version as the gateway"));
            }
            let body = match known.entry(Arc::as_ptr(&delivery.content)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let body = serde_json::to_string(&delivery.content.notification).map_err(
                        |source| {
                            Error::new(
                                ErrorKind::Internal,
                                "a notification cannot be written as JSON",
                            )
                            .because(source)
                        },
                    )?;
                    bodies.push(body);
                    *new.insert(bodies.len() - 1)
                }
            };
            items.push(Item {
                identity: identity::of(&delivery),
                delivery,
                body,
            });
        }
        Ok(Self { items, bodies })
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

/// Stores what is new of `batch`.
pub(crate) fn put(db: &Connection, batch: &Batch, now: Timestamp, most: i64) -> Outcome<Vec<Put>> {
    let mut putting = Putting::begin(db, batch, now)?;
    putting.most = most;
    let before = putting.depth;
    let mut done = Vec::with_capacity(batch.len());
    for item in &batch.items {
        done.push(putting.put(item)?);
    }
    if putting.depth > most && putting.depth > before {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("the queue holds {before} deliveries"),
        )
        .at("queue/sqlite")
        .advise("try again later, or raise max_deliveries")
        .into());
    }
    putting.end()?;
    Ok(done)
}

/// Replaces the deliveries of `leases` by those of `batch`, in the same order.
pub(crate) fn replace(
    db: &Connection,
    leases: &[LeaseId],
    batch: &Batch,
    now: Timestamp,
) -> Outcome<u64> {
    let mut putting = Putting::begin(db, batch, now)?;
    let mut ending = Ending::default();
    for (lease, item) in leases.iter().zip(&batch.items) {
        let delivery = &item.delivery;
        let held: Option<(i64, i64, i64, bool)> = db
            .prepare_cached(
                "SELECT d.id, d.lane, d.content, d.uuid = ?2 AND m.app = ?3 AND m.message = ?4
                 FROM delivery d INDEXED BY delivery_by_lease
                 JOIN content c ON c.id = d.content JOIN message m ON m.id = c.message
                 WHERE d.lease = ?1",
            )?
            .query_row(
                params![
                    lease.number(),
                    delivery.id.as_uuid().as_bytes(),
                    delivery.app().as_str(),
                    delivery.message().as_str()
                ],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .optional()?;
        let Some((row, lane, content, is_same)) = held else {
            continue;
        };
        if !is_same {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a replacement has another id, app or message than the delivery it replaces",
            )
            .at("queue/sqlite")
            .into());
        }
        putting.replace(item, row)?;
        ending.add(lane, Some(content));
    }
    let count = ending.count.unsigned_abs();
    putting.end()?;
    ending.end(db)?;
    Ok(count)
}

/// Stores deliveries of a file of version 2, with their attempts and due times.
pub(crate) fn put_old(
    db: &Connection,
    batch: &Batch,
    now: Timestamp,
    attempts_and_due: &[(i64, i64)],
) -> Outcome<()> {
    let mut putting = Putting::begin(db, batch, now)?;
    for (item, (attempts, due)) in batch.items.iter().zip(attempts_and_due) {
        let message = putting.message(&item.delivery)?.row;
        let row = putting.insert(item, message)?;
        db.prepare_cached("UPDATE delivery SET attempts = ?2, due = ?3 WHERE id = ?1")?
            .execute([row, *attempts, *due])?;
        db.prepare_cached("INSERT INTO seen VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![
                message,
                identity::without_channel(&item.delivery),
                row
            ])?;
    }
    putting.end()
}

struct Putting<'a> {
    db: &'a Connection,
    bodies: &'a [String],
    now: i64,
    depth: i64,
    next_delivery: i64,
    next_message: i64,
    next_content: i64,
    /// Messages before this one may have identities without a channel.
    first_message: i64,
    has_fences: bool,
    messages: HashMap<(AppId, MessageId), Known>,
    contents: HashMap<(i64, ContentId), Stored<'a>>,
    /// Row, and how many deliveries more are in it.
    lanes: HashMap<Lane, (i64, i64)>,
    /// How many deliveries the queue may hold.
    most: i64,
    /// How many each credential of an app holds, once that matters.
    held: HashMap<AppId, HashMap<CertificateId, i64>>,
}

#[derive(Clone, Copy)]
struct Known {
    row: i64,
    newest: i64,
    is_recalled: bool,
}

struct Stored<'a> {
    row: i64,
    more: i64,
    /// What to write if it is not in the file yet.
    new: Option<(&'a Content, &'a str)>,
}

impl<'a> Putting<'a> {
    fn begin(db: &'a Connection, batch: &'a Batch, now: Timestamp) -> Outcome<Self> {
        let sql = "SELECT depth, delivery, message, content, first_message, EXISTS (SELECT 1 FROM fence) FROM counter";
        Ok(db.prepare_cached(sql)?.query_row([], |row| {
            Ok(Self {
                db,
                bodies: &batch.bodies,
                now: now.unix_millis(),
                depth: row.get(0)?,
                next_delivery: row.get(1)?,
                next_message: row.get(2)?,
                next_content: row.get(3)?,
                first_message: row.get(4)?,
                has_fences: row.get(5)?,
                messages: HashMap::new(),
                contents: HashMap::new(),
                lanes: HashMap::new(),
                most: i64::MAX,
                held: HashMap::new(),
            })
        })?)
    }

    fn put(&mut self, item: &'a Item) -> Outcome<Put> {
        let delivery = &item.delivery;
        let is_fenced = self.has_fences && self.is_fenced(delivery)?;
        let known = self.find_message(delivery)?;
        if let Some(known) = known
            && (is_fenced || known.is_recalled || known.row < self.first_message)
            && self.is_seen(known, item)?
        {
            return Ok(Put::Duplicate);
        }
        if is_fenced || known.is_some_and(|known| known.is_recalled) {
            return Ok(Put::Fenced);
        }
        if !self.has_room(delivery)? {
            return Ok(match known {
                Some(known) if self.is_seen(known, item)? => Put::Duplicate,
                _ => Put::Full,
            });
        }
        let message = self.message(delivery)?.row;
        if !self.remember(message, item, self.next_delivery)? {
            return Ok(Put::Duplicate);
        }
        self.insert(item, message)?;
        if let Some(held) = self.held.get_mut(delivery.app()) {
            *held.entry(delivery.certificate).or_default() += 1;
        }
        Ok(Put::New)
    }

    /// Whether the delivery's app and credential may put one more. A queue without any room refuses the whole call later.
    fn has_room(&mut self, delivery: &Delivery) -> Outcome<bool> {
        let capacity = self.most.unsigned_abs();
        let total = self.depth.max(0).unsigned_abs();
        if Held::has_room_for_all(total, capacity) || total >= capacity {
            return Ok(true);
        }
        let app = delivery.app();
        if !self.held.contains_key(app) {
            let held = held(self.db, app)?;
            self.held.insert(app.clone(), held);
        }
        let of_app = self.held.get(app);
        let count = |count: Option<i64>| count.unwrap_or_default().max(0).unsigned_abs();
        let held = Held::default()
            .with_total(total)
            .with_app(count(of_app.map(|all| all.values().sum())))
            .with_credential(count(
                of_app
                    .and_then(|all| all.get(&delivery.certificate))
                    .copied(),
            ));
        Ok(held.has_room(capacity))
    }

    fn is_fenced(&self, delivery: &Delivery) -> Outcome<bool> {
        let (Some(user), Some(device)) = (delivery.user(), delivery.device()) else {
            return Ok(false);
        };
        Ok(self
            .db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM fence
                 WHERE app = ?1 AND user = ?2 AND device = ?3 AND slot IN ('', ?4) AND before > ?5)",
            )?
            .query_row(
                params![
                    delivery.app().as_str(),
                    user.as_str(),
                    device.as_str(),
                    delivery.slot().as_str(),
                    revision(delivery.revision)
                ],
                |row| row.get(0),
            )?)
    }

    fn is_seen(&self, message: Known, item: &Item) -> Outcome<bool> {
        let mut select = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM seen WHERE message = ?1 AND identity = ?2)",
        )?;
        let mut has = |identity: &Identity| {
            select.query_row(params![message.row, identity], |row| row.get::<_, bool>(0))
        };
        Ok(has(&item.identity)?
            || (message.row < self.first_message
                && has(&identity::without_channel(&item.delivery))?))
    }

    /// Remembers the identity; returns `false` if it was known already.
    fn remember(&self, message: i64, item: &Item, delivery: i64) -> Outcome<bool> {
        let new = self
            .db
            .prepare_cached("INSERT INTO seen VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![message, item.identity, delivery])?;
        Ok(new > 0)
    }

    fn insert(&mut self, item: &'a Item, message: i64) -> Outcome<i64> {
        let content = self.content(message, item)?;
        let lane = self.lane(item.delivery.lane())?;
        let row = self.next_delivery;
        let values = Values::new(&item.delivery, self.now);
        self.db
            .prepare_cached(
                "INSERT INTO delivery VALUES (?1, ?2, ?3, ?1, NULL, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, NULL, NULL)",
            )?
            .execute(values.params(row, lane, content))?;
        self.next_delivery += 1;
        self.depth += 1;
        Ok(row)
    }

    /// Writes `item` over row `row`, which keeps its attempts.
    fn replace(&mut self, item: &'a Item, row: i64) -> Outcome<()> {
        let message = self.message(&item.delivery)?.row;
        self.remember(message, item, row)?;
        let content = self.content(message, item)?;
        let lane = self.lane(item.delivery.lane())?;
        let mut values = Values::new(&item.delivery, self.now);
        values.due = self.now;
        self.db
            .prepare_cached(
                "UPDATE delivery SET lane = ?2, due = ?3, rank = ?1, lease = NULL, uuid = ?4, content = ?5, user = ?6, device = ?7,
                     slot = ?8, instance = ?9, environment = ?10, token = ?11, channel = ?12, badge = ?13, scheduled = ?14,
                     revision = ?15, created_at = ?16, batch = NULL, batch_size = NULL WHERE id = ?1",
            )?
            .execute(values.params(row, lane, content))?;
        // What it was is subtracted again.
        self.depth += 1;
        Ok(())
    }

    fn find_message(&mut self, delivery: &Delivery) -> Outcome<Option<Known>> {
        let key = (delivery.app().clone(), delivery.message().clone());
        if let Some(known) = self.messages.get(&key) {
            return Ok(Some(*known));
        }
        let found = self
            .db
            .prepare_cached("SELECT id, newest, recalled IS NOT NULL FROM message WHERE app = ?1 AND message = ?2")?
            .query_row([key.0.as_str(), key.1.as_str()], |row| {
                Ok(Known {
                    row: row.get(0)?,
                    newest: row.get(1)?,
                    is_recalled: row.get(2)?,
                })
            })
            .optional()?;
        if let Some(known) = found {
            self.messages.insert(key, known);
        }
        Ok(found)
    }

    fn message(&mut self, delivery: &Delivery) -> Outcome<Known> {
        if let Some(known) = self.find_message(delivery)? {
            return Ok(known);
        }
        let known = Known {
            row: self.next_message,
            newest: self.now,
            is_recalled: false,
        };
        self.next_message += 1;
        let key = (delivery.app().clone(), delivery.message().clone());
        self.db
            .prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, NULL)")?
            .execute(params![
                known.row,
                key.0.as_str(),
                key.1.as_str(),
                known.newest
            ])?;
        self.messages.insert(key, known);
        Ok(known)
    }

    fn content(&mut self, message: i64, item: &'a Item) -> Outcome<i64> {
        let content: &'a Content = &item.delivery.content;
        let stored = match self.contents.entry((message, content.id)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                // A message to many comes in many batches.
                let found = self
                    .db
                    .prepare_cached("SELECT id FROM content INDEXED BY content_by_uuid WHERE message = ?1 AND uuid = ?2")?
                    .query_row(params![message, content.id.as_uuid().as_bytes()], |row| {
                        row.get(0)
                    })
                    .optional()?;
                let row = found.unwrap_or(self.next_content);
                self.next_content += i64::from(found.is_none());
                let body = self.bodies.get(item.body).map_or("", String::as_str);
                new.insert(Stored {
                    row,
                    more: 0,
                    new: found.is_none().then_some((content, body)),
                })
            }
        };
        stored.more += 1;
        Ok(stored.row)
    }

    fn lane(&mut self, lane: Lane) -> Outcome<i64> {
        match self.lanes.entry(lane) {
            Entry::Occupied(mut known) => {
                let (row, more) = known.get_mut();
                *more += 1;
                Ok(*row)
            }
            Entry::Vacant(new) => {
                let lane = new.key();
                let row = self
                    .db
                    .prepare_cached(
                        "INSERT INTO lane (app, certificate, class, depth) VALUES (?1, ?2, ?3, 0)
                         ON CONFLICT DO UPDATE SET depth = depth RETURNING id",
                    )?
                    .query_row(
                        params![
                            lane.credential.app.as_str(),
                            lane.credential.certificate.get(),
                            lane.class.as_str()
                        ],
                        |row| row.get(0),
                    )?;
                new.insert((row, 1));
                Ok(row)
            }
        }
    }

    /// Writes what was counted.
    fn end(self) -> Outcome<()> {
        for known in self.messages.values() {
            if known.newest < self.now {
                self.db
                    .prepare_cached("UPDATE message SET newest = ?2 WHERE id = ?1")?
                    .execute([known.row, self.now])?;
            }
        }
        for ((message, id), stored) in self.contents {
            if let Some((content, body)) = stored.new {
                self.db
                    .prepare_cached("INSERT INTO content VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                    .execute(params![
                        stored.row,
                        message,
                        id.as_uuid().as_bytes(),
                        content.notification.expires_at.map(Timestamp::unix_millis),
                        stored.more,
                        body
                    ])?;
            } else {
                self.db
                    .prepare_cached(
                        "UPDATE content SET deliveries = deliveries + ?2 WHERE id = ?1",
                    )?
                    .execute([stored.row, stored.more])?;
            }
        }
        for (row, more) in self.lanes.into_values() {
            self.db
                .prepare_cached("UPDATE lane SET depth = depth + ?2 WHERE id = ?1")?
                .execute([row, more])?;
        }
        self.db
            .prepare_cached(
                "UPDATE counter SET depth = ?1, delivery = ?2, message = ?3, content = ?4, latest = max(latest, ?5)",
            )?
            .execute([
                self.depth,
                self.next_delivery,
                self.next_message,
                self.next_content,
                self.now,
            ])?;
        Ok(())
    }
}

/// How many deliveries each credential of an app holds.
fn held(db: &Connection, app: &AppId) -> Outcome<HashMap<CertificateId, i64>> {
    let mut select = db.prepare_cached(
        "SELECT certificate, sum(depth) FROM lane WHERE app = ?1 GROUP BY certificate",
    )?;
    let mut rows = select.query([app.as_str()])?;
    let mut held = HashMap::new();
    while let Some(row) = rows.next()? {
        // A lane that cannot be read is found and moved aside elsewhere.
        if let (Ok(certificate), Ok(count)) = (row.get::<_, i64>(0), row.get(1))
            && let Ok(certificate) = CertificateId::new(certificate)
        {
            held.insert(certificate, count);
        }
    }
    Ok(held)
}
