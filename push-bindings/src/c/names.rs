//! Names of objects that C code holds.
use std::{
    collections::BTreeMap,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The target type of a pointer to one of the header's incomplete types. There is never a value at the address.
#[repr(C)]
pub(super) struct Handle {
    _opaque: [u8; 0],
}

/// The objects of one kind that C code holds, by name.
///
/// A name is an odd number that looks like a pointer and is never used twice (on a 32-bit machine, not before two billion
/// others were). A name that is freed, unknown or of another kind finds nothing.
pub(super) struct Names<T>(Mutex<BTreeMap<usize, (usize, Arc<T>)>>);

impl<T> Names<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Names `it`, which [`Names::forget`] of `owner` removes if it is not taken before.
    pub(super) fn give(&self, owner: usize, it: Arc<T>) -> *mut Handle {
        let name = new();
        self.put(name, owner, it);
        ptr::without_provenance_mut(name)
    }

    /// Uses `name`, which [`new`] made.
    pub(super) fn put(&self, name: usize, owner: usize, it: Arc<T>) {
        self.lock().insert(name, (owner, it));
    }

    pub(super) fn get(&self, handle: *const Handle) -> Option<Arc<T>> {
        self.lock()
            .get(&handle.addr())
            .map(|(_, it)| Arc::clone(it))
    }

    pub(super) fn take(&self, handle: *const Handle) -> Option<Arc<T>> {
        self.lock().remove(&handle.addr()).map(|(_, it)| it)
    }

    /// Removes all objects that `owner` owns.
    pub(super) fn forget(&self, owner: usize) {
        let mut gone = Vec::new();
        self.lock().retain(|_, (its, it)| {
            let stays = *its != owner;
            if !stays {
                gone.push(Arc::clone(it));
            }
            stays
        });
        // Dropped without the lock: dropping may call the app, which may add a name.
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, (usize, Arc<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns an unused name.
pub(super) fn new() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(2, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn what_is_taken_forgotten_or_never_was_is_not_found() {
        let names = Names::new();
        let [mine, again, other] =
            [(7, "a"), (7, "b"), (8, "c")].map(|(owner, it)| names.give(owner, Arc::new(it)));
        assert_eq!(names.get(mine).as_deref(), Some(&"a"));
        assert_eq!(names.take(mine).as_deref(), Some(&"a"));
        assert_eq!(names.take(mine), None);
        names.forget(7);
        assert_eq!(names.get(again), None);
        assert_eq!(names.get(other).as_deref(), Some(&"c"));
        assert_eq!(names.get(ptr::null()), None);
        assert_eq!(names.get(ptr::from_ref(&names).cast()), None);
    }
}
