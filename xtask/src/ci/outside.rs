//! What users of the crates write, compiled and run outside of the workspace, with the dependencies that the documentation names.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{EXAMPLE_LIMIT, run_to_its_end, target_dir};
use crate::{Failure, Result, run, workspace::Workspace};

/// The example that is all code that a user needs, and that is run.
const SHORTEST: &str = "first_push";

/// A program that depends on the crates with a plugin of its own.
pub(super) const VENDOR: &str = "examples/outside-vendor";

/// Mistakes that the compiler finds: the name of the program, its code, and what the compiler says.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "certificate_id_out_of_range",
        "offline_push::certificate_id!(apns, debug = 0, release = 31288); fn main() {}",
        "`debug` is the id that the gateway gave the credential of the sandbox, from 1 to",
    ),
    (
        "key_of_a_typed_configuration_misspelt",
        "use offline_push::provider::apns::ApnsConfig;
         fn main() { let mut config = ApnsConfig::default(); config.topik = None; }",
        "no field `topik` on type `ApnsConfig`",
    ),
    (
        "credential_of_another_kind_of_plugin",
        "fn main() { offline_push::gateway::Upload::of(&offline_push::http::HttpConfig::default()); }",
        "`HttpConfig` is not the configuration of a plugin",
    ),
    (
        "value_that_no_configuration_has",
        "/// Where it is.
         #[derive(offline_push::Describe)]
         #[describe(part, crate = offline_push)]
         struct Own {
             /// The path.
             #[describe(shape = text)]
             path: std::rc::Rc<str>,
         }
         fn text() -> offline_push::Shape { offline_push::Shape::Text }
         fn main() {}",
        "cannot be a value of a typed configuration",
    ),
    (
        "secret_that_is_serialized",
        "fn main() { serde_json::to_string(&offline_push::Secret::new(\"x\")).ok(); }",
        "Secret: serde::Serialize` is not satisfied",
    ),
];

/// Compiles every example in a package with the dependencies that its first lines name, runs the shortest, and tests the program
/// of another vendor. Everything that is compiled elsewhere is taken from there, as far as the features are the same.
pub(super) fn programs(root: &Path) -> Result {
    let target = target_dir(root)?;
    let dir = target.join("outside");
    let workspace = Workspace::at(root)?;
    let patch = patch(&workspace);
    let examples = examples(root)?;
    let mut members = String::new();
    for (name, (path, dependencies)) in &examples {
        let text = package(name, path, dependencies);
        write(&dir.join(name).join("Cargo.toml"), &text)?;
        // A package has a program, which is not compiled here; a library would be a dependency of the example.
        write(&dir.join(name).join("src/main.rs"), "fn main() {}\n")?;
        _ = write!(members, "{name:?}, ");
    }
    mistakes(&dir)?;
    write(
        &dir.join("Cargo.toml"),
        &format!("[workspace]\nresolver = \"3\"\nmembers = [{members}\"mistakes\"]\n\n{patch}"),
    )?;
    let cargo = |dir: &Path, args: &[&str]| {
        let mut command = run::cargo(dir);
        command.env("CARGO_TARGET_DIR", &target);
        // As in the workspace, so that what was compiled there is used.
        command.args(["--config", "profile.dev.debug=\"line-tables-only\""]);
        command.args(args);
        command
    };
    lock(root, &dir)?;
    let mut failed = Vec::new();
    for name in examples.keys() {
        // By itself: with others, it would have their features.
        let names = ["--package", name, "--example", name];
        let verb = if name == SHORTEST { "build" } else { "check" };
        let compiled = run::succeed(&mut cargo(&dir, &[&[verb, "--quiet"], &names[..]].concat()));
        println!("{name}: {}", if compiled.is_ok() { "ok" } else { "FAILED" });
        if compiled.is_err() {
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        return Err(format!(
            "examples that do not compile with the dependencies in their first lines: {}",
            failed.join(", ")
        )
        .into());
    }
    let program = target.join("debug/examples").join(SHORTEST);
    run_to_its_end(
        std::process::Command::new(program).current_dir(&dir),
        EXAMPLE_LIMIT,
    )?;
    refused(&mut cargo(
        &dir,
        &["check", "--package=mistakes", "--bins", "--keep-going"],
    ))?;
    let vendor = root.join(VENDOR);
    lock(root, &vendor)?;
    run::succeed(&mut cargo(&vendor, &["test", "--quiet", "--workspace"]))
}

/// Dependencies are those of the workspace, in the same versions.
fn lock(root: &Path, dir: &Path) -> Result {
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock"))
        .map(drop)
        .map_err(|error| format!("Cargo.lock cannot be copied: {error}").into())
}

/// The crates of the workspace in the place of the published ones.
fn patch(workspace: &Workspace) -> String {
    let mut patch = "[patch.crates-io]\n".to_owned();
    for member in &workspace.members {
        if member.manifest.get("package", "publish") != Some("false") {
            let path = workspace.root.join(member.path(""));
            _ = writeln!(patch, "{} = {{ path = {path:?} }}", member.package());
        }
    }
    patch
}

/// The examples: by name, the file and the dependencies.
type Examples = BTreeMap<String, (PathBuf, String)>;

/// Returns the examples of the facade, with the dependencies that their first lines name.
fn examples(root: &Path) -> Result<Examples> {
    let mut found = BTreeMap::new();
    let folder = root.join("examples");
    let listed =
        fs::read_dir(&folder).map_err(|error| format!("examples cannot be listed: {error}"))?;
    for entry in listed.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".rs") else {
            continue;
        };
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let Some(dependencies) = documented(&text) else {
            return Err(format!(
                "examples/{name}.rs does not say which dependencies a user needs: begin it with a block ```toml in which \
                 [dependencies] stands"
            )
            .into());
        };
        found.insert(name.to_owned(), (path, dependencies));
    }
    Ok(found)
}

