//! What a message may hold (`projects.messages`, discovery document of the interface).
use push_testkit::{
    Reply, json,
    serde_json::{self, Map, Value},
};

use super::{failure, invalid, rules};

// The reference of `projects.messages` and *About FCM messages*.
const MAX_PAYLOAD: usize = 4096;
const MAX_PAYLOAD_TO_TOPICS: usize = 2048;
const MAX_TTL: f64 = 28.0 * 24.0 * 3600.0;

/// The type of a field.
enum Type {
    Text,
    Bool,
    /// A whole number of 32 bits.
    Int,
    /// A fraction from 0 to 1, of a colour.
    Unit,
    /// Seconds with an `s`, as in `3.5s`.
    Duration,
    /// Text by text.
    TextMap,
    TextList,
    DurationList,
    /// Any object.
    Struct,
    /// One of these words, in any case, or its place among them: every admin SDK sends `high` for `HIGH`.
    Word(&'static [&'static str]),
    /// `#rrggbb`.
    Color,
    /// RFC 3339.
    Timestamp,
    Object(&'static [(&'static str, Self)]),
}

use Type::{
    Bool, Color, Duration, DurationList, Int, Object, Struct, Text, TextList, TextMap, Timestamp,
    Unit, Word,
};

const REQUEST: &[(&str, Type)] = &[("validate_only", Bool), ("message", Object(MESSAGE))];

const MESSAGE: &[(&str, Type)] = &[
    ("name", Text),
    ("token", Text),
    ("topic", Text),
    ("condition", Text),
    ("fid", Text),
    ("data", TextMap),
    (
        "notification",
        Object(&[("title", Text), ("body", Text), ("image", Text)]),
    ),
    ("android", Object(ANDROID)),
    ("android_v2", Object(ANDROID_V2)),
    (
        "apns",
        Object(&[
            ("headers", TextMap),
            ("payload", Struct),
            (
                "fcm_options",
                Object(&[("analytics_label", Text), ("image", Text)]),
            ),
            ("live_activity_token", Text),
        ]),
    ),
    (
        "webpush",
        Object(&[
            ("headers", TextMap),
            ("data", TextMap),
            ("notification", Struct),
            (
                "fcm_options",
                Object(&[("link", Text), ("analytics_label", Text)]),
            ),
        ]),
    ),
    ("fcm_options", Object(&[("analytics_label", Text)])),
];

const ANDROID: &[(&str, Type)] = &[
    ("collapse_key", Text),
    ("priority", Word(&["NORMAL", "HIGH"])),
    ("ttl", Duration),
    ("restricted_package_name", Text),
    ("data", TextMap),
    ("direct_boot_ok", Bool),
    ("bandwidth_constrained_ok", Bool),
    ("restricted_satellite_ok", Bool),
    ("fcm_options", Object(&[("analytics_label", Text)])),
    ("notification", Object(ANDROID_NOTIFICATION)),
];

/// A preview of 2026.
const ANDROID_V2: &[(&str, Type)] = &[
    ("collapse_key", Text),
    ("ttl", Duration),
    ("restricted_package_name", Text),
    ("data", TextMap),
    ("direct_boot_ok", Bool),
    ("bandwidth_constrained_ok", Bool),
    ("restricted_satellite_ok", Bool),
    ("fcm_options", Object(&[("analytics_label", Text)])),
    (
        "remote_notification",
        Object(&[
            ("notification", Object(ANDROID_NOTIFICATION)),
            ("mutable_content", Bool),
            ("use_as_v1_data_message", Bool),
        ]),
    ),
    ("background_sync", Object(&[])),
];

const ANDROID_NOTIFICATION: &[(&str, Type)] = &[
    ("title", Text),
    ("body", Text),
    ("icon", Text),
    ("color", Color),
    ("sound", Text),
    ("tag", Text),
    ("click_action", Text),
    ("body_loc_key", Text),
    ("body_loc_args", TextList),
    ("title_loc_key", Text),
    ("title_loc_args", TextList),
    ("channel_id", Text),
    ("image", Text),
    ("ticker", Text),
    ("sticky", Bool),
    ("event_time", Timestamp),
    ("local_only", Bool),
    (
        "notification_priority",
        Word(&[
            "PRIORITY_UNSPECIFIED",
            "PRIORITY_MIN",
            "PRIORITY_LOW",
            "PRIORITY_DEFAULT",
            "PRIORITY_HIGH",
            "PRIORITY_MAX",
        ]),
    ),
    ("vibrate_timings", DurationList),
    ("default_vibrate_timings", Bool),
    ("default_sound", Bool),
    (
        "light_settings",
        Object(&[
            (
                "color",
                Object(&[
                    ("red", Unit),
                    ("green", Unit),
                    ("blue", Unit),
                    ("alpha", Unit),
                ]),
            ),
            ("light_on_duration", Duration),
            ("light_off_duration", Duration),
        ]),
    ),
    ("default_light_settings", Bool),
    (
        "visibility",
        Word(&["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"]),
    ),
    ("notification_count", Int),
    ("bypass_proxy_notification", Bool),
    ("id", Int),
    (
        "proxy",
        Word(&["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"]),
    ),
];

