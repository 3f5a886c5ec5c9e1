//! No text for users is written with `Debug`: it shows `Some(…)` and the names of types.

use super::Report;
use crate::{
    Result,
    source::{Layers, layers, tests},
    workspace::Workspace,
};

/// Files that may, and why. Tests, benchmarks, examples and what only developers run may, too.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "providers/apns-a2/src/classify.rs",
        "the names of `a2`'s reasons are Apple's words",
    ),
    (
        "providers/fcm/src/simulator/phone.rs",
        "inside an implementation of `Debug`",
    ),
    ("push-client/src/shared.rs", "the log of an app's developer"),
    ("push-http/src/fuzz.rs", "a fuzz target"),
];

/// Folders of code that no user runs.
const FOR_DEVELOPERS: &[&str] = &["xtask/", "fuzz/", "examples/", "push-testkit/"];

/// Returns `true` for files whose texts only developers read.
pub(super) fn is_for_developers(path: &str) -> bool {
    FOR_DEVELOPERS.iter().any(|folder| path.starts_with(folder))
        || ["/tests/", "/benches/", "/examples/"]
            .iter()
            .any(|folder| path.contains(folder))
        || path.starts_with("tests/")
        || path.ends_with("/tests.rs")
}

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for path in workspace.files()? {
        let is_exempt = EXCEPTIONS.iter().any(|(exception, _)| *exception == path);
        if is_exempt || is_for_developers(&path) || !path.ends_with(".rs") {
            continue;
        }
        let Ok(text) = workspace.read(&path) else {
            continue;
        };
        for line in debug_text(&text) {
            report.wrong(
                format!("{path}:{line}"),
                "writes a value with `Debug`",
                "use `Display`, or the value's own word; in a log field write `%`",
            );
        }
    }
    Ok(())
}

/// Returns the indexes of the lines that are in no test.
pub(super) fn outside_tests(text: &str, layers: &Layers) -> impl Iterator<Item = usize> {
    let in_tests = tests(text, layers);
    let test_module = text
        .lines()
        .position(|line| line.starts_with("#[cfg(test)]"))
        .unwrap_or(usize::MAX);
    (0..text.lines().count().min(test_module))
        .filter(move |at| !in_tests.iter().any(|test| test.lines.contains(at)))
}

/// Returns the lines outside tests that format a value with `{:?}`.
fn debug_text(text: &str) -> Vec<usize> {
    let layers = layers(text);
    let comments: Vec<&str> = layers.comments.lines().collect();
    let lines: Vec<&str> = text.lines().collect();
    let marks = [[":", "?}"].concat(), [":", "#?}"].concat()];
    outside_tests(text, &layers)
        .filter(|at| {
            marks
                .iter()
                .any(|mark| lines[*at].contains(mark) && !comments[*at].contains(mark))
        })
        .map(|at| at + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::debug_text;

    #[test]
    fn debug_is_found_in_texts_and_not_in_comments_or_tests() {
        let text = "\
/// As `{x:?}`.
fn a() { format!(\"{x:?} {:#?}\", y); }
fn b() { format!(\"{x}\"); }
#[test]
fn c() { panic!(\"{x:?}\"); }
#[cfg(test)]
mod tests { fn d() { format!(\"{:?}\", x); } }
";
        assert_eq!(debug_text(text), [2]);
    }
}
