//! Whether Meizu takes a message (`messageJson`).
use std::time::Duration;

use push_kit::overlay::{
    Field, Overlay,
    Shape::{Any, Object, Text, Whole},
};
use serde_json::{Map, Value};

const LONGEST_TITLE: usize = 32;
const LONGEST_CONTENT: usize = 100;
const LONGEST_SUBTITLE: usize = 16;
const LONGEST_TARGET: usize = 1000;
const LONGEST_CALLBACK: usize = 128;
const LONGEST_PARAM: usize = 64;
const LONGEST_KEY: usize = 8;
const HOURS: std::ops::RangeInclusive<u64> = 1..=72;
const TOP_SECONDS: std::ops::RangeInclusive<u64> = 1800..=7200;
const LARGEST: usize = 4096;

/// The members of Meizu's page, and those that its SDK sends besides. The types are checked below: a switch may be a number or a flag.
const SCHEMA: Overlay = Overlay::new(&[]).with_fields(&[
    (
        "noticeBarInfo",
        Object(&[
            ("noticeMsgType", Whole(0, 1)),
            ("noticeBarType", Whole(0, 2)),
            ("noticeBarImgUrl", Text),
            ("title", Text),
            ("content", Text),
        ]),
    ),
    (
        "noticeExpandInfo",
        Object(&[
            ("noticeExpandType", Whole(0, 2)),
            ("noticeExpandContent", Text),
            ("noticeExpandImgUrl", Text),
        ]),
    ),
    (
        "clickTypeInfo",
        Object(&[
            ("clickType", Whole(0, 3)),
            ("url", Text),
            ("parameters", Any),
            ("activity", Text),
            ("customAttribute", Text),
        ]),
    ),
    (
        "pushTimeInfo",
        Object(&[
            ("offLine", Any),
            ("validTime", Any),
            ("pushTimeType", Whole(0, 1)),
            ("startTime", Text),
        ]),
    ),
    ("advanceInfo", Object(ADVANCE)),
    (
        "vipInfo",
        Object(&[
            ("subtitle", Text),
            ("pullDownTop", Any),
            ("timeTop", Any),
            ("notGroup", Any),
            ("titleColor", Text),
            ("backgroundImgUrl", Text),
            ("smallIconUrl", Text),
            ("bigIconUrl", Text),
        ]),
    ),
    (
        "extra",
        Object(&[
            ("callback", Text),
            ("callback.param", Text),
            ("callback.type", Any),
        ]),
    ),
]);

const ADVANCE: &[Field] = &[
    ("suspend", Any),
    ("clearNoticeBar", Any),
    ("fixDisplay", Any),
    ("fixStartDisplayTime", Text),
    ("fixEndDisplayTime", Text),
    ("fixSpeed", Any),
    ("fixSpeedRate", Any),
    ("notificationType", Any),
    ("notifyKey", Text),
];

/// Receipts that a message asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Callback {
    pub(super) url: String,
    pub(super) param: String,
    pub(super) delivered: bool,
    pub(super) clicked: bool,
}

/// A message that passed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) json: Value,
    /// How long it is kept for a phone that is off; `None` if it is not.
    pub(super) kept: Option<Duration>,
    pub(super) is_public: bool,
    pub(super) callback: Option<Callback>,
}

/// What an app may send.
pub(super) struct Rights<'a> {
    pub(super) vip: bool,
    pub(super) is_picture: &'a dyn Fn(&str) -> bool,
    pub(super) is_registered: &'a dyn Fn(&str) -> bool,
}

impl Message {
    /// Reads the text of `messageJson`.
    ///
    /// # Errors
    /// What is wrong with it, for the `message` of the answer.
    pub(super) fn read(text: &str, rights: &Rights<'_>) -> Result<Self, String> {
        require(text.len() <= LARGEST, "messageJson: larger than 4096 bytes")?;
        let map = serde_json::from_str::<Map<String, Value>>(text);
        let map = map.map_err(|_| "messageJson: not a JSON object")?;
        SCHEMA.check(&map).map_err(|error| error.to_string())?;
        let json = Value::Object(map);
        notice(&json)?;
        click(&json["clickTypeInfo"])?;
        advance(&json["advanceInfo"])?;
        vip(&json, rights)?;
        Ok(Self {
            kept: kept(&json["pushTimeInfo"])?,
            is_public: json["noticeBarInfo"]["noticeMsgType"] != 1,
            callback: callback(&json["extra"], rights)?,
            json,
        })
    }
}

fn require(is_right: bool, what: &str) -> Result<(), String> {
    if is_right {
        Ok(())
    } else {
        Err(what.to_owned())
    }
}

/// A text; the empty one if there is none.
fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

