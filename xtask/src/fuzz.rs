//! Runs the fuzz targets in `fuzz/`, on a stable toolchain.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, Result, manifest::Manifest, run, tools};

pub(crate) const HELP: &str = "\
cargo xtask fuzz [TARGET...] [--quick] [--seconds N]

Runs each fuzz target in fuzz/, or those named, for a bounded time: 600 s, with --quick 60 s, with --seconds N for N.
cargo-fuzz is installed if it is missing. The stable toolchain is enough: without a sanitizer, which safe code does not
need, nothing asks for a nightly one.

Inputs that reach new code are kept in fuzz/corpus (not in git) and reduced when there are more than 2,000 for a target.
fuzz/seeds has a few inputs for each target from which it starts.

A failure prints the input and the command that repeats it. Fix it, add the input to fuzz/seeds, and write a test in the
crate concerned. Exit code 1 if a target fails.
";

const SECONDS: u32 = 600;
const SECONDS_QUICK: u32 = 60;

/// A larger corpus is reduced to the inputs that matter.
const MOST_INPUTS: usize = 2000;

/// The longest input, in bytes. Parsers limit their input, most to some kilobytes.
const LONGEST_INPUT: u32 = 8192;

/// The time limit of one input, in seconds.
const SLOWEST_INPUT: u32 = 10;

/// The number of bytes of a failing input that are printed.
const SHOWN: usize = 400;

#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    targets: Vec<&'a str>,
    seconds: u32,
}

fn options<'a>(args: &[&'a str]) -> Result<Options<'a>, String> {
    let mut targets = Vec::new();
    let (mut quick, mut seconds) = (false, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--quick" => quick = true,
            "--seconds" => {
                let number = args.next().and_then(|text| text.parse().ok());
                seconds = Some(
                    number
                        .filter(|number| *number > 0)
                        .ok_or("--seconds needs a number of at least 1")?,
                );
            }
            option if option.starts_with('-') => {
                return Err(format!(
                    "fuzz has no option `{option}`; see `cargo xtask fuzz --help`"
                ));
            }
            target => targets.push(target),
        }
    }
    let default = if quick { SECONDS_QUICK } else { SECONDS };
    Ok(Options {
        targets,
        seconds: seconds.unwrap_or(default),
    })
}

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let options = options(args).map_err(Failure::Usage)?;
    let all = targets(&root.join("fuzz"))?;
    let known = |name: &&str| all.iter().any(|target| target == name);
    if let Some(unknown) = options.targets.iter().find(|name| !known(name)) {
        return Err(Failure::Usage(format!(
            "there is no fuzz target `{unknown}`; there are {}",
            all.join(", ")
        )));
    }
    tools::require(root, &tools::FUZZ)?;
    let chosen =
        |name: &&String| options.targets.is_empty() || options.targets.contains(&name.as_str());
    let chosen: Vec<&String> = all.iter().filter(chosen).collect();
    for target in &chosen {
        run::succeed(cargo_fuzz(root, "build").arg(target))?;
    }
    let mut failed = Vec::new();
    for target in chosen {
        println!("{target}: {} s", options.seconds);
        match fuzz(root, target, options.seconds) {
            Ok(summary) => println!("{target}: {summary}"),
            Err(Failure::Task(words) | Failure::Usage(words)) => {
                println!("{target}: FAILED\n{words}");
                failed.push(target.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("fuzz targets that failed: {}", failed.join(", ")).into())
}

/// Returns the targets, which are the files in `fuzz_targets`. Each must be a program of the manifest, or it would not run.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let manifest = Manifest::read(&fuzz.join("Cargo.toml"))?;
    let listed = fs::read_dir(&folder)
        .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let mut names: Vec<String> = listed
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            Some(name.strip_suffix(".rs")?.to_owned())
        })
        .collect();
    names.sort();
    for name in &names {
        let is_listed = manifest.entries.iter().any(|entry| {
            entry.table.starts_with("bin[")
                && entry.key == "name"
                && entry.value.trim_matches('"') == name
        });
        if !is_listed {
            return Err(format!(
                "fuzz/fuzz_targets/{name}.rs is not in fuzz/Cargo.toml; add a `[[bin]]` for it"
            )
            .into());
        }
    }
    Ok(names)
}

fn cargo_fuzz(root: &Path, what: &str) -> Command {
    let mut command = run::cargo(root);
    // Without sanitizers, which need a nightly compiler and look for errors of unsafe code.
    command.args(["fuzz", what, "--sanitizer=none"]);
    command
}

