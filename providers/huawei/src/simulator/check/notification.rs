//! `android.notification`, field by field.
use serde_json::{Map, Value};

use super::{Refusal, flag, list, number, object, only, text, texts, wrong_structure};

const FIELDS: &[&str] = &[
    "title",
    "body",
    "icon",
    "color",
    "sound",
    "default_sound",
    "tag",
    "click_action",
    "body_loc_key",
    "body_loc_args",
    "title_loc_key",
    "title_loc_args",
    "multi_lang_key",
    "channel_id",
    "notify_summary",
    "image",
    "style",
    "big_title",
    "big_body",
    "notify_id",
    "group",
    "badge",
    "ticker",
    "when",
    "importance",
    "use_default_vibrate",
    "use_default_light",
    "vibrate_config",
    "visibility",
    "light_settings",
    "foreground_show",
    "profile_id",
    "inbox_content",
    "buttons",
    "auto_clear",
];

const VISIBILITIES: &[&str] = &["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"];

/// `common` is `message.notification`, whose texts count where Android's own are missing.
pub(super) fn check(
    it: &Map<String, Value>,
    common: Option<&Map<String, Value>>,
) -> Result<(), Refusal> {
    only(it, FIELDS)?;
    for (key, localized) in [("title", "title_loc_key"), ("body", "body_loc_key")] {
        let common = match common {
            Some(common) => text(common, key)?,
            None => None,
        };
        let there = text(it, key)?
            .or(common)
            .is_some_and(|text| !text.is_empty());
        if !there && text(it, localized)?.is_none() {
            return wrong_structure(format!("notification.{key} is missing"));
        }
    }
    for key in [
        "tag",
        "group",
        "channel_id",
        "sound",
        "icon",
        "ticker",
        "big_title",
        "big_body",
        "notify_summary",
        "when",
    ] {
        text(it, key)?;
    }
    for key in [
        "default_sound",
        "foreground_show",
        "use_default_vibrate",
        "use_default_light",
    ] {
        flag(it, key)?;
    }
    for key in ["title_loc_args", "body_loc_args"] {
        texts(it, key, usize::MAX)?;
    }
    object(it, "multi_lang_key")?;
    number(it, "auto_clear", 0, i32::MAX.into())?;
    if text(it, "visibility")?.is_some_and(|word| !VISIBILITIES.contains(&word)) {
        return wrong_structure("visibility is not known");
    }
    if text(it, "image")?.is_some_and(|it| !it.starts_with("https://")) {
        return wrong_structure("notification.image is not https");
    }
    if !matches!(text(it, "importance")?, None | Some("LOW" | "NORMAL")) {
        return wrong_structure("importance is neither LOW nor NORMAL");
    }
    number(it, "notify_id", i32::MIN.into(), i32::MAX.into())?;
    if let Some(style) = it.get("style")
        && !matches!(style.as_i64(), Some(0 | 1 | 3))
    {
        return wrong_structure("style is not 0, 1 or 3");
    }
    let style = it.get("style").and_then(Value::as_i64);
    if style == Some(1) {
        for key in ["big_title", "big_body"] {
            if text(it, key)?.is_none_or(str::is_empty) {
                return wrong_structure(format!("style 1 needs notification.{key}"));
            }
        }
    }
    let is_color = |color: &str| {
        color.strip_prefix('#').is_some_and(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })
    };
    if text(it, "color")?.is_some_and(|color| !is_color(color)) {
        return wrong_structure("color is not #RRGGBB");
    }
    if text(it, "profile_id")?.is_some_and(|id| id.len() > 64) {
        return wrong_structure("profile_id is longer than 64");
    }
    texts(it, "inbox_content", 5)?;
    texts(it, "vibrate_config", 10)?;
    let is_short = |entry: &Value| {
        let number = entry.as_str().and_then(|text| text.strip_suffix('s'));
        let seconds = number.and_then(|number| number.parse().ok());
        seconds.is_some_and(|seconds: f64| (0.0..60.0).contains(&seconds))
    };
    if !list(it, "vibrate_config")?.iter().all(is_short) {
        return wrong_structure("vibrate_config has what is no duration below 60 s");
    }
    if style == Some(3) && list(it, "inbox_content")?.is_empty() {
        return wrong_structure("style 3 needs notification.inbox_content");
    }
    let all = list(it, "buttons")?;
    if all.len() > 3 {
        return wrong_structure("buttons is not a list of 3 at most");
    }
    all.iter().try_for_each(button)?;
    if let Some(light) = object(it, "light_settings")? {
        lights(light)?;
    }
    if let Some(badge) = object(it, "badge")? {
        only(badge, &["add_num", "set_num", "class"])?;
        number(badge, "add_num", 1, 99)?;
        number(badge, "set_num", 0, 99)?;
        if badge.get("add_num").is_none() && badge.get("set_num").is_none() {
            return wrong_structure("badge has neither add_num nor set_num");
        }
        if text(badge, "class")?.is_none_or(str::is_empty) {
            return wrong_structure("badge.class is missing");
        }
    }
    let Some(click) = object(it, "click_action")? else {
        return wrong_structure("click_action is missing");
    };
    only(click, &["type", "intent", "action", "url"])?;
    let has = |key| text(click, key).map(|it| it.is_some_and(|it| !it.is_empty()));
    match click.get("type").and_then(Value::as_u64) {
        Some(1) if has("intent")? || has("action")? => Ok(()),
        Some(1) => wrong_structure("click_action.type 1 needs intent or action"),
        Some(2) if text(click, "url")?.is_some_and(|it| it.starts_with("https://")) => Ok(()),
        Some(2) => wrong_structure("click_action.type 2 needs an https url"),
        Some(3) => Ok(()),
        _ => wrong_structure("click_action.type is not 1, 2 or 3"),
    }
}

/// A button below the notification.
fn button(button: &Value) -> Result<(), Refusal> {
    let Value::Object(button) = button else {
        return wrong_structure("buttons has what is no object");
    };
    only(
        button,
        &["name", "action_type", "intent_type", "intent", "data"],
    )?;
    if text(button, "name")?.is_none_or(str::is_empty) {
        return wrong_structure("buttons.name is missing");
    }
    if button.get("action_type").is_none() {
        return wrong_structure("buttons.action_type is missing");
    }
    number(button, "action_type", 0, 4)?;
    number(button, "intent_type", 0, 1)?;
    text(button, "data")?;
    // Of these types one opens a page of the app, which the intent names.
    let opens_page = button["action_type"] == 1;
    if opens_page && text(button, "intent")?.is_none_or(str::is_empty) {
        return wrong_structure("buttons.action_type 1 needs intent");
    }
    Ok(())
}

fn lights(light: &Map<String, Value>) -> Result<(), Refusal> {
    only(light, &["color", "light_on_duration", "light_off_duration"])?;
    for key in ["light_on_duration", "light_off_duration"] {
        if text(light, key)?.is_none_or(|ttl| super::seconds(ttl).is_none()) {
            return wrong_structure(format!("light_settings.{key} is not a duration"));
        }
    }
    let Some(color) = object(light, "color")? else {
        return wrong_structure("light_settings.color is missing");
    };
    only(color, &["alpha", "red", "green", "blue"])?;
    let is_part = |part: &Value| {
        part.as_f64()
            .is_some_and(|part| (0.0..=1.0).contains(&part))
    };
    if !color.values().all(is_part) {
        return wrong_structure("light_settings.color has what is not from 0 to 1");
    }
    Ok(())
}
