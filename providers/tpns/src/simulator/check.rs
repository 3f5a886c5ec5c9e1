//! Whether TPNS takes a push.
use push_kit::overlay::{
    Field, Overlay,
    Shape::{Any, Flag, List, Number, Object, Text, Whole, Word},
};
use serde_json::{Map, Value};

const MOST_TARGETS: usize = 1000;
const LARGEST: usize = 4096;
const LONGEST_KEPT: u64 = 72 * 3600;
const SHORTEST_KEPT: u64 = 800;
const USUALLY_KEPT: u64 = 24 * 3600;

/// What TPNS answers to a push that it refuses: the code, and what is wrong.
pub(super) type Refusal = (i64, String);

pub(super) const NO_JSON: i64 = 1_008_001;
const MISSING: i64 = 1_008_002;
const WRONG: i64 = 1_008_007;

/// The fields of the page, and the older ones that clients still send.
const SCHEMA: Overlay = Overlay::new(&[]).with_fields(&[
    ("audience_type", Text),
    ("environment", Text),
    ("message_type", Text),
    ("message", Object(MESSAGE)),
    ("token_list", List(&Text)),
    ("account_list", List(&Text)),
    ("account_type", Whole(0, i64::MAX)),
    ("account_push_type", Whole(0, 1)),
    ("tag_list", Any),
    ("tag_rules", List(&Any)),
    ("upload_id", Whole(1, i32::MAX as i64)),
    ("expire_time", Whole(0, i64::MAX)),
    ("send_time", Text),
    ("loop_param", Any),
    ("push_speed", Whole(1000, 50_000)),
    ("collapse_id", Whole(0, u32::MAX as i64)),
    ("force_collapse", Flag),
    ("multi_pkg", Flag),
    ("plan_id", Text),
    ("group_id", Text),
    ("platform", Word(&["android", "ios"])),
    ("seq", Number),
    ("ignore_invalid_token", Whole(0, 1)),
    ("tpns_online_push_type", Whole(0, 1)),
    (
        "channel_rules",
        List(&Object(&[
            (
                "channel",
                Word(&[
                    "hw", "xm", "mz", "vivo", "oppo", "honor", "fcm", "apns", "xg",
                ]),
            ),
            ("disable", Flag),
        ])),
    ),
]);

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
    (
        "ios",
        Object(&[("aps", Object(APS)), ("custom_content", Text)]),
    ),
];

const ANDROID: &[Field] = &[
    ("n_id", Whole(-1, i32::MAX as i64)),
    ("n_ch_id", Text),
    ("n_ch_name", Text),
    ("n_category", Text),
    ("n_importance", Whole(1, 4)),
    ("urgency", Word(&["HIGH", "NORMAL"])),
    ("xm_ch_id", Text),
    ("fcm_ch_id", Text),
    ("hw_ch_id", Text),
    ("hw_category", Text),
    ("hw_importance", Whole(1, 2)),
    ("hw_biz_type", Whole(0, 1)),
    ("oppo_ch_id", Text),
    ("oppo_top_notification_bar_show", Any),
    ("oppo_senior_push", Any),
    ("oppo_advertiser_id", Any),
    ("vivo_ch_id", Word(&["0", "1"])),
    ("vivo_category", Text),
    ("vivo_marketing", Any),
    ("badge_type", Whole(-2, 99)),
    ("builder_id", Number),
    ("ring", Whole(0, 1)),
    ("ring_raw", Text),
    ("vibrate", Whole(0, 1)),
    ("lights", Whole(0, 1)),
    ("clearable", Whole(0, 1)),
    ("icon_type", Whole(0, 1)),
    ("icon_res", Text),
    ("style_id", Number),
    ("small_icon", Text),
    ("icon_color", Number),
    ("show_type", Whole(1, 2)),
    ("custom_content", Text),
    (
        "action",
        Object(&[
            ("action_type", Whole(1, 3)),
            ("activity", Text),
            ("aty_attr", Object(&[("if", Number), ("pf", Number)])),
            (
                "browser",
                Object(&[("url", Text), ("confirm", Whole(0, 1))]),
            ),
            ("intent", Text),
        ]),
    ),
];

