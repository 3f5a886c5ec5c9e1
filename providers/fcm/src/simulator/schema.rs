//! What a message may hold (`projects.messages`, discovery document of the interface).
use push_testkit::{
    Reply, json,
    serde_json::{self, Map, Value},
};

use super::{failure, invalid};
use crate::render::MAX_PAYLOAD;

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
    Word(&'static [&'static str]),
    Object(&'static [(&'static str, Self)]),
}

use Type::{
    Bool, Duration, DurationList, Int, Object, Struct, Text, TextList, TextMap, Unit, Word,
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

const ANDROID_NOTIFICATION: &[(&str, Type)] = &[
    ("title", Text),
    ("body", Text),
    ("icon", Text),
    ("color", Text),
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
    ("event_time", Text),
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
            kind => {
                leaf(kind, value, &path, violations);
                value.clone()
            }
        };
        out.insert(name, value);
    }
    out.into()
}

fn leaf(kind: &Type, value: &Value, at: &str, violations: &mut Vec<Violation>) {
    let (fits, name) = match kind {
        Text => (value.is_string(), "TYPE_STRING"),
        Bool => (value.is_boolean(), "TYPE_BOOL"),
        Int => (
            value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
            "TYPE_INT32",
        ),
        Unit => (
            value.as_f64().is_some_and(|it| (0.0..=1.0).contains(&it)),
            "TYPE_FLOAT",
        ),
        Duration => (
            value.as_str().is_some_and(|it| seconds(it).is_some()),
            "google.protobuf.Duration",
        ),
        Struct => (value.is_object(), "google.protobuf.Struct"),
        Word(words) => (
            value.as_str().is_some_and(|it| words.contains(&it)),
            "TYPE_ENUM",
        ),
        TextList => (list(value, Value::is_string), "TYPE_STRING"),
        DurationList => (
            list(value, |it| {
                it.as_str().is_some_and(|it| seconds(it).is_some())
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

/// The seconds of `3.5s`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    (digits(whole) && digits(fraction) && fraction.len() <= 9)
        .then(|| number.parse().ok())
        .flatten()
}

/// What no schema can say.
fn semantics(message: &Value) -> Result<(), Reply> {
    let targets = ["token", "topic", "condition", "fid"];
    let named = targets.iter().filter(|it| message.get(**it).is_some());
    if named.count() != 1 {
        let words = "Exactly one of token, topic, condition or fid must be set";
        return Err(invalid("message", words));
    }
    let android = &message["android"];
    if let Some(ttl) = android["ttl"].as_str().and_then(seconds)
        && ttl > 28.0 * 24.0 * 3600.0
    {
        return Err(invalid(
            "message.android.ttl",
            "Invalid ttl: more than 28 days",
        ));
    }
    if android["notification"]["notification_count"].as_i64() < Some(0)
        && !android["notification"]["notification_count"].is_null()
    {
        let field = "message.android.notification.notification_count";
        return Err(invalid(field, "Invalid notification count: it is negative"));
    }
    let data = [&message["data"], &android["data"]];
    for key in data
        .iter()
        .filter_map(|it| it.as_object())
        .flat_map(Map::keys)
    {
        let reserved = matches!(key.as_str(), "from" | "message_type" | "gcm")
            || key.starts_with("google.")
            || key.starts_with("gcm.");
        if reserved {
            return Err(invalid(
                "message.data",
                &format!("Invalid data payload key: {key}"),
            ));
        }
    }
    let shown = [&message["notification"], &android["notification"]];
    let size: usize = data.iter().chain(&shown).map(|it| bytes(it)).sum();
    if size > MAX_PAYLOAD {
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
