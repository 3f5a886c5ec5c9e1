//! The description itself.
use std::fmt;

use super::Written;
use crate::{Error, duration, unknown_key::unknown_key};

/// What a value looks like.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number in this range.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: u64,
    },
    /// A number, perhaps with a fraction.
    Number,
    /// Text.
    Text,
    /// Text that must not be shown.
    Secret,
    /// The path of a file.
    Path,
    /// An IP address and a port.
    Address,
    /// A duration as [`duration`](crate::duration) reads it.
    Duration,
    /// One of these words.
    Words(Vec<Word>),
    /// A list of such values.
    List(Box<Self>),
    /// Such values under any keys.
    Map(Box<Self>),
    /// A table with these keys.
    Table(Table),
    /// A table whose key `type` names one of these, whose keys it then has.
    Tagged(Vec<(&'static str, Table)>),
    /// A value of one of these shapes.
    Either(Vec<Self>),
    /// Any value: its format is not the program's.
    Any,
}

/// A word that can stand as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Word {
    /// The word.
    pub word: &'static str,
    /// What it means; empty if the key says it.
    pub about: &'static str,
}

impl Word {
    /// A word and what it means.
    pub const fn new(word: &'static str, about: &'static str) -> Self {
        Self { word, about }
    }
}

/// A table of keys.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// What it is for: paragraphs of plain text with an empty line between.
    pub about: &'static str,
    /// Its keys, in the order of examples.
    pub fields: Vec<Field>,
}

/// A key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub key: &'static str,
    /// What it means: paragraphs of plain text with an empty line between, the first of them short.
    pub about: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether it must be there.
    pub is_required: bool,
    /// The value that counts if it is absent; `None` if that cannot be written.
    pub default: Option<Written>,
    /// The least value.
    pub min: Option<Written>,
    /// The greatest value.
    pub max: Option<Written>,
    /// The least number of bytes or elements.
    pub min_len: Option<usize>,
    /// The greatest number of bytes or elements.
    pub max_len: Option<usize>,
    /// The unit of the number.
    pub unit: Option<&'static str>,
    /// The value in examples.
    pub example: Option<Written>,
    /// Whether the example is that of the key with `_file` at its end.
    pub is_example_file: bool,
    /// Whether examples set the key.
    pub is_shown: bool,
}

impl Table {
    /// A table with these keys.
    pub const fn new(about: &'static str, fields: Vec<Field>) -> Self {
        Self { about, fields }
    }

    /// Returns the key `name`, also for `name_file` if its value can come from a file.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let named = |name: &str| self.fields.iter().find(|field| field.key == name);
        named(name).or_else(|| {
            let plain = name.strip_suffix("_file")?;
            named(plain).filter(|field| field.takes_file())
        })
    }

    /// Returns the error for a key that the table does not have, with the nearest one first.
    pub fn unknown_key(&self, key: &str) -> Error {
        let known: Vec<_> = self.fields.iter().map(|field| field.key).collect();
        unknown_key(key, &known, &self.file_keys())
    }

    /// The keys that name files with the values of others.
    pub(crate) fn file_keys(&self) -> Vec<String> {
        let files = self.fields.iter().filter(|field| field.takes_file());
        files.map(|field| format!("{}_file", field.key)).collect()
    }
}

impl Field {
    /// A required key.
    pub const fn new(key: &'static str, about: &'static str, shape: Shape) -> Self {
        Self {
            key,
            about,
            shape,
            is_required: true,
            default: None,
            min: None,
            max: None,
            min_len: None,
            max_len: None,
            unit: None,
            example: None,
            is_example_file: false,
            is_shown: false,
        }
    }

    /// Makes the key optional: if it is absent, `default` counts.
    #[must_use]
    pub fn optional(mut self, default: Option<Written>) -> Self {
        self.is_required = false;
        self.default = default;
        self
    }

    /// Sets the least value.
    #[must_use]
    pub fn with_min(mut self, min: Option<Written>) -> Self {
        self.min = min;
        self
    }

    /// Sets the greatest value.
    #[must_use]
    pub fn with_max(mut self, max: Option<Written>) -> Self {
        self.max = max;
        self
    }

    /// Sets the least number of bytes or elements.
    #[must_use]
    pub const fn with_min_len(mut self, min: usize) -> Self {
        self.min_len = Some(min);
        self
    }

    /// Sets the greatest number of bytes or elements.
    #[must_use]
    pub const fn with_max_len(mut self, max: usize) -> Self {
        self.max_len = Some(max);
        self
    }

    /// Sets the unit.
    #[must_use]
    pub const fn with_unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Sets the value in examples.
    #[must_use]
    pub fn with_example(mut self, example: Written) -> Self {
        self.example = Some(example);
        self
    }

