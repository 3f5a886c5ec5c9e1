//! Which statements a file cites, and where.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;

/// Where the conformance suites are: there every function for others is a test, run for each plugin of its kind.
const SUITES: &str = "push-testkit/src/";

/// Test files that are not Rust, by ending.
const OTHER_TESTS: &[&str] = &["c", "js", "kt", "mjs", "py", "sh", "swift", "ts"];

/// The most statements that one comment cites.
pub(super) const MOST_IN_ONE_COMMENT: usize = 8;

/// Where a statement is cited.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Citation {
    pub(super) statement: u32,
    /// As `S43+`: the test would fail if we did as the product that this one follows.
    pub(super) is_better: bool,
    pub(super) path: String,
    /// From 1.
    pub(super) line: usize,
}

/// What one file says of statements.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cited {
    pub(super) by_tests: Vec<Citation>,
    /// In a test file, but not by a test.
    pub(super) astray: Vec<Citation>,
    /// Comments of tests that cite more than [`MOST_IN_ONE_COMMENT`]: the first line, from 1, and how many.
    pub(super) crowded: Vec<(usize, usize)>,
}

/// What a file cites; none if it is no file for tests.
pub(super) fn scan(path: &str, text: &str) -> Option<Cited> {
    let in_tests = path.starts_with("tests/") || path.contains("/tests/");
    let ending = path.rsplit_once('.').map_or("", |(_, it)| it);
    let citation = |(statement, is_better), line: usize| Citation {
        statement,
        is_better,
        path: path.to_owned(),
        line: line + 1,
    };
    let mut cited = Cited::default();
    if ending == "rs" {
        let layers = source::layers(text);
        let comments: Vec<&str> = layers.comments.lines().collect();
        let mut inside = BTreeSet::new();
        let tests = if path.starts_with(SUITES) {
            source::cases(text, &layers)
        } else {
            source::tests(text, &layers)
        };
        for test in tests {
            let mut once = BTreeMap::new();
            // One comment: lines of comments without a line of code or a blank line between them.
            let (mut first, mut in_comment) = (0, BTreeSet::new());
            for line in test.lines.clone() {
                inside.insert(line);
                let comment = comments.get(line).copied().unwrap_or_default();
                if comment.trim().is_empty() {
                    crowded(first, &mut in_comment, &mut cited);
                } else if in_comment.is_empty() {
                    first = line;
                }
                for (number, is_better) in ids(comment) {
                    in_comment.insert(number);
                    *once.entry(number).or_default() |= is_better;
                }
            }
            crowded(first, &mut in_comment, &mut cited);
            let all = once.into_iter().map(|it| citation(it, test.attribute));
            cited.by_tests.extend(all);
        }
        if in_tests {
            for (line, comment) in comments.iter().enumerate() {
                // A file's own heading may describe the file.
                if !inside.contains(&line) && !comment.trim_start().starts_with("//!") {
                    cited
                        .astray
                        .extend(ids(comment).into_iter().map(|it| citation(it, line)));
                }
            }
        }
        return Some(cited);
    }
    if !in_tests || !OTHER_TESTS.contains(&ending) {
        return None;
    }
    for (line, it) in text.lines().enumerate() {
        let found = ids(it);
        crowded(line, &mut found.keys().copied().collect(), &mut cited);
        cited
            .by_tests
            .extend(found.into_iter().map(|it| citation(it, line)));
    }
    Some(cited)
}

/// Ends the comment that began at line `first` and cites `statements`.
fn crowded(first: usize, statements: &mut BTreeSet<u32>, cited: &mut Cited) {
    let count = std::mem::take(statements).len();
    if count > MOST_IN_ONE_COMMENT {
        cited.crowded.push((first + 1, count));
    }
}

/// The numbers in a text, and whether they are cited as better: `S7` and `S7+` are one, `S1-S3` and `S1–S3` are three.
pub(super) fn ids(text: &str) -> BTreeMap<u32, bool> {
    let mut found: BTreeMap<u32, bool> = BTreeMap::new();
    let mut from: Option<u32> = None;
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        if letter == 'S'
            && !(before.is_alphanumeric() || before == '_')
            && let Some((number, after)) = number(&rest[1..])
        {
            let first = from.take().unwrap_or(number);
            for it in first.min(number)..=first.max(number) {
                found.entry(it).or_default();
            }
            let is_better = after
                .strip_prefix('+')
                .is_some_and(|it| !it.starts_with(char::is_alphanumeric));
            *found.entry(number).or_default() |= is_better;
            let dash = after.strip_prefix(['-', '–']);
            from = dash.is_some_and(|it| it.starts_with('S')).then_some(number);
            before = ' ';
            rest = match from {
                Some(_) => dash.unwrap_or(after),
                None => after,
            };
        } else {
            from = None;
            before = letter;
            rest = &rest[letter.len_utf8()..];
        }
    }
    found
}

