//! The keys that Apple defines ("Generating a remote notification", "Starting and updating Live Activities with
//! ActivityKit push notifications").
use std::fmt;

use push_core::Interruption;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The dictionary `aps`, with every key that Apple defines. What is `None`, empty or `false` is left out.
///
/// `Debug` names the keys that are set, never their values.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Aps {
    /// What is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// The number on the icon; 0 removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u32>,
    /// What is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
    /// Groups notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Chooses the buttons that the app registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Wakes the app in background. On the wire `1`.
    #[serde(with = "flag", skip_serializing_if = "is_false")]
    pub content_available: bool,
    /// Lets a service extension change the notification. On the wire `1`.
    #[serde(with = "flag", skip_serializing_if = "is_false")]
    pub mutable_content: bool,
    /// The window that comes to the front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_content_id: Option<String>,
    /// How much it may interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interruption_level: Option<InterruptionLevel>,
    /// Sorts the app's notifications in the summary, 0 to 1; of a Live Activity any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance_score: Option<f64>,
    /// The criteria that a focus filter evaluates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_criteria: Option<String>,
    /// The values for the placeholders of a website's URL (Safari).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_args: Option<Vec<String>>,
    /// Reloads widgets and controls.
    #[serde(skip_serializing_if = "is_false")]
    pub content_changed: bool,
    /// When a Live Activity's change was made, in seconds since 1970; an older one than the last shown is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// What happens to the Live Activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// The Live Activity's new state, as its app decodes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_state: Option<Value>,
    /// When the Live Activity counts as outdated, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_date: Option<i64>,
    /// When the ended Live Activity is removed, in seconds since 1970; in the past: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dismissal_date: Option<i64>,
    /// The type of the attributes of the Live Activity that starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes_type: Option<String>,
    /// The attributes of the Live Activity that starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Value>,
    /// The broadcast channel that the started Live Activity listens to. Excludes `input_push_token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_push_channel: Option<String>,
    /// Asks the started Live Activity for a token of its own. On the wire `1`. Excludes `input_push_channel`.
    #[serde(with = "flag", skip_serializing_if = "is_false")]
    pub input_push_token: bool,
    /// What Apple defined after this was written, passed on as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for Aps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => f.debug_set().entries(map.keys()).finish(),
            _ => f.write_str("Aps"),
        }
    }
}

/// What is shown: one text, or a title with more.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Alert {
    /// The body alone.
    Body(String),
    /// Field by field.
    Fields(Box<AlertFields>),
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body(_) => "Alert(body)",
            Self::Fields(_) => "Alert(fields)",
        })
    }
}

/// The fields of `alert`. What is `None` is left out.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct AlertFields {
    /// The first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// The second line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<Text>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Text>,
    /// The key of the title in the app's `Localizable.strings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_loc_key: Option<String>,
    /// What replaces the title's placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_loc_args: Option<Vec<String>>,
    /// The key of the subtitle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle_loc_key: Option<String>,
    /// What replaces the subtitle's placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtitle_loc_args: Option<Vec<String>>,
    /// The key of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loc_key: Option<String>,
    /// What replaces the text's placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loc_args: Option<Vec<String>>,
    /// The picture shown while the app starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_image: Option<String>,
    /// The sound of a Live Activity's change; any other push has [`Aps::sound`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// What Apple defined after this was written, passed on as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for AlertFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertFields").finish_non_exhaustive()
    }
}

/// A text: as it is, or, in a Live Activity, by its key in the app.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Text {
    /// As it is.
    Plain(String),
    /// By its key.
    Localized {
        /// The key in the app's `Localizable.strings`.
        #[serde(rename = "loc-key")]
        loc_key: String,
        /// What replaces the placeholders.
        #[serde(rename = "loc-args", default, skip_serializing_if = "Vec::is_empty")]
        loc_args: Vec<String>,
    },
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Text(plain)",
            Self::Localized { .. } => "Text(localized)",
        })
    }
}

/// What is heard: a file in the app, or a critical sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Sound {
    /// A file in the app with its suffix, or `default`.
    Named(String),
    /// A sound that the mute switch does not silence.
    Critical(CriticalSound),
}

/// A sound that the mute switch does not silence; needs Apple's permission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CriticalSound {
    /// Whether it is critical at all. On the wire `1`.
    #[serde(with = "flag", default, skip_serializing_if = "is_false")]
    pub critical: bool,
    /// A file in the app with its suffix, or `default`.
    pub name: String,
    /// How loud, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<f64>,
}

/// How much a notification may interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InterruptionLevel {
    /// Into the list without lighting up the screen.
    Passive,
    /// As usual.
    Active,
    /// Through scheduled summaries and focus.
    TimeSensitive,
    /// Through the mute switch; needs Apple's permission.
    Critical,
}

impl From<Interruption> for InterruptionLevel {
    fn from(level: Interruption) -> Self {
        match level {
            Interruption::Passive => Self::Passive,
            Interruption::Active => Self::Active,
            Interruption::TimeSensitive => Self::TimeSensitive,
            Interruption::Critical => Self::Critical,
        }
    }
}

/// What happens to a Live Activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// It begins. Needs an alert, attributes and their type, and a state.
    Start,
    /// Its state changes.
    Update,
    /// It ends.
    End,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Apple's flags: 1 on the wire; read from 0, 1 and booleans.
mod flag {
    use super::{Deserialize, Deserializer, Serializer, Value};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    pub(super) fn serialize<S: Serializer>(flag: &bool, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(u8::from(*flag))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
        match Value::deserialize(from)? {
            Value::Bool(flag) => Ok(flag),
            Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
            Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
            _ => Err(super::not_a_flag()),
        }
    }
}

fn not_a_flag<E: serde::de::Error>() -> E {
    E::custom("a flag is 1 or 0")
}
