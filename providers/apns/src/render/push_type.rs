//! Apple's push types, and what each requires.
use push_core::{NotificationKind, Slot};
use serde::{Deserialize, Deserializer, Serialize};

macro_rules! push_types {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $suffix:literal;)*) => {
        /// A push type: the value of `apns-push-type`, which must agree with the payload and decides the topic.
        ///
        /// Reads words in any letter case: Apple's own tables spell `Liveactivity`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
        #[non_exhaustive]
        pub enum PushType {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl PushType {
            /// Every push type.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The value of the header `apns-push-type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The suffix of the topic, after the bundle id; empty if it has none.
            pub const fn topic_suffix(self) -> &'static str {
                match self { $(Self::$name => $suffix,)* }
            }
        }
    };
}

push_types! {
    /// Shown to a person, heard, or a number on the icon.
    #[default]
    Alert = "alert", "";
    /// Wakes the app, shows nothing. Priority 5 only.
    Background = "background", "";
    /// An incoming call (PushKit).
    Voip = "voip", ".voip";
    /// A change of a watch's complication (PushKit).
    Complication = "complication", ".complication";
    /// A change in a file provider (PushKit).
    FileProvider = "fileprovider", ".pushkit.fileprovider";
    /// Wakes the device management client; the topic is the `UID` of the MDM certificate.
    Mdm = "mdm", "";
    /// A change of a Live Activity.
    LiveActivity = "liveactivity", ".push-type.liveactivity";
    /// Asks for the location; with token authentication only.
    Location = "location", ".location-query";
    /// A person begins to speak (Push to Talk).
    PushToTalk = "pushtotalk", ".voip-ptt";
    /// Reloads widgets.
    Widgets = "widgets", ".push-type.widgets";
    /// Reloads a control.
    Controls = "controls", ".push-type.controls";
}

impl<'de> Deserialize<'de> for PushType {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Self::from_header(&word).ok_or_else(|| serde::de::Error::custom("no push type of Apple's"))
    }
}

impl PushType {
    /// Returns the push type that a header's value names, in any letter case.
    pub fn from_header(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|push_type| push_type.as_str().eq_ignore_ascii_case(word))
    }

    /// The largest payload, in bytes.
    pub const fn max_payload(self) -> usize {
        match self {
            Self::Voip => 5120,
            _ => 4096,
        }
    }

    /// Returns the usual push type of a notification of `kind` to a token of `slot`. The slot decides if its tokens take one
    /// type only: a call to a device without a VoIP token is an alert (S60). A background push cannot carry a number for the
    /// icon, so one that does is sent as an alert that wakes the app and shows nothing.
    pub(crate) const fn usual(kind: NotificationKind, slot: Slot, has_badge: bool) -> Self {
        match (slot, kind) {
            (Slot::Voip, _) => Self::Voip,
            (Slot::LiveActivity, _) => Self::LiveActivity,
            (_, NotificationKind::Background) if !has_badge => Self::Background,
            _ => Self::Alert,
        }
    }

    /// Returns `true` if a message may ask for this type. Calls and Live Activities have slots of their own, and device
    /// management belongs to another receiver than the app.
    pub(crate) const fn is_for_messages(self) -> bool {
        !matches!(self, Self::Voip | Self::LiveActivity | Self::Mdm)
    }

    /// Returns the highest of Apple's priorities (10, 5, 1) that is not above `wanted` and that this type allows; its lowest
    /// if all are above.
    pub(crate) const fn priority(self, wanted: u8) -> u8 {
        match self {
            Self::Background => 5,
            Self::Voip | Self::PushToTalk => 10,
            Self::LiveActivity | Self::Location if wanted < 10 => 5,
            _ => wanted,
        }
    }

    /// Returns `true` if `priority` is allowed.
    pub(crate) const fn allows_priority(self, priority: u8) -> bool {
        match self {
            Self::Background => priority == 5,
            Self::LiveActivity | Self::Location => matches!(priority, 5 | 10),
            _ => matches!(priority, 1 | 5 | 10),
        }
    }
}
