//! Copies text and bytes from and to C.
use std::ffi::{CStr, CString, c_char};

use crate::{ErrorKind, PushError};

/// Copies a text that must not be NULL. `what` names it in errors.
///
/// # Safety
/// `text` is NULL, or points to bytes up to a zero that are not modified during the call.
pub(super) unsafe fn read(text: *const c_char, what: &str) -> Result<String, PushError> {
    // SAFETY: as the caller promises.
    match unsafe { read_optional(text, what) }? {
        Some(text) => Ok(text),
        None => Err(PushError::new(
            ErrorKind::Invalid,
            what,
            "it is NULL",
            "pass a text that ends with a zero",
        )),
    }
}

/// Copies a text that may be NULL.
///
/// # Safety
/// As for [`read`].
pub(super) unsafe fn read_optional(
    text: *const c_char,
    what: &str,
) -> Result<Option<String>, PushError> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not NULL, and the caller promises that it ends with a zero and stays as it is while it is copied.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(error) => Err(PushError::new(
            ErrorKind::Invalid,
            what,
            format!("it is not UTF-8 from byte {} on", error.valid_up_to()),
            "convert it to UTF-8",
        )),
    }
}

/// Copies `count` values.
///
/// # Safety
/// `from` is NULL, or points to `count` values of `T` that are not modified during the call.
pub(super) unsafe fn read_array<T: Copy>(
    from: *const T,
    count: usize,
    what: &str,
) -> Result<Vec<T>, PushError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let wrong = |why: &str| {
        PushError::new(
            ErrorKind::Invalid,
            what,
            why,
            "pass the address of the first value, and the number of values",
        )
    };
    if from.is_null() {
        return Err(wrong("it is NULL, but its count is not 0"));
    }
    if !from.is_aligned() || count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(wrong(
            "the count is too large or the address is not aligned",
        ));
    }
    // SAFETY: it is not NULL and aligned, its length is below the limit, and the caller promises that the values are there and
    // stay as they are while they are copied.
    Ok(unsafe { std::slice::from_raw_parts(from, count) }.to_vec())
}

/// Passes a text to C, which frees it by `offline_push_string_free`.
pub(super) fn give(text: &str) -> *mut c_char {
    c_string(text).into_raw()
}

/// Returns the text for C. A zero inside would end it, so U+FFFD replaces it.
pub(super) fn c_string(text: &str) -> CString {
    match CString::new(text) {
        Ok(text) => text,
        Err(_) => CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: the header allows only what `give` made, once.
        drop(unsafe { CString::from_raw(text) });
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn null_and_invalid_utf8_are_errors() {
        // SAFETY: NULL or literals.
        let of =
            |text: *const c_char| unsafe { read(text, "user") }.map_err(|error| error.to_string());
        assert_eq!(of(c"zoë".as_ptr()), Ok("zoë".to_owned()));
        assert_eq!(of(c"".as_ptr()), Ok(String::new()));
        assert!(of(ptr::null()).unwrap_err().contains("user: it is NULL"));
        let error = of(c"ab\xff".as_ptr()).unwrap_err();
        assert!(error.contains("not UTF-8 from byte 2"), "{error}");
        // SAFETY: NULL.
        assert_eq!(unsafe { read_optional(ptr::null(), "x") }, Ok(None));
    }

    #[test]
    fn an_array_is_there_or_its_count_is_zero() {
        let of = |from: *const u32, count| {
            // SAFETY: NULL, an address that is not read, or a literal.
            unsafe { read_array(from, count, "slots") }.is_ok()
        };
        let two = [1, 2];
        assert!(of(two.as_ptr(), 2));
        assert!(of(ptr::null(), 0));
        assert!(!of(ptr::null(), 1));
        assert!(!of(two.as_ptr(), usize::MAX));
        assert!(!of(two.as_ptr().cast::<u8>().wrapping_add(1).cast(), 1));
    }

    #[test]
    fn a_zero_inside_does_not_cut_a_text() {
        assert_eq!(c_string("a\0b").to_str(), Ok("a\u{fffd}b"));
    }
}
