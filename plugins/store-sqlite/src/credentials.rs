//! Credentials.
use std::sync::Arc;

use push_core::{
    AppId, CertificateId, Channel, CredentialRef, CredentialStore, Environment, Error, ErrorKind,
    NewCredential, Result, StoredCredential, Timestamp, async_trait,
};
use push_sqlite::{
    Failure, Outcome,
    rusqlite::{self, Connection, OptionalExtension, Row, params},
};

use crate::{
    SqliteStore,
    row::{damaged, is_damage, parsed, parsed_if_any, time},
};

const COLUMNS: &str =
    "app, id, provider, channel, environment, label, sealed, created_at, rotated_at, expires_at";

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn free_certificate(&self, app: &AppId) -> Result<CertificateId> {
        let app = app.clone();
        self.main.read(move |db| free_id(db, &app)).await
    }

    async fn add_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential> {
        self.main.write(1, move |db| add(db, id, credential)).await
    }

    async fn rotate_credential(
        &self,
        id: CertificateId,
        credential: NewCredential,
    ) -> Result<StoredCredential> {
        self.main
            .write(1, move |db| rotate(db, id, credential))
            .await
    }

    async fn credentials(&self, app: Option<&AppId>) -> Result<Vec<StoredCredential>> {
        let app = app.cloned();
        let damage = Arc::clone(&self.damage);
        self.main
            .read(move |db| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM credential WHERE ?1 IS NULL OR app = ?1 ORDER BY app, id"
                );
                let mut select = db.prepare_cached(&sql)?;
                let mut rows = select.query([app.as_ref().map(AppId::as_str)])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.extend(damage.skip("credential", read(row))?);
                }
                Ok(found)
            })
            .await
    }

    async fn credential(&self, credential: &CredentialRef) -> Result<Option<StoredCredential>> {
        let credential = credential.clone();
        self.main
            .read(
                move |db| match find(db, &credential.app, credential.certificate)? {
                    Found::None => Ok(None),
                    Found::Whole(stored) => Ok(Some(*stored)),
                    Found::Damaged => Err(Error::new(
                        ErrorKind::Corrupt,
                        format!(
                            "the record of credential {} of app {} is damaged",
                            credential.certificate, credential.app
                        ),
                    )
                    .advise("upload it again under its id: `offline-push credential rotate`")
                    .into()),
                },
            )
            .await
    }

    async fn remove_credential(&self, credential: &CredentialRef) -> Result<bool> {
        let credential = credential.clone();
        self.main
            .write(1, move |db| {
                let key = params![credential.app.as_str(), credential.certificate.get()];
                let removed = db
                    .prepare_cached("DELETE FROM credential WHERE app = ?1 AND id = ?2")?
                    .execute(key)?;
                if removed > 0 {
                    db.prepare_cached("INSERT INTO removed_credential (app, id) VALUES (?1, ?2)")?
                        .execute(key)?;
                }
                Ok(removed > 0)
            })
            .await
    }

    async fn reseal_credential(
        &self,
        credential: &CredentialRef,
        before: &[u8],
        after: Vec<u8>,
    ) -> Result<bool> {
        let (credential, before) = (credential.clone(), before.to_vec());
        self.main
            .write(1, move |db| {
                let changed = db
                    .prepare_cached(
                        "UPDATE credential SET sealed = ?4 WHERE app = ?1 AND id = ?2 AND sealed = ?3",
                    )?
                    .execute(params![
                        credential.app.as_str(),
                        credential.certificate.get(),
                        before,
                        after,
                    ])?;
                Ok(changed > 0)
            })
            .await
    }

    async fn key_check(&self) -> Result<Option<Vec<u8>>> {
        self.main.read(key_check).await
    }

    async fn set_key_check(&self, before: Option<&[u8]>, after: Vec<u8>) -> Result<bool> {
        let before = before.map(<[u8]>::to_vec);
        self.main
            .write(1, move |db| {
                let is_as_before = key_check(db)? == before;
                if is_as_before {
                    db.prepare_cached("INSERT OR REPLACE INTO key_check VALUES (1, ?1)")?
                        .execute([&after])?;
                }
                Ok(is_as_before)
            })
            .await
    }
}

fn key_check(db: &Connection) -> Outcome<Option<Vec<u8>>> {
    Ok(db
        .prepare_cached("SELECT sealed FROM key_check")?
        .query_row([], |row| row.get(0))
        .optional()?)
}

fn add(db: &Connection, id: CertificateId, new: NewCredential) -> Outcome<StoredCredential> {
    let removed = db
        .prepare_cached("SELECT 1 FROM removed_credential WHERE app = ?1 AND id = ?2")?
        .exists(params![new.app.as_str(), id.get()])?;
    if removed {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("app {} had a credential {id}, which was removed", new.app),
        )
        .advise("choose another number: devices may still name the removed one")
        .into());
    }
    let stored = StoredCredential::new(id, new);
    let added = db
        .prepare_cached(&format!(
            "INSERT INTO credential ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)
             ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            stored.app.as_str(),
            id.get(),
            stored.provider,
            stored.channel.as_str(),
            stored.environment.map(Environment::as_str),
            stored.label,
            stored.sealed,
            stored.created_at.unix_millis(),
            stored.expires_at.map(Timestamp::unix_millis),
        ])?;
    if added == 0 {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("app {} has a credential {id} already", stored.app),
        )
        .advise("rotate that one, or choose another number")
        .into());
    }
    Ok(stored)
}

