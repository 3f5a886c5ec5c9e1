//! The steps of continuous integration, and the command that runs all tests.
mod generated;
mod outside;
mod package;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{Failure, Result, behaviour, manifest::Manifest, matrix, run, table, tidy, tools};

pub(crate) const HELP: &str = "\
cargo xtask ci [STEP...]

Runs what continuous integration runs, in this order, or only the steps named. Every step runs even if
one before it failed; a table at the end says which did and how long each took.

  tools      a compiler for C and C++, and Python (installed with apt-get where that can be done), rustfmt, clippy
  lock       Cargo.lock is complete
  msrv       everything compiles with the oldest Rust that Cargo.toml promises (`rust-version`)
  format     cargo fmt --check
  xtask      lints and tests of these tasks
  tidy       cargo xtask tidy
  lint       clippy on everything, warnings are errors
  test       cargo xtask test; one of the tests checks that the generated bindings are current
  behaviour  cargo xtask behaviour --complete
  matrix     cargo xtask matrix
  new        a new crate of every kind, in a copy of the repository: its tests, lints and tidiness, that the facade links it
             and new providers push, and that `remove` leaves nothing behind; a new provider outside of the repository:
             its tests
  docs       the API documentation, warnings are errors
  package    the package of every crate that is published: it compiles alone, from what it contains, and has its licences
             and its page; the facade's has no tests and nothing of continuous integration
  examples   every example, built and run to its end
  outside    what users write, outside of the workspace: every example compiled with the dependencies that its first lines
             name, the shortest run, mistakes that the compiler explains, and a vendor's own program, tested
  deny       cargo-deny (installed if it is missing): advisories, bans, licences and sources. Where the advisory
             database cannot be fetched, the rest is checked and the table says so
";

pub(crate) const TEST_HELP: &str = "\
cargo xtask test [ARGUMENT...]

Runs all tests with all features: cargo-nextest where it is installed, else cargo test; then the doctests.
A compiler for C and C++, and Python, which some tests call, are installed with apt-get where that can be done;
where not, those tests fail. The variable PYTHON names another Python.
Arguments are handed on, as in `cargo xtask test -p push-core` or `cargo xtask test logout`.
";

/// The time limit of an example.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);

/// A step of continuous integration.
#[derive(Clone, Copy)]
enum Step {
    Whole(fn(&Path) -> Result),
    /// Runs the step. It may leave a part unchecked, and then returns which part and why.
    Partial(fn(&Path) -> Result<Option<String>>),
}

impl Step {
    fn run(self, root: &Path) -> Result<Option<String>> {
        match self {
            Self::Whole(step) => step(root).map(|()| None),
            Self::Partial(step) => step(root),
        }
    }
}

const STEPS: &[(&str, Step)] = &[
    ("tools", Step::Whole(tools)),
    ("lock", Step::Whole(lock)),
    ("msrv", Step::Partial(msrv)),
    ("format", Step::Whole(format)),
    ("xtask", Step::Whole(xtask)),
    ("tidy", Step::Whole(|root| tidy::task(root, &[]))),
    ("lint", Step::Whole(lint)),
    ("test", Step::Whole(|root| test(root, &[]))),
    (
        "behaviour",
        Step::Whole(|root| behaviour::task(root, &["--complete"])),
    ),
    ("matrix", Step::Whole(|root| matrix::task(root, &[]))),
    ("new", Step::Whole(generated::crates)),
    ("docs", Step::Whole(docs)),
    ("package", Step::Whole(package::task)),
    ("examples", Step::Whole(examples)),
    ("outside", Step::Whole(outside::programs)),
    ("deny", Step::Partial(deny)),
];

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    if let Some(unknown) = args
        .iter()
        .find(|it| !STEPS.iter().any(|(name, _)| name == *it))
    {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Usage(format!(
            "ci has no step `{unknown}`; it has {}",
            names.join(", ")
        )));
    }
    let started = Instant::now();
    let mut rows = Vec::new();
    let mut red = Vec::new();
    for (name, step) in STEPS {
        if !args.is_empty() && !args.contains(name) {
            continue;
        }
        println!("\n=== {name}");
        let since = Instant::now();
        let (result, note) = match step.run(root) {
            Ok(None) => ("ok", String::new()),
            Ok(Some(unchecked)) => {
                println!("warning: {unchecked}");
                ("partly", unchecked)
            }
            Err(Failure::Task(words) | Failure::Usage(words)) => {
                println!("error: {words}");
                red.push(*name);
                ("FAILED", String::new())
            }
        };
        rows.push(vec![
            (*name).to_owned(),
            result.to_owned(),
            format!("{:.1}", since.elapsed().as_secs_f64()),
            note,
        ]);
    }
    println!(
        "\n{}\n{:.0} s in all",
        table::columns(&["step", "result", "seconds", "not checked"], &rows),
        started.elapsed().as_secs_f64()
    );
    if red.is_empty() {
        return Ok(());
    }
    Err(format!(
        "failed: {0}\n       again: cargo xtask ci {0}",
        red.join(" ")
    )
    .into())
}