/// The block of TOML with dependencies in the first comment of a file.
fn documented(text: &str) -> Option<String> {
    let comment = text.lines().map_while(|line| line.strip_prefix("//!"));
    let comment: Vec<&str> = comment
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let mut blocks = comment.split(|line| *line == "```toml");
    blocks.next();
    blocks
        .filter_map(|rest| Some(rest.split(|line| *line == "```").next()?.join("\n")))
        .find(|block| block.lines().any(|line| line.starts_with("[dependencies]")))
}

/// The manifest of a package with one example. A dependency that it does not use is an error.
fn package(name: &str, example: &Path, dependencies: &str) -> String {
    format!(
        "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [[example]]\nname = {name:?}\npath = {example:?}\n\n\
         [lints.rust]\nunused_crate_dependencies = \"deny\"\n\n{dependencies}\n"
    )
}

/// Writes the package with the mistakes, a program for each.
fn mistakes(dir: &Path) -> Result {
    let dir = dir.join("mistakes");
    let manifest = "[package]\nname = \"mistakes\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
                    [dependencies]\nserde_json = \"1\"\noffline-push = { version = \"0.1\", default-features = false, \
                    features = [\"gateway\", \"provider-apns\", \"queue-memory\", \"simulators\", \"store-memory\"] }\n";
    write(&dir.join("Cargo.toml"), manifest)?;
    for (name, code, _) in MISTAKES {
        write(&dir.join(format!("src/bin/{name}.rs")), code)?;
    }
    Ok(())
}

/// Every mistake is refused, with what mends it.
fn refused(check: &mut std::process::Command) -> Result {
    let output = run::captured(check)?;
    let printed = String::from_utf8_lossy(&output.stderr);
    let accepted = missing(&printed);
    if accepted.is_empty() {
        println!("{} mistakes: the compiler explains each", MISTAKES.len());
        return Ok(());
    }
    println!("{}", run::tail(&printed, 200));
    Err(format!("the compiler does not explain {}", accepted.join(", ")).into())
}

/// The mistakes that the compiler's output does not explain.
fn missing(printed: &str) -> Vec<&'static str> {
    MISTAKES
        .iter()
        .filter(|(name, _, expected)| {
            let is_refused = printed.contains(&format!("(bin \"{name}\")"));
            !is_refused || !printed.contains(expected)
        })
        .map(|(name, ..)| *name)
        .collect()
}

/// Writes a file, unless it has this text, so that cargo does not build it again.
fn write(path: &Path, text: &str) -> Result {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::Task(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{MISTAKES, documented, missing, package};
    use crate::{manifest::Manifest, source::layers};

    /// The number of lines that are neither empty nor comments nor attributes of the crate.
    fn lines_of_code(text: &str) -> usize {
        let comments = layers(text).comments;
        text.lines()
            .zip(comments.lines())
            .map(|(line, comment)| (line.trim(), comment.trim()))
            .filter(|(line, comment)| {
                !line.is_empty() && line != comment && !line.starts_with("#![")
            })
            .count()
    }

    #[test]
    fn a_first_push_takes_at_most_twenty_lines_of_code() {
        let text = include_str!("../../../examples/first_push.rs");
        let lines = lines_of_code(text);
        assert!(lines <= 20, "{lines} lines");
        assert!(text.contains("use offline_push::{prelude::*"));
    }

    #[test]
    fn lines_with_comments_alone_are_no_code() {
        let text = "//! A.\n#![allow(x)]\n\nuse a; // b\n/* c\n d */\nlet x = \"\n\";\n";
        assert_eq!(lines_of_code(text), 3);
    }

    #[test]
    fn the_documented_dependencies_are_those_of_the_first_comment() {
        let text = "//! Text.\n//!\n//! ```toml\n//! type = \"x\"\n//! ```\n//! ```toml\n//! [dependencies]\n//! a = \"1\"\n\
                    //!\n//! [dev-dependencies]\n//! b = \"2\"\n//! ```\n//! More.\nfn main() {}\n//! ```toml\n";
        let block = documented(text).expect("a block");
        assert_eq!(
            block,
            "[dependencies]\na = \"1\"\n\n[dev-dependencies]\nb = \"2\""
        );
        let manifest = Manifest::parse(&package("x", Path::new("/x.rs"), &block));
        assert_eq!(manifest.get("dev-dependencies", "b"), Some("2"));
        assert_eq!(
            manifest.get("lints.rust", "unused_crate_dependencies"),
            Some("deny")
        );
        assert_eq!(documented("//! Nothing.\n"), None);
    }

    #[test]
    fn a_mistake_that_compiles_or_is_not_explained_is_found() {
        let mut printed = String::new();
        for (name, _, expected) in MISTAKES {
            printed += &format!(
                "error: {expected}\nerror: could not compile `mistakes` (bin \"{name}\")\n"
            );
        }
        assert_eq!(missing(&printed), [""; 0]);
        let (name, _, expected) = MISTAKES[0];
        assert_eq!(missing(&printed.replace(expected, "")), [name]);
        assert_eq!(
            missing(&printed.replace(&format!("(bin \"{name}\")"), "")),
            [name]
        );
    }
}
