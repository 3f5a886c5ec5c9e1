//! The forms of single vendor fields, as the reference of `projects.messages` documents them: FCM refuses a message for each of them,
//! so that they are refused where an operator or a sender wrote them.
use push_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use super::MAX_TTL;

/// What a value must be, in words, and whether one is.
type Form = (&'static str, fn(&Value) -> bool);

const DURATION: Form = ("seconds with an `s`, as in `3.5s`", |value| {
    seconds(value).is_some()
});
const TTL: Form = (
    "seconds with an `s`, as in `3600s`, and at most 28 days",
    |value| seconds(value).is_some_and(|seconds| seconds <= MAX_TTL.as_secs_f64()),
);
const COLOR: Form = ("a color as `#rrggbb`", |value| {
    text(value).strip_prefix('#').is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
});
const FRACTION: Form = ("a number from 0 to 1", |value| {
    value
        .as_f64()
        .is_some_and(|part| (0.0..=1.0).contains(&part))
});
const TIME: Form = (
    "a time with its zone, as in `2026-11-30T20:00:00Z`",
    |value| is_time(text(value)),
);
const LABEL: Form = ("1 to 50 letters, digits and `-_.~%`", |value| {
    matches!(text(value).len(), 1..=50) && text(value).bytes().all(is_of_label)
});
const HTTPS: Form = ("an address with https", |value| {
    text(value).starts_with("https://")
});
const OBJECT: Form = ("an object", Value::is_object);
const PRIORITY: Form = ("\"10\", \"5\" or \"1\"", |value| {
    matches!(text(value), "10" | "5" | "1")
});
const DIGITS: Form = ("digits", |value| {
    let text = text(value);
    (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
});
const COLLAPSE_ID: Form = ("1 to 64 printable characters of ASCII", |value| {
    let text = text(value);
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
});
/// RFC 8030 §5.3 and §5.4.
const URGENCY: Form = ("very-low, low, normal or high", |value| {
    matches!(text(value), "very-low" | "low" | "normal" | "high")
});
const TOPIC: Form = ("1 to 32 letters, digits, `-` and `_`", |value| {
    matches!(text(value).len(), 1..=32) && text(value).bytes().all(is_of_topic)
});

/// The forms by path; `*` is every element of a list, and names of headers are read in any case.
const FORMS: &[(&str, Form)] = &[
    ("fcm_options.analytics_label", LABEL),
    ("ANDROID.fcm_options.analytics_label", LABEL),
    ("ANDROID.ttl", TTL),
    ("SHOWN.color", COLOR),
    ("SHOWN.event_time", TIME),
    ("SHOWN.vibrate_timings.*", DURATION),
    ("SHOWN.light_settings.light_on_duration", DURATION),
    ("SHOWN.light_settings.light_off_duration", DURATION),
    ("SHOWN.light_settings.color.red", FRACTION),
    ("SHOWN.light_settings.color.green", FRACTION),
    ("SHOWN.light_settings.color.blue", FRACTION),
    ("SHOWN.light_settings.color.alpha", FRACTION),
    ("apns.payload", OBJECT),
    ("apns.payload.aps", OBJECT),
    ("apns.headers.apns-priority", PRIORITY),
    ("apns.headers.apns-expiration", DIGITS),
    ("apns.headers.apns-collapse-id", COLLAPSE_ID),
    ("apns.fcm_options.analytics_label", LABEL),
    ("webpush.notification", OBJECT),
    ("webpush.headers.ttl", DIGITS),
    ("webpush.headers.urgency", URGENCY),
    ("webpush.headers.topic", TOPIC),
    ("webpush.fcm_options.link", HTTPS),
    ("webpush.fcm_options.analytics_label", LABEL),
];

/// Where the two forms of a message for Android have their fields.
const PLACES: [[(&str, &str); 2]; 2] = [
    [("ANDROID", "android"), ("SHOWN", "android.notification")],
    [
        ("ANDROID", "android_v2"),
        ("SHOWN", "android_v2.remote_notification.notification"),
    ],
];

/// Checks the form of every field that has one; `null`, which unsets a field, has any.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the first field that is wrong, and what belongs there.
pub(super) fn check(fields: &Map<String, Value>) -> Result<()> {
    for (path, form) in FORMS {
        for place in PLACES {
            let path = place.iter().fold((*path).to_owned(), |path, (name, at)| {
                path.replace(name, at)
            });
            let keys: Vec<&str> = path.split('.').collect();
            if !has_form(fields, &keys, form) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "the vendor field `{}` must be {}",
                        path.trim_end_matches(".*"),
                        form.0
                    ),
                ));
            }
        }
    }
    // Without its kind a message has none of the two, and is refused.
    let is_unset = fields
        .get("android_v2")
        .is_some_and(|android| android.get("remote_notification") == Some(&Value::Null));
    if is_unset {
        return Err(Error::new(
            ErrorKind::Invalid,
            "the vendor field `android_v2.remote_notification` is set by the gateway",
        )
        .advise("leave it out"));
    }
    Ok(())
}

