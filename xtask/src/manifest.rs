//! Reads `Cargo.toml`: the part of TOML that this repository's manifests use.
//!
//! Tables, keys (dotted or quoted), one-line and multi-line values and comments are understood.
//! A value is kept as text; `strings` returns its quoted parts.

use std::{fs, path::Path};

use crate::Result;

/// One `key = value`, and its table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `dependencies`, `package.metadata.stacks`; an array of tables is `example[0]`, `example[1]`.
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A manifest's entries, in order.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) entries: Vec<Entry>,
}

/// A dependency of a manifest, wherever it is declared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The name of the package, not that in the crate.
    pub(crate) package: String,
    /// `true` for `[dev-dependencies]`, which are not part of the product.
    pub(crate) dev: bool,
    /// Whether it has `optional = true`.
    pub(crate) optional: bool,
    /// Whether it has a version, itself or by `workspace = true`.
    pub(crate) versioned: bool,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Ok(Self::parse(&text))
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut table = String::new();
        let mut arrays: Vec<(String, usize)> = Vec::new();
        let mut entries = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let line = uncommented(line);
            let line = line.trim();
            if let Some(name) = line.strip_prefix("[[").and_then(|it| it.strip_suffix("]]")) {
                let at = match arrays.iter_mut().find(|(known, _)| known == name) {
                    Some((_, count)) => {
                        *count += 1;
                        *count
                    }
                    None => {
                        arrays.push((name.to_owned(), 0));
                        0
                    }
                };
                table = format!("{name}[{at}]");
            } else if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                table = name.trim().to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                let mut value = value.trim().to_owned();
                while open_brackets(&value) > 0 {
                    let Some(next) = lines.next() else { break };
                    value.push(' ');
                    value.push_str(uncommented(next).trim());
                }
                entries.push(Entry {
                    table: table.clone(),
                    key: key.trim().trim_matches('"').to_owned(),
                    value,
                });
            }
        }
        Self { entries }
    }

    /// Returns the text of one value, unquoted if it is one string.
    pub(crate) fn get(&self, table: &str, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|it| it.table == table && it.key == key)
            .map(|it| it.value.trim_matches('"'))
    }

    /// Returns the entries of one table.
    pub(crate) fn table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |it| it.table == table)
    }

    /// Returns all dependencies: normal, build, development, and those of one target.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found: Vec<(bool, String, String)> = Vec::new();
        for entry in &self.entries {
            let (section, within) = match entry.table.rsplit_once("dependencies") {
                Some((section, within)) if !section.starts_with("workspace") => (section, within),
                _ => continue,
            };
            let dev = section.ends_with("dev-");
            let (name, value) = match within.strip_prefix('.') {
                // `[dependencies.NAME]`: one key of NAME a line.
                Some(name) => (name, format!("{} = {}", entry.key, entry.value)),
                None => match entry.key.split_once('.') {
                    Some((name, rest)) => (name, format!("{rest} = {}", entry.value)),
                    None if entry.value.starts_with('{') => {
                        (entry.key.as_str(), entry.value.clone())
                    }
                    None => (entry.key.as_str(), format!("version = {}", entry.value)),
                },
            };
            match found
                .iter_mut()
                .find(|(known_dev, known, _)| *known_dev == dev && known == name)
            {
                Some((_, _, text)) => *text = format!("{text}, {value}"),
                None => found.push((dev, name.to_owned(), value)),
            }
        }
        found
            .into_iter()
            .map(|(dev, name, text)| Dependency {
                package: field(&text, "package").unwrap_or(name),
                dev,
                optional: field(&text, "optional").as_deref() == Some("true"),
                versioned: field(&text, "version").is_some()
                    || field(&text, "workspace").as_deref() == Some("true"),
            })
            .collect()
    }
}

/// Returns the quoted strings in a value: `a` and `b` for `["a", "b"]`.
pub(crate) fn strings(value: &str) -> Vec<String> {
    value
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Returns one field of an inline table.
fn field(table: &str, name: &str) -> Option<String> {
    table
        .trim_matches(['{', '}', ' '])
        .split(',')
        .filter_map(|it| it.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// Returns the line without its comment. A `#` in a string does not begin one.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted => return &line[..at],
            _ => {}
        }
    }
    line
}

fn open_brackets(value: &str) -> i32 {
    let mut quoted = false;
    let mut open = 0;
    for letter in value.chars() {
        match letter {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => open += 1,
            ']' | '}' if !quoted => open -= 1,
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Manifest, strings};

    const TEXT: &str = r##"
[package]
name = "push-x" # the "name"
description = "with a # inside"
version.workspace = true

[features]
full = [
    "a", # first
    "b",
]

[[example]]
name = "one"
[[example]]
name = "two"

[dependencies]
push-core.workspace = true
alias = { package = "push-http", path = "../push-http", optional = true }
plain = "1"
push-gateway.path = "../push-gateway"

[dependencies.long]
version = "2"
optional = true

[target.'cfg(unix)'.dev-dependencies]
push-testkit = { path = "../push-testkit" }

[workspace.dependencies]
not-ours = "1"
"##;

    #[test]
    fn values_are_found_by_table_and_key() {
        let it = Manifest::parse(TEXT);
        assert_eq!(it.get("package", "name"), Some("push-x"));
        assert_eq!(it.get("package", "description"), Some("with a # inside"));
        assert_eq!(it.get("package", "version.workspace"), Some("true"));
        assert_eq!(it.get("example[1]", "name"), Some("two"));
        assert_eq!(it.get("package", "nothing"), None);
    }

    #[test]
    fn an_array_over_several_lines_is_one_value() {
        let it = Manifest::parse(TEXT);
        assert_eq!(
            strings(it.get("features", "full").expect("the feature full")),
            ["a", "b"]
        );
    }

    #[test]
    fn dependencies_are_read_in_every_form() {
        let dependency = |package: &str, dev, optional, versioned| Dependency {
            package: package.to_owned(),
            dev,
            optional,
            versioned,
        };
        assert_eq!(
            Manifest::parse(TEXT).dependencies(),
            [
                dependency("push-core", false, false, true),
                dependency("push-http", false, true, false),
                dependency("plain", false, false, true),
                dependency("push-gateway", false, false, false),
                dependency("long", false, true, true),
                dependency("push-testkit", true, false, false),
            ]
        );
    }
}