const APS: &[Field] = &[
    (
        "alert",
        Object(&[("title", Text), ("subtitle", Text), ("body", Text)]),
    ),
    ("badge_type", Whole(-2, i32::MAX as i64)),
    ("category", Text),
    ("sound", Text),
    ("mutable-content", Whole(0, 1)),
    ("content-available", Whole(1, 1)),
    (
        "interruption-level",
        Word(&["passive", "active", "time-sensitive", "critical"]),
    ),
];

/// Whom a push is for.
#[derive(Debug, PartialEq)]
pub(super) enum Audience {
    Tokens(Vec<String>),
    All,
    /// Accounts or a package, of which no phone is one.
    Others,
    Tags,
}

/// A push that passed.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) audience: Audience,
    /// `product` or `dev`; empty for Android.
    pub(super) environment: String,
    pub(super) is_shown: bool,
    /// How long it is kept; zero for phones that are connected only.
    pub(super) kept: u64,
    pub(super) ignores_invalid: bool,
    pub(super) is_only_for_vendors: bool,
    /// The channels that it must not go by.
    pub(super) disabled: Vec<String>,
    pub(super) message: Value,
    pub(super) seq: Value,
}

impl Push {
    /// Reads the body of a request to an app on iOS or on Android.
    ///
    /// # Errors
    /// What TPNS answers.
    pub(super) fn read(body: &[u8], is_ios: bool) -> Result<Self, Refusal> {
        let json: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| (NO_JSON, format!("not a JSON object: {error}")))?;
        SCHEMA
            .check(&json)
            .map_err(|error| (WRONG, error.to_string()))?;
        let json = Value::Object(json);
        let audience = audience(&json)?;
        let is_to_many = matches!(audience, Audience::All | Audience::Tags)
            || json["audience_type"] == "package_account_push";
        for field in ["send_time", "loop_param", "push_speed"] {
            require(is_to_many || json[field].is_null(), WRONG, field)?;
        }
        require(
            json["collapse_id"].is_null(),
            WRONG,
            "collapse_id: not issued",
        )?;
        let is_shown = match text(&json["message_type"]) {
            "notify" => true,
            "message" => false,
            "" => return Err((MISSING, "message_type".to_owned())),
            _ => return Err((WRONG, "message_type: notify or message".to_owned())),
        };
        let environment = text(&json["environment"]);
        if is_ios {
            require(!environment.is_empty(), MISSING, "environment")?;
            let is_known = matches!(environment, "product" | "dev");
            require(is_known, WRONG, "environment: product or dev")?;
        }
        let kept = json["expire_time"].as_u64().unwrap_or(USUALLY_KEPT);
        require(kept <= LONGEST_KEPT, WRONG, "expire_time: at most 259200")?;
        let message = &json["message"];
        require(message.is_object(), MISSING, "message")?;
        let is_small = message.to_string().len() <= LARGEST;
        require(is_small, WRONG, "message: larger than 4096 bytes")?;
        match is_ios {
            true => ios(message, is_shown)?,
            false => android(message, is_shown)?,
        }
        let rules = json["channel_rules"].as_array();
        let disabled = rules.into_iter().flatten();
        let disabled = disabled.filter(|rule| rule["disable"] == true);
        Ok(Self {
            audience,
            environment: if is_ios { environment } else { "" }.to_owned(),
            is_shown,
            kept: if kept == 0 {
                0
            } else {
                kept.max(SHORTEST_KEPT)
            },
            ignores_invalid: json["ignore_invalid_token"] == 1,
            is_only_for_vendors: json["tpns_online_push_type"] == 1,
            disabled: disabled
                .map(|rule| text(&rule["channel"]).to_owned())
                .collect(),
            message: message.clone(),
            seq: match &json["seq"] {
                Value::Null => 0.into(),
                seq => seq.clone(),
            },
        })
    }
}

