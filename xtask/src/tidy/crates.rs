//! Each crate by itself: its name, its manifest, its documentation, its conformance tests.

use std::collections::BTreeSet;

use super::Report;
use crate::{
    Result,
    source::layers,
    workspace::{FOREIGN, Kind, Member, Plugin, Role, Workspace},
};

/// What every crate takes from the workspace.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

/// What every crate that is published takes from the workspace besides.
const PUBLISHED: &[&str] = &["repository", "keywords", "categories"];

/// A description shorter than this says nothing.
const SHORTEST_DESCRIPTION: usize = 20;

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for (folder, reason) in &workspace.misplaced {
        report.wrong(
            folder,
            format!("this folder is no plugin: {reason}"),
            "rename or remove it; `cargo xtask new-provider` and `new-plugin` make right ones",
        );
    }
    let files = workspace.files()?;
    let macros = conformance_macros(workspace, &files)?;
    for member in &workspace.members {
        manifest(member, report);
        let is_published = member.manifest.get("package", "publish") != Some("false");
        if is_published && !files.contains(&member.path("README.md")) {
            report.wrong(
                member.path("README.md"),
                "the crate has no page for its users",
                "write what it is for and how it is enabled",
            );
        }
        let path = member.path("src/lib.rs");
        let Ok(library) = workspace.read(&path) else {
            report.wrong(path, "the crate has no library", "write src/lib.rs");
            continue;
        };
        if !library
            .lines()
            .find(|it| !it.trim().is_empty() && !it.starts_with("#!["))
            .is_some_and(|it| it.starts_with("//!"))
        {
            report.wrong(
                path,
                "the crate has no documentation of its own",
                "start the file with `//!` and one sentence that says what the crate is for",
            );
        }
        match &member.role {
            Role::Facade => facade(&library, report),
            Role::Plugin(it) => plugin(workspace, &files, &macros, it, member, &library, report)?,
            _ => {}
        }
    }
    Ok(())
}

fn manifest(member: &Member, report: &mut Report) {
    let path = member.path("Cargo.toml");
    let it = &member.manifest;
    let package = member.package();
    if it.get("package", "name") != Some(&package) {
        report.wrong(
            &path,
            format!("the package is not called `{package}`, as its folder asks"),
            format!("set `name = \"{package}\"`"),
        );
    }
    let is_published = it.get("package", "publish") != Some("false");
    let of_registry = PUBLISHED.iter().filter(|_| is_published);
    for key in INHERITED.iter().chain(of_registry) {
        if it.get("package", &format!("{key}.workspace")) != Some("true") {
            report.wrong(
                &path,
                format!("`{key}` is not the workspace's"),
                format!("set `{key}.workspace = true`"),
            );
        }
    }
    if is_published && it.get("package.metadata.docs.rs", "all-features") != Some("true") {
        report.wrong(
            &path,
            "docs.rs would document only the default features",
            "add `[package.metadata.docs.rs]` with `all-features = true`",
        );
    }
    if it.get("lints", "workspace") != Some("true") {
        report.wrong(
            &path,
            "the workspace's lints do not apply",
            "add `[lints]` with `workspace = true`",
        );
    }
    let description = it.get("package", "description").unwrap_or_default();
    if description.chars().count() < SHORTEST_DESCRIPTION {
        report.wrong(
            &path,
            format!("the description {description:?} says nothing"),
            "set `description` to one line that says what the crate is for",
        );
    }
}

fn facade(library: &str, report: &mut Report) {
    if !layers(library).code.contains("mod linked;") {
        report.wrong(
            "src/lib.rs",
            "the generated module `linked` is not part of the crate, so no plugin is linked",
            "add `mod linked;`",
        );
    }
}

fn plugin(
    workspace: &Workspace,
    files: &[String],
    macros: &BTreeSet<String>,
    plugin: &Plugin,
    member: &Member,
    library: &str,
    report: &mut Report,
) -> Result {
    if !layers(library).code.contains("register_plugin!(") {
        report.wrong(
            member.path("src/lib.rs"),
            "the plugin does not register itself, so no configuration can name it",
            "add `push_core::register_plugin!(TYPE);` at the root of the crate",
        );
    }
    registry_name(workspace, files, plugin, member, report)?;
    let conformance = plugin.kind.conformance();
    if !macros.contains(&conformance) {
        report.wrong(
            "push-testkit/src/lib.rs",
            format!(
                "there is no macro `{conformance}!`, but {} needs it",
                member.folder
            ),
            "write what every plugin of this kind must do as a macro that expands to tests",
        );
        return Ok(());
    }
    // A foreign client goes where it likes, and no suite can send it to a scripted vendor.
    if FOREIGN.contains(&plugin.feature().as_str()) {
        return Ok(());
    }
    let mut tested = false;
    for path in files {
        if path.starts_with(&member.path("")) && path.ends_with(".rs") {
            tested |= layers(&workspace.read(path)?)
                .code
                .contains(&format!("{conformance}!"));
        }
    }
    if !tested {
        report.wrong(
            &member.folder,
            format!("no test runs `{conformance}!`"),
            format!("call `push_testkit::{conformance}! {{ … }}` in tests/ or in a test module"),
        );
    }
    Ok(())
}

