//! Output that cannot be written is an error, not a crash and not silence.
use std::{
    fs::File,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
};

use super::{program, text};

const COMMANDS: &[&[&str]] = &[
    &["plugins"],
    &["plugins", "--json"],
    &["plugins", "--example"],
    &["plugins", "queue/sqlite"],
    &["completions", "bash"],
    &["--help"],
    &["send", "--help"],
    &["--version"],
];

#[track_caller]
fn assert_reported(arguments: &[&str], stdout: Stdio) {
    let output = program()
        .args(arguments)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.contains("standard output"), "{arguments:?}: {said}");
}

#[test]
fn a_full_output_ends_with_an_error_and_one_line() {
    for arguments in COMMANDS {
        let full = File::options().write(true).open("/dev/full");
        assert_reported(arguments, Stdio::from(full.expect("Linux has it")));
    }
}

#[test]
fn an_output_without_a_reader_ends_with_an_error_and_one_line() {
    for arguments in COMMANDS {
        let (reader, writer) = UnixStream::pair().expect("a socket");
        drop(reader);
        assert_reported(arguments, Stdio::from(OwnedFd::from(writer)));
    }
}
