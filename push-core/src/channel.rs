//! Vendor channels, and what a token is for.
use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, class::is_word};

/// A vendor's way to a phone: `apns`, `fcm`, `huawei`, … An open set: a provider of your own brings its own name.
///
/// 1 to 32 lower-case letters, digits and single hyphens, beginning with a letter; the same word as in
/// `providers/<channel>` and in configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(Cow<'static, str>);

impl Channel {
    /// Apple Push Notification service.
    pub const APNS: Self = Self::known("apns");
    /// Firebase Cloud Messaging.
    pub const FCM: Self = Self::known("fcm");
    /// Huawei Push Kit.
    pub const HUAWEI: Self = Self::known("huawei");
    /// Honor Push.
    pub const HONOR: Self = Self::known("honor");
    /// Xiaomi Push.
    pub const XIAOMI: Self = Self::known("xiaomi");
    /// OPPO Push, also realme and OnePlus.
    pub const OPPO: Self = Self::known("oppo");
    /// vivo Push.
    pub const VIVO: Self = Self::known("vivo");
    /// Meizu Push.
    pub const MEIZU: Self = Self::known("meizu");
    /// HarmonyOS NEXT Push Kit.
    pub const HARMONY: Self = Self::known("harmony");
    /// Web Push (RFC 8030).
    pub const WEBPUSH: Self = Self::known("webpush");
    /// Tencent Push Notification Service.
    pub const TPNS: Self = Self::known("tpns");

    const KNOWN: [Self; 11] = [
        Self::APNS,
        Self::FCM,
        Self::HUAWEI,
        Self::HONOR,
        Self::XIAOMI,
        Self::OPPO,
        Self::VIVO,
        Self::MEIZU,
        Self::HARMONY,
        Self::WEBPUSH,
        Self::TPNS,
    ];

    /// A channel in a constant. `name` must be of the form above, which is not checked.
    pub const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Checks `name`. The channels above are recognised without allocating.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `name` is not of the form above.
    pub fn new(name: impl AsRef<str> + Into<String>) -> Result<Self> {
        let known = Self::KNOWN
            .into_iter()
            .find(|channel| channel.0 == name.as_ref());
        if let Some(channel) = known {
            return Ok(channel);
        }
        if is_word(name.as_ref()) {
            Ok(Self(Cow::Owned(name.into())))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                "a channel's name is 1 to 32 lower-case letters, digits and single hyphens, beginning with a letter",
            ))
        }
    }

    /// Tencent Chat's push platforms 1, 2, …
    const PUSH_PLATFORMS: &'static [Self] = &[
        Self::APNS,
        Self::XIAOMI,
        Self::HUAWEI,
        Self::FCM,
        Self::MEIZU,
        Self::OPPO,
        Self::VIVO,
        Self::HONOR,
    ];

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The channel with this number among Tencent Chat's push platforms (S127): 1 to 8; `None` for 0, which means unknown, and for
    /// numbers without a channel here.
    pub fn of_push_platform(number: u32) -> Option<Self> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::PUSH_PLATFORMS.get(place).cloned()
    }

    /// Its number among Tencent Chat's push platforms; 0, unknown, for a channel that has none.
    pub fn push_platform(&self) -> u32 {
        let mut platforms = Self::PUSH_PLATFORMS.iter().zip(1..);
        let found = platforms.find(|(channel, _)| *channel == self);
        found.map_or(0, |(_, number)| number)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Channel {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl FromStr for Channel {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.0.into_owned()
    }
}

macro_rules! word_enum {
    ($($(#[$doc:meta])* $name:ident($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, $crate::Describe)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The word used in configuration, the API and the store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::Error;
            fn from_str(word: &str) -> $crate::Result<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word).ok_or_else(|| {
                    $crate::Error::new($crate::ErrorKind::Invalid, concat!("not a known ", $what))
                        .advise(format!("use one of: {}", [$($word),*].join(", ")))
                })
            }
        }
    )*};
}
pub(crate) use word_enum;

word_enum! {
    /// Which of a vendor's worlds a token or a credential belongs to. The two must agree (S57).
    Environment("environment") {
        /// For debug builds.
        Sandbox = "sandbox",
        /// For released apps.
        Production = "production",
    }
    /// What a device's token is for (S59).
    #[non_exhaustive]
    Slot("slot") {
        /// Notifications that a person sees.
        Alert = "alert",
        /// Incoming calls (PushKit).
        Voip = "voip",
        /// Live Activities.
        LiveActivity = "live-activity",
    }
    /// What kind of client a device is. Presence rules differ by it (S62).
    Platform("platform") {
        /// An iPhone.
        Ios = "ios",
        /// An iPad.
        Ipad = "ipad",
        /// An Android phone or tablet.
        Android = "android",
        /// A HarmonyOS NEXT phone.
        Harmony = "harmony",
        /// A browser.
        Web = "web",
        /// A desktop program.
        Desktop = "desktop",
    }
    /// Whether the person allows the app to show notifications, as the phone's system reports it.
    #[non_exhaustive]
    Permission("permission") {
        /// Notifications are shown.
        Granted = "granted",
        /// Notifications are delivered quietly until the person decides.
        Provisional = "provisional",
        /// The person refused.
        Denied = "denied",
        /// The person has not been asked yet.
        NotAsked = "not-asked",
    }
    /// Whether a device can be reached over the IM connection, and whether it may be pushed to.
    Presence("presence") {
        /// Connected, the app in foreground: no push.
        Online = "online",
        /// Connected, the app in background: push (S64).
        Background = "background",
        /// The connection is gone without a logout: push.
        PushOnline = "push-online",
        /// Logged out, kicked, or away for too long: no push (S63).
        Offline = "offline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S127
    #[test]
    fn the_numbers_of_push_platforms_name_channels() {
        for (number, channel) in [
            (1, Channel::APNS),
            (2, Channel::XIAOMI),
            (3, Channel::HUAWEI),
            (4, Channel::FCM),
            (5, Channel::MEIZU),
            (6, Channel::OPPO),
            (7, Channel::VIVO),
            (8, Channel::HONOR),
        ] {
            assert_eq!(Channel::of_push_platform(number), Some(channel.clone()));
            assert_eq!(channel.push_platform(), number);
        }
        for unknown in [0, 9, u32::MAX] {
            assert_eq!(Channel::of_push_platform(unknown), None, "{unknown}");
        }
        assert_eq!(Channel::WEBPUSH.push_platform(), 0);
        assert_eq!(Channel::known("sample").push_platform(), 0);
    }
}
