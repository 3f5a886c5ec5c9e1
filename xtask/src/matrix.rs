//! Links and runs every combination of features that a user can choose.

use std::{
    collections::BTreeSet,
    io::{Write as _, stdout},
    path::Path,
    process::{Command, Output},
    time::Instant,
};

use crate::{
    Failure, Result, generate,
    manifest::{Manifest, strings},
    run, table,
    workspace::{FOREIGN, Kind, Member, Plugin, Workspace},
};

pub(crate) const HELP: &str = "\
cargo xtask matrix [--list] [--pairs] [ROW...]

For every row of features, checks the facade with these features alone, as a user would build it, and
runs tests/linked.rs: are the plugins that the features promise in the registry, and no others? What
only compiles would not show a plugin that the linker dropped. In rows with a provider tests/pushes.rs
runs as well: each provider sends a push to its simulator, with the store and the queue of the row. A
provider whose crate has no feature `simulator` is linked only; the table shows `0 of 1` then.

Rows: no feature; each feature alone; the stacks of [package.metadata.stacks] in Cargo.toml; all but the
engines that bring a TLS stack of their own; all.
--pairs adds every two plugins together. --list prints the rows and runs none.
ROW runs only the rows whose name contains one of these words.
Exit code 1 if any row fails, warns, links something else than its features promise, or does not push.
";

/// One feature of the facade, with the features that it turns on, itself included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) enables: BTreeSet<String>,
}

/// Returns the facade's features, without private ones, whose names start with `_`.
pub(crate) fn features_of(manifest: &Manifest) -> Vec<Choice> {
    manifest
        .table("features")
        .filter(|it| !it.key.starts_with('_'))
        .map(|it| Choice {
            name: it.key.clone(),
            enables: closure(manifest, std::slice::from_ref(&it.key)),
        })
        .collect()
}

/// Returns the features that `of` turn on, directly or through others.
pub(crate) fn closure(manifest: &Manifest, of: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = of.to_vec();
    while let Some(feature) = open.pop() {
        if let Some(value) = manifest.get("features", &feature) {
            open.extend(
                strings(value)
                    .into_iter()
                    .filter(|it| !it.contains([':', '/']) && !found.contains(it)),
            );
            found.insert(feature);
        }
    }
    found
}

/// One line of the matrix.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    features: Vec<String>,
    /// The number of plugins that these features must link.
    plugins: usize,
    /// The number of providers among them.
    providers: usize,
    /// The number of providers that must push, because they have a simulator.
    pushes: usize,
}

impl Row {
    /// Returns how many providers push, as in `2` or `0 of 1`.
    fn pushing(&self) -> String {
        match self.pushes == self.providers {
            true => self.pushes.to_string(),
            false => format!("{} of {}", self.pushes, self.providers),
        }
    }
}

/// Returns the row of these features.
fn row(workspace: &Workspace, name: &str, features: Vec<String>) -> Row {
    let enabled = closure(&workspace.facade().manifest, &features);
    let count = |is_one: &dyn Fn(&Plugin, &Member) -> bool| {
        workspace
            .plugins()
            .filter(|(plugin, member)| {
                enabled.contains(&plugin.feature()) && is_one(plugin, member)
            })
            .count()
    };
    Row {
        name: name.to_owned(),
        plugins: count(&|_, _| true),
        providers: count(&|plugin, _| plugin.kind == Kind::Provider),
        pushes: count(&generate::is_simulated),
        features,
    }
}

