//! The fields of each kind of message ("push-scenariozed-api-request-param").
use push_kit::overlay::{
    Field, Overlay,
    Shape::{Any, Flag, List, Object, Text, Whole, Word},
};

/// The largest whole number of a field that names a notification or a live view.
const LARGEST: i64 = i32::MAX as i64;

const TARGET: Field = ("target", Object(&[("token", List(&Text))]));

const OPTIONS: Field = (
    "pushOptions",
    Object(&[
        ("testMessage", Flag),
        ("ttl", Whole(1, 15 * 24 * 60 * 60)),
        ("biTag", Text),
        ("receiptId", Text),
        ("collapseKey", Whole(-1, 100)),
    ]),
);

const NOTIFICATION: Field = (
    "notification",
    Object(&[
        ("category", Word(CATEGORIES)),
        ("title", Text),
        ("body", Text),
        (
            "clickAction",
            Object(&[
                ("actionType", Whole(0, 5)),
                ("action", Text),
                ("uri", Text),
                ("data", Any),
            ]),
        ),
        ("image", Text),
        ("style", Whole(0, 3)),
        ("bigTitle", Text),
        ("bigBody", Text),
        ("inboxContent", List(&Text)),
        ("notifyId", Whole(-1, LARGEST)),
        ("appMessageId", Text),
        ("profileId", Text),
        (
            "badge",
            Object(&[("addNum", Whole(1, 99)), ("setNum", Whole(0, 99))]),
        ),
        ("sound", Text),
        ("soundDuration", Whole(1, 60)),
        ("foregroundShow", Flag),
    ]),
);

const CATEGORIES: &[&str] = &[
    "IM",
    "VOIP",
    "MISS_CALL",
    "SUBSCRIPTION",
    "TRAVEL",
    "HEALTH",
    "WORK",
    "ACCOUNT",
    "EXPRESS",
    "FINANCE",
    "DEVICE_REMINDER",
    "MAIL",
    "PLAY_VOICE",
    "MARKETING",
];

const EXTRA: Field = ("extraData", Text);

const IMAGE: &[Field] = &[("keyName", Text), ("url", Text), ("require", Whole(0, 1))];

const ALERT: Overlay = message(&[TARGET, OPTIONS, ("payload", Object(&[NOTIFICATION]))]);
const EXTENSION: Overlay = message(&[TARGET, OPTIONS, ("payload", Object(&[NOTIFICATION, EXTRA]))]);
const BACKGROUND: Overlay = message(&[
    TARGET,
    OPTIONS,
    (
        "payload",
        Object(&[EXTRA, ("proxyData", Word(&["ENABLE"]))]),
    ),
]);
const CALL: Overlay = message(&[TARGET, OPTIONS, ("payload", Object(&[EXTRA]))]);
const FORM: Overlay = message(&[
    TARGET,
    OPTIONS,
    (
        "payload",
        Object(&[
            ("moduleName", Text),
            ("formName", Text),
            ("abilityName", Text),
            ("formId", Whole(0, i64::MAX)),
            ("version", Whole(0, i64::MAX)),
            ("formData", Any),
            ("images", List(&Object(IMAGE))),
        ]),
    ),
]);
const LIVE_VIEW: Overlay = message(&[
    TARGET,
    OPTIONS,
    (
        "payload",
        Object(&[
            ("activityId", Whole(0, LARGEST)),
            ("operation", Whole(0, 2)),
            ("event", Text),
            ("status", Text),
            ("version", Whole(0, i64::MAX)),
            (
                "activityData",
                Object(&[("notificationData", Any), ("capsuleData", Any)]),
            ),
        ]),
    ),
]);

const fn message(fields: &'static [Field]) -> Overlay {
    Overlay::new(&[]).with_fields(fields)
}

/// The schema of messages with this `push-type`, and the members of their payload that are mandatory.
pub(super) fn of(push_type: u8) -> Option<(Overlay, &'static [&'static str])> {
    Some(match push_type {
        0 => (ALERT, &["notification"]),
        1 => (
            FORM,
            &[
                "moduleName",
                "formName",
                "abilityName",
                "formId",
                "version",
                "formData",
            ],
        ),
        2 => (EXTENSION, &["notification", "extraData"]),
        6 => (BACKGROUND, &["extraData"]),
        7 => (LIVE_VIEW, &["activityId", "operation", "event"]),
        10 => (CALL, &["extraData"]),
        _ => return None,
    })
}
