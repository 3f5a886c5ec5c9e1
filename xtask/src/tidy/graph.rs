//! Packages that must not be in the dependency graph of `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::{
    Result,
    matrix::{Choice, features_of},
    run,
    workspace::{FOREIGN, Workspace},
};

/// What `push-core` must never pull in: a name alone, or with `*` all names that start so.
const NOT_IN_CORE: &[(&str, &[&str])] = &[
    (
        "an HTTP client",
        &["hyper*", "h2", "h3", "reqwest", "ureq", "isahc", "curl*"],
    ),
    (
        "TLS or cryptography",
        &["rustls*", "openssl*", "native-tls", "aws-lc-*", "ring"],
    ),
    (
        "a database",
        &[
            "rusqlite",
            "libsqlite3-sys",
            "sqlx*",
            "tokio-postgres",
            "postgres*",
            "redis",
            "sled",
        ],
    ),
    (
        "a runtime",
        &["tokio*", "async-std", "smol", "async-executor", "mio"],
    ),
];

/// What a phone must never carry: the server half, and what only that needs.
const NOT_ON_PHONES: &[(&str, &[&str])] = &[
    (
        "the server half",
        &[
            "push-gateway",
            "push-provider-*",
            "push-store-*",
            "push-queue-*",
            "push-ingress-*",
            "push-layer-*",
            "push-sqlite",
        ],
    ),
    (
        "a simulator or a test kit",
        &["push-testkit", "rcgen", "x509-parser"],
    ),
    (
        "an HTTP server",
        &["axum*", "tower*", "utoipa*", "actix*", "warp"],
    ),
    (
        "a database",
        &[
            "rusqlite",
            "libsqlite3-sys",
            "sqlx*",
            "tokio-postgres",
            "postgres*",
            "redis",
        ],
    ),
    (
        "what only a program at a terminal needs",
        &["clap*", "toml*", "tracing-subscriber"],
    ),
];

/// What phones carry: the name of the choice, and the arguments of `cargo tree` for it.
const PHONES: &[(&str, &[&str])] = &[
    ("push-client", &["--package=push-client"]),
    ("push-bindings", &["--package=push-bindings"]),
    (
        "the facade's feature `client` with both login bridges",
        &[
            "--package=offline-push",
            "--no-default-features",
            "--features=client,login-auto,login-manual",
        ],
    ),
];

/// What the product must never link beside rustls with aws-lc-rs.
const NOT_IN_PRODUCT: &[(&str, &[&str])] = &[
    ("a second TLS stack", &["openssl*", "native-tls"]),
    ("a second crypto provider", &["ring"]),
];

/// Packages of which the product must link one version.
const ONE_VERSION: &[&str] = &["rustls", "aws-lc-rs", "hyper", "h2", "http"];

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    let mut tree = run::cargo(&workspace.root);
    tree.args([
        "tree",
        "--package=push-core",
        "--all-features",
        "--edges=normal,build",
        "--prefix=none",
    ]);
    let core = parse(&run::stdout_of(&mut tree)?);
    for (what, names) in NOT_IN_CORE {
        for (name, _) in matching(&core, names) {
            report.wrong(
                "push-core/Cargo.toml",
                format!("push-core pulls in {what}: `{name}`"),
                format!("find the way with `cargo tree -p push-core --all-features -i {name}`"),
            );
        }
    }

    for (what, arguments) in PHONES {
        let mut tree = run::cargo(&workspace.root);
        // What macros are made with stays behind.
        tree.args(["tree", "--edges=normal,no-proc-macro", "--prefix=none"]);
        tree.args(*arguments);
        on_phones(what, arguments, &parse(&run::stdout_of(&mut tree)?), report);
    }

    let mut features: Vec<String> = Vec::new();
    for choice in features_of(&workspace.facade().manifest) {
        let Choice { name, enables } = choice;
        if !FOREIGN.iter().any(|it| enables.contains(*it)) {
            features.push(format!("offline-push/{name}"));
        }
    }
    let mut tree = run::cargo(&workspace.root);
    tree.args([
        "tree",
        "--workspace",
        "--edges=normal,build,dev",
        "--prefix=none",
    ]);
    tree.arg("--no-default-features");
    tree.arg(format!("--features={}", features.join(",")));
    for (plugin, member) in workspace.plugins() {
        if FOREIGN.contains(&plugin.feature().as_str()) {
            tree.arg(format!("--exclude={}", plugin.package()));
        } else if member.manifest.get("features", "simulator").is_some() {
            tree.arg(format!("--features={}/simulator", plugin.package()));
        }
    }
    let product = parse(&run::stdout_of(&mut tree)?);
    for (what, names) in NOT_IN_PRODUCT {
        for (name, version) in matching(&product, names) {
            report.wrong(
                "Cargo.toml",
                format!("the product links {what}: `{name}` {version}"),
                format!(
                    "find the way with `cargo tree --workspace -i {name}` and turn that feature off"
                ),
            );
        }
    }
    for name in ONE_VERSION {
        let versions: Vec<&str> = versions(&product, name);
        if versions.len() > 1 {
            report.wrong(
                "Cargo.toml",
                format!(
                    "the product links {name} in versions {}",
                    versions.join(" and ")
                ),
                "find the ways with `cargo tree --workspace --duplicates` and align them",
            );
        }
    }
    Ok(())
}

