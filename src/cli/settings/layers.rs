//! The layers of the configuration: a file, the folder `conf.d` beside it, and the environment. A later layer goes over an
//! earlier one, key by key; `x` and `x_file` are the same key.
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use config::{FileFormat, Format, Map, Value, ValueKind};
use offline_push::{Error, ErrorKind, Faults, Table};

use super::{
    environment,
    lines::{Lines, under},
};

/// The file that is read if none is named.
pub(crate) const DEFAULT_FILE: &str = "offline-push.toml";
/// The largest file of a configuration, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// All layers as one table.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) root: Map<String, Value>,
    /// Where relative paths start, absolute.
    pub(super) folder: PathBuf,
    /// The files that were read, the main file first, with the lines of their keys; none if all is from the environment.
    pub(super) files: Vec<(PathBuf, Lines)>,
    pub(super) faults: Faults,
}

/// Reads `file`, or [`DEFAULT_FILE`] if none is named, `conf.d/*.toml` beside it, and those of `variables` that begin with
/// [`environment::PREFIX`] and name a key of `table`. If no file is named and the default one is missing, the variables alone are the configuration, and paths start at
/// the working directory.
///
/// # Errors
/// What cannot be read. The rest is not judged then: what seems missing may be in there.
pub(super) fn read(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    table: &Table,
) -> Result<Layers, Vec<Error>> {
    let mut faults = Faults::default();
    let environment = environment::read(variables, table, &mut faults);
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let only_environment = file.is_none() && !environment.is_empty() && !path.exists();
    let mut layers = Vec::new();
    let folder;
    if only_environment {
        folder = PathBuf::new();
    } else {
        folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut unreadable = Vec::new();
        let beside = parts(&folder.join("conf.d")).unwrap_or_else(|error| {
            unreadable.push(error);
            Vec::new()
        });
        for path in std::iter::once(path.to_owned()).chain(beside) {
            match parse(&path) {
                Ok((table, lines)) => layers.push((path, table, lines)),
                Err(error) => unreadable.push(error),
            }
        }
        if !unreadable.is_empty() {
            return Err(unreadable);
        }
    }
    let mut root = Map::new();
    let mut files = Vec::new();
    for (path, table, lines) in layers {
        both(&table, "", &mut faults);
        merge(&mut root, table);
        files.push((path, lines));
    }
    both(&environment, "", &mut faults);
    lay(&mut root, environment, "", &mut faults);
    // Without a working directory, relative paths stay as they are.
    let absolute = std::path::absolute(Path::new(".").join(&folder)).unwrap_or(folder);
    Ok(Layers {
        root,
        // Without a slash at its end.
        folder: absolute.components().collect(),
        files,
        faults,
    })
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::new(ErrorKind::Config, "the configuration cannot be read")
        .at(path.display())
        .because(source)
        .advise("`offline-push plugins --example` prints a complete configuration to start from")
}

