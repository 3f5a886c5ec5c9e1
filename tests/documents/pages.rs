//! Links have targets, names exist in the code, and the set-up is as short as the page says.
use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use offline_push::{Message, Reason};

use crate::read;

const MIGRATION: &str = "docs/from-tuiofflinepush.md";

/// The lines of code of the guide that is migrated from: two of the Podfile, five for the certificate ids, 22 for the jump.
const LINES_OF_THE_GUIDE: usize = 2 + 5 + 22;

/// What a user copies from `example`: lines of code between the marks.
fn set_up(example: &str) -> Vec<String> {
    let text = read(example);
    let mut is_inside = false;
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        match line {
            "// begin set-up" => is_inside = true,
            "// end set-up" => is_inside = false,
            "" => {}
            _ if line.starts_with("//") => {}
            _ if is_inside => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines
}

#[test]
fn the_set_up_with_the_guide_s_jump_is_no_longer_than_the_guide_s() {
    let set_up = set_up("examples/custom_jump.rs");
    assert!(set_up.iter().any(|it| it.starts_with("certificate_id!")));
    assert!(set_up.iter().any(|it| it.starts_with("route_handler!")));
    assert!(set_up.iter().any(|it| it.contains("start()")));
    // And the dependency.
    let ours = set_up.len() + 1;
    assert!(ours <= LINES_OF_THE_GUIDE, "{ours} lines: {set_up:#?}");
    let page = read(MIGRATION);
    assert!(
        page.contains(&format!("| **all** | {LINES_OF_THE_GUIDE} | {ours} |")),
        "{ours}"
    );
}

#[test]
fn with_login_auto_the_app_calls_nothing_and_by_hand_exactly_two_functions() {
    let bridge = |example: &str| {
        let set_up = set_up(example);
        let calls = set_up
            .iter()
            .filter(|it| it.contains("Login::") || it.contains("LoginCenter"));
        calls.cloned().collect::<Vec<_>>()
    };
    for example in ["auto_login", "custom_parse", "custom_jump"] {
        assert_eq!(bridge(&format!("examples/{example}.rs")), [""; 0]);
    }
    assert_eq!(
        bridge("examples/manual_login.rs"),
        [
            "ManualLogin::shared().register_service(account);",
            "ManualLogin::shared().unregister_service();"
        ]
    );
}

/// The targets of the links in a page, file and heading, without those to other places and without what is inside of code.
fn links(page: &str) -> Vec<(String, String)> {
    let mut is_code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            if !target.contains(':') {
                found.push((file.to_owned(), heading.to_owned()));
            }
        }
    }
    found
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .replace(|it: char| !it.is_alphanumeric() && !" -_".contains(it), "");
    kept.trim().replace(' ', "-")
}

fn has_heading(page: &str, wanted: &str) -> bool {
    page.lines()
        .filter(|it| it.starts_with('#'))
        .any(|it| anchor(it) == wanted)
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_to_a_heading_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = root.join("docs").read_dir().expect("the folder of pages");
    let mut pages: Vec<PathBuf> = docs
        .map(|it| it.expect("an entry of the folder").path())
        .filter(|it| it.extension().is_some_and(|it| it == "md"))
        .collect();
    pages.extend(["README.md", "examples/README.md"].map(|it| root.join(it)));
    let mut dead = Vec::new();
    let mut checked = 0;
    for page in pages {
        let name = page.strip_prefix(root).expect("inside of the repository");
        let folder = name.parent().expect("a file");
        for (file, heading) in links(&read(&name.to_string_lossy())) {
            checked += 1;
            let target = match file.as_str() {
                "" => name.to_owned(),
                file => folder.join(file),
            };
            let is_inside = target.components().fold(0, |depth, it| match it {
                Component::ParentDir => depth - 1,
                _ => depth + 1,
            }) >= 0;
            let is_there = is_inside && root.join(&target).exists();
            if !is_there
                || !(heading.is_empty() || has_heading(&read(&target.to_string_lossy()), &heading))
            {
                dead.push(format!("{}: {file}#{heading}", name.display()));
            }
        }
    }
    assert!(checked > 20, "only {checked} links were found");
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Every word of the Rust sources below `folder`.
fn words_of(folder: &str, words: &mut BTreeSet<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in fs::read_dir(&folder).expect("a folder of sources") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            words_of(&path.to_string_lossy(), words);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            words.extend(identifiers(&text).map(str::to_owned));
        }
    }
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
        .filter(|it| it.len() > 2 && !it.starts_with(|it: char| it.is_ascii_digit()))
}

