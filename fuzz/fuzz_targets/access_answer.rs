//! An answer of a token endpoint, which every provider with one reads alike. Two bytes are the HTTP status, the rest is the body. A
//! refusal never costs a device token, and no text of the answer that was in the request remains.
#![no_main]

use bytes::Bytes;
use http::Response;
use push_core::{Timestamp, VendorAnswer, VerdictKind};
use push_kit::access::Grant;

/// What the request held.
const SECRET: &str = "the-secret-of-the-request";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [high, low, body @ ..] = input else {
        return;
    };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let response = Response::builder().status(status);
    let response = response
        .body(Bytes::copy_from_slice(body))
        .expect("the status is valid");
    let now = Timestamp::from_unix_seconds(1_700_000_000);
    let Err(verdict) = Grant::from_oauth(&response, now, &[SECRET]) else {
        return;
    };
    let answer = &verdict.answer;
    for text in [&answer.code, &answer.text, &answer.request_id] {
        assert!(text.len() <= VendorAnswer::MAX_BYTES, "{verdict:?}");
        assert!(!text.contains(SECRET), "{verdict:?}");
    }
    assert!(
        !matches!(
            verdict.kind,
            VerdictKind::TokenDead { .. } | VerdictKind::TokenUnusable(_) | VerdictKind::Accepted
        ),
        "{verdict:?}"
    );
});
