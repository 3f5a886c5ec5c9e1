//! The Python binding, used in full against a running gateway and a simulator of Apple as strict as the
//! service.

mod world;

use std::{env, fs, path::PathBuf};

use tokio::process::Command;
use world::World;

/// Returns the library that cargo built for this test, in the folder of the test.
fn library() -> PathBuf {
    let program = env::current_exe().expect("a test has a program");
    let name = format!(
        "{}push_bindings{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    );
    let library = program.with_file_name(name);
    assert!(
        library.is_file(),
        "cargo has not built {}",
        library.display()
    );
    library
}

/// A folder that is removed when the value is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_binding_works_in_full() {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let version = Command::new(&python).arg("--version").output().await;
    assert!(
        version.is_ok_and(|it| it.status.success()),
        "`{python}` was not found: install Python 3.9 or later (`apt-get install python3`), or \
         name it in the variable PYTHON"
    );
    let folder =
        Folder(env::temp_dir().join(format!("push-bindings-story-{}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder in the temporary one");
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // The module loads the library from its own folder.
    fs::copy(
        home.join("python/offline_push.py"),
        folder.0.join("offline_push.py"),
    )
    .expect("the generated module");
    let library = library();
    let name = library.file_name().expect("a library has a name");
    fs::copy(&library, folder.0.join(name)).expect("room for the library");
    let mut app = Command::new(python);
    app.arg(home.join("tests/story.py"))
        .env("PYTHONPATH", &folder.0)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("STATE_FOLDER", &folder.0);
    World::start().await.run(app).await;
}
