//! Traces.
use std::{borrow::Cow, sync::Arc};

use push_core::{
    AppId, CertificateId, Channel, Cursor, DeliveryId, DeviceId, Error, ErrorKind, Mark, MessageId,
    Page, Result, TRACE_LIMIT, Timestamp, TraceEvent, TraceQuery, TraceStore, UserId, async_trait,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Params, Row, params},
};
use uuid::Uuid;

use crate::{
    SqliteStore,
    row::{Damage, damaged, parsed, parsed_if_any, time},
};

/// How many rows are looked at in one transaction when old events are dropped.
const PORTION: i64 = 10_000;

/// How many events one page looks at, whether it is full or not.
const EXAMINED: usize = 10_000;

const COLUMNS: &str = "message, delivery, user, device, channel, certificate, at, stage, reason, attempt, answer, token";

#[async_trait]
impl TraceStore for SqliteStore {
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        self.traces
            .write(events.len(), move |db| {
                events.iter().try_for_each(|event| append(db, event))
            })
            .await
    }

    async fn record(&self, app: &AppId, marks: Vec<Mark>) -> Result<Vec<bool>> {
        marks.iter().try_for_each(Mark::check)?;
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let app = app.clone();
        let damage = Arc::clone(&self.damage);
        self.traces
            .write_synced(marks.len(), move |db| {
                marks
                    .iter()
                    .map(|mark| record(db, &damage, &app, mark))
                    .collect()
            })
            .await
    }

    async fn trace_of_delivery(
        &self,
        app: &AppId,
        delivery: DeliveryId,
    ) -> Result<Vec<TraceEvent>> {
        self.written().await?;
        let app = app.clone();
        let damage = Arc::clone(&self.damage);
        self.traces
            .read(move |db| of_delivery(db, &damage, &app, delivery))
            .await
    }

    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>> {
        self.written().await?;
        let (app, message) = (app.clone(), message.clone());
        let damage = Arc::clone(&self.damage);
        self.traces
            .read(move |db| {
                select(
                    db,
                    &damage,
                    &app,
                    "INDEXED BY event_by_message WHERE app = ?1 AND message = ?2",
                    params![app.as_str(), message.as_str(), TRACE_LIMIT as i64],
                    3,
                )
            })
            .await
    }

    async fn find(
        &self,
        app: &AppId,
        query: &TraceQuery,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<TraceEvent>> {
        if limit == 0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a page of at most 0 events was asked for",
            ));
        }
        let after = after.as_ref().map(Place::read).transpose()?;
        self.written().await?;
        let (app, query) = (app.clone(), query.clone());
        let damage = Arc::clone(&self.damage);
        self.traces
            .read(move |db| find(db, &damage, &app, &query, after, limit))
            .await
    }

    async fn traced_apps(&self) -> Result<Vec<AppId>> {
        self.written().await?;
        self.traces.read(apps).await
    }

    async fn prune_traces(&self, before: Timestamp) -> Result<u64> {
        // In portions, so that new events do not wait. By id and not by time: what is deleted together lies together.
        let (mut from, end): (i64, i64) = self
            .traces
            .write(1, |db| {
                Ok(db.query_row(
                    "SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM event",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?)
            })
            .await?;
        let mut dropped = 0;
        while from <= end {
            dropped += self
                .traces
                .write(PORTION as usize, move |db| {
                    let dropped = db
                        .prepare_cached("DELETE FROM event WHERE id >= ?1 AND id < ?2 AND at < ?3")?
                        .execute([from, from + PORTION, before.unix_millis()])?;
                    Ok(dropped as u64)
                })
                .await?;
            from += PORTION;
        }
        Ok(dropped)
    }
}

impl SqliteStore {
    /// Waits until everything that was appended before can be read.
    async fn written(&self) -> Result<()> {
        self.traces.write(1, |_| Ok(())).await
    }
}

