//! Who may import whom.

use std::collections::BTreeMap;

use super::Report;
use crate::workspace::{FOREIGN, Kind, Member, Role, Workspace};

/// What only `push-http` may use in earnest: simulators (optional) and tests may have their own.
const OUTSIDE: &[&str] = &[
    "h2",
    "hyper-rustls",
    "reqwest",
    "rustls",
    "tokio-rustls",
    "ureq",
];

pub(super) fn check(workspace: &Workspace, report: &mut Report) {
    let packages: BTreeMap<String, &Member> = workspace
        .members
        .iter()
        .map(|it| (it.package(), it))
        .collect();
    for member in &workspace.members {
        for dependency in member.manifest.dependencies() {
            if OUTSIDE.contains(&dependency.package.as_str())
                && !dependency.dev
                && !dependency.optional
                && !may_speak_itself(&member.role)
            {
                report.wrong(
                    member.path("Cargo.toml"),
                    format!(
                        "uses `{}`, but push-http is the one HTTP client and knows TLS for all",
                        dependency.package
                    ),
                    "use push-http; what only a simulator needs is optional, behind `simulator`",
                );
            }
            let Some(other) = packages.get(&dependency.package) else {
                continue;
            };
            let allowed = if dependency.dev {
                may_test_with(&member.role, &other.role)
            } else {
                may_import(&member.role, &other.role, dependency.optional)
            };
            if let Err(rule) = allowed {
                report.wrong(
                    member.path("Cargo.toml"),
                    format!(
                        "imports `{}`{}, but {rule}",
                        dependency.package,
                        if dependency.dev { " in its tests" } else { "" }
                    ),
                    "move what both need into push-core, or turn the arrow round",
                );
            }
        }
    }
    if let Some(circle) = unpublishable(workspace) {
        report.wrong(
            format!("{}/Cargo.toml", circle[0]),
            format!(
                "no crate of this circle can be published first: {}",
                circle.join(" → ")
            ),
            "name the dev-dependency by `path` alone, without version or `workspace = true`",
        );
    }
}

/// Whether a crate has connections of its own.
fn may_speak_itself(who: &Role) -> bool {
    match who {
        Role::Http | Role::Testkit => true,
        Role::Plugin(plugin) => FOREIGN.contains(&plugin.feature().as_str()),
        _ => false,
    }
}

/// The rule for code that reaches users.
fn may_import(who: &Role, whom: &Role, optional: bool) -> Result<(), &'static str> {
    match (who, whom) {
        (Role::Facade, _) => Ok(()),
        (_, Role::Facade) => Err("nothing imports the facade"),
        (Role::Generator, Role::Bindings) => Ok(()),
        (_, Role::Bindings | Role::Generator) => {
            Err("nothing imports the bindings: they are for other languages")
        }
        (Role::Generator, _) => Err("the generator reads push-bindings and knows nothing else"),
        (Role::Bindings, Role::Core | Role::Http | Role::Client) => Ok(()),
        (Role::Bindings, Role::Plugin(plugin)) if plugin.kind == Kind::Login => Ok(()),
        (Role::Bindings, _) => {
            Err("push-bindings goes on phones: push-client, push-core, push-http and login bridges")
        }
        (Role::Core, Role::Derive) => Ok(()),
        (_, Role::Derive) => Err("push-core exports the derive macro"),
        (Role::Derive, _) => Err("the derive macro imports nothing of ours"),
        (Role::Core, _) => Err("push-core imports nothing of ours but its derive macro"),
        (Role::Http, Role::Core) | (Role::Testkit, Role::Core | Role::Http) => Ok(()),
        (Role::Http, _) => Err("push-http imports push-core alone"),
        (Role::Kit, Role::Core | Role::Http) => Ok(()),
        (Role::Kit, _) => Err("push-kit imports push-core and push-http alone"),
        (Role::Plugin(plugin), Role::Kit) if plugin.kind == Kind::Provider => Ok(()),
        (_, Role::Kit) => Err("push-kit is for providers"),
        (Role::Testkit, _) => Err("push-testkit imports push-core and push-http alone"),
        (Role::Sqlite, Role::Core) => Ok(()),
        (Role::Sqlite, _) => Err("push-sqlite imports push-core alone"),
        (Role::Plugin(plugin), Role::Sqlite)
            if matches!(plugin.kind, Kind::Store | Kind::Queue) =>
        {
            Ok(())
        }
        (Role::Plugin(_), Role::Sqlite) => Err("only stores and queues keep files"),
        (Role::Gateway | Role::Client | Role::Plugin(_), Role::Core | Role::Http) => Ok(()),
        (Role::Gateway | Role::Client, _) => {
            Err("the two halves import push-core and push-http alone, and no plugin by name")
        }
        // The simulator of a provider stands on the test kit, behind a feature.
        (Role::Plugin(_), Role::Testkit) if optional => Ok(()),
        (Role::Plugin(_), Role::Testkit) => {
            Err("push-testkit is for simulators: optional, behind the feature `simulator`")
        }
        (Role::Plugin(_), Role::Plugin(_)) => Err("plugins never import each other"),
        (Role::Plugin(_), Role::Gateway | Role::Client) => {
            Err("plugins know push-core, not the halves that use them")
        }
    }
}

