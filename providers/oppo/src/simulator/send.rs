//! What becomes of messages.
use std::collections::{BTreeMap, HashMap};

use push_testkit::Reply;
use serde_json::{Map, Value, json};

use super::{
    APP_ID,
    check::{Notification, Refusal},
    message::{self, Message},
    phone::Arrival,
    quota::Allowed,
    service::{Region, Service, hex, lock, refusal, success, words},
};

const NO_SUCH_ID: i64 = 10_000;
const DUPLICATE: i64 = 32;
const DAILY_LIMIT: i64 = 33;
const NO_DATA: i64 = 31;

/// How many saved messages are kept; the next one makes OPPO forget them.
const MOST_SAVED: usize = 10_000;

type Fields = HashMap<String, String>;

impl Service {
    pub(super) fn unicast(&self, region: Region, fields: &Fields) -> Result<Reply, Refusal> {
        self.count_request();
        let message = message::one(fields, &self.options)?;
        if let Some(reply) = self.faults.take(&message.id) {
            return Ok(reply);
        }
        Ok(match self.accept(region, &message) {
            Ok(id) => success(&json!({ "messageId": id })),
            Err(code) => refusal(code, words(code)),
        })
    }

    pub(super) fn unicast_batch(&self, region: Region, fields: &Fields) -> Result<Reply, Refusal> {
        self.count_request();
        let messages = message::several(fields, &self.options)?;
        if let Some(reply) = self.scripted(messages.iter().map(|message| message.id.as_str())) {
            return Ok(reply);
        }
        let entries = messages
            .iter()
            .map(|message| match self.accept(region, message) {
                Ok(id) => json!({ "messageId": id, "registrationId": message.id }),
                Err(code) => json!({
                    "registrationId": message.id, "errorCode": code, "errorMessage": words(code),
                }),
            });
        Ok(success(&Value::from_iter(entries)))
    }

    pub(super) fn save(&self, _: Region, fields: &Fields) -> Result<Reply, Refusal> {
        if let Some(reply) = self.faults.take_for("save_message_content") {
            return Ok(reply);
        }
        let notification = message::flat(fields, &self.options)?;
        self.count_saved();
        let id = hex::<12>();
        let mut saved = lock(&self.saved);
        if saved.len() >= MOST_SAVED {
            saved.clear();
        }
        saved.insert(id.clone(), notification);
        Ok(success(&json!({ "message_id": id })))
    }

    pub(super) fn broadcast(&self, region: Region, fields: &Fields) -> Result<Reply, Refusal> {
        self.count_request();
        let id = fields.get("message_id").map_or("", String::as_str);
        let notification = lock(&self.saved).get(id).cloned();
        let notification = notification.ok_or_else(|| (NO_DATA, "Data Not Exist".to_owned()))?;
        let receivers = message::receivers(fields)?;
        if let Some(reply) = self.scripted(receivers.iter().copied()) {
            return Ok(reply);
        }
        let task = hex::<12>();
        let mut refused: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        for receiver in receivers {
            if let Err(code) = self.reach(region, receiver, &notification, id, &task) {
                refused.entry(code).or_default().push(receiver);
            }
        }
        let lists = refused.into_iter();
        let mut data: Map<String, Value> = lists
            .map(|(code, ids)| (code.to_string(), ids.into()))
            .collect();
        data.insert("message_id".to_owned(), id.into());
        data.insert("task_id".to_owned(), task.into());
        data.insert("status".to_owned(), "call_success".into());
        Ok(success(&data.into()))
    }

    fn scripted<'a>(&self, mut ids: impl Iterator<Item = &'a str>) -> Option<Reply> {
        ids.find_map(|id| self.faults.take(id))
    }

    /// Takes a message over for a phone, once for each id that the app gave it; returns the message id.
    fn accept(&self, region: Region, message: &Message) -> Result<String, i64> {
        let own = message.notification.text("app_message_id");
        if let Some(id) = lock(&self.quota).known(own, &message.id).cloned() {
            return if self.options.silent_repetitions {
                Ok(id)
            } else {
                Err(DUPLICATE)
            };
        }
        let id = format!("{APP_ID}-1-1-{}", hex::<12>());
        self.reach(region, &message.id, &message.notification, &id, "")?;
        lock(&self.quota).learn(own, &message.id, &id);
        Ok(id)
    }

    /// Hands a notification to the phone with this id.
    fn reach(
        &self,
        region: Region,
        id: &str,
        notification: &Notification,
        message_id: &str,
        task_id: &str,
    ) -> Result<(), i64> {
        let no_such_id = if self.options.argument_errors {
            41
        } else {
            NO_SUCH_ID
        };
        let phone = lock(&self.phones).get(id).cloned();
        let is_here = region_of(id) == Some(region);
        let phone = match phone {
            Some(phone) if phone.code() != 0 => return Err(phone.code()),
            Some(phone) if is_here && !phone.is_gone() => Some(phone),
            None if is_here && self.options.base.any_token => None,
            _ => return Err(no_such_id),
        };
        let quotas = [self.options.public_quota, self.options.user_quota];
        let now = self.clock.now();
        let allowed = lock(&self.quota).count(id, notification.is_private, quotas, now);
        if allowed == Allowed::No {
            return Err(DAILY_LIMIT);
        }
        self.count_accepted();
        if let Some(phone) = phone {
            let arrival = Arrival::new(notification, message_id, task_id);
            phone.take(arrival, allowed == Allowed::Yes);
            if phone.is_gone() {
                lock(&self.dead).push_back(id.to_owned());
            }
        }
        Ok(())
    }
}

/// The region of an id by the pattern of OPPO's library: a brand of 2 to 10 letters or digits, a region of two capitals or
/// `EUEX`, 32 hexadecimal digits. `None` for another form.
pub(super) fn region_of(id: &str) -> Option<Region> {
    let (prefix, digits) = id
        .rsplit_once('_')
        .map_or(("", id), |(prefix, digits)| (prefix, digits));
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (brand, region) = prefix.rsplit_once('_').map_or(("", prefix), |parts| parts);
    let is_brand = |text: &str| {
        (2..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_region = |text: &str| {
        text == "EUEX" || text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    match (prefix, region) {
        ("", _) => Some(Region::Mainland),
        (_, "CN") if prefix == "CN" || is_brand(brand) => Some(Region::Mainland),
        (_, region) if is_region(region) && (prefix == region || is_brand(brand)) => {
            Some(Region::Overseas)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_on_record_is_read_by_the_pattern_of_oppos_library() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
                .expect("the vectors are JSON");
        let cases = vectors["oppo_regid"].as_array().expect("an array");
        assert_eq!(cases.len(), 18);
        for case in cases {
            let region = match case[2].as_str() {
                Some("cn") => Some(Region::Mainland),
                Some(_) => Some(Region::Overseas),
                None => None,
            };
            assert_eq!(region.is_some(), case[1] == true, "{case}");
            assert_eq!(region_of(case[0].as_str().expect("text")), region, "{case}");
        }
    }
}
