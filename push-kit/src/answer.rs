//! Reads what vendors answer: JSON with numbers of any size, and times of the vendor's clock.
use std::time::Duration;

use push_core::Timestamp;
use serde_json::Value;

/// How far a vendor's clock may be ahead of this machine's.
pub const CLOCKS_APART: Duration = Duration::from_secs(5 * 60);

/// The beginning of 2008: no push service is older.
const FIRST_PUSH: Timestamp = Timestamp::from_unix_seconds(1_199_145_600);

/// Returns the JSON in `body`; `null` if there is none. A number that no 64-bit float can hold (`1e400`) is read as `null`, so
/// that it hides no other member.
pub fn json(body: &[u8]) -> Value {
    let read = serde_json::from_slice(body).ok();
    let read = read.or_else(|| serde_json::from_slice(&without_huge_numbers(body)?).ok());
    read.unwrap_or_default()
}

/// Returns `body` with `null` in place of the numbers that are too large; `None` if there is no such number.
fn without_huge_numbers(body: &[u8]) -> Option<Vec<u8>> {
    let is_of_number =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let mut without = Vec::with_capacity(body.len());
    let (mut is_replaced, mut is_in_string) = (false, false);
    let mut rest = body;
    while let Some(&byte) = rest.first() {
        let length = match byte {
            // The character behind a backslash ends no string.
            b'\\' if is_in_string => 2,
            b'-' | b'0'..=b'9' if !is_in_string => {
                rest.iter().take_while(|byte| is_of_number(byte)).count()
            }
            _ => 1,
        };
        is_in_string ^= byte == b'"';
        let (token, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        let number = std::str::from_utf8(token).unwrap_or_default();
        if !is_in_string && number.parse().is_ok_and(f64::is_infinite) {
            without.extend_from_slice(b"null");
            is_replaced = true;
        } else {
            without.extend_from_slice(token);
        }
    }
    is_replaced.then_some(without)
}

/// Returns a whole number, which may be written as text; of another number what stands before the point, and the nearest number
/// of 64 bits where it is larger. `None` if it is no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a fraction is dropped, and what is too large becomes the largest number"
)]
pub fn number(value: &Value) -> Option<i64> {
    let of_float = |number: f64| number.is_finite().then_some(number as i64);
    match value {
        Value::Number(number) => number.as_i64().or_else(|| of_float(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| of_float(text.parse().ok()?))
        }
        _ => None,
    }
}

/// Returns a text, or a number as text; the empty text for anything else. Vendors write codes both ways.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns the time in the past that a vendor wrote as milliseconds since 1970, at most `now`. `None` if no vendor can mean it: a
/// time before 2008, or later than [`CLOCKS_APART`] from now.
pub fn past(millis: i64, now: Timestamp) -> Option<Timestamp> {
    let at = Timestamp::from_unix_millis(millis);
    (FIRST_PUSH <= at && at <= now + CLOCKS_APART).then(|| at.min(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    #[test]
    fn a_number_that_is_too_large_hides_no_other_member() {
        for (body, wanted) in [
            (r#"{"a":1e400,"b":"x"}"#, json!({ "a": null, "b": "x" })),
            (r#"{"b":"x","a":-1e400}"#, json!({ "a": null, "b": "x" })),
            (r#"[1E+999 , 2, [9e999]]"#, json!([null, 2, [null]])),
            (
                r#"{"a":1e400,"b":"1e400 \" 1e400","c\\":"\\"}"#,
                json!({ "a": null, "b": "1e400 \" 1e400", "c\\": "\\" }),
            ),
            ("1e400", Value::Null),
            (r#"{"a":1.5e3}"#, json!({ "a": 1500.0 })),
        ] {
            assert_eq!(json(body.as_bytes()), wanted, "{body}");
        }
        for body in [
            "",
            "<html>1e400",
            r#"{"a":1e400"#,
            r#"{"a":"1e400"#,
            "\\",
            "\"\\",
        ] {
            assert_eq!(json(body.as_bytes()), Value::Null, "{body}");
        }
    }

    #[test]
    fn a_number_is_read_in_every_form_and_never_wraps() {
        for (value, wanted) in [
            (json!(7), Some(7)),
            (json!(-7), Some(-7)),
            (json!(7.9), Some(7)),
            (json!(" 7 "), Some(7)),
            (json!("7.9"), Some(7)),
            (json!(u64::MAX), Some(i64::MAX)),
            (json!(1e300), Some(i64::MAX)),
            (json!("-1e300"), Some(i64::MIN)),
            (json!("1e400"), None),
            (json!("NaN"), None),
            (json!("seven"), None),
            (json!(null), None),
            (json!([7]), None),
        ] {
            assert_eq!(number(&value), wanted, "{value}");
        }
    }

    #[test]
    fn only_a_time_that_a_vendor_can_mean_is_one() {
        let now = NOW.unix_millis();
        for (millis, wanted) in [
            (now, Some(NOW)),
            (
                1_454_948_015_990,
                Some(Timestamp::from_unix_millis(1_454_948_015_990)),
            ),
            (now + 5 * 60_000, Some(NOW)),
            (now + 5 * 60_000 + 1, None),
            (now / 1000, None),
            (now * 1000, None),
            (1_199_145_599_999, None),
            (0, None),
            (-1, None),
            (i64::MIN, None),
            (i64::MAX, None),
        ] {
            assert_eq!(past(millis, NOW), wanted, "{millis}");
        }
    }

    proptest! {
        #[test]
        fn json_is_read_as_it_is_where_no_number_is_too_large(body in ".{0,60}", number in any::<i64>()) {
            let value = json!({ body.clone(): [number, body.clone()] });
            prop_assert_eq!(json(value.to_string().as_bytes()), value.clone());
            prop_assert_eq!(without_huge_numbers(value.to_string().as_bytes()), None);
            json(body.as_bytes());
        }
    }
}
