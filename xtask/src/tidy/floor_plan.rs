//! The modules of a vendor's crate: the same everywhere, so that who knows one provider finds the way in all.

use std::collections::BTreeSet;

use super::Report;
use crate::{
    Result, names,
    source::layers,
    workspace::{FOREIGN, Kind, Workspace},
};

/// Modules that every provider has, as a file or a folder.
const REQUIRED: &[&str] = &["auth", "classify", "config", "provider", "render"];

/// Modules that a provider may have: receipts that the vendor posts, and the simulator.
const OPTIONAL: &[&str] = &["receive", "simulator"];

/// A provider whose requests carry nothing but the secret itself says so in its Cargo.toml, and has no module `auth`:
///
/// ```toml
/// [package.metadata.provider]
/// auth = "none"
/// ```
const METADATA: (&str, &str) = ("package.metadata.provider", "auth");

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    let files = workspace.files()?;
    for (plugin, member) in workspace.plugins() {
        // An engine on another client leaves authentication, connections and receipts to that client: what remains
        // is a translation, for which half of the plan would be empty files.
        if plugin.kind != Kind::Provider || FOREIGN.contains(&plugin.feature().as_str()) {
            continue;
        }
        let source = member.path("src/");
        let modules: BTreeSet<&str> = files
            .iter()
            .filter_map(|path| module(path.strip_prefix(&source)?))
            .collect();
        if modules.is_empty() {
            report.wrong(
                format!("{source}lib.rs"),
                "the whole provider is in one file",
                format!("split it into the modules {}", REQUIRED.join(", ")),
            );
            continue;
        }
        let has_auth = member.manifest.get(METADATA.0, METADATA.1) != Some("none");
        let library = workspace.read(&member.path("src/lib.rs"))?;
        let type_ = names::pascal(&plugin.name);
        let mut wrong = deviations(&modules, has_auth);
        wrong.extend(missing_types(&library, &type_));
        let mut is_unit = false;
        for path in &files {
            if path.starts_with(&source) && path.ends_with(".rs") {
                let code = layers(&workspace.read(path)?).code;
                is_unit |= code.contains(&format!("pub struct {type_};"));
            }
        }
        if !is_unit {
            wrong.push((
                format!("`{type_}`, the plugin, is not a unit type"),
                format!("declare `pub struct {type_};`, and keep state in `{type_}Provider`"),
            ));
        }
        for (wrong, remedy) in wrong {
            report.wrong(&source, wrong, remedy);
        }
    }
    Ok(())
}

/// The module at the root of the crate that a file below `src/` belongs to.
fn module(inside: &str) -> Option<&str> {
    let name = match inside.split_once('/') {
        Some((folder, _)) => folder,
        None => inside.strip_suffix(".rs")?,
    };
    (name != "lib").then_some(name)
}

/// What differs from the plan, and its remedy.
fn deviations(modules: &BTreeSet<&str>, has_auth: bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in REQUIRED {
        let is_required = *name != "auth" || has_auth;
        match (is_required, modules.contains(name)) {
            (true, false) => {
                let purpose = match *name {
                    "auth" => {
                        "how requests are authenticated; if they carry only the secret itself, set `auth = \"none\"` in `[package.metadata.provider]`"
                    }
                    "classify" => "what the vendor's answers mean, as verdicts",
                    "config" => "the credential's configuration and its checks",
                    "provider" => "the plugin and the provider itself",
                    _ => "the request, made from notification and target",
                };
                found.push((
                    format!("has no module `{name}`"),
                    format!("move into it: {purpose}"),
                ));
            }
            (false, true) => found.push((
                "has a module `auth`, and Cargo.toml says that there is none".to_owned(),
                "remove `auth` from `[package.metadata.provider]`".to_owned(),
            )),
            _ => {}
        }
    }
    for name in modules {
        if !REQUIRED.contains(name) && !OPTIONAL.contains(name) {
            found.push((
                format!("has a module `{name}` that the plan of a provider does not have"),
                format!(
                    "make it a part of {} or {}",
                    REQUIRED.join(", "),
                    OPTIONAL.join(", ")
                ),
            ));
        }
    }
    found
}

