//! Traces.
use push_core::{
    AppId, CertificateId, Channel, DeliveryId, DeviceId, Error, ErrorKind, MessageId, Result,
    TRACE_LIMIT, Timestamp, TraceEvent, TraceStore, UserId, async_trait,
};
use push_sqlite::{
    Outcome,
    rusqlite::{self, Connection, OptionalExtension, Params, Row, params},
};
use uuid::Uuid;

use crate::{
    SqliteStore,
    row::{damaged, parsed, parsed_if_any, time},
};

/// How many rows are looked at in one transaction when old events are dropped.
const PORTION: i64 = 10_000;

const COLUMNS: &str =
    "message, delivery, user, device, channel, certificate, at, stage, reason, attempt, answer";

#[async_trait]
impl TraceStore for SqliteStore {
    async fn append(&self, events: Vec<TraceEvent>) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        self.traces
            .write_later(events.len(), move |db| {
                events.iter().try_for_each(|it| append(db, it))
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
        self.traces
            .read(move |db| of_delivery(db, &app, delivery))
            .await
    }

    async fn trace_of_message(&self, app: &AppId, message: &MessageId) -> Result<Vec<TraceEvent>> {
        self.written().await?;
        let (app, message) = (app.clone(), message.clone());
        self.traces
            .read(move |db| {
                select(
                    db,
                    &app,
                    "INDEXED BY event_by_message WHERE app = ?1 AND message = ?2",
                    params![app.as_str(), message.as_str(), TRACE_LIMIT as i64],
                    3,
                )
            })
            .await
    }

    async fn prune_traces(&self, before: Timestamp) -> Result<u64> {
        // In portions, so that new events do not wait. By id and not by time: an index by time would cost every event
        // more than a search costs now and then.
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

fn append(db: &Connection, it: &TraceEvent) -> Outcome<()> {
    let answer = it
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
        "INSERT INTO event (app, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    ))?
    .execute(params![
        it.app.as_str(),
        it.message.as_str(),
        it.delivery.map(|it| *it.as_uuid().as_bytes()),
        it.user.as_ref().map(UserId::as_str),
        it.device.as_ref().map(DeviceId::as_str),
        it.channel.as_ref().map(Channel::as_str),
        it.certificate.map(CertificateId::get),
        it.at.unix_millis(),
        it.stage.as_str(),
        it.reason,
        it.attempt,
        answer,
    ])?;
    Ok(())
}

fn of_delivery(db: &Connection, app: &AppId, delivery: DeliveryId) -> Outcome<Vec<TraceEvent>> {
    let id = *delivery.as_uuid().as_bytes();
    type One = (String, Option<String>, Option<String>);
    let one: Option<One> = db
        .prepare_cached(
            "SELECT message, user, device FROM event INDEXED BY event_by_delivery
             WHERE delivery = ?1 AND app = ?2 LIMIT 1",
        )?
        .query_row(params![id, app.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((message, user, device)) = one else {
        return Ok(Vec::new());
    };
    select(
        db,
        app,
        // Each part by an index of its own: a message to many has many events.
        "WHERE id IN (
             SELECT id FROM event INDEXED BY event_by_delivery WHERE delivery = ?3 AND app = ?1
             UNION ALL
             SELECT id FROM event INDEXED BY event_without_delivery WHERE delivery IS NULL AND app = ?1 AND message = ?2 AND user IS NULL
             AND (device IS NULL OR device = ?5)
             UNION ALL
             SELECT id FROM event INDEXED BY event_without_delivery WHERE delivery IS NULL AND app = ?1 AND message = ?2 AND user = ?4
             AND (device IS NULL OR device = ?5))",
        params![app.as_str(), message, id, user, device, TRACE_LIMIT as i64],
        6,
    )
}

/// Events oldest first, at most as many as the parameter `limit` says.
fn select(
    db: &Connection,
    app: &AppId,
    which: &str,
    parameters: impl Params,
    limit: usize,
) -> Outcome<Vec<TraceEvent>> {
    let sql = format!("SELECT {COLUMNS} FROM event {which} ORDER BY at, id LIMIT ?{limit}");
    let mut select = db.prepare_cached(&sql)?;
    let rows = select.query_map(parameters, |row| read(row, app))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>, app: &AppId) -> rusqlite::Result<TraceEvent> {
    Ok(TraceEvent {
        app: app.clone(),
        message: parsed(row, 0, MessageId::new)?,
        delivery: parsed_if_any(row, 1, |it| Ok(DeliveryId::from_uuid(Uuid::from_bytes(it))))?,
        user: parsed_if_any(row, 2, |it: String| UserId::new(it))?,
        device: parsed_if_any(row, 3, |it: String| DeviceId::new(it))?,
        channel: parsed_if_any(row, 4, |it: String| Channel::new(it))?,
        certificate: parsed_if_any(row, 5, CertificateId::new)?,
        at: time(row, 6)?,
        stage: parsed(row, 7, |it| it.parse())?,
        reason: row.get(8)?,
        attempt: row.get(9)?,
        answer: row
            .get::<_, Option<String>>(10)?
            .map(|it| serde_json::from_str(&it))
            .transpose()
            .map_err(|_| damaged(10, Error::new(ErrorKind::Corrupt, "the answer is not JSON")))?,
    })
}
