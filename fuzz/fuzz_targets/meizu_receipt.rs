//! Receipts that the vendor posts: a form. No input has the access token, because none contains it.
#![no_main]

use bytes::Bytes;
use http::Request;
use push_core::Secret;
use push_provider_meizu::fuzz::receipts;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let request = Request::new(Bytes::copy_from_slice(input));
    assert!(receipts(&request, Some(Secret::new("an access token of receipts"))).is_err());
    // A body without a token, as a credential without one takes it.
    let _ = receipts(&request, None);
});
