//! Which changes of the public API a version must announce.

use std::{path::Path, process::Command};

use crate::{Failure, Result, ci, run, tools, workspace::Workspace};

pub(crate) const HELP: &str = "\
cargo xtask semver [REVISION] [-p CRATE]...

Compares the public API of every published crate, or of the crates named, with that of the last release, and fails
if a version of `Cargo.toml` does not announce what changed: a removed function needs a new major version (0.2.0
after 0.1.3), an added one a minor version. Runs cargo-semver-checks, which is installed if it is missing.

The last release is the newest tag like `v0.1.0` in the history. REVISION is another revision of git to compare with.
Without a tag and without a revision there is nothing to compare with, which is no error. A crate that is new
since then is only named.
";

/// How the tags of releases begin.
const TAGS: &str = "v[0-9]*";

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let (given, chosen) = read(args)?;
    let workspace = Workspace::at(root)?;
    let published: Vec<(String, String)> = workspace
        .members
        .iter()
        .filter(|member| member.is_published())
        .map(|member| (member.package(), member.path("Cargo.toml")))
        .collect();
    if let Some(unknown) = chosen
        .iter()
        .find(|name| !published.iter().any(|(it, _)| it == *name))
    {
        let names: Vec<&str> = published.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Failure::Usage(format!(
            "`{unknown}` is not a crate that is published; these are: {}",
            names.join(", ")
        )));
    }
    let baseline = match given {
        Some(revision) => {
            commit(root, revision)?;
            revision.to_owned()
        }
        None => match last_release(root) {
            Some(tag) => tag,
            None => {
                println!(
                    "nothing was compared: no release has been tagged yet (`{TAGS}`); name a revision, as in `cargo \
                     xtask semver HEAD~10`"
                );
                return Ok(());
            }
        },
    };
    let wanted = published
        .iter()
        .filter(|(name, _)| chosen.is_empty() || chosen.contains(&name.as_str()));
    // A crate that is new has no API to compare with.
    let (old, new): (Vec<_>, Vec<_>) =
        wanted.partition(|(_, manifest)| exists(root, &baseline, manifest));
    for (name, _) in new {
        println!("{name}: new since {baseline}");
    }
    if old.is_empty() {
        println!("nothing was compared: no such crate exists in {baseline}");
        return Ok(());
    }
    tools::require(root, &tools::SEMVER)?;
    println!("the API is compared with that of {baseline}");
    // Of its own, because both revisions are documented with it.
    let target = ci::target_dir(root)?.join("semver");
    let mut check = run::cargo(root);
    check.env("CARGO_TARGET_DIR", target);
    check.args(["semver-checks", "check-release", "--all-features"]);
    check.args(["--baseline-rev", &baseline]);
    for (name, _) in old {
        check.args(["--package", name]);
    }
    run::succeed(&mut check)
}

/// Returns the revision, if one is given, and the crates.
fn read<'a>(args: &[&'a str]) -> Result<(Option<&'a str>, Vec<&'a str>)> {
    let (mut revision, mut crates) = (None, Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "-p" | "--package" => match rest.next() {
                Some(name) => crates.push(*name),
                None => return Err(Failure::Usage("-p wants the name of a crate".to_owned())),
            },
            word if revision.is_none() && !word.starts_with('-') => revision = Some(word),
            word => {
                return Err(Failure::Usage(format!(
                    "semver takes one revision and `-p CRATE`, and not `{word}`; see `cargo xtask semver --help`"
                )));
            }
        }
    }
    Ok((revision, crates))
}

fn git(root: &Path, args: &[&str]) -> Result<String> {
    run::stdout_of(Command::new("git").current_dir(root).args(args))
}

/// Checks that git knows the revision: the tool would say so only after minutes.
fn commit(root: &Path, revision: &str) -> Result {
    let name = format!("{revision}^{{commit}}");
    match git(root, &["rev-parse", "--verify", "--quiet", &name]) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "git knows no revision `{revision}`; in a shallow clone, fetch it first: git fetch --unshallow --tags"
        )
        .into()),
    }
}

/// Returns `true` if the file is in that revision.
fn exists(root: &Path, revision: &str, path: &str) -> bool {
    git(root, &["cat-file", "-e", &format!("{revision}:{path}")]).is_ok()
}

/// Returns the newest tag of a release in the history.
fn last_release(root: &Path) -> Option<String> {
    let tag = git(root, &["describe", "--tags", "--abbrev=0", "--match", TAGS]);
    tag.ok().map(|tag| tag.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Failure, commit, exists, last_release, read, task};
    use crate::workspace::fixture::Fixture;

    fn git(it: &Fixture, args: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(&it.root);
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]);
        let output = command.args(args).output().expect("git is installed");
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    fn committed() -> Fixture {
        let it = Fixture::new();
        git(&it, &["init", "--quiet"]);
        git(&it, &["add", "."]);
        git(&it, &["commit", "--quiet", "--message=a"]);
        it
    }

    #[test]
    fn without_a_release_nothing_is_compared_and_that_is_no_error() {
        let it = committed();
        assert_eq!(last_release(&it.root), None);
        assert!(task(&it.root, &[]).is_ok());
        git(&it, &["tag", "nightly"]);
        assert_eq!(last_release(&it.root), None);
    }

    #[test]
    fn the_newest_release_of_the_history_is_compared_with() {
        let it = committed();
        git(&it, &["tag", "v0.1.0"]);
        it.write("a", "a");
        git(&it, &["add", "."]);
        git(&it, &["commit", "--quiet", "--message=b"]);
        assert_eq!(last_release(&it.root).as_deref(), Some("v0.1.0"));
        git(&it, &["tag", "v0.2.0"]);
        assert_eq!(last_release(&it.root).as_deref(), Some("v0.2.0"));
    }

    #[test]
    fn a_crate_that_is_new_is_not_compared() {
        let it = committed();
        git(&it, &["tag", "v0.1.0"]);
        it.add("providers/acme", "push-provider-acme", "");
        assert!(exists(&it.root, "v0.1.0", "push-core/Cargo.toml"));
        assert!(!exists(&it.root, "v0.1.0", "providers/acme/Cargo.toml"));
        assert!(task(&it.root, &["-p", "push-provider-acme"]).is_ok());
    }

    #[test]
    fn what_is_not_known_is_refused_before_anything_is_built() {
        let it = committed();
        assert!(commit(&it.root, "HEAD").is_ok());
        assert!(matches!(
            task(&it.root, &["no-such-tag"]),
            Err(Failure::Task(text)) if text.contains("no-such-tag")
        ));
        assert!(matches!(
            task(&it.root, &["-p", "push-bindings-generator"]),
            Err(Failure::Usage(text)) if text.contains("push-core")
        ));
        for args in [&["-p"][..], &["--all"], &["a", "b"]] {
            assert!(matches!(read(args), Err(Failure::Usage(_))), "{args:?}");
        }
        let (revision, crates) = read(&["HEAD", "-p", "push-core"]).expect("both");
        assert_eq!((revision, &crates[..]), (Some("HEAD"), &["push-core"][..]));
    }
}
