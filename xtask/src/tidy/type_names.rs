//! No text for users names a type or a path of Rust: who reads it configures or calls the gateway, and may not know the code.

use super::{
    Report,
    debug_text::{is_for_developers, outside_tests},
};
use crate::{Result, source::layers, workspace::Workspace};

/// Files that may: their texts advise the author of a program in Rust, who writes these calls.
const EXCEPTIONS: &[&str] = &[
    "push-client/src/builder.rs",
    "push-client/src/extension.rs",
    "push-gateway/src/builder.rs",
    "push-gateway/src/gateway.rs",
];

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for path in workspace.files()? {
        let is_exempt = EXCEPTIONS.contains(&path.as_str());
        if is_exempt || is_for_developers(&path) || !path.ends_with(".rs") {
            continue;
        }
        let Ok(text) = workspace.read(&path) else {
            continue;
        };
        for (line, name) in type_names(&text) {
            report.wrong(
                format!("{path}:{line}"),
                format!("a text names the Rust type or path `{name}`"),
                "use the word of the configuration or of the API",
            );
        }
    }
    Ok(())
}

/// Returns the lines outside tests whose strings name a type or a path of Rust, and the name.
fn type_names(text: &str) -> Vec<(usize, String)> {
    let layers = layers(text);
    let bytes = text.bytes();
    // What is neither code nor a comment is a string.
    let strings: Vec<u8> = bytes
        .zip(layers.code.bytes().zip(layers.comments.bytes()))
        .map(|(byte, (code, comment))| match (byte, code, comment) {
            (b'\n', ..) => b'\n',
            (_, b' ', b' ') => byte,
            _ => b' ',
        })
        .collect();
    let strings = String::from_utf8_lossy(&strings);
    let lines: Vec<&str> = text.lines().collect();
    outside_tests(text, &layers)
        .filter_map(|at| {
            let line = lines[at].trim_start();
            // Attributes, which the compiler alone shows, to developers.
            let is_attribute = ["note = ", "message = ", "label = ", "reason = ", "#["]
                .iter()
                .any(|start| line.starts_with(start));
            let name = strings.lines().nth(at).and_then(type_name)?;
            (!is_attribute).then_some((at + 1, name))
        })
        .collect()
}

/// Returns the first name of a type or path in a text, as in `ErrorKind::Config`, `push_core::Error` or `struct Sample`.
fn type_name(text: &str) -> Option<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = text.split(|letter| !is_part(letter));
    let mut before = "";
    for word in words {
        let is_type = |part: &str| part.starts_with(|letter: char| letter.is_ascii_uppercase());
        let is_path = word.split_once("::").is_some_and(|(first, rest)| {
            (is_type(first) || first.starts_with("push_")) && !rest.is_empty()
        });
        if is_path || (matches!(before, "struct" | "enum") && is_type(word)) {
            return Some(word.to_owned());
        }
        before = word;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::type_names;

    #[test]
    fn types_and_paths_are_found_in_strings_and_not_in_code_comments_or_tests() {
        let text = "\
/// As `ErrorKind::Config`.
fn a() { fail(\"not a push_core::Error\", ErrorKind::Config); }
fn b() { fail(\"an odd key; see https://a.example::1 or 12:30\"); }
fn c() { fail(\"expected struct Sample\"); }
#[diagnostic::on_unimplemented(
    note = \"write Arc::new(…)\"
)]
trait D {}
fn e() { fail(\"use Slot::Alert\"); }
#[test]
fn f() { fail(\"Slot::Alert\"); }
#[cfg(test)]
mod tests { fn g() { fail(\"Slot::Alert\"); } }
";
        let found: Vec<usize> = type_names(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, [2, 4, 9]);
    }
}
