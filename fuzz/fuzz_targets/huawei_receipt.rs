//! Receipts that the vendor posts: the header with the signature up to the first line break, then the body. No input has a
//! valid signature, because none contains the key.
#![no_main]

use push_core::Secret;
use push_provider_huawei::receipt::{parse, verify_signature};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (header, body) = input.split_at(end.unwrap_or(input.len()));
    if let Ok(header) = std::str::from_utf8(header) {
        assert!(verify_signature(header, "user", &Secret::new("a key")).is_err());
    }
    if let Ok(read) = parse(body) {
        for receipt in read.receipts {
            let _ = receipt.delivery();
        }
    }
});
