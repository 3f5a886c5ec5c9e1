//! The text that is generated from the list of plugin crates: the facade's features and dependencies,
//! `src/linked.rs`, and the table of plugins in `ARCHITECTURE.md`.

use std::{fs, io, path::Path};

use crate::{
    Result,
    manifest::Manifest,
    matrix::{closure, features_of},
    workspace::{FOREIGN, Kind, Member, Plugin, Role, Workspace},
};

/// The longest list of arguments that rustfmt leaves on one line.
const RUSTFMT_WIDTH: usize = 60;

/// A file that is not current, with its expected text.
#[derive(Debug)]
pub(crate) struct Stale {
    pub(crate) path: String,
    pub(crate) wanted: Wanted,
}

/// What a file must be.
#[derive(Debug)]
pub(crate) enum Wanted {
    Text(String),
    /// A link to this path, which is relative to the folder of the link, or a copy of that file.
    Link(String),
}

/// A file whose place for generated text is missing or broken, and why.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Compares every generated text with the files.
pub(crate) fn compare(workspace: &Workspace) -> Result<(Vec<Stale>, Vec<Broken>)> {
    let mut stale = Vec::new();
    let mut broken = Vec::new();
    let mut check = |path: &str, old: String, wanted: Result<String, String>| match wanted {
        Ok(wanted) if wanted == old => {}
        Ok(wanted) => stale.push(Stale {
            path: path.to_owned(),
            wanted: Wanted::Text(wanted),
        }),
        Err(reason) => broken.push(Broken {
            path: path.to_owned(),
            reason,
        }),
    };

    let old = workspace.read("Cargo.toml")?;
    let wanted = splice(&old, "features", &features(workspace))
        .and_then(|it| splice(&it, "dependencies", &dependencies(workspace)?))
        .and_then(|it| splice(&it, "dev-dependencies", &dev_dependencies(workspace)));
    // Of a plugin that is new, or gone, only the new text knows.
    let manifest = Manifest::parse(wanted.as_ref().unwrap_or(&old));
    check("Cargo.toml", old, wanted);

    let path = "src/linked.rs";
    let old = fs::read_to_string(workspace.root.join(path)).unwrap_or_default();
    check(path, old, Ok(linked(workspace)));

    // The page's list of plugins is optional, and must be current if it exists.
    let path = "ARCHITECTURE.md";
    let old = fs::read_to_string(workspace.root.join(path)).unwrap_or_default();
    if old.contains("begin generated: plugins") {
        let wanted = splice(&old, "plugins", &table(workspace));
        check(path, old, wanted);
    }
    // The facade's page lists its features.
    let path = "src/lib.rs";
    let old = fs::read_to_string(workspace.root.join(path)).unwrap_or_default();
    if old.contains("begin generated: features") {
        let wanted = splice(&old, "features", &feature_page(workspace, &manifest));
        check(path, old, wanted);
    }

    stale.extend(licences(workspace));
    Ok((stale, broken))
}

/// Returns the licences that packages lack. A package has only what is in its folder, and cargo follows links.
fn licences(workspace: &Workspace) -> Vec<Stale> {
    let mut stale = Vec::new();
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let Ok(licence) = workspace.read(name) else {
            continue;
        };
        for member in &workspace.members {
            let path = member.path(name);
            let is_there = || workspace.read(&path).is_ok_and(|text| text == licence);
            if member.folder.is_empty() || !member.is_published() || is_there() {
                continue;
            }
            let up = "../".repeat(member.folder.split('/').count());
            stale.push(Stale {
                path,
                wanted: Wanted::Link(format!("{up}{name}")),
            });
        }
    }
    stale
}

/// The rows of the facade's documentation: every feature and what it adds.
fn feature_page(workspace: &Workspace, manifest: &Manifest) -> String {
    let defaults = closure(manifest, &["default".to_owned()]);
    let mut text = "//!\n//! | feature | adds | default |\n//! |---|---|---|\n".to_owned();
    for choice in features_of(manifest) {
        let plugin = workspace
            .plugins()
            .find(|(plugin, _)| plugin.feature() == choice.name);
        let adds = match plugin {
            Some((_, member)) => member
                .manifest
                .get("package", "description")
                .unwrap_or_default()
                .to_owned(),
            None => manifest
                .get("package.metadata.features", &choice.name)
                .unwrap_or_default()
                .to_owned(),
        };
        let default = if defaults.contains(&choice.name) {
            "yes"
        } else {
            ""
        };
        text += &format!(
            "//! | `{}` | {} | {default} |\n",
            choice.name,
            adds.replace('|', "\\|")
        );
    }
    text + "//!\n"
}

