//! Which changes of the code no test notices, for places where that matters most.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    Failure, Result, ci::target_dir, copy, generate::splice, run, tools, workspace::Workspace,
};

pub(crate) const HELP: &str = "\
cargo xtask mutants [PLACE...] [--shard K/N] [--list]

Changes the code of a place in one spot after the other, as cargo-mutants does it (installed if it is missing), runs the
tests of its crate each time (for the delivery pipeline, its own tests), and prints the changes that no test noticed. The
score of the place, detected changes of all that compiled, is written into docs/benchmarks.md; the goal is 95 %. Changes of
`Debug` output are left out.

Without a PLACE all are measured, which takes hours: each change is a build and a run of the tests. --shard K/N, with K
from 0, tries every N-th change only, and the table says so. --list shows the places and what they consist of.

It works in a copy of the repository below the target directory, which is kept: the next run builds only what changed.
Code that was not committed is measured, too. A survivor is no failure of this command; exit code 1 if the tests fail
without any change, or cannot be run.
";

const BOOK: &str = "docs/benchmarks.md";

/// The longest that a test waits for something that a change has prevented, in seconds.
const PATIENCE: &str = "20";

/// The shortest time after which a run of the tests counts as endless, in seconds: a busy machine must not look like a
/// detected change.
const TEST_TIMEOUT: &str = "180";

/// The most random cases that a test tries.
const CASES: &str = "20";

struct Place {
    name: &'static str,
    package: &'static str,
    /// Patterns of paths, as cargo-mutants takes them.
    files: &'static [&'static str],
    /// The test targets that are run, as cargo takes them; all of the package if there are none.
    tests: &'static [&'static str],
}

/// The tests of the delivery pipeline.
const PIPELINE: &[&str] = &[
    "--lib",
    "--test=pipeline",
    "--test=layers",
    "--test=standstill",
    "--test=vendor_receipts",
];

const PLACES: &[Place] = &[
    Place {
        name: "decision",
        package: "push-gateway",
        files: &["push-gateway/src/decision/*.rs"],
        tests: &[],
    },
    Place {
        name: "settle",
        package: "push-gateway",
        files: &[
            "push-gateway/src/pipeline/settle.rs",
            "push-gateway/src/pipeline/settle/*.rs",
        ],
        tests: PIPELINE,
    },
    Place {
        name: "control",
        package: "push-gateway",
        files: &["push-gateway/src/pipeline/control.rs"],
        tests: PIPELINE,
    },
    Place {
        name: "lane",
        package: "push-gateway",
        files: &[
            "push-gateway/src/pipeline/lane.rs",
            "push-gateway/src/pipeline/evidence.rs",
        ],
        tests: PIPELINE,
    },
    Place {
        name: "credential",
        package: "push-gateway",
        files: &[
            "push-gateway/src/pipeline/credential.rs",
            "push-gateway/src/pipeline/refusals.rs",
            "push-gateway/src/pipeline/guard.rs",
        ],
        tests: PIPELINE,
    },
    Place {
        name: "tickets",
        package: "push-gateway",
        files: &["push-gateway/src/ticket.rs"],
        tests: &[],
    },
    Place {
        name: "seal",
        package: "push-gateway",
        files: &["push-gateway/src/seal.rs"],
        tests: &[],
    },
    Place {
        name: "pool",
        package: "push-http",
        files: &["push-http/src/pool/*.rs", "push-http/src/connection.rs"],
        tests: &[],
    },
    Place {
        name: "queue-put",
        package: "push-queue-sqlite",
        files: &["plugins/queue-sqlite/src/put.rs"],
        tests: &[],
    },
    Place {
        name: "queue-sqlite",
        package: "push-queue-sqlite",
        files: &["plugins/queue-sqlite/src/*.rs"],
        tests: &[],
    },
    Place {
        name: "classify-apns",
        package: "push-provider-apns",
        files: &["providers/apns/src/classify.rs"],
        tests: &[],
    },
    Place {
        name: "classify-fcm",
        package: "push-provider-fcm",
        files: &["providers/fcm/src/classify.rs"],
        tests: &[],
    },
    Place {
        name: "classify-honor",
        package: "push-provider-honor",
        files: &["providers/honor/src/classify.rs"],
        tests: &[],
    },
    Place {
        name: "classify-huawei",
        package: "push-provider-huawei",
        files: &["providers/huawei/src/classify.rs"],
        tests: &[],
    },
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    places: Vec<&'a str>,
    shard: Option<&'a str>,
    list: bool,
}

