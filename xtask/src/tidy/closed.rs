//! What others can write as a literal or match exhaustively is closed for a reason.
//!
//! A field added to a public struct, and a variant added to a public enum, break every other crate that writes the struct as a
//! literal or matches the enum. `#[non_exhaustive]` or a private field prevents that.

use super::Report;
use crate::{Result, source::layers, workspace::Workspace};

/// The comment that says why a type is closed, directly above it.
const CLOSED: &str = "// Closed:";

/// Folders whose public types no other crate uses as Rust, and why.
const NOT_FOR_CRATES: &[(&str, &str)] = &[
    (
        "push-bindings/",
        "its types are for other languages, where a new field has a default",
    ),
    ("xtask/", "a program"),
    ("fuzz/", "programs"),
];

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for path in workspace.files()? {
        let is_library = path.contains("/src/") || path.starts_with("src/");
        if !path.ends_with(".rs")
            || !is_library
            || NOT_FOR_CRATES
                .iter()
                .any(|(folder, _)| path.starts_with(folder))
        {
            continue;
        }
        let Ok(text) = workspace.read(&path) else {
            continue;
        };
        for (line, name) in open_to_literals(&text) {
            report.wrong(
                format!("{path}:{line}"),
                format!(
                    "`{name}` cannot get another field or variant without breaking other crates"
                ),
                "add `#[non_exhaustive]`, and a `new` and `setters!` where others make one; \
                 or say above it why there will never be more: `// Closed: REASON`",
            );
        }
    }
    Ok(())
}

/// Returns the public types of a file that other crates can write or match in full, without a reason.
fn open_to_literals(text: &str) -> Vec<(usize, String)> {
    let code = layers(text).code;
    let code: Vec<&str> = code.lines().collect();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in code.iter().enumerate() {
        let Some((is_struct, name, rest)) = declared(line) else {
            continue;
        };
        let above = above(&lines[..at]);
        let is_settled = above
            .iter()
            .any(|line| line.starts_with("#[non_exhaustive]") || has_reason(line));
        let is_open = match rest.trim_start().chars().next() {
            // A newtype has one field and stays one.
            Some('(') => is_struct && fields_of_tuple(rest) > 1,
            _ if is_struct => all_fields_are_public(&code[at..]),
            // A type without values, such as the name of a plugin.
            _ => rest.trim() != "{}",
        };
        if is_open && !is_settled {
            found.push((at + 1, name.to_owned()));
        }
    }
    found
}

/// Returns whether the line declares a public struct, else a public enum; its name; and what follows.
fn declared(line: &str) -> Option<(bool, &str, &str)> {
    let line = line.trim_start();
    let (is_struct, rest) = match line.strip_prefix("pub struct ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("pub enum ")?),
    };
    let end = rest
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    // A macro's pattern has `$name`, or a word behind the name.
    let is_plain = rest.trim_start().starts_with(['{', '(', '<', ';']);
    (!name.is_empty() && is_plain).then_some((is_struct, name, rest))
}

/// Returns the comments and attributes that stand directly above.
fn above<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let ends = |line: &&&str| {
        line.is_empty() || line.ends_with(['{', '}', ';']) && !line.starts_with("//")
    };
    lines
        .iter()
        .rev()
        .take_while(|line| !ends(line))
        .copied()
        .collect()
}

fn has_reason(line: &str) -> bool {
    line.strip_prefix(CLOSED)
        .is_some_and(|reason| !reason.trim().is_empty())
}

/// Counts the fields of `(pub A, B);`; 0 if one is private.
fn fields_of_tuple(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut fields = vec![String::new()];
    for letter in rest.chars() {
        match letter {
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => fields.push(String::new()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let Some(field) = fields.last_mut() {
            field.push(letter);
        }
    }
    let fields = fields
        .iter()
        .map(|field| field.trim_start_matches([',', '(', ' ']));
    let fields: Vec<&str> = fields.filter(|field| !field.is_empty()).collect();
    if fields.iter().all(|field| field.starts_with("pub ")) {
        fields.len()
    } else {
        0
    }
}

/// Returns `true` if a struct that starts here has fields, and none that is private.
fn all_fields_are_public(code: &[&str]) -> bool {
    let mut depth = 0_usize;
    let mut has_fields = false;
    for line in code {
        let trimmed = line.trim_start();
        if depth == 1 && is_field(trimmed) {
            if !trimmed.starts_with("pub ") {
                return false;
            }
            has_fields = true;
        }
        for letter in line.chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ';' if depth == 0 => return false,
                _ => {}
            }
        }
        if depth == 0 && line.contains('}') {
            break;
        }
    }
    has_fields
}

/// Returns `true` for `name: Type`, `pub name: Type` and `pub(crate) name: Type`.
fn is_field(line: &str) -> bool {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or("", |(_, field)| field),
        Some(rest) => rest,
        None => line,
    };
    line.trim_start()
        .split_once(':')
        .is_some_and(|(name, rest)| {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            !name.is_empty() && name.chars().all(is_word) && !rest.starts_with(':')
        })
}

#[cfg(test)]
mod tests {
    use super::open_to_literals;

    fn names(text: &str) -> Vec<String> {
        open_to_literals(text)
            .into_iter()
            .map(|(_, name)| name)
            .collect()
    }

    #[test]
    fn a_struct_that_others_can_write_in_full_is_found() {
        let found = names(
            "\
/// A thing; `#[non_exhaustive]` in a text is none.
#[derive(
    Clone,
)]
pub struct Open {
    /// Its name.
    pub name: String,
}

pub struct Generic<T> {
    pub(super) hidden: T,
    pub items: Vec<T>,
}
pub struct Shown<T> {
    pub items: Vec<T>,
}
pub struct Pair(pub u8, pub Vec<(u8, u8)>);
",
        );
        assert_eq!(found, ["Open", "Shown", "Pair"]);
    }

    #[test]
    fn a_type_that_may_grow_or_has_a_reason_not_to_is_accepted() {
        let found = names(
            "\
#[derive(Clone)]
#[non_exhaustive]
pub struct Grows {
    pub name: String,
}

// Closed: a point of a plane has two coordinates.
#[derive(Clone)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

pub struct Private {
    name: String,
    pub id: u8,
}

pub struct Newtype(pub Vec<(u8, u8)>);
pub struct Half(pub u8, u8);
pub struct Unit;
pub enum Nothing {}
pub(crate) struct Ours {
    pub name: String,
}
#[non_exhaustive]
pub enum Word {
    A,
}
counters! {
    pub struct Counters of Numbers {
        requests,
    }
}
",
        );
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn an_enum_is_found_and_a_reason_must_say_something() {
        let found =
            names("pub enum Word {\n    A,\n}\n\n// Closed:\npub enum Other {\n    B,\n}\n");
        assert_eq!(found, ["Word", "Other"]);
    }
}
