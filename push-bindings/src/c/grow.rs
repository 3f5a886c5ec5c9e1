//! Structs that may get more fields and begin with their size.
use std::{mem::MaybeUninit, ptr};

use crate::{ErrorKind, PushError};

/// A struct that the app fills, beginning with its size.
///
/// # Safety
/// The type is `repr(C)`, begins with a `usize`, and every pattern of bytes is a value of it that its owner may read field by
/// field, all zeros included: it has no `bool`, no enum, no reference.
pub(super) unsafe trait Grow: Copy {
    /// Its name in the header.
    const NAME: &'static str;
    /// Its size in the first version of the header.
    const FIRST: usize;
}

/// Copies a struct that the app has filled. Fields that the app's header does not have yet are zero.
///
/// # Safety
/// `from` is NULL, or points to a `usize` and, if that is at least [`Grow::FIRST`], to that number of bytes, which are not
/// modified during the call.
pub(super) unsafe fn read<T: Grow>(from: *const T) -> Result<T, PushError> {
    let wrong = |what: String| {
        PushError::new(
            ErrorKind::Config,
            T::NAME,
            what,
            format!("begin with `{0} it = {0}_new();` and pass `&it`", T::NAME),
        )
    };
    if from.is_null() {
        return Err(wrong("it is NULL".to_owned()));
    }
    if !from.is_aligned() {
        return Err(wrong(
            "the address is not aligned for such a struct".to_owned(),
        ));
    }
    // SAFETY: it is not NULL and aligned, and the caller promises that a `usize` is there.
    let size = unsafe { from.cast::<usize>().read() };
    if size < T::FIRST || size > T::FIRST * 16 {
        return Err(wrong(format!(
            "its field `size` is {size}, but the first version had {}",
            T::FIRST
        )));
    }
    let known = size.min(size_of::<T>());
    // SAFETY: `known` is at most `size`, up to which the caller promises bytes.
    let newer = unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(known), size - known) };
    if newer.iter().any(|it| *it != 0) {
        return Err(wrong(
            "it sets a field that only a newer version of the library has".to_owned(),
        ));
    }
    let mut it = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller promises `size` bytes, of which `known` are copied into a value of at least that size; the two
    // do not overlap, since one of them was made here. All zeros, and any bytes over them, are a value of a `Grow`.
    unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), it.as_mut_ptr().cast::<u8>(), known);
        Ok(it.assume_init())
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Today {
        size: usize,
        first: u64,
        second: u64,
    }
    // SAFETY: `repr(C)`, and made of numbers.
    unsafe impl Grow for Today {
        const NAME: &'static str = "today";
        const FIRST: usize = 16;
    }

    fn of(words: &[u64]) -> Result<Today, String> {
        // SAFETY: in every test, the array has at least as many bytes as its first element says.
        unsafe { read(words.as_ptr().cast::<Today>()) }.map_err(|error| error.to_string())
    }

    #[test]
    fn an_older_struct_is_read_with_zeros_behind_it() {
        let it = Today {
            size: 16,
            first: 5,
            second: 0,
        };
        assert_eq!(of(&[16, 5, 99]), Ok(it));
    }

    #[test]
    fn a_newer_struct_is_read_as_long_as_nothing_new_is_said() {
        assert_eq!(of(&[32, 5, 6, 0]).map(|it| it.second), Ok(6));
        assert!(of(&[32, 5, 6, 1]).unwrap_err().contains("newer version"));
    }

    #[test]
    fn a_struct_that_was_not_prepared_is_refused() {
        assert!(of(&[0, 5, 6]).unwrap_err().contains("today_new()"));
        assert!(of(&[u64::MAX, 5, 6]).is_err());
        // SAFETY: NULL.
        let null = unsafe { read::<Today>(ptr::null()) };
        assert!(null.unwrap_err().to_string().contains("NULL"));
    }
}
