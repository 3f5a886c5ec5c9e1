//! The interface for a notification service extension.
use std::{ffi::c_char, ptr};

use super::{
    config::payload_shape as shape_of,
    fault::reporting,
    names::Handle,
    text::{give, read},
};
use crate::NotificationExtension;

#[unsafe(no_mangle)]
unsafe extern "C" fn offline_push_extension_delivered(
    folder: *const c_char,
    payload_shape: i32,
    payload: *const c_char,
    within_ms: u32,
    sent: *mut u32,
    waiting: *mut u32,
    problem: *mut *mut c_char,
    error: *mut *mut Handle,
) -> bool {
    let work = || {
        // SAFETY: the header requires texts that end with a zero.
        let (folder, payload) = unsafe { (read(folder, "folder")?, read(payload, "payload")?) };
        let extension = NotificationExtension::new(folder, shape_of(payload_shape)?);
        Ok(extension.delivered(payload, within_ms))
    };
    // SAFETY: the header requires NULL or a place for a pointer.
    let Some(done) = (unsafe { reporting(error, work) }) else {
        return false;
    };
    for (place, number) in [(sent, done.sent), (waiting, done.waiting)] {
        if !place.is_null() {
            // SAFETY: the header requires NULL or a place for a number.
            unsafe { place.write(number) };
        }
    }
    if !problem.is_null() {
        let words = done.problem.as_deref().map_or(ptr::null_mut(), give);
        // SAFETY: the header requires NULL or a place for a pointer.
        unsafe { problem.write(words) };
    }
    true
}