/// The rule for tests: freer, but never upward to the facade.
fn may_test_with(who: &Role, whom: &Role) -> Result<(), &'static str> {
    match (who, whom) {
        (Role::Facade, _) => Ok(()),
        (_, Role::Facade) => Err("tests of the whole product lie in the facade's tests/"),
        (Role::Core, Role::Testkit) => Ok(()),
        (Role::Core, _) => Err("push-core's tests know nothing of ours but push-testkit"),
        _ => Ok(()),
    }
}

/// A circle of crates, each of which asks the registry for a version of the next.
///
/// Cargo drops a dev-dependency without a version when it publishes, so such an arrow does no harm.
fn unpublishable(workspace: &Workspace) -> Option<Vec<String>> {
    let mut arrows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for member in &workspace.members {
        let needs = member
            .manifest
            .dependencies()
            .into_iter()
            .filter(|it| it.versioned)
            .map(|it| it.package)
            .collect();
        arrows.insert(member.package(), needs);
    }
    let mut done = Vec::new();
    arrows
        .keys()
        .find_map(|it| circle(it, &arrows, &mut Vec::new(), &mut done))
}

fn circle(
    at: &str,
    arrows: &BTreeMap<String, Vec<String>>,
    path: &mut Vec<String>,
    done: &mut Vec<String>,
) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|it| it == at) {
        let mut found = path[start..].to_vec();
        found.push(at.to_owned());
        return Some(found);
    }
    if done.iter().any(|it| it == at) {
        return None;
    }
    path.push(at.to_owned());
    let found = arrows
        .get(at)?
        .iter()
        .filter(|it| arrows.contains_key(*it))
        .find_map(|it| circle(it, arrows, path, done));
    path.pop();
    done.push(at.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::{Report, check};
    use crate::workspace::fixture::Fixture;

    fn findings(crates: &[(&str, &str, &str)]) -> Vec<String> {
        let it = Fixture::new();
        for (folder, package, rest) in crates {
            it.add(folder, package, rest);
        }
        let mut report = Report::default();
        check(&it.workspace(), &mut report);
        report.findings.into_iter().map(|it| it.wrong).collect()
    }

    #[test]
    fn the_arrows_of_the_architecture_are_allowed() {
        let found = findings(&[
            (
                "push-http",
                "push-http",
                "[dependencies]\npush-core.workspace = true\n",
            ),
            (
                "push-gateway",
                "push-gateway",
                "[dependencies]\npush-core.workspace = true\npush-http.workspace = true\n[dev-dependencies]\npush-provider-a.workspace = true\n",
            ),
            (
                "providers/a",
                "push-provider-a",
                "[dependencies]\npush-core.workspace = true\npush-http.workspace = true\npush-kit.workspace = true\npush-testkit = { workspace = true, optional = true }\n[dev-dependencies]\npush-testkit.workspace = true\n",
            ),
            (
                "push-kit",
                "push-kit",
                "[dependencies]\npush-core.workspace = true\npush-http.workspace = true\n",
            ),
            (
                "push-testkit",
                "push-testkit",
                "[dependencies]\npush-core.workspace = true\n",
            ),
            (
                "push-bindings",
                "push-bindings",
                "[dependencies]\npush-client.workspace = true\npush-login-b.workspace = true\n[dev-dependencies]\npush-gateway = { path = \"../push-gateway\" }\n",
            ),
            ("plugins/login-b", "push-login-b", ""),
            (
                "push-sqlite",
                "push-sqlite",
                "[dependencies]\npush-core.workspace = true\n",
            ),
            (
                "plugins/store-d",
                "push-store-d",
                "[dependencies]\npush-sqlite.workspace = true\n",
            ),
            (
                "push-bindings/generate",
                "push-bindings-generate",
                "[dependencies]\npush-bindings = { path = \"..\" }\n",
            ),
            (
                "push-core",
                "push-core",
                "[dependencies]\nserde = \"1\"\n[dev-dependencies]\npush-testkit = { path = \"../push-testkit\" }\n",
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn every_forbidden_arrow_is_found() {
        for (folder, package, whom) in [
            ("push-core", "push-core", "push-http"),
            ("push-http", "push-http", "push-testkit"),
            ("push-kit", "push-kit", "push-testkit"),
            ("push-kit", "push-kit", "push-provider-a"),
            ("push-http", "push-http", "push-kit"),
            ("push-gateway", "push-gateway", "push-kit"),
            ("plugins/login-c", "push-login-c", "push-kit"),
            ("push-gateway", "push-gateway", "push-provider-a"),
            ("push-gateway", "push-gateway", "push-client"),
            ("push-client", "push-client", "push-login-b"),
            ("providers/c", "push-provider-c", "push-provider-a"),
            ("providers/c", "push-provider-c", "push-gateway"),
            ("providers/c", "push-provider-c", "push-testkit"),
            ("plugins/login-c", "push-login-c", "push-client"),
            ("plugins/login-c", "push-login-c", "offline-push"),
            ("push-testkit", "push-testkit", "push-gateway"),
            ("push-sqlite", "push-sqlite", "push-http"),
            ("push-gateway", "push-gateway", "push-sqlite"),
            ("plugins/login-c", "push-login-c", "push-sqlite"),
            ("providers/c", "push-provider-c", "push-sqlite"),
            ("push-bindings", "push-bindings", "push-gateway"),
            ("push-bindings", "push-bindings", "push-provider-a"),
            ("push-client", "push-client", "push-bindings"),
            (
                "push-bindings/generate",
                "push-bindings-generate",
                "push-client",
            ),
        ] {
            let found = findings(&[
                ("providers/a", "push-provider-a", ""),
                ("plugins/login-b", "push-login-b", ""),
                (
                    folder,
                    package,
                    &format!("[dependencies]\n{whom}.workspace = true\n"),
                ),
            ]);
            assert_eq!(found.len(), 1, "{package} → {whom}: {found:?}");
            assert!(found[0].contains(whom), "{found:?}");
        }
    }

    #[test]
    fn only_push_http_knows_tls() {
        let tls = "[dependencies]\nrustls.workspace = true\n";
        let optional = "[dependencies]\nrustls = { workspace = true, optional = true }\n";
        for (folder, package, rest, wrong) in [
            ("push-http", "push-http", tls, 0),
            ("push-testkit", "push-testkit", tls, 0),
            ("push-gateway", "push-gateway", tls, 1),
            ("providers/apns-a2", "push-provider-apns-a2", tls, 0),
            ("providers/a", "push-provider-a", tls, 1),
            ("providers/a", "push-provider-a", optional, 0),
        ] {
            assert_eq!(
                findings(&[(folder, package, rest)]).len(),
                wrong,
                "{folder}"
            );
        }
    }

    #[test]
    fn a_circle_of_versions_is_found_and_one_by_path_is_none() {
        let core = |dev: &str| format!("[dev-dependencies]\npush-testkit = {{ {dev} }}\n");
        let kit = (
            "push-testkit",
            "push-testkit",
            "[dependencies]\npush-core.workspace = true\n",
        );
        let found = findings(&[kit, ("push-core", "push-core", &core("workspace = true"))]);
        assert!(found[0].contains("published first"), "{found:?}");
        let by_path = core("path = \"../push-testkit\"");
        assert_eq!(
            findings(&[kit, ("push-core", "push-core", &by_path)]),
            [""; 0]
        );
    }
}
