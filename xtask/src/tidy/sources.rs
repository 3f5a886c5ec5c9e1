//! What no source file may hold.

use super::Report;
use crate::{
    Result,
    source::{layers, tests},
    workspace::Workspace,
};

/// Files longer than this are asked whether they are still one thing.
const LONG: usize = 600;

/// The longest name of a test, in characters.
const LONGEST_TEST_NAME: usize = 80;

/// Code that is skipped, unfinished or waits for luck. Written in two halves, so that this file
/// passes its own check.
const NOT_IN_CODE: &[(&str, &str, &str)] = &[
    (
        "#[",
        "ignore",
        "a test that is not run proves nothing: run it, or delete it",
    ),
    (
        "todo",
        "!",
        "finish it, or return an error that says what is not supported",
    ),
    (
        "unimplemented",
        "!",
        "finish it, or return an error that says what is not supported",
    ),
    (
        "thread::",
        "sleep",
        "wait for the event itself, or let the test own the clock",
    ),
];

/// Where people's own folders start, in two halves as above.
const HOMES: &[(&str, &str)] = &[
    ("/wor", "k/"),
    ("/roo", "t/"),
    ("/hom", "e/"),
    ("/User", "s/"),
];

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for path in workspace.files()? {
        // What is not text has no lines to check.
        let Ok(text) = workspace.read(&path) else {
            continue;
        };
        for (line, home) in homes(&text) {
            report.wrong(
                format!("{path}:{line}"),
                format!("names `{home}`, a path of one machine"),
                "use a path relative to the repository, or an example such as /srv/push",
            );
        }
        if !path.ends_with(".rs") {
            continue;
        }
        let length = text.lines().count();
        if length > LONG {
            report
                .warnings
                .push(format!("{path} has {length} lines; is it still one thing?"));
        }
        // The one place that lists plugins by feature.
        if path != "src/linked.rs" {
            for line in conditions(&text) {
                report.wrong(
                    format!("{path}:{line}"),
                    "a feature changes more than which items there are",
                    "features only add crates, modules and items: nothing inside a type, a call or a match",
                );
            }
        }
        for (line, name) in long_test_names(&text) {
            report.wrong(
                format!("{path}:{line}"),
                format!(
                    "the test name `{name}` has {} characters, {LONGEST_TEST_NAME} are allowed",
                    name.chars().count()
                ),
                "state one behaviour; move conditions and exceptions into the doc comment or a second test",
            );
        }
        for (line, word, remedy) in words(&text) {
            report.wrong(format!("{path}:{line}"), format!("`{word}`"), remedy);
        }
        for line in counted_turns(&text) {
            report.wrong(
                format!("{path}:{line}"),
                "lets other tasks run for a number of turns that is a guess",
                "use `push_testkit::until_idle`, or `push_testkit::until` and the condition that is waited for",
            );
        }
    }
    Ok(())
}

fn words(text: &str) -> Vec<(usize, String, &'static str)> {
    let mut found = Vec::new();
    let code = layers(text).code;
    for (at, line) in code.lines().enumerate() {
        for (first, second, remedy) in NOT_IN_CODE {
            let word = format!("{first}{second}");
            if line.contains(&word) {
                found.push((at + 1, word, *remedy));
            }
        }
    }
    found
}

/// Returns the lines of loops that only yield, a fixed number of times.
///
/// What is asserted afterwards may hold only because too little has happened by then.
fn counted_turns(text: &str) -> Vec<usize> {
    let code = layers(text).code;
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let is_counted = |line: &str| {
        let number = line.strip_prefix("for _ in 0..");
        number.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    };
    let yields = |line: &&&str| line.ends_with("yield_now().await;");
    let pairs = lines.iter().zip(lines.iter().skip(1)).enumerate();
    pairs
        .filter(|(_, (line, next))| is_counted(line) && yields(next))
        .map(|(at, _)| at + 1)
        .collect()
}

fn long_test_names(text: &str) -> Vec<(usize, String)> {
    let layers = layers(text);
    let code: Vec<&str> = layers.code.lines().collect();
    let mut found = Vec::new();
    for test in tests(text, &layers) {
        let declared = (test.attribute..test.lines.end)
            .find_map(|line| Some((line + 1, code.get(line)?.split_once("fn ")?.1)));
        if let Some((line, rest)) = declared {
            let name: String = rest
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            if name.chars().count() > LONGEST_TEST_NAME {
                found.push((line, name));
            }
        }
    }
    found
}

