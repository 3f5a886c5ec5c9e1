//! What is kept of a vendor's answer.
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
use push_core::{DeviceToken, Retry, Timestamp, VendorAnswer};

/// 2023-11-14T22:13:20Z.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn read(value: &str) -> Option<Retry> {
    let mut headers = HeaderMap::new();
    headers.insert(
        RETRY_AFTER,
        HeaderValue::from_str(value).expect("a header's value"),
    );
    Retry::from_headers(&headers, NOW)
}

#[test]
fn seconds_and_every_http_date_are_read() {
    let after = |seconds| Some(Retry::After(Duration::from_secs(seconds)));
    assert_eq!(read("7"), after(7));
    assert_eq!(read(" 0 "), after(0));
    assert_eq!(read("Tue, 14 Nov 2023 22:14:20 GMT"), after(60));
    assert_eq!(read("Tuesday, 14-Nov-23 22:14:20 GMT"), after(60));
    assert_eq!(read("Tue Nov 14 22:14:20 2023"), after(60));
}

#[test]
fn a_date_that_is_past_means_now() {
    assert_eq!(
        read("Tue, 14 Nov 2023 22:13:19 GMT"),
        Some(Retry::After(Duration::ZERO))
    );
}

#[test]
fn what_makes_no_sense_is_no_advice() {
    for value in ["", "-7", "+7", "7s", "1.5", "soon", "0x10"] {
        assert_eq!(read(value), None, "{value}");
    }
    assert_eq!(Retry::from_headers(&HeaderMap::new(), NOW), None);
}

#[test]
fn no_vendor_can_silence_us_for_ever() {
    let longest = Some(Retry::After(Retry::MAX_AFTER));
    assert_eq!(read("99999999999999999999999"), longest);
    assert_eq!(read("31536000"), longest);
    assert_eq!(read("Fri, 31 Dec 9999 23:59:59 GMT"), longest);
}

#[test]
fn a_token_that_a_vendor_repeats_is_taken_out_even_where_it_was_cut() {
    let token = DeviceToken::new("dJ7x:APA91b-token-of-a-test").unwrap();
    let whole = VendorAnswer::new(400, "x")
        .with_text("dJ7x:APA91b-token-of-a-test is wrong")
        .without(&token);
    assert_eq!(whole.text, "… is wrong");
    let padding = " ".repeat(VendorAnswer::MAX_BYTES - 12);
    let cut = VendorAnswer::new(400, "x")
        .with_text(format!("{padding}dJ7x:APA91b-token-of-a-test is wrong"))
        .without(&token);
    assert_eq!(cut.text, format!("{padding}…"));
    let other = VendorAnswer::new(400, "x")
        .with_text("dJ7x")
        .without(&token);
    assert_eq!(other.text, "dJ7x");
}
