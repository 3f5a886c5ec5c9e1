//! The crates that `new-provider` and `new-plugin` write, checked as the crates of the repository are.
use std::{env, fs, path::Path, process};

use super::target_dir;
use crate::{Result, copy, matrix, new, remove, run, tidy, workspace::Workspace};

/// Crates that are chosen beside the new ones: together, they enable the features of third-party crates that all tests enable,
/// so that nothing of other people is compiled again. Their own unit tests run along.
const UNIFYING: [&str; 5] = [
    "offline-push",
    "push-bindings",
    "push-bindings-generate",
    "push-provider-apns",
    "push-provider-apns-a2",
];

/// What `new-provider` and `new-plugin` write must be as good as what is here.
pub(super) fn crates(root: &Path) -> Result {
    // The copy has a target directory of its own: what was built from one could pass for the other's. Other people's crates
    // are the same in both.
    let built = target_dir(root)?;
    let dir = built.join("new-crates");
    let (copy, target) = (dir.join("repository"), dir.join("target"));
    if copy.exists() {
        fs::remove_dir_all(&copy)
            .map_err(|error| format!("{} cannot be removed: {error}", copy.display()))?;
    }
    let copy = copy.as_path();
    let workspace = Workspace::at(root)?;
    copy::dependencies(&workspace, &built.join("debug"), &target.join("debug"))?;
    copy::files(&workspace, copy)?;
    let guide = guide(root)?;
    let features = [
        "provider-acme",
        "provider-sample-two",
        "provider-sample-three",
        "ingress-sample",
        "layer-sample",
        "login-sample",
        "queue-sample",
        "store-sample",
    ];
    for feature in features {
        match feature.strip_prefix("provider-") {
            Some("acme") => {
                let args: Vec<&str> = guide.iter().map(String::as_str).collect();
                new::provider(copy, &args)?;
            }
            Some("sample-two") => {
                new::provider(copy, &["sample-two", "--auth", "sign", "--batch", "500"])?;
            }
            Some("sample-three") => new::provider(copy, &["sample-three", "--auth", "none"])?,
            Some(name) => new::provider(copy, &[name])?,
            None => new::plugin(copy, &[feature])?,
        }
    }
    tidy::task(copy, &[])?;
    let cargo = |args: &[&str]| {
        let mut command = run::cargo(copy);
        command.env("CARGO_TARGET_DIR", &target).args(args);
        command
    };
    // What they link, and that their providers push to the simulators that were written with them.
    matrix::prove(copy, &features, &target)?;
    let packages = features.map(|it| format!("--package=push-{it}"));
    run::succeed(cargo(&["fmt", "--check"]).args(&packages))?;
    let cargo = |args: &[&str]| {
        let mut command = cargo(args);
        command
            .args(&packages)
            .args(UNIFYING.map(|name| format!("--package={name}")))
            .args(["--no-default-features", "--lib"])
            .args(["--test=conformance", "--test=simulator"]);
        command
    };
    run::succeed(cargo(&["clippy", "--quiet", "--no-deps"]).args(["--", "-Dwarnings"]))?;
    run::succeed(&mut cargo(&["test", "--quiet"]))?;
    for feature in features {
        remove::task(copy, &[feature])?;
    }
    let changed = copy::differences(&workspace, copy)?;
    if !changed.is_empty() {
        return Err(format!(
            "`remove` after `new-…` leaves changes in {}",
            changed.join(", ")
        )
        .into());
    }
    standalone(root, &target)
}

const GUIDE: &str = "docs/adding-a-provider.md";

/// What this step runs of the guide's commands, besides `new-provider`; the tests and lints for all new crates together.
const TRIED: [&str; 5] = [
    "cargo test -p push-provider-acme",
    "cargo clippy -p push-provider-acme --all-targets --all-features -- -D warnings",
    "cargo xtask tidy",
    "cargo xtask matrix",
    "cargo xtask remove acme",
];

/// The arguments of `new-provider` in the guide for authors of providers, whose other commands must be those of this step.
fn guide(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(GUIDE))
        .map_err(|error| format!("{GUIDE} cannot be read: {error}"))?;
    let commands = commands(&text);
    let mut tried = TRIED.to_vec();
    let mut arguments = None;
    for command in &commands {
        if let Some(rest) = command.strip_prefix("cargo xtask new-provider ") {
            arguments = Some(rest.split(' ').map(str::to_owned).collect());
        } else if let Some(place) = tried.iter().position(|it| it == command) {
            tried.remove(place);
        } else {
            return Err(
                format!("{GUIDE} has a command that no step of CI tries: {command}").into(),
            );
        }
    }
    match (arguments, tried.first()) {
        (Some(arguments), None) => Ok(arguments),
        (None, _) => Err(format!("{GUIDE} does not call `cargo xtask new-provider`").into()),
        (_, Some(missing)) => Err(format!("{GUIDE} lacks the command `{missing}`").into()),
    }
}

/// The lines of the blocks of shell commands.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).collect()
}

/// A crate outside of the workspace compiles and passes its tests. What it would take from the registry is taken from here.
fn standalone(root: &Path, target: &Path) -> Result {
    let dir = env::temp_dir().join(format!("offline-push-standalone-{}", process::id()));
    let text = dir
        .to_str()
        .ok_or("the temporary folder has a name that is not text")?;
    new::provider(root, &["sample", "--standalone", text])?;
    let done = tested(root, &dir, target);
    fs::remove_dir_all(&dir)
        .map_err(|error| format!("{} cannot be removed: {error}", dir.display()))?;
    done
}

fn tested(root: &Path, dir: &Path, target: &Path) -> Result {
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock"))
        .map_err(|error| format!("Cargo.lock cannot be copied: {error}"))?;
    let mut command = run::cargo(dir);
    command.env("CARGO_TARGET_DIR", target);
    for folder in [
        "push-core",
        "push-core/derive",
        "push-http",
        "push-kit",
        "push-testkit",
    ] {
        let (path, package) = (root.join(folder), folder.replace('/', "-"));
        command.arg("--config").arg(format!(
            "patch.crates-io.{package}.path={:?}",
            path.display().to_string()
        ));
    }
    // As in the workspace, so that what was compiled there is used.
    command.args(["--config", "profile.dev.debug=\"line-tables-only\""]);
    run::succeed(command.args(["test", "--quiet"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_guide_are_the_lines_of_its_shell_blocks() {
        let text = "# A\n```sh\na b\nc\n```\n```text\nd\n```\n```sh\ne\n```\n";
        assert_eq!(commands(text), ["a b", "c", "e"]);
    }

    #[test]
    fn every_command_of_the_guide_is_tried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the repository");
        let arguments = guide(root).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(arguments[0], "acme");
    }
}
