//! Whether vivo takes a message.
use std::time::Duration;

use push_kit::{answer::number, intent::IntentUri};
use serde_json::{Map, Value};

/// A refusal: vivo's number, and what is wrong.
pub(super) type Refusal = (i64, String);

const SYSTEM: [&str; 6] = [
    "IM",
    "ACCOUNT",
    "TODO",
    "DEVICE_REMINDER",
    "ORDER",
    "SUBSCRIPTION",
];
const OPERATION: [&str; 4] = ["NEWS", "CONTENT", "MARKETING", "SOCIAL"];

/// The fields of a message, and of the request that sends it to one target.
const FIELDS: [&str; 24] = [
    "appId",
    "regId",
    "alias",
    "notifyType",
    "title",
    "content",
    "timeToLive",
    "skipType",
    "skipContent",
    "networkType",
    "classification",
    "category",
    "clientCustomMap",
    "extra",
    "requestId",
    "pushMode",
    "notifyId",
    "sendOnline",
    "foregroundShow",
    "timedDisplay",
    "addBadge",
    "profileId",
    "auditReview",
    "taskId",
];

/// The fields of a request that sends a saved message.
const LIST_FIELDS: [&str; 6] = [
    "appId",
    "regIds",
    "aliases",
    "taskId",
    "requestId",
    "pushMode",
];

/// What a message opens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Skip {
    /// The app, or something without data: a URL.
    App,
    Nothing,
    Activity(IntentUri),
}

/// A message that passed.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) title: String,
    pub(super) content: String,
    pub(super) notify_type: i64,
    pub(super) notify_id: Option<i64>,
    pub(super) ttl: Duration,
    pub(super) is_system: bool,
    pub(super) category: String,
    pub(super) skip: Skip,
    pub(super) custom: Map<String, Value>,
    pub(super) adds_badge: bool,
    pub(super) extra: Map<String, Value>,
}

/// The request that sends a saved message.
pub(super) struct List {
    pub(super) targets: Vec<String>,
    pub(super) task: String,
    pub(super) request_id: String,
    pub(super) is_test: bool,
}

