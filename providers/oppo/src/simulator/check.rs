//! Whether OPPO takes a notification.
use std::time::Duration;

use push_kit::overlay::{
    Overlay,
    Shape::{Any, Flag, Text, TextMap, Whole},
};
use serde_json::{Map, Value};

use super::{Options, PRIVATE_CHANNEL, TEMPLATE};

/// Why a request is refused: a code of OPPO, and words.
pub(super) type Refusal = (i64, String);

const WRONG: i64 = 41;
const PICTURE: i64 = 51;
const NO_TEMPLATE: i64 = 54;
const CATEGORY: i64 = 67;

/// Categories of communication and service, and of content and marketing.
const SERVICE: [&str; 6] = [
    "IM",
    "ACCOUNT",
    "TODO",
    "DEVICE_REMINDER",
    "ORDER",
    "SUBSCRIPTION",
];
const MARKETING: [&str; 4] = ["NEWS", "CONTENT", "MARKETING", "SOCIAL"];

const LONGEST_TTL: u64 = 10 * 24 * 3600;
const DEFAULT_TTL: u64 = 3600;

/// The fields that the pages name.
const SCHEMA: Overlay = Overlay::new(&[]).with_fields(&[
    ("app_message_id", Text),
    ("style", Whole(1, 3)),
    ("big_picture_id", Text),
    ("small_picture_id", Text),
    ("title", Text),
    ("sub_title", Text),
    ("content", Text),
    ("click_action_type", Whole(0, 5)),
    ("click_action_activity", Text),
    ("click_action_url", Text),
    ("action_parameters", Text),
    ("show_time_type", Whole(0, 1)),
    (
        "show_start_time",
        Whole(1_000_000_000_000, 9_999_999_999_999),
    ),
    ("show_end_time", Whole(1_000_000_000_000, 9_999_999_999_999)),
    ("off_line", Flag),
    ("off_line_ttl", Whole(0, i64::MAX)),
    ("push_time_type", Whole(0, 1)),
    (
        "push_start_time",
        Whole(1_000_000_000_000, 9_999_999_999_999),
    ),
    ("time_zone", Text),
    ("fix_speed", Flag),
    ("fix_speed_rate", Whole(1000, 10_000)),
    ("network_type", Whole(0, 1)),
    ("call_back_url", Text),
    ("call_back_parameter", Text),
    ("channel_id", Text),
    ("category", Text),
    ("notify_level", Whole(1, 16)),
    ("notify_id", Whole(0, i32::MAX as i64)),
    ("badge_operation_type", Whole(0, 1)),
    ("badge_message_count", Whole(0, i32::MAX as i64)),
    ("show_ttl", Whole(0, 24 * 3600)),
    ("auditResponse", Any),
    ("private_msg_template_id", Text),
    ("private_title_parameters", TextMap),
    ("private_content_parameters", TextMap),
]);

/// A notification that passed.
#[derive(Clone, Debug)]
pub(super) struct Notification {
    pub(super) fields: Map<String, Value>,
    /// How long OPPO keeps it for an absent phone; zero if it does not.
    pub(super) ttl: Duration,
    pub(super) is_private: bool,
    /// Title and text as the phone shows them.
    pub(super) shown: [String; 2],
}

