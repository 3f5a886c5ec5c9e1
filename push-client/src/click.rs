//! Telling clicks apart.
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

/// The door through which a click came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The app was started by it: launch options, the first intent.
    Launch,
    /// The operating system called back: a notification-center response.
    Response,
    /// The running app was brought forward by it: a new intent.
    Warm,
}

/// The delivery that `payload` belongs to, if it says so: the key `delivery` at the top level, or in the string `ext` where a
/// vendor hands over nothing else.
pub fn delivery_of(payload: &Payload) -> Option<DeliveryId> {
    text_of(payload, DELIVERY_KEY)?.parse().ok()
}

/// The user that `payload` is for, if it says so: the key `receiver`, in the same places as that of the delivery. A click on it
/// never opens in another account's session.
pub fn receiver_of(payload: &Payload) -> Option<UserId> {
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

/// How many clicks are remembered.
const REMEMBERED: usize = 64;

/// The clicks of the recent past, so that the same one seen again goes nowhere (S32).
///
/// A click with a delivery id is remembered as long as there is room, also over a restart: Android hands the first intent over
/// again when the app is opened from the list of recent apps. A click without one is only known by what it says, and two
/// messages may say the same: it counts as the same click only if another door tells it, once, and soon.
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
        for it in deliveries {
            memory.remember(it);
        }
        memory
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = DeliveryId> {
        self.deliveries.iter().copied()
    }

    /// Whether this click has been seen before; remembers it.
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
        self.texts.retain(|it| now.since(it.at) <= within);
        let text = hash(payload);
        let same = self
            .texts
            .iter_mut()
            .find(|it| it.text == text && !it.doors.contains(&door));
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
    // Members are sorted, so the same content has the same text.
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
    fn without_an_id_the_same_text_is_the_same_click_only_at_another_door_once_and_soon() {
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
