//! Whether Push Kit takes a message.
use std::time::Duration;

use serde_json::{Map, Value};

use super::schema;

const MOST_TOKENS: usize = 1000;
const MOST_TEST_TOKENS: usize = 10;
/// Without the tokens, in bytes.
const LARGEST: usize = 4096;

/// A code and the words of Push Kit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) msg: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, msg: impl Into<String>) -> Self {
        let msg = msg.into();
        Self { code, msg }
    }
}

/// A message that passed.
pub(super) struct Message {
    pub(super) push_type: u8,
    pub(super) tokens: Vec<String>,
    pub(super) payload: Value,
    pub(super) ttl: Duration,
    pub(super) tag: String,
    pub(super) is_test: bool,
    /// The group of which only the newest waits for a phone that is off.
    pub(super) group: Option<i64>,
}

impl Message {
    /// Reads the body of a request with this header `push-type`.
    ///
    /// # Errors
    /// The code and what is wrong.
    pub(super) fn read(push_type: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        let push_type: Option<u8> = push_type.and_then(|text| text.parse().ok());
        let (push_type, (schema, mandatory)) = push_type
            .and_then(|push_type| Some((push_type, schema::of(push_type)?)))
            .ok_or_else(|| illegal("The header does not contain valid push-type"))?;
        let json = serde_json::from_slice::<Map<String, Value>>(body);
        let mut json = json.map_err(|_| illegal("the body is not a JSON object"))?;
        schema
            .check(&json)
            .map_err(|error| illegal(error.to_string()))?;
        let is_test = json
            .get("pushOptions")
            .is_some_and(|options| options["testMessage"] == true);
        let tokens = tokens(&mut json, push_type, is_test)?;
        let json = Value::Object(json);
        if json.to_string().len() > LARGEST {
            return Err(Refusal::new(
                "80300008",
                "the message is larger than 4096 bytes",
            ));
        }
        let (payload, options) = (&json["payload"], &json["pushOptions"]);
        for key in mandatory {
            require(!payload[*key].is_null(), &format!("{key} is mandatory"))?;
        }
        let has_notification = matches!(push_type, 0 | 2);
        if has_notification {
            notification(&payload["notification"])?;
        }
        let tag = options["biTag"].as_str().unwrap_or_default();
        require(tag.len() <= 64, "biTag has more than 64 bytes")?;
        let group = options["collapseKey"].as_i64();
        require(
            group.is_none() || has_notification,
            "collapseKey is for notifications",
        )?;
        let ttl = options["ttl"].as_u64();
        require(
            push_type != 10 || ttl.is_none_or(|ttl| (30..=60).contains(&ttl)),
            "ttl of a call ranges from 30 to 60",
        )?;
        Ok(Self {
            push_type,
            tokens,
            payload: payload.clone(),
            ttl: Duration::from_secs(ttl.unwrap_or(24 * 60 * 60)),
            tag: tag.to_owned(),
            is_test,
            group: group.filter(|group| *group >= 0),
        })
    }
}

fn illegal(what: impl AsRef<str>) -> Refusal {
    Refusal::new("80100003", format!("Illegal payload, {}", what.as_ref()))
}

fn require(is_right: bool, what: &str) -> Result<(), Refusal> {
    if is_right { Ok(()) } else { Err(illegal(what)) }
}

/// Takes the tokens out of the message.
fn tokens(
    json: &mut Map<String, Value>,
    push_type: u8,
    is_test: bool,
) -> Result<Vec<String>, Refusal> {
    let list = json
        .get_mut("target")
        .and_then(|target| target.get_mut("token"));
    let list = list.map(Value::take).unwrap_or_default();
    let tokens: Vec<String> = serde_json::from_value(list).unwrap_or_default();
    let is_form = push_type == 1;
    let (code, most) = match (is_test, is_form) {
        (true, true) => ("80300030", 1),
        (true, false) => ("80300030", MOST_TEST_TOKENS),
        (false, true) => ("80300010", 1),
        (false, false) => ("80300010", MOST_TOKENS),
    };
    if tokens.is_empty() {
        Err(Refusal::new("80300010", "there is no token"))
    } else if tokens.len() > most {
        Err(Refusal::new(
            code,
            format!("there are more than {most} tokens"),
        ))
    } else {
        Ok(tokens)
    }
}

fn notification(shown: &Value) -> Result<(), Refusal> {
    let text = |key: &str| shown[key].as_str().unwrap_or_default();
    for key in ["category", "title", "body"] {
        require(!text(key).is_empty(), &format!("{key} is mandatory"))?;
    }
    click(&shown["clickAction"])?;
    require(shown["style"] != 2, "style is 0, 1 or 3")?;
    let has_big = !text("bigTitle").is_empty() && !text("bigBody").is_empty();
    require(
        shown["style"] != 1 || has_big,
        "style 1 needs bigTitle and bigBody",
    )?;
    let lines = shown["inboxContent"].as_array().map_or(0, Vec::len);
    require(lines <= 3, "inboxContent has more than 3 lines")?;
    require(
        shown["style"] != 3 || lines > 0,
        "style 3 needs inboxContent",
    )?;
    let image = shown["image"].as_str();
    require(
        image.is_none_or(|image| image.starts_with("https://")),
        "image is not https",
    )?;
    require(
        text("profileId").len() <= 64,
        "profileId has more than 64 characters",
    )?;
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_ ".contains(&byte);
    let id = shown["appMessageId"].as_str();
    require(
        id.is_none_or(|id| (1..=64).contains(&id.len()) && id.bytes().all(is_of_id)),
        "appMessageId is not valid",
    )?;
    let badge = &shown["badge"];
    require(
        badge.is_null() || badge["addNum"].is_i64() || badge["setNum"].is_i64(),
        "badge has neither addNum nor setNum",
    )
}

fn click(click: &Value) -> Result<(), Refusal> {
    let has = |key: &str| click[key].as_str().is_some_and(|text| !text.is_empty());
    let data = &click["data"];
    require(
        data.is_null() || data.is_object(),
        "clickAction.data is not an object",
    )?;
    match click["actionType"].as_i64() {
        Some(0 | 3) => Ok(()),
        Some(1) => require(
            has("action") || has("uri"),
            "clickAction needs action or uri",
        ),
        Some(5) => require(data["tel"].is_string(), "clickAction.data.tel is mandatory"),
        _ => Err(illegal("clickAction.actionType is mandatory: 0, 1, 3 or 5")),
    }
}
