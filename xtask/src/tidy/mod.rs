//! What a reviewer would otherwise have to look for by eye.

mod book;
mod circles;
mod closed;
mod counts;
mod crates;
mod debug_text;
mod engines;
mod floor_plan;
mod graph;
mod imports;
mod language;
mod paths;
mod sources;
mod type_names;
mod vendors;

use std::path::Path;

use crate::{Failure, Result, generate, workspace::Workspace};

pub(crate) const HELP: &str = "\
cargo xtask tidy [--fix]

Checks, and prints every finding with its file and remedy:

  crates    folder, package, feature and registry name agree, `NAME` included; workspace lints; description and crate
            docs; every plugin registers itself and passes its kind's conformance tests
  text      generated parts of Cargo.toml, src/linked.rs and ARCHITECTURE.md are current
  imports   push-core imports nothing of ours; plugins never each other nor a half of the product;
            gateway and client no plugin; bindings what phones carry; only push-http knows TLS; all crates can
            be published in some order
  circles   no file of a crate imports a file that imports it, directly or by way of others
  engines   an engine that brings a TLS stack of its own is in no default, feature, stack or example; cargo-deny
            leaves out these and nothing else
  graph     push-core pulls in no HTTP client, TLS, database or runtime; the app half nothing of a server;
            one TLS stack in the product
  sources   no skipped, unfinished or sleeping code; features add items and change none; no path of one
            machine; test names of at most 80 characters; long files (a warning)
  closed    no public struct or enum is closed to new fields or variants without a reason
  debug     no text for users is written with `{:?}`
  types     no text for users names a type or a path of Rust
  vendors   the shared crates name no vendor beyond the counts in xtask/vendor-words.txt, which only fall
  language  no file has more discouraged words than xtask/discouraged-words.txt says; the counts only fall
  paths     the configuration of a plugin has no path that starts at the working directory
  floor     every vendor's crate has the same modules and exports its plugin and provider
  book      ARCHITECTURE.md names every crate

--fix first writes the generated text and lowers the counts of vendor names and discouraged words. Exit code 1 if anything is found.
";

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) warnings: Vec<String>,
}

/// Something wrong in one file, and what mends it.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) wrong: String,
    pub(crate) remedy: String,
}

impl Report {
    pub(crate) fn wrong(
        &mut self,
        path: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(Finding {
            path: path.into(),
            wrong: wrong.into(),
            remedy: remedy.into(),
        });
    }
}

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let mend = match args {
        [] => false,
        ["--fix"] => true,
        _ => {
            return Err(Failure::Usage(
                "tidy takes nothing but `--fix`; see `cargo xtask tidy --help`".to_owned(),
            ));
        }
    };
    if mend {
        for path in fix(root)? {
            println!("wrote {path}");
        }
    }
    // Read after the repair: features of a folder that is gone would be asked for below.
    let workspace = Workspace::at(root)?;
    let mut report = Report::default();
    crates::check(&workspace, &mut report)?;
    engines::check(&workspace, &mut report)?;
    generated(&workspace, &mut report)?;
    imports::check(&workspace, &mut report);
    circles::check(&workspace, &mut report)?;
    sources::check(&workspace, &mut report)?;
    debug_text::check(&workspace, &mut report)?;
    closed::check(&workspace, &mut report)?;
    type_names::check(&workspace, &mut report)?;
    vendors::check(&workspace, &mut report)?;
    language::check(&workspace, &mut report)?;
    paths::check(&workspace, &mut report)?;
    floor_plan::check(&workspace, &mut report)?;
    book::check(&workspace, &mut report);
    // A manifest that is not current makes cargo answer with a riddle; the finding above is the answer.
    match graph::check(&workspace, &mut report) {
        Err(Failure::Task(words) | Failure::Usage(words)) if !report.findings.is_empty() => {
            report
                .warnings
                .push(format!("the dependency graph was not checked: {words}"));
        }
        done => done?,
    }
    print(&report)
}

/// Writes what is generated, and returns the paths that changed.
fn fix(root: &Path) -> Result<Vec<String>> {
    let workspace = Workspace::at(root)?;
    let mut written = generate::fix(&workspace)?;
    written.extend(lower_counts(&workspace)?);
    Ok(written)
}

/// Lowers the counts of words to those of the files, and returns the paths that changed.
pub(crate) fn lower_counts(workspace: &Workspace) -> Result<Vec<String>> {
    let lists = [vendors::fix(workspace)?, language::fix(workspace)?];
    Ok(lists.into_iter().flatten().collect())
}

fn generated(workspace: &Workspace, report: &mut Report) -> Result {
    let (stale, broken) = generate::compare(workspace)?;
    for it in stale {
        report.wrong(
            it.path,
            "the generated text is not current",
            "run `cargo xtask tidy --fix`",
        );
    }
    for it in broken {
        report.wrong(
            it.path,
            format!("there is no place for generated text: {}", it.reason),
            "put the two comment lines `begin generated: PART` and `end generated: PART` back",
        );
    }
    Ok(())
}

fn print(report: &Report) -> Result {
    for it in &report.warnings {
        println!("warning: {it}");
    }
    for it in &report.findings {
        println!("{}: {}\n    {}", it.path, it.wrong, it.remedy);
    }
    match report.findings.len() {
        0 => {
            println!("tidy");
            Ok(())
        }
        1 => Err("one finding".into()),
        count => Err(format!("{count} findings").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Report, fix, generated};
    use crate::{manifest::Manifest, matrix::features_of, workspace::fixture::Fixture};

    const FACADE: &str = "\
[workspace.package]
version = \"0.1.0\"
[package]
name = \"offline-push\"
[features]
# begin generated: features
# end generated: features
[dependencies]
# begin generated: dependencies
# end generated: dependencies
[dev-dependencies]
# begin generated: dev-dependencies
# end generated: dev-dependencies
";

    #[test]
    fn a_deleted_plugin_is_gone_after_one_repair() {
        let it = Fixture::new();
        it.write("Cargo.toml", FACADE);
        it.add("providers/acme", "push-provider-acme", "");
        it.add("plugins/store-memory", "push-store-memory", "");
        it.write("xtask/vendor-words.txt", "2 push-core/src/gone.rs\n");
        fix(&it.root).expect("files can be written");
        fs::remove_dir_all(it.root.join("providers/acme")).expect("a folder to remove");
        fix(&it.root).expect("files can be written");
        let workspace = it.workspace();
        let mut report = Report::default();
        generated(&workspace, &mut report).expect("a comparison");
        assert!(report.findings.is_empty(), "{report:?}");
        let manifest = Manifest::read(&it.root.join("Cargo.toml")).expect("the manifest");
        let features: Vec<String> = features_of(&manifest)
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(features, ["store-memory", "simulators"]);
        assert!(
            !fs::read_to_string(it.root.join("xtask/vendor-words.txt"))
                .is_ok_and(|it| it.contains("gone"))
        );
    }
}
