//! Removes a plugin's crate with its wiring: the way back from `new-provider` and `new-plugin`.

use std::{fs, path::Path};

use crate::{
    Failure, Result, generate, run,
    source::layers,
    tidy,
    workspace::{Kind, Plugin, Workspace},
};

pub(crate) const HELP: &str = "\
cargo xtask remove NAME

Undoes `new-provider` and `new-plugin`: takes the plugin's folder away, and its features, dependencies and rows out of
the generated text, the counts of words and Cargo.lock. NAME is the plugin's feature, as in `provider-acme` or
`store-redis`; a provider's own name, as in `acme`, is enough.

    cargo xtask new-provider acme
    cargo xtask remove acme

The folder is moved to target/removed, so that work in it is not lost. A plugin that other code, features or stacks
name is not removed; the places are printed.
";

pub(crate) fn task(root: &Path, args: &[&str]) -> Result {
    let [name] = args else {
        return Err(Failure::Usage("remove wants one name".to_owned()));
    };
    let workspace = Workspace::at(root)?;
    let plugin = named(&workspace, name)?;
    let (code, pages) = mentions(&workspace, &plugin)?;
    if !code.is_empty() {
        return Err(format!(
            "{} is used elsewhere, so it stays; change these first:\n    {}",
            plugin.folder(),
            code.join("\n    ")
        )
        .into());
    }
    let kept = set_aside(root, &plugin)?;
    println!("moved {} to {kept}", plugin.folder());
    let workspace = Workspace::at(root)?;
    let mut changed = generate::fix(&workspace)?;
    changed.extend(tidy::lower_counts(&workspace)?);
    for path in changed {
        println!("wired {path}");
    }
    // Cargo drops the packages that nothing needs any more.
    let locked =
        run::stdout_of(run::cargo(root).args(["update", "--workspace", "--offline", "--quiet"]));
    if locked.is_err() {
        println!("note: Cargo.lock is not current; the next `cargo check` writes it");
    }
    for page in pages {
        println!("note: {page} still names it");
    }
    Ok(())
}

/// The plugin that a command line names.
fn named(workspace: &Workspace, name: &str) -> Result<Plugin> {
    let found = workspace.plugins().find(|(plugin, _)| {
        plugin.feature() == name || (plugin.kind == Kind::Provider && plugin.name == name)
    });
    found.map(|(plugin, _)| plugin.clone()).ok_or_else(|| {
        let all: Vec<String> = workspace
            .plugins()
            .map(|(plugin, _)| plugin.feature())
            .collect();
        Failure::Usage(format!(
            "there is no plugin `{name}`; there are {}",
            all.join(", ")
        ))
    })
}

/// The places outside of the plugin's folder and of generated text that need it, as code and manifests do, and the
/// pages that name its folder. Comments and strings in code need nothing: the usual name of an example is in many.
fn mentions(workspace: &Workspace, plugin: &Plugin) -> Result<(Vec<String>, Vec<String>)> {
    let (mut code, mut pages) = (Vec::new(), Vec::new());
    let inside = format!("{}/", plugin.folder());
    let files = workspace.files()?;
    let others = with_package_of_that_name(workspace, &files, plugin);
    for path in files {
        let is_rust = path.ends_with(".rs");
        let is_manifest = path.ends_with("Cargo.toml") && !path.starts_with("xtask/templates/");
        if path.starts_with(&inside)
            || others.iter().any(|folder| path.starts_with(folder))
            || path == "src/linked.rs"
            || !(is_rust || is_manifest || path.ends_with(".md"))
        {
            continue;
        }
        let Ok(text) = workspace.read(&path) else {
            continue;
        };
        let bare = if is_rust {
            layers(&text).code
        } else {
            text.clone()
        };
        let needs = |line: &str| match () {
            () if is_rust => has_name(line, &plugin.ident()),
            () if is_manifest => has_name(
                line.split('#').next().unwrap_or_default(),
                &plugin.feature(),
            ),
            () => false,
        };
        let bare: Vec<&str> = bare.lines().collect();
        for (at, line) in written_by_hand(&text) {
            let bare = bare.get(at - 1).copied().unwrap_or_default();
            if needs(bare) {
                code.push(format!("{path}:{at}"));
            } else if !is_rust && has_name(line, &plugin.folder()) {
                pages.push(format!("{path}:{at}"));
            }
        }
    }
    Ok((code, pages))
}

/// The folders of workspaces of their own that have a package of the plugin's name: what they name is that one.
fn with_package_of_that_name(
    workspace: &Workspace,
    files: &[String],
    plugin: &Plugin,
) -> Vec<String> {
    let package = format!("name = \"push-{}\"", plugin.feature());
    let manifests = || files.iter().filter(|path| path.ends_with("/Cargo.toml"));
    let has = |path: &String, line: &str| {
        let text = workspace.read(path).unwrap_or_default();
        text.lines().any(|it| it.trim() == line)
    };
    manifests()
        .filter(|path| has(path, "[workspace]"))
        .filter_map(|path| path.strip_suffix("Cargo.toml"))
        .filter(|folder| manifests().any(|path| path.starts_with(folder) && has(path, &package)))
        .map(str::to_owned)
        .collect()
}

