//! The fields that an operator or a message may set.
use push_kit::overlay::{
    Field, Overlay,
    Shape::{Any, Flag, List, Object, Text, Whole, Word},
};

/// The fields of a request. `environment` is that of the token, and `custom_content` and `action` carry the click data. What only
/// pushes to many have (`send_time`, `loop_param`, `push_speed`, `collapse_id`) is not among them.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "account_list",
    "account_push_type",
    "account_type",
    "audience_type",
    "collapse_id",
    "group_id",
    "ignore_invalid_token",
    "loop_param",
    "message.android.action",
    "message.android.custom_content",
    "message.ios.aps.content-available",
    "message.ios.custom_content",
    "message_type",
    "platform",
    "push_speed",
    "send_time",
    "seq",
    "tag_list",
    "tag_rules",
    "token_list",
    "upload_id",
])
.with_fields(&[
    ("expire_time", Whole(0, 259_200)),
    ("channel_rules", List(&Object(CHANNEL_RULE))),
    ("tpns_online_push_type", Whole(0, 1)),
    ("force_collapse", Flag),
    ("multi_pkg", Flag),
    ("plan_id", Text),
    ("message", Object(MESSAGE)),
]);

const CHANNEL_RULE: &[Field] = &[
    (
        "channel",
        Word(&[
            "xg", "hw", "honor", "xm", "oppo", "vivo", "mz", "fcm", "apns",
        ]),
    ),
    ("disable", Flag),
];

const MESSAGE: &[Field] = &[
    ("title", Text),
    ("content", Text),
    ("thread_id", Text),
    ("thread_sumtext", Text),
    ("accept_time", List(&Any)),
    ("xg_media_resources", Text),
    ("xg_media_audio_resources", Text),
    ("show_type", Whole(1, 2)),
    ("android", Object(ANDROID)),
    ("ios", Object(IOS)),
];

/// The types of those with `Any` are not documented where it could be read.
const ANDROID: &[Field] = &[
    ("n_ch_id", Text),
    ("n_ch_name", Text),
    ("n_category", Text),
    ("n_importance", Whole(1, 4)),
    ("urgency", Word(&["HIGH", "NORMAL"])),
    ("hw_ch_id", Text),
    ("hw_category", Text),
    ("hw_importance", Whole(1, 2)),
    ("hw_biz_type", Whole(0, 1)),
    ("xm_ch_id", Text),
    ("oppo_ch_id", Text),
    ("oppo_top_notification_bar_show", Any),
    ("oppo_senior_push", Any),
    ("oppo_advertiser_id", Any),
    ("vivo_ch_id", Word(&["0", "1"])),
    ("vivo_category", Text),
    ("vivo_marketing", Any),
    ("fcm_ch_id", Text),
    ("n_id", Whole(-1, i32::MAX as i64)),
    ("builder_id", Whole(0, i32::MAX as i64)),
    ("badge_type", Whole(-2, 99)),
    ("ring", Whole(0, 1)),
    ("ring_raw", Text),
    ("vibrate", Whole(0, 1)),
    ("lights", Whole(0, 1)),
    ("clearable", Whole(0, 1)),
    ("icon_type", Whole(0, 1)),
    ("icon_res", Text),
    ("style_id", Whole(0, i32::MAX as i64)),
    ("small_icon", Text),
    ("icon_color", Whole(0, 0x00ff_ffff)),
    ("show_type", Whole(1, 2)),
];

const IOS: &[Field] = &[("aps", Object(APS))];

const APS: &[Field] = &[
    ("alert", Object(&[("subtitle", Text)])),
    ("badge_type", Whole(-2, i32::MAX as i64)),
    ("category", Text),
    ("sound", Text),
    ("mutable-content", Whole(0, 1)),
    (
        "interruption-level",
        Word(&["passive", "active", "time-sensitive", "critical"]),
    ),
];
