//! Writes the generated sources below `push-bindings/`, or with `--check` says which are not current.

use std::{env, process::ExitCode};

use push_bindings_generate::{Failure, generate, home, library, stale, write};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let is_check = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return told("error: it takes nothing but `--check`", ExitCode::from(2)),
    };
    match run(is_check) {
        Ok(words) => told(&words, ExitCode::SUCCESS),
        Err(error) => told(&format!("error: {error}"), ExitCode::FAILURE),
    }
}

fn run(is_check: bool) -> Result<String, Failure> {
    let scratch = env::temp_dir().join(format!("push-bindings-{}", std::process::id()));
    let wanted = generate(&library()?, &scratch);
    let cleared = std::fs::remove_dir_all(&scratch);
    // Its failure first: where nothing was generated there is no folder either.
    let wanted = wanted?;
    cleared?;
    let home = home();
    let stale = stale(&home, &wanted)?;
    if stale.is_empty() {
        return Ok("the bindings are current".to_owned());
    }
    let list = stale.join("\n  push-bindings/");
    if is_check {
        return Err(format!(
            "these are not what the library says they should be; `cargo xtask bindings` writes them:\n  push-bindings/{list}"
        )
        .into());
    }
    write(&home, &wanted)?;
    Ok(format!("written:\n  push-bindings/{list}"))
}

/// Tells the person at the terminal.
#[allow(clippy::print_stderr)]
fn told(words: &str, code: ExitCode) -> ExitCode {
    eprintln!("{words}");
    code
}