/// The lines where a feature decides about something smaller than an item.
fn conditions(text: &str) -> Vec<usize> {
    let code = layers(text).code;
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !line.contains("feature =") {
            continue;
        }
        let after = lines[at + 1..]
            .iter()
            .find(|it| !it.is_empty() && !it.starts_with("#["))
            .copied()
            .unwrap_or_default();
        let outer = line.starts_with("#[cfg(") || line.starts_with("#[cfg_attr(");
        if line.contains("cfg!(") || (outer && !is_item(after)) {
            found.push(at + 1);
        }
    }
    found
}

fn is_item(line: &str) -> bool {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or("", |(_, it)| it),
        Some(rest) => rest,
        None => line,
    };
    let word = line
        .trim_start()
        .split(|it: char| !it.is_alphanumeric() && it != '_')
        .next();
    matches!(
        word,
        Some(
            "async"
                | "const"
                | "enum"
                | "extern"
                | "fn"
                | "impl"
                | "macro_rules"
                | "mod"
                | "static"
                | "struct"
                | "trait"
                | "type"
                | "use"
        )
    )
}

fn homes(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (first, second) in HOMES {
            let home = format!("{first}{second}");
            // `https://example.com/work/` and `path/work/` are not home folders.
            let whole = line.match_indices(&home).any(|(start, _)| {
                !line[..start].ends_with(|it: char| it.is_alphanumeric() || "._-})$~*".contains(it))
            });
            if whole {
                found.push((at + 1, home));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{
        HOMES, LONGEST_TEST_NAME, NOT_IN_CODE, conditions, counted_turns, homes, long_test_names,
        words,
    };

    #[test]
    fn forbidden_words_are_found_in_code_alone() {
        for (first, second, _) in NOT_IN_CODE {
            let word = format!("{first}{second}");
            let text = format!("// {word}\nlet a = \"{word}\";\n    {word}(1);\n");
            let found = words(&text);
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].0, 3, "{word}");
        }
    }

    #[test]
    fn a_guessed_number_of_turns_is_found() {
        let turns = |count: &str| {
            format!(
                "fn a() {{\n    for _ in 0..{count} {{\n        tokio::task::yield_now().await;\n    }}\n}}\n"
            )
        };
        assert_eq!(counted_turns(&turns("1_000")), [2]);
        assert_eq!(counted_turns(&turns("turns")), [0_usize; 0]);
        let works = "for _ in 0..3 {\n    send().await;\n    yield_now().await;\n}\n";
        assert_eq!(counted_turns(works), [0_usize; 0]);
    }

    #[test]
    fn a_feature_may_add_items_and_nothing_smaller() {
        for good in [
            "#[cfg(feature = \"a\")]\npub mod a;\n",
            "#[cfg(feature = \"a\")]\n#[doc(hidden)]\npub(crate) async fn a() {}\n",
            "#![cfg(feature = \"a\")]\nfn main() {}\n",
            "// #[cfg(feature = \"a\")]\nA => 1,\n",
        ] {
            assert_eq!(conditions(good), [0_usize; 0], "{good}");
        }
        for bad in [
            "#[cfg(feature = \"a\")]\nVariant,\n",
            "#[cfg(feature = \"a\")]\npub field: u8,\n",
            "#[cfg(feature = \"a\")]\nSelf::A => 1,\n",
            "if cfg!(feature = \"a\") {\n",
        ] {
            assert_eq!(conditions(bad), [1], "{bad}");
        }
    }

    #[test]
    fn a_test_name_may_be_as_long_as_a_sentence_and_no_longer() {
        let fits = "a".repeat(LONGEST_TEST_NAME);
        let text = format!(
            "#[test]\nfn {fits}() {{}}\n#[tokio::test]\n#[cfg(unix)]\nasync fn {fits}b() {{}}\nfn {fits}c() {{}}\n"
        );
        assert_eq!(long_test_names(&text), [(5, format!("{fits}b"))]);
    }

    #[test]
    fn paths_of_one_machine_are_found_everywhere() {
        for (first, second) in HOMES {
            let home = format!("{first}{second}");
            let text =
                format!("see {home}x\nhttps://example.com{home}\n\"{home}\"\nnot/in{home}\n");
            let lines: Vec<usize> = homes(&text).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, [1, 3], "{home}");
        }
    }
}
