//! Where vendors may be named.
//!
//! The shared crates treat every channel alike. A vendor's name in one of them usually marks a special case that
//! belongs in the provider, or an example that suggests one.

use super::{
    Report,
    counts::{self, Counts, Found, Occurrence, occurrences},
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
    let is_checked = |path: &str| {
        (path.ends_with(".rs") || path.ends_with(".toml"))
            && NEUTRAL.iter().any(|folder| path.starts_with(folder))
    };
    counts::count(workspace, is_checked, |path, text| {
        let allowed = ALLOWED.iter().find(|(file, _, _)| *file == path);
        let allowed = allowed.map_or(&[][..], |(_, words, _)| *words);
        let mut words = vendor_names(text);
        words.retain(|(_, word)| !allowed.contains(word));
        words
    })
}

fn vendor_names(text: &str) -> Vec<Occurrence> {
    let without_platforms = text.lines().map(|line| {
        PLATFORM
            .iter()
            .fold(line.to_owned(), |line, platform| line.replace(platform, ""))
    });
    occurrences(without_platforms, WORDS)
}

#[cfg(test)]
mod tests {
    use super::{check, counts::tests::findings, vendor_names};
    use crate::workspace::fixture::Fixture;

    fn words(text: &str) -> Vec<&'static str> {
        vendor_names(text)
            .into_iter()
            .map(|(_, word)| word)
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
            findings(&fixture, check),
            [
                "push-core/src/message/push_info.rs: has 1 vendor names, 0 are allowed: fcm in line 2",
                "push-http/tests/a.rs: has 1 vendor names, 0 are allowed: apple in line 2",
            ]
        );
    }
}