/// The lines that are not between the marks of generated text, with their numbers.
fn written_by_hand(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_generated = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        is_generated |= line.contains("begin generated: ");
        let kept = (!is_generated).then_some((at + 1, line));
        is_generated &= !line.contains("end generated: ");
        kept
    })
}

/// Whether `line` has `name` that ends there: `provider-acme` is a part of `push-provider-acme`, but not of
/// `provider-acme-two`.
fn has_name(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let after = line[at + name.len()..].chars().next();
        let before = line[..at].chars().next_back();
        !after.is_some_and(|it| it.is_alphanumeric() || it == '-' || it == '_')
            && !before.is_some_and(char::is_alphanumeric)
    })
}

/// Moves the folder below `target`, and returns the path there.
fn set_aside(root: &Path, plugin: &Plugin) -> Result<String> {
    let removed = Path::new("target").join("removed");
    let to = (0..)
        .map(|count| match count {
            0 => removed.join(plugin.feature()),
            _ => removed.join(format!("{}-{count}", plugin.feature())),
        })
        .find(|path| !root.join(path).exists())
        .unwrap_or_default();
    fs::create_dir_all(root.join(&removed))
        .and_then(|()| fs::rename(root.join(plugin.folder()), root.join(&to)))
        .map_err(|error| format!("{} cannot be moved: {error}", plugin.folder()))?;
    Ok(to.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{has_name, task};
    use crate::{Failure, new, workspace::fixture::Fixture};

    const FACADE: &str = "\
[workspace.package]
version = \"0.1.0\"
[package]
name = \"offline-push\"
[features]
demo = []
# begin generated: features
# end generated: features
[dependencies]
# begin generated: dependencies
# end generated: dependencies
[dev-dependencies]
# begin generated: dev-dependencies
# end generated: dev-dependencies
";

    fn git(it: &Fixture, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(&it.root)
            .args(["-c", "user.name=x", "-c", "user.email=x@example.com"])
            .args(args)
            .output()
            .expect("git is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn some() -> Fixture {
        let it = Fixture::new();
        it.write("Cargo.toml", FACADE);
        it.write(".gitignore", "/target\n");
        it.add("plugins/store-memory", "push-store-memory", "");
        crate::generate::fix(&it.workspace()).expect("files can be written");
        git(&it, &["init", "--quiet"]);
        git(&it, &["add", "--all"]);
        git(&it, &["commit", "--quiet", "--message=x"]);
        it
    }

    #[test]
    fn after_new_and_remove_nothing_has_changed() {
        let it = some();
        // What only speaks of it does not keep it.
        it.write("push-core/src/lib.rs", "//! See `push_provider_acme`.\n");
        // A workspace of its own with a package of the same name names that one.
        let other = "examples/other";
        it.write(
            &format!("{other}/Cargo.toml"),
            "[workspace]\nmembers = [\"acme\"]\n",
        );
        it.write(
            &format!("{other}/acme/Cargo.toml"),
            "[package]\nname = \"push-provider-acme\"\n",
        );
        it.write(&format!("{other}/app.rs"), "use push_provider_acme as _;\n");
        git(&it, &["add", "--all"]);
        git(&it, &["commit", "--quiet", "--all", "--message=y"]);
        new::provider(&it.root, &["acme", "--auth", "sign"]).expect("a new provider");
        new::plugin(&it.root, &["store-red"]).expect("a new store");
        assert_ne!(git(&it, &["status", "--porcelain"]), "");
        task(&it.root, &["acme"]).expect("it was there");
        task(&it.root, &["store-red"]).expect("it was there");
        assert_eq!(git(&it, &["status", "--porcelain"]), "");
        assert!(
            it.root
                .join("target/removed/provider-acme/src/lib.rs")
                .is_file()
        );
    }

    #[test]
    fn a_plugin_that_is_used_stays_and_the_places_are_named() {
        let it = some();
        new::provider(&it.root, &["acme"]).expect("a new provider");
        let manifest = it.workspace().read("Cargo.toml").expect("the manifest");
        it.write(
            "Cargo.toml",
            &manifest.replace("demo = []", "demo = [\"provider-acme\"]"),
        );
        it.write(
            "tests/acme.rs",
            "// push_provider_acme\nuse push_provider_acme as _;\n",
        );
        let Err(Failure::Task(text)) = task(&it.root, &["provider-acme"]) else {
            panic!("it is used");
        };
        assert!(
            text.contains("Cargo.toml:6\n") && text.ends_with("tests/acme.rs:2"),
            "{text}"
        );
        assert!(it.root.join("providers/acme").is_dir());
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_exist() {
        for args in [&[][..], &["acme"], &["a", "b"]] {
            assert!(
                matches!(task(&some().root, args), Err(Failure::Usage(_))),
                "{args:?}"
            );
        }
    }

    #[test]
    fn a_name_is_not_a_part_of_a_longer_one() {
        assert!(has_name("push-provider-acme = 1", "provider-acme"));
        assert!(has_name("[\"provider-acme\"]", "provider-acme"));
        assert!(!has_name("provider-acme-two", "provider-acme"));
        assert!(!has_name("xprovider-acme", "provider-acme"));
    }
}