/// Whether a switch is on. Meizu's page writes 0 and 1, its SDK `false` and `true`.
///
/// # Errors
/// It is something else.
fn switch(object: &Value, key: &str, default: bool) -> Result<bool, String> {
    match (&object[key], object[key].as_u64()) {
        (Value::Null, _) => Ok(default),
        (Value::Bool(is_on), _) => Ok(*is_on),
        (_, Some(0)) => Ok(false),
        (_, Some(1)) => Ok(true),
        _ => Err(format!("{key}: 0 or 1")),
    }
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn notice(json: &Value) -> Result<(), String> {
    let bar = &json["noticeBarInfo"];
    let (title, content) = (length(text(bar, "title")), length(text(bar, "content")));
    require(
        (1..=LONGEST_TITLE).contains(&title),
        "title: 1 to 32 characters",
    )?;
    require(
        (1..=LONGEST_CONTENT).contains(&content),
        "content: 1 to 100 characters",
    )?;
    let expand = &json["noticeExpandInfo"];
    let is_text = expand["noticeExpandType"] == 1;
    let is_picture = expand["noticeExpandType"] == 2;
    require(
        !is_text || !text(expand, "noticeExpandContent").is_empty(),
        "noticeExpandContent: mandatory",
    )?;
    require(
        !is_picture || !text(expand, "noticeExpandImgUrl").is_empty(),
        "noticeExpandImgUrl: mandatory",
    )
}

fn click(click: &Value) -> Result<(), String> {
    let target = |key: &str| (1..=LONGEST_TARGET).contains(&text(click, key).len());
    let parameters = &click["parameters"];
    require(
        parameters.is_null() || parameters.is_object(),
        "parameters: a JSON object",
    )?;
    match click["clickType"].as_u64() {
        Some(1) => require(
            target("activity") && text(click, "activity").contains('.'),
            "activity: package and class, mandatory",
        ),
        Some(2) => require(target("url"), "url: mandatory"),
        Some(3) => require(target("customAttribute"), "customAttribute: mandatory"),
        _ => Ok(()),
    }
}

fn kept(time: &Value) -> Result<Option<Duration>, String> {
    let hours = match &time["validTime"] {
        Value::Null => 24,
        hours => hours
            .as_u64()
            .filter(|hours| HOURS.contains(hours))
            .ok_or("validTime: 1 to 72")?,
    };
    let is_kept = switch(time, "offLine", true)?;
    Ok(is_kept.then(|| Duration::from_secs(hours * 60 * 60)))
}

fn advance(advance: &Value) -> Result<(), String> {
    for key in ["suspend", "clearNoticeBar", "fixDisplay"] {
        switch(advance, key, true)?;
    }
    for key in ["vibrate", "lights", "sound"] {
        switch(&advance["notificationType"], key, true)?;
    }
    let key = text(advance, "notifyKey");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    require(
        key.len() <= LONGEST_KEY && key.bytes().all(is_plain),
        "notifyKey: at most 8 letters, digits, _ and -",
    )
}

fn vip(json: &Value, rights: &Rights<'_>) -> Result<(), String> {
    let (vip, expand) = (&json["vipInfo"], &json["noticeExpandInfo"]);
    let has_picture = expand["noticeExpandType"] == 2;
    require(
        rights.vip || vip.is_null() && !has_picture,
        "vipInfo and pictures are for VIP apps",
    )?;
    let subtitle = length(text(vip, "subtitle"));
    require(
        subtitle <= LONGEST_SUBTITLE,
        "subtitle: at most 16 characters",
    )?;
    let now = switch(vip, "pullDownTop", false)?;
    switch(vip, "notGroup", false)?;
    let top = &vip["timeTop"];
    let is_timed = top.as_u64().is_some_and(|top| TOP_SECONDS.contains(&top));
    require(top.is_null() || is_timed, "timeTop: 1800 to 7200")?;
    require(!(now && is_timed), "pullDownTop: not with timeTop")?;
    let (color, ground) = (text(vip, "titleColor"), text(vip, "backgroundImgUrl"));
    require(
        ["", "#206CFF", "#E42D22"].contains(&color),
        "titleColor: #206CFF or #E42D22",
    )?;
    let is_alone = color.is_empty() && !has_picture && text(vip, "bigIconUrl").is_empty();
    require(
        ground.is_empty() || is_alone,
        "backgroundImgUrl: not with titleColor, bigIconUrl or a picture",
    )?;
    let icons = ["backgroundImgUrl", "smallIconUrl", "bigIconUrl"].map(|key| text(vip, key));
    let pictures = icons
        .into_iter()
        .chain([text(expand, "noticeExpandImgUrl")]);
    for url in pictures.filter(|url| !url.is_empty()) {
        require((rights.is_picture)(url), "a picture that was not uploaded")?;
    }
    Ok(())
}

fn callback(extra: &Value, rights: &Rights<'_>) -> Result<Option<Callback>, String> {
    if extra.is_null() {
        return Ok(None);
    }
    let (url, param) = (text(extra, "callback"), text(extra, "callback.param"));
    require(
        (1..=LONGEST_CALLBACK).contains(&url.len()),
        "callback: 1 to 128 bytes",
    )?;
    require(
        param.len() <= LONGEST_PARAM,
        "callback.param: at most 64 bytes",
    )?;
    require((rights.is_registered)(url), "callback: not registered")?;
    let written = &extra["callback.type"];
    let kind = match written {
        Value::Null => Some(3),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let (delivered, clicked) = match kind {
        Some(1) => (true, false),
        Some(2) => (false, true),
        Some(3) => (true, true),
        _ => return Err("callback.type: 1 to 3".to_owned()),
    };
    Ok(Some(Callback {
        url: url.to_owned(),
        param: param.to_owned(),
        delivered,
        clicked,
    }))
}
