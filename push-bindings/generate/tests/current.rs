//! The sources in the repository equal those that the library generates.

use std::{env, fs, path::PathBuf};

use push_bindings_generate::{generate, home, library, stale, write};

/// A folder that is removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("push-bindings-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder in the temporary one");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn the_committed_sources_are_current_and_every_difference_is_found() {
    let scratch = Folder::new("scratch");
    let wanted =
        generate(&library().expect("cargo built it"), &scratch.0).expect("it has bindings");
    for language in [
        "kotlin/io/offlinepush/offline_push.kt",
        "python/offline_push.py",
        "swift/OfflinePush.swift",
    ] {
        let text = wanted.get(language).expect("every language has a source");
        assert!(text.contains("PushClient"), "{language}");
    }
    assert_eq!(
        stale(&home(), &wanted).expect("the folders can be read"),
        [""; 0],
        "run `cargo xtask bindings`"
    );

    let home = Folder::new("home");
    write(&home.0, &wanted).expect("room for them");
    let found = || stale(&home.0, &wanted).expect("the folders can be read");
    assert_eq!(found(), [""; 0]);
    let python = home.0.join("python/offline_push.py");
    fs::write(&python, "changed").expect("a file of ours");
    assert_eq!(found(), ["python/offline_push.py"]);
    fs::remove_file(&python).expect("a file of ours");
    fs::write(home.0.join("swift/Old.swift"), "").expect("a file of ours");
    assert_eq!(found(), ["python/offline_push.py", "swift/Old.swift"]);
    write(&home.0, &wanted).expect("room for them");
    assert_eq!(found(), [""; 0]);
}
