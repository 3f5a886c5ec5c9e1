//! Writes the generated sources below `push-bindings/`, or with `--check` lists those that are not current.

use std::{env, process::ExitCode};

use push_bindings_generate::{Failure, generate, home, library, stale, write};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let is_check = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return exit_with("error: the only argument is `--check`", ExitCode::from(2)),
    };
    match run(is_check) {
        Ok(text) => exit_with(&text, ExitCode::SUCCESS),
        Err(error) => exit_with(&format!("error: {error}"), ExitCode::FAILURE),
    }
}

fn run(is_check: bool) -> Result<String, Failure> {
    let scratch = env::temp_dir().join(format!("push-bindings-{}", std::process::id()));
    let wanted = generate(&library()?, &scratch);
    let cleared = std::fs::remove_dir_all(&scratch);
    // The generator's error first: without its output there is no folder either.
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
            "these files differ from those that the library generates; `cargo xtask bindings` writes them:\n  push-bindings/{list}"
        )
        .into());
    }
    write(&home, &wanted)?;
    Ok(format!("written:\n  push-bindings/{list}"))
}

/// Prints `text` to the terminal and returns `code`.
#[allow(clippy::print_stderr)]
fn exit_with(text: &str, code: ExitCode) -> ExitCode {
    eprintln!("{text}");
    code
}
