//! Finds all mistakes of a configuration, although a deserializer stops at the first: the value that it stops at is reported,
//! then left out or replaced by one that it takes, and the rest is read again.
use std::collections::BTreeMap;

use config::{Value, ValueKind};
use serde::de::DeserializeOwned;

use super::{
    expected_words, explained,
    reader::{self, Refused},
};
use crate::{Describe, Error, Faults, Shape};

/// The most mistakes that are looked for in one table.
const MOST: usize = 100;

/// Values of which nearly every type takes one.
const STAND_INS: &[&str] = &[
    "placeholder-placeholder",
    "1",
    "true",
    "1s",
    "127.0.0.1:1",
    "https://placeholder.invalid",
];

/// What was read of a configuration, and everything that is wrong with it.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The configuration; with faults, it has defaults or stand-ins in place of what is wrong. `None` if none fits.
    pub value: Option<T>,
    /// What is wrong, each with its key, in the order of the keys.
    pub faults: Vec<Error>,
    wrong: Vec<String>,
}

impl<T: DeserializeOwned + Describe> Decoded<T> {
    /// Reads `value` as the plugin's own type: straight, because a tagged enum in between would lose the loose typing. Checks the
    /// ranges that the type describes.
    pub fn of(value: Value) -> Self {
        let mut read = Self::read(value, Some(&T::shape()));
        let mut faults = Faults::default();
        if let Some(value) = &read.value {
            value.check_ranges(&mut faults);
        }
        let faults = match faults.result() {
            Ok(()) => Vec::new(),
            Err(error) => error.each(),
        };
        let new: Vec<Error> = faults
            .into_iter()
            .filter(|fault| !read.is_consequence(fault))
            .collect();
        read.wrong.extend(
            new.iter()
                .filter_map(|fault| fault.place().map(str::to_owned)),
        );
        read.faults.extend(new);
        read.faults.sort_by(|a, b| a.place().cmp(&b.place()));
        read
    }
}

impl<T: DeserializeOwned> Decoded<T> {
    /// Reads `value`, and explains what is wrong with it by `shape`.
    pub(super) fn read(mut value: Value, shape: Option<&Shape>) -> Self {
        let mut faults: Vec<Error> = Vec::new();
        let mut repairs: BTreeMap<String, Repairs> = BTreeMap::new();
        let read = loop {
            let refused = match reader::read(value.clone()) {
                Ok(read) => break Some(read),
                Err(refused) => refused,
            };
            let fault = explained(&refused, shape);
            let Some(place) = fault.place().map(str::to_owned) else {
                faults.push(fault);
                break None;
            };
            // What is missing in a stand-in is no mistake of the configuration.
            let known = repairs.keys().find(|key| is_within(&place, key)).cloned();
            let place = known.unwrap_or_else(|| {
                faults.push(fault);
                place
            });
            let repair = repairs.entry(place.clone()).or_default();
            let words = expected_words_of(&refused);
            if faults.len() >= MOST || !repair.next(&mut value, &place, &words) {
                break None;
            }
        };
        faults.sort_by(|a, b| a.place().cmp(&b.place()));
        Self {
            value: read,
            faults,
            wrong: repairs.into_keys().collect(),
        }
    }
}

impl<T> Decoded<T> {
    /// Returns `true` if `error`, about what was read, may only follow from one of the faults: its place is at or in a faulty key,
    /// or it names one in backquotes.
    pub fn is_consequence(&self, error: &Error) -> bool {
        self.wrong.iter().any(|key| {
            let last = key.rsplit('.').next().unwrap_or(key);
            error.place().is_some_and(|place| is_within(place, key))
                || error.message().contains(&format!("`{last}`"))
                || error.message().contains(&format!("`{key}`"))
        }) || (error.place().is_none() && !self.wrong.is_empty())
    }
}

