//! Lists which statements of `docs/behaviour.md` are tested, and where.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

mod citations;

use citations::{Citation, MOST_IN_ONE_COMMENT, ids, scan};

use crate::{Failure, Result, table, workspace::Workspace};

pub(crate) const HELP: &str = "\
cargo xtask behaviour [--missing] [--complete] [--require LIST]

docs/behaviour.md says in numbered statements how the product behaves. This lists every statement with
the number of tests that cite it and the first of them. A test cites a statement by its number in a
comment: its doc comment, or a comment in its body.

    /// S43: the late logout belongs to the session before.
    #[test]
    fn a_late_logout_never_undoes_the_new_login() { … }

`S1-S5` and `S1–S5` cite five. What the product this one follows does differently, and worse, the page marks with
**+**. The test that would fail if we did as that product does says so by the same sign:

    /// S43+: the late logout belongs to the session before.

One comment cites at most eight statements: a test that shows more shows none of them clearly.

Only tests count: a comment on other code is documentation. In
push-testkit, whose functions are what conformance tests call, every function is a test. In test files
that are not Rust (under a folder `tests`), every line with a number counts.

--missing       prints only statements without a test
--complete      fails unless exactly the statements on the page's line `Open: …` have no test, and each
                tested statement that the page marks with **+** has a test that cites it as `S43+`
--require LIST  fails if one of these has no test, as in S1-S49,S75
Exit code 1 also if a test cites a number that no statement has, or as better what the page does not mark, and if one
comment cites more than eight.
";

const PAGE: &str = "docs/behaviour.md";

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let (mut missing_only, mut complete, mut required) = (false, false, BTreeSet::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--missing" => missing_only = true,
            "--complete" => complete = true,
            "--require" => {
                let list = args
                    .next()
                    .ok_or_else(|| Failure::Usage("--require wants a list".to_owned()))?;
                required.extend(parse_list(list).map_err(Failure::Usage)?);
            }
            _ => {
                return Err(Failure::Usage(format!(
                    "behaviour does not know `{arg}`; see `cargo xtask behaviour --help`"
                )));
            }
        }
    }
    let workspace = Workspace::at(root)?;
    let page = workspace.read(PAGE)?;
    let statements = statements(&page)?;
    let mut by_tests: BTreeMap<u32, Vec<Citation>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in workspace.files()? {
        // The tests of xtask cite invented statements.
        if path.starts_with("xtask/") {
            continue;
        }
        let Some(cited) = workspace.read(&path).ok().and_then(|it| scan(&path, &it)) else {
            continue;
        };
        for it in cited.astray {
            println!(
                "warning: {}:{}: S{} is cited, but not by a test",
                it.path, it.line, it.statement
            );
        }
        for (line, count) in cited.crowded {
            wrong.push(format!(
                "{path}:{line}: one comment cites {count} statements, {MOST_IN_ONE_COMMENT} are allowed; cite each \
                 statement at the test that would fail without it"
            ));
        }
        for it in cited.by_tests {
            by_tests.entry(it.statement).or_default().push(it);
        }
    }
    print(&statements, &by_tests, missing_only);
    wrong.extend(verdict(&statements, &by_tests, &required));
    if complete {
        wrong.extend(differs(&statements, &by_tests, &open(&page)));
        wrong.extend(unshown(&statements, &by_tests));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n").into())
}

fn print(
    statements: &BTreeMap<u32, String>,
    by_tests: &BTreeMap<u32, Vec<Citation>>,
    missing_only: bool,
) {
    let mut rows = Vec::new();
    for (number, summary) in statements {
        let tests = by_tests.get(number).map_or(&[][..], Vec::as_slice);
        if missing_only && !tests.is_empty() {
            continue;
        }
        let first = tests
            .first()
            .map_or_else(|| "-".to_owned(), |it| format!("{}:{}", it.path, it.line));
        let better = if is_marked(summary) {
            tests.iter().filter(|it| it.is_better).count().to_string()
        } else {
            String::new()
        };
        rows.push(vec![
            id(*number, summary),
            tests.len().to_string(),
            better,
            first,
            summary.replace(MARK, "").trim_end().to_owned(),
        ]);
    }
    println!(
        "{}",
        table::columns(&["id", "tests", "as +", "first", "statement"], &rows)
    );
    let tested = statements
        .keys()
        .filter(|it| by_tests.contains_key(it))
        .count();
    println!(
        "{tested} of {} statements are tested, by {} citations",
        statements.len(),
        by_tests.values().map(Vec::len).sum::<usize>()
    );
}

