//! Where vendors may be named.
//!
//! The shared crates treat every channel alike. A vendor's name in one of them usually marks a special case that
//! belongs into the provider, or an example that suggests one.

use std::{collections::BTreeMap, fs};

use super::Report;
use crate::{Result, workspace::Workspace};

/// The words, in lower case. They are found in identifiers too: `apns` in `ApnsInfo`, `APNS` and `fcm_type`.
const WORDS: &[&str] = &[
    "apns", "apple", "fcm", "firebase", "google", "harmony", "honor", "huawei", "meizu", "oppo",
    "tpns", "vivo", "webpush", "xiaomi",
];

/// The crates that name no vendor, in their sources, tests and manifests.
const NEUTRAL: &[&str] = &[
    "plugins/",
    "push-core/",
    "push-gateway/",
    "push-http/",
    "push-kit/",
    "push-sqlite/",
    "push-testkit/",
];

/// The words that a file may use, and why. Test data is not here: it uses `Channel::known("sample")`.
const ALLOWED: &[(&str, &[&str], &str)] = &[
    (
        "push-core/src/channel.rs",
        WORDS,
        "the constants of `Channel`, and `Platform`",
    ),
    (
        "push-core/src/message.rs",
        &["apns", "apple"],
        "`ApnsInfo`, as callers of the HTTP API spell it",
    ),
    (
        "push-gateway/src/http/schema.rs",
        &["apns"],
        "`ApnsInfo` in the description of the HTTP API",
    ),
];

/// A platform, not a vendor.
const PLATFORM: &[&str] = &["Platform::Harmony", "`harmony`"];

/// How often each file still names a vendor. The numbers only fall.
const BASELINE: &str = "xtask/vendor-words.txt";

const HEADER: &str = "\
# Vendor names that are still in the shared crates: count and file. `cargo xtask tidy` fails when a file has more,
# and when it has fewer than its line says; `cargo xtask tidy --fix` lowers the numbers and never raises one.
";

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    let baseline = match workspace.read(BASELINE) {
        Ok(text) => parse(&text)?,
        Err(_) => BTreeMap::new(),
    };
    let found = count(workspace)?;
    compare(&found, &baseline, report);
    Ok(())
}

/// Lowers the numbers of the baseline to what the files hold, and returns whether it changed.
pub(super) fn fix(workspace: &Workspace) -> Result<Option<String>> {
    let Ok(text) = workspace.read(BASELINE) else {
        return Ok(None);
    };
    let found = count(workspace)?;
    let mut wanted = HEADER.to_owned();
    for (path, allowed) in parse(&text)? {
        match found.get(&path).map_or(0, Vec::len).min(allowed) {
            0 => {}
            count => wanted.push_str(&format!("{count} {path}\n")),
        }
    }
    if wanted == text {
        return Ok(None);
    }
    fs::write(workspace.root.join(BASELINE), wanted)
        .map_err(|error| format!("{BASELINE} cannot be written: {error}"))?;
    Ok(Some(BASELINE.to_owned()))
}

/// A vendor's name in a file: the line, from 1, and the word.
type Occurrence = (usize, &'static str);

fn count(workspace: &Workspace) -> Result<BTreeMap<String, Vec<Occurrence>>> {
    let mut found = BTreeMap::new();
    for path in workspace.files()? {
        let is_code = path.ends_with(".rs") || path.ends_with(".toml");
        if !is_code || !NEUTRAL.iter().any(|it| path.starts_with(it)) {
            continue;
        }
        let Ok(text) = workspace.read(&path) else {
            continue;
        };
        let allowed = ALLOWED.iter().find(|(file, _, _)| *file == path);
        let allowed = allowed.map_or(&[][..], |(_, words, _)| *words);
        let mut words = occurrences(&text);
        words.retain(|(_, word)| !allowed.contains(word));
        if !words.is_empty() {
            found.insert(path, words);
        }
    }
    Ok(found)
}

fn compare(
    found: &BTreeMap<String, Vec<Occurrence>>,
    baseline: &BTreeMap<String, usize>,
    report: &mut Report,
) {
    for (path, words) in found {
        let allowed = baseline.get(path).copied().unwrap_or(0);
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
                    "names a vendor {} times, {allowed} are allowed: {}{more}",
                    words.len(),
                    listed.join(", ")
                ),
                format!(
                    "move the special case into the provider, say what holds for every channel, or use \
                     `Channel::known(\"sample\")` as an example; if the file was renamed, rename its line in {BASELINE}"
                ),
            );
        }
    }
    for (path, allowed) in baseline {
        let count = found.get(path).map_or(0, Vec::len);
        if count < *allowed {
            report.wrong(
                BASELINE,
                format!("allows {path} {allowed} vendor names, and it has {count}"),
                "run `cargo xtask tidy --fix`, which lowers the number",
            );
        }
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (count, path) = line
            .split_once(' ')
            .and_then(|(count, path)| Some((count.parse().ok()?, path)))
            .ok_or_else(|| format!("{BASELINE}: `{line}` is not a count and a file"))?;
        if counts.insert(path.to_owned(), count).is_some() {
            return Err(format!("{BASELINE}: {path} has two lines").into());
        }
    }
    Ok(counts)
}