/// The apps that have events, from one to the next in the index.
fn apps(db: &Connection) -> Outcome<Vec<AppId>> {
    let mut next = db.prepare_cached(
        "SELECT CAST(min(app) AS BLOB) FROM event INDEXED BY event_by_time WHERE app > CAST(?1 AS TEXT)",
    )?;
    let mut apps = Vec::new();
    let mut after = Vec::new();
    loop {
        let app: Option<Vec<u8>> = next.query_row([&after], |row| row.get(0))?;
        let Some(app) = app else {
            return Ok(apps);
        };
        // The name of a damaged row is no app's.
        let name = String::from_utf8(app.clone()).ok();
        apps.extend(name.and_then(|name| AppId::new(name).ok()));
        after = app;
    }
}

fn append(db: &Connection, event: &TraceEvent) -> Outcome<()> {
    let answer = event
        .answer
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|source| {
            Error::new(
                ErrorKind::Internal,
                "a vendor's answer cannot be written as JSON",
            )
            .because(source)
        })?;
    db.prepare_cached(&format!(
        "INSERT INTO event (app, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    ))?
    .execute(params![
        event.app.as_str(),
        event.message.as_str(),
        event.delivery.map(|delivery| *delivery.as_uuid().as_bytes()),
        event.user.as_ref().map(UserId::as_str),
        event.device.as_ref().map(DeviceId::as_str),
        event.channel.as_ref().map(Channel::as_str),
        event.certificate.map(CertificateId::get),
        event.at.unix_millis(),
        event.stage.as_str(),
        event.reason.as_deref(),
        event.attempt,
        answer,
        event.token,
    ])?;
    Ok(())
}

/// Records the mark, and returns `true` if it was new.
fn record(db: &Connection, damage: &Damage, app: &AppId, mark: &Mark) -> Outcome<bool> {
    let id = *mark.delivery.as_uuid().as_bytes();
    let mut known = None;
    let sql = format!(
        "SELECT {COLUMNS} FROM event INDEXED BY event_by_delivery WHERE delivery = ?1 AND app = ?2 ORDER BY id"
    );
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(params![id, app.as_str()])?;
    while let Some(row) = rows.next()? {
        let Some(event) = damage.skip("event", read(row, app))? else {
            continue;
        };
        if event.stage == mark.stage {
            return Ok(false);
        }
        known.get_or_insert(event);
    }
    let Some(known) = known.filter(|known| mark.device.is_none() || mark.device == known.device)
    else {
        return Ok(false);
    };
    let event = TraceEvent::new(known.app, known.message, mark.at, mark.stage)
        .with_delivery(known.delivery)
        .with_user(known.user)
        .with_device(known.device)
        .with_channel(known.channel)
        .with_certificate(known.certificate);
    append(db, &event)?;
    Ok(true)
}

/// The place of an event among all, by time and then by the order of appending.
#[derive(Clone, Copy)]
struct Place {
    at: i64,
    id: i64,
}

impl Place {
    fn write(self) -> Cursor {
        Cursor::new(format!("event:{}:{}", self.at, self.id))
    }

    fn read(cursor: &Cursor) -> Result<Self> {
        let parts = cursor.as_str().strip_prefix("event:");
        parts
            .and_then(|parts| parts.split_once(':'))
            .and_then(|(at, id)| {
                Some(Self {
                    at: at.parse().ok()?,
                    id: id.parse().ok()?,
                })
            })
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    "the cursor does not come from a search of traces",
                )
                .advise("begin without a cursor")
            })
    }
}

fn find(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    query: &TraceQuery,
    after: Option<Place>,
    limit: usize,
) -> Outcome<Page<TraceEvent>> {
    // The index that leaves fewest events to look at: a message may concern millions of users, a device has few events.
    let (index, which, key) = match query {
        TraceQuery {
            device: Some(device),
            ..
        } => ("event_by_device", "device = ?2", Some(device.as_str())),
        TraceQuery {
            user: Some(user), ..
        } => ("event_by_user", "user = ?2", Some(user.as_str())),
        TraceQuery {
            message: Some(message),
            ..
        } => ("event_by_message", "message = ?2", Some(message.as_str())),
        _ => ("event_by_time", "?2 IS NULL", None),
    };
    let sql = format!(
        "SELECT {COLUMNS}, id FROM event INDEXED BY {index}
         WHERE app = ?1 AND {which} AND at >= ?3 AND (at, id) < (?4, ?5) ORDER BY at DESC, id DESC LIMIT ?6"
    );
    // Without a cursor before the first event at `until`.
    let before = after.unwrap_or_else(|| {
        query.until.map_or(
            Place {
                at: i64::MAX,
                id: i64::MAX,
            },
            |until| Place {
                at: until.unix_millis(),
                id: i64::MIN,
            },
        )
    });
    let from = query.from.map_or(i64::MIN, Timestamp::unix_millis);
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(params![
        app.as_str(),
        key,
        from,
        before.at,
        before.id,
        EXAMINED as i64 + 1
    ])?;
    let mut items = Vec::new();
    let mut last = None;
    let mut examined = 0;
    while let Some(row) = rows.next()? {
        if items.len() == limit || examined == EXAMINED {
            return Ok(Page::new(items, last.map(Place::write)));
        }
        examined += 1;
        last = Some(Place {
            at: row.get(6)?,
            id: row.get(12)?,
        });
        let event = damage.skip("event", read(row, app))?;
        items.extend(event.filter(|event| query.selects(event)));
    }
    Ok(Page::last(items))
}

