//! Subscriptions to topics: `projects.registrations.topicSubscriptions` of 2026.
use bytes::Bytes;
use http::{Method, Request};
use push_core::Timestamp;
use push_testkit::{
    Reply, json,
    serde_json::{self, Value},
    simulator::form,
};

use super::{
    World, failure, fcm_error, invalid,
    phone::{Phone, Topics},
    rules, unregistered,
};

/// The most topics of one registration, as the interface before this one had it.
const MAX_TOPICS: usize = 2000;

/// The most subscriptions on one page of a list.
const MAX_PAGE: usize = 100;

/// What a path below `/registrations/` names.
pub(super) struct Place<'a> {
    pub(super) project: &'a str,
    registration: String,
    topic: Option<String>,
}

impl<'a> Place<'a> {
    /// Reads `/v1/projects/<project>/registrations/<registration>/topicSubscriptions` and perhaps `/<topic>`.
    pub(super) fn read(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/v1/projects/")?.split('/').collect();
        let (project, registration, topic) = match parts[..] {
            [project, "registrations", registration, "topicSubscriptions"] => {
                (project, registration, None)
            }
            [
                project,
                "registrations",
                registration,
                "topicSubscriptions",
                topic,
            ] => (project, registration, Some(topic)),
            _ => return None,
        };
        let is_named = !project.is_empty() && !registration.is_empty() && topic != Some("");
        is_named.then(|| Self {
            project,
            registration: decoded(registration),
            topic: topic.map(decoded),
        })
    }
}

/// Percent-encoded text, decoded.
fn decoded(text: &str) -> String {
    // A `+` is a blank in forms alone.
    let field = format!("x={}", text.replace('+', "%2B"));
    form(field.as_bytes()).remove("x").unwrap_or_default()
}

impl World {
    /// Answers a request about the subscriptions at `place`.
    pub(super) fn subscriptions(
        &self,
        request: &Request<Bytes>,
        place: &Place<'_>,
    ) -> Result<Reply, Reply> {
        let phones = self.phones();
        let phone = phones.get(&place.registration).ok_or_else(unregistered)?;
        let query = form(request.uri().query().unwrap_or_default().as_bytes());
        let query = |name: &str| query.get(name).map_or("", String::as_str);
        let mut topics = phone.topics();
        match (request.method(), &place.topic) {
            (&Method::POST, None) => {
                object(request)?;
                let topic = query("topic_name");
                check_topic(topic)?;
                if topics.contains_key(topic) {
                    let words = "Requested entity already exists";
                    return Err(failure(409, "ALREADY_EXISTS", words, &[]));
                }
                add(&mut topics, topic, self.clock.now())?;
                Ok(shown(&topics, place, topic))
            }
            (&Method::GET, None) => list(&topics, place, query("pageSize"), query("pageToken")),
            (&Method::GET, Some(topic)) if topics.contains_key(topic) => {
                Ok(shown(&topics, place, topic))
            }
            (&Method::PATCH, Some(topic)) => {
                object(request)?;
                check_topic(topic)?;
                if !topics.contains_key(topic) {
                    if query("allowMissing") != "true" && query("allow_missing") != "true" {
                        return Err(missing());
                    }
                    add(&mut topics, topic, self.clock.now())?;
                }
                Ok(shown(&topics, place, topic))
            }
            (&Method::DELETE, Some(topic)) => {
                let is_optional =
                    query("allow_missing") == "true" || query("allowMissing") == "true";
                if topics.remove(topic).is_none() && !is_optional {
                    return Err(missing());
                }
                Ok(Reply::new(200).json(json!({})))
            }
            _ => Err(missing()),
        }
    }

    /// The phones that `message` to a topic or a condition is for; `None` if it is for neither.
    pub(super) fn audience(&self, message: &Value) -> Option<Vec<Phone>> {
        let condition = match (message["topic"].as_str(), message["condition"].as_str()) {
            (Some(topic), _) => rules::Condition::Topic(rules::plain_topic(topic).to_owned()),
            (None, Some(condition)) => rules::Condition::parse(condition)?,
            (None, None) => return None,
        };
        let phones = self.phones();
        let of_token = phones.iter().filter(|(key, phone)| **key == phone.token());
        let meant = of_token.filter(|(_, phone)| {
            let topics = phone.topics();
            condition.holds(&|topic| topics.contains_key(topic))
        });
        Some(meant.map(|(_, phone)| phone.clone()).collect())
    }
}

fn missing() -> Reply {
    failure(404, "NOT_FOUND", "Requested entity was not found.", &[])
}

fn check_topic(topic: &str) -> Result<(), Reply> {
    if topic.contains('/') || !rules::is_topic(topic) {
        return Err(invalid("topic_name", "Malformed topic name"));
    }
    Ok(())
}

/// The body is a JSON object, or nothing.
fn object(request: &Request<Bytes>) -> Result<(), Reply> {
    let body = request.body();
    let is_object =
        body.is_empty() || serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object());
    if is_object {
        return Ok(());
    }
    let words = "Invalid JSON payload received.";
    Err(failure(400, "INVALID_ARGUMENT", words, &[]))
}

fn add(topics: &mut Topics, topic: &str, now: Timestamp) -> Result<(), Reply> {
    if topics.len() >= MAX_TOPICS {
        let words = "Too many topics";
        let detail = fcm_error("QUOTA_EXCEEDED");
        return Err(failure(429, "RESOURCE_EXHAUSTED", words, &[detail]));
    }
    topics.insert(topic.to_owned(), now);
    Ok(())
}

fn subscription(topics: &Topics, place: &Place<'_>, topic: &str) -> Value {
    let Place {
        project,
        registration,
        ..
    } = place;
    json!({
        "name": format!("projects/{project}/registrations/{registration}/topicSubscriptions/{topic}"),
        "topic_name": topic,
        "create_time": topics.get(topic).map(|at| rules::timestamp(at.unix_seconds())),
    })
}

fn shown(topics: &Topics, place: &Place<'_>, topic: &str) -> Reply {
    Reply::new(200).json(subscription(topics, place, topic))
}

/// One page; the token of the next is the name of its first topic.
fn list(topics: &Topics, place: &Place<'_>, size: &str, after: &str) -> Result<Reply, Reply> {
    let size = match size {
        "" => MAX_PAGE,
        text => match text.parse() {
            Ok(size @ 1..) => MAX_PAGE.min(size),
            _ => return Err(invalid("page_size", "Invalid page size")),
        },
    };
    let mut rest = topics.range(after.to_owned()..).map(|(topic, _)| topic);
    let page: Vec<Value> = rest
        .by_ref()
        .take(size)
        .map(|topic| subscription(topics, place, topic))
        .collect();
    let mut answer = json!({ "topicSubscriptions": page });
    if let Some(next) = rest.next() {
        answer["nextPageToken"] = next.as_str().into();
    }
    Ok(Reply::new(200).json(answer))
}
