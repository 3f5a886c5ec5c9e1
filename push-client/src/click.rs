//! Recognizes repeated clicks.
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use push_core::{
    DeliveryId, Timestamp, UserId,
    api::{DELIVERY_KEY, RECEIVER_KEY},
    payload::{Payload, Shape},
};
use serde_json::Value;

/// The way in which the operating system reported a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The click started the app: launch options, the first intent.
    Launch,
    /// The operating system called a delegate: a notification-center response.
    Response,
    /// The click brought the running app to the foreground: a new intent.
    Warm,
}

/// Returns the delivery that `payload` names: the key `delivery` at the top level, or in the string `ext` for a vendor that
/// delivers only that string.
pub fn delivery_of(payload: &Payload) -> Option<DeliveryId> {
    text_of(payload, DELIVERY_KEY)?.parse().ok()
}

/// Returns the user that `payload` names: the key `receiver`, in the same places as `delivery`. A click on it never opens in
/// another account's session.
pub(crate) fn receiver_of(payload: &Payload) -> Option<UserId> {
    UserId::new(text_of(payload, RECEIVER_KEY)?).ok()
}

fn text_of(payload: &Payload, key: &str) -> Option<String> {
    let top = payload.raw().get(key).and_then(Value::as_str);
    if let Some(text) = top {
        return Some(text.to_owned());
    }
    if payload.shape() != Shape::Intent {
        return None;
    }
    let ext = payload.raw().get("ext")?.as_str()?;
    let ext: Value = serde_json::from_str(ext).ok()?;
    Some(ext.get(key)?.as_str()?.to_owned())
}

/// The number of clicks that are remembered.
const REMEMBERED: usize = 64;

/// The recent clicks, so that a repeated report of one is ignored (S32).
///
/// A click with a delivery id is remembered until [`REMEMBERED`] others have followed, also over a restart: Android delivers the
/// first intent again when the app is opened from the list of recent apps. A click without one is recognized only by its
/// content, and two messages may have the same content: it counts as the same click only if another door reports it, once, and
/// within [`Settings::same_click_within`](crate::Settings::same_click_within).
#[derive(Debug, Default)]
pub(crate) struct ClickMemory {
    deliveries: VecDeque<DeliveryId>,
    texts: VecDeque<Seen>,
}

#[derive(Debug)]
struct Seen {
    text: u64,
    at: Timestamp,
    doors: Vec<Door>,
}

impl ClickMemory {
    pub(crate) fn with(deliveries: impl IntoIterator<Item = DeliveryId>) -> Self {
        let mut memory = Self::default();
        for delivery in deliveries {
            memory.remember(delivery);
        }
        memory
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = DeliveryId> {
        self.deliveries.iter().copied()
    }

    /// Returns `true` if this click was reported before, and remembers it.
    pub(crate) fn is_known(
        &mut self,
        payload: &Payload,
        door: Door,
        now: Timestamp,
        within: Duration,
    ) -> bool {
        if let Some(delivery) = delivery_of(payload) {
            let known = self.deliveries.contains(&delivery);
            if !known {
                self.remember(delivery);
            }
            return known;
        }
        self.texts.retain(|seen| now.since(seen.at) <= within);
        let text = hash(payload);
        let same = self
            .texts
            .iter_mut()
            .find(|seen| seen.text == text && !seen.doors.contains(&door));
        if let Some(same) = same {
            same.doors.push(door);
            return true;
        }
        if self.texts.len() == REMEMBERED {
            self.texts.pop_front();
        }
        self.texts.push_back(Seen {
            text,
            at: now,
            doors: vec![door],
        });
        false
    }

    fn remember(&mut self, delivery: DeliveryId) {
        if self.deliveries.len() == REMEMBERED {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }
}

fn hash(payload: &Payload) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(payload.shape().name().as_bytes());
    // The members are sorted, so equal contents have equal texts.
    hasher.write(
        serde_json::to_string(payload.raw())
            .unwrap_or_default()
            .as_bytes(),
    );
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";
    const WITHIN: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn a_delivery_is_found_beside_ext_and_inside_the_ext_of_an_intent() {
        let id = ID.parse().ok();
        assert_eq!(
            delivery_of(&Payload::apns(
                json!({"aps": {}, "ext": "{}", "delivery": ID})
            )),
            id
        );
        assert_eq!(
            delivery_of(&Payload::intent(
                json!({"entity": {}, "delivery": ID}).to_string()
            )),
            id
        );
        assert_eq!(
            delivery_of(&Payload::intent_extras(
                json!({"ext": "{}", "delivery": ID, "from": "1"})
            )),
            id
        );
        for nothing in [
            json!({}),
            json!({"delivery": 7}),
            json!({"delivery": "x"}),
            json!({"ext": format!("{{\"delivery\":\"{ID}\"}}")}),
        ] {
            assert_eq!(delivery_of(&Payload::apns(nothing)), None);
        }
        assert_eq!(delivery_of(&Payload::intent("no json")), None);
    }

    #[test]
    fn a_receiver_is_found_where_the_delivery_is() {
        let alice = UserId::new("alice").ok();
        let beside = Payload::apns(json!({"aps": {}, "ext": "{}", "receiver": "alice"}));
        let inside = Payload::intent(json!({"entity": {}, "receiver": "alice"}).to_string());
        assert_eq!(receiver_of(&beside), alice);
        assert_eq!(receiver_of(&inside), alice);
        for nothing in [json!({}), json!({"receiver": 7}), json!({"receiver": ""})] {
            assert_eq!(receiver_of(&Payload::apns(nothing)), None);
        }
    }

    // S32
    #[test]
    fn without_an_id_a_click_is_repeated_only_by_another_door_once_and_in_time() {
        let mut memory = ClickMemory::default();
        let hello = Payload::apns(json!({"ext": "hello"}));
        let mut known = |door, seconds| memory.is_known(&hello, door, at(seconds), WITHIN);
        assert!(!known(Door::Launch, 0));
        assert!(known(Door::Response, 1), "the same click at another door");
        assert!(
            !known(Door::Response, 2),
            "a second message with the same text"
        );
        assert!(!known(Door::Response, 3), "and a third");
        assert!(!known(Door::Launch, 60), "long after");
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = ClickMemory::default();
        for number in 0..1000 {
            let payload = Payload::apns(json!({ "ext": number.to_string() }));
            assert!(!memory.is_known(&payload, Door::Warm, at(0), WITHIN));
            let delivery = DeliveryId::new(at(number));
            let payload = Payload::apns(json!({ "delivery": delivery.to_string() }));
            assert!(!memory.is_known(&payload, Door::Warm, at(0), WITHIN));
        }
        assert_eq!(memory.texts.len(), REMEMBERED);
        assert_eq!(memory.deliveries.len(), REMEMBERED);
    }
}
