//! The tables of keys in the documentation are what the program says of itself.
//!
//! `WRITE_REFERENCE=1 cargo test --all-features --test cli reference` writes them.
use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{run, text};

/// The documents that have blocks between `<!-- begin reference: NAME -->` and `<!-- end reference -->`.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("docs/configuration.md"), root.join("README.md")];
    for top in ["providers", "plugins"] {
        let folder = fs::read_dir(root.join(top)).expect("a folder of plugins");
        for entry in folder {
            found.push(entry.expect("a plugin").path().join("README.md"));
        }
    }
    found.sort();
    found
}

/// The document with each block as the program writes it, and the names of the blocks. `None` stays for a plugin that is not in this
/// build.
fn written(document: &str, place: &Path) -> (String, Vec<String>) {
    const BEGIN: &str = "<!-- begin reference: ";
    const END: &str = "<!-- end reference -->";
    let mut names = Vec::new();
    let mut parts = document.split(BEGIN);
    let mut text_ = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").expect("the end of the mark");
        let (old, rest) = rest
            .split_once(END)
            .unwrap_or_else(|| panic!("{}: `{END}` is missing behind {name}", place.display()));
        if name == "channels" {
            let table = super::channels::table();
            text_ += &format!("{BEGIN}{name} -->\n\n{table}\n{END}{rest}");
            continue;
        }
        let output = match name {
            "server" => run(&["plugins", "--reference"]),
            name => run(&["plugins", "--reference", name]),
        };
        let new = match output.status.success() {
            true => format!("\n\n{}\n", text(&output.stdout)),
            false => {
                let said = text(&output.stderr);
                assert!(said.contains("in this build"), "{said}");
                old.to_owned()
            }
        };
        text_ += &format!("{BEGIN}{name} -->{new}{END}{rest}");
        names.push(name.to_owned());
    }
    (text_, names)
}

#[test]
fn the_documented_keys_are_those_of_the_program() {
    let mut all = Vec::new();
    for path in documents() {
        let old = fs::read_to_string(&path).expect("a document");
        let (new, names) = written(&old, &path);
        all.extend(names);
        if std::env::var_os("WRITE_REFERENCE").is_some() {
            fs::write(&path, &new).expect("the document can be written");
        } else {
            assert!(
                old == new,
                "{} differs from the program; `WRITE_REFERENCE=1 cargo test --all-features --test cli reference` writes it",
                path.display()
            );
        }
    }
    for id in offline_push::EXPECTED {
        assert!(
            all.iter().any(|name| name == id),
            "no README has the keys of {id} behind `<!-- begin reference: {id} -->`"
        );
    }
    assert!(all.iter().any(|name| name == "server"), "{all:?}");
}