/// Writes all generated text and returns the paths that changed.
pub(crate) fn fix(workspace: &Workspace) -> Result<Vec<String>> {
    let (stale, _) = compare(workspace)?;
    for it in &stale {
        let path = workspace.root.join(&it.path);
        match &it.wanted {
            Wanted::Text(text) => fs::write(path, text),
            Wanted::Link(target) => link(target, &path),
        }
        .map_err(|error| format!("{} cannot be written: {error}", it.path))?;
    }
    Ok(stale.into_iter().map(|it| it.path).collect())
}

/// Links `path` to `target`, in place of what is there.
fn link(target: &str, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(target, path);
    #[cfg(not(unix))]
    return fs::copy(path.parent().unwrap_or(path).join(target), path).map(drop);
}

/// Replaces the text between the lines `begin generated: PART` and `end generated: PART`.
pub(crate) fn splice(text: &str, part: &str, new: &str) -> Result<String, String> {
    let marks = |word: &str| {
        let mark = format!("{word} generated: {part}");
        let found: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| {
                line.split_once(&mark)
                    .is_some_and(|(_, rest)| !rest.starts_with(|it: char| it.is_alphanumeric()))
            })
            .map(|(at, _)| at)
            .collect();
        match found[..] {
            [at] => Ok(at),
            [] => Err(format!("there is no line with `{mark}`")),
            _ => Err(format!("there is more than one line with `{mark}`")),
        }
    };
    let (begin, end) = (marks("begin")?, marks("end")?);
    if end < begin {
        return Err(format!("`end generated: {part}` comes before its begin"));
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    Ok([&lines[..=begin].concat(), new, &lines[end..].concat()].concat())
}

fn features(workspace: &Workspace) -> String {
    let mut text = String::new();
    for (plugin, _) in workspace.plugins() {
        text += &format!("{} = [\"dep:{}\"]\n", plugin.feature(), plugin.package());
    }
    let simulators: String = workspace
        .plugins()
        .filter(|(_, member)| member.manifest.get("features", "simulator").is_some())
        .map(|(plugin, _)| format!("    \"{}?/simulator\",\n", plugin.package()))
        .collect();
    let break_ = if simulators.is_empty() { "" } else { "\n" };
    text + &format!("simulators = [{break_}{simulators}]\n")
}

fn dependencies(workspace: &Workspace) -> Result<String, String> {
    let version = workspace
        .facade()
        .manifest
        .get("workspace.package", "version")
        .ok_or("[workspace.package] has no version")?;
    let mut text = String::new();
    for (plugin, _) in workspace.plugins() {
        text += &format!(
            "{} = {{ path = \"{}\", version = \"{version}\", optional = true }}\n",
            plugin.package(),
            plugin.folder(),
        );
    }
    Ok(text)
}

/// Returns `true` if a provider's simulator is linked into the facade's tests.
pub(crate) fn is_simulated(plugin: &Plugin, member: &Member) -> bool {
    plugin.kind == Kind::Provider
        && member.manifest.get("features", "simulator").is_some()
        && !FOREIGN.contains(&plugin.feature().as_str())
}

/// The facade's tests depend on everything, so that it is compiled alike for every choice of features: without this,
/// each row of the matrix would compile tokio, hyper and their dependents again. It links nothing: a test
/// that does not name a crate does not have it.
fn dev_dependencies(workspace: &Workspace) -> String {
    let mut text = String::new();
    for member in &workspace.members {
        let wanted = match &member.role {
            Role::Gateway | Role::Client | Role::Http => true,
            Role::Plugin(plugin) => !FOREIGN.contains(&plugin.feature().as_str()),
            _ => false,
        };
        if wanted {
            // Each provider pushes to its simulator in every row.
            let simulator = match &member.role {
                Role::Plugin(plugin) if is_simulated(plugin, member) => {
                    ", features = [\"simulator\"]"
                }
                _ => "",
            };
            text += &format!(
                "{} = {{ path = \"{}\"{simulator} }}\n",
                member.package(),
                member.folder
            );
        }
    }
    text
}

