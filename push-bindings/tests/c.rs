//! The interface for C: a program that links the static library, against a running gateway and a simulator
//! of Apple as strict as the service.

#[path = "c/library.rs"]
mod library;
mod world;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Output},
};

use library::library;
use tokio::process::Command;
use world::World;

fn home(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// A folder that is removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("push-bindings-{name}-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder in the temporary one");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

async fn output(command: &mut Command) -> Output {
    let output = command.output().await.unwrap_or_else(|error| {
        panic!("{command:?} cannot be started: {error}; `apt-get install build-essential` has what these tests need")
    });
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Compiles the program as an app would and links it with the static library.
async fn story(folder: &Folder) -> PathBuf {
    let program = folder.0.join("story");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=c99", "-D_POSIX_C_SOURCE=200809L"])
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic"])
        .arg("-I")
        .arg(home("include"))
        .arg(home("tests/c/story.c"))
        .arg(library())
        // The system libraries that Rust's standard library needs.
        .args(["-lpthread", "-lm", "-ldl", "-o"])
        .arg(&program);
    output(&mut compiler).await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_c_program_that_links_the_static_library_uses_the_whole_interface() {
    let folder = Folder::new("c-story");
    let story = story(&folder).await;
    // By hand: STORY_UNDER="valgrind --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=1".
    let under = env::var("STORY_UNDER").unwrap_or_default();
    let mut arguments = under.split_whitespace();
    let mut app = match arguments.next() {
        Some(watcher) => Command::new(watcher),
        None => Command::new(&story),
    };
    app.args(arguments);
    if !under.is_empty() {
        app.arg(&story);
    }
    app.env("STATE_FOLDER", &folder.0);
    World::start().await.run(app).await;
}

/// Link-time registration in a static library is not reliable: of the two login bridges, the linker keeps those whose object
/// file is referenced, which depends on the codegen units of the crate. The test above passes in each case.
#[tokio::test]
async fn in_a_static_library_the_linker_decides_what_registers_itself() {
    let folder = Folder::new("c-linked");
    let mut program = Command::new(story(&folder).await);
    let linked = output(program.arg("--linked")).await.stdout;
    let linked = String::from_utf8_lossy(&linked);
    assert!(["0", "1", "2"].contains(&linked.trim()), "{linked}");
}