fn options<'a>(args: &[&'a str]) -> Result<Options<'a>, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--list" => options.list = true,
            "--shard" => {
                let shard = args.next().filter(|text| is_shard(text));
                options.shard = Some(shard.ok_or("--shard needs K/N with K below N, as in 0/4")?);
            }
            option if option.starts_with('-') => {
                return Err(format!(
                    "mutants has no option `{option}`; see `cargo xtask mutants --help`"
                ));
            }
            name if PLACES.iter().any(|place| place.name == name) => options.places.push(name),
            name => {
                let names: Vec<&str> = PLACES.iter().map(|place| place.name).collect();
                return Err(format!(
                    "there is no place `{name}`; there are {}",
                    names.join(", ")
                ));
            }
        }
    }
    Ok(options)
}

fn is_shard(text: &str) -> bool {
    let numbers = text
        .split_once('/')
        .map(|(k, n)| (k.parse::<u32>(), n.parse::<u32>()));
    matches!(numbers, Some((Ok(k), Ok(n))) if k < n)
}

/// What one run found, one change of the code a line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    detected: usize,
    missed: Vec<String>,
}

impl Found {
    fn all(&self) -> usize {
        self.detected + self.missed.len()
    }

    /// In tenths of a per cent, rounded down.
    fn score(&self) -> usize {
        (self.detected * 1000).checked_div(self.all()).unwrap_or(0)
    }
}

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let options = options(args).map_err(Failure::Usage)?;
    if options.list {
        for place in PLACES {
            println!("{:<16} {}", place.name, place.files.join(" "));
        }
        return Ok(());
    }
    let path = root.join(BOOK);
    let read =
        || fs::read_to_string(&path).map_err(|error| format!("{BOOK} cannot be read: {error}"));
    // Before hours of building: is there a place to write into?
    splice(&read()?, "mutants", "").map_err(|reason| format!("{BOOK}: {reason}"))?;
    tools::require(root, &tools::MUTANTS)?;
    let workspace = Workspace::at(root)?;
    let built = target_dir(root)?;
    let dir = built.join("mutants");
    let (tree, target) = (dir.join("repository"), dir.join("target"));
    copy::dependencies(&workspace, &built.join("debug"), &target.join("debug"))?;
    copy::files(&workspace, &tree)?;
    for place in PLACES {
        if !options.places.is_empty() && !options.places.contains(&place.name) {
            continue;
        }
        let output = dir.join(place.name);
        let found = measure(place, options.shard, &tree, &target, &output)?;
        println!(
            "\n{}: {} of {} changes detected, {}",
            place.name,
            found.detected,
            found.all(),
            percent(found.score())
        );
        for missed in &found.missed {
            println!("  missed: {missed}");
        }
        // After each place, so that hours of work are not lost with the last one.
        let book = read()?;
        let rows = with_row(&rows(&book), place, &found, options.shard, &today());
        let book = splice(&book, "mutants", &write(&rows))?;
        fs::write(&path, book).map_err(|error| format!("{BOOK} cannot be written: {error}"))?;
    }
    Ok(())
}