fn of_delivery(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    delivery: DeliveryId,
) -> Outcome<Vec<TraceEvent>> {
    let id = *delivery.as_uuid().as_bytes();
    let one: Option<i64> = db
        .prepare_cached(
            "SELECT id FROM event INDEXED BY event_by_delivery WHERE delivery = ?1 AND app = ?2 ORDER BY id LIMIT 1",
        )?
        .query_row(params![id, app.as_str()], |row| row.get(0))
        .optional()?;
    let Some(one) = one else {
        return Ok(Vec::new());
    };
    select(
        db,
        damage,
        app,
        // Each part by an index of its own: a message to many has many events.
        "WHERE id IN (
             SELECT id FROM event INDEXED BY event_by_delivery WHERE delivery = ?2 AND app = ?1
             UNION ALL
             SELECT other.id FROM event one CROSS JOIN event other INDEXED BY event_without_delivery
             WHERE one.id = ?3 AND other.delivery IS NULL AND other.app = ?1 AND other.message = one.message AND other.user IS NULL
             AND (other.device IS NULL OR other.device = one.device)
             UNION ALL
             SELECT other.id FROM event one CROSS JOIN event other INDEXED BY event_without_delivery
             WHERE one.id = ?3 AND other.delivery IS NULL AND other.app = ?1 AND other.message = one.message AND other.user = one.user
             AND (other.device IS NULL OR other.device = one.device))",
        params![app.as_str(), id, one, TRACE_LIMIT as i64],
        4,
    )
}

/// Events oldest first, at most as many as the parameter `limit` says.
fn select(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    which: &str,
    parameters: impl Params,
    limit: usize,
) -> Outcome<Vec<TraceEvent>> {
    let sql = format!("SELECT {COLUMNS} FROM event {which} ORDER BY at, id LIMIT ?{limit}");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(parameters)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.extend(damage.skip("event", read(row, app))?);
    }
    Ok(events)
}

fn read(row: &Row<'_>, app: &AppId) -> rusqlite::Result<TraceEvent> {
    let message = parsed(row, 0, MessageId::new)?;
    let stage = parsed(row, 7, |word| word.parse())?;
    let mut event = TraceEvent::new(app.clone(), message, time(row, 6)?, stage);
    event.delivery = parsed_if_any(row, 1, |id| Ok(DeliveryId::from_uuid(Uuid::from_bytes(id))))?;
    event.user = parsed_if_any(row, 2, |id: String| UserId::new(id))?;
    event.device = parsed_if_any(row, 3, |id: String| DeviceId::new(id))?;
    event.channel = parsed_if_any(row, 4, |name: String| Channel::new(name))?;
    event.certificate = parsed_if_any(row, 5, CertificateId::new)?;
    event.reason = row.get::<_, Option<String>>(8)?.map(Cow::Owned);
    event.attempt = row.get(9)?;
    event.answer = row
        .get::<_, Option<String>>(10)?
        .map(|answer| serde_json::from_str(&answer).map(Arc::new))
        .transpose()
        .map_err(|_| damaged(10, Error::new(ErrorKind::Corrupt, "the answer is not JSON")))?;
    event.token = row.get(11)?;
    Ok(event)
}
