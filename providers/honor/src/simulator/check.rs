//! Whether Honor takes a message.
use std::time::Duration;

use push_kit::{
    intent::IntentUri,
    overlay::{
        Field, Overlay,
        Shape::{Flag, List, Object, Text, Whole, Word},
    },
};
use serde_json::{Map, Value};

const MOST_TOKENS: usize = 1000;
const LARGEST: usize = 4096;
const LONGEST_TTL: u64 = 15 * 24 * 3600;
const LONGEST_BUTTON: usize = 40;
const LARGEST_BUTTON_DATA: usize = 1024;

/// The fields of the guide, and those that clients send besides.
const SCHEMA: Overlay = Overlay::new(&[]).with_fields(&[
    ("token", List(&Text)),
    ("data", Text),
    (
        "notification",
        Object(&[("title", Text), ("body", Text), ("image", Text)]),
    ),
    (
        "android",
        Object(&[
            ("ttl", Text),
            ("biTag", Text),
            ("data", Text),
            ("targetUserType", Whole(0, 1)),
            ("notification", Object(ANDROID)),
        ]),
    ),
]);

const ANDROID: &[Field] = &[
    ("title", Text),
    ("body", Text),
    ("image", Text),
    ("importance", Word(&["LOW", "NORMAL"])),
    ("style", Whole(0, 1)),
    ("bigTitle", Text),
    ("bigBody", Text),
    ("when", Text),
    ("notifyId", Whole(-1, i32::MAX as i64)),
    ("tag", Text),
    ("group", Text),
    ("channelId", Text),
    ("visibility", Text),
    ("foregroundShow", Flag),
    ("useDefaultVibrate", Flag),
    ("useDefaultLight", Flag),
    (
        "clickAction",
        Object(&[
            ("type", Whole(1, 3)),
            ("intent", Text),
            ("action", Text),
            ("url", Text),
        ]),
    ),
    (
        "badge",
        Object(&[
            ("badgeClass", Text),
            ("addNum", Whole(1, 99)),
            ("setNum", Whole(0, 99)),
        ]),
    ),
    (
        "buttons",
        List(&Object(&[
            ("name", Text),
            ("actionType", Whole(0, 2)),
            ("intentType", Whole(0, 1)),
            ("intent", Text),
            ("data", Text),
        ])),
    ),
];

/// A message that passed.
pub(super) struct Message {
    pub(super) tokens: Vec<String>,
    pub(super) ttl: Duration,
    pub(super) tag: Option<String>,
    /// `data` as the app gets it; `android.data` goes before the outer one.
    pub(super) data: Option<String>,
    /// What is shown, with title, body and image from wherever they stand; `None` for a pass-through message.
    pub(super) notification: Option<Value>,
}

impl Message {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// What is wrong with it, for the `message` of the answer.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let json = serde_json::from_slice::<Map<String, Value>>(body);
        let mut json = json.map_err(|error| format!("not a JSON object: {error}"))?;
        SCHEMA.check(&json).map_err(|error| error.to_string())?;
        let tokens = match json.remove("token") {
            Some(tokens) => serde_json::from_value(tokens).map_err(|error| error.to_string())?,
            None => Vec::<String>::new(),
        };
        require(
            (1..=MOST_TOKENS).contains(&tokens.len()),
            "token: 1 to 1000",
        )?;
        require(tokens.iter().all(|token| !token.is_empty()), "token: empty")?;
        let json = Value::Object(json);
        require(json.to_string().len() <= LARGEST, "larger than 4096 bytes")?;
        let android = &json["android"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let message = Self {
            tokens,
            ttl: ttl(&android["ttl"])?,
            tag: text(&android["biTag"]),
            data: text(&android["data"]).or_else(|| text(&json["data"])),
            notification: notification(&json["notification"], &android["notification"])?,
        };
        let is_pass_through = message.notification.is_none();
        require(
            !is_pass_through || message.data.is_some(),
            "data: mandatory without notification",
        )?;
        if let (false, Some(data)) = (is_pass_through, &message.data) {
            let is_json = serde_json::from_str::<Value>(data).is_ok();
            require(is_json, "data: not JSON beside a notification")?;
        }
        Ok(message)
    }
}