fn rows(workspace: &Workspace, pairs: bool) -> Result<Vec<Row>> {
    let manifest = &workspace.facade().manifest;
    let plugins: Vec<String> = workspace.plugins().map(|(it, _)| it.feature()).collect();
    let choices = features_of(manifest);
    let row = |name: &str, features: Vec<String>| row(workspace, name, features);
    let mut rows = vec![row("(none)", Vec::new())];
    rows.extend(
        choices
            .iter()
            .map(|it| row(&it.name, vec![it.name.clone()])),
    );
    for stack in manifest.table("package.metadata.stacks") {
        let features = strings(&stack.value);
        if let Some(unknown) = features
            .iter()
            .find(|feature| !choices.iter().any(|it| it.name == **feature))
        {
            return Err(format!(
                "Cargo.toml: the stack `{}` has the feature `{unknown}`, which does not exist",
                stack.key
            )
            .into());
        }
        rows.push(row(&format!("stack {}", stack.key), features));
    }
    if pairs {
        for (at, one) in plugins.iter().enumerate() {
            for other in &plugins[at + 1..] {
                rows.push(row(
                    &format!("{one} + {other}"),
                    vec![one.clone(), other.clone()],
                ));
            }
        }
    }
    let own = choices
        .iter()
        .filter(|it| !FOREIGN.iter().any(|foreign| it.enables.contains(*foreign)))
        .map(|it| it.name.clone())
        .collect();
    rows.push(row("(all but foreign engines)", own));
    rows.push(row(
        "(all)",
        choices.into_iter().map(|it| it.name).collect(),
    ));
    Ok(rows)
}

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let (mut list, mut pairs, mut words) = (false, false, Vec::new());
    for arg in args {
        match *arg {
            "--list" => list = true,
            "--pairs" => pairs = true,
            word if word.starts_with('-') => {
                return Err(Failure::Usage(format!(
                    "matrix does not know `{word}`; see `cargo xtask matrix --help`"
                )));
            }
            word => words.push(word),
        }
    }
    let workspace = Workspace::at(root)?;
    let mut rows = rows(&workspace, pairs)?;
    rows.retain(|row| words.is_empty() || words.iter().any(|it| row.name.contains(it)));
    if rows.is_empty() {
        return Err("no row has such a name; `cargo xtask matrix --list` prints all".into());
    }
    if list {
        for row in &rows {
            println!("{}  --features={}", row.name, row.features.join(","));
        }
        return Ok(());
    }
    // Checked first, because its errors look like those of a linker.
    let (stale, _) = generate::compare(&workspace)?;
    let stale: Vec<String> = stale.into_iter().map(|file| file.path).collect();
    run_all(root, &rows, &stale)
}

/// Links the plugins of `features` and lets the providers push, with `target` as the target directory.
pub(crate) fn prove(root: &Path, features: &[&str], target: &Path) -> Result {
    let features: Vec<String> = features.iter().map(|&feature| feature.to_owned()).collect();
    let row = row(&Workspace::at(root)?, &features.join(", "), features);
    match run_tests(root, &row, Some(target))? {
        None => Ok(()),
        Some(red) => Err(format!(
            "{}\n{}\n    again: {}",
            red.reason,
            essence(&red.output),
            red.command
        )
        .into()),
    }
}

fn run_all(root: &Path, rows: &[Row], stale: &[String]) -> Result {
    let mut lines = Vec::new();
    let mut red = 0;
    let started = Instant::now();
    for (at, row) in rows.iter().enumerate() {
        print!("[{}/{}] {} …", at + 1, rows.len(), row.name);
        stdout().flush().map_err(|error| error.to_string())?;
        let since = Instant::now();
        let failure = match check(root, row)? {
            None => run_tests(root, row, None)?,
            failure => failure,
        };
        let seconds = format!("{:.1}", since.elapsed().as_secs_f64());
        let result = failure.as_ref().map_or("ok", |it| &it.reason);
        println!(" {result} ({seconds} s)");
        if let Some(it) = &failure {
            red += 1;
            println!("{}\n    again: {}", essence(&it.output), it.command);
            if !stale.is_empty() {
                println!(
                    "    first: cargo xtask tidy --fix, because {} is not current",
                    stale.join(", ")
                );
            }
        }
        lines.push(vec![
            row.name.clone(),
            row.plugins.to_string(),
            row.pushing(),
            result.to_owned(),
            seconds,
        ]);
    }
    println!(
        "\n{}\n{} rows in {:.0} s",
        table::columns(&["row", "plugins", "pushes", "result", "seconds"], &lines),
        rows.len(),
        started.elapsed().as_secs_f64()
    );
    match red {
        0 => Ok(()),
        _ => Err(format!("{red} of {} rows are red", rows.len()).into()),
    }
}

/// A row that failed.
struct Red {
    reason: String,
    output: String,
    command: String,
}

impl Red {
    fn of(judged: Result<(), String>, command: &Command, output: &Output) -> Option<Self> {
        let output = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        Some(Self {
            reason: judged.err()?,
            output: output.trim().to_owned(),
            command: run::shown(command),
        })
    }
}

