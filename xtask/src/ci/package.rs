//! The packages of the crates that are published: each compiles from what it contains, with no other crate's features.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::target_dir;
use crate::{Result, run, workspace::Workspace};

/// Packs every published crate, and checks each one alone, with its default features.
///
/// `cargo package` would check them as well, with a target directory for each: everything that they depend on would be
/// compiled seventeen times. Here the packages are unpacked into one workspace, whose crates take each other from there, and
/// which shares the lock file and the target directory of the repository.
pub(super) fn task(root: &Path) -> Result {
    let workspace = Workspace::at(root)?;
    let packages = published(&workspace)?;
    let target = target_dir(root)?;
    let mut pack = run::cargo(root);
    pack.args(["package", "--no-verify", "--allow-dirty", "--quiet"]);
    pack.args(packages.iter().map(|(name, _)| format!("--package={name}")));
    run::succeed(&mut pack)?;

    let dir = target.join("packages");
    if dir.exists() {
        fs::remove_dir_all(&dir)
            .map_err(|error| format!("{} cannot be removed: {error}", dir.display()))?;
    }
    unpack(&packages, &target.join("package"), &dir)?;
    for (name, folder) in folders(&packages) {
        let contents = Workspace {
            root: dir.join(&folder),
            members: Vec::new(),
            misplaced: Vec::new(),
        };
        complete(&name, &contents.files()?)?;
    }
    write(&dir.join("Cargo.toml"), &manifest(&packages, &workspace))?;
    write(&dir.join("Cargo.lock"), &workspace.read("Cargo.lock")?)?;
    let mut failed = Vec::new();
    for (name, _) in &packages {
        let mut check = run::cargo(&dir);
        check.env("CARGO_TARGET_DIR", &target);
        check.args(["check", "--quiet", "--package", name]);
        match run::succeed(&mut check) {
            Ok(()) => println!("{name}: ok"),
            Err(_) => failed.push(name.as_str()),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "packages that do not compile alone: {}; a file that `include` leaves out, a feature that only another crate \
         turns on, or a version that differs",
        failed.join(", ")
    )
    .into())
}

/// Returns name and version of the crates that are published.
fn published(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let shared = workspace
        .facade()
        .manifest
        .get("workspace.package", "version")
        .ok_or("[workspace.package] has no version")?;
    Ok(workspace
        .members
        .iter()
        .filter(|member| member.is_published())
        .map(|member| {
            let own = member.manifest.get("package", "version");
            (member.package(), own.unwrap_or(shared).to_owned())
        })
        .collect())
}

fn folders(packages: &[(String, String)]) -> impl Iterator<Item = (String, String)> {
    let folder = |(name, version): &(String, String)| (name.clone(), format!("{name}-{version}"));
    packages.iter().map(folder)
}

fn unpack(packages: &[(String, String)], from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to).map_err(|error| format!("{} cannot be made: {error}", to.display()))?;
    for (_, folder) in folders(packages) {
        let archive: PathBuf = from.join(format!("{folder}.crate"));
        let mut tar = Command::new("tar");
        tar.current_dir(to).arg("-xzf").arg(archive);
        run::succeed(&mut tar)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text)
        .map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

/// Returns the manifest of the workspace of packages. Its profile is ours, so that what was compiled before is used.
fn manifest(packages: &[(String, String)], workspace: &Workspace) -> String {
    let members: String = folders(packages)
        .map(|(_, folder)| format!("    \"{folder}\",\n"))
        .collect();
    let patches: String = folders(packages)
        .map(|(name, folder)| format!("{name} = {{ path = \"{folder}\" }}\n"))
        .collect();
    let profile: String = workspace
        .facade()
        .manifest
        .table("profile.dev")
        .map(|entry| format!("{} = {}\n", entry.key, entry.value))
        .collect();
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n[patch.crates-io]\n{patches}\n[profile.dev]\n{profile}"
    )
}

/// Checks that a package has what its users read, and nothing that they do not need.
fn complete(name: &str, contents: &[String]) -> Result {
    let needed = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|file| !contents.iter().any(|path| path == file))
        .collect();
    if !missing.is_empty() {
        return Err(format!("the package {name} lacks {}", missing.join(", ")).into());
    }
    // Other crates' tests are small, and packagers run them.
    let misplaced = match name {
        "offline-push" => misplaced(contents),
        _ => Vec::new(),
    };
    if misplaced.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the package {name} contains {}; correct `include` in Cargo.toml",
        misplaced.join(", ")
    )
    .into())
}

/// Returns the files of a package that its users do not need.
fn misplaced(contents: &[String]) -> Vec<&str> {
    let folders = ["tests/", ".ci/", ".github/", "xtask/", "fuzz/"];
    let is_misplaced = |path: &&str| folders.iter().any(|folder| path.starts_with(folder));
    contents
        .iter()
        .map(String::as_str)
        .filter(is_misplaced)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{complete, manifest, misplaced, published};
    use crate::workspace::fixture::Fixture;

    const FACADE: &str = "\
[workspace.package]
version = \"0.3.0\"
[package]
name = \"offline-push\"
[profile.dev]
debug = \"line-tables-only\"
";

    #[test]
    fn tests_and_continuous_integration_do_not_belong_in_a_package() {
        let contents = [
            "Cargo.toml",
            "src/lib.rs",
            "tests/cli.rs",
            ".ci/run",
            "examples/tests.rs",
        ];
        let contents = contents.map(str::to_owned);
        assert_eq!(misplaced(&contents), ["tests/cli.rs", ".ci/run"]);
    }

    #[test]
    fn a_package_without_a_licence_or_a_page_is_refused() {
        let mut contents = vec!["LICENSE-MIT".to_owned(), "README.md".to_owned()];
        let refused = format!("{:?}", complete("push-core", &contents));
        assert!(refused.contains("lacks LICENSE-APACHE"), "{refused}");
        contents.push("LICENSE-APACHE".to_owned());
        assert!(complete("push-core", &contents).is_ok());
        contents.push("tests/a.rs".to_owned());
        assert!(complete("push-core", &contents).is_ok());
        assert!(complete("offline-push", &contents).is_err());
    }

    #[test]
    fn packages_take_each_other_from_the_workspace_that_they_are_unpacked_into() {
        let it = Fixture::new();
        it.write("Cargo.toml", FACADE);
        it.add("providers/a", "push-provider-a", "");
        it.write(
            "push-core/Cargo.toml",
            "[package]\nname = \"push-core\"\npublish = false\n",
        );
        let workspace = it.workspace();
        let packages = published(&workspace).expect("versions");
        let names: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"offline-push") && names.contains(&"push-provider-a"));
        assert!(!names.contains(&"push-core"), "{names:?}");
        let text = manifest(&packages, &workspace);
        for line in [
            "    \"push-provider-a-0.3.0\",\n",
            "push-provider-a = { path = \"push-provider-a-0.3.0\" }\n",
            "[profile.dev]\ndebug = \"line-tables-only\"\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
