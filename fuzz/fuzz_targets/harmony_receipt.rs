//! Receipts that the vendor posts: the header with the signature up to the first line break, then the body. No input has a
//! valid signature, because none contains the key.
#![no_main]

use bytes::Bytes;
use http::{HeaderValue, Request};
use push_core::Secret;
use push_provider_harmony::fuzz::receipts;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (header, body) = input.split_at(end.unwrap_or(input.len()));
    let mut request = Request::new(Bytes::copy_from_slice(body));
    if let Ok(signature) = HeaderValue::from_bytes(header) {
        request
            .headers_mut()
            .insert("x-huawei-callback-id", signature);
    }
    assert!(receipts(&request, Some(Secret::new("a key"))).is_err());
    // A body without a signer, as a credential without a receipt key takes it.
    let _ = receipts(&request, None);
});
