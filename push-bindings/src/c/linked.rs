//! The version and the linked parts of this build of the library.
use std::ffi::{CStr, c_char};

use push_core::{CertificateEntry, Registry, linked_interceptors, linked_route_handlers};

use super::fault::guarded;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

#[unsafe(no_mangle)]
extern "C" fn offline_push_version() -> *const c_char {
    VERSION.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn offline_push_linked_count() -> usize {
    guarded(|| {
        // Two parts of one name are refused at start, but they are linked.
        let plugins = Registry::linked(&[]).map_or(2, |it| it.iter().count());
        let routes = linked_route_handlers().map_or(2, |it| it.len());
        let interceptors = linked_interceptors().map_or(2, |it| it.len());
        Some(plugins + routes + interceptors + CertificateEntry::linked().count())
    })
    .unwrap_or_default()
}
