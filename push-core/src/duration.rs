//! Durations in configuration files: `"500ms"`, `"20s"`, `"5m"`, `"1h"`, `"2d"`, or a whole number of seconds.
//!
//! ```
//! use std::time::Duration;
//! #[derive(serde::Deserialize)]
//! struct Table {
//!     #[serde(with = "push_core::duration")]
//!     timeout: Duration,
//! }
//! let table: Table = serde_json::from_str(r#"{"timeout":"1500ms"}"#).unwrap();
//! assert_eq!(table.timeout, Duration::from_millis(1500));
//! let table: Table = serde_json::from_str(r#"{"timeout":20}"#).unwrap();
//! assert_eq!(table.timeout, Duration::from_secs(20));
//! ```
use std::{fmt, time::Duration};

use serde::{Deserializer, Serializer, de};

/// The longest duration that is accepted: 3,650 days. A longer one is taken for a mistake.
pub const MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Reads a duration: a whole number and a unit (`ms`, `s`, `m`, `h`, `d`), or a whole number alone, which means seconds.
///
/// # Errors
/// A sentence that says what is accepted, if `text` is something else or longer than [`MAX`].
pub fn parse(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    let digits = trimmed
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let millis = match unit.trim_start() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong(text)),
    };
    let number: u64 = number.parse().map_err(|_| wrong(text))?;
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX)
        .ok_or_else(|| wrong(text))
}

fn wrong(text: &str) -> String {
    let text: String = text.chars().take(40).collect();
    format!(
        "`{text}` is not a duration: write a whole number of seconds, or a whole number with ms, s, m, h or d, like \"20s\", up to 3650d"
    )
}

/// Writes a duration in the largest unit that divides it, so that [`parse`] reads it back. Parts of a millisecond are lost.
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ] {
        if millis != 0 && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// For `#[serde(with = "push_core::duration")]`.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = Duration;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration like \"20s\" or \"500ms\", or a whole number of seconds")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).map_err(E::custom)
        }
        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
            Some(Duration::from_secs(seconds))
                .filter(|duration| *duration <= MAX)
                .ok_or_else(|| E::custom(wrong(&seconds.to_string())))
        }
        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
            u64::try_from(seconds)
                .map_err(|_| E::custom(wrong(&seconds.to_string())))
                .and_then(|seconds| self.visit_u64(seconds))
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// For `#[serde(with = "push_core::duration")]`.
///
/// # Errors
/// Those of `serializer`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_written_back() {
        for (text, millis) in [
            ("0ms", 0),
            ("500ms", 500),
            ("20s", 20_000),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis));
            assert_eq!(format(duration), text);
        }
        assert_eq!(parse(" 20 s ").unwrap(), Duration::from_secs(20));
        assert_eq!(parse("20").unwrap(), Duration::from_secs(20));
    }

    #[test]
    fn a_text_that_is_no_duration_is_refused_with_the_accepted_forms() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1w",
            "20 seconds",
            "3651d",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("write a whole number"), "{error}");
        }
        for json in ["-1", "1e9", "99999999999", "null", "[]"] {
            let mut from = serde_json::Deserializer::from_str(json);
            assert!(deserialize(&mut from).is_err(), "{json}");
        }
    }
}