impl Notification {
    /// The text of a field; empty if there is none.
    pub(super) fn text(&self, key: &str) -> &str {
        self.fields
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Reads the fields of a notification.
    ///
    /// # Errors
    /// The code and the words of the refusal.
    pub(super) fn read(
        mut fields: Map<String, Value>,
        is_broadcast: bool,
        options: &Options,
    ) -> Result<Self, Refusal> {
        fields.retain(|_, value| !value.is_null());
        SCHEMA
            .check(&fields)
            .map_err(|error| (WRONG, error.to_string()))?;
        let number = |key: &str| fields.get(key).and_then(Value::as_i64);
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
        let style = number("style").unwrap_or(1);
        let content = match style {
            1 => options.content,
            2 => 128,
            _ => 50,
        };
        length("title", text("title"), 1, 50)?;
        length("content", text("content"), 1, content)?;
        length("sub_title", text("sub_title"), 0, 10)?;
        length("action_parameters", text("action_parameters"), 0, 4000)?;
        length("call_back_url", text("call_back_url"), 0, 200)?;
        length("call_back_parameter", text("call_back_parameter"), 0, 50)?;
        let has_picture =
            !text("big_picture_id").is_empty() || !text("small_picture_id").is_empty();
        require(
            is_broadcast || !has_picture,
            PICTURE,
            "pictures: broadcast only",
        )?;
        require(
            is_broadcast || style != 3,
            WRONG,
            "style: 3 is for broadcasts",
        )?;
        require(
            style != 3 || has_picture,
            PICTURE,
            "style 3 needs a picture",
        )?;
        click(number("click_action_type").unwrap_or(0), &text)?;
        let parameters = text("action_parameters");
        let is_object = serde_json::from_str::<Map<String, Value>>(parameters).is_ok();
        require(
            parameters.is_empty() || is_object,
            WRONG,
            "action_parameters: not a JSON object",
        )?;
        let url = text("call_back_url");
        require(
            url.is_empty() || url.starts_with("http"),
            WRONG,
            "call_back_url: not a URL",
        )?;
        if number("show_time_type") == Some(1) {
            let times = number("show_start_time").zip(number("show_end_time"));
            let is_right = times.is_some_and(|(start, end)| start < end);
            require(is_right, WRONG, "show_start_time, show_end_time: mandatory")?;
        }
        let has_badge = [
            number("badge_operation_type"),
            number("badge_message_count"),
        ];
        require(
            has_badge[0].is_some() || has_badge[1].is_none(),
            WRONG,
            "badge_operation_type: mandatory",
        )?;
        require(
            has_badge[0] != Some(0) || has_badge[1].is_some(),
            WRONG,
            "badge_message_count: mandatory",
        )?;
        let is_service = category(text("category"), number("notify_level"))?;
        let is_private = is_service || text("channel_id") == PRIVATE_CHANNEL;
        let shown = template(&fields, is_private && options.templates_required)?;
        let most_shown = if is_private { 24 } else { 12 } * 3600;
        require(
            number("show_ttl").is_none_or(|ttl| ttl <= most_shown),
            WRONG,
            "show_ttl",
        )?;
        let ttl = match fields.get("off_line") {
            Some(Value::Bool(false)) => Duration::ZERO,
            _ => ttl(number("off_line_ttl"), options.min_ttl)?,
        };
        Ok(Self {
            ttl,
            is_private,
            shown,
            fields,
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

fn length(key: &str, text: &str, least: usize, most: usize) -> Result<(), Refusal> {
    let units = text.encode_utf16().count();
    let what = format!("{key}: {least} to {most} characters");
    require((least..=most).contains(&units), WRONG, &what)
}

fn click<'a>(kind: i64, text: &impl Fn(&str) -> &'a str) -> Result<(), Refusal> {
    match kind {
        0 => Ok(()),
        1 | 4 => length(
            "click_action_activity",
            text("click_action_activity"),
            1,
            500,
        ),
        2 | 5 => {
            length("click_action_url", text("click_action_url"), 1, 2000)?;
            let is_url = text("click_action_url").contains("://");
            require(is_url, WRONG, "click_action_url: not a URL")
        }
        _ => Err((WRONG, "click_action_type: 0, 1, 2, 4 or 5".to_owned())),
    }
}

/// Whether the category is one of communication and service.
fn category(category: &str, level: Option<i64>) -> Result<bool, Refusal> {
    let is_service = SERVICE.contains(&category);
    let is_known = category.is_empty() || is_service || MARKETING.contains(&category);
    require(is_known, CATEGORY, "category: unknown")?;
    require(
        level.is_none() || !category.is_empty(),
        CATEGORY,
        "notify_level needs a category",
    )?;
    let is_level = level.is_none_or(|level| matches!(level, 1 | 2 | 16));
    require(is_level, CATEGORY, "notify_level: 1, 2 or 16")?;
    let is_loud = level == Some(16);
    require(
        !is_loud || is_service,
        CATEGORY,
        "notify_level 16: not for this category",
    )?;
    Ok(is_service)
}

fn ttl(given: Option<i64>, least: Duration) -> Result<Duration, Refusal> {
    let seconds = given
        .and_then(|ttl| u64::try_from(ttl).ok())
        .unwrap_or(DEFAULT_TTL);
    let ttl = Duration::from_secs(seconds.min(LONGEST_TTL));
    require(ttl >= least, WRONG, "off_line_ttl: too short")?;
    Ok(ttl)
}

/// Title and text as they are shown: those of the template, with its parameters, where there is one.
fn template(fields: &Map<String, Value>, is_needed: bool) -> Result<[String; 2], Refusal> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let id = text("private_msg_template_id");
    if id.is_empty() {
        require(!is_needed, NO_TEMPLATE, "private_msg_template_id: missing")?;
        return Ok(["title", "content"].map(|key| text(key).to_owned()));
    }
    require(id == TEMPLATE[0], WRONG, "private_msg_template_id: unknown")?;
    let filled = |template: &str, key: &str| {
        let parameters = fields.get(key).and_then(Value::as_object);
        let mut filled = template.to_owned();
        for (name, value) in parameters.into_iter().flatten() {
            filled = filled.replace(&format!("${name}$"), value.as_str().unwrap_or_default());
        }
        let is_filled = parameters.is_some_and(|parameters| {
            parameters
                .keys()
                .any(|name| template.contains(&format!("${name}$")))
        });
        require(
            is_filled,
            WRONG,
            &format!("{key}: a parameter of the template is missing"),
        )?;
        Ok(filled)
    };
    Ok([
        filled(TEMPLATE[1], "private_title_parameters")?,
        filled(TEMPLATE[2], "private_content_parameters")?,
    ])
}
