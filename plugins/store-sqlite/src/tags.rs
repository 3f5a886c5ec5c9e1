//! Tags of users.
use push_core::{AppId, Error, ErrorKind, Result, Tag, UserId};
use push_sqlite::{Outcome, rusqlite::Connection};

use crate::row::{Damage, parsed};

/// Sorts tags and drops repeated ones.
pub(crate) fn checked(mut tags: Vec<Tag>) -> Result<Vec<Tag>> {
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > Tag::MAX_PER_USER {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "a user has at most {} tags, not {}",
                Tag::MAX_PER_USER,
                tags.len()
            ),
        ));
    }
    Ok(tags)
}

/// Replaces the tags of a user.
pub(crate) fn set(db: &Connection, app: &AppId, user: &UserId, tags: &[Tag]) -> Outcome<()> {
    db.prepare_cached("DELETE FROM tag WHERE app = ?1 AND user = ?2")?
        .execute([app.as_str(), user.as_str()])?;
    let mut insert = db.prepare_cached("INSERT INTO tag (app, user, tag) VALUES (?1, ?2, ?3)")?;
    for tag in tags {
        insert.execute([app.as_str(), user.as_str(), tag.as_str()])?;
    }
    Ok(())
}

/// The tags of a user, sorted.
pub(crate) fn of_user(
    db: &Connection,
    damage: &Damage,
    app: &AppId,
    user: &UserId,
) -> Outcome<Vec<Tag>> {
    let mut select =
        db.prepare_cached("SELECT tag FROM tag WHERE app = ?1 AND user = ?2 ORDER BY tag")?;
    let mut rows = select.query([app.as_str(), user.as_str()])?;
    let mut tags = Vec::new();
    while let Some(row) = rows.next()? {
        tags.extend(damage.skip("tag", parsed(row, 0, Tag::new))?);
    }
    Ok(tags)
}
