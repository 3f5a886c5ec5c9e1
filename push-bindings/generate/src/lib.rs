//! Generates the sources of the bindings from the built library with UniFFI, and checks whether those in the repository
//! are current.
//!
//! Only `cargo xtask bindings` and a test use it. It is a crate of its own, so that other builds do not compile UniFFI's generator.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use camino::Utf8PathBuf;
use uniffi_bindgen::{
    BindgenPaths, BindgenPathsLayer,
    bindings::{GenerateOptions, TargetLanguage, generate_with_bindgen_paths},
};

/// An error of the generator.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The folders below `push-bindings/`, and the language of each.
const LANGUAGES: [(&str, TargetLanguage); 3] = [
    ("kotlin", TargetLanguage::Kotlin),
    ("python", TargetLanguage::Python),
    ("swift", TargetLanguage::Swift),
];

/// Returns the folder `push-bindings/` of this repository.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the library that cargo built together with the running program: in the folder of a test, or below that of a program.
///
/// # Errors
/// If the library does not exist.
pub fn library() -> Result<PathBuf, Failure> {
    let program = env::current_exe()?;
    let folder = program.parent().ok_or("the program lies in no folder")?;
    let name = format!(
        "{}push_bindings{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    );
    [folder.join("deps").join(&name), folder.join(&name)]
        .into_iter()
        .find(|it| it.is_file())
        .ok_or_else(|| {
            format!(
                "there is no {name} beside {}: cargo builds it with this crate",
                program.display()
            )
            .into()
        })
}

/// Generates the sources: paths below `push-bindings/`, and texts. `scratch` is a folder for temporary files.
///
/// # Errors
/// If the library holds no bindings, or a file cannot be written.
pub fn generate(library: &Path, scratch: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for (folder, language) in LANGUAGES {
        let out = scratch.join(folder);
        let mut paths = BindgenPaths::default();
        paths.add_layer(Home);
        let options = GenerateOptions {
            languages: vec![language],
            source: utf8(library)?.into(),
            out_dir: utf8(&out)?.into(),
            // Formatters differ between machines, and may be missing.
            format: false,
            ..GenerateOptions::default()
        };
        generate_with_bindgen_paths(options, paths)?;
        collect(&out, folder, &mut found)?;
    }
    Ok(found)
}

/// Returns the files that differ from `wanted`, or that are not in it.
///
/// # Errors
/// If a folder cannot be read.
pub fn stale(home: &Path, wanted: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
    let mut there = BTreeMap::new();
    for (folder, _) in LANGUAGES {
        let path = home.join(folder);
        if path.is_dir() {
            collect(&path, folder, &mut there)?;
        }
    }
    let mut stale: Vec<String> = wanted
        .iter()
        .filter(|(path, text)| there.get(*path) != Some(text))
        .map(|(path, _)| path.clone())
        .collect();
    stale.extend(there.into_keys().filter(|it| !wanted.contains_key(it)));
    Ok(stale)
}

/// Makes the files below `home` equal to `wanted`.
///
/// # Errors
/// If a file cannot be written.
pub fn write(home: &Path, wanted: &BTreeMap<String, String>) -> Result<(), Failure> {
    for path in stale(home, wanted)? {
        let to = home.join(&path);
        match wanted.get(&path) {
            Some(text) => {
                fs::create_dir_all(to.parent().ok_or("a file lies in a folder")?)?;
                fs::write(to, text)?;
            }
            None => fs::remove_file(to)?,
        }
    }
    Ok(())
}

/// Collects the files below `folder`, with `/` in their names on every system.
fn collect(folder: &Path, name: &str, found: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let inside = format!("{name}/{}", file.to_string_lossy());
        if entry.path().is_dir() {
            // Python creates this folder when the module is used in place.
            if file != "__pycache__" {
                collect(&entry.path(), &inside, found)?;
            }
        } else {
            let text = fs::read_to_string(entry.path())?;
            found.insert(inside, tidy(&text));
        }
    }
    Ok(())
}

/// Removes blanks at the ends of lines, and ends the text with one line break.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|it| it.is_empty()) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

fn utf8(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}

/// The folder of `uniffi.toml`.
struct Home;

impl BindgenPathsLayer for Home {
    fn get_crate_root(&self, crate_name: &str) -> Option<Utf8PathBuf> {
        let home = Utf8PathBuf::from_path_buf(home()).ok()?;
        (crate_name == "push_bindings").then_some(home)
    }
}
