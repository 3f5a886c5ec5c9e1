//! The files that `*_file` keys name, and who may read files with secrets.
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use config::{Map, Value, ValueKind};
use offline_push::{Error, ErrorKind, Faults, Result};
use push_kit::input::of_file;

use super::{layers::plain_key, lines::under};

/// The largest file that a `_file` key may name, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// What [`Files::resolve`] found.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) faults: Faults,
    /// The keys whose files could not be read: nothing that is wrong with their values is a mistake of its own.
    pub(super) unread: Vec<String>,
    /// Files with secrets, each with the key that names it.
    secrets: Vec<(PathBuf, String)>,
}

impl Files {
    /// Replaces every `x_file = "path"` by `x = "what is in the file"`, without byte order mark and final line break, so that
    /// no plugin reads a file. Bytes that are not text become base64. Relative paths start at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path, table: &mut Map<String, Value>, place: &str) {
        let mut keys: Vec<String> = table.keys().cloned().collect();
        keys.sort();
        for key in keys {
            let here = under(place, &key);
            if let Some(plain) = plain_key(&key) {
                if let Some(value) = table.remove(&key) {
                    let value = self.content(folder, value, &here, &under(place, plain));
                    table.insert(plain.to_owned(), value);
                }
                continue;
            }
            match table.get_mut(&key).map(|it| &mut it.kind) {
                Some(ValueKind::Table(inner)) => self.resolve(folder, inner, &here),
                Some(ValueKind::Array(list)) => {
                    for (n, value) in list.iter_mut().enumerate() {
                        if let ValueKind::Table(inner) = &mut value.kind {
                            self.resolve(folder, inner, &format!("{here}[{n}]"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn content(&mut self, folder: &Path, value: Value, here: &str, plain: &str) -> Value {
        let origin = value.origin().map(str::to_owned);
        let read = match value.into_string() {
            Ok(name) if !name.is_empty() => {
                let path = folder.join(name);
                read_text(&path).map(|text| (path, text))
            }
            _ => Err(Error::new(ErrorKind::Config, "is not the name of a file")),
        };
        let text = match read {
            Ok((path, text)) => {
                if is_secret(plain, &text) {
                    self.secrets.push((path, here.to_owned()));
                }
                text
            }
            Err(error) => {
                self.faults.push(error.at(here));
                self.unread.push(plain.to_owned());
                // Long enough for a key, and different for each place.
                format!("placeholder of {plain}")
            }
        };
        Value::new(origin.as_ref(), text)
    }

    /// Notes the files of the configuration that hold secrets themselves.
    pub(super) fn look_for_secrets(&mut self, root: &Map<String, Value>, files: &[PathBuf]) {
        let mut found = Vec::new();
        secrets_of(root, "", &mut found);
        for (origin, key) in found {
            let file = files
                .iter()
                .find(|file| file.display().to_string() == origin);
            if let Some(file) = file
                && !self.secrets.iter().any(|(known, _)| known == file)
            {
                self.secrets.push((file.clone(), key));
            }
        }
    }

    /// Says which files with secrets others may read or write.
    pub(super) fn warnings(&self) -> Vec<Error> {
        self.secrets
            .iter()
            .filter_map(|(path, key)| Some((path, key, exposed(path)?)))
            .map(|(path, key, who)| {
                Error::new(
                    ErrorKind::Config,
                    format!(
                        "{} holds a secret, and {who} may read or change it",
                        path.display()
                    ),
                )
                .at(key)
                .advise(format!("`chmod 600 {}`", path.display()))
            })
            .collect()
    }
}

/// Who besides its owner may read or write a file.
fn exposed(path: &Path) -> Option<&'static str> {
    let mode = fs::metadata(path).ok()?.mode();
    if mode & 0o006 != 0 {
        Some("every user of this machine")
    } else if mode & 0o060 != 0 {
        Some("its group")
    } else {
        None
    }
}

/// The keys of secrets that stand in files, each with the file.
fn secrets_of(table: &Map<String, Value>, place: &str, found: &mut Vec<(String, String)>) {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| *key);
    for (key, value) in keys {
        let here = under(place, key);
        match &value.kind {
            ValueKind::Table(inner) => secrets_of(inner, &here, found),
            ValueKind::Array(list) => {
                for (n, value) in list.iter().enumerate() {
                    if let ValueKind::Table(inner) = &value.kind {
                        secrets_of(inner, &format!("{here}[{n}]"), found);
                    }
                }
            }
            ValueKind::String(text) if plain_key(key).is_none() && is_secret(&here, text) => {
                found.extend(value.origin().map(|origin| (origin.to_owned(), here)));
            }
            _ => {}
        }
    }
}

/// Judges by the name of a key and by the value.
fn is_secret(key: &str, text: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    let is_named = ["key", "secret", "password", "token", "passphrase"]
        .iter()
        .any(|word| name == *word || name.ends_with(&format!("_{word}")));
    let has_password = text
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().unwrap_or(rest).contains('@'));
    is_named || has_password || text.contains("PRIVATE KEY") || text.contains("\"private_key\"")
}

/// Returns the content of a file as the value of a key, as [`of_file`] reads it.
///
/// # Errors
/// The file cannot be read, or is larger than [`MAX_FILE`].
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let unreadable = |source: std::io::Error| {
        Error::new(
            ErrorKind::Config,
            format!("{} cannot be read", path.display()),
        )
        .because(source)
        .advise("check the path and that this user may read it")
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{} has {size} bytes; no key or certificate is that large",
                path.display()
            ),
        ));
    }
    fs::read(path).map(of_file).map_err(unreadable)
}
