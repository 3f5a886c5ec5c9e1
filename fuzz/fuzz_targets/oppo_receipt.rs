//! Receipts that the vendor posts, which are not signed: any body is read or refused, and what is read has a bounded number of
//! receipts, none of which costs a token without a time.
#![no_main]

use bytes::Bytes;
use http::Request;
use push_core::{Late, VerdictKind};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let request = Request::new(Bytes::copy_from_slice(input));
    let Ok(received) = push_provider_oppo::fuzz::receipts(&request) else {
        return;
    };
    assert!(received.receipts.len() <= 10_000);
    for receipt in received.receipts {
        if let Late::Verdict(verdict) = receipt.what {
            assert_ne!(verdict.kind, VerdictKind::TokenDead { since: None });
        }
    }
});
