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
