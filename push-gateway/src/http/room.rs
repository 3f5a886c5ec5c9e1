//! What bodies that are being read may take of the memory: all of them together, and those of one app.
use std::{
    collections::HashMap,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use push_core::{AppId, Held};

use super::problem::Problem;

/// A body that is not larger than this, in bytes, is a small one: a ticket, a change of presence, a message.
const SMALL: usize = 64 * 1024;
/// What small bodies may take at least, in bytes.
const LEAST_FOR_SMALL: usize = 1024 * 1024;

/// The app whose body is read, in the extensions of its request once its key or secret is checked.
#[derive(Clone)]
pub(super) struct OfApp(pub(super) AppId);

/// The memory for bodies. Small ones have memory of their own, so that none waits for large ones.
#[derive(Clone)]
pub(super) struct Room {
    large: Arc<Pool>,
    small: Arc<Pool>,
}

impl Room {
    /// Room for `bytes` of large bodies, each of up to `limit` bytes, and for a quarter as much of small ones. It has room for two
    /// large bodies at least, so that one alone never takes more than an app's share.
    pub(super) fn new(bytes: usize, limit: usize) -> Self {
        let bytes = bytes.max(limit.saturating_mul(2));
        Self {
            large: Arc::new(Pool::new(bytes)),
            small: Arc::new(Pool::new((bytes / 4).max(LEAST_FOR_SMALL))),
        }
    }

    /// Nothing yet, for a body of `app` that is as long as `announced`, if that is known.
    pub(super) fn begin(&self, app: Option<AppId>, announced: Option<u64>) -> Taken {
        let is_small = announced.is_none_or(|length| length <= SMALL as u64);
        let pool = if is_small { &self.small } else { &self.large };
        Taken {
            share: Share::new(pool, app),
            larger: is_small.then(|| Arc::clone(&self.large)),
        }
    }
}

/// The memory of one body. It is free again when this drops.
pub(super) struct Taken {
    share: Share,
    /// Where it belongs if it is no small one; `None` if it is there.
    larger: Option<Arc<Pool>>,
}

impl Taken {
    /// Takes memory up to `length` bytes.
    ///
    /// # Errors
    /// If there is none left, or none for this app.
    pub(super) fn grow(&mut self, length: usize) -> Result<(), Problem> {
        if length > SMALL
            && let Some(pool) = self.larger.take()
        {
            self.share = Share::new(&pool, self.share.app.take());
        }
        self.share.grow(length as u64)
    }
}

struct Pool {
    capacity: u64,
    taken: Mutex<Total>,
}

#[derive(Default)]
struct Total {
    all: u64,
    of_apps: HashMap<AppId, u64>,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        Self {
            capacity: bytes as u64,
            taken: Mutex::default(),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Total> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Share {
    pool: Arc<Pool>,
    app: Option<AppId>,
    bytes: u64,
}

impl Share {
    fn new(pool: &Arc<Pool>, app: Option<AppId>) -> Self {
        Self {
            pool: Arc::clone(pool),
            app,
            bytes: 0,
        }
    }

    fn grow(&mut self, to: u64) -> Result<(), Problem> {
        let more = to.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let mut taken = self.pool.taken();
        let all = taken.all.saturating_add(more);
        if all > self.pool.capacity {
            return Err(Problem::overloaded(
                "the gateway reads as many bodies as it has memory for",
            ));
        }
        if let Some(app) = &self.app {
            let of_app = taken.of_apps.get(app).copied().unwrap_or_default();
            let of_app = of_app.saturating_add(more);
            // The rule for one byte more, at the last byte.
            let before = Held::default()
                .with_total(all - 1)
                .with_app(of_app - 1)
                .with_credential(0);
            if !before.app_has_room(self.pool.capacity) {
                return Err(Problem::overloaded(
                    "the gateway reads as many bodies of this app as it has memory for",
                ));
            }
            taken.of_apps.insert(app.clone(), of_app);
        }
        taken.all = all;
        self.bytes = to;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let bytes = mem::take(&mut self.bytes);
        let mut taken = self.pool.taken();
        taken.all = taken.all.saturating_sub(bytes);
        if let Some(app) = &self.app
            && let Some(of_app) = taken.of_apps.get_mut(app)
        {
            *of_app = of_app.saturating_sub(bytes);
            if *of_app == 0 {
                taken.of_apps.remove(app);
            }
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("large", &self.large.capacity)
            .field("small", &self.small.capacity)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn app(name: &str) -> Option<AppId> {
        Some(AppId::new(name).expect("an id"))
    }

    /// Bodies of that length for as long as there is room.
    fn fill(room: &Room, app: &Option<AppId>, length: usize) -> Vec<Taken> {
        let mut bodies = Vec::new();
        loop {
            let mut body = room.begin(app.clone(), Some(length as u64));
            // As it comes.
            if body
                .grow(length / 2)
                .and_then(|()| body.grow(length))
                .is_err()
            {
                return bodies;
            }
            bodies.push(body);
        }
    }

    #[test]
    fn an_app_that_takes_all_it_gets_leaves_memory_for_others_and_for_small_bodies() {
        let room = Room::new(64 * MIB, 8 * MIB);
        let (one, other) = (app("one"), app("other"));
        let large = fill(&room, &one, 8 * MIB);
        assert_eq!(large.len(), 6);
        assert_eq!(fill(&room, &other, 8 * MIB).len(), 1);
        let small = fill(&room, &one, SMALL);
        assert!(small.len() > 200, "{}", small.len());
        assert!(fill(&room, &other, SMALL).len() > 30);
        assert!(fill(&room, &other, 1000).len() > 1000);
        // Those who have no app are bounded by what there is.
        assert_eq!(fill(&room, &None, 8 * MIB).len(), 2);
        drop((large, small));
        assert_eq!(fill(&room, &other, 8 * MIB).len(), 6);
        assert!(room.large.taken().of_apps.is_empty());
        assert_eq!(room.large.taken().all + room.small.taken().all, 0);
    }

    #[test]
    fn a_body_of_unknown_length_counts_as_a_large_one_once_it_is() {
        let room = Room::new(4 * MIB, MIB);
        let mut body = room.begin(app("one"), None);
        for length in [1, SMALL, SMALL + 1, MIB] {
            assert!(body.grow(length).is_ok());
            let taken = [&room.small, &room.large].map(|pool| pool.taken().all as usize);
            let expected = if length > SMALL {
                [0, length]
            } else {
                [length, 0]
            };
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn one_body_of_the_largest_size_always_has_room() {
        for limit in [1000, MIB, 8 * MIB] {
            let room = Room::new(limit, limit);
            assert!(!fill(&room, &app("one"), limit).is_empty(), "{limit}");
        }
    }
}