/// `Plugin::NAME` is the folder's: configuration, features and advice take one for the other.
fn registry_name(
    workspace: &Workspace,
    files: &[String],
    plugin: &Plugin,
    member: &Member,
    report: &mut Report,
) -> Result {
    let mut is_named = false;
    for path in files {
        if !path.starts_with(&member.path("src/")) || !path.ends_with(".rs") {
            continue;
        }
        let text = workspace.read(path)?;
        let code = layers(&text).code;
        // Strings are blank in the code, so the value comes from the text.
        for (line, code) in text.lines().zip(code.lines()) {
            if !code.trim_start().starts_with("const NAME: &'static str =") {
                continue;
            }
            is_named = true;
            let name = line.split('"').nth(1).unwrap_or_default();
            if name != plugin.name {
                report.wrong(
                    path,
                    format!(
                        "the plugin calls itself `{name}`, and its folder `{}`",
                        plugin.name
                    ),
                    format!(
                        "write `const NAME: &'static str = \"{}\";`, or rename the folder",
                        plugin.name
                    ),
                );
            }
        }
    }
    if !is_named {
        report.wrong(
            member.path("src"),
            "no `const NAME: &'static str = \"…\";` names the plugin",
            format!(
                "write it in the `impl Plugin`, with the folder's name `{}`",
                plugin.name
            ),
        );
    }
    Ok(())
}

/// The conformance macros that the test kit defines.
fn conformance_macros(workspace: &Workspace, files: &[String]) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for path in files {
        if path.starts_with("push-testkit/src/") && path.ends_with(".rs") {
            let code = layers(&workspace.read(path)?).code;
            for kind in Kind::ALL {
                if code.contains(&format!("macro_rules! {}", kind.conformance())) {
                    found.insert(kind.conformance());
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Report, check};
    use crate::workspace::fixture::Fixture;

    const GOOD: &str = "\
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
repository.workspace = true
keywords.workspace = true
categories.workspace = true
description = \"Says what this crate is good for\"
[package.metadata.docs.rs]
all-features = true
[lints]
workspace = true
";

    const NAMED: &str = "impl Plugin for Acme {\n    const NAME: &'static str = \"acme\";\n}\n";

    fn good() -> Fixture {
        let it = Fixture::new();
        it.write(
            "Cargo.toml",
            &format!("[package]\nname = \"offline-push\"\n{GOOD}"),
        );
        it.write("src/lib.rs", "//! The facade.\nmod linked;\n");
        for folder in [
            "push-core",
            "push-core/derive",
            "push-http",
            "push-kit",
            "push-gateway",
            "push-client",
            "push-bindings",
            "push-bindings/generate",
            "push-sqlite",
            "push-testkit",
        ] {
            it.add(folder, &folder.replace('/', "-"), GOOD);
            it.write(&format!("{folder}/README.md"), "# A crate\n");
        }
        it.write("README.md", "# All\n");
        it.write("providers/acme/README.md", "# Acme\n");
        it.write(
            "push-testkit/src/lib.rs",
            "//! Kit.\nmacro_rules! provider_conformance { () => {} }\n",
        );
        it.add("providers/acme", "push-provider-acme", GOOD);
        it.write(
            "providers/acme/src/lib.rs",
            "#![cfg_attr(docsrs, feature(doc_cfg))]\n//! Acme.\npush_core::register_plugin!(Acme);\n",
        );
        it.write("providers/acme/src/provider.rs", NAMED);
        it.write(
            "providers/acme/tests/all.rs",
            "push_testkit::provider_conformance! {}\n",
        );
        it
    }

    fn findings(it: &Fixture) -> Vec<String> {
        let mut report = Report::default();
        check(&it.workspace(), &mut report).expect("the fixture can be read");
        report
            .findings
            .into_iter()
            .map(|it| format!("{}: {}", it.path, it.wrong))
            .collect()
    }

    #[test]
    fn a_good_workspace_has_no_findings() {
        assert_eq!(findings(&good()), [""; 0]);
    }

    #[test]
    fn every_rule_of_a_manifest_is_checked() {
        for (cut, word) in [
            ("edition.workspace = true\n", "`edition`"),
            ("keywords.workspace = true\n", "`keywords`"),
            (
                "[package.metadata.docs.rs]\nall-features = true\n",
                "docs.rs",
            ),
            ("workspace = true\n[lints]\nworkspace = true\n", "lints"),
            ("\"Says what this crate is good for\"", "description"),
        ] {
            let it = good();
            let text = GOOD.replace(cut, if cut.starts_with('"') { "\"x\"" } else { "" });
            it.add("push-core", "push-core", &text);
            let found = findings(&it).join("\n");
            assert!(
                found.contains(word) || text == GOOD,
                "{word}: {found} in {text}"
            );
        }
    }

    #[test]
    fn a_plugin_must_register_and_be_tested() {
        let it = good();
        it.write(
            "providers/acme/src/lib.rs",
            "//! Acme.\n// register_plugin!(Acme);\n",
        );
        it.write("providers/acme/tests/all.rs", "");
        let found = findings(&it).join("\n");
        assert!(found.contains("register itself"), "{found}");
        assert!(
            found.contains("no test runs `provider_conformance!`"),
            "{found}"
        );
    }

    #[test]
    fn a_plugin_is_called_like_its_folder() {
        let it = good();
        it.write(
            "providers/acme/src/provider.rs",
            &NAMED.replace("\"acme\"", "\"acne\""),
        );
        let found = findings(&it).join("\n");
        assert!(
            found.contains("provider.rs: the plugin calls itself `acne`"),
            "{found}"
        );
        it.write(
            "providers/acme/src/provider.rs",
            "// const NAME: &'static str = \"acme\";\n",
        );
        let found = findings(&it).join("\n");
        assert!(
            found.contains("providers/acme/src: no `const NAME"),
            "{found}"
        );
    }

    #[test]
    fn a_wrong_package_and_a_wrong_folder_are_found() {
        let it = good();
        it.add("providers/acme", "push-acme", GOOD);
        it.write("plugins/misfit/Cargo.toml", "");
        let found = findings(&it).join("\n");
        assert!(found.contains("`push-provider-acme`"), "{found}");
        assert!(found.contains("plugins/misfit"), "{found}");
    }
}
