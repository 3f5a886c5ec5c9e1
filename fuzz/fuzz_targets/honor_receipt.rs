//! Receipts that the vendor posts: the input is the body. What ends a token is dated, at a time that a clock can have shown.
#![no_main]

use bytes::Bytes;
use http::Request;
use push_core::{Late, VerdictKind};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let request = Request::new(Bytes::copy_from_slice(input));
    let Ok(received) = push_provider_honor::fuzz::receipts(&request) else {
        return;
    };
    assert!(received.receipts.len() <= 1000);
    for receipt in received.receipts {
        if let Late::Verdict(verdict) = receipt.what
            && let VerdictKind::TokenDead { since } = verdict.kind
        {
            assert_eq!(since, Some(receipt.at), "{verdict:?}");
        }
    }
});
