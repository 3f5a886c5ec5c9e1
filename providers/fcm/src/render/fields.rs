//! The fields of a message that callers may set (`projects.messages`).
use push_core::{Error, ErrorKind, Result};
use push_kit::overlay::{
    Field, Overlay,
    Shape::{Any, Flag, List, Number, Object, Text, TextMap, Whole, Word},
};
use serde_json::{Map, Value};

use super::{AndroidForm, forms};

/// The paths that vendor fields never set, with those of the form of `$android`. Targets come from registrations alone.
macro_rules! protected {
    ($($android:literal),+) => {
        &[
            "name",
            "token",
            "fid",
            "topic",
            "condition",
            "apns.live_activity_token",
            "apns.liveActivityToken",
            "data.ext",
            "data.delivery",
            "data.receiver",
            "webpush.data.ext",
            "webpush.data.delivery",
            "webpush.data.receiver",
            $($android),+
        ]
    };
}

const V1: Overlay = Overlay::new(protected![
    "android.restricted_package_name",
    "android.data.ext",
    "android.data.delivery",
    "android.data.receiver"
])
.with_fields(MESSAGE);

const V2: Overlay = Overlay::new(protected![
    "android_v2.restricted_package_name",
    "android_v2.data.ext",
    "android_v2.data.delivery",
    "android_v2.data.receiver"
])
.with_fields(MESSAGE_V2);

/// What vendor fields may set in a message with this form for Android.
pub(crate) const fn overlay(android: AndroidForm) -> &'static Overlay {
    match android {
        AndroidForm::V1 => &V1,
        AndroidForm::V2 => &V2,
    }
}

const MESSAGE: &[Field] = &[
    ("data", TextMap),
    ("notification", Object(NOTIFICATION)),
    ("android", Object(ANDROID)),
    ("apns", Object(APNS)),
    ("webpush", Object(WEBPUSH)),
    ("fcm_options", Object(OPTIONS)),
];

const MESSAGE_V2: &[Field] = &[
    ("data", TextMap),
    ("notification", Object(NOTIFICATION)),
    ("android_v2", Object(ANDROID_V2)),
    ("apns", Object(APNS)),
    ("webpush", Object(WEBPUSH)),
    ("fcm_options", Object(OPTIONS)),
];

const NOTIFICATION: &[Field] = &[("title", Text), ("body", Text), ("image", Text)];

const OPTIONS: &[Field] = &[("analytics_label", Text)];

const ANDROID: &[Field] = &[
    ("collapse_key", Text),
    ("priority", Word(&["NORMAL", "HIGH"])),
    ("ttl", Text),
    ("data", TextMap),
    ("direct_boot_ok", Flag),
    ("bandwidth_constrained_ok", Flag),
    ("restricted_satellite_ok", Flag),
    ("fcm_options", Object(OPTIONS)),
    ("notification", Object(ANDROID_NOTIFICATION)),
];

/// The fields of a notification of one form: those that both have, and `$own`.
macro_rules! notification_fields {
    ($($own:expr),+ $(,)?) => {
        &[
            ("title", Text),
            ("body", Text),
            ("icon", Text),
            ("color", Text),
            ("sound", Text),
            ("tag", Text),
            ("click_action", Text),
            ("body_loc_key", Text),
            ("body_loc_args", List(&Text)),
            ("title_loc_key", Text),
            ("title_loc_args", List(&Text)),
            ("channel_id", Text),
            ("image", Text),
            ("ticker", Text),
            ("sticky", Flag),
            ("event_time", Text),
            ("local_only", Flag),
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
            ("vibrate_timings", List(&Text)),
            ("default_vibrate_timings", Flag),
            ("default_sound", Flag),
            (
                "light_settings",
                Object(&[
                    (
                        "color",
                        Object(&[
                            ("red", Number),
                            ("green", Number),
                            ("blue", Number),
                            ("alpha", Number),
                        ]),
                    ),
                    ("light_on_duration", Text),
                    ("light_off_duration", Text),
                ]),
            ),
            ("default_light_settings", Flag),
            (
                "visibility",
                Word(&["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"]),
            ),
            ("notification_count", Whole(0, i32::MAX as i64)),
            $($own),+
        ]
    };
}

const ANDROID_NOTIFICATION: &[Field] = notification_fields![
    (
        "proxy",
        Word(&["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"]),
    ),
    ("bypass_proxy_notification", Flag),
];

/// Which of its two kinds a message is, the gateway decides: `background_sync` is not among them.
const ANDROID_V2: &[Field] = &[
    ("collapse_key", Text),
    ("ttl", Text),
    ("data", TextMap),
    ("direct_boot_ok", Flag),
    ("bandwidth_constrained_ok", Flag),
    ("restricted_satellite_ok", Flag),
    ("fcm_options", Object(OPTIONS)),
    (
        "remote_notification",
        Object(&[
            ("notification", Object(ANDROID_V2_NOTIFICATION)),
            ("mutable_content", Flag),
            ("use_as_v1_data_message", Flag),
        ]),
    ),
];

const ANDROID_V2_NOTIFICATION: &[Field] =
    notification_fields![("id", Whole(i32::MIN as i64, i32::MAX as i64))];