/// Whether `place` is `key`, or a key or element in it.
fn is_within(place: &str, key: &str) -> bool {
    place
        .strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The words that the deserializer would take instead.
fn expected_words_of(refused: &Refused) -> Vec<String> {
    let text = refused.error.to_string();
    // Of a key that is not known, the others are no values for it.
    if text.contains("unknown field") {
        return Vec::new();
    }
    let words = expected_words(&text).into_iter();
    words.map(str::to_owned).collect()
}

/// How far the repair of one value is.
#[derive(Debug, Default)]
struct Repairs {
    left_out: bool,
    word: bool,
    stand_ins: usize,
}

impl Repairs {
    /// Makes the next repair of the value at `place`: first it is left out, then replaced. Returns `false` if none is left.
    fn next(&mut self, root: &mut Value, place: &str, words: &[String]) -> bool {
        if !std::mem::replace(&mut self.left_out, true) && take(root, place) {
            return true;
        }
        let kind = match words {
            [word, ..] if !self.word => {
                self.word = true;
                ValueKind::String(word.clone())
            }
            _ => {
                let stand_in = self.stand_ins;
                self.stand_ins += 1;
                match (
                    STAND_INS.get(stand_in),
                    stand_in - STAND_INS.len().min(stand_in),
                ) {
                    (Some(text), _) => ValueKind::String((*text).to_owned()),
                    (None, 0) => ValueKind::Array(Vec::new()),
                    (None, 1) => ValueKind::Table(config::Map::new()),
                    _ => return false,
                }
            }
        };
        put(root, place, Value::new(None, kind))
    }
}

/// Leaves out the value of a key. Returns `false` if `place` is an element of a list, whose others must keep their place.
fn take(root: &mut Value, place: &str) -> bool {
    match parent(root, place) {
        Some((ValueKind::Table(table), Step::Key(key))) => {
            table.remove(key);
            true
        }
        _ => false,
    }
}

fn put(root: &mut Value, place: &str, value: Value) -> bool {
    match parent(root, place) {
        Some((ValueKind::Table(table), Step::Key(key))) => {
            table.insert(key.to_owned(), value);
            true
        }
        Some((ValueKind::Array(list), Step::Index(index))) if index < list.len() => {
            list[index] = value;
            true
        }
        _ => false,
    }
}

/// A step from a table or list to what is in it.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Reads a place like `keys[0].scopes[1]`.
fn steps(place: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in place.split('.') {
        let mut pieces = part.split('[');
        match pieces.next() {
            Some("") | None => {}
            Some(key) => steps.push(Step::Key(key)),
        }
        for index in pieces {
            steps.push(Step::Index(index.strip_suffix(']')?.parse().ok()?));
        }
    }
    Some(steps)
}

/// What holds the value at `place`, and the last step to it.
fn parent<'r, 'p>(root: &'r mut Value, place: &'p str) -> Option<(&'r mut ValueKind, Step<'p>)> {
    let steps = steps(place)?;
    let (last, before) = steps.split_last()?;
    let mut value = root;
    for step in before {
        value = match (step, &mut value.kind) {
            (Step::Key(key), ValueKind::Table(table)) => table.get_mut(*key)?,
            (Step::Index(index), ValueKind::Array(list)) => list.get_mut(*index)?,
            _ => return None,
        };
    }
    Some((&mut value.kind, *last))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        port: u16,
        #[serde(default)]
        ratio: f64,
        level: Level,
        #[serde(default)]
        keys: Vec<Key>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Low,
        High,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Key {
        #[serde(rename = "app")]
        _app: String,
        scopes: Vec<Level>,
    }

    fn decoded(value: &serde_json::Value) -> Decoded<Sample> {
        Decoded::read(
            serde_json::from_value(value.clone()).expect("a table"),
            None,
        )
    }

    #[test]
    fn every_mistake_is_found_and_none_that_follows_from_another() {
        let wrong = decoded(&json!({
            "port": "many", "ratio": [], "colour": 1, "shape": 2, "level": "middle",
            "keys": [
                {"app": "a", "scopes": ["low", "middle", "high", 7]},
                {"scopes": "low"},
                {},
                {"app": "b", "scopes": ["high"], "colour": "red"},
            ],
        }));
        let places: Vec<_> = wrong.faults.iter().filter_map(Error::place).collect();
        let all = [
            "colour",
            "keys[0].scopes[1]",
            "keys[0].scopes[3]",
            "keys[1].app",
            "keys[1].scopes",
            "keys[2].app",
            "keys[2].scopes",
            "keys[3].colour",
            "level",
            "name",
            "port",
            "ratio",
            "shape",
        ];
        assert_eq!(places, all, "{:?}", wrong.faults);
        let read = wrong.value.as_ref().expect("it can be repaired");
        assert_eq!(read.keys[3].scopes, [Level::High], "what is right stays");
        let about = |place: &str, what: &str| {
            let error = Error::new(crate::ErrorKind::Config, what);
            wrong.is_consequence(&if place.is_empty() {
                error
            } else {
                error.at(place)
            })
        };
        assert!(about("port", "is 1"));
        assert!(about("keys[1].app", "is long"));
        assert!(about("limit", "is less than `ratio`"));
        assert!(!about("keys[3].app", "is long"));
        assert!(about("", "cannot work"));
    }

    #[test]
    fn what_is_right_has_no_faults() {
        let right = decoded(&json!({"name": "a", "port": "7", "level": "high", "ratio": 1}));
        assert!(right.faults.is_empty());
        let read = right.value.as_ref().expect("it is right");
        assert_eq!((&*read.name, read.port, read.ratio), ("a", 7, 1.0));
        assert_eq!(read.level, Level::High);
        let later = Error::new(crate::ErrorKind::Config, "cannot work");
        assert!(!right.is_consequence(&later));
    }
}