/// Tries the changes of one place.
fn measure(
    place: &Place,
    shard: Option<&str>,
    tree: &Path,
    target: &Path,
    output: &Path,
) -> Result<Found> {
    fs::create_dir_all(output)
        .map_err(|error| format!("{} cannot be created: {error}", output.display()))?;
    let mut command = command(place, shard, tree, target, output);
    println!("{}", run::shown(&command));
    let status = command
        .status()
        .map_err(|error| format!("cargo-mutants could not be started: {error}"))?;
    // 2 and 3: some were missed, or ended with a time-out.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!(
            "cargo-mutants failed on {} ({status}); its logs are in {}",
            place.name,
            output.join("mutants.out/log").display()
        )
        .into());
    }
    found(&output.join("mutants.out"))
}

fn command(
    place: &Place,
    shard: Option<&str>,
    tree: &Path,
    target: &Path,
    output: &Path,
) -> Command {
    let mut command = run::cargo(tree);
    command
        .env("CARGO_TARGET_DIR", target)
        .env("OFFLINE_PUSH_PATIENCE", PATIENCE)
        .env("OFFLINE_PUSH_CASES", CASES)
        .args(["mutants", "--in-place", "--all-features"])
        // Without `--cap-lints`: other flags for the compiler would build every dependency again, and lints only warn.
        .args(["--no-shuffle", "--colors=never"])
        .arg(format!("--minimum-test-timeout={TEST_TIMEOUT}"))
        .args(["--exclude-re", "impl .*Debug for "])
        .arg(format!("--package={}", place.package));
    if run::is_installed("cargo-nextest") {
        command.arg("--test-tool=nextest");
    }
    for file in place.files {
        command.arg(format!("--file={file}"));
    }
    if let Some(shard) = shard {
        command.arg(format!("--shard={shard}"));
    }
    for test in place.tests {
        // For the build, too, and not only for the run.
        command.arg(format!("--cargo-arg={test}"));
    }
    command.arg("--output").arg(output);
    command
}