    /// Lets examples name this file, which holds the value.
    #[must_use]
    pub fn with_example_file(mut self, file: &'static str) -> Self {
        self.is_example_file = true;
        self.with_example(Written::from(file))
    }

    /// Lets examples set the key, although it is optional.
    #[must_use]
    pub const fn shown(mut self) -> Self {
        self.is_shown = true;
        self
    }

    /// Returns `true` if `key_file = "path"` can stand instead of the key: if its value can be text.
    pub fn takes_file(&self) -> bool {
        fn is_text(shape: &Shape) -> bool {
            match shape {
                Shape::Text | Shape::Secret => true,
                Shape::Either(shapes) => shapes.iter().any(is_text),
                _ => false,
            }
        }
        is_text(&self.shape)
    }

    /// Returns `true` if its value must not be shown.
    pub fn is_secret(&self) -> bool {
        fn is_secret(shape: &Shape) -> bool {
            match shape {
                Shape::Secret => true,
                Shape::Either(shapes) => shapes.iter().any(is_secret),
                _ => false,
            }
        }
        is_secret(&self.shape)
    }

    /// The first paragraph of what it means.
    pub fn summary(&self) -> &'static str {
        summary(self.about)
    }

    /// Returns the range of its value, as in `from 1 to 64 bytes`; `None` if it has none of its own.
    pub fn range(&self) -> Option<String> {
        let bounds = (self.min.as_ref(), self.max.as_ref());
        bounds_in_words(bounds.0, bounds.1, self.unit.unwrap_or_default())
    }

    /// Returns what its value must be, as in `a whole number from 1 to 64`.
    pub fn wanted(&self) -> String {
        let wanted = self.shape.to_string();
        match self.range() {
            Some(range) => format!("{wanted} {range}"),
            None => wanted,
        }
    }
}

/// The first paragraph of `about`.
pub(super) fn summary(about: &'static str) -> &'static str {
    about.split("\n\n").next().unwrap_or(about)
}

/// `from 1 to 64`, `of at least 1`, or `of at most 64`, with the unit behind. Of durations, the shortest that can be written means more
/// than none, and the longest no limit.
pub(super) fn bounds_in_words(
    min: Option<&Written>,
    max: Option<&Written>,
    unit: &str,
) -> Option<String> {
    let is_longest = |max: &&Written| {
        max.as_str()
            .is_some_and(|max| duration::parse(max) == Ok(duration::MAX))
    };
    let max = max.filter(|max| !is_longest(max));
    let more_than_none = min.is_some_and(|min| min.as_str() == Some("1ms"));
    let bounds = match (min, max) {
        (Some(_), Some(max)) if more_than_none => {
            format!("of more than 0s and at most {}", plain(max))
        }
        (Some(_), None) if more_than_none => "of more than 0s".to_owned(),
        (Some(min), Some(max)) => format!("from {} to {}", plain(min), plain(max)),
        (Some(min), None) => format!("of at least {}", plain(min)),
        (None, Some(max)) => format!("of at most {}", plain(max)),
        (None, None) => return None,
    };
    Some(match unit {
        "" => bounds,
        unit if bounds.ends_with(" 1") => format!("{bounds} {}", unit.trim_end_matches('s')),
        unit => format!("{bounds} {unit}"),
    })
}

/// Text without quotes, everything else as JSON.
pub(super) fn plain(value: &Written) -> String {
    match value {
        Written::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl fmt::Display for Shape {
    /// Completes the sentence "must be …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Bool => "true or false",
            Self::Integer { .. } => "a whole number",
            Self::Number => "a number",
            Self::Text | Self::Secret => "text",
            Self::Path => "the path of a file",
            Self::Address => "an address and a port, like \"127.0.0.1:8710\"",
            Self::Duration => {
                let longest = duration::format(duration::MAX);
                return write!(
                    f,
                    "a duration like \"20s\": a whole number with ms, s, m, h or d, up to {longest}, or a whole number of seconds"
                );
            }
            Self::Words(words) => {
                let words: Vec<_> = words
                    .iter()
                    .map(|word| format!("`{}`", word.word))
                    .collect();
                return write!(f, "one of {}", words.join(", "));
            }
            Self::List(_) => "a list",
            Self::Map(_) | Self::Table(_) | Self::Tagged(_) => "a table of keys and values",
            Self::Either(shapes) => {
                for (n, shape) in shapes.iter().enumerate() {
                    if n > 0 {
                        f.write_str(" or ")?;
                    }
                    shape.fmt(f)?;
                }
                return Ok(());
            }
            Self::Any => "a value",
        };
        f.write_str(words)
    }
}
