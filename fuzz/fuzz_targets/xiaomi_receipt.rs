//! Receipts that the vendor posts, as a form or as JSON: what is read names a token, and a dead token since when it is dead.
#![no_main]

use bytes::Bytes;
use http::Request;
use push_core::{Late, VerdictKind};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let request = Request::new(Bytes::copy_from_slice(input));
    let Ok(received) = push_provider_xiaomi::fuzz::receipts(&request) else {
        return;
    };
    for receipt in received.receipts {
        assert!(receipt.token.is_some(), "{receipt:?}");
        if let Late::Verdict(verdict) = receipt.what {
            let is_undated = verdict.kind == VerdictKind::TokenDead { since: None };
            assert!(!is_undated, "{verdict:?}");
        }
    }
});