/// Runs all tests.
pub(crate) fn test(root: &Path, args: &[&str]) -> Result {
    if let Err(Failure::Task(words) | Failure::Usage(words)) = tools::programs() {
        // Few tests need these programs, and report it; the others run in any case.
        println!("{words}");
    }
    let chosen = args
        .iter()
        .any(|it| it.starts_with("-p") || it.starts_with("--package"));
    let mut what = vec!["--all-features"];
    if !chosen {
        what.push("--workspace");
    }
    if !run::is_installed("cargo-nextest") {
        println!("cargo-nextest is not installed; cargo test does the same more slowly");
        let mut command = run::cargo(root);
        command
            .args(["test", "--no-fail-fast"])
            .args(what)
            .args(args);
        return run::succeed(&mut command);
    }
    let mut command = run::cargo(root);
    command.args(["nextest", "run"]).args(&what).args(args);
    // With a filter, most crates have no test to run, which is not an error.
    if !args.is_empty() {
        command.arg("--no-tests=warn");
    }
    let tests = run::succeed(&mut command);
    let mut command = run::cargo(root);
    command.args(["test", "--doc"]).args(&what).args(args);
    tests.and(run::succeed(&mut command))
}

fn tools(root: &Path) -> Result {
    tools::programs()?;
    for tool in ["fmt", "clippy"] {
        let version = run::stdout_of(run::cargo(root).args([tool, "--version"]))?;
        print!("{version}");
    }
    Ok(())
}

fn lock(root: &Path) -> Result {
    run::succeed(run::cargo(root).args(["fetch", "--locked"]))
}

fn format(root: &Path) -> Result {
    run::succeed(run::cargo(root).args(["fmt", "--all", "--check"]))?;
    for other in ["xtask", "fuzz", outside::VENDOR] {
        run::succeed(run::cargo(&root.join(other)).args(["fmt", "--check"]))?;
    }
    Ok(())
}

fn xtask(root: &Path) -> Result {
    let dir = root.join("xtask");
    run::succeed(run::cargo(&dir).args([
        "clippy",
        "--quiet",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))?;
    run::succeed(run::cargo(&dir).args(["test", "--quiet"]))
}

fn lint(root: &Path) -> Result {
    run::succeed(run::cargo(root).args([
        "clippy",
        "--keep-going",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-Dwarnings",
    ]))
}

fn docs(root: &Path) -> Result {
    run::succeed(run::cargo(root).env("RUSTDOCFLAGS", "-Dwarnings").args([
        "doc",
        "--keep-going",
        "--no-deps",
        "--workspace",
        "--all-features",
    ]))
}

/// Returns cargo's target directory.
pub(crate) fn target_dir(root: &Path) -> Result<PathBuf> {
    let metadata =
        run::stdout_of(run::cargo(root).args(["metadata", "--no-deps", "--format-version=1"]))?;
    json_text(&metadata, "target_directory")
        .map(PathBuf::from)
        .ok_or_else(|| "`cargo metadata` names no target directory".into())
}

/// Checks with the toolchain that `rust-version` names. Every other step has checked that already if it is the active one.
fn msrv(root: &Path) -> Result<Option<String>> {
    let manifest = Manifest::read(&root.join("Cargo.toml"))?;
    let oldest = manifest
        .get("workspace.package", "rust-version")
        .ok_or("Cargo.toml has no `rust-version` in [workspace.package]")?;
    let active = run::stdout_of(run::cargo(root).arg("--version"))?;
    if is_version(&active, oldest) {
        println!("the active toolchain is Rust {oldest}: every other step checks it");
        return Ok(None);
    }
    let mut known = Command::new("rustup");
    known.args(["run", oldest, "cargo", "--version"]);
    if run::stdout_of(&mut known).is_err() {
        let mut install = Command::new("rustup");
        install.args(["toolchain", "install", "--profile=minimal", oldest]);
        if run::succeed(&mut install).is_err() {
            return Ok(Some(format!(
                "Rust {oldest} is not installed: `rustup toolchain install {oldest}`"
            )));
        }
    }
    let mut check = Command::new("rustup");
    check.current_dir(root).stdin(Stdio::null()).args([
        "run",
        oldest,
        "cargo",
        "check",
        "--locked",
        "--workspace",
        "--all-features",
        "--target-dir",
    ]);
    check.arg(target_dir(root)?.join("msrv"));
    // These variables name the compiler that runs this task.
    check.env_remove("RUSTC").env_remove("CARGO");
    run::succeed(&mut check)?;
    Ok(None)
}

/// Returns `true` if `cargo 1.95.0 (…)` has the version `1.95`, or `1.95.0`.
fn is_version(printed: &str, version: &str) -> bool {
    let full = printed.split_whitespace().nth(1).unwrap_or_default();
    full.strip_prefix(version)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Everything that cargo-deny checks is an error, except what `deny.toml` names with a reason.
fn deny(root: &Path) -> Result<Option<String>> {
    tools::require(root, &tools::DENY)?;
    let deny = || {
        let mut command = run::cargo(root);
        command.args(["deny", "--workspace", "--all-features"]);
        command
    };
    let is_fetched = run::succeed(deny().args(["fetch", "db"])).is_ok();
    let mut check = deny();
    check.args(["check", "--hide-inclusion-graph"]);
    if is_fetched {
        run::succeed(&mut check)?;
        return Ok(None);
    }
    run::succeed(check.args(["bans", "licenses", "sources"]))?;
    Ok(Some(
        "advisories: their database could not be fetched from github.com".to_owned(),
    ))
}

fn examples(root: &Path) -> Result {
    let messages = run::stdout_of(run::cargo(root).args([
        "build",
        "--workspace",
        "--all-features",
        "--examples",
        "--message-format=json",
    ]))?;
    let programs = executables(&messages);
    let mut failed = Vec::new();
    for (name, program) in &programs {
        let since = Instant::now();
        match run_to_its_end(Command::new(program).current_dir(root), EXAMPLE_LIMIT) {
            Ok(()) => println!("{name}: ok ({:.1} s)", since.elapsed().as_secs_f64()),
            Err(Failure::Task(words) | Failure::Usage(words)) => {
                println!("{name}: {words}");
                failed.push(name.as_str());
            }
        }
    }
    println!("{} examples", programs.len());
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("examples that failed: {}", failed.join(", ")).into())
}

/// Returns the examples among cargo's JSON messages: name and program.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = messages
        .lines()
        .filter(|it| it.contains("\"kind\":[\"example\"]"))
        .filter_map(|it| {
            let program = PathBuf::from(json_text(it, "executable")?);
            let name = program.file_stem()?.to_string_lossy().into_owned();
            Some((name, program))
        })
        .collect();
    found.sort();
    found
}

