//! Recognizes repeated clicks.
use std::{collections::VecDeque, time::Duration};

use push_core::{
    DeliveryId, Timestamp, UserId,
    api::{DELIVERY_KEY, RECEIVER_KEY},
    payload::{Payload, Profile, Shape},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The way in which the operating system reported a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClickSource {
    /// The click started the app: launch options, the first intent.
    Launch,
    /// The operating system called a delegate: a notification-center response.
    Response,
    /// The click brought the running app to the foreground: a new intent.
    Warm,
}

/// Returns the delivery that `payload` names: the key `delivery` at the top level, or in the string `ext` for a vendor that
/// delivers only that string (`custom` with TPNS).
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
    // Vendors that deliver only one string.
    let name = match payload.shape() {
        Shape::Intent => "ext",
        Shape::Tpns => "custom",
        _ => return None,
    };
    let ext = payload.raw().get(name)?.as_str()?;
    let ext: Value = serde_json::from_str(ext).ok()?;
    Some(ext.get(key)?.as_str()?.to_owned())
}

/// The number of clicks that are remembered.
const REMEMBERED: usize = 64;

/// The recent clicks, so that a repeated report of one is ignored (S32).
///
/// A click with a delivery id is remembered until [`REMEMBERED`] others have followed, also over a restart: Android delivers the
/// intent of a click again when the app is opened from the list of recent apps. A click without one is recognized only by its
/// content, and two messages may have the same content: it counts as the same click if another source reports it, once, and
/// within [`Settings::same_click_within`](crate::Settings::same_click_within). On Android it also counts as the same if it
/// starts the app and its content was clicked before, at any time, because that is such an intent. As a consequence, a second
/// message with equal content and no id that is clicked while the app is closed opens the app and not the chat.
#[derive(Debug, Default)]
pub(crate) struct ClickMemory {
    deliveries: VecDeque<DeliveryId>,
    /// Digests of clicks on Android that had no delivery id.
    intents: VecDeque<Digest>,
    texts: VecDeque<Seen>,
}

#[derive(Debug)]
struct Seen {
    text: Digest,
    at: Timestamp,
    sources: Vec<ClickSource>,
}