/// The body of a request.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads the body of a request by the app `app`.
    pub(super) fn read(body: &[u8], app: u64) -> Result<Self, Refusal> {
        let json = serde_json::from_slice::<Map<String, Value>>(body);
        let json = json.map_err(|_| wrong(10054, "the body is not a JSON object"))?;
        let body = Self(json);
        match body.0.get("appId") {
            Some(id) if number(id) != i64::try_from(app).ok() => {
                Err(wrong(10094, "appId is not that of the authToken"))
            }
            _ => Ok(body),
        }
    }

    fn knows(&self, fields: &[&str]) -> Result<(), Refusal> {
        let unknown = self.0.keys().find(|key| !fields.contains(&key.as_str()));
        unknown.map_or(Ok(()), |key| Err(wrong(10054, &format!("no field {key}"))))
    }

    /// A text of at most `most` UTF-16 units; empty if there is none.
    fn text(&self, key: &str, most: usize, code: i64) -> Result<String, Refusal> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) if units(text) <= most => Ok(text.clone()),
            _ => Err(wrong(code, &format!("{key}: at most {most} characters"))),
        }
    }

    /// A whole number, which may be written as text.
    fn whole(
        &self,
        key: &str,
        is_right: impl Fn(i64) -> bool,
        code: i64,
    ) -> Result<Option<i64>, Refusal> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match number(value).filter(|number| is_right(*number)) {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(code, &format!("{key} is out of range"))),
            },
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            _ => Err(wrong(10054, &format!("{key}: true or false"))),
        }
    }

    fn map(&self, key: &str, code: i64) -> Result<Map<String, Value>, Refusal> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(map)) if map.values().all(Value::is_string) => Ok(map.clone()),
            _ => Err(wrong(code, &format!("{key}: an object of texts"))),
        }
    }

    /// The registration id of a push to one target.
    pub(super) fn target(&self) -> Result<String, Refusal> {
        let target = self.text("regId", 512, 10050)?;
        match target.as_str() {
            "" => Err(wrong(10050, "regId and alias are empty")),
            _ => Ok(target),
        }
    }

    pub(super) fn request_id(&self) -> Result<String, Refusal> {
        let id = self.text("requestId", 64, 10303)?;
        match id.as_str() {
            "" => Err(wrong(10303, "requestId is mandatory")),
            _ => Ok(id),
        }
    }

    pub(super) fn is_test(&self) -> Result<bool, Refusal> {
        let mode = self.whole("pushMode", |mode| matches!(mode, 0 | 1), 10054)?;
        Ok(mode == Some(1))
    }

    pub(super) fn list(&self) -> Result<List, Refusal> {
        self.knows(&LIST_FIELDS)?;
        let ids = self.0.get("regIds").and_then(Value::as_array);
        let ids = ids.ok_or_else(|| wrong(10150, "regIds: an array"))?;
        let ids = ids.iter().filter_map(|id| Some(id.as_str()?.to_owned()));
        let targets: Vec<String> = ids.filter(|id| !id.is_empty()).collect();
        if !(2..=1000).contains(&targets.len()) {
            return Err(wrong(10150, "regIds: 2 to 1000"));
        }
        Ok(List {
            targets,
            task: self.text("taskId", 64, 10353)?,
            request_id: self.request_id()?,
            is_test: self.is_test()?,
        })
    }

    pub(super) fn message(&self, refuses_trial_texts: bool) -> Result<Message, Refusal> {
        self.knows(&FIELDS)?;
        let (title, content) = (
            self.text("title", 40, 10056)?,
            self.text("content", 100, 10059)?,
        );
        require(!title.is_empty(), 10055, "title is empty")?;
        require(!content.is_empty(), 10058, "content is empty")?;
        if refuses_trial_texts {
            let is_trial =
                |text: &str| text.is_ascii() || text.contains("测试") || text.contains(['{', '}']);
            let what = "a formal message has no trial text";
            require(!is_trial(&title) && !is_trial(&content), 10104, what)?;
        }
        let notify_type = self.whole("notifyType", |kind| (1..=4).contains(&kind), 10053)?;
        let notify_type = notify_type.ok_or_else(|| wrong(10053, "notifyType is mandatory"))?;
        let ttl = self.whole("timeToLive", |ttl| (60..=86_400).contains(&ttl), 10086)?;
        self.whole("networkType", |network| matches!(network, -1 | 1), 10054)?;
        for key in ["sendOnline", "foregroundShow"] {
            self.flag(key)?;
        }
        self.text("profileId", 64, 10054)?;
        let (is_system, category) = self.class()?;
        Ok(Message {
            title,
            content,
            notify_type,
            notify_id: self.whole(
                "notifyId",
                |id| (1..=i64::from(i32::MAX)).contains(&id),
                10054,
            )?,
            ttl: Duration::from_secs(ttl.unwrap_or(86_400).unsigned_abs()),
            is_system,
            category,
            skip: self.skip()?,
            custom: self.custom()?,
            adds_badge: self.flag("addBadge")?.unwrap_or_default(),
            extra: self.extra()?,
        })
    }

    fn class(&self) -> Result<(bool, String), Refusal> {
        let class = self.whole("classification", |class| matches!(class, 0 | 1), 10054)?;
        let category = self.text("category", 64, 10096)?;
        let of_category = if SYSTEM.contains(&category.as_str()) {
            Some(1)
        } else if OPERATION.contains(&category.as_str()) {
            Some(0)
        } else {
            None
        };
        require(
            category.is_empty() || of_category.is_some(),
            10096,
            "no such category",
        )?;
        let agrees = class.is_none() || of_category.is_none() || class == of_category;
        require(agrees, 10097, "category and classification disagree")?;
        Ok((class.or(of_category) == Some(1), category))
    }

    fn skip(&self) -> Result<Skip, Refusal> {
        let kind = self.whole("skipType", |kind| (1..=4).contains(&kind), 10082)?;
        let content = self.text("skipContent", 1024, 10082)?;
        match kind {
            None => Err(wrong(10082, "skipType is mandatory")),
            Some(1) => Ok(Skip::App),
            Some(_) if content.is_empty() => Err(wrong(10082, "skipContent is empty")),
            Some(4) => match IntentUri::parse(&content) {
                Ok(intent) => Ok(Skip::Activity(intent)),
                Err(_) => Err(wrong(10082, "skipContent is not an intent URI")),
            },
            // A URL, or what only older client libraries read.
            Some(_) => Ok(Skip::Nothing),
        }
    }

    fn custom(&self) -> Result<Map<String, Value>, Refusal> {
        let map = self.map("clientCustomMap", 10089)?;
        let length =
            |(key, value): (&String, &Value)| units(key) + units(value.as_str().unwrap_or(""));
        let size: usize = map.iter().map(length).sum();
        require(map.len() <= 10, 10089, "clientCustomMap: at most 10 pairs")?;
        require(
            size <= 1024,
            10089,
            "clientCustomMap: at most 1024 characters",
        )?;
        Ok(map)
    }

    fn extra(&self) -> Result<Map<String, Value>, Refusal> {
        let map = self.map("extra", 10054)?;
        let length = |key: &str| map.get(key).and_then(Value::as_str).map_or(0, units);
        require(
            length("callback") <= 128,
            10054,
            "callback: at most 128 characters",
        )?;
        require(
            length("callback.param") <= 64,
            10054,
            "callback.param: at most 64 characters",
        )?;
        Ok(map)
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn require(is_right: bool, code: i64, what: &str) -> Result<(), Refusal> {
    if is_right {
        Ok(())
    } else {
        Err(wrong(code, what))
    }
}

fn wrong(code: i64, what: &str) -> Refusal {
    (code, what.to_owned())
}