/// Reads a request's body, with its fields in snake case.
///
/// # Errors
/// The answer to one that is not acceptable.
pub(super) fn read(body: &[u8]) -> Result<Value, Reply> {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        let message = "Invalid JSON payload received. Unexpected token.";
        return Err(failure(400, "INVALID_ARGUMENT", message, &[]));
    };
    let mut violations = Vec::new();
    let json = object(REQUEST, &json, "", &mut violations);
    if !violations.is_empty() {
        let message = violations
            .iter()
            .map(|it| it.description.as_str())
            .collect::<Vec<_>>()
            .join("\n");
        let list: Vec<Value> = violations
            .into_iter()
            .map(|it| json!({ "field": it.field, "description": it.description }))
            .collect();
        let detail = json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": list,
        });
        return Err(failure(400, "INVALID_ARGUMENT", &message, &[detail]));
    }
    semantics(&json["message"])?;
    Ok(json)
}

struct Violation {
    field: String,
    description: String,
}

fn object(
    fields: &[(&str, Type)],
    json: &Value,
    at: &str,
    violations: &mut Vec<Violation>,
) -> Value {
    let mut out = Map::new();
    let Value::Object(map) = json else {
        violations.push(wrong(at, json, "object"));
        return Value::Null;
    };
    for (key, value) in map {
        let name = snake(key);
        let Some((_, kind)) = fields.iter().find(|it| it.0 == name) else {
            let description = format!(
                "Invalid JSON payload received. Unknown name \"{key}\" at '{at}': Cannot find field."
            );
            violations.push(Violation {
                field: at.to_owned(),
                description,
            });
            continue;
        };
        let path = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        // To the protocol a null is a field that is not there.
        if value.is_null() {
            continue;
        }
        let value = match kind {
            Object(fields) => object(fields, value, &path, violations),
            kind => leaf(kind, value, &path, violations),
        };
        if out.insert(name, value).is_some() {
            violations.push(Violation {
                description: format!("Invalid value at '{path}': the field is given twice"),
                field: path,
            });
        }
    }
    out.into()
}

/// Checks a value and writes it as the service understands it: numbers given as text as numbers, words in capitals.
fn leaf(kind: &Type, value: &Value, at: &str, violations: &mut Vec<Violation>) -> Value {
    let text = |is_so: fn(&str) -> bool| value.as_str().is_some_and(is_so);
    let mut understood = value.clone();
    let (fits, name) = match kind {
        Text => (value.is_string(), "TYPE_STRING"),
        Bool => (value.is_boolean(), "TYPE_BOOL"),
        Int => {
            let number = int32(value);
            understood = number.into();
            (number.is_some(), "TYPE_INT32")
        }
        Unit => (
            value.as_f64().is_some_and(|it| (0.0..=1.0).contains(&it)),
            "TYPE_FLOAT",
        ),
        Duration => (
            text(|text| rules::seconds(text).is_some()),
            "google.protobuf.Duration",
        ),
        Struct => (value.is_object(), "google.protobuf.Struct"),
        Word(words) => {
            let word = match value {
                Value::String(text) => words.iter().find(|word| word.eq_ignore_ascii_case(text)),
                other => other
                    .as_u64()
                    .and_then(|place| words.get(usize::try_from(place).ok()?)),
            };
            understood = word.copied().into();
            (word.is_some(), "TYPE_ENUM")
        }
        Color => (text(rules::is_color), "a color as #rrggbb"),
        Timestamp => (text(rules::is_timestamp), "google.protobuf.Timestamp"),
        TextList => (list(value, Value::is_string), "TYPE_STRING"),
        DurationList => (
            list(value, |it| {
                it.as_str().is_some_and(|it| rules::seconds(it).is_some())
            }),
            "google.protobuf.Duration",
        ),
        TextMap => match value.as_object() {
            None => (false, "map"),
            Some(map) => {
                let values = map.values().enumerate();
                for (number, value) in values.filter(|it| !it.1.is_string()) {
                    violations.push(wrong(
                        &format!("{at}[{number}].value"),
                        value,
                        "TYPE_STRING",
                    ));
                }
                (true, "map")
            }
        },
        Object(_) => (true, "object"),
    };
    if !fits {
        violations.push(wrong(at, value, name));
    }
    understood
}

