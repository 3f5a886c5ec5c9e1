//! The fields of `message.android` that callers may set.
use push_core::Result;
use push_kit::overlay::{
    Field, Overlay,
    Shape::{Any, Flag, List, Number, Object, Text, Whole, Word},
};
use serde_json::{Map, Value};

use super::forms;

/// What vendor fields may set. `data` and the click are the way of `ext` to the app; `bi_tag` names the delivery in receipts, and
/// `receipt_id` where they go; `target_user_type` and `fast_app_target` choose between test and release, as the credential does.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "bi_tag",
    "data",
    "fast_app_target",
    "notification.click_action",
    "receipt_id",
    "target_user_type",
])
.with_fields(ANDROID);

const ANDROID: &[Field] = &[
    ("collapse_key", Whole(-1, 100)),
    ("urgency", Word(&["HIGH", "NORMAL"])),
    ("category", Text),
    ("ttl", Text),
    ("notification", Object(NOTIFICATION)),
];

const NUMBER: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

const NOTIFICATION: &[Field] = &[
    ("title", Text),
    ("body", Text),
    ("icon", Text),
    ("color", Text),
    ("sound", Text),
    ("default_sound", Flag),
    ("tag", Text),
    ("body_loc_key", Text),
    ("body_loc_args", List(&Text)),
    ("title_loc_key", Text),
    ("title_loc_args", List(&Text)),
    // A key, and for each language its text.
    ("multi_lang_key", Any),
    ("channel_id", Text),
    ("notify_summary", Text),
    ("image", Text),
    ("style", Whole(0, 3)),
    ("big_title", Text),
    ("big_body", Text),
    ("notify_id", Whole(NUMBER.0, NUMBER.1)),
    ("group", Text),
    (
        "badge",
        Object(&[
            ("add_num", Whole(1, 99)),
            ("set_num", Whole(0, 99)),
            ("class", Text),
        ]),
    ),
    ("ticker", Text),
    ("when", Text),
    ("importance", Word(&["LOW", "NORMAL"])),
    ("use_default_vibrate", Flag),
    ("use_default_light", Flag),
    ("vibrate_config", List(&Text)),
    (
        "visibility",
        Word(&["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"]),
    ),
    (
        "light_settings",
        Object(&[
            (
                "color",
                Object(&[
                    ("alpha", Number),
                    ("red", Number),
                    ("green", Number),
                    ("blue", Number),
                ]),
            ),
            ("light_on_duration", Text),
            ("light_off_duration", Text),
        ]),
    ),
    ("foreground_show", Flag),
    ("profile_id", Text),
    ("inbox_content", List(&Text)),
    (
        "buttons",
        List(&Object(&[
            ("name", Text),
            ("action_type", Whole(0, 4)),
            ("intent_type", Whole(0, 1)),
            ("intent", Text),
            ("data", Text),
        ])),
    ),
    ("auto_clear", Whole(0, NUMBER.1)),
];

/// Checks vendor fields of a message.
///
/// # Errors
/// [`ErrorKind::Invalid`](push_core::ErrorKind::Invalid), naming the field.
pub(crate) fn check(fields: &Map<String, Value>) -> Result<()> {
    OVERLAY.check(fields)?;
    forms::check(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(fields: Value) -> Result<(), String> {
        let fields = fields.as_object().expect("an object");
        check(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_of_the_interface_pass() {
        for good in [
            json!({}),
            json!({"category": "VOIP", "collapse_key": -1, "urgency": "HIGH"}),
            json!({"notification": {"channel_id": "calls", "style": 1, "big_body": "more"}}),
            json!({"notification": {"badge": {"class": "com.example.im.MainActivity"}}}),
        ] {
            assert_eq!(checked(good.clone()), Ok(()), "{good}");
        }
    }

    #[test]
    fn click_data_receipt_tag_and_unknown_fields_are_refused_by_name() {
        for (wrong, named) in [
            (json!({"bi_tag": "x"}), "`bi_tag`"),
            (json!({"data": "{}"}), "`data`"),
            (
                json!({"notification": {"click_action": {"type": 3}}}),
                "`notification.click_action`",
            ),
            (json!({"notification": null}), "`notification`"),
            (json!({"token": ["x"]}), "`token`"),
            (json!({"collapse_key": 101}), "`collapse_key`"),
            (
                json!({"notification": {"titel": "x"}}),
                "`notification.titel`",
            ),
        ] {
            let error = checked(wrong.clone()).expect_err(named);
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}