/// Returns the text of the last `"key":"text"` in a line of cargo's JSON.
fn json_text(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.rsplit_once(&format!("\"{key}\":\""))?;
    Some(rest.split_once('"')?.0.replace("\\\\", "\\"))
}

/// Runs a program that must end within a time limit. Shows its output if it fails.
fn run_to_its_end(command: &mut Command, limit: Duration) -> Result {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{}` could not be started: {error}", run::shown(command)))?;
    let (sender, receiver) = mpsc::channel();
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|it| Box::new(it) as _),
        child.stderr.take().map(|it| Box::new(it) as _),
    ];
    for output in outputs.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut output = output;
            // An error ends the output, as its end does. The receiver may have been dropped.
            output.read_to_end(&mut bytes).ok();
            sender.send(bytes).ok();
        });
    }
    drop(sender);
    let deadline = Instant::now() + limit;
    let mut output = Vec::new();
    let mut late = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(bytes) => output.extend(bytes),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                late = true;
                child.kill().map_err(|error| error.to_string())?;
                break;
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let output = run::tail(&String::from_utf8_lossy(&output), 20);
    if late {
        return Err(format!("did not end within {limit:?}\n{output}").into());
    }
    if !status.success() {
        return Err(format!("{status}\n{output}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command, time::Duration};

    use super::{Failure, executables, is_version, run_to_its_end, task};

    #[test]
    fn examples_are_found_among_the_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"x"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["example"],"name":"b"},"executable":"/t/debug/examples/b"}
{"reason":"compiler-artifact","target":{"kind":["example"],"name":"a"},"executable":"/t/debug/examples/a"}
{"reason":"build-finished","success":true}"#;
        let names: Vec<String> = executables(messages)
            .into_iter()
            .map(|(it, _)| it)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_toolchain_is_recognised_by_the_version_it_prints() {
        assert!(is_version("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", "1.95"));
        assert!(is_version("cargo 1.95.2 (f2d3ce0bd 2026-03-21)", "1.95"));
        assert!(!is_version("cargo 1.950.0 (x)", "1.95"));
        assert!(!is_version("cargo 1.96.0 (x)", "1.95"));
        assert!(!is_version("", "1.95"));
    }

    #[test]
    fn an_unknown_step_is_refused_before_anything_runs() {
        let refused = task(Path::new("."), &["tidy", "tidiness"]);
        assert!(matches!(refused, Err(Failure::Usage(words)) if words.contains("tidiness")));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_must_end_well_and_in_time() {
        let run =
            |script: &str, limit| run_to_its_end(Command::new("sh").args(["-c", script]), limit);
        let long = Duration::from_secs(60);
        assert!(run("exit 0", long).is_ok());
        assert!(matches!(
            run("echo output; exit 3", long),
            Err(Failure::Task(words)) if words.contains('3') && words.contains("output")
        ));
        assert!(matches!(
            run("while :; do :; done", Duration::from_millis(50)),
            Err(Failure::Task(words)) if words.contains("did not end")
        ));
    }
}