/// `user_id`, `userId`, `UserId` and `USER_ID` are one name in several languages.
fn plain(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// What stands as code in the column `title` of the page's tables.
fn code_in_column(page: &str, title: &str) -> Vec<String> {
    let mut column = None;
    let mut found = Vec::new();
    for line in page.lines() {
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        match column {
            None => {
                column = cells
                    .iter()
                    .position(|it| *it == title)
                    .or(Some(usize::MAX))
            }
            Some(column) => {
                let cell = cells.get(column).copied().unwrap_or_default();
                found.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn the_names_of_the_migration_page_are_those_of_the_code() {
    let page = read(MIGRATION);
    for (title, folders) in [
        (
            "Rust",
            &[
                "push-client/src",
                "push-core/src",
                "push-gateway/src",
                "plugins",
            ][..],
        ),
        ("Swift, Kotlin", &["push-bindings/src"]),
    ] {
        let mut words = BTreeSet::new();
        for folder in folders {
            words_of(folder, &mut words);
        }
        let words: BTreeSet<String> = words.iter().map(|it| plain(it)).collect();
        let spans = code_in_column(&page, title);
        assert!(spans.len() > 40, "only {} in column {title}", spans.len());
        let unknown: Vec<(&str, &String)> = spans
            .iter()
            .flat_map(|span| identifiers(span).map(move |it| (it, span)))
            .filter(|(it, span)| !words.contains(&plain(it)) && *span != "push-bindings")
            .collect();
        assert!(unknown.is_empty(), "column {title}: {unknown:#?}");
    }
}

#[test]
fn the_messages_of_the_migration_page_are_accepted() {
    let page = read(MIGRATION);
    let blocks: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|it| it.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        serde_json::from_str::<Message>(block).expect("a message");
    }
    // And the fields that its table names are there.
    let mut words = BTreeSet::new();
    words_of("push-core/src", &mut words);
    for span in code_in_column(&page, "`POST /v1/messages`") {
        for word in identifiers(&span) {
            assert!(
                words.contains(word) || words.contains(&uppercased(word)),
                "{span}"
            );
        }
    }
}

fn uppercased(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[test]
fn the_reasons_that_pages_name_are_the_gateway_s() {
    let mut checked = 0;
    for (page, column) in [
        (MIGRATION, "reason"),
        ("docs/faq.md", "reason"),
        ("docs/faq.md", "what offline-push says"),
    ] {
        for span in code_in_column(&read(page), column) {
            // The states of a slot begin with a capital letter.
            if span.starts_with(|it: char| it.is_ascii_lowercase()) {
                checked += 1;
                assert!(Reason::find(&span).is_some(), "{page}: {span}");
            }
        }
    }
    assert!(checked > 20, "only {checked}");
}

#[test]
fn the_tests_that_the_faq_names_are_there() {
    let (page, tests) = (read("docs/faq.md"), read("tests/documents/faq.rs"));
    let mut checked = 0;
    for line in page.lines().filter(|it| it.starts_with("*Test")) {
        for name in line.split('`').skip(1).step_by(2) {
            checked += 1;
            assert!(tests.contains(&format!("async fn {name}() {{")), "{name}");
        }
    }
    assert_eq!(checked, tests.matches("#[tokio::test]").count());
}

#[test]
fn the_requests_that_pages_name_are_in_the_api() {
    let api = offline_push::gateway::http::openapi();
    for page in [MIGRATION, "docs/faq.md"] {
        let text = read(page);
        let mut paths = 0;
        for span in text.split('`').skip(1).step_by(2) {
            let Some((method, path)) = span.split_once(" /v1/") else {
                continue;
            };
            if path == "openapi.json" || !["GET", "POST", "PUT", "DELETE"].contains(&method) {
                continue;
            }
            paths += 1;
            assert!(api.contains(&format!("\"/v1/{path}\"")), "{page}: {span}");
        }
        assert!(paths > 1, "{page}");
    }
}
