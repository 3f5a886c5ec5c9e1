//! New crates that start as a copy of an existing one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Result, names,
    workspace::{Kind, Plugin, Workspace},
};

/// A file of a new crate: its path in the crate, and its text.
type File = (PathBuf, String);

/// Returns the existing plugin that a new one of its kind starts as a copy of: the simplest one that meets the contract of the
/// kind, to be changed method by method with the tests green.
fn model(kind: Kind) -> Plugin {
    let name = match kind {
        Kind::Layer => "traced",
        Kind::Login => "manual",
        _ => "memory",
    };
    Plugin {
        kind,
        name: name.to_owned(),
    }
}

/// Returns the identifiers of a text, and other words that look like one.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !(it.is_alphanumeric() || it == '_'))
}

/// Returns the files of the model under another name.
pub(crate) fn copied(root: &Path, plugin: &Plugin) -> Result<Vec<File>> {
    let model = model(plugin.kind);
    let dir = root.join(model.folder());
    let mut texts = Vec::new();
    for path in Workspace::at(root)?.files()? {
        if let Some(inside) = path.strip_prefix(&format!("{}/", model.folder())) {
            let text = fs::read_to_string(dir.join(inside))
                .map_err(|error| format!("{path} cannot be read: {error}"))?;
            texts.push((PathBuf::from(inside), text));
        }
    }
    if texts.is_empty() {
        return Err(format!("there is no {} to start from", model.folder()).into());
    }
    let types: BTreeSet<String> = texts
        .iter()
        .flat_map(|(_, text)| types(text, &names::pascal(&model.name)))
        .map(str::to_owned)
        .collect();
    Ok(texts
        .into_iter()
        .map(|(path, text)| (path, renamed(&text, &model, plugin, &types)))
        .collect())
}

/// Returns the types of a file whose names start with `start`.
fn types<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let mut before = "";
    let mut found = Vec::new();
    for word in words(text).filter(|it| !it.is_empty()) {
        if matches!(before, "struct" | "enum" | "trait" | "type") && word.starts_with(start) {
            found.push(word);
        }
        before = word;
    }
    found
}

/// Returns a file of the model with the plugin's names. `types` are the model's own, and no others are touched: its clock may be
/// a `ManualClock`.
fn renamed(text: &str, model: &Plugin, plugin: &Plugin, types: &BTreeSet<String>) -> String {
    let (old, new) = (names::pascal(&model.name), names::pascal(&plugin.name));
    let mut text = text
        .replace(&model.feature(), &plugin.feature())
        .replace(&model.ident(), &plugin.ident())
        .replace(&model.id(), &plugin.id())
        .replace(
            &format!("\"{}\"", model.name),
            &format!("\"{}\"", plugin.name),
        );
    for type_ in types {
        text = replaced_word(&text, type_, &type_.replacen(&old, &new, 1));
    }
    text.lines()
        .map(|line| {
            if line.starts_with("description = ") {
                format!(
                    "description = \"The {} `{}`, begun as a copy of {}\"\n",
                    plugin.kind.word(),
                    plugin.name,
                    model.feature()
                )
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

/// Replaces `old` where it is a separate word.
fn replaced_word(text: &str, old: &str, new: &str) -> String {
    let part = |it: char| it.is_alphanumeric() || it == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(old) {
        let (before, after) = (&rest[..at], &rest[at + old.len()..]);
        let whole = !before.ends_with(part) && !after.starts_with(part);
        out += before;
        out += if whole { new } else { old };
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::renamed;
    use crate::workspace::{Kind, Plugin};

    #[test]
    fn a_copy_has_the_new_names() {
        let plugin = Plugin {
            kind: Kind::Login,
            name: "a-b".to_owned(),
        };
        let model = Plugin {
            kind: Kind::Login,
            name: "memory".to_owned(),
        };
        assert_eq!(
            renamed(
                "description = \"x\"\npush_login_memory\n",
                &model,
                &plugin,
                &BTreeSet::new()
            ),
            "description = \"The login `a-b`, begun as a copy of login-memory\"\npush_login_a_b\n"
        );
    }
}