/// A whole number of 32 bits, as protobuf's JSON takes it: `3`, `3.0` or `"3"`.
fn int32(value: &Value) -> Option<i32> {
    let number = match value {
        Value::String(text) => text.parse().ok()?,
        other => other.as_f64()?,
    };
    let whole =
        number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation)]
    whole.then_some(number as i32)
}

fn list(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|it| it.iter().all(fits))
}

fn wrong(at: &str, value: &Value, kind: &str) -> Violation {
    Violation {
        field: at.to_owned(),
        description: format!("Invalid value at '{at}' ({kind}), {value}"),
    }
}

/// The interface takes `collapseKey` for `collapse_key`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for it in name.chars() {
        if it.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(it.to_ascii_lowercase());
    }
    out
}

/// What no schema can say.
fn semantics(message: &Value) -> Result<(), Reply> {
    let targets = ["token", "topic", "condition", "fid"];
    let named = targets.iter().filter(|it| message.get(**it).is_some());
    if named.count() != 1 {
        let words = "Exactly one of token, topic, condition or fid must be set";
        return Err(invalid("message", words));
    }
    let topics = match (message["topic"].as_str(), message["condition"].as_str()) {
        (Some(topic), _) if !rules::is_topic(topic) => {
            return Err(invalid("message.topic", "Malformed topic name"));
        }
        (_, Some(condition)) if rules::Condition::parse(condition).is_none() => {
            return Err(invalid("message.condition", "Invalid condition expression"));
        }
        (topic, condition) => topic.is_some() || condition.is_some(),
    };
    let (android, preview) = (&message["android"], &message["android_v2"]);
    if !preview.is_null() {
        if !android.is_null() {
            let words = "Only one of android and android_v2 may be set";
            return Err(invalid("message.android_v2", words));
        }
        let kinds = ["remote_notification", "background_sync"];
        if kinds
            .iter()
            .filter(|kind| preview.get(**kind).is_some())
            .count()
            != 1
        {
            let words = "Exactly one of remote_notification and background_sync must be set";
            return Err(invalid("message.android_v2", words));
        }
    }
    let shown_v2 = &preview["remote_notification"]["notification"];
    for (at, config, shown) in [
        ("android", android, &android["notification"]),
        ("android_v2", preview, shown_v2),
    ] {
        if config["ttl"].as_str().and_then(rules::seconds) > Some(MAX_TTL) {
            let words = "Invalid ttl: more than 28 days";
            return Err(invalid(&format!("message.{at}.ttl"), words));
        }
        if shown["notification_count"]
            .as_i64()
            .is_some_and(|count| count < 0)
        {
            let field = "message.android.notification.notification_count";
            return Err(invalid(field, "Invalid notification count: it is negative"));
        }
        // `id` is of the preview alone, `proxy` of the stable form alone.
        let foreign = if at == "android" { "id" } else { "proxy" };
        if shown.get(foreign).is_some() {
            let words = format!("Unknown name \"{foreign}\": Cannot find field.");
            return Err(invalid(&format!("message.{at}"), &words));
        }
    }
    for at in ["", "android", "android_v2", "apns", "webpush"] {
        let options = if at.is_empty() {
            &message["fcm_options"]
        } else {
            &message[at]["fcm_options"]
        };
        if options["analytics_label"]
            .as_str()
            .is_some_and(|label| !rules::is_label(label))
        {
            let at = if at.is_empty() { "" } else { &format!("{at}.") };
            let field = format!("message.{at}fcm_options.analytics_label");
            return Err(invalid(&field, "Invalid analytics label"));
        }
    }
    if message["webpush"]["fcm_options"]["link"]
        .as_str()
        .is_some_and(|link| !link.starts_with("https://"))
    {
        return Err(invalid(
            "message.webpush.fcm_options.link",
            "The link is not https",
        ));
    }
    let data = [&message["data"], &android["data"], &preview["data"]];
    for key in data
        .iter()
        .filter_map(|it| it.as_object())
        .flat_map(Map::keys)
    {
        let reserved = matches!(key.as_str(), "from" | "message_type" | "gcm")
            || key.starts_with("google")
            || key.starts_with("gcm.notification.");
        if reserved {
            return Err(invalid(
                "message.data",
                &format!("Invalid data payload key: {key}"),
            ));
        }
    }
    let shown = [&message["notification"], &android["notification"], shown_v2];
    let size: usize = data.iter().chain(&shown).map(|it| bytes(it)).sum();
    let largest = if topics {
        MAX_PAYLOAD_TO_TOPICS
    } else {
        MAX_PAYLOAD
    };
    if size > largest {
        return Err(invalid("message", "Android message is too big"));
    }
    Ok(())
}

/// The bytes of keys and values.
fn bytes(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.iter().map(|(key, it)| key.len() + bytes(it)).sum(),
        Value::Array(list) => list.iter().map(bytes).sum(),
        Value::String(text) => text.len(),
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => 4,
    }
}