/// Whether the crate exports the plugin `Acme` and the provider `AcmeProvider`.
fn missing_types(library: &str, type_: &str) -> Vec<(String, String)> {
    let code = layers(library).code;
    // What is exported: `pub use …;` and `pub struct …` at the root.
    let exported: Vec<&str> = code
        .split_inclusive([';', '\n'])
        .scan(false, |inside, piece| {
            let line = piece.trim_start();
            *inside |= line.starts_with("pub use ") || line.starts_with("pub struct ");
            let is_exported = *inside;
            *inside &= !piece.contains(';');
            Some(is_exported.then_some(piece))
        })
        .flatten()
        .flat_map(|piece| piece.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
        .collect();
    let mut found = Vec::new();
    for (name, what) in [
        (type_.to_owned(), "the plugin, a unit type"),
        (
            format!("{type_}Provider"),
            "the provider that the plugin builds",
        ),
    ] {
        if !exported.contains(&name.as_str()) {
            found.push((
                format!("does not export `{name}`"),
                format!("call {what} `{name}`, and add it to `pub use` in lib.rs"),
            ));
        }
    }
    let word = |name: &str| code.contains(&format!("register_plugin!({name})"));
    if !word(type_) {
        found.push((
            format!("does not register `{type_}`"),
            format!("add `push_core::register_plugin!({type_});` to lib.rs"),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Report, check};
    use crate::workspace::fixture::Fixture;

    const LIBRARY: &str = "\
//! Acme.
mod auth;
pub use crate::{
    config::AcmeConfig,
    provider::{Acme, AcmeProvider},
};
push_core::register_plugin!(Acme);
";

    fn crate_with(name: &str, manifest: &str, modules: &[&str], library: &str) -> Fixture {
        let fixture = Fixture::new();
        let folder = format!("providers/{name}");
        fixture.add(&folder, &format!("push-provider-{name}"), manifest);
        for module in modules {
            let type_ = crate::names::pascal(name);
            let text = match *module {
                "provider.rs" => format!("pub struct {type_};\n"),
                _ => String::new(),
            };
            fixture.write(&format!("{folder}/src/{module}"), &text);
        }
        fixture.write(&format!("{folder}/src/lib.rs"), library);
        fixture
    }

    fn findings(fixture: &Fixture) -> String {
        let mut report = Report::default();
        check(&fixture.workspace(), &mut report).expect("the fixture can be read");
        let found = report.findings.into_iter();
        found
            .map(|finding| finding.wrong)
            .collect::<Vec<_>>()
            .join("\n")
    }

    const PLAN: &[&str] = &[
        "auth.rs",
        "classify/mod.rs",
        "config.rs",
        "example.toml",
        "provider.rs",
        "receive.rs",
        "render/aps.rs",
        "render/mod.rs",
        "simulator/mod.rs",
    ];

    #[test]
    fn files_and_folders_fulfil_the_plan() {
        assert_eq!(findings(&crate_with("acme", "", PLAN, LIBRARY)), "");
    }

    #[test]
    fn missing_and_additional_modules_are_found() {
        let modules = [
            "auth.rs",
            "config.rs",
            "provider.rs",
            "render.rs",
            "wire.rs",
        ];
        assert_eq!(
            findings(&crate_with("acme", "", &modules, LIBRARY)),
            "has no module `classify`\nhas a module `wire` that the plan of a provider does not have"
        );
    }

    #[test]
    fn only_a_crate_that_says_so_may_lack_authentication() {
        let none = "[package.metadata.provider]\nauth = \"none\"\n";
        let found =
            |manifest, modules: &[&str]| findings(&crate_with("acme", manifest, modules, LIBRARY));
        assert_eq!(found("", &PLAN[1..]), "has no module `auth`");
        assert_eq!(found(none, &PLAN[1..]), "");
        assert!(found(none, PLAN).starts_with("has a module `auth`"));
    }

    #[test]
    fn plugin_and_provider_must_be_exported_under_their_names() {
        let library = LIBRARY.replace("{Acme, AcmeProvider}", "{Acme}");
        let found = findings(&crate_with("acme", "", PLAN, &library));
        assert_eq!(found, "does not export `AcmeProvider`");
        let library = LIBRARY
            .replace("pub use", "use")
            .replace("(Acme)", "(Other)");
        let found = findings(&crate_with("acme", "", PLAN, &library));
        assert_eq!(found.lines().count(), 3, "{found}");
    }

    #[test]
    fn the_plugin_must_be_a_unit_type() {
        let fixture = crate_with("acme", "", PLAN, LIBRARY);
        fixture.write(
            "providers/acme/src/provider.rs",
            "pub struct Acme { state: u8 }\n",
        );
        assert!(findings(&fixture).contains("is not a unit type"));
    }

    #[test]
    fn an_engine_on_another_client_is_exempt() {
        let a2 = crate_with("apns-a2", "", &["payload.rs"], "//! A2.\n");
        assert_eq!(findings(&a2), "");
    }

    #[test]
    fn a_provider_that_is_only_lib_rs_is_found() {
        let found = findings(&crate_with("acme", "", &[], "//! Acme.\n"));
        assert_eq!(found, "the whole provider is in one file");
    }
}