/// The page's mark of a statement in which this product is better than the one that it follows.
const MARK: &str = "**+**";

fn is_marked(summary: &str) -> bool {
    summary.contains(MARK)
}

fn id(number: u32, summary: &str) -> String {
    let sign = if is_marked(summary) { "+" } else { "" };
    format!("S{number}{sign}")
}

/// A statement with the mark needs a test that shows it.
fn unshown(
    statements: &BTreeMap<u32, String>,
    by_tests: &BTreeMap<u32, Vec<Citation>>,
) -> Option<String> {
    let unshown: Vec<String> = statements
        .iter()
        .filter(|(number, summary)| {
            let tests = by_tests.get(number);
            is_marked(summary) && tests.is_some_and(|it| it.iter().all(|it| !it.is_better))
        })
        .map(|(number, summary)| id(*number, summary))
        .collect();
    if unshown.is_empty() {
        return None;
    }
    Some(format!(
        "{PAGE} marks statements as better, but no test cites them, as `/// S43+: …`: {}",
        unshown.join(", ")
    ))
}

fn verdict(
    statements: &BTreeMap<u32, String>,
    by_tests: &BTreeMap<u32, Vec<Citation>>,
    required: &BTreeSet<u32>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, citations) in by_tests {
        let Some(summary) = statements.get(number) else {
            wrong.extend(citations.iter().map(|it| {
                format!(
                    "{}:{}: S{number} is cited, but {PAGE} has no such statement",
                    it.path, it.line
                )
            }));
            continue;
        };
        let boasts = citations
            .iter()
            .filter(|it| it.is_better && !is_marked(summary));
        wrong.extend(boasts.map(|it| {
            format!(
                "{}:{}: S{number}+ is cited, but {PAGE} does not mark S{number} with {MARK}",
                it.path, it.line
            )
        }));
    }
    for number in required {
        if !statements.contains_key(number) {
            wrong.push(format!(
                "S{number} is required, but {PAGE} has no such statement"
            ));
        } else if !by_tests.contains_key(number) {
            wrong.push(format!("S{number} is required, but no test cites it"));
        }
    }
    wrong
}

/// Returns the statements in the page's line `Open: …`, which have no test.
fn open(page: &str) -> BTreeSet<u32> {
    page.lines()
        .filter_map(|it| it.strip_prefix("Open:"))
        .flat_map(|it| ids(it).into_keys())
        .collect()
}

/// The page must list exactly the open statements, because readers rely on the others.
fn differs(
    statements: &BTreeMap<u32, String>,
    by_tests: &BTreeMap<u32, Vec<Citation>>,
    open: &BTreeSet<u32>,
) -> Option<String> {
    let untested: BTreeSet<u32> = statements
        .keys()
        .copied()
        .filter(|it| !by_tests.contains_key(it))
        .collect();
    if untested == *open {
        return None;
    }
    let list = |set: BTreeSet<u32>| match set.len() {
        0 => "none".to_owned(),
        _ => ranges(&set),
    };
    Some(format!(
        "{PAGE} does not say what is open: without a test and not on the line are {}; on the line and tested are {}. \
         When no test was lost, the line is\nOpen: {}.",
        list(&untested - open),
        list(open - &untested),
        list(untested)
    ))
}

/// `S1–S3, S5`.
fn ranges(set: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in set {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => format!("S{first}"),
            1 => format!("S{first}, S{last}"),
            _ => format!("S{first}–S{last}"),
        })
        .collect();
    runs.join(", ")
}

