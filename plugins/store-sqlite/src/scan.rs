//! Pages of the users that an audience selects.
use std::collections::{HashMap, HashSet};

use push_core::{
    AppId, Audience, Cursor, DeviceId, Error, ErrorKind, Page, Receiver, Result, Tag, TagExpr,
    UserId,
};
use push_sqlite::{
    Outcome,
    rusqlite::{Connection, Params, params, types::ValueRef},
};

use crate::{
    devices::{self, One},
    row::{Damage, damaged},
    tags,
};

/// The most users of one page, whatever the caller allows.
const LARGEST_PAGE: usize = 10_000;

/// How many users or devices one page looks at, if that is more than it may have: few of them may be selected.
const EXAMINED: usize = 1000;

/// What was asked for.
pub(crate) struct Scan {
    app: AppId,
    audience: Audience,
    after: After,
    limit: usize,
}

/// Where a page begins.
enum After {
    /// At this place of a list.
    Position(usize),
    /// After the user with this id, which may not be UTF-8 if the file is damaged.
    User(Vec<u8>),
}

impl Scan {
    pub(crate) fn new(
        app: &AppId,
        audience: &Audience,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Self> {
        if limit == 0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a page of at most 0 users was asked for",
            ));
        }
        if let Audience::Tags(condition) = audience {
            condition.check()?;
        }
        let listed = audience.listed().is_some();
        let after = match after {
            None if listed => After::Position(0),
            None => After::User(Vec::new()),
            Some(cursor) => After::read(cursor.as_str(), listed).ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    "the cursor does not come from a scan of such an audience",
                )
                .advise("begin without a cursor")
            })?,
        };
        Ok(Self {
            app: app.clone(),
            audience: audience.clone(),
            after,
            limit: limit.min(LARGEST_PAGE),
        })
    }

    pub(crate) fn page(&self, db: &Connection, damage: &Damage) -> Outcome<Page<Receiver>> {
        match (&self.audience, &self.after) {
            (Audience::Users(users), After::Position(from)) => {
                self.of_users(db, damage, users, *from)
            }
            (Audience::Devices(devices), After::Position(from)) => {
                self.of_devices(db, damage, devices, *from)
            }
            (Audience::Tokens(_), _) => Ok(Page::last(Vec::new())),
            (Audience::Everybody, After::User(after)) => {
                let users = with_devices(db, &self.app, after, self.limit)?;
                self.of_candidates(db, damage, &users, self.limit, None)
            }
            (Audience::Tags(condition), After::User(after)) => {
                let examined = self.limit.max(EXAMINED);
                let users = match required(condition) {
                    Some(tags) => with_a_tag(db, &self.app, &tags, after, examined)?,
                    None => with_devices(db, &self.app, after, examined)?,
                };
                self.of_candidates(db, damage, &users, examined, Some(condition))
            }
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                "the store does not know this kind of audience",
            )
            .into()),
        }
    }

    fn of_users(
        &self,
        db: &Connection,
        damage: &Damage,
        users: &[UserId],
        from: usize,
    ) -> Outcome<Page<Receiver>> {
        let from = from.min(users.len());
        let mut seen: HashSet<&UserId> = users[..from].iter().collect();
        let mut items = Vec::new();
        let mut position = from;
        while let Some(user) = users.get(position).filter(|_| items.len() < self.limit) {
            position += 1;
            if seen.insert(user) {
                items.push(devices::of_user(db, damage, &self.app, user)?);
            }
        }
        Ok(Page::new(
            items,
            (position < users.len()).then(|| After::Position(position).write()),
        ))
    }

    fn of_devices(
        &self,
        db: &Connection,
        damage: &Damage,
        ids: &[DeviceId],
        from: usize,
    ) -> Outcome<Page<Receiver>> {
        let from = from.min(ids.len());
        let mut seen: HashSet<&DeviceId> = ids[..from].iter().collect();
        let mut items: Vec<Receiver> = Vec::new();
        let mut places: HashMap<UserId, usize> = HashMap::new();
        let end = ids.len().min(from + self.limit.max(EXAMINED));
        let mut position = from;
        for id in &ids[from..end] {
            let found = match seen.contains(id) {
                true => One::Missing,
                false => devices::one(db, damage, &self.app, id)?,
            };
            let (user, whole, damaged) = match found {
                One::Whole(user, device) => (Some(user), Some(device), None),
                One::Damaged(user) => (user, None, Some(Some(id.clone()))),
                One::Missing => (None, None, None),
            };
            if let Some(user) = user {
                let place = match places.get(&user) {
                    Some(place) => *place,
                    None if items.len() == self.limit => break,
                    None => {
                        places.insert(user.clone(), items.len());
                        items.push(Receiver::new(user, Vec::new()));
                        items.len() - 1
                    }
                };
                items[place].devices.extend(whole);
                items[place].damaged.extend(damaged);
            }
            seen.insert(id);
            position += 1;
        }
        Ok(Page::new(
            items,
            (position < ids.len()).then(|| After::Position(position).write()),
        ))
    }

    /// Those of `users` who have devices and whose tags match. There may be more users if `users` are as many as `asked`.
    fn of_candidates(
        &self,
        db: &Connection,
        damage: &Damage,
        users: &[Vec<u8>],
        asked: usize,
        condition: Option<&TagExpr>,
    ) -> Outcome<Page<Receiver>> {
        let mut items = Vec::new();
        let mut examined = 0;
        for id in users {
            if items.len() == self.limit {
                break;
            }
            examined += 1;
            let user = String::from_utf8(id.clone())
                .map_err(|error| {
                    let damaged_id = Error::new(ErrorKind::Corrupt, "a user id is not UTF-8");
                    damaged(0, damaged_id.because(error))
                })
                .and_then(|id| UserId::new(id).map_err(|error| damaged(0, error)));
            let Some(user) = damage.skip("device", user)? else {
                continue;
            };
            if let Some(condition) = condition
                && !condition.matches(&tags::of_user(db, damage, &self.app, &user)?)
            {
                continue;
            }
            let receiver = devices::of_user(db, damage, &self.app, &user)?;
            if !receiver.is_unknown() {
                items.push(receiver);
            }
        }
        let more = examined < users.len() || users.len() == asked;
        let last = examined.checked_sub(1).and_then(|last| users.get(last));
        Ok(Page::new(
            items,
            last.filter(|_| more)
                .map(|last| After::User(last.clone()).write()),
        ))
    }
}