impl ClickMemory {
    pub(crate) fn with(
        deliveries: impl IntoIterator<Item = DeliveryId>,
        intents: impl IntoIterator<Item = Digest>,
    ) -> Self {
        let mut memory = Self::default();
        for delivery in deliveries {
            remember(&mut memory.deliveries, delivery);
        }
        for intent in intents {
            remember(&mut memory.intents, intent);
        }
        memory
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = DeliveryId> {
        self.deliveries.iter().copied()
    }

    pub(crate) fn intents(&self) -> impl Iterator<Item = Digest> {
        self.intents.iter().copied()
    }

    /// Returns `true` if this click was reported before, and remembers it.
    pub(crate) fn is_known(
        &mut self,
        payload: &Payload,
        source: ClickSource,
        now: Timestamp,
        within: Duration,
    ) -> bool {
        if let Some(delivery) = delivery_of(payload) {
            return remember(&mut self.deliveries, delivery);
        }
        self.texts.retain(|seen| now.since(seen.at) <= within);
        let text = Digest::of(payload);
        let is_known_intent = payload.shape().profile() == Profile::Android
            && remember(&mut self.intents, text)
            && source == ClickSource::Launch;
        let same = self
            .texts
            .iter_mut()
            .find(|seen| seen.text == text && !seen.sources.contains(&source));
        if let Some(same) = same {
            same.sources.push(source);
            return true;
        }
        if is_known_intent {
            return true;
        }
        if self.texts.len() == REMEMBERED {
            self.texts.pop_front();
        }
        self.texts.push_back(Seen {
            text,
            at: now,
            sources: vec![source],
        });
        false
    }
}

/// Moves `click` to the newest place of `clicks`, which has room for [`REMEMBERED`]. Returns `true` if it was there.
fn remember<C: PartialEq>(clicks: &mut VecDeque<C>, click: C) -> bool {
    let place = clicks.iter().position(|other| *other == click);
    if let Some(place) = place {
        clicks.remove(place);
    } else if clicks.len() == REMEMBERED {
        clicks.pop_front();
    }
    clicks.push_back(click);
    place.is_some()
}

/// A digest of a payload's content, the same in every version of the app because it is stored: FNV-1a with 64 bits. It
/// distinguishes 64 clicks and protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn of(payload: &Payload) -> Self {
        // The members are sorted, so equal contents have equal texts.
        let text = serde_json::to_string(payload.raw()).unwrap_or_default();
        let shape = payload.shape().name().bytes();
        Self(
            shape
                .chain(text.bytes())
                .fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
                    (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                }),
        )
    }
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

    /// S18
    #[test]
    fn delivery_and_receiver_are_found_inside_the_custom_text_of_tpns() {
        let custom = json!({"entity": {}, "delivery": ID, "receiver": "alice"}).to_string();
        let payload = Payload::tpns(json!({"aps": {}, "custom": custom}));
        assert_eq!(delivery_of(&payload), ID.parse().ok());
        assert_eq!(receiver_of(&payload), UserId::new("alice").ok());
        let elsewhere = Payload::tpns(json!({"aps": {}, "ext": custom, "custom": "no json"}));
        assert_eq!(delivery_of(&elsewhere), None);
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
    fn without_an_id_another_source_repeats_a_click_once_and_in_time() {
        let mut memory = ClickMemory::default();
        let hello = Payload::apns(json!({"ext": "hello"}));
        let mut known = |source, seconds| memory.is_known(&hello, source, at(seconds), WITHIN);
        assert!(!known(ClickSource::Launch, 0));
        assert!(
            known(ClickSource::Response, 1),
            "the same click from another source"
        );
        assert!(
            !known(ClickSource::Response, 2),
            "a second message with the same text"
        );
        assert!(!known(ClickSource::Response, 3), "and a third");
        assert!(!known(ClickSource::Launch, 60), "long after");
    }

    // S32
    #[test]
    fn an_android_intent_that_was_clicked_before_is_no_click_when_it_starts_the_app() {
        for shape in [Shape::Intent, Shape::Xiaomi, Shape::Oppo] {
            for first in [ClickSource::Launch, ClickSource::Warm] {
                let mut memory = ClickMemory::default();
                let hello = Payload::as_received(shape, r#"{"a":"hello"}"#);
                let later = Payload::as_received(shape, r#"{"a":"later"}"#);
                let mut known = |payload, source, seconds| {
                    memory.is_known(payload, source, at(seconds), WITHIN)
                };
                assert!(!known(&hello, first, 0));
                assert!(!known(&later, ClickSource::Warm, 10));
                for day in 1..4 {
                    let again = known(&hello, ClickSource::Launch, day * 86_400);
                    assert!(again, "{shape:?} {first:?} {day}");
                }
                assert!(!known(&hello, ClickSource::Warm, 500_000), "a new click");
            }
        }
    }

    #[test]
    fn a_digest_is_the_same_in_every_version() {
        let digest = Digest::of(&Payload::intent("hello"));
        assert_eq!(
            serde_json::to_string(&digest).unwrap(),
            "17692577147560296810"
        );
        assert_ne!(digest, Digest::of(&Payload::intent("Hello")));
        assert_ne!(digest, Digest::of(&Payload::apns(json!({"ext": "hello"}))));
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = ClickMemory::default();
        for number in 0..1000 {
            let payload = Payload::apns(json!({ "ext": number.to_string() }));
            assert!(!memory.is_known(&payload, ClickSource::Warm, at(0), WITHIN));
            let payload = Payload::intent(number.to_string());
            assert!(!memory.is_known(&payload, ClickSource::Launch, at(0), WITHIN));
            let delivery = DeliveryId::new(at(number));
            let payload = Payload::apns(json!({ "delivery": delivery.to_string() }));
            assert!(!memory.is_known(&payload, ClickSource::Warm, at(0), WITHIN));
        }
        assert_eq!(memory.texts.len(), REMEMBERED);
        assert_eq!(memory.intents.len(), REMEMBERED);
        assert_eq!(memory.deliveries.len(), REMEMBERED);
    }
}
