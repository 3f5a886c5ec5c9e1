//! Every choice of features that a user can make, linked and run.

use std::{
    collections::BTreeSet,
    io::{Write as _, stdout},
    path::Path,
    time::Instant,
};

use crate::{
    Failure, Result,
    manifest::{Manifest, strings},
    run, table,
    workspace::{FOREIGN, Workspace},
};

pub(crate) const HELP: &str = "\
cargo xtask matrix [--list] [--pairs] [ROW...]

For every row of features, builds the facade with these features alone and runs tests/linked.rs: are
the plugins that the features promise in the registry, and no others? A check that only compiles
would not see a plugin that the linker dropped.

Rows: no feature; each feature alone; the stacks of [package.metadata.stacks] in Cargo.toml; all but the
engines that bring a TLS stack of their own; all.
--pairs adds every two plugins together. --list prints the rows and runs none.
ROW runs only the rows whose name contains one of these words.
Exit code 1 if any row fails, warns, or links something else than its features promise.
";

/// One feature of the facade, with everything it turns on, itself included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) enables: BTreeSet<String>,
}

/// The facade's features, but for private ones: a name that starts with `_`.
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

/// The features that `of` turn on, directly or by way of others.
fn closure(manifest: &Manifest, of: &[String]) -> BTreeSet<String> {
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
    /// How many plugins these features must link.
    plugins: usize,
}

fn rows(workspace: &Workspace, pairs: bool) -> Result<Vec<Row>> {
    let manifest = &workspace.facade().manifest;
    let plugins: Vec<String> = workspace.plugins().map(|(it, _)| it.feature()).collect();
    let choices = features_of(manifest);
    let row = |name: &str, features: Vec<String>| {
        let enabled = closure(manifest, &features);
        Row {
            name: name.to_owned(),
            plugins: plugins.iter().filter(|it| enabled.contains(*it)).count(),
            features,
        }
    };
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
                "Cargo.toml: the stack `{}` asks for the feature `{unknown}`, which is not there",
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
    run_all(root, &rows)
}

fn run_all(root: &Path, rows: &[Row]) -> Result {
    let mut lines = Vec::new();
    let mut red = 0;
    let started = Instant::now();
    for (at, row) in rows.iter().enumerate() {
        print!("[{}/{}] {} …", at + 1, rows.len(), row.name);
        stdout().flush().map_err(|error| error.to_string())?;
        let since = Instant::now();
        let mut command = run::cargo(root);
        command.args([
            "test",
            "--package=offline-push",
            "--test=linked",
            "--no-default-features",
            &format!("--features={}", row.features.join(",")),
            "--",
            "--nocapture",
        ]);
        let output = run::captured(&mut command)?;
        let seconds = format!("{:.1}", since.elapsed().as_secs_f64());
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        let judged = judge(output.status.success(), &out, &err, row.plugins);
        println!(
            " {} ({seconds} s)",
            judged.as_ref().err().map_or("ok", |it| it)
        );
        if judged.is_err() {
            red += 1;
            let told = format!("{err}\n{out}");
            println!(
                "{}\n    again: {}",
                run::tail(told.trim(), 40),
                run::shown(&command)
            );
        }
        lines.push(vec![
            row.name.clone(),
            row.plugins.to_string(),
            judged.err().unwrap_or_else(|| "ok".to_owned()),
            seconds,
        ]);
    }
    println!(
        "\n{}\n{} rows in {:.0} s",
        table::columns(&["row", "plugins", "result", "seconds"], &lines),
        rows.len(),
        started.elapsed().as_secs_f64()
    );
    match red {
        0 => Ok(()),
        _ => Err(format!("{red} of {} rows are red", rows.len()).into()),
    }
}

/// Whether a row's run is good. The link test says `linked N: …`; that it said so with the right
/// number is the proof that it ran, and against this row's features.
fn judge(success: bool, out: &str, err: &str, plugins: usize) -> Result<(), String> {
    if !success {
        return Err("failed".to_owned());
    }
    let linked = out
        .lines()
        .find_map(|it| it.split_once("linked ")?.1.split_once(':'))
        .and_then(|(count, _)| count.parse::<usize>().ok());
    match linked {
        None => return Err("the link test did not run".to_owned()),
        Some(count) if count != plugins => {
            return Err(format!("linked {count} plugins, not {plugins}"));
        }
        Some(_) => {}
    }
    if err.lines().any(|it| it.starts_with("warning: ")) {
        return Err("warns".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{features_of, judge, rows};
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
        it.add("providers/a", "push-provider-a", "");
        it.add("plugins/login-auto", "push-login-auto", "");
        it
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
        let told: Vec<String> = rows
            .iter()
            .map(|it| format!("{}:{}", it.name, it.plugins))
            .collect();
        assert_eq!(
            told,
            [
                "(none):0",
                "default:1",
                "china:1",
                "client:0",
                "login-auto:1",
                "provider-a:1",
                "simulators:0",
                "stack small:1",
                "login-auto + provider-a:2",
                "(all but foreign engines):2",
                "(all):2",
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
    fn a_row_is_green_only_if_the_link_test_counted_right_and_nothing_warned() {
        let out = "running 2 tests\nlinked 2: login/auto, provider/a\ntest result: ok.";
        assert_eq!(judge(true, out, "", 2), Ok(()));
        for (success, out, err, plugins) in [
            (false, out, "", 2),
            (true, out, "", 3),
            (true, "running 0 tests", "", 2),
            (true, out, "warning: unused import: `x`", 2),
        ] {
            assert!(judge(success, out, err, plugins).is_err(), "{out} {err}");
        }
    }
}
