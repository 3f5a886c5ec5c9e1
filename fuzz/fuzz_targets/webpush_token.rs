//! A subscription that a phone registers: what is accepted has a canonical form, and that is its own canonical form.
#![no_main]

use push_provider_webpush::fuzz::token;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Some(canonical) = token(text) {
        assert_eq!(token(canonical.expose()).as_ref(), Some(&canonical));
    }
});