impl After {
    fn write(&self) -> Cursor {
        Cursor::new(match self {
            Self::Position(position) => format!("position:{position}"),
            Self::User(id) => id.iter().fold("user:".to_owned(), |mut text, byte| {
                text.extend(
                    [byte >> 4, byte & 15]
                        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
                );
                text
            }),
        })
    }

    fn read(text: &str, listed: bool) -> Option<Self> {
        if listed {
            let position = text.strip_prefix("position:")?;
            return Some(Self::Position(position.parse().ok()?));
        }
        let digits = text.strip_prefix("user:")?;
        let pairs = digits.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        Some(Self::User(pairs.collect::<Option<_>>()?))
    }
}

/// Tags of which every user that `condition` selects has at least one; `None` if there are no such tags.
fn required(condition: &TagExpr) -> Option<Vec<Tag>> {
    match condition {
        TagExpr::Has(tag) => Some(vec![tag.clone()]),
        TagExpr::All(parts) => parts.iter().filter_map(required).min_by_key(Vec::len),
        TagExpr::Any(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(required).collect();
            parts.map(|parts| parts.concat())
        }
        TagExpr::Not(_) => None,
    }
}

/// The next users with devices, by id.
fn with_devices(db: &Connection, app: &AppId, after: &[u8], limit: usize) -> Outcome<Vec<Vec<u8>>> {
    ids(
        db,
        "SELECT DISTINCT user FROM device WHERE app = ?1 AND user > CAST(?2 AS TEXT) ORDER BY user LIMIT ?3",
        params![app.as_str(), after, limit as i64],
    )
}

/// The next users with at least one of `tags`, by id.
fn with_a_tag(
    db: &Connection,
    app: &AppId,
    tags: &[Tag],
    after: &[u8],
    limit: usize,
) -> Outcome<Vec<Vec<u8>>> {
    let mut users = Vec::new();
    for tag in tags {
        users.extend(ids(
            db,
            "SELECT user FROM tag INDEXED BY tag_by_name WHERE app = ?1 AND tag = ?4 AND user > CAST(?2 AS TEXT)
             ORDER BY user LIMIT ?3",
            params![app.as_str(), after, limit as i64, tag.as_str()],
        )?);
    }
    users.sort_unstable();
    users.dedup();
    users.truncate(limit);
    Ok(users)
}

fn ids(db: &Connection, sql: &str, parameters: impl Params) -> Outcome<Vec<Vec<u8>>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let ValueRef::Text(id) = row.get_ref(0)? {
            found.push(id.to_vec());
        }
    }
    Ok(found)
}
