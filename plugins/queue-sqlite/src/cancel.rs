//! Removing deliveries that must not be sent any more. In portions, so that a message to millions does not keep the writer
//! from other calls.
use std::{collections::HashMap, sync::Arc};

use push_core::{
    AppId, Cancel, Cancelled, CertificateId, Class, CredentialRef, DeliveryId, DeviceId, Error,
    ErrorKind, Lane, MessageId, RemovalCause, Removed, Result, Slot, Timestamp, UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, OptionalExtension, Row, params},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    SqliteQueue, damaged, removed,
    row::{Ending, lane_rows, revision},
    walk::{EXPIRED, PORTION, Place},
};

impl SqliteQueue {
    /// Removes up to `limit` deliveries that `what` concerns.
    pub(crate) async fn remove(
        &self,
        app: &AppId,
        what: &Cancel,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>> {
        match what {
            Cancel::Message(message) => self.remove_message(app, message, limit, now).await,
            Cancel::Device {
                user,
                device,
                slot,
                before,
            } => {
                let logout = Logout {
                    app: app.clone(),
                    user: user.clone(),
                    device: device.clone(),
                    slot: *slot,
                    before: revision(*before),
                };
                self.remove_device(&logout, limit, now).await
            }
            Cancel::Conversation {
                user,
                conversation,
                until,
            } => {
                let read = Conversation {
                    app: app.clone(),
                    user: user.clone(),
                    thread: conversation.clone(),
                    until: *until,
                };
                self.remove_conversation(&read, limit).await
            }
            Cancel::Expired(credential) if credential.app == *app => {
                self.remove_expired(credential, limit, now).await
            }
            Cancel::Expired(_) => Ok(Vec::new()),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                "this queue does not know that kind of cancellation",
            )
            .at("queue/sqlite")
            .advise("use a queue of the same version as the gateway")),
        }
    }

    async fn remove_message(
        &self,
        app: &AppId,
        message: &MessageId,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>> {
        let mut removed = Vec::new();
        loop {
            let (app, message) = (app.clone(), message.clone());
            let room = limit - removed.len();
            let (some, is_last) = self
                .database
                .write(PORTION, move |db| recall(db, &app, &message, room, now))
                .await?;
            removed.extend(some);
            if is_last || removed.len() >= limit {
                return Ok(removed);
            }
        }
    }

    async fn remove_device(
        &self,
        logout: &Logout,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>> {
        let mut removed = Vec::new();
        loop {
            let logout = logout.clone();
            let most = PORTION.min(limit - removed.len());
            let (some, found) = self
                .database
                .write(PORTION, move |db| log_out(db, &logout, most, now))
                .await?;
            removed.extend(some);
            if found < most || removed.len() >= limit {
                return Ok(removed);
            }
        }
    }

    async fn remove_conversation(
        &self,
        conversation: &Conversation,
        limit: usize,
    ) -> Result<Vec<Cancelled>> {
        let mut removed = Vec::new();
        loop {
            let conversation = conversation.clone();
            let most = PORTION.min(limit - removed.len());
            let rows = self
                .database
                .read(move |db| in_conversation(db, &conversation, most))
                .await?;
            let found = rows.len();
            removed.extend(self.remove_rows(rows, RemovalCause::Read, most).await?);
            if found < most || removed.len() >= limit {
                return Ok(removed);
            }
        }
    }

    /// Searches beside the writer, and removes what was found unless it was leased since.
    async fn remove_expired(
        &self,
        credential: &CredentialRef,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Cancelled>> {
        let mut removed = Vec::new();
        for lane in self.lanes_of(credential).await? {
            let mut place = Some(Place::start(lane));
            while let Some(here) = place
                && removed.len() < limit
            {
                let step = self
                    .database
                    .read(move |db| here.step(db, EXPIRED, now))
                    .await?;
                place = step.next;
                let room = limit - removed.len();
                let is_cut = step.found.len() > room;
                removed.extend(
                    self.remove_rows(step.found, RemovalCause::Expired, room)
                        .await?,
                );
                // Some of what was found was leased meanwhile: the rest of it is looked at again.
                if is_cut && removed.len() < limit {
                    place = Some(here);
                }
            }
        }
        Ok(removed)
    }

    /// Removes up to `limit` of the `rows`; of those that expired, the ones that are not leased.
    async fn remove_rows(
        &self,
        mut rows: Vec<i64>,
        cause: RemovalCause,
        limit: usize,
    ) -> Result<Vec<Cancelled>> {
        rows.truncate(limit);
        let mut removed = Vec::new();
        for portion in rows.chunks(PORTION) {
            let portion = portion.to_vec();
            let clock = Arc::clone(&self.clock);
            let some = self
                .database
                .write(portion.len(), move |db| {
                    take(db, portion, cause, clock.now())
                })
                .await?;
            removed.extend(some);
        }
        Ok(removed)
    }

    /// The rows of the lanes of `credential`.
    pub(crate) async fn lanes_of(&self, credential: &CredentialRef) -> Result<Vec<i64>> {
        let credential = credential.clone();
        self.database
            .read(move |db| lane_rows(db, credential.app.as_str(), credential.certificate.get()))
            .await
    }
}

/// Removes up to `most` deliveries of a message, and fences it. Returns `true` beside them if there are no more.
fn recall(
    db: &Connection,
    app: &AppId,
    message: &MessageId,
    most: usize,
    now: Timestamp,
) -> Outcome<(Vec<Cancelled>, bool)> {
    let now = now.unix_millis();
    let known: Option<(i64, Option<Vec<u8>>)> = db
        .prepare_cached(
            "UPDATE message SET newest = max(newest, ?3), recalled = coalesce(recalled, x'')
             WHERE app = ?1 AND message = ?2 RETURNING id, recalled",
        )?
        .query_row(params![app.as_str(), message.as_str(), now], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((message_row, after)) = known else {
        let row: i64 = db
            .prepare_cached("UPDATE counter SET message = message + 1 RETURNING message - 1")?
            .query_row([], |row| row.get(0))?;
        db.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, x'')")?
            .execute(params![row, app.as_str(), message.as_str(), now])?;
        return Ok((Vec::new(), true));
    };
    // The message is fenced, so nothing new is remembered before the place where the last call ended.
    let seen: Vec<(Vec<u8>, i64)> = db
        .prepare_cached(
            "SELECT identity, delivery FROM seen WHERE message = ?1 AND identity > ?2 ORDER BY identity LIMIT ?3",
        )?
        .query_map(
            params![message_row, after.unwrap_or_default(), PORTION as i64],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<Result<_, _>>()?;
    let mut taking = Taking::new(db, RemovalCause::Recalled, Timestamp::from_unix_millis(now))?;
    let mut reached = None;
    let mut is_last = seen.len() < PORTION;
    for (identity, row) in seen {
        if taking.ending.count.unsigned_abs() as usize >= most {
            is_last = false;
            break;
        }
        taking.take(row)?;
        reached = Some(identity);
    }
    let removed = taking.end()?;
    if let Some(identity) = reached {
        db.prepare_cached("UPDATE message SET recalled = ?2 WHERE id = ?1")?
            .execute(params![message_row, identity])?;
    }
    Ok((removed, is_last))
}

#[derive(Clone)]
struct Logout {
    app: AppId,
    user: UserId,
    device: DeviceId,
    slot: Option<Slot>,
    before: i64,
}

/// Removes up to `most` deliveries of a device, and fences it. Returns how many were found beside them.
fn log_out(
    db: &Connection,
    logout: &Logout,
    most: usize,
    now: Timestamp,
) -> Outcome<(Vec<Cancelled>, usize)> {
    let (app, user) = (logout.app.as_str(), logout.user.as_str());
    let device = logout.device.as_str();
    let slot = logout.slot.map_or("", Slot::as_str);
    db.prepare_cached(
        "INSERT INTO fence VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET before = max(before, excluded.before), set_at = excluded.set_at",
    )?
    .execute(params![
        app,
        user,
        device,
        slot,
        logout.before,
        now.unix_millis()
    ])?;
    let found: Vec<i64> = db
        .prepare_cached(
            "SELECT d.id FROM delivery d INDEXED BY delivery_by_user JOIN lane l ON l.id = d.lane
             WHERE d.user = ?1 AND d.device = ?2 AND l.app = ?3 AND ?4 IN ('', d.slot) AND d.revision < ?5 LIMIT ?6",
        )?
        .query_map(
            params![user, device, app, slot, logout.before, most as i64],
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    let count = found.len();
    Ok((take(db, found, RemovalCause::Ended, now)?, count))
}

#[derive(Clone)]
struct Conversation {
    app: AppId,
    user: UserId,
    thread: String,
    until: Timestamp,
}

/// Up to `limit` deliveries to a user whose notification is of a conversation.
fn in_conversation(
    db: &Connection,
    conversation: &Conversation,
    limit: usize,
) -> Outcome<Vec<i64>> {
    let mut select = db.prepare_cached(
        "SELECT d.id, d.content FROM delivery d INDEXED BY delivery_by_user JOIN lane l ON l.id = d.lane
         WHERE d.user = ?1 AND l.app = ?2 AND d.created_at <= ?3",
    )?;
    let mut rows = select.query(params![
        conversation.user.as_str(),
        conversation.app.as_str(),
        conversation.until.unix_millis()
    ])?;
    let mut known = HashMap::new();
    let mut found = Vec::new();
    while let Some(row) = rows.next()?
        && found.len() < limit
    {
        let (delivery, content) = (row.get(0)?, row.get(1)?);
        let is_meant = match known.get(&content) {
            Some(is_meant) => *is_meant,
            None => {
                let is_meant = thread(db, content)?.as_ref() == Some(&conversation.thread);
                known.insert(content, is_meant);
                is_meant
            }
        };
        if is_meant {
            found.push(delivery);
        }
    }
    Ok(found)
}

/// The thread of a content; `None` if it cannot be read, which a lease finds out.
fn thread(db: &Connection, content: i64) -> Outcome<Option<String>> {
    #[derive(Deserialize)]
    struct Thread {
        thread: String,
    }
    let mut select = db.prepare_cached("SELECT body FROM content WHERE id = ?1")?;
    let mut rows = select.query([content])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let thread = row.get_ref(0)?.as_bytes().ok();
    let thread = thread.and_then(|body| serde_json::from_slice::<Thread>(body).ok());
    Ok(thread.map(|thread| thread.thread))
}

fn take(
    db: &Connection,
    rows: Vec<i64>,
    cause: RemovalCause,
    now: Timestamp,
) -> Outcome<Vec<Cancelled>> {
    let mut taking = Taking::new(db, cause, now)?;
    for row in rows {
        taking.take(row)?;
    }
    taking.end()
}

/// Removes rows of `delivery`.
struct Taking<'a> {
    db: &'a Connection,
    select: push_sqlite::rusqlite::CachedStatement<'a>,
    delete: push_sqlite::rusqlite::CachedStatement<'a>,
    ending: Ending,
    removed: Vec<Cancelled>,
    cause: RemovalCause,
    now: Timestamp,
}

impl<'a> Taking<'a> {
    fn new(db: &'a Connection, cause: RemovalCause, now: Timestamp) -> Outcome<Self> {
        let condition = match cause {
            RemovalCause::Expired => "AND d.lease IS NULL",
            _ => "",
        };
        Ok(Self {
            db,
            select: db.prepare_cached(&format!(
                "SELECT d.lane, d.content, d.uuid, m.message, d.user, d.device, l.app, l.certificate, l.class
                 FROM delivery d JOIN lane l ON l.id = d.lane
                 LEFT JOIN content c ON c.id = d.content LEFT JOIN message m ON m.id = c.message
                 WHERE d.id = ?1 {condition}"
            ))?,
            delete: db.prepare_cached("DELETE FROM delivery WHERE id = ?1")?,
            ending: Ending::default(),
            removed: Vec::new(),
            cause,
            now,
        })
    }

    /// Removes a row, if it is there and fulfils the condition.
    fn take(&mut self, row: i64) -> Outcome<()> {
        let found = self
            .select
            .query_row([row], |found| {
                Ok((found.get(0)?, found.get(1)?, cancelled(found)))
            })
            .optional()?;
        let Some((lane, content, cancelled)) = found else {
            return Ok(());
        };
        match cancelled {
            Ok(cancelled) => {
                self.delete.execute([row])?;
                self.ending.add(lane, Some(content));
                removed::add(self.db, &Removed::from(&cancelled), self.cause)?;
                self.removed.push(cancelled);
            }
            // It cannot be reported, but it is counted.
            Err(_) => {
                let reason = "it was cancelled, and its names cannot be read".to_owned();
                let damaged = damaged::Damaged { row, reason };
                damaged::quarantine(self.db, &[damaged], self.now)?;
            }
        }
        Ok(())
    }

    fn end(self) -> Outcome<Vec<Cancelled>> {
        let Self {
            db,
            ending,
            removed,
            ..
        } = self;
        ending.end(db)?;
        Ok(removed)
    }
}

fn cancelled(row: &Row<'_>) -> Outcome<Cancelled> {
    let user: Option<String> = row.get(4)?;
    let device: Option<String> = row.get(5)?;
    Ok(Cancelled::new(
        DeliveryId::from_uuid(Uuid::from_bytes(row.get(2)?)),
        MessageId::new(row.get::<_, String>(3)?)?,
        user.map(UserId::new).transpose()?,
        device.map(DeviceId::new).transpose()?,
        Lane::new(
            CredentialRef::new(
                AppId::new(row.get::<_, String>(6)?)?,
                CertificateId::new(row.get(7)?)?,
            ),
            Class::new(row.get::<_, String>(8)?)?,
        ),
    ))
}