fn require(is_right: bool, code: i64, what: &str) -> Result<(), Refusal> {
    if is_right {
        Ok(())
    } else {
        Err((code, what.to_owned()))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn audience(json: &Value) -> Result<Audience, Refusal> {
    let list = |name: &str| -> Result<Vec<String>, Refusal> {
        let list = json[name].as_array().map_or(&[][..], Vec::as_slice);
        require(!list.is_empty(), MISSING, name)?;
        let what = format!("{name}: at most 1000");
        require(list.len() <= MOST_TARGETS, WRONG, &what)?;
        Ok(list.iter().map(|one| text(one).to_owned()).collect())
    };
    match text(&json["audience_type"]) {
        "token" => {
            // Only the first one is used.
            let mut tokens = list("token_list")?;
            tokens.truncate(1);
            Ok(Audience::Tokens(tokens))
        }
        "token_list" => Ok(Audience::Tokens(list("token_list")?)),
        "account" | "account_list" => list("account_list").map(|_| Audience::Others),
        "package_account_push" | "package_token_push" => {
            require(json["upload_id"].is_u64(), MISSING, "upload_id")?;
            Ok(Audience::Others)
        }
        "tag" => {
            let has_tags = !json["tag_rules"].is_null() || !json["tag_list"].is_null();
            require(has_tags, MISSING, "tag_rules")?;
            Ok(Audience::Tags)
        }
        "all" => Ok(Audience::All),
        "" => Err((MISSING, "audience_type".to_owned())),
        _ => Err((WRONG, "audience_type: none that is known".to_owned())),
    }
}

fn has_texts(message: &Value) -> Result<(), Refusal> {
    for name in ["title", "content"] {
        require(!text(&message[name]).is_empty(), MISSING, name)?;
    }
    Ok(())
}

/// Custom content is the text of a JSON object.
fn custom(value: &Value) -> Result<(), Refusal> {
    let is_object = value
        .as_str()
        .is_none_or(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok());
    require(
        is_object,
        WRONG,
        "custom_content: not the text of a JSON object",
    )
}

fn android(message: &Value, is_shown: bool) -> Result<(), Refusal> {
    has_texts(message)?;
    let android = &message["android"];
    custom(&android["custom_content"])?;
    let action = &android["action"];
    let has_scheme = |url: &Value, schemes: &[&str]| {
        let scheme = text(url).split_once("://").map_or("", |(scheme, _)| scheme);
        !scheme.is_empty() && (schemes.is_empty() || schemes.contains(&scheme))
    };
    match action["action_type"].as_i64() {
        _ if !is_shown => Ok(()),
        Some(2) => require(
            has_scheme(&action["browser"]["url"], &["http", "https"]),
            WRONG,
            "action.browser.url: http or https, mandatory",
        ),
        Some(3) => require(
            has_scheme(&action["intent"], &[]),
            WRONG,
            "action.intent: a URL of the app, mandatory",
        ),
        _ => Ok(()),
    }
}

fn ios(message: &Value, is_shown: bool) -> Result<(), Refusal> {
    let aps = &message["ios"]["aps"];
    require(aps.is_object(), MISSING, "ios.aps")?;
    custom(&message["ios"]["custom_content"])?;
    let is_silent = aps["content-available"] == 1;
    if is_shown {
        has_texts(message)?;
        require(aps["alert"].is_object(), MISSING, "aps.alert")?;
        return require(!is_silent, WRONG, "content-available: not with notify");
    }
    require(is_silent, MISSING, "aps.content-available")?;
    for name in ["alert", "sound", "badge_type"] {
        require(
            aps[name].is_null(),
            WRONG,
            "aps: not with content-available",
        )?;
    }
    Ok(())
}
