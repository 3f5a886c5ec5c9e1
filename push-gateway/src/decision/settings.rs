//! What an operator can choose about decisions.
use std::time::Duration;

use push_core::{Describe, Platform};

use super::{ClassPolicy, Locale};
use crate::settings::LEAST;

/// What an operator can choose about decisions.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DecisionSettings {
    /// The language of derived texts such as `[image]`.
    pub locale: Locale,
    /// The title where a vendor needs one and neither message, group nor nickname gives it: usually the app's name.
    pub default_title: String,
    /// How long a message is worth delivering if it does not say so.
    #[serde(with = "push_http::duration")]
    #[describe(min = LEAST)]
    pub default_ttl: Duration,
    /// How long a connection counts as alive after it was last heard of. The default is IM's heartbeat timeout.
    #[serde(with = "push_http::duration")]
    pub online_for: Duration,
    /// How long a device without connection is pushed to after it was last heard of.
    #[serde(with = "push_http::duration")]
    pub push_online_for: Duration,
    /// The platforms that are pushed to after their connection is gone; the others count as logged out.
    pub push_online_platforms: Vec<Platform>,
    /// Push only to the device that was active last.
    pub last_active_device_only: bool,
    /// Wrap an `ext` that is not a JSON object into one instead of refusing the push.
    pub wrap_ext: bool,
    /// Let every push that an iPhone shows start the app's notification service extension (`mutable-content`).
    ///
    /// Otherwise only one whose message asks for it does. An extension that acknowledges pushes needs it.
    pub mutable_content: bool,
    /// Vendor fields for every message of a class, in each vendor's own format.
    ///
    /// They are laid over what each credential sets; a message's own fields are laid over them.
    pub policies: Vec<ClassPolicy>,
}

impl Default for DecisionSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            locale: Locale::En,
            default_title: String::new(),
            default_ttl: 7 * DAY,
            online_for: Duration::from_secs(400),
            push_online_for: 7 * DAY,
            push_online_platforms: vec![
                Platform::Ios,
                Platform::Ipad,
                Platform::Android,
                Platform::Harmony,
            ],
            last_active_device_only: false,
            wrap_ext: false,
            mutable_content: false,
            policies: Vec::new(),
        }
    }
}
