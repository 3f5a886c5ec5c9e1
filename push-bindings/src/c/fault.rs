//! Passes errors to C, and keeps panics from it.
use std::{
    ffi::{CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::Arc,
};

use super::{
    names::{Handle, Names},
    text::c_string,
};
use crate::{ErrorKind, PushError};

/// The part of an error that C reads.
struct Fault {
    kind: i32,
    code: u32,
    message: CString,
}

static FAULTS: Names<Fault> = Names::new();

/// The owner of errors, which belong to the app and not to a client.
const NO_CLIENT: usize = 0;

/// Runs `work`. A panic counts as `None`.
pub(super) fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    // Shared data is behind locks that ignore poisoning; other data is dropped by the panic.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_default()
}

/// Runs `work` and writes its error, or NULL, to `error`.
///
/// # Safety
/// `error` is NULL, or points to a place for a pointer that is not used otherwise during the call.
pub(super) unsafe fn reporting<T>(
    error: *mut *mut Handle,
    work: impl FnOnce() -> Result<T, PushError>,
) -> Option<T> {
    let done = guarded(|| Some(work())).unwrap_or_else(|| {
        Err(PushError::new(
            ErrorKind::Internal,
            "offline push",
            "an internal error occurred",
            "report the text on the standard error output",
        ))
    });
    let (done, fault) = match done {
        Ok(done) => (Some(done), ptr::null_mut()),
        // Without `error` no caller would free it.
        Err(_) if error.is_null() => (None, ptr::null_mut()),
        Err(fault) => (None, FAULTS.give(NO_CLIENT, Arc::new(fault.into()))),
    };
    if !error.is_null() {
        // SAFETY: it is not NULL, and the caller promises that a pointer may be written there.
        unsafe { error.write(fault) };
    }
    done
}

/// Returns the error for a client that is not open.
pub(super) fn not_open() -> PushError {
    PushError::new(
        ErrorKind::Invalid,
        "client",
        "it is not an open client",
        "pass the result of offline_push_start(), and do not use it after offline_push_close()",
    )
}

/// `OFFLINE_PUSH_ERROR_…`
pub(super) const fn kind_number(kind: ErrorKind) -> i32 {
    match kind {
        ErrorKind::Config => 1,
        ErrorKind::Invalid => 2,
        ErrorKind::Conflict => 3,
        ErrorKind::Unavailable => 4,
        ErrorKind::Corrupt => 5,
        ErrorKind::Internal => 6,
    }
}

impl From<PushError> for Fault {
    fn from(error: PushError) -> Self {
        let message = c_string(&error.to_string());
        let PushError::Failed { kind, code, .. } = error;
        Self {
            kind: kind_number(kind),
            code: code.unwrap_or_default(),
            message,
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_error_get_kind(error: *const Handle) -> i32 {
    FAULTS.get(error).map_or(0, |it| it.kind)
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_error_get_code(error: *const Handle) -> u32 {
    FAULTS.get(error).map_or(0, |it| it.code)
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_error_get_message(error: *const Handle) -> *const c_char {
    match FAULTS.get(error) {
        // The text does not move until the error is freed.
        Some(it) => it.message.as_ptr(),
        None => c"this is not an error, or it was freed".as_ptr(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_error_free(error: *mut Handle) {
    drop(FAULTS.take(error));
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn message(error: *const Handle) -> String {
        // SAFETY: never NULL, and the error is not freed meanwhile.
        let text = unsafe { CStr::from_ptr(offline_push_error_get_message(error)) };
        text.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn an_error_can_be_read_until_it_is_freed() {
        let mut error = ptr::null_mut();
        // SAFETY: a place of this function.
        let done = unsafe { reporting(&raw mut error, || Err::<(), _>(not_open())) };
        assert_eq!(done, None);
        assert_eq!(offline_push_error_get_kind(error), 2);
        assert!(message(error).contains("not an open client"));
        offline_push_error_free(error);
        offline_push_error_free(error);
        assert_eq!(offline_push_error_get_kind(error), 0);
        assert!(message(error).contains("freed"));
    }

    #[test]
    fn a_panic_is_an_error_and_goes_no_further() {
        let mut error = ptr::null_mut();
        // SAFETY: a place of this function.
        let done = unsafe { reporting::<()>(&raw mut error, || panic!("ours")) };
        assert_eq!(done, None);
        assert_eq!(offline_push_error_get_kind(error), 6);
        offline_push_error_free(error);
        // SAFETY: NULL.
        let done = unsafe { reporting::<()>(ptr::null_mut(), || panic!("ours")) };
        assert_eq!(done, None);
        assert_eq!(guarded::<()>(|| panic!("ours")), None);
    }

    #[test]
    fn success_clears_what_the_app_left_there() {
        let mut error = ptr::without_provenance_mut(7);
        // SAFETY: a place of this function.
        assert_eq!(unsafe { reporting(&raw mut error, || Ok(1)) }, Some(1));
        assert!(error.is_null());
    }
}