fn linked(workspace: &Workspace) -> String {
    let plugins: Vec<&Plugin> = workspace.plugins().map(|(plugin, _)| plugin).collect();
    let each = |line: &dyn Fn(&Plugin) -> String| {
        let mut text = String::new();
        for plugin in &plugins {
            text += &format!(
                "    #[cfg(feature = \"{}\")]\n    {},\n",
                plugin.feature(),
                line(plugin)
            );
        }
        text
    };
    let builtin = each(&|it| {
        format!(
            "AnyDescriptor::{}(&{}::PLUGIN)",
            it.kind.variant(),
            it.ident()
        )
    });
    let expected = each(&|it| format!("\"{}\"", it.id()));
    let mut known = String::new();
    for plugin in &plugins {
        let pair = [plugin.id(), plugin.feature()].map(|it| format!("\"{it}\""));
        known += &if pair.join(", ").len() <= RUSTFMT_WIDTH {
            format!("    ({}),\n", pair.join(", "))
        } else {
            format!("    (\n        {},\n    ),\n", pair.join(",\n        "))
        };
    }
    let list = |rows: String| {
        if rows.is_empty() {
            "&[]".to_owned()
        } else {
            format!("&[\n{rows}]")
        }
    };
    let modules = Kind::ALL.map(|kind| module(kind, &plugins)).concat();
    format!(
        "\
//! Which plugins the enabled features link. Written by `cargo xtask tidy --fix`; do not edit.
//!
//! A plugin crate that nothing names is silently left out by the linker. Naming its descriptor here keeps
//! it, start-up code included, also in a program that never looks at this table.

use push_core::AnyDescriptor;

/// The descriptor of every plugin that the enabled features promise.
///
/// A static library has no start-up code that would collect them, so they are handed over here.
pub static BUILTIN: &[AnyDescriptor] = {};

/// The registry names that the enabled features promise; a registry that differs was linked wrongly.
pub const EXPECTED: &[&str] = {};

/// Every plugin of this workspace, enabled or not: its registry name and the feature that links it.
pub const KNOWN: &[(&str, &str)] = {};
{modules}",
        list(builtin),
        list(expected),
        list(known)
    )
}

/// The module that re-exports the crates of a kind; none if no plugin is of this kind.
fn module(kind: Kind, plugins: &[&Plugin]) -> String {
    // Empty lines between them: rustfmt would sort them by numbers.
    let of_kind: Vec<String> = plugins
        .iter()
        .filter(|plugin| plugin.kind == kind)
        .map(|plugin| {
            format!(
                "    #[cfg(feature = \"{}\")]\n    pub use {} as {};\n",
                plugin.feature(),
                plugin.ident(),
                plugin.name.replace('-', "_")
            )
        })
        .collect();
    if of_kind.is_empty() {
        return String::new();
    }
    format!(
        "\n/// The crates of the {} plugins that the features link, with their types.\npub mod {} {{\n{}}}\n",
        kind.word(),
        kind.word(),
        of_kind.join("\n")
    )
}