/// Runs a target and returns how far it came.
fn fuzz(root: &Path, target: &str, seconds: u32) -> Result<String> {
    let corpus = root.join("fuzz/corpus").join(target);
    let seeds = root.join("fuzz/seeds").join(target);
    fs::create_dir_all(&corpus)
        .map_err(|error| format!("{} cannot be created: {error}", corpus.display()))?;
    let mut command = cargo_fuzz(root, "run");
    command.arg(target).arg(&corpus);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    command.arg("--").args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST_INPUT}"),
        format!("-timeout={SLOWEST_INPUT}"),
        "-print_final_stats=1".to_owned(),
    ]);
    let output = run::captured(&mut command)?;
    let printed = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(failure(root, target, &printed).into());
    }
    let kept = fs::read_dir(&corpus).map_or(0, Iterator::count);
    if kept > MOST_INPUTS {
        run::stdout_of(cargo_fuzz(root, "cmin").arg(target))?;
    }
    let runs = stat(&printed, "number_of_executed_units").unwrap_or("?");
    Ok(format!("{runs} inputs tried, none failed"))
}

/// Returns the value of `stat::name: value`.
fn stat<'a>(printed: &'a str, name: &str) -> Option<&'a str> {
    let prefix = format!("stat::{name}:");
    printed
        .lines()
        .find_map(|line| Some(line.strip_prefix(&prefix)?.trim()))
}

/// Returns the failure, its input, and the command that repeats it.
fn failure(root: &Path, target: &str, printed: &str) -> String {
    let Some(path) = artifact(printed) else {
        return run::tail(printed, 30);
    };
    let panic: Vec<&str> = printed
        .lines()
        .skip_while(|line| !line.contains("panicked at") && !line.contains("ERROR: libFuzzer"))
        .take(3)
        .collect();
    let input = fs::read(&path).unwrap_or_default();
    let shown = path.strip_prefix(root).unwrap_or(&path).display();
    format!(
        "{}\ninput ({} bytes): \"{}{}\"\nrepeat it: cargo fuzz run --sanitizer=none {target} {shown}",
        panic.join("\n"),
        input.len(),
        input[..input.len().min(SHOWN)].escape_ascii(),
        if input.len() > SHOWN { "…" } else { "" },
    )
}

/// Returns the file that libFuzzer wrote the failing input to.
fn artifact(printed: &str) -> Option<PathBuf> {
    printed.lines().find_map(|line| {
        let (_, path) = line.split_once("Test unit written to ")?;
        Some(PathBuf::from(path.trim()))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Options, SECONDS, SECONDS_QUICK, artifact, failure, options, stat, targets};
    use crate::workspace::fixture::Fixture;

    #[test]
    fn options_bound_the_time_and_name_targets() {
        let parsed =
            |args: &[&'static str]| options(args).map(|options| (options.targets, options.seconds));
        assert_eq!(parsed(&[]), Ok((vec![], SECONDS)));
        assert_eq!(
            parsed(&["a", "--quick", "b"]),
            Ok((vec!["a", "b"], SECONDS_QUICK))
        );
        assert_eq!(parsed(&["--quick", "--seconds", "2"]), Ok((vec![], 2)));
        for args in [
            &["--seconds"][..],
            &["--seconds", "0"],
            &["--seconds", "x"],
            &["--slow"],
        ] {
            assert!(options(args).is_err(), "{args:?}");
        }
        let all = Options {
            targets: vec![],
            seconds: 1,
        };
        assert_eq!(options(&["--seconds", "1"]), Ok(all));
    }

    #[test]
    fn a_target_that_the_manifest_does_not_list_is_an_error() {
        let fixture = Fixture::new();
        fixture.write(
            "fuzz/Cargo.toml",
            "[[bin]]\nname = \"one\"\n[[bin]]\nname = \"two\"\n",
        );
        fixture.write("fuzz/fuzz_targets/two.rs", "");
        fixture.write("fuzz/fuzz_targets/one.rs", "");
        let found = targets(&fixture.root.join("fuzz")).expect("both are listed");
        assert_eq!(found, ["one", "two"]);
        fixture.write("fuzz/fuzz_targets/three.rs", "");
        assert!(targets(&fixture.root.join("fuzz")).is_err());
    }

    #[test]
    fn a_failure_shows_the_input_and_the_command_that_repeats_it() {
        let fixture = Fixture::new();
        fixture.write("fuzz/artifacts/ticket/crash-1", "v1.\u{1}\"");
        let path = fixture.root.join("fuzz/artifacts/ticket/crash-1");
        let printed = format!(
            "INFO: Seed: 1\nthread '<unnamed>' panicked at fuzz_targets/ticket.rs:3:9:\nassertion failed\nstat::number_of_executed_units: 12\nartifact_prefix='x'; Test unit written to {}\n",
            path.display()
        );
        let output = failure(&fixture.root, "ticket", &printed);
        assert!(
            output.starts_with("thread '<unnamed>' panicked at"),
            "{output}"
        );
        assert!(
            output.contains("input (5 bytes): \"v1.\\x01\\\"\""),
            "{output}"
        );
        let command = "cargo fuzz run --sanitizer=none ticket fuzz/artifacts/ticket/crash-1";
        assert!(output.ends_with(command), "{output}");
        assert_eq!(stat(&printed, "number_of_executed_units"), Some("12"));
        assert_eq!(artifact("nothing"), None);
        assert_eq!(failure(Path::new("."), "ticket", "a\nb"), "a\nb");
    }
}
