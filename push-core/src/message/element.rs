//! What a message consists of.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::mended;
use crate::{Error, ErrorKind};

/// A part of a message. `Debug` shows the kind only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    deny_unknown_fields,
    try_from = "ElementJson"
)]
#[non_exhaustive]
pub enum Element {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {},
    /// A voice message.
    Sound {},
    /// A video.
    Video {},
    /// A file.
    File {},
    /// An emoticon.
    Face {},
    /// A location.
    Location {},
    /// Messages forwarded together.
    Relay {},
    /// Content that only the app understands: pushed only with a `desc`, here or in [`OfflinePushInfo`](crate::OfflinePushInfo) (S90).
    Custom {
        /// What to show; empty for none.
        desc: String,
        /// The `ext` to send; empty for none. Ignored if [`OfflinePushInfo`](crate::OfflinePushInfo) is there (S91).
        ext: String,
        /// The sound to play; empty for the default. Ignored if [`OfflinePushInfo`](crate::OfflinePushInfo) is there (S91).
        sound: String,
    },
}

/// An element as it is spelled in JSON. A struct, so that an error names the member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElementJson {
    #[serde(rename = "type")]
    kind: ElementKind,
    text: Option<String>,
    desc: Option<String>,
    ext: Option<String>,
    sound: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ElementKind {
    Text,
    Image,
    Sound,
    Video,
    File,
    Face,
    Location,
    Relay,
    Custom,
}

impl TryFrom<ElementJson> for Element {
    type Error = Error;
    fn try_from(json: ElementJson) -> Result<Self, Error> {
        let ElementJson {
            kind,
            text,
            desc,
            ext,
            sound,
        } = json;
        let is_custom = kind == ElementKind::Custom;
        for (member, is_there, belongs) in [
            ("text", text.is_some(), kind == ElementKind::Text),
            ("desc", desc.is_some(), is_custom),
            ("ext", ext.is_some(), is_custom),
            ("sound", sound.is_some(), is_custom),
        ] {
            if is_there && !belongs {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("an element of this `type` has no member `{member}`"),
                ));
            }
        }
        Ok(match kind {
            ElementKind::Text => Self::Text {
                text: text.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Invalid,
                        "an element of the type `text` needs the member `text`",
                    )
                })?,
            },
            ElementKind::Image => Self::Image {},
            ElementKind::Sound => Self::Sound {},
            ElementKind::Video => Self::Video {},
            ElementKind::File => Self::File {},
            ElementKind::Face => Self::Face {},
            ElementKind::Location => Self::Location {},
            ElementKind::Relay => Self::Relay {},
            ElementKind::Custom => Self::Custom {
                desc: desc.unwrap_or_default(),
                ext: mended(ext.unwrap_or_default()),
                sound: sound.unwrap_or_default(),
            },
        })
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text { .. } => "Text",
            Self::Image {} => "Image",
            Self::Sound {} => "Sound",
            Self::Video {} => "Video",
            Self::File {} => "File",
            Self::Face {} => "Face",
            Self::Location {} => "Location",
            Self::Relay {} => "Relay",
            Self::Custom { .. } => "Custom",
        })
    }
}
