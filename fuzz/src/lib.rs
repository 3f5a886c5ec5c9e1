//! What the fuzz targets share. Each target states in its first lines which parser it drives and what must hold.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use push_core::{DeviceToken, VendorAnswer, Verdict, VerdictKind};
use serde::de::IgnoredAny;

/// A token that no input repeats by chance.
pub const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// Gives a vendor's answer to `classify` and checks its verdict.
///
/// Two bytes of the input are the HTTP status; if the next is odd, the line that follows is a `Retry-After`; the rest is the
/// body. The verdict's texts must be bounded, and an answer that is not JSON must not cost a token.
pub fn vendor_answer(input: &[u8], classify: impl Fn(&Response<Bytes>, &DeviceToken) -> Verdict) {
    let [high, low, flags, rest @ ..] = input else {
        return;
    };
    let (retry_after, body) = if flags % 2 == 1 {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let end = end.unwrap_or(rest.len());
        (Some(&rest[..end]), rest.get(end + 1..).unwrap_or_default())
    } else {
        (None, rest)
    };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let mut response = Response::builder().status(status);
    if let Some(Ok(value)) = retry_after.map(HeaderValue::from_bytes) {
        response = response.header(header::RETRY_AFTER, value);
    }
    let response = response
        .body(Bytes::copy_from_slice(body))
        .expect("status and header are valid");
    let token = DeviceToken::new(TOKEN).expect("a token");
    let verdict = classify(&response, &token);
    let answer = &verdict.answer;
    for text in [&answer.code, &answer.text, &answer.request_id] {
        assert!(text.len() <= VendorAnswer::MAX_BYTES, "{verdict:?}");
    }
    // As tolerant as a parser that skips unknown keys: it does not look into their texts.
    let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    assert!(
        is_json || !matches!(verdict.kind, VerdictKind::TokenDead { .. }),
        "an answer that is not JSON costs a token: {verdict:?}"
    );
}
