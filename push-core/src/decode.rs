//! What is wrong with a plugin's configuration, in words for an operator: with its key, and without the value, which may be a
//! secret in the wrong place.
mod reader;
mod repair;

use config::ConfigError;

use self::reader::Refused;
pub use self::repair::Decoded;
use crate::{Error, ErrorKind, Field, Shape, Table, unknown_key::unknown_key};

/// Says what is wrong, with the key that it concerns, in the words of the description if there is one.
fn explained(refused: &Refused, shape: Option<&Shape>) -> Error {
    let place = &*refused.place;
    let wanted = || shape?.at(place).map(|found| found.wanted());
    let what = match &*refused.error {
        ConfigError::NotFound(field) => return missing(field, place, shape),
        ConfigError::Type { expected, .. } => {
            let wanted = wanted().unwrap_or_else(|| name_of(expected).to_owned());
            format!("must be {wanted}")
        }
        other => {
            let text = other.to_string();
            match of_serde(&text) {
                Said::Missing(field) => return missing(&field, place, shape),
                Said::Unknown(field) => return unknown(&field, &text, place, shape),
                Said::Twice(field) => return wrong("is given twice").at(field).within(place),
                Said::Wrong(what) => wanted().map_or(what, |wanted| format!("must be {wanted}")),
                // Text about a duration shows what was written.
                Said::Ours(_) if is_duration(place, shape) => {
                    format!("must be {}", wanted().unwrap_or_default())
                }
                Said::Ours(what) => what,
            }
        }
    };
    wrong(what).within(place)
}

fn is_duration(place: &str, shape: Option<&Shape>) -> bool {
    let found = shape.and_then(|shape| shape.at(place));
    found.is_some_and(|found| *found.shape() == Shape::Duration)
}

/// A key that is not there, with what could stand there.
fn missing(field: &str, place: &str, shape: Option<&Shape>) -> Error {
    let error = wrong("is missing").at(field).within(place);
    let table = shape.and_then(|shape| shape.table_at(place));
    match table.and_then(|table| table.field(field)) {
        Some(field) => error.advise(to_write(field)),
        None => error,
    }
}

/// What to write for a key that must be there.
fn to_write(field: &Field) -> String {
    match &field.example {
        Some(example) if field.is_example_file => {
            format!("write {}_file = {example}, with your own file", field.key)
        }
        Some(example) if field.is_secret() && example.is_string() => {
            format!(
                "write {} = \"…\", or {0}_file with the name of a file",
                field.key
            )
        }
        Some(example) => format!("write it like {} = {example}", field.key),
        None => format!("write {}, which must be {}", field.key, field.wanted()),
    }
}

/// A key that is not known, with the nearest one first. What is known says the type that is read, not its description.
fn unknown(field: &str, text: &str, place: &str, shape: Option<&Shape>) -> Error {
    let table = shape.and_then(|shape| shape.table_at(place));
    let files = table.map(Table::file_keys).unwrap_or_default();
    unknown_key(field, &expected_words(text), &files).within(place)
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what)
}

impl Error {
    fn within(self, place: &str) -> Self {
        match place {
            "" => self,
            place => self.under(place),
        }
    }
}

/// What a message says.
enum Said {
    /// This key is missing.
    Missing(String),
    /// This key is not known.
    Unknown(String),
    /// This key is given twice.
    Twice(String),
    /// The value is another one than serde expects, as the end of a sentence.
    Wrong(String),
    /// The message is one of ours.
    Ours(String),
}

/// Reads the messages that serde writes. A message of ours stays as it is.
fn of_serde(message: &str) -> Said {
    let quoted = || message.split('`').nth(1).unwrap_or_default().to_owned();
    if message.starts_with("unknown field ") {
        Said::Unknown(quoted())
    } else if message.starts_with("missing field ") {
        Said::Missing(quoted())
    } else if message.starts_with("duplicate field ") {
        Said::Twice(quoted())
    } else if message.starts_with("unknown variant ") || message.starts_with("enum ") {
        let known = match expected_words(message) {
            words if words.is_empty() => String::new(),
            words => format!("; known are `{}`", words.join("`, `")),
        };
        Said::Wrong(format!(
            "is not one of the words that can stand here{known}"
        ))
    } else if message.starts_with("value of enum ") {
        Said::Wrong("must be one word".to_owned())
    } else if message.starts_with("invalid ") {
        let expected = message
            .rsplit_once("expected ")
            .map_or("", |(_, words)| words);
        Said::Wrong(format!("must be {}", name_of(expected)))
    } else {
        Said::Ours(message.to_owned())
    }
}

