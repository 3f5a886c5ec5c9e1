//! No text for users is written with `Debug`: it shows `Some(…)` and the names of types.

use super::Report;
use crate::{
    Result,
    source::{layers, tests},
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

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for path in workspace.files()? {
        let of_developers = FOR_DEVELOPERS.iter().any(|folder| path.starts_with(folder))
            || ["/tests/", "/benches/", "/examples/"]
                .iter()
                .any(|folder| path.contains(folder))
            || path.starts_with("tests/")
            || path.ends_with("/tests.rs")
            || EXCEPTIONS.iter().any(|(exception, _)| *exception == path);
        if of_developers || !path.ends_with(".rs") {
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

/// Returns the lines outside tests that format a value with `{:?}`.
fn debug_text(text: &str) -> Vec<usize> {
    let layers = layers(text);
    let in_tests = tests(text, &layers);
    let test_module = text
        .lines()
        .position(|line| line.starts_with("#[cfg(test)]"))
        .unwrap_or(usize::MAX);
    let comments: Vec<&str> = layers.comments.lines().collect();
    let marks = [[":", "?}"].concat(), [":", "#?}"].concat()];
    text.lines()
        .enumerate()
        .filter(|(at, line)| {
            marks
                .iter()
                .any(|mark| line.contains(mark) && !comments[*at].contains(mark))
                && *at < test_module
                && !in_tests.iter().any(|test| test.lines.contains(at))
        })
        .map(|(at, _)| at + 1)
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
