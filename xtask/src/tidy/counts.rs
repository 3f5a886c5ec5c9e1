//! Counts of words per file, which may only fall: what a check shares that begins with findings.

use std::{collections::BTreeMap, fs};

use super::Report;
use crate::{Result, workspace::Workspace};

/// An occurrence in a file: the line, from 1, and the word.
pub(super) type Occurrence = (usize, &'static str);

/// The occurrences by file.
pub(super) type Found = BTreeMap<String, Vec<Occurrence>>;

/// The list of the counts that files still have.
pub(super) struct Counts {
    /// The list's path.
    pub(super) list: &'static str,
    /// The comment lines at its start.
    pub(super) header: &'static str,
    /// The name of the words, in plural.
    pub(super) words: &'static str,
    /// The next step for a file with too many.
    pub(super) remedy: &'static str,
}

/// Returns the occurrences of the words in the files of the workspace for which `is_checked` returns `true`.
pub(super) fn count(
    workspace: &Workspace,
    is_checked: impl Fn(&str) -> bool,
    occurrences: impl Fn(&str, &str) -> Vec<Occurrence>,
) -> Result<Found> {
    let mut found = Found::new();
    for path in workspace.files()? {
        let text = is_checked(&path).then(|| workspace.read(&path).ok());
        if let Some(text) = text.flatten() {
            let words = occurrences(&path, &text);
            if !words.is_empty() {
                found.insert(path, words);
            }
        }
    }
    Ok(found)
}

/// Returns every occurrence of `words`, which are in lower case, in `lines`.
pub(super) fn occurrences(
    lines: impl Iterator<Item = impl AsRef<str>>,
    words: &[&'static str],
) -> Vec<Occurrence> {
    let mut found = Vec::new();
    for (at, line) in lines.enumerate() {
        for word in words {
            let times = count_in_line(line.as_ref(), word);
            found.extend(std::iter::repeat_n((at + 1, *word), times));
        }
    }
    found
}

impl Counts {
    /// Reports files that have more words than the list allows, and lines of the list that allow more than a file has.
    pub(super) fn check(
        &self,
        workspace: &Workspace,
        found: &Found,
        report: &mut Report,
    ) -> Result {
        let list = self.read(workspace)?;
        for (path, words) in found {
            let allowed = list.get(path).copied().unwrap_or(0);
            if words.len() > allowed {
                let listed: Vec<String> = words
                    .iter()
                    .take(8)
                    .map(|(line, word)| format!("{word} in line {line}"))
                    .collect();
                let more = if words.len() > listed.len() {
                    ", …"
                } else {
                    ""
                };
                report.wrong(
                    path,
                    format!(
                        "has {} {}, {allowed} are allowed: {}{more}",
                        words.len(),
                        self.words,
                        listed.join(", ")
                    ),
                    format!(
                        "{}; if the file was renamed, rename its line in {}",
                        self.remedy, self.list
                    ),
                );
            }
        }
        for (path, allowed) in &list {
            let count = found.get(path).map_or(0, Vec::len);
            if count < *allowed {
                report.wrong(
                    self.list,
                    format!("allows {path} {allowed} {}, and it has {count}", self.words),
                    "run `cargo xtask tidy --fix`, which lowers the number",
                );
            }
        }
        Ok(())
    }

    /// Lowers the numbers of the list to the counts of the files. Returns the list's path if it changed.
    pub(super) fn fix(&self, workspace: &Workspace, found: &Found) -> Result<Option<String>> {
        let Ok(text) = workspace.read(self.list) else {
            return Ok(None);
        };
        let mut wanted = self.header.to_owned();
        for (path, allowed) in self.parse(&text)? {
            match found.get(&path).map_or(0, Vec::len).min(allowed) {
                0 => {}
                count => wanted.push_str(&format!("{count} {path}\n")),
            }
        }
        if wanted == text {
            return Ok(None);
        }
        fs::write(workspace.root.join(self.list), wanted)
            .map_err(|error| format!("{} cannot be written: {error}", self.list))?;
        Ok(Some(self.list.to_owned()))
    }

    fn read(&self, workspace: &Workspace) -> Result<BTreeMap<String, usize>> {
        match workspace.read(self.list) {
            Ok(text) => self.parse(&text),
            Err(_) => Ok(BTreeMap::new()),
        }
    }

    /// Reads the list: a count and a file on each line.
    pub(super) fn parse(&self, text: &str) -> Result<BTreeMap<String, usize>> {
        let list = self.list;
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (count, path) = line
                .split_once(' ')
                .and_then(|(count, path)| Some((count.parse().ok()?, path)))
                .ok_or_else(|| format!("{list}: `{line}` is not a count and a file"))?;
            if counts.insert(path.to_owned(), count).is_some() {
                return Err(format!("{list}: {path} has two lines").into());
            }
        }
        Ok(counts)
    }
}

/// Returns the number of times that `word`, which is in lower case, is in `line`: alone, or as a part of an identifier.
pub(super) fn count_in_line(line: &str, word: &str) -> usize {
    line.to_ascii_lowercase()
        .match_indices(word)
        .filter(|(start, _)| is_word(line.as_bytes(), *start, start + word.len()))
        .count()
}

/// Returns `true` if `line[start..end]` is a word, alone or as a part of an identifier in snake case or camel case. `APNs` is
/// one too: a vendor's own spelling.
fn is_word(line: &[u8], start: usize, end: usize) -> bool {
    let (first, last) = (line[start], line[end - 1]);
    let starts = match start.checked_sub(1).map(|at| line[at]) {
        Some(before) if before.is_ascii_alphabetic() => {
            first.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || line[start + 1].is_ascii_lowercase())
        }
        _ => true,
    };
    let ends = match line.get(end) {
        Some(after) if after.is_ascii_alphabetic() => {
            after.is_ascii_uppercase()
                && (last.is_ascii_lowercase()
                    || line.get(end + 1).is_some_and(u8::is_ascii_lowercase))
        }
        _ => true,
    };
    starts && ends
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Counts, Found, Report, occurrences};
    use crate::{
        Result,
        workspace::{Workspace, fixture::Fixture},
    };

    /// The findings of a check, each as "path: what is wrong".
    pub(in crate::tidy) fn findings(
        fixture: &Fixture,
        check: impl Fn(&Workspace, &mut Report) -> Result,
    ) -> Vec<String> {
        let mut report = Report::default();
        check(&fixture.workspace(), &mut report).expect("the fixture can be read");
        report
            .findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.path, finding.wrong))
            .collect()
    }

    const COUNTS: Counts = Counts {
        list: "list.txt",
        header: "# A comment.\n",
        words: "odd words",
        remedy: "write another word",
    };

    fn count(workspace: &Workspace) -> Result<Found> {
        let is_checked = |path: &str| path.starts_with("docs/");
        super::count(workspace, is_checked, |_, text| {
            occurrences(text.lines(), &["odd"])
        })
    }

    #[test]
    fn the_counts_may_only_fall() {
        let fixture = Fixture::new();
        fixture.write(COUNTS.list, "2 docs/a.md\n1 docs/b.md\n1 docs/gone.md\n");
        fixture.write("docs/a.md", "odd\n");
        fixture.write("docs/b.md", "odd, and odd again\n");
        fixture.write("src/c.rs", "// odd\n");
        let found = findings(&fixture, |workspace, report| {
            COUNTS.check(workspace, &count(workspace)?, report)
        });
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("docs/b.md: has 2 odd words, 1 are allowed"));
        let fix = || {
            let workspace = fixture.workspace();
            let found = count(&workspace).expect("the files can be read");
            COUNTS
                .fix(&workspace, &found)
                .expect("the list can be written")
        };
        assert_eq!(fix().as_deref(), Some(COUNTS.list));
        let text = fixture.workspace().read(COUNTS.list).expect("the list");
        assert_eq!(text, "# A comment.\n1 docs/a.md\n1 docs/b.md\n");
        assert_eq!(fix(), None);
    }

    #[test]
    fn a_broken_list_is_an_error() {
        assert!(COUNTS.parse("# a comment\n3 a.rs\n").is_ok());
        for text in ["three a.rs\n", "a.rs\n", "1 a.rs\n1 a.rs\n"] {
            assert!(COUNTS.parse(text).is_err(), "{text}");
        }
    }
}