/// Reports packages that an app would contain without need.
fn on_phones(
    what: &str,
    arguments: &[&str],
    app_half: &BTreeSet<(String, String)>,
    report: &mut Report,
) {
    for (kind, names) in NOT_ON_PHONES {
        for (name, _) in matching(app_half, names) {
            report.wrong(
                "push-client/Cargo.toml",
                format!("{what} would put {kind} on phones: `{name}`"),
                format!(
                    "find the way with `cargo tree {} -e normal -i {name}`",
                    arguments.join(" ")
                ),
            );
        }
    }
}

/// Name and version of every package in the text of `cargo tree --prefix=none`.
fn parse(text: &str) -> BTreeSet<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let version = words.next()?.strip_prefix('v')?;
            Some((name.to_owned(), version.to_owned()))
        })
        .collect()
}

fn matching<'a>(
    packages: &'a BTreeSet<(String, String)>,
    names: &[&str],
) -> BTreeMap<&'a str, &'a str> {
    packages
        .iter()
        .filter(|(package, _)| {
            names.iter().any(|name| match name.strip_suffix('*') {
                Some(start) => package.starts_with(start),
                None => package == name,
            })
        })
        .map(|(package, version)| (package.as_str(), version.as_str()))
        .collect()
}

fn versions<'a>(packages: &'a BTreeSet<(String, String)>, name: &str) -> Vec<&'a str> {
    packages
        .iter()
        .filter(|(package, _)| package == name)
        .map(|(_, version)| version.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{NOT_IN_CORE, NOT_IN_PRODUCT, Report, matching, on_phones, parse, versions};

    const TREE: &str = "\
push-core v0.1.0 (/somewhere/push-core)
serde v1.0.229
serde_derive v1.0.229 (proc-macro)
tokio-util v0.7.1
rustls v0.22.4
rustls v0.23.46 (*)
openssl-probe v0.1.5
stringing v1.0.0
[dev-dependencies]
h2 v0.4.20
";

    #[test]
    fn packages_are_read_from_the_tree() {
        let it = parse(TREE);
        assert_eq!(it.len(), 9);
        assert_eq!(versions(&it, "rustls"), ["0.22.4", "0.23.46"]);
        assert_eq!(versions(&it, "serde_derive"), ["1.0.229"]);
    }

    #[test]
    fn forbidden_packages_are_matched_whole_or_by_their_start() {
        let it = parse(TREE);
        let found = |rules: &[(&str, &[&str])]| -> Vec<String> {
            rules
                .iter()
                .flat_map(|(_, names)| matching(&it, names).into_keys().map(str::to_owned))
                .collect()
        };
        assert_eq!(
            found(NOT_IN_CORE),
            ["h2", "openssl-probe", "rustls", "tokio-util"]
        );
        assert_eq!(found(NOT_IN_PRODUCT), ["openssl-probe"]);
    }

    #[test]
    fn the_server_half_and_what_only_it_needs_are_kept_off_phones() {
        let tree = parse(
            "push-client v0.1.0\ntower-service v0.3.3\npush-store-sqlite v0.1.0\nhyper v1.12.0\n",
        );
        let mut report = Report::default();
        on_phones(
            "push-bindings",
            &["-p", "push-bindings"],
            &tree,
            &mut report,
        );
        let found: Vec<&str> = report.findings.iter().map(|it| it.wrong.as_str()).collect();
        assert_eq!(
            found,
            [
                "push-bindings would put the server half on phones: `push-store-sqlite`",
                "push-bindings would put an HTTP server on phones: `tower-service`",
            ]
        );
        // What push-client does not have would not be found in its tree.
        let remedy = &report.findings[0].remedy;
        assert!(
            remedy.contains("-p push-bindings -e normal -i push-store-sqlite"),
            "{remedy}"
        );
    }
}