fn table(workspace: &Workspace) -> String {
    let mut text = "\n| folder | feature | what it is |\n|---|---|---|\n".to_owned();
    for (plugin, member) in workspace.plugins() {
        let what = member.manifest.get("package", "description");
        text += &format!(
            "| `{}` | `{}` | {} |\n",
            plugin.folder(),
            plugin.feature(),
            what.unwrap_or_default().replace('|', "\\|")
        );
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, process};

    use super::{compare, fix, linked, splice};
    use crate::workspace::fixture::Fixture;

    const FACADE: &str = "\
[workspace.package]
version = \"0.3.0\"
[package]
name = \"offline-push\"
[features]
# begin generated: features
stale = []
# end generated: features
[dependencies]
# begin generated: dependencies (cargo xtask tidy --fix)
# end generated: dependencies
[dev-dependencies]
# begin generated: dev-dependencies
# end generated: dev-dependencies
";

    fn some() -> Fixture {
        let it = Fixture::new();
        it.write("Cargo.toml", FACADE);
        it.add(
            "providers/apns",
            "push-provider-apns",
            "[features]\nsimulator = []\n",
        );
        it.add("providers/apns-a2", "push-provider-apns-a2", "");
        it.add("plugins/store-memory", "push-store-memory", "");
        it
    }

    #[test]
    fn only_what_lies_between_the_marks_changes() {
        let text = "a\n# begin generated: x (by us)\nold\n# end generated: x\nb\n";
        assert_eq!(
            splice(text, "x", "new\n").as_deref(),
            Ok("a\n# begin generated: x (by us)\nnew\n# end generated: x\nb\n")
        );
    }

    #[test]
    fn missing_double_and_crossed_marks_are_refused() {
        for text in [
            "",
            "# begin generated: x\n",
            "# end generated: x\n# begin generated: x\n",
            "# begin generated: x\n# begin generated: x\n# end generated: x\n",
            "# begin generated: xy\n# end generated: xy\n",
        ] {
            assert!(splice(text, "x", "new\n").is_err(), "{text}");
        }
    }

    #[test]
    fn generated_text_is_stale_until_fixed() {
        let it = some();
        let (stale, broken) = compare(&it.workspace()).expect("a comparison");
        assert_eq!((stale.len(), broken.len()), (2, 0));
        let changed = fix(&it.workspace()).expect("files can be written");
        assert_eq!(changed, ["Cargo.toml", "src/linked.rs"]);
        let (stale, broken) = compare(&it.workspace()).expect("a comparison");
        assert_eq!((stale.len(), broken.len()), (0, 0));

        let manifest = it.workspace().read("Cargo.toml").expect("the manifest");
        assert!(!manifest.contains("stale"), "{manifest}");
        for line in [
            "provider-apns = [\"dep:push-provider-apns\"]",
            "simulators = [\n    \"push-provider-apns?/simulator\",\n]",
            "push-store-memory = { path = \"plugins/store-memory\", version = \"0.3.0\", optional = true }",
            "push-provider-apns = { path = \"providers/apns\", features = [\"simulator\"] }",
            "push-store-memory = { path = \"plugins/store-memory\" }",
        ] {
            assert!(manifest.contains(line), "{line} in {manifest}");
        }

        fs::remove_dir_all(it.root.join("providers/apns")).expect("a folder to remove");
        assert_eq!(
            fix(&it.workspace()).expect("files can be written"),
            ["Cargo.toml", "src/linked.rs"]
        );
    }

    #[test]
    fn every_crate_has_the_licences_and_the_facade_lists_its_features() {
        let it = some();
        it.write("LICENSE-MIT", "MIT");
        it.write(
            "src/lib.rs",
            "//! <!-- begin generated: features -->\n//! <!-- end generated: features -->\n",
        );
        fix(&it.workspace()).expect("files can be written");
        let workspace = it.workspace();
        for folder in ["push-core", "providers/apns"] {
            let licence = workspace.read(&format!("{folder}/LICENSE-MIT"));
            assert_eq!(licence.expect("a licence"), "MIT");
        }
        assert!(workspace.read("LICENSE-APACHE").is_err());
        #[cfg(unix)]
        for (folder, target) in [
            ("push-core", "../LICENSE-MIT"),
            ("providers/apns", "../../LICENSE-MIT"),
        ] {
            let link = fs::read_link(workspace.root.join(folder).join("LICENSE-MIT"));
            assert_eq!(link.expect("a link").to_str(), Some(target));
        }
        // An old copy becomes a link.
        let copy = it.root.join("push-core/LICENSE-MIT");
        fs::remove_file(&copy).expect("the link");
        it.write("push-core/LICENSE-MIT", "old");
        assert_eq!(
            fix(&workspace).expect("a file can be replaced"),
            ["push-core/LICENSE-MIT"]
        );
        assert_eq!(fs::read_to_string(copy).expect("a licence"), "MIT");
        let page = workspace.read("src/lib.rs").expect("the facade");
        assert!(page.contains("//! | `store-memory` |"), "{page}");
        let (stale, _) = compare(&workspace).expect("a comparison");
        assert!(stale.is_empty(), "{stale:?}");
    }

    #[test]
    fn the_facade_must_keep_its_marks() {
        let it = some();
        it.write(
            "Cargo.toml",
            "[workspace.package]\nversion = \"1.0.0\"\n[package]\n",
        );
        let (_, broken) = compare(&it.workspace()).expect("a comparison");
        assert_eq!(broken.len(), 1);
        assert!(broken[0].reason.contains("begin generated: features"));
    }

    #[test]
    fn the_table_of_plugins_is_kept_where_it_is_wanted() {
        let it = some();
        it.write(
            "ARCHITECTURE.md",
            "# A\n<!-- begin generated: plugins -->\n<!-- end generated: plugins -->\n",
        );
        fix(&it.workspace()).expect("files can be written");
        let text = it.workspace().read("ARCHITECTURE.md").expect("the page");
        assert!(
            text.contains("| `plugins/store-memory` | `store-memory` |"),
            "{text}"
        );
    }

    #[test]
    fn rustfmt_has_nothing_to_say_about_the_generated_code() {
        let it = some();
        it.add("providers/a1-b", "push-provider-a1-b", "");
        it.add("plugins/ingress-a10", "push-ingress-a10", "");
        it.add("plugins/ingress-a9", "push-ingress-a9", "");
        it.add(
            "providers/abcdefghijklmnopqrstuvwx",
            "push-provider-abcdefghijklmnopqrstuvwx",
            "",
        );
        for workspace in [it.workspace(), Fixture::new().workspace()] {
            let text = linked(&workspace);
            let mut child = process::Command::new("rustfmt")
                .args(["--edition", "2024", "--emit", "stdout"])
                .stdin(process::Stdio::piped())
                .stdout(process::Stdio::piped())
                .spawn()
                .expect("rustfmt is installed");
            let mut stdin = child.stdin.take().expect("a pipe");
            stdin.write_all(text.as_bytes()).expect("rustfmt reads");
            drop(stdin);
            let output = child.wait_with_output().expect("rustfmt ends");
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }
}