fn occurrences(text: &str) -> Vec<Occurrence> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut line = line.to_owned();
        for platform in PLATFORM {
            line = line.replace(platform, "");
        }
        let lower = line.to_ascii_lowercase();
        for word in WORDS {
            let count = lower
                .match_indices(word)
                .filter(|(start, _)| is_word(line.as_bytes(), *start, start + word.len()))
                .count();
            found.extend(std::iter::repeat_n((at + 1, *word), count));
        }
    }
    found
}

/// Whether `line[start..end]` is a word, alone or as a part of an identifier in snake case or camel case. `APNs` is one
/// too: a vendor's own spelling.
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
mod tests {
    use super::{BASELINE, Report, check, fix, occurrences, parse};
    use crate::workspace::fixture::Fixture;

    fn words(text: &str) -> Vec<&'static str> {
        occurrences(text)
            .into_iter()
            .map(|(_, word)| word)
            .collect()
    }

    fn findings(fixture: &Fixture) -> Vec<String> {
        let mut report = Report::default();
        check(&fixture.workspace(), &mut report).expect("the fixture can be read");
        report
            .findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.path, finding.wrong))
            .collect()
    }

    #[test]
    fn vendor_names_are_found_in_every_spelling_of_identifiers() {
        assert_eq!(words("ApnsInfo APNs' apns-id x_apns HTTPApns"), ["apns"; 5]);
        assert_eq!(words("fcmPushType FCM2 \"fcm\" // FCM."), ["fcm"; 4]);
        assert_eq!(words("HarmonyOS Huawei"), ["harmony", "huawei"]);
    }

    #[test]
    fn a_longer_word_is_not_a_vendor_name() {
        assert_eq!(words("honored pineapple Grapple opposite googled"), [""; 0]);
        assert_eq!(words("Platform::Harmony, `harmony`"), [""; 0]);
    }

    #[test]
    fn only_shared_crates_are_checked_and_the_allow_list_holds() {
        let fixture = Fixture::new();
        fixture.write("push-core/src/channel.rs", "const APNS: u8 = 0;\n");
        fixture.write("push-core/src/message.rs", "struct ApnsInfo;\n// FCM\n");
        fixture.write("push-client/src/a.rs", "// APNs\n");
        fixture.write("push-http/tests/a.rs", "// one\n\"push.apple.com\"\n");
        assert_eq!(
            findings(&fixture),
            [
                "push-core/src/message.rs: names a vendor 1 times, 0 are allowed: fcm in line 2",
                "push-http/tests/a.rs: names a vendor 1 times, 0 are allowed: apple in line 2",
            ]
        );
    }

    #[test]
    fn the_baseline_may_only_shrink() {
        let fixture = Fixture::new();
        fixture.write(
            BASELINE,
            "2 push-core/src/a.rs\n1 push-core/src/b.rs\n1 push-core/src/c.rs\n",
        );
        fixture.write("push-core/src/a.rs", "// vivo\n");
        fixture.write("push-core/src/b.rs", "// vivo, OPPO\n");
        let found = findings(&fixture);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("push-core/src/b.rs: names a vendor 2 times, 1 are allowed"));
        let changed = fix(&fixture.workspace()).expect("the baseline can be written");
        assert_eq!(changed.as_deref(), Some(BASELINE));
        let text = fixture.workspace().read(BASELINE).expect("the baseline");
        assert!(
            text.ends_with("\n1 push-core/src/a.rs\n1 push-core/src/b.rs\n"),
            "{text}"
        );
        assert_eq!(findings(&fixture).len(), 1);
        let again = fix(&fixture.workspace()).expect("the baseline can be read");
        assert_eq!(again, None);
    }

    #[test]
    fn a_broken_baseline_is_an_error() {
        assert!(parse("# a comment\n3 a.rs\n").is_ok());
        for text in ["three a.rs\n", "a.rs\n", "1 a.rs\n1 a.rs\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
