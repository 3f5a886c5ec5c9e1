//! The crates that `new-provider` and `new-plugin` write, checked as the crates of the repository are.
use std::{collections::BTreeSet, fs, io, path::Path};

use super::target_dir;
use crate::{Result, new, run, tidy, workspace::Workspace};

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
    share_dependencies(&workspace, &built.join("debug"), &target.join("debug"))?;
    for path in workspace.files()? {
        let to = copy.join(&path);
        to.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::copy(root.join(&path), &to).map(|_| ()))
            .map_err(|error| format!("{path} cannot be copied: {error}"))?;
    }
    let features = [
        "provider-sample-one",
        "provider-sample-two",
        "provider-sample-three",
        "ingress-sample",
        "login-sample",
        "queue-sample",
        "store-sample",
    ];
    for feature in features {
        match feature.strip_prefix("provider-") {
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
    run::succeed(&mut cargo(&[
        "check",
        "--quiet",
        "--package=offline-push",
        "--lib",
        "--no-default-features",
        &format!("--features={}", features.join(",")),
    ]))?;
    let packages = features.map(|it| format!("--package=push-{it}"));
    let cargo = |args: &[&str]| {
        let mut command = cargo(args);
        command.args(&packages);
        command
    };
    run::succeed(&mut cargo(&["fmt", "--check"]))?;
    run::succeed(
        cargo(&["clippy", "--quiet", "--no-deps", "--all-targets"]).args(["--", "-Dwarnings"]),
    )?;
    run::succeed(&mut cargo(&["test", "--quiet"]))
}

/// Links what was built of other people's crates from one target directory into another, so that they are not compiled again.
/// Crates of the workspace are left out.
fn share_dependencies(workspace: &Workspace, from: &Path, to: &Path) -> Result {
    let own: BTreeSet<String> = workspace
        .members
        .iter()
        .map(|member| member.package())
        .collect();
    link_dependencies(&own, from, to).map_err(|error| {
        format!(
            "{} cannot be linked into {}: {error}",
            from.display(),
            to.display()
        )
        .into()
    })
}

/// Every unit of cargo has a hash, which ends the names of its fingerprint (with its package), of its files in `deps` and of
/// its build directory.
fn link_dependencies(own: &BTreeSet<String>, from: &Path, to: &Path) -> io::Result<()> {
    let units: BTreeSet<String> = names(&from.join(".fingerprint"))?
        .into_iter()
        .filter_map(|name| {
            let (package, hash) = name.rsplit_once('-')?;
            (!own.contains(package)).then(|| hash.to_owned())
        })
        .collect();
    for folder in [".fingerprint", "build", "deps"] {
        for name in names(&from.join(folder))? {
            let stem = name.split('.').next().unwrap_or(&name);
            let is_shared = stem
                .rsplit_once('-')
                .is_some_and(|(_, hash)| units.contains(hash));
            if is_shared {
                link(&from.join(folder).join(&name), &to.join(folder).join(&name))?;
            }
        }
    }
    Ok(())
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Links a file, or a folder with everything in it. What is there already stays.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        for name in names(from)? {
            link(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if to.exists() {
        return Ok(());
    }
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::hard_link(from, to)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, fs, process};

    use super::link_dependencies;

    #[test]
    fn what_was_built_of_dependencies_is_shared_and_our_own_is_not() {
        let dir = env::temp_dir().join(format!("xtask-shared-{}", process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        for file in [
            ".fingerprint/serde-0a/lib-serde",
            ".fingerprint/push-core-0b/lib-push_core",
            "deps/libserde-0a.rlib",
            "deps/serde-0a.d",
            "deps/libpush_core-0b.rlib",
            "build/serde-0a/out/generated.rs",
        ] {
            let file = from.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(file, "x").expect("a file");
        }
        let own = BTreeSet::from(["push-core".to_owned()]);
        for _ in 0..2 {
            link_dependencies(&own, &from, &to).expect("links");
        }
        assert!(to.join(".fingerprint/serde-0a/lib-serde").exists());
        assert!(to.join("deps/libserde-0a.rlib").exists());
        assert!(to.join("deps/serde-0a.d").exists());
        assert!(to.join("build/serde-0a/out/generated.rs").exists());
        assert!(!to.join("deps/libpush_core-0b.rlib").exists());
        assert!(!to.join(".fingerprint/push-core-0b").exists());
        fs::remove_dir_all(dir).expect("removed");
    }
}
