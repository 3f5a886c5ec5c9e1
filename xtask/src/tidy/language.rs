//! Words that the project's English avoids: see the section Style of CONTRIBUTING.md.

use super::{
    Report,
    counts::{self, Counts, Found, occurrences},
};
use crate::{Result, workspace::Workspace};

/// The words, in lower case. They are found in identifiers too: `told` in `told_at`.
const WORDS: &[&str] = &[
    "as a whole",
    "be it",
    "how-many",
    "is through",
    "let go of",
    "lets go of",
    "moody",
    "nobody",
    "so many",
    "somebody",
    "stand for",
    "stands for",
    "tell",
    "telling",
    "tells",
    "told",
    "whoever",
];

/// The files that are checked, by the end of their name.
const EXTENSIONS: &[&str] = &[
    ".c", ".h", ".kt", ".md", ".py", ".rs", ".sh", ".swift", ".toml", ".yml",
];

/// The files and folders that are not checked.
const EXEMPT: &[&str] = &[
    // Text of others.
    "CODE_OF_CONDUCT.md",
    "LICENSE-APACHE",
    // Generated from the documentation of push-bindings, which is checked.
    "push-bindings/kotlin/",
    "push-bindings/python/",
    "push-bindings/swift/",
    // This list.
    "xtask/src/tidy/language.rs",
];

/// Folders of test data, which hold the vendors' and users' own texts.
const DATA: &[&str] = &["/fixtures/", "/seeds/", "/cases/"];

const COUNTS: Counts = Counts {
    list: "xtask/discouraged-words.txt",
    header: "\
# Discouraged words that are still in use: count and file. `cargo xtask tidy` fails when a file has more, and when
# it has fewer than its line says; `cargo xtask tidy --fix` lowers the numbers and never raises one.
",
    words: "discouraged words",
    remedy: "name the subject and use the field's word: report, register, return, `no user`; see the section Style of \
             CONTRIBUTING.md",
};

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    COUNTS.check(workspace, &count(workspace)?, report)
}

/// Lowers the numbers of the list to the counts of the files. Returns the list's path if it changed.
pub(super) fn fix(workspace: &Workspace) -> Result<Option<String>> {
    COUNTS.fix(workspace, &count(workspace)?)
}

fn count(workspace: &Workspace) -> Result<Found> {
    let is_checked = |path: &str| {
        EXTENSIONS.iter().any(|extension| path.ends_with(extension))
            && !EXEMPT.iter().any(|exempt| path.starts_with(exempt))
            && !DATA.iter().any(|folder| path.contains(folder))
    };
    counts::count(workspace, is_checked, |_, text| {
        occurrences(text.lines(), WORDS)
    })
}

#[cfg(test)]
mod tests {
    use super::{check, counts::tests::findings};
    use crate::workspace::fixture::Fixture;

    #[test]
    fn a_discouraged_word_is_found_in_text_names_and_every_kind_of_file() {
        let fixture = Fixture::new();
        fixture.write("docs/a.md", "Nobody is pushed to, be it a user.\n");
        fixture.write("push-core/src/a.rs", "struct A { told_at: u8 }\n");
        fixture.write("push-core/src/b.rs", "// fine\nenum B { TokenTold }\n");
        assert_eq!(
            findings(&fixture, check),
            [
                "docs/a.md: has 2 discouraged words, 0 are allowed: be it in line 1, nobody in line 1",
                "push-core/src/a.rs: has 1 discouraged words, 0 are allowed: told in line 1",
                "push-core/src/b.rs: has 1 discouraged words, 0 are allowed: told in line 2",
            ]
        );
    }

    #[test]
    fn longer_words_and_texts_of_others_are_not_findings() {
        let fixture = Fixture::new();
        fixture.write(
            "docs/a.md",
            "Satellite, hotelling, retold; maybe it works.\n",
        );
        for path in [
            "CODE_OF_CONDUCT.md",
            "push-bindings/swift/A.swift",
            "providers/acme/tests/fixtures/answer.md",
            "docs/page.html",
        ] {
            fixture.write(path, "Nobody told us.\n");
        }
        assert_eq!(findings(&fixture, check), [""; 0]);
    }
}
