//! The tasks of this repository. Standard library only, so that `cargo xtask` builds in a second
//! and needs no further tool.
//!
//! Every task is a module with one entry. Shared code is in `workspace` (the crates and
//! their names), `manifest` (reads `Cargo.toml`), `source` (separates code,
//! comments and tests), `run` (starts programs) and `table`.

mod behaviour;
mod bindings;
mod ci;
mod copy;
mod fuzz;
mod generate;
mod manifest;
mod matrix;
mod model;
mod mutants;
mod names;
mod new;
mod remove;
mod run;
mod semver;
mod size;
mod source;
mod standalone;
mod table;
mod tidy;
mod tools;
mod workspace;

use std::{env, path::Path, process::ExitCode};

/// Why a task failed, as a text for the terminal.
#[derive(Debug)]
enum Failure {
    /// The command line is invalid: help follows, exit code 2.
    Usage(String),
    /// The task found errors, or could not run: exit code 1.
    Task(String),
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self::Task(words)
    }
}

impl From<&str> for Failure {
    fn from(words: &str) -> Self {
        Self::Task(words.to_owned())
    }
}

type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// A command: the root of the repository, and the arguments after the command's name.
type Task = fn(&Path, &[&str]) -> Result;

const HELP: &str = "\
The tasks of offline-push.

    cargo xtask new-provider NAME     a crate for one more push channel, complete and passing its tests
    cargo xtask new-plugin KIND-NAME  the same for a login, store, queue or ingress plugin
    cargo xtask remove NAME           undoes both: the crate and its wiring go
    cargo xtask tidy [--fix]          check names, imports, dependencies and generated text; --fix writes the latter
    cargo xtask matrix [--pairs]      link and run every choice of features that a user can make
    cargo xtask behaviour [OPTIONS]   which statement of docs/behaviour.md is tested, and where
    cargo xtask bindings [--check]    write the Swift, Kotlin and Python sources of push-bindings
    cargo xtask size [--check]        how many bytes the app half adds to an app on a phone
    cargo xtask fuzz [TARGET...]      the fuzz targets of what comes from outside, for a bounded time
    cargo xtask mutants [PLACE...]    which changes of the code the tests of named places do not notice
    cargo xtask semver [REVISION]     which changes of the public API a version does not announce
    cargo xtask test [FILTER...]      all tests, with cargo-nextest where it is installed, and the doctests
    cargo xtask ci [STEP...]          everything that continuous integration runs, timed

`cargo xtask COMMAND --help` prints more. `cargo new-provider NAME` and `cargo new-plugin KIND-NAME` are short forms.

A new channel, from nothing to passing tests:

    cargo new-provider acme
    cargo test -p push-provider-acme
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Task(words)) => {
            eprintln!("error: {words}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(words)) => {
            eprintln!("error: {words}\n\nTry `cargo xtask --help`.");
            ExitCode::from(2)
        }
    }
}

fn dispatch(args: &[&str]) -> Result {
    let (command, rest) = match args {
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            return Ok(());
        }
        [command, rest @ ..] => (*command, rest),
    };
    let (help, task): (&str, Task) = match command {
        "new-provider" => (new::PROVIDER_HELP, new::provider),
        "new-plugin" => (new::PLUGIN_HELP, new::plugin),
        "remove" => (remove::HELP, remove::task),
        "tidy" => (tidy::HELP, tidy::task),
        "matrix" => (matrix::HELP, matrix::task),
        "behaviour" => (behaviour::HELP, behaviour::task),
        "bindings" => (bindings::HELP, bindings::task),
        "size" => (size::HELP, size::task),
        "fuzz" => (fuzz::HELP, fuzz::task),
        "mutants" => (mutants::HELP, mutants::task),
        "semver" => (semver::HELP, semver::task),
        "test" => (ci::TEST_HELP, ci::test),
        "ci" => (ci::HELP, ci::task),
        _ => return Err(Failure::Usage(format!("there is no command `{command}`"))),
    };
    if rest.iter().any(|it| matches!(*it, "-h" | "--help")) {
        print!("{help}");
        return Ok(());
    }
    // Read at run time, not at compile time: checkouts may share a target directory.
    let manifest = env::var("CARGO_MANIFEST_DIR")
        .map_err(|_| "start it as `cargo xtask`, at the root of the repository")?;
    let root = Path::new(&manifest)
        .parent()
        .ok_or("xtask is not in the repository")?;
    task(root, rest)
}
