//! Where vendors may be named.
//!
//! The shared crates treat every channel alike. A vendor's name in one of them usually marks a special case that
//! belongs into the provider, or an example that suggests one.

use super::{
    Report,
    counts::{Counts, Found, Occurrence, count_in_line},
};
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
        "push-core/src/message/push_info.rs",
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
const COUNTS: Counts = Counts {
    list: "xtask/vendor-words.txt",
    header: "\
# Vendor names that are still in the shared crates: count and file. `cargo xtask tidy` fails when a file has more,
# and when it has fewer than its line says; `cargo xtask tidy --fix` lowers the numbers and never raises one.
",
    words: "vendor names",
    remedy: "move the special case into the provider, say what holds for every channel, or use \
             `Channel::known(\"sample\")` as an example",
};

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    COUNTS.check(workspace, &count(workspace)?, report)
}

/// Lowers the numbers of the list to the counts of the files. Returns the list's path if it changed.
pub(super) fn fix(workspace: &Workspace) -> Result<Option<String>> {
    COUNTS.fix(workspace, &count(workspace)?)
}

fn count(workspace: &Workspace) -> Result<Found> {
    let mut found = Found::new();
    for path in workspace.files()? {
        let is_code = path.ends_with(".rs") || path.ends_with(".toml");
        if !is_code || !NEUTRAL.iter().any(|folder| path.starts_with(folder)) {
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

fn occurrences(text: &str) -> Vec<Occurrence> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut line = line.to_owned();
        for platform in PLATFORM {
            line = line.replace(platform, "");
        }
        for word in WORDS {
            let times = count_in_line(&line, word);
            found.extend(std::iter::repeat_n((at + 1, *word), times));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{COUNTS, Report, check, fix, occurrences};
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
        fixture.write(
            "push-core/src/message/push_info.rs",
            "struct ApnsInfo;\n// FCM\n",
        );
        fixture.write("push-client/src/a.rs", "// APNs\n");
        fixture.write("push-http/tests/a.rs", "// one\n\"push.apple.com\"\n");
        assert_eq!(
            findings(&fixture),
            [
                "push-core/src/message/push_info.rs: has 1 vendor names, 0 are allowed: fcm in line 2",
                "push-http/tests/a.rs: has 1 vendor names, 0 are allowed: apple in line 2",
            ]
        );
    }

    #[test]
    fn the_baseline_may_only_shrink() {
        let fixture = Fixture::new();
        fixture.write(
            COUNTS.list,
            "2 push-core/src/a.rs\n1 push-core/src/b.rs\n1 push-core/src/c.rs\n",
        );
        fixture.write("push-core/src/a.rs", "// vivo\n");
        fixture.write("push-core/src/b.rs", "// vivo, OPPO\n");
        let found = findings(&fixture);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("push-core/src/b.rs: has 2 vendor names, 1 are allowed"));
        let changed = fix(&fixture.workspace()).expect("the baseline can be written");
        assert_eq!(changed.as_deref(), Some(COUNTS.list));
        let text = fixture.workspace().read(COUNTS.list).expect("the baseline");
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
        assert!(COUNTS.parse("# a comment\n3 a.rs\n").is_ok());
        for text in ["three a.rs\n", "a.rs\n", "1 a.rs\n1 a.rs\n"] {
            assert!(COUNTS.parse(text).is_err(), "{text}");
        }
    }
}
