//! The environment as a layer of the configuration, and variables that were meant for it.
use std::{collections::BTreeMap, ffi::OsString};

use config::{Map, Value, ValueKind};
use offline_push::{Error, ErrorKind, Faults, Field, Shape, Table, nearest};

/// The prefix of environment variables: `OFFLINE_PUSH__LISTEN` is the key `listen`.
pub(super) const PREFIX: &str = "OFFLINE_PUSH__";

/// Returns what the variables say, as nested tables of text. Variables that do not name a key of `table` are noted: with one
/// underscore where two belong, in lower case, misspelled.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    table: &Table,
    faults: &mut Faults,
) -> Map<String, Value> {
    let known = Known::of(table);
    let mut named = BTreeMap::new();
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        let Some(key) = name.strip_prefix(PREFIX) else {
            if let Some(error) = known.meant(&name) {
                faults.push(error.at(&name));
            }
            continue;
        };
        match value.into_string() {
            Ok(value) => drop(named.insert(key.to_ascii_lowercase(), (value, name))),
            Err(_) => faults.refuse(true, &name, "is not text in UTF-8"),
        }
    }
    let mut root = Map::new();
    for (key, (value, name)) in named {
        let path: Vec<&str> = key.split("__").collect();
        if path.iter().any(|part| part.is_empty()) {
            faults.refuse(true, &name, "is no key: `__` stands between two names");
            continue;
        }
        if !is_key(table, &path) {
            let error = Error::new(ErrorKind::Config, "names no key of the configuration");
            faults.push(known.advised(error, &name).at(&name));
            continue;
        }
        if !insert(&mut root, &path, Value::new(Some(&name), value)) {
            let what = "is both a value and a table: another variable begins with this name";
            faults.refuse(true, &name, what);
        }
    }
    root
}

fn insert(table: &mut Map<String, Value>, path: &[&str], value: Value) -> bool {
    match path {
        [] => false,
        [key] => table.insert((*key).to_owned(), value).is_none(),
        [key, rest @ ..] => {
            let inner = table
                .entry((*key).to_owned())
                .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
            match &mut inner.kind {
                ValueKind::Table(inner) => insert(inner, rest, value),
                _ => false,
            }
        }
    }
}

/// Whether a path can lead to a value. `type` selects the other keys of a plugin later, so those of each are keys here.
fn is_key(table: &Table, path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return true;
    };
    table
        .field(key)
        .is_some_and(|field| leads(&field.shape, rest))
}

fn leads(shape: &Shape, path: &[&str]) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return true;
    };
    match shape {
        Shape::Table(table) => is_key(table, path),
        Shape::Tagged(tables) => {
            *step == "type" || tables.iter().any(|(_, table)| is_key(table, path))
        }
        // A position.
        Shape::List(element) => step.parse::<usize>().is_ok() && leads(element, rest),
        Shape::Map(value) => leads(value, rest),
        Shape::Either(shapes) => shapes.iter().any(|shape| leads(shape, path)),
        Shape::Any => true,
        _ => false,
    }
}

/// The variables of all keys. Positions in lists are `0`.
struct Known(Vec<String>);

impl Known {
    fn of(table: &Table) -> Self {
        let mut all = Vec::new();
        collect(table, PREFIX, &mut all);
        Self(all)
    }

    /// The error for a variable that is not read, if it was probably meant to be.
    fn meant(&self, name: &str) -> Option<Error> {
        let upper = name.to_ascii_uppercase();
        let error = |what: &str| Error::new(ErrorKind::Config, what);
        if upper.starts_with(PREFIX) {
            let what = "is not read: the names of variables are in capitals";
            return Some(error(what).advise(format!("write {upper}")));
        }
        if !upper.starts_with(&PREFIX[..PREFIX.len() - 1]) {
            return None;
        }
        // Other programs have variables that begin so, and Kubernetes sets some; only those that resemble a key count.
        let is_nested = upper.trim_start_matches('_').contains("__");
        let right = self.same_words(&upper);
        let what = "is not read: two underscores stand behind OFFLINE_PUSH and between two names";
        match right {
            Some(right) => Some(error(what).advise(format!("write {right}"))),
            None if is_nested => Some(self.advised(error(what), &upper)),
            None => None,
        }
    }

    /// Adds the variable that is nearest to `name`.
    fn advised(&self, error: Error, name: &str) -> Error {
        let upper = name.to_ascii_uppercase();
        let near = self.same_words(&upper).or_else(|| {
            // Without what all have in common, in which no difference can be.
            let known = || self.0.iter().map(|name| (words(name), name));
            let flat: Vec<String> = known().map(|(flat, _)| flat).collect();
            let near = nearest(&words(&upper), flat.iter().map(|flat| &**flat))?;
            let (_, name) = known().find(|(flat, _)| flat == near)?;
            Some(name.clone())
        });
        match near {
            Some(near) => error.advise(format!("did you mean {near}?")),
            None => error.advise("`offline-push plugins --example` shows all keys"),
        }
    }

    /// The variable whose words are the same, whatever stands between them; with the positions of `name`.
    fn same_words(&self, name: &str) -> Option<String> {
        let wanted = words(name);
        let found = self.0.iter().find(|known| words(known) == wanted)?;
        let mut positions = name.split('_').filter(|word| is_number(word));
        let parts = found.split("__").map(|part| match is_number(part) {
            true => positions.next().unwrap_or(part),
            false => part,
        });
        Some(parts.collect::<Vec<_>>().join("__"))
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a variable with one underscore between them, without the prefix; positions are 0.
fn words(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).skip(2);
    let words = words.map(|word| if is_number(word) { "0" } else { word });
    words.collect::<Vec<_>>().join("_")
}

fn collect(table: &Table, before: &str, all: &mut Vec<String>) {
    for field in &table.fields {
        for key in names(field) {
            let here = format!("{before}{}", key.to_ascii_uppercase());
            value(&field.shape, &here, all);
            all.push(here);
        }
    }
}

fn names(field: &Field) -> Vec<String> {
    let file = field.takes_file().then(|| format!("{}_file", field.key));
    std::iter::once(field.key.to_owned()).chain(file).collect()
}

fn value(shape: &Shape, here: &str, all: &mut Vec<String>) {
    match shape {
        Shape::Table(table) => collect(table, &format!("{here}__"), all),
        Shape::Tagged(tables) => {
            all.push(format!("{here}__TYPE"));
            for (_, table) in tables {
                collect(table, &format!("{here}__"), all);
            }
        }
        Shape::List(element) => {
            all.push(format!("{here}__0"));
            value(element, &format!("{here}__0"), all);
        }
        _ => {}
    }
}