/// Checks the build of a user. Only here the features of third-party crates are those of the row alone: for
/// tests they are the same in every row, which spares compiling these crates again.
fn check(root: &Path, row: &Row) -> Result<Option<Red>> {
    let mut command = run::cargo(root);
    command.args(["check", "--package=offline-push", "--lib", "--bins"]);
    command.args(choose(row));
    let output = run::captured(&mut command)?;
    let judged = judge(&output);
    Ok(Red::of(judged, &command, &output))
}

/// Runs the programs of a row: what is linked, and whether its providers push.
fn run_tests(root: &Path, row: &Row, target: Option<&Path>) -> Result<Option<Red>> {
    let mut command = run::cargo(root);
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    // With all crates, because then the features of third-party crates are those of the step `test` in every row: only the
    // facade is compiled again. The demonstration app would enable features of the facade.
    command.args([
        "test",
        "--workspace",
        "--exclude=phone-app",
        "--test=linked",
    ]);
    if row.providers > 0 {
        command.arg("--test=pushes");
    }
    let features: Vec<String> = row
        .features
        .iter()
        .map(|feature| format!("offline-push/{feature}"))
        .collect();
    command
        .args(["--no-default-features", "--features", &features.join(",")])
        .args(["--", "--nocapture"]);
    let output = run::captured(&mut command)?;
    let judged =
        judge(&output).and_then(|()| counted(&String::from_utf8_lossy(&output.stdout), row));
    Ok(Red::of(judged, &command, &output))
}

/// The part of a failed command's output that says why: what panicked, else the compiler's first errors, else the end.
/// Backtraces are left out.
fn essence(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let is_panic = |line: &str| line.starts_with("thread '") && line.contains("panicked at");
    let mut found: Vec<&str> = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| is_panic(line)) {
        let words = lines[at..].iter().take_while(|line| {
            !line.is_empty() && !line.starts_with("stack backtrace") && !line.starts_with("note:")
        });
        found.extend(words.take(12));
    }
    if found.is_empty() {
        let errors = lines.iter().skip_while(|line| !line.starts_with("error"));
        found.extend(errors.take(30));
    }
    if found.is_empty() {
        return run::tail(output, 20);
    }
    found.truncate(40);
    found.join("\n")
}

fn choose(row: &Row) -> [String; 2] {
    [
        "--no-default-features".to_owned(),
        format!("--features={}", row.features.join(",")),
    ]
}

fn judge(output: &Output) -> Result<(), String> {
    if !output.status.success() {
        return Err("failed".to_owned());
    }
    if warns(&String::from_utf8_lossy(&output.stderr)) {
        return Err("warns".to_owned());
    }
    Ok(())
}

fn warns(output: &str) -> bool {
    output.lines().any(|it| it.starts_with("warning: "))
}