const APNS: &[Field] = &[
    ("headers", TextMap),
    ("payload", Any),
    (
        "fcm_options",
        Object(&[("analytics_label", Text), ("image", Text)]),
    ),
];

const WEBPUSH: &[Field] = &[
    ("headers", TextMap),
    ("data", TextMap),
    ("notification", Any),
    (
        "fcm_options",
        Object(&[("link", Text), ("analytics_label", Text)]),
    ),
];

/// Checks vendor fields of a message with this form for Android.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the field.
pub(crate) fn check(fields: &Map<String, Value>, android: AndroidForm) -> Result<()> {
    let other = android.other();
    if fields.keys().any(|key| is_name(key, other)) {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the vendor field `{}` excludes `{}`, which the gateway writes for this credential",
                other.key(),
                android.key()
            ),
        )
        .advise(format!(
            "set the fields of `{}` instead, or `android_v2` in the credential's configuration",
            android.key()
        )));
    }
    overlay(android).check(fields)?;
    forms::check(fields)?;
    check_headers("apns", APNS_HEADERS, fields)?;
    check_headers("webpush", WEBPUSH_HEADERS, fields)?;
    let own = |platform: &str| fields.get(platform)?.get("data");
    let data = [fields.get("data"), own(android.key()), own("webpush")];
    let keys = data
        .into_iter()
        .filter_map(|data| data?.as_object())
        .flat_map(Map::keys);
    for key in keys {
        if is_reserved(key) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the vendor field `data.{key}` has a name that FCM reserves"),
            )
            .advise("use another name"));
        }
    }
    Ok(())
}

/// Whether `key` is the field of `form`, in either of its spellings.
fn is_name(key: &str, form: AndroidForm) -> bool {
    key == form.key() || (form == AndroidForm::V2 && key == "androidV2")
}

/// Apple's headers that a message may set. The others name the topic, the request or who sends it, and the topic follows from
/// the push type.
const APNS_HEADERS: &[&str] = &["apns-collapse-id", "apns-expiration", "apns-priority"];

/// Headers of Web Push (RFC 8030 §5) that a message may set; `Topic` is the collapse key there.
const WEBPUSH_HEADERS: &[&str] = &["topic", "ttl", "urgency"];

fn check_headers(platform: &str, allowed: &[&str], fields: &Map<String, Value>) -> Result<()> {
    let headers = fields
        .get(platform)
        .and_then(|fields| fields.get("headers"))
        .and_then(Value::as_object);
    let wrong = headers.and_then(|headers| {
        headers
            .keys()
            .find(|name| !allowed.iter().any(|known| known.eq_ignore_ascii_case(name)))
    });
    match wrong {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the vendor field `{platform}.headers.{name}` is not one that a message may set"
            ),
        )
        .advise(format!("a message sets {}", allowed.join(", ")))),
    }
}

/// The wider of the two lists in Google's documentation.
fn is_reserved(key: &str) -> bool {
    matches!(key, "from" | "message_type") || key.starts_with("google") || key.starts_with("gcm")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(fields: Value) -> Result<(), String> {
        let fields = fields.as_object().expect("an object");
        check(fields, AndroidForm::V1).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_of_the_interface_pass() {
        for good in [
            json!({}),
            json!({"android": {"notification": {"channel_id": "calls", "color": "#ff0000"}}}),
            json!({"android": {"data": {"more": "1"}, "priority": "high"}}),
            json!({"data": {"more": "1"}, "fcm_options": {"analytics_label": "chat"}}),
            json!({"apns": {"payload": {"aps": {"badge": 3}}}}),
            json!({"apns": {"headers": {"apns-priority": "5"}}, "webpush": {"headers": {"TTL": "60"}}}),
        ] {
            assert_eq!(checked(good.clone()), Ok(()), "{good}");
        }
    }

    #[test]
    fn targets_click_data_android_v2_and_reserved_names_are_refused_by_name() {
        for (wrong, named) in [
            (json!({"topic": "all"}), "`topic`"),
            (json!({"token": "x"}), "`token`"),
            (json!({"fid": "x"}), "`fid`"),
            (json!({"data": {"ext": "{}"}}), "`data.ext`"),
            (
                json!({"android": {"data": {"receiver": "x"}}}),
                "`android.data.receiver`",
            ),
            (json!({"android": null}), "`android`"),
            (json!({"android_v2": {}}), "`android_v2`"),
            (json!({"data": {"google.x": "1"}}), "reserves"),
            (json!({"android": {"data": {"from": "1"}}}), "reserves"),
            (json!({"data": {"count": 1}}), "`data`"),
            (json!({"android": {"chanel": "im"}}), "`android.chanel`"),
            (
                json!({"android": {"restricted_package_name": "com.example.other"}}),
                "`android.restricted_package_name`",
            ),
            (
                json!({"apns": {"headers": {"Apns-Topic": "com.example.other"}}}),
                "`apns.headers.Apns-Topic`",
            ),
            (
                json!({"apns": {"headers": {"apns-push-type": "voip"}}}),
                "`apns.headers.apns-push-type`",
            ),
            (
                json!({"webpush": {"headers": {"authorization": "vapid x"}}}),
                "`webpush.headers.authorization`",
            ),
        ] {
            let error = checked(wrong.clone()).expect_err(named);
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}
