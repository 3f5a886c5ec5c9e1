//! The forms of single vendor fields, as the reference of the downlink message and the official server demo check them: Huawei refuses a
//! message for each of them, so that they are refused where an operator or a sender wrote them.
use push_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::MAX_TTL;

/// A path, what its value must be, in words, and whether it is.
type Form = (&'static str, &'static str, fn(&Value) -> bool);

const FORMS: &[Form] = &[
    (
        "ttl",
        "seconds as in `86400s`, at most `1296000s`",
        // Huawei's own demo also sends a number alone, and a fraction.
        |value| {
            let number = text(value).strip_suffix('s').unwrap_or(text(value));
            let is_plain = number
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            let seconds: Option<f64> = number.parse().ok().filter(|_| is_plain);
            seconds.is_some_and(|seconds| (1.0..=MAX_TTL.as_secs_f64()).contains(&seconds))
        },
    ),
    ("category", "a word in capitals, as in `IM`", |value| {
        let text = text(value);
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    }),
    ("notification.color", "a color as `#RRGGBB`", |value| {
        text(value).strip_prefix('#').is_some_and(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })
    }),
    ("notification.image", "an address with https", |value| {
        text(value).starts_with("https://")
    }),
    (
        "notification.style",
        "0, 1 (long text) or 3 (lines)",
        |value| matches!(value.as_i64(), Some(0 | 1 | 3)),
    ),
    ("notification.profile_id", "at most 64 bytes", |value| {
        text(value).len() <= 64
    }),
    ("notification.inbox_content", "at most 5 lines", |value| {
        length(value) <= 5
    }),
    (
        "notification.buttons",
        "at most 3 buttons, each with `name` and `action_type`",
        |value| {
            let has_both = |button: &Value| {
                !text(&button["name"]).is_empty() && button["action_type"].is_u64()
            };
            length(value) <= 3
                && value
                    .as_array()
                    .is_none_or(|list| list.iter().all(has_both))
        },
    ),
    (
        "notification.vibrate_config",
        "at most 10 durations as in `1s`, each below 60 s",
        |value| {
            let fits = |entry: &Value| {
                let seconds = text(entry)
                    .strip_suffix('s')
                    .and_then(|text| text.parse().ok());
                seconds.is_some_and(|seconds: f64| (0.0..60.0).contains(&seconds))
            };
            length(value) <= 10 && value.as_array().is_none_or(|list| list.iter().all(fits))
        },
    ),
];

/// Checks the form of every field that has one; `null`, which unsets a field, has any.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the first field that is wrong, and what belongs there.
pub(super) fn check(fields: &Map<String, Value>) -> Result<()> {
    for (path, words, has_form) in FORMS {
        let mut parts = path.split('.');
        let first = parts.next().and_then(|key| fields.get(key));
        let found = parts.fold(first, |value, key| value?.get(key));
        if let Some(value) = found.filter(|value| !value.is_null())
            && !has_form(value)
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the vendor field `{path}` must be {words}"),
            ));
        }
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn length(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_in_another_form_than_huawei_takes_is_refused_by_its_name() {
        let button = json!({ "name": "Open", "action_type": 0 });
        for (named, good, wrong) in [
            ("ttl", json!("1296000s"), json!("24h0m0s")),
            ("ttl", json!("1s"), json!("0s")),
            ("ttl", json!("1000"), json!("1e3s")),
            ("ttl", json!("3.5s"), json!("")),
            ("ttl", json!(null), json!("1296001s")),
            ("category", json!("PLAY_VOICE"), json!("im")),
            ("category", json!("IM"), json!("")),
            ("notification.color", json!("#A0b1C2"), json!("red")),
            (
                "notification.image",
                json!("https://example.com/a.png"),
                json!("http://example.com/a.png"),
            ),
            ("notification.style", json!(3), json!(2)),
            (
                "notification.profile_id",
                json!("x".repeat(64)),
                json!("x".repeat(65)),
            ),
            (
                "notification.inbox_content",
                json!(vec!["line"; 5]),
                json!(vec!["line"; 6]),
            ),
            (
                "notification.buttons",
                json!(vec![&button; 3]),
                json!(vec![&button; 4]),
            ),
            (
                "notification.buttons",
                json!([]),
                json!([{ "name": "Open" }]),
            ),
            (
                "notification.vibrate_config",
                json!(vec!["0.5s"; 10]),
                json!(vec!["1s"; 11]),
            ),
            (
                "notification.vibrate_config",
                json!(["59.9s"]),
                json!(["60s"]),
            ),
        ] {
            let checked = |value: &Value| {
                let mut fields = json!({});
                match named.strip_prefix("notification.") {
                    None => fields[named] = value.clone(),
                    Some(key) => fields["notification"][key] = value.clone(),
                }
                let fields = fields.as_object().expect("an object");
                check(fields).map_err(|error| error.to_string())
            };
            assert_eq!(checked(&good), Ok(()), "{named}: {good}");
            let error = checked(&wrong).expect_err(named);
            assert!(error.contains(&format!("`{named}`")), "{wrong}: {error}");
        }
    }
}