/// Checks the lines `linked N: …` and `pushed N: …` of the tests. The right numbers prove that the tests ran, and with this
/// row's features.
fn counted(output: &str, row: &Row) -> Result<(), String> {
    let number = |word: &str| {
        output
            .lines()
            .find_map(|it| it.split_once(word)?.1.split_once(':'))
            .and_then(|(count, _)| count.parse::<usize>().ok())
    };
    match number("linked ") {
        None => return Err("the link test did not run".to_owned()),
        Some(count) if count != row.plugins => {
            return Err(format!("linked {count} plugins, not {}", row.plugins));
        }
        Some(_) => {}
    }
    match number("pushed ") {
        None if row.providers > 0 => Err("no push was tried".to_owned()),
        Some(count) if count != row.pushes => Err(format!(
            "{count} providers pushed, not {}; is each simulator registered?",
            row.pushes
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, counted, essence, features_of, rows, warns};
    use crate::{manifest::Manifest, workspace::fixture::Fixture};

    const FACADE: &str = r#"
[package]
name = "offline-push"
[package.metadata.stacks]
small = ["client", "login-auto"]
[features]
default = ["china"]
china = ["provider-a", "client"]
client = ["dep:push-client"]
login-auto = ["dep:push-login-auto"]
provider-a = ["dep:push-provider-a"]
simulators = ["push-provider-a?/simulator"]
_private = []
"#;

    fn some() -> Fixture {
        let it = Fixture::new();
        it.write("Cargo.toml", FACADE);
        it.add(
            "providers/a",
            "push-provider-a",
            "[features]\nsimulator = []\n",
        );
        it.add("plugins/login-auto", "push-login-auto", "");
        it
    }

    fn row(plugins: usize, providers: usize, pushes: usize) -> Row {
        Row {
            name: String::new(),
            features: Vec::new(),
            plugins,
            providers,
            pushes,
        }
    }

    #[test]
    fn a_feature_counts_what_it_turns_on_by_way_of_others() {
        let choices = features_of(&Manifest::parse(FACADE));
        assert_eq!(choices.len(), 6);
        assert_eq!(choices[0].name, "default");
        let enables: Vec<&str> = choices[0].enables.iter().map(String::as_str).collect();
        assert_eq!(enables, ["china", "client", "default", "provider-a"]);
    }

    #[test]
    fn the_rows_are_none_each_the_stacks_and_all() {
        let rows = rows(&some().workspace(), true).expect("rows");
        let output: Vec<String> = rows
            .iter()
            .map(|it| format!("{}:{}:{}", it.name, it.plugins, it.pushing()))
            .collect();
        assert_eq!(
            output,
            [
                "(none):0:0",
                "default:1:1",
                "china:1:1",
                "client:0:0",
                "login-auto:1:0",
                "provider-a:1:1",
                "simulators:0:0",
                "stack small:1:0",
                "login-auto + provider-a:2:1",
                "(all but foreign engines):2:1",
                "(all):2:1",
            ]
        );
    }

    #[test]
    fn a_stack_of_unknown_features_is_refused() {
        let it = some();
        it.write(
            "Cargo.toml",
            &FACADE.replace("\"login-auto\"]", "\"login-out\"]"),
        );
        let error = rows(&it.workspace(), false).expect_err("a refusal");
        assert!(format!("{error:?}").contains("login-out"), "{error:?}");
    }

    #[test]
    fn a_red_row_shows_what_panicked_and_no_backtrace() {
        let output = "\
running 1 test
thread 'the_registry' (7) panicked at tests/linked.rs:24:5:
assertion `left == right` failed
  left: [\"a\"]
 right: []
stack backtrace:
   0: rust_begin_unwind
note: run with `RUST_BACKTRACE=full`
test result: FAILED.";
        assert_eq!(
            essence(output),
            "thread 'the_registry' (7) panicked at tests/linked.rs:24:5:\nassertion `left == right` failed\n  left: \
             [\"a\"]\n right: []"
        );
        let output = "   Compiling x\nerror[E0432]: unresolved import\n --> src/linked.rs:7\n";
        assert_eq!(
            essence(output),
            "error[E0432]: unresolved import\n --> src/linked.rs:7"
        );
        assert_eq!(essence("killed"), "killed");
    }

    #[test]
    fn a_row_is_green_only_if_the_link_test_counted_right_and_nothing_warned() {
        let output = "running 2 tests\nlinked 2: login/auto, provider/a\ntest result: ok.";
        assert_eq!(counted(output, &row(2, 0, 0)), Ok(()));
        assert!(counted(output, &row(3, 0, 0)).is_err());
        assert!(counted("running 0 tests", &row(0, 0, 0)).is_err());
        assert!(warns("   Compiling x\nwarning: unused import: `x`\n"));
        assert!(!warns("   Compiling x\nlinked 1: warning: none\n"));
    }

    #[test]
    fn a_row_with_a_provider_is_green_only_if_each_simulator_got_a_push() {
        let linked = "linked 2: provider/a, provider/b\n";
        let reason = |pushed: &str, row: &Row| counted(&format!("{linked}{pushed}"), row).err();
        assert_eq!(reason("pushed 2: a, b\n", &row(2, 2, 2)), None);
        // An engine that can be pointed at no other server.
        assert_eq!(reason("pushed 1: a\n", &row(2, 2, 1)), None);
        let not_registered = reason("pushed 1: a\n", &row(2, 2, 2)).expect("red");
        assert!(not_registered.contains("1 providers pushed, not 2"));
        let not_run = reason("", &row(2, 2, 2)).expect("red");
        assert!(not_run.contains("no push was tried"), "{not_run}");
    }

    #[test]
    fn the_reason_of_a_provider_that_does_not_push_is_shown() {
        let output = "\
running 2 tests
pushed 1: a
thread 'every_provider' (8) panicked at tests/pushes.rs:60:9:
provider/b delivered no push: the vendor accepted it, but nothing arrived on the phone
stack backtrace:
   0: rust_begin_unwind
test result: FAILED.";
        assert!(essence(output).ends_with("but nothing arrived on the phone"));
    }
}