/// The words that serde expects, in its message.
fn expected_words(message: &str) -> Vec<&str> {
    let expected = message
        .rsplit_once("expected ")
        .map_or("", |(_, words)| words);
    expected.split('`').skip(1).step_by(2).collect()
}

/// Translates what a library says it expected; other texts are returned as they are.
fn name_of(expected: &str) -> &str {
    let expected = expected.trim();
    let bare = expected
        .strip_prefix("a ")
        .or_else(|| expected.strip_prefix("an "))
        .unwrap_or(expected);
    match bare {
        "path string" | "path" => "the path of a file",
        "string" | "str" | "borrowed string" | "character" | "char" => "text",
        "boolean" | "bool" => "true or false",
        "floating point" | "f32" | "f64" => "a number",
        "sequence" | "array" | "seq" => "a list",
        "map" | "table" => "a table of keys and values",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => "a whole number in its range",
        number if number.contains("integer") || number.contains("nonzero") => {
            "a whole number in its range"
        }
        table if table.starts_with("struct ") => "a table of keys and values",
        "" => "another kind of value",
        rust if ["enum", "variant", "tuple", "`"]
            .iter()
            .any(|word| rust.contains(word)) =>
        {
            "another kind of value"
        }
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Sample {
        name: String,
        #[serde(default)]
        port: u16,
        #[serde(default)]
        is_on: bool,
        #[serde(default)]
        ratio: f64,
        #[serde(default)]
        list: Vec<String>,
        #[serde(default)]
        table: BTreeMap<String, u8>,
        #[serde(default)]
        kind: Kind,
        #[serde(default)]
        inner: Inner,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        #[default]
        Low,
        High,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        size: u32,
        kind: Kind,
    }

    fn fault(value: &serde_json::Value) -> String {
        let value = serde_json::from_value(value.clone()).expect("a table");
        let decoded = Decoded::<Sample>::read(value, None);
        let [error] = &decoded.faults[..] else {
            panic!("one fault: {:?}", decoded.faults)
        };
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key_and_without_its_value() {
        for (value, words) in [
            (json!({}), "name: is missing"),
            (json!({ "name": [] }), "name: must be text"),
            (
                json!({ "name": "x", "port": "s3cret" }),
                "port: must be a whole number",
            ),
            (
                json!({ "name": "x", "port": 70000 }),
                "port: must be a whole number",
            ),
            (
                json!({ "name": "x", "is_on": "s3cret" }),
                "is_on: must be true or false",
            ),
            (
                json!({ "name": "x", "ratio": "s3cret" }),
                "ratio: must be a number",
            ),
            (
                json!({ "name": "x", "list": { "s3cret": 1 } }),
                "list: must be a list",
            ),
            (
                json!({ "name": "x", "table": "s3cret" }),
                "table: must be a table",
            ),
            (
                json!({ "name": "x", "table": { "a": -1 } }),
                "table.a: must be a whole number",
            ),
            (
                json!({ "name": "x", "kind": "s3cret" }),
                "kind: is not one of the words",
            ),
            (
                json!({ "name": "x", "kind": { "low": 1, "high": 2 } }),
                "kind: is not one of the words that can stand here; known are `low`, `high`",
            ),
            (
                json!({ "name": "x", "inner": { "size": "s3cret" } }),
                "inner.size: must be a whole",
            ),
            (
                json!({ "name": "x", "inner": { "kind": "s3cret" } }),
                "inner.kind: is not one of",
            ),
            (
                json!({ "name": "x", "inner": { "colour": "s3cret" } }),
                "inner.colour: is not a known key; known are `size`, `kind`",
            ),
            (
                json!({ "name": "x", "colour": "s3cret" }),
                "colour: is not a known key",
            ),
        ] {
            let text = fault(&value);
            assert!(text.starts_with(words), "{words} in {text}");
            for word in ["s3cret", "enum", "variant", "invalid", "expected", "u16"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }

    #[test]
    fn messages_of_ours_stay_as_they_are() {
        let refused = Refused {
            error: Box::new(ConfigError::Message("the port is taken".to_owned())),
            place: String::new(),
        };
        assert_eq!(explained(&refused, None).to_string(), "the port is taken");
    }
}