/// The files in `conf.d`, by name.
fn parts(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(folder, source)),
    };
    let mut parts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        if path.extension().is_some_and(|it| it == "toml") {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

fn parse(path: &Path) -> Result<(Map<String, Value>, Lines), Error> {
    let failed = |source| unreadable(path, source);
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        let what = "the file is larger than 16 MiB, so it is no configuration";
        return Err(Error::new(ErrorKind::Config, what).at(path.display()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let origin = path.display().to_string();
    let table = FileFormat::Toml
        .parse(Some(&origin), &text)
        .map_err(|error| not_toml(&error.to_string()).at(origin))?;
    Ok((table, Lines::of(&text)))
}

/// The place and what is wrong, without the line itself, which may hold a secret.
fn not_toml(message: &str) -> Error {
    let mut lines = message.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let what = match (
        first.strip_prefix("TOML parse error at "),
        lines.next_back(),
    ) {
        (Some(place), Some(what)) => format!("{place}: {}", what.trim()),
        _ => "not well formed".to_owned(),
    };
    Error::new(ErrorKind::Config, format!("the file is not TOML: {what}"))
}

/// Notes where one layer has both `x` and `x_file`.
fn both(table: &Map<String, Value>, place: &str, faults: &mut Faults) {
    for (key, value) in table {
        let here = under(place, key);
        if let Some(plain) = plain_key(key)
            && table.contains_key(plain)
        {
            faults.push(
                Error::new(ErrorKind::Config, format!("`{plain}` is there, too"))
                    .at(&here)
                    .advise(format!("keep {plain} or {key}")),
            );
        }
        match &value.kind {
            ValueKind::Table(inner) => both(inner, &here, faults),
            ValueKind::Array(list) => {
                for (n, value) in list.iter().enumerate() {
                    if let ValueKind::Table(inner) = &value.kind {
                        both(inner, &format!("{here}[{n}]"), faults);
                    }
                }
            }
            _ => {}
        }
    }
}

/// `x` of `x_file`.
pub(super) fn plain_key(key: &str) -> Option<&str> {
    key.strip_suffix("_file").filter(|plain| !plain.is_empty())
}

/// Removes what `key` replaces: `x` and `x_file` are the same key.
fn replace(table: &mut Map<String, Value>, key: &str) {
    match plain_key(key) {
        Some(plain) => table.remove(plain),
        None => table.remove(&format!("{key}_file")),
    };
}

/// Lays the table of a file over those before. Lists are replaced.
fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in sorted(over) {
        replace(under, &key);
        let old = under.get_mut(&key).map(|old| &mut old.kind);
        let value = match (old, value) {
            (Some(ValueKind::Table(inner)), value) if is_table(&value) => {
                if let ValueKind::Table(over) = value.kind {
                    merge(inner, over);
                }
                continue;
            }
            (_, value) => value,
        };
        under.insert(key, value);
    }
}

const fn is_table(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Table(_))
}

/// In order, so that of `x` and `x_file` in one layer, which is reported, always the same is kept.
fn sorted(table: Map<String, Value>) -> BTreeMap<String, Value> {
    table.into_iter().collect()
}

/// Lays what the environment says over the files. `OFFLINE_PUSH__HTTP__KEYS__0__APP` is `app` in the first of a list.
fn lay(
    under_it: &mut Map<String, Value>,
    over: Map<String, Value>,
    place: &str,
    faults: &mut Faults,
) {
    for (key, value) in sorted(over) {
        let here = under(place, &key);
        replace(under_it, &key);
        let old = under_it.remove(&key);
        let new = lay_value(old, value, &here, faults);
        under_it.insert(key, new);
    }
}

fn lay_value(old: Option<Value>, over: Value, place: &str, faults: &mut Faults) -> Value {
    let ValueKind::Table(over) = over.kind else {
        return over;
    };
    let (origin, old) = match old {
        Some(old) => (old.origin().map(str::to_owned), old.kind),
        None => (None, ValueKind::Nil),
    };
    let kind = match numbered(&over) {
        Some(elements) => {
            let mut list = match old {
                ValueKind::Array(list) => list,
                _ => Vec::new(),
            };
            for (n, value) in elements {
                let here = format!("{place}[{n}]");
                if n > list.len() {
                    let what = format!("the list has {} elements before it", list.len());
                    faults.refuse(true, &here, what);
                    continue;
                }
                let old = (n < list.len())
                    .then(|| std::mem::replace(&mut list[n], Value::new(None, ValueKind::Nil)));
                let new = lay_value(old, value, &here, faults);
                if n < list.len() {
                    list[n] = new;
                } else {
                    list.push(new);
                }
            }
            ValueKind::Array(list)
        }
        None => {
            let mut table = match old {
                ValueKind::Table(table) => table,
                _ => Map::new(),
            };
            lay(&mut table, over, place, faults);
            ValueKind::Table(table)
        }
    };
    Value::new(origin.as_ref(), kind)
}

/// The elements of a table whose keys are all numbers, in order.
fn numbered(table: &Map<String, Value>) -> Option<BTreeMap<usize, Value>> {
    let elements = table
        .iter()
        .map(|(key, value)| Some((key.parse().ok()?, value.clone())))
        .collect::<Option<BTreeMap<_, _>>>()?;
    (!elements.is_empty()).then_some(elements)
}