fn rotate(db: &Connection, id: CertificateId, new: NewCredential) -> Outcome<StoredCredential> {
    let mut stored = match find(db, &new.app, id)? {
        Found::Whole(stored) => *stored,
        Found::Damaged => return replace_damaged(db, id, new),
        Found::None => {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("app {} has no credential {id}", new.app),
            )
            .advise("add it first")
            .into());
        }
    };
    for (what, same) in [
        ("provider", stored.provider == new.provider),
        ("channel", stored.channel == new.channel),
        ("environment", stored.environment == new.environment),
    ] {
        if !same {
            return Err(of_another(id, what));
        }
    }
    stored.label = new.label;
    stored.sealed = new.sealed;
    stored.rotated_at = new.at;
    stored.expires_at = new.expires_at;
    db.prepare_cached(
        "UPDATE credential SET label = ?3, sealed = ?4, rotated_at = ?5, expires_at = ?6
         WHERE app = ?1 AND id = ?2",
    )?
    .execute(params![
        stored.app.as_str(),
        id.get(),
        stored.label,
        stored.sealed,
        stored.rotated_at.unix_millis(),
        stored.expires_at.map(Timestamp::unix_millis),
    ])?;
    Ok(stored)
}

/// The number after the highest one that was ever given; the lowest free one if there is none above.
fn free_id(db: &Connection, app: &AppId) -> Outcome<CertificateId> {
    let after: i64 = db
        .prepare_cached(
            "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM credential WHERE app = ?1),
                            (SELECT coalesce(max(id), 0) FROM removed_credential WHERE app = ?1))",
        )?
        .query_row([app.as_str()], |row| row.get(0))?;
    if let Ok(id) = CertificateId::new(after) {
        return Ok(id);
    }
    let gap: i64 = db
        .prepare_cached(
            "WITH taken (id) AS (
                 SELECT id FROM credential WHERE app = ?1 UNION ALL SELECT id FROM removed_credential WHERE app = ?1)
             SELECT min(free) FROM (SELECT 1 AS free UNION ALL SELECT id + 1 FROM taken)
             WHERE free NOT IN (SELECT id FROM taken)",
        )?
        .query_row([app.as_str()], |row| row.get(0))?;
    Ok(CertificateId::new(gap)?)
}

/// A credential that is there, or none.
enum Found {
    None,
    Whole(Box<StoredCredential>),
    /// Its row cannot be read.
    Damaged,
}

fn find(db: &Connection, app: &AppId, id: CertificateId) -> Outcome<Found> {
    let found = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM credential WHERE app = ?1 AND id = ?2"
        ))?
        .query_row(params![app.as_str(), id.get()], read)
        .optional();
    match found {
        Ok(Some(stored)) => Ok(Found::Whole(Box::new(stored))),
        Ok(None) => Ok(Found::None),
        Err(error) if is_damage(&error) => Ok(Found::Damaged),
        Err(error) => Err(error.into()),
    }
}

/// Writes a damaged row anew. Nothing that its devices rely on changes, as far as it can still be read.
fn replace_damaged(
    db: &Connection,
    id: CertificateId,
    new: NewCredential,
) -> Outcome<StoredCredential> {
    let stored = StoredCredential::new(id, new);
    // As bytes: any of them may be what is damaged.
    let channel: Vec<u8> = db
        .prepare_cached("SELECT CAST(channel AS BLOB) FROM credential WHERE app = ?1 AND id = ?2")?
        .query_row(params![stored.app.as_str(), id.get()], |row| row.get(0))?;
    let channel = String::from_utf8(channel).ok();
    if let Some(Ok(channel)) = channel.map(Channel::new)
        && channel != stored.channel
    {
        return Err(of_another(id, "channel"));
    }
    db.prepare_cached(
        "UPDATE credential SET provider = ?3, channel = ?4, environment = ?5, label = ?6, sealed = ?7,
         created_at = ?8, rotated_at = ?8, expires_at = ?9 WHERE app = ?1 AND id = ?2",
    )?
    .execute(params![
        stored.app.as_str(),
        id.get(),
        stored.provider,
        stored.channel.as_str(),
        stored.environment.map(Environment::as_str),
        stored.label,
        stored.sealed,
        stored.created_at.unix_millis(),
        stored.expires_at.map(Timestamp::unix_millis),
    ])?;
    Ok(stored)
}

fn of_another(id: CertificateId, what: &str) -> Failure {
    Error::new(
        ErrorKind::Conflict,
        format!("credential {id} is of another {what}"),
    )
    .advise("add it as a new credential")
    .into()
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredCredential> {
    let id = CertificateId::new(row.get(1)?).map_err(|error| damaged(1, error))?;
    let created_at = time(row, 7)?;
    let created = NewCredential::new(
        parsed(row, 0, AppId::new)?,
        row.get::<_, String>(2)?,
        parsed(row, 3, Channel::new)?,
        row.get(6)?,
        created_at,
    )
    .with_environment(parsed_if_any(row, 4, |word: String| word.parse())?)
    .with_label(row.get::<_, String>(5)?)
    .with_expires_at(parsed_if_any(row, 9, |millis| {
        Ok(Timestamp::from_unix_millis(millis))
    })?);
    let mut stored = StoredCredential::new(id, created);
    stored.rotated_at = time(row, 8)?;
    Ok(stored)
}
