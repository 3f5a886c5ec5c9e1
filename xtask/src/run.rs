//! Starts other programs, and reports their errors.

use std::{
    env,
    io::ErrorKind,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{Failure, Result};

/// Returns a cargo command in `root`, as if it had been started by hand.
///
/// `cargo xtask` is itself a `cargo run`, which sets variables for the package `xtask` in its child. Those
/// variables are removed, because they would cause a rebuild.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Returns `true` if `program` can be started.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Runs to the end and returns both outputs, for every exit code.
pub(crate) fn captured(command: &mut Command) -> Result<Output> {
    command
        .output()
        .map_err(|error| not_started(command, &error))
}

/// Runs to the end and returns the standard output. A failure has the end of the standard error output.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let output = captured(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::Task(format!(
        "`{}` failed ({})\n{}",
        shown(command),
        output.status,
        tail(&String::from_utf8_lossy(&output.stderr), 20)
    )))
}

/// Runs with the terminal's outputs. Returns an error if the program fails.
pub(crate) fn succeed(command: &mut Command) -> Result {
    let status = command
        .status()
        .map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Task(format!(
        "`{}` failed ({status})",
        shown(command)
    )))
}

/// Returns the command as it is typed in a shell.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(command.get_args().map(|it| {
        let word = it.to_string_lossy();
        if word.is_empty() || word.contains(' ') {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    }));
    words.join(" ")
}

/// Returns the last `count` lines.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "; is it installed and in PATH?",
        _ => "",
    };
    Failure::Task(format!(
        "`{}` could not be started: {error}{remedy}",
        shown(command)
    ))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{shown, tail};

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "", "a b"]);
        assert_eq!(shown(&command), "cargo test '' 'a b'");
    }

    #[test]
    fn a_tail_is_never_longer_than_the_text() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
        assert_eq!(tail("", 2), "");
    }
}
