//! Pages of the users that an audience selects.
use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use push_core::{Audience, Cursor, DeviceId, Error, ErrorKind, Page, Receiver, Result, UserId};

use crate::app::App;

/// How many users one page looks at before it ends, whether it is full or not.
const EXAMINED: usize = 10_000;

pub(crate) fn page(
    app: Option<&App>,
    audience: &Audience,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Receiver>> {
    if limit == 0 {
        return Err(Error::new(
            ErrorKind::Invalid,
            "a page of at most 0 users was asked for",
        ));
    }
    match audience {
        Audience::Users(users) => Ok(of_users(app, users, position(after)?, limit)),
        Audience::Devices(devices) => Ok(of_devices(app, devices, position(after)?, limit)),
        Audience::Tags(condition) => {
            condition.check()?;
            walk(app, after, limit, |app, user| {
                condition.matches(app.tags.get(user).map_or(&[], Vec::as_slice))
            })
        }
        Audience::Everybody => walk(app, after, limit, |_, _| true),
        Audience::Tokens(_) => Ok(Page::last(Vec::new())),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            "the store does not know this kind of audience",
        )),
    }
}

/// A place in a listed audience.
fn position(after: Option<&Cursor>) -> Result<usize> {
    let Some(after) = after else {
        return Ok(0);
    };
    let number = after.as_str().strip_prefix("position:");
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(not_ours)
}

fn at_position(position: usize, len: usize) -> Option<Cursor> {
    (position < len).then(|| Cursor::new(format!("position:{position}")))
}

fn not_ours() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "the cursor does not come from a scan of such an audience",
    )
    .advise("begin without a cursor")
}

fn of_users(app: Option<&App>, users: &[UserId], from: usize, limit: usize) -> Page<Receiver> {
    let from = from.min(users.len());
    let mut seen: HashSet<&UserId> = users[..from].iter().collect();
    let mut items = Vec::new();
    let mut position = from;
    while let Some(user) = users.get(position).filter(|_| items.len() < limit) {
        position += 1;
        if seen.insert(user) {
            let devices = app.map(|app| app.devices_of(user)).unwrap_or_default();
            items.push(Receiver::new(user.clone(), devices));
        }
    }
    Page::new(items, at_position(position, users.len()))
}

fn of_devices(
    app: Option<&App>,
    devices: &[DeviceId],
    from: usize,
    limit: usize,
) -> Page<Receiver> {
    let from = from.min(devices.len());
    let mut seen: HashSet<&DeviceId> = devices[..from].iter().collect();
    let mut items: Vec<Receiver> = Vec::new();
    let mut places: HashMap<&UserId, usize> = HashMap::new();
    let mut position = from;
    while let Some(id) = devices.get(position) {
        if !seen.contains(id)
            && let Some((user, device)) = app.and_then(|app| app.device(id))
        {
            match places.get(user) {
                Some(place) => items[*place].devices.push(device),
                None if items.len() == limit => break,
                None => {
                    places.insert(user, items.len());
                    items.push(Receiver::new(user.clone(), vec![device]));
                }
            }
        }
        seen.insert(id);
        position += 1;
    }
    Page::new(items, at_position(position, devices.len()))
}

/// Users with devices, by id.
fn walk(
    app: Option<&App>,
    after: Option<&Cursor>,
    limit: usize,
    selects: impl Fn(&App, &UserId) -> bool,
) -> Result<Page<Receiver>> {
    let from = match after {
        None => Bound::Unbounded,
        Some(after) => {
            let user = after.as_str().strip_prefix("user:").ok_or_else(not_ours)?;
            Bound::Excluded(UserId::new(user).map_err(|_| not_ours())?)
        }
    };
    let mut items = Vec::new();
    let Some(app) = app else {
        return Ok(Page::last(items));
    };
    let mut users = app
        .users
        .range((from, Bound::Unbounded))
        .map(|(user, _)| user);
    let mut last = None;
    for user in users.by_ref().take(EXAMINED) {
        last = Some(user);
        if selects(app, user) {
            items.push(Receiver::new(user.clone(), app.devices_of(user)));
            if items.len() == limit {
                break;
            }
        }
    }
    let next = last
        .filter(|_| users.next().is_some())
        .map(|user| Cursor::new(format!("user:{user}")));
    Ok(Page::new(items, next))
}