fn require(is_right: bool, what: &str) -> Result<(), String> {
    if is_right {
        Ok(())
    } else {
        Err(what.to_owned())
    }
}

fn ttl(ttl: &Value) -> Result<Duration, String> {
    let Some(text) = ttl.as_str() else {
        return Ok(Duration::from_secs(24 * 3600));
    };
    let seconds = text
        .strip_suffix('s')
        .and_then(|digits| digits.parse().ok());
    match seconds {
        Some(seconds @ 1..=LONGEST_TTL) => Ok(Duration::from_secs(seconds)),
        _ => Err("android.ttl: seconds with `s`, at most 1296000s".to_owned()),
    }
}

fn notification(outer: &Value, android: &Value) -> Result<Option<Value>, String> {
    if outer.is_null() && android.is_null() {
        return Ok(None);
    }
    let mut shown = android.as_object().cloned().unwrap_or_default();
    for (key, value) in outer.as_object().into_iter().flatten() {
        shown.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    let shown = Value::Object(shown);
    let has = |key: &str| shown[key].as_str().is_some_and(|text| !text.is_empty());
    require(has("title") && has("body"), "title and body are mandatory")?;
    let image = shown["image"].as_str();
    require(image.is_none_or(is_https), "image: not https")?;
    require(
        image.is_none() || shown["importance"] == "NORMAL",
        "image: not for marketing",
    )?;
    click(&shown["clickAction"])?;
    let badge = &shown["badge"];
    if badge.is_object() {
        let class = badge["badgeClass"].as_str();
        require(
            class.is_some_and(|class| class.contains('.')),
            "badge.badgeClass is mandatory",
        )?;
        let numbers = ["addNum", "setNum"].map(|key| badge[key].is_i64());
        require(numbers != [false, false], "badge: addNum or setNum")?;
    }
    if shown["style"] == 1 {
        let big = ["bigTitle", "bigBody"].map(&has);
        require(
            big == [true, true],
            "style 1: bigTitle and bigBody are mandatory",
        )?;
        let is_equal = shown["bigTitle"] == shown["title"] && shown["bigBody"] == shown["body"];
        require(
            is_equal,
            "style 1: bigTitle and bigBody equal title and body",
        )?;
    }
    let buttons = shown["buttons"].as_array().map_or(&[][..], Vec::as_slice);
    require(buttons.len() <= 3, "buttons: at most 3")?;
    buttons.iter().try_for_each(button)?;
    Ok(Some(shown))
}

fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

fn click(click: &Value) -> Result<(), String> {
    let [intent, action, url] = ["intent", "action", "url"].map(|key| click[key].as_str());
    match click["type"].as_i64() {
        Some(1) => {
            require(
                intent.is_some() != action.is_some(),
                "clickAction: intent or action",
            )?;
            let fault = intent.and_then(|intent| IntentUri::parse(intent).err());
            require(fault.is_none(), "clickAction.intent: not an intent URI")
        }
        Some(2) => require(
            url.is_some_and(is_https),
            "clickAction.url: https, mandatory",
        ),
        Some(3) => Ok(()),
        _ => Err("clickAction is mandatory".to_owned()),
    }
}

fn button(button: &Value) -> Result<(), String> {
    let name = button["name"]
        .as_str()
        .map_or(0, |name| name.chars().count());
    require(
        (1..=LONGEST_BUTTON).contains(&name),
        "buttons.name: 1 to 40 characters",
    )?;
    let needs_type = button["actionType"] == 1;
    require(
        !needs_type || button["intentType"].is_i64(),
        "buttons.intentType is mandatory",
    )?;
    let data = button["data"].as_str().unwrap_or("{}");
    let is_map = serde_json::from_str::<Map<String, Value>>(data).is_ok();
    require(
        is_map && data.len() <= LARGEST_BUTTON_DATA,
        "buttons.data: keys and values",
    )
}
