//! The kinds of push that Apple knows, and what each asks for.
use push_core::{NotificationKind, Slot};
use serde::{Deserialize, Serialize};

macro_rules! push_types {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $suffix:literal;)*) => {
        /// A kind of push: the value of `apns-push-type`, which must agree with the payload and decides the topic.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum PushType {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl PushType {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The value of the header `apns-push-type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What follows the bundle id in the topic.
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
    /// Wakes the device management; the topic is the `UID` of the MDM certificate.
    Mdm = "mdm", "";
    /// A change of a Live Activity.
    LiveActivity = "liveactivity", ".push-type.liveactivity";
    /// Asks for the location; with token authentication only.
    Location = "location", ".location-query";
    /// Somebody begins to speak (Push to Talk).
    PushToTalk = "pushtotalk", ".voip-ptt";
    /// Reloads widgets.
    Widgets = "widgets", ".push-type.widgets";
    /// Reloads a control.
    Controls = "controls", ".push-type.controls";
}

impl PushType {
    /// The kind that a header's value names.
    pub fn from_header(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.as_str() == word)
    }

    /// The largest payload, in bytes.
    pub const fn max_payload(self) -> usize {
        match self {
            Self::Voip => 5120,
            _ => 4096,
        }
    }

    /// What is usual for a notification of `kind` to a token of `slot`. The token decides where it is of one kind only:
    /// a call to a device without a VoIP token is an alert (S60).
    pub(crate) const fn usual(kind: NotificationKind, slot: Slot) -> Self {
        match (slot, kind) {
            (Slot::Voip, _) => Self::Voip,
            (Slot::LiveActivity, _) => Self::LiveActivity,
            (Slot::Alert, NotificationKind::Background) => Self::Background,
            (Slot::Alert, _) => Self::Alert,
        }
    }

    /// Whether a token of `slot` can take it.
    pub(crate) const fn suits(self, slot: Slot) -> bool {
        match slot {
            Slot::Voip => matches!(self, Self::Voip),
            Slot::LiveActivity => matches!(self, Self::LiveActivity),
            Slot::Alert => !matches!(self, Self::Voip | Self::LiveActivity),
        }
    }

    /// The highest of Apple's priorities that is not above `wanted` (10, 5 or 1) and that this kind allows; its lowest if
    /// all are above.
    pub(crate) const fn priority(self, wanted: u8) -> u8 {
        match self {
            Self::Background => 5,
            Self::Voip | Self::PushToTalk => 10,
            Self::LiveActivity | Self::Location if wanted < 10 => 5,
            _ => wanted,
        }
    }

    /// Whether `priority` is allowed.
    pub(crate) const fn allows_priority(self, priority: u8) -> bool {
        match self {
            Self::Background => priority == 5,
            Self::LiveActivity | Self::Location => matches!(priority, 5 | 10),
            _ => matches!(priority, 1 | 5 | 10),
        }
    }
}
