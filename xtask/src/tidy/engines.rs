//! Engines that bring a TLS stack of their own, with what its advisories say: only a build that names one has it.

use std::path::Path;

use super::Report;
use crate::{
    Result,
    manifest::{Manifest, strings},
    matrix::{closure, features_of},
    workspace::{FOREIGN, Plugin, Workspace},
};

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    let facade = &workspace.facade().manifest;
    let engines: Vec<Plugin> = workspace
        .plugins()
        .filter(|(plugin, _)| FOREIGN.contains(&plugin.feature().as_str()))
        .map(|(plugin, _)| plugin.clone())
        .collect();
    for engine in &engines {
        chosen(facade, &engine.feature(), report);
        for member in &workspace.members {
            let is_facade = member.package() == workspace.facade().package();
            for dependency in member.manifest.dependencies() {
                if dependency.package == engine.package()
                    && !(is_facade && dependency.optional && !dependency.dev)
                {
                    report.wrong(
                        member.path("Cargo.toml"),
                        format!("depends on `{}` whatever is chosen", dependency.package),
                        "remove the dependency: only the facade has it, optional, behind its feature",
                    );
                }
            }
        }
        let readme = format!("{}/README.md", engine.folder());
        let text = workspace.read(&readme).unwrap_or_default();
        for words in [
            "part of no default and no named stack",
            "security advisories",
        ] {
            if !text.contains(words) {
                report.wrong(
                    &readme,
                    format!("does not say `{words}`"),
                    "say in it why a build should not have this engine without need",
                );
            }
        }
    }
    excluded(
        &Manifest::read(Path::new(&workspace.root.join("deny.toml")))?,
        &engines,
        report,
    );
    Ok(())
}

/// No feature, stack, example or test but its own feature turns the engine on.
fn chosen(facade: &Manifest, feature: &str, report: &mut Report) {
    let mut wrong = |what: String| {
        report.wrong(
            "Cargo.toml",
            format!("{what} turns on `{feature}`, which brings a TLS stack of its own"),
            format!("remove `{feature}` there: who wants it names it"),
        );
    };
    for choice in features_of(facade) {
        if choice.name != feature && choice.enables.contains(feature) {
            wrong(format!("the feature `{}`", choice.name));
        }
    }
    for stack in facade.table("package.metadata.stacks") {
        if closure(facade, &strings(&stack.value)).contains(feature) {
            wrong(format!("the stack `{}`", stack.key));
        }
    }
    for entry in &facade.entries {
        if entry.key == "required-features"
            && closure(facade, &strings(&entry.value)).contains(feature)
        {
            wrong(format!("what `{}` requires", entry.table));
        }
    }
}

/// cargo-deny leaves out these engines and nothing else, and ignores no advisory without a reason.
fn excluded(deny: &Manifest, engines: &[Plugin], report: &mut Report) {
    let mut wanted: Vec<String> = engines.iter().map(Plugin::package).collect();
    wanted.sort();
    let mut found = strings(deny.get("graph", "exclude").unwrap_or_default());
    found.sort();
    if found != wanted {
        report.wrong(
            "deny.toml",
            format!("`exclude` leaves out {found:?} and not {wanted:?}"),
            "exclude the engines with a TLS stack of their own, and check everything else",
        );
    }
    for (key, wanted) in [
        ("yanked", "deny"),
        ("unmaintained", "all"),
        ("unsound", "all"),
    ] {
        if deny.get("advisories", key) != Some(wanted) {
            report.wrong(
                "deny.toml",
                format!("`{key}` is not `{wanted}`, so that an advisory may pass in silence"),
                format!("set {key} = \"{wanted}\" in [advisories]"),
            );
        }
    }
    let ignored = deny.get("advisories", "ignore").unwrap_or_default();
    if ignored.matches("RUSTSEC-").count() != ignored.matches("reason").count() {
        report.wrong(
            "deny.toml",
            "`ignore` lists an advisory without a reason",
            "write { id = \"…\", reason = \"…\" }",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Manifest, Plugin, Report, chosen, excluded};

    fn findings(report: &Report) -> String {
        let wrong: Vec<&str> = report.findings.iter().map(|it| it.wrong.as_str()).collect();
        wrong.join("\n")
    }

    #[test]
    fn only_the_engines_own_feature_may_turn_it_on() {
        let manifest = Manifest::parse(
            r#"
[features]
default = ["demo"]
demo = ["provider-apns-a2"]
other = ["provider-apns"]
provider-apns = []
provider-apns-a2 = []
[package.metadata.stacks]
good = ["provider-apns"]
bad = ["provider-apns", "provider-apns-a2"]
[[example]]
name = "one"
required-features = ["demo"]
"#,
        );
        let mut report = Report::default();
        chosen(&manifest, "provider-apns-a2", &mut report);
        let found = findings(&report);
        for wrong in [
            "feature `default`",
            "feature `demo`",
            "stack `bad`",
            "what `example[0]` requires",
        ] {
            assert!(found.contains(wrong), "{wrong} in {found}");
        }
        assert_eq!(report.findings.len(), 4, "{found}");
    }

    #[test]
    fn advisories_are_checked_for_everything_but_these_engines() {
        let engines = [Plugin::from_folder("providers/apns-a2").expect("a provider")];
        let found = |text: &str| {
            let mut report = Report::default();
            excluded(&Manifest::parse(text), &engines, &mut report);
            findings(&report)
        };
        let advisories =
            "[advisories]\nyanked = \"deny\"\nunmaintained = \"all\"\nunsound = \"all\"\n";
        let exact = format!("[graph]\nexclude = [\"push-provider-apns-a2\"]\n{advisories}");
        assert_eq!(found(&exact), "");
        assert!(found(&exact.replace("unsound", "notice")).contains("`unsound` is not `all`"));
        assert!(found("[graph]\nexclude = []\n").contains("push-provider-apns-a2"));
        let more = "[graph]\nexclude = [\"push-provider-apns-a2\", \"push-http\"]\n";
        assert!(found(more).contains("push-http"));
        let ignored =
            format!("{exact}ignore = [\"RUSTSEC-2026-0001\", {{ id = \"RUSTSEC-2026-0002\" }}]\n");
        assert!(found(&ignored).contains("without a reason"));
    }
}
