//! What Apple says of each kind of push: *Sending notification requests to APNs*, and for topics that page's table of
//! `apns-push-type`. Written down a second time on purpose: the provider's own table is tested against it.
use crate::PushType;

/// A kind of push, as the service knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The value of `apns-push-type`.
    pub(super) word: &'static str,
    /// What follows the bundle id in the topic.
    pub(super) suffix: &'static str,
    /// The largest payload, in bytes.
    pub(super) max_payload: usize,
    /// The priorities it takes.
    pub(super) priorities: &'static [u8],
}

const ANY: &[u8] = &[1, 5, 10];

const fn kind(word: &'static str, suffix: &'static str, priorities: &'static [u8]) -> Kind {
    Kind {
        word,
        suffix,
        max_payload: 4096,
        priorities,
    }
}

pub(super) const ALERT: Kind = kind("alert", "", ANY);
pub(super) const LIVE_ACTIVITY: Kind = kind("liveactivity", ".push-type.liveactivity", &[5, 10]);

const KINDS: &[Kind] = &[
    ALERT,
    kind("background", "", &[5]),
    Kind {
        max_payload: 5120,
        ..kind("voip", ".voip", ANY)
    },
    kind("complication", ".complication", ANY),
    kind("fileprovider", ".pushkit.fileprovider", ANY),
    kind("mdm", "", ANY),
    LIVE_ACTIVITY,
    kind("location", ".location-query", &[5, 10]),
    kind("pushtotalk", ".voip-ptt", ANY),
    kind("widgets", ".push-type.widgets", ANY),
    kind("controls", ".push-type.controls", ANY),
];

impl Kind {
    /// The kind that a header names, and what a phone calls it.
    pub(super) fn named(word: &str) -> Option<(Self, PushType)> {
        let kind = KINDS.iter().find(|kind| kind.word == word)?;
        Some((*kind, PushType::from_header(word)?))
    }

    /// The kind that a phone means.
    pub(super) fn of(push_type: PushType) -> Self {
        Self::named(push_type.as_str()).map_or(ALERT, |(kind, _)| kind)
    }

    /// The kind of a push that does not name it: that of the topic's suffix, else an alert.
    pub(super) fn of_topic(topic: &str) -> (Self, PushType) {
        KINDS
            .iter()
            .find(|kind| !kind.suffix.is_empty() && topic.ends_with(kind.suffix))
            .and_then(|kind| Self::named(kind.word))
            .unwrap_or((ALERT, PushType::Alert))
    }

    /// Whether `topic` has the suffix of this kind, and of no other.
    pub(super) fn agrees_with(self, topic: &str) -> bool {
        if self.suffix.is_empty() {
            !topic.is_empty() && suffix_of(topic).is_none()
        } else {
            topic.len() > self.suffix.len() && topic.ends_with(self.suffix)
        }
    }
}

fn suffix_of(topic: &str) -> Option<&'static str> {
    KINDS
        .iter()
        .map(|kind| kind.suffix)
        .find(|suffix| !suffix.is_empty() && topic.ends_with(suffix))
}

/// Whether `topic` is `bundle_id`, with or without the suffix of a kind.
pub(super) fn is_topic_of(topic: &str, bundle_id: &str) -> bool {
    topic
        .strip_prefix(bundle_id)
        .is_some_and(|suffix| KINDS.iter().any(|kind| kind.suffix == suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The provider's table against Apple's.
    #[test]
    fn the_provider_knows_the_kinds_of_push_as_apple_documents_them() {
        assert_eq!(KINDS.len(), PushType::ALL.len());
        for kind in KINDS {
            let (_, push_type) = Kind::named(kind.word).expect("the provider knows the word");
            assert_eq!(push_type.topic_suffix(), kind.suffix, "{}", kind.word);
            assert_eq!(push_type.max_payload(), kind.max_payload, "{}", kind.word);
            for priority in ANY {
                assert_eq!(
                    push_type.allows_priority(*priority),
                    kind.priorities.contains(priority),
                    "{} {priority}",
                    kind.word
                );
            }
        }
    }
}
