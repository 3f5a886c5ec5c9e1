//! Copies of the repository, in which a task may change files, and what was built for them.
use std::{collections::BTreeSet, fs, io, path::Path};

use crate::{Result, workspace::Workspace};

/// Makes the files of `to` those of the workspace. What is equal is not written again, so that cargo does not build it again.
pub(crate) fn files(workspace: &Workspace, to: &Path) -> Result {
    let wanted: BTreeSet<String> = workspace.files()?.into_iter().collect();
    for path in &wanted {
        write(&workspace.root.join(path), &to.join(path))
            .map_err(|error| format!("{path} cannot be copied: {error}"))?;
    }
    remove_others(to, "", &wanted)
        .map_err(|error| format!("{} cannot be tidied up: {error}", to.display()).into())
}

/// Returns the files of the workspace that `copy` does not have, or has with another text, and those that only `copy` has.
pub(crate) fn differences(workspace: &Workspace, copy: &Path) -> Result<Vec<String>> {
    let mut paths: BTreeSet<String> = workspace.files()?.into_iter().collect();
    let all = Workspace {
        root: copy.to_owned(),
        members: Vec::new(),
        misplaced: Vec::new(),
    };
    paths.extend(all.files()?);
    let mut different = Vec::new();
    for path in paths {
        let read = |root: &Path| fs::read(root.join(&path)).ok();
        if read(&workspace.root) != read(copy) {
            different.push(path);
        }
    }
    Ok(different)
}

fn write(from: &Path, to: &Path) -> io::Result<()> {
    let text = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == text) {
        return Ok(());
    }
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    // With its permissions.
    fs::copy(from, to).map(drop)
}

/// Removes the files below `folder` that are not `wanted`, except what builds leave behind.
fn remove_others(root: &Path, folder: &str, wanted: &BTreeSet<String>) -> io::Result<()> {
    for name in names(&root.join(folder))? {
        let path = match folder {
            "" => name,
            _ => format!("{folder}/{name}"),
        };
        let full = root.join(&path);
        if full.is_dir() {
            if !path.ends_with("target") {
                remove_others(root, &path, wanted)?;
            }
        } else if !wanted.contains(&path) {
            fs::remove_file(full)?;
        }
    }
    Ok(())
}

/// Links what was built of other people's crates from one target directory into another, so that they are not compiled again.
/// Crates of the workspace are left out.
pub(crate) fn dependencies(workspace: &Workspace, from: &Path, to: &Path) -> Result {
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

    use super::{link_dependencies, remove_others, write};

    #[test]
    fn a_copy_has_the_files_of_the_original_and_no_other() {
        let dir = env::temp_dir().join(format!("xtask-copied-{}", process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        for file in [
            "to/a/old.rs",
            "to/target/built",
            "to/a/same.rs",
            "from/a/same.rs",
        ] {
            let file = dir.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(file, "x").expect("a file");
        }
        let changed = |path: &str| fs::metadata(to.join(path)).and_then(|file| file.modified());
        let before = changed("a/same.rs").expect("a time");
        fs::write(from.join("new.rs"), "y").expect("a file");
        for file in ["a/same.rs", "new.rs"] {
            write(&from.join(file), &to.join(file)).expect("a copy");
        }
        let wanted = BTreeSet::from(["a/same.rs".to_owned(), "new.rs".to_owned()]);
        remove_others(&to, "", &wanted).expect("removed");
        assert_eq!(changed("a/same.rs").expect("a time"), before);
        assert_eq!(fs::read(to.join("new.rs")).expect("a file"), b"y");
        assert!(to.join("target/built").exists());
        assert!(!to.join("a/old.rs").exists());
        fs::remove_dir_all(dir).expect("removed");
    }

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