/// Reads the lists that cargo-mutants leaves behind. A change after which the tests do not end is detected.
fn found(folder: &Path) -> Result<Found> {
    let lines = |name: &str| -> Result<Vec<String>> {
        let text = fs::read_to_string(folder.join(name))
            .map_err(|error| format!("{name} of cargo-mutants cannot be read: {error}"))?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    Ok(Found {
        detected: lines("caught.txt")?.len() + lines("timeout.txt")?.len(),
        missed: lines("missed.txt")?,
    })
}

/// The rows of places that were measured, as they stand in the book.
fn rows(book: &str) -> Vec<(String, String)> {
    book.lines()
        .skip_while(|line| !line.contains("begin generated: mutants"))
        .take_while(|line| !line.contains("end generated: mutants"))
        .filter_map(|line| {
            let name = line.strip_prefix("| ")?.split(" |").next()?;
            let is_measured =
                PLACES.iter().any(|place| place.name == name) && !line.contains("not measured");
            is_measured.then(|| (name.to_owned(), line.to_owned()))
        })
        .collect()
}

/// The rows with a new one for `place`.
fn with_row(
    rows: &[(String, String)],
    place: &Place,
    found: &Found,
    shard: Option<&str>,
    date: &str,
) -> Vec<(String, String)> {
    let tried = match shard {
        Some(shard) => format!("{} (part {shard})", found.all()),
        None => found.all().to_string(),
    };
    let row = format!(
        "| {} | {} | {tried} | {} | {} | {date} |",
        place.name,
        shown(place),
        found.detected,
        percent(found.score()),
    );
    let others = rows.iter().filter(|(name, _)| name != place.name);
    others
        .cloned()
        .chain([(place.name.to_owned(), row)])
        .collect()
}

/// The table, with all places in their order.
fn write(rows: &[(String, String)]) -> String {
    let mut text = "\n| place | code | changes tried | detected | score | measured on |\n\
                    |---|---|---:|---:|---:|---|\n"
        .to_owned();
    for place in PLACES {
        let row = rows.iter().find(|(name, _)| name == place.name);
        text += &row.map_or_else(
            || format!("| {} | {} | | | | not measured |", place.name, shown(place)),
            |(_, row)| row.clone(),
        );
        text.push('\n');
    }
    text + "\n"
}

fn shown(place: &Place) -> String {
    let files: Vec<String> = place.files.iter().map(|file| format!("`{file}`")).collect();
    files.join(", ")
}

fn percent(tenths: usize) -> String {
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    date(since.unwrap_or(Duration::ZERO).as_secs() / (24 * 60 * 60))
}

/// The day in the Gregorian calendar, `days` after 1970-01-01.
fn date(mut days: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path, process};

    use super::{
        Found, Options, PLACES, command, date, found, options, percent, rows, with_row, write,
    };
    use crate::{generate::splice, run};

    const EMPTY: &str = "# Book\n<!-- begin generated: mutants (x) -->\nold\n<!-- end generated: mutants -->\nrest\n";

    #[test]
    fn places_and_shards_are_checked_before_anything_is_built() {
        let known = options(&["pool", "--shard", "1/4"]).expect("options");
        let expected = Options {
            places: vec!["pool"],
            shard: Some("1/4"),
            list: false,
        };
        assert_eq!(known, expected);
        for bad in [
            &["pond"][..],
            &["--shard", "4/4"],
            &["--shard", "a/4"],
            &["--shard"],
            &["--fast"],
        ] {
            options(bad).expect_err("a complaint");
        }
    }

    #[test]
    fn every_place_has_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the repository");
        for place in PLACES {
            for pattern in place.files {
                let fixed = pattern.split('*').next().expect("a path");
                assert!(root.join(fixed).exists(), "{pattern}");
            }
        }
    }

    #[test]
    fn a_run_tries_one_change_at_a_time_in_a_copy() {
        let (tree, target, output) = (Path::new("t"), Path::new("b"), Path::new("o"));
        let shown = run::shown(&command(&PLACES[1], Some("0/2"), tree, target, output));
        for part in [
            "mutants --in-place --all-features",
            "--package=push-gateway",
            "--file=push-gateway/src/pipeline/settle/*.rs",
            "--shard=0/2",
            "--output o",
            "--cargo-arg=--lib --cargo-arg=--test=pipeline",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn changes_after_which_tests_do_not_end_are_detected() {
        let dir = env::temp_dir().join(format!("xtask-mutants-{}", process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        for (name, text) in [
            ("caught.txt", "a\nb\n"),
            ("timeout.txt", "c\n"),
            ("missed.txt", "d\n"),
        ] {
            fs::write(dir.join(name), text).expect("a file");
        }
        let found = found(&dir).expect("lists");
        let expected = Found {
            detected: 3,
            missed: vec!["d".to_owned()],
        };
        assert_eq!(found, expected);
        assert_eq!(percent(found.score()), "75.0 %");
        assert_eq!(percent(Found::default().score()), "0.0 %");
        fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn a_measured_place_stays_in_the_book_and_the_others_are_not_measured() {
        let found = |detected| Found {
            detected,
            missed: vec![String::new()],
        };
        let first = with_row(&[], &PLACES[0], &found(19), None, "2026-01-31");
        let book = splice(EMPTY, "mutants", &write(&first)).expect("a place");
        let second = with_row(
            &rows(&book),
            &PLACES[1],
            &found(2),
            Some("0/4"),
            "2026-02-01",
        );
        let book = splice(&book, "mutants", &write(&second)).expect("a place");
        let row = |name: &str| {
            let start = format!("| {name} |");
            let row = book.lines().find(|line| line.starts_with(&start));
            row.expect("a row").to_owned()
        };
        assert!(row("decision").ends_with("| 20 | 19 | 95.0 % | 2026-01-31 |"));
        assert!(row("settle").ends_with("| 3 (part 0/4) | 2 | 66.6 % | 2026-02-01 |"));
        assert!(row("pool").ends_with("| | | | not measured |"));
        assert!(book.ends_with("rest\n"), "{book}");
    }

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_787, "2026-11-30"),
            (20_818, "2026-12-31"),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
