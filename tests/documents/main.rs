//! The documents are correct: the texts they quote are those of the product, and their links have targets.
mod faq;
mod missing;
mod pages;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::{fs, path::PathBuf};

/// A file of this repository.
fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails unless `page` quotes `words`, with any line breaks.
#[track_caller]
fn assert_quotes(page: &str, words: &str) {
    let set = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A quotation goes on in the next line.
    let text = set(&read(page).replace("\n> ", " "));
    assert!(
        text.contains(&set(words)),
        "{page} does not quote this text of the product:\n{words}"
    );
}
