//! Mistakes with the file and line, or the variable, in which each stands.
use std::path::PathBuf;

use config::{Map, Value, ValueKind};
use offline_push::Error;

use super::{environment::PREFIX, lines::Lines};

/// A mistake in a configuration.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What is wrong; its place is the key.
    pub(crate) error: Error,
    /// The file or environment variable that the value is from.
    pub(crate) source: Option<String>,
    /// The line in the file, counted from 1.
    pub(crate) line: Option<usize>,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self {
            error,
            source: None,
            line: None,
        }
    }
}

/// Where the values of a configuration are from.
#[derive(Debug)]
pub(super) struct Origins {
    /// The whole configuration, before files with values were read.
    root: Map<String, Value>,
    /// The files of the configuration, the main file first, with the lines of their keys.
    files: Vec<(String, Lines)>,
}

impl Origins {
    pub(super) fn new(root: Map<String, Value>, files: Vec<(PathBuf, Lines)>) -> Self {
        let named = files.into_iter();
        Self {
            root,
            files: named
                .map(|(path, lines)| (path.display().to_string(), lines))
                .collect(),
        }
    }

    /// The value at `place`.
    pub(super) fn value(&self, place: &str) -> Option<&Value> {
        let mut steps = place
            .split(['.', '['])
            .map(|step| step.trim_end_matches(']'));
        let mut value = self.root.get(steps.next()?)?;
        for step in steps {
            value = match &value.kind {
                ValueKind::Table(table) => table.get(step)?,
                ValueKind::Array(list) => list.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Adds where the value at the place of `error` is from; of a key that is missing, the table in which it is.
    pub(super) fn found(&self, error: Error) -> Fault {
        let place = error.place().unwrap_or_default();
        if place
            .to_ascii_uppercase()
            .starts_with(PREFIX.trim_end_matches('_'))
        {
            // The place is a variable.
            return error.into();
        }
        let mut at = place.to_owned();
        loop {
            for place in [at.clone(), format!("{at}_file")] {
                let Some(origin) = self.value(&place).and_then(Value::origin) else {
                    continue;
                };
                let line = self
                    .files
                    .iter()
                    .find(|(name, _)| name == origin)
                    .and_then(|(_, lines)| lines.get(&place));
                return Fault {
                    source: Some(origin.to_owned()),
                    line,
                    error,
                };
            }
            match at.rfind(['.', '[']) {
                Some(end) => at.truncate(end),
                None => break,
            }
        }
        Fault {
            source: self.files.first().map(|(name, _)| name.clone()),
            line: None,
            error,
        }
    }
}