/// Returns the rows `| S1 | what holds |` of the page.
fn statements(page: &str) -> Result<BTreeMap<u32, String>> {
    let mut found = BTreeMap::new();
    for line in page.lines() {
        let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
        let number = cells
            .next()
            .and_then(|it| it.strip_prefix('S'))
            .and_then(|it| it.parse::<u32>().ok());
        if let (Some(number), Some(summary)) = (number, cells.next())
            && found.insert(number, summary.to_owned()).is_some()
        {
            return Err(format!("{PAGE}: there are two rows for S{number}").into());
        }
    }
    if found.is_empty() {
        return Err(format!("{PAGE} has no row of the form `| S1 | what holds |`").into());
    }
    Ok(found)
}

/// `S1-S49,S75`.
fn parse_list(list: &str) -> Result<BTreeSet<u32>, String> {
    let mut all = BTreeSet::new();
    for part in list.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let found: BTreeSet<u32> = ids(part).into_keys().collect();
        if found.is_empty() {
            return Err(format!(
                "`{part}` is neither a statement such as S7 nor a range such as S1-S5"
            ));
        }
        all.extend(found);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Citation, differs, open, parse_list, ranges, statements, unshown, verdict};

    #[test]
    fn where_we_say_that_we_are_better_a_test_shows_it() {
        let statements = BTreeMap::from([
            (1, "plain".to_owned()),
            (2, "better **+**".to_owned()),
            (3, "open **+**".to_owned()),
        ]);
        let cited = |statement, is_better| {
            let citation = Citation {
                statement,
                is_better,
                path: "a.rs".to_owned(),
                line: 1,
            };
            BTreeMap::from([(statement, vec![citation])])
        };
        assert_eq!(unshown(&statements, &cited(2, true)), None);
        let text = unshown(&statements, &cited(2, false)).expect("it is not shown");
        assert!(text.ends_with(": S2+"), "{text}");
        assert_eq!(unshown(&statements, &cited(1, false)), None);
        let none = BTreeSet::new();
        assert_eq!(verdict(&statements, &cited(2, true), &none).len(), 0);
        assert_eq!(verdict(&statements, &cited(1, true), &none).len(), 1);
    }

    #[test]
    fn a_list_must_be_made_of_ids() {
        assert_eq!(parse_list("S1-S3, S9"), Ok(BTreeSet::from([1, 2, 3, 9])));
        assert!(parse_list("S1,seven").is_err());
    }

    #[test]
    fn the_page_is_read_row_by_row() {
        let page = "# T\n| id | statement |\n|---|---|\n| S1 | one |\n| S2 | two |\n";
        let found = statements(page).expect("statements");
        assert_eq!(
            found,
            BTreeMap::from([(1, "one".to_owned()), (2, "two".to_owned())])
        );
        assert!(statements("| S1 | a |\n| S1 | b |").is_err());
        assert!(statements("nothing").is_err());
    }

    #[test]
    fn unknown_and_missing_statements_fail() {
        let statements = BTreeMap::from([(1, String::new()), (2, String::new())]);
        let cited = |number| {
            let citation = Citation {
                statement: number,
                is_better: false,
                path: "a.rs".to_owned(),
                line: 1,
            };
            BTreeMap::from([(number, vec![citation])])
        };
        let wrong = |number, required: &[u32]| {
            let required = required.iter().copied().collect();
            verdict(&statements, &cited(number), &required).len()
        };
        assert_eq!(wrong(1, &[1]), 0);
        assert_eq!(wrong(1, &[2]), 1);
        assert_eq!(wrong(3, &[]), 1);
        assert_eq!(wrong(1, &[9]), 1);
        assert_eq!(differs(&statements, &cited(1), &BTreeSet::from([2])), None);
        for open in [&[][..], &[1], &[1, 2]] {
            let open = open.iter().copied().collect();
            let text = differs(&statements, &cited(1), &open).expect("a difference");
            assert!(text.ends_with("Open: S2."), "{text}");
        }
    }

    #[test]
    fn what_is_open_is_read_and_written_in_ranges() {
        let set = open("x\nOpen: S3, S5–S7.\nNot open: S9\n");
        assert_eq!(set, BTreeSet::from([3, 5, 6, 7]));
        assert_eq!(ranges(&set), "S3, S5–S7");
        assert_eq!(ranges(&BTreeSet::from([1, 2])), "S1, S2");
    }
}