/// One to three digits that end as a word does, and what follows.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = text.split_at(digits);
    if digits > 3 || after.starts_with(|it: char| it.is_alphanumeric() || it == '_') {
        return None;
    }
    Some((number.parse().ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::{Citation, ids, scan};

    fn numbers(text: &str) -> Vec<u32> {
        ids(text).into_keys().collect()
    }

    #[test]
    fn a_plus_says_that_the_test_shows_where_we_are_better() {
        let found: Vec<(u32, bool)> = ids("S7+, S8: S9 + S10+S11+x S12+").into_iter().collect();
        assert_eq!(
            found,
            [
                (7, true),
                (8, false),
                (9, false),
                (10, false),
                (11, false),
                (12, true)
            ]
        );
        assert!(ids("S7 and S7+, S7")[&7]);
    }

    #[test]
    fn ids_and_ranges_are_found() {
        assert_eq!(numbers("S7"), [7]);
        assert_eq!(numbers("(S7), S9: text S128."), [7, 9, 128]);
        assert_eq!(numbers("S1–S4 and S8-S9"), [1, 2, 3, 4, 8, 9]);
        assert_eq!(numbers("S5-"), [5]);
        assert_eq!(numbers("S5-x S2"), [2, 5]);
        assert_eq!(numbers("S9-S7"), [7, 8, 9]);
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        assert_eq!(
            numbers("ES256 RS256 SHA256 S3cret S12_x _S4 S1234 S3a AS1 s7 S"),
            [0_u32; 0]
        );
    }

    #[test]
    fn only_tests_cite() {
        let text = "\
//! About S1–S9.
/// S10: documentation of a helper.
fn helper() { \"S11\"; }
/// S12 and S13, and S12 again.
#[test]
fn one() {
    // S14
    let x = \"S15\";
}
";
        let inside = scan("push-core/src/a.rs", text).expect("a Rust file");
        let lines = |list: &[Citation]| -> Vec<(u32, usize)> {
            list.iter().map(|it| (it.statement, it.line)).collect()
        };
        assert_eq!(lines(&inside.by_tests), [(12, 5), (13, 5), (14, 5)]);
        assert_eq!(lines(&inside.astray), []);
        let suite =
            "/// S120 and more.\npub fn a_case(it: &Vendor) {\n}\n/// S121.\nfn helper() {}\n";
        let suite = scan("push-testkit/src/conformance/cases.rs", suite).expect("a Rust file");
        assert_eq!(lines(&suite.by_tests), [(120, 2)]);
        let beside = scan("push-core/tests/a.rs", text).expect("a Rust file");
        assert_eq!(lines(&beside.by_tests), lines(&inside.by_tests));
        assert_eq!(lines(&beside.astray), [(10, 2)]);
    }

    #[test]
    fn a_comment_cites_at_most_eight_statements() {
        let crowded = |path: &str, text: &str| scan(path, text).expect("a test file").crowded;
        let test =
            |comment: &str| format!("fn a() {{}}\n{comment}\n#[test]\nfn b() {{\n    // S90\n}}\n");
        let path = "push-core/src/a.rs";
        assert_eq!(crowded(path, &test("/// S1–S8: eight.")), []);
        assert_eq!(crowded(path, &test("/// S1–S9: nine.")), [(2, 9)]);
        assert_eq!(
            crowded(path, &test("/// S1–S5\n/// and S6–S10.")),
            [(2, 10)]
        );
        assert_eq!(crowded("a/tests/a.py", "x\n# S1-S9\n# S10-S17\n"), [(2, 9)]);
        // Not a test's: what a module is about.
        assert_eq!(crowded(path, "//! S1–S20\n/// S1–S20\nfn a() {}\n"), []);
    }

    #[test]
    fn test_files_in_other_languages_cite_by_line() {
        let found = scan("push-client/tests/web/a.mjs", "// S3\nx\n// S4").expect("a test file");
        assert_eq!(found.by_tests.len(), 2);
        assert!(scan("push-client/src/a.mjs", "// S3").is_none());
        assert!(scan("push-client/tests/fixtures/a.json", "S3").is_none());
    }
}
