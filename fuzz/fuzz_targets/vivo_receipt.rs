//! Receipts that the vendor posts, unsigned. No type that ends a token is known without a configuration, so that no input costs
//! one; and none has more receipts than a request may.
#![no_main]

use bytes::Bytes;
use http::Request;
use push_core::Late;
use push_provider_vivo::fuzz::receipts;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(received) = receipts(&Request::new(Bytes::copy_from_slice(input))) else {
        return;
    };
    assert!(received.receipts.len() <= 10_000);
    for receipt in received.receipts {
        assert_eq!(receipt.what, Late::Delivered);
    }
});