fn has_form(fields: &Map<String, Value>, keys: &[&str], form: &Form) -> bool {
    let [key, rest @ ..] = keys else {
        return true;
    };
    let found = fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(key));
    found
        .map(|(_, value)| value)
        .all(|value| match (value, rest) {
            (Value::Null, _) => true,
            (value, []) => form.1(value),
            (Value::Object(inner), _) => has_form(inner, rest, form),
            (Value::Array(list), ["*"]) => list.iter().all(form.1),
            // Another shape is refused elsewhere.
            _ => true,
        })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The seconds of `3.5s`: up to nine digits of a fraction, as protobuf's JSON has them.
fn seconds(value: &Value) -> Option<f64> {
    let number = text(value).strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits(whole) && is_digits(fraction) && fraction.len() <= 9)
        .then(|| number.parse().ok())
        .flatten()
}

/// Whether `text` has the form of a time of RFC 3339 with a zone. Whether the day exists is left to FCM.
fn is_time(text: &str) -> bool {
    let Some((time, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let is_like = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| {
                if wanted == b'0' {
                    byte.is_ascii_digit()
                } else {
                    byte == wanted
                }
            })
    };
    let zone = rest.strip_prefix('.').map_or(rest, |fraction| {
        fraction.trim_start_matches(|character: char| character.is_ascii_digit())
    });
    let fraction = rest.len() - zone.len();
    is_like(time, "0000-00-00T00:00:00")
        && (fraction == 0 || (2..=10).contains(&fraction))
        && (zone == "Z" || is_like(zone, "+00:00") || is_like(zone, "-00:00"))
}

const fn is_of_label(byte: u8) -> bool {
    is_of_topic(byte) || matches!(byte, b'.' | b'~' | b'%')
}

const fn is_of_topic(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_in_another_form_than_fcm_takes_is_refused_by_its_name() {
        let shown = |field: Value| json!({ "android": { "notification": field } });
        let remote = |field: Value| json!({ "android_v2": { "remote_notification": { "notification": field } } });
        for (named, good, wrong) in [
            (
                "android.ttl",
                json!({ "android": { "ttl": "2419200s" } }),
                json!({ "android": { "ttl": "2419201s" } }),
            ),
            (
                "android.ttl",
                json!({ "android": { "ttl": "3.5s" } }),
                json!({ "android": { "ttl": "1h" } }),
            ),
            (
                "android_v2.ttl",
                json!({ "android_v2": { "ttl": null } }),
                json!({ "android_v2": { "ttl": "60" } }),
            ),
            (
                "android.notification.color",
                shown(json!({ "color": "#A0b1c2" })),
                shown(json!({ "color": "red" })),
            ),
            (
                "android_v2.remote_notification.notification.color",
                remote(json!({ "color": "#A0b1c2" })),
                remote(json!({ "color": "#A0b1c" })),
            ),
            (
                "android.notification.event_time",
                shown(json!({ "event_time": "2026-11-30T20:00:00.5+08:00" })),
                shown(json!({ "event_time": "2026-11-30T20:00:00" })),
            ),
            (
                "android.notification.event_time",
                shown(json!({ "event_time": "2026-11-30T20:00:00Z" })),
                shown(json!({ "event_time": "2026-11-30T20:00:00.Z" })),
            ),
            (
                "android.notification.vibrate_timings",
                shown(json!({ "vibrate_timings": ["0s", "0.25s"] })),
                shown(json!({ "vibrate_timings": ["0s", "250ms"] })),
            ),
            (
                "android.notification.light_settings.color.red",
                shown(json!({ "light_settings": { "color": { "red": 0.5 } } })),
                shown(json!({ "light_settings": { "color": { "red": 255 } } })),
            ),
            (
                "fcm_options.analytics_label",
                json!({ "fcm_options": { "analytics_label": "chat-1" } }),
                json!({ "fcm_options": { "analytics_label": "chat 1" } }),
            ),
            (
                "apns.payload.aps",
                json!({ "apns": { "payload": { "aps": { "category": "MESSAGE" } } } }),
                json!({ "apns": { "payload": { "aps": "MESSAGE" } } }),
            ),
            (
                "apns.headers.apns-priority",
                json!({ "apns": { "headers": { "apns-priority": "5" } } }),
                json!({ "apns": { "headers": { "Apns-Priority": "high" } } }),
            ),
            (
                "webpush.headers.urgency",
                json!({ "webpush": { "headers": { "Urgency": "very-low" } } }),
                json!({ "webpush": { "headers": { "Urgency": "now" } } }),
            ),
            (
                "webpush.headers.topic",
                json!({ "webpush": { "headers": { "Topic": "chat_42" } } }),
                json!({ "webpush": { "headers": { "topic": "chat 42" } } }),
            ),
            (
                "webpush.fcm_options.link",
                json!({ "webpush": { "fcm_options": { "link": "https://chat.example.com" } } }),
                json!({ "webpush": { "fcm_options": { "link": "chat.example.com" } } }),
            ),
            (
                "android_v2.remote_notification",
                remote(json!({})),
                json!({ "android_v2": { "remote_notification": null } }),
            ),
        ] {
            let checked = |fields: &Value| {
                check(fields.as_object().expect("an object")).map_err(|error| error.to_string())
            };
            assert_eq!(checked(&good), Ok(()), "{good}");
            let error = checked(&wrong).expect_err(named);
            assert!(error.contains(&format!("`{named}`")), "{wrong}: {error}");
        }
    }
}
