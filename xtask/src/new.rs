//! New crates: complete, wired into the facade, and passing their kind's conformance tests at once.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Failure, Result, generate, model, names, run, standalone,
    workspace::{Kind, Plugin, Workspace},
};

pub(crate) const PROVIDER_HELP: &str = "\
cargo xtask new-provider NAME [--auth token|sign|none] [--batch N] [--standalone DIR]

Writes the folder providers/NAME with a provider for a vendor that takes JSON over HTTP: configuration, authentication,
request, a classification of the vendor's answers, a check of the credential, a simulator of the vendor with limits of its own,
and the conformance tests with the vendor's answers. Then wires it into the facade, as the feature `provider-NAME`.
Nothing else is to edit:

    cargo xtask new-provider acme
    cargo test -p push-provider-acme

NAME is lower-case letters, digits and single hyphens, and starts with a letter. It is the channel's name in
configuration (`type = \"acme\"`) and in registrations.

--auth says how requests are authenticated: `token` (the default) fetches an access token with id and secret, `sign` signs
each request with the secret, `none` sends the secret itself. --batch is how many tokens one request takes; default: 1.

--standalone writes the crate into DIR, which must not exist, for a repository of your own, and wires nothing: a program that
depends on it writes `use push_provider_NAME as _;`.
";

pub(crate) const PLUGIN_HELP: &str = "\
cargo xtask new-plugin KIND-NAME

Writes the folder plugins/KIND-NAME and wires it into the facade, as the feature `KIND-NAME`. KIND is

  login    turns login and logout of some login system into register and unregister; starts as a copy of
           login-manual
  store    keeps registrations, credentials and traces; starts as a copy of store-memory
  queue    keeps deliveries until they are sent; starts as a copy of queue-memory
  layer    wraps providers, stores and queues; starts as a copy of layer-traced
  ingress  a way in: webhooks of a message server, receipts of a vendor, another server's API

The new crate compiles and passes the conformance tests of its kind:

    cargo xtask new-plugin store-redis
    cargo test -p push-store-redis
";

/// A file of a new crate: its path in the crate, and its text.
type File = (PathBuf, String);

macro_rules! provider_templates {
    ($($path:literal = $file:literal;)*) => {
        &[$(($path, include_str!(concat!("../templates/provider/", $file)))),*]
    };
}

/// The files of a provider. A file whose text is empty after its conditions is not written.
const PROVIDER: &[(&str, &str)] = provider_templates! {
    "Cargo.toml" = "Cargo.toml";
    "README.md" = "README.md";
    "src/lib.rs" = "src_lib.rs";
    "src/config.rs" = "src_config.rs";
    "src/render.rs" = "src_render.rs";
    "src/classify.rs" = "src_classify.rs";
    "src/provider.rs" = "src_provider.rs";
    "src/simulator/mod.rs" = "src_simulator_mod.rs";
    "src/simulator/phone.rs" = "src_simulator_phone.rs";
    "src/simulator/running.rs" = "src_simulator_running.rs";
    "src/simulator/service.rs" = "src_simulator_service.rs";
    "tests/conformance.rs" = "tests_conformance.rs";
    "tests/simulator.rs" = "tests_simulator.rs";
};
const AUTH_TOKEN: &str = include_str!("../templates/provider/src_auth_token.rs");
const AUTH_SIGN: &str = include_str!("../templates/provider/src_auth_sign.rs");
const INGRESS: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../templates/ingress.toml")),
    ("README.md", include_str!("../templates/ingress.md")),
    ("src/lib.rs", include_str!("../templates/ingress.rs")),
    (
        "tests/conformance.rs",
        include_str!("../templates/ingress_conformance.rs"),
    ),
];

/// How a vendor authenticates requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Auth {
    #[default]
    Token,
    Sign,
    None,
}

/// The shape of a new provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    auth: Auth,
    batch: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            auth: Auth::Token,
            batch: 1,
        }
    }
}

impl Shape {
    /// Returns `true` if `condition` of a template holds.
    fn has(self, condition: &str) -> bool {
        match condition {
            "token" => self.auth == Auth::Token,
            "sign" => self.auth == Auth::Sign,
            "none" => self.auth == Auth::None,
            "batch" => self.batch > 1,
            "single" => self.batch == 1,
            _ => false,
        }
    }
}

/// Reads the name and the shape from a command line.
fn provider_args<'a>(args: &[&'a str]) -> Result<(&'a str, Shape, Option<&'a Path>)> {
    let mut shape = Shape::default();
    let mut alone = None;
    let mut name = None;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--auth" => {
                shape.auth = match rest.next().copied() {
                    Some("token") => Auth::Token,
                    Some("sign") => Auth::Sign,
                    Some("none") => Auth::None,
                    _ => return Err(usage("--auth wants token, sign or none")),
                };
            }
            "--batch" => {
                let batch = rest.next().and_then(|text| text.parse().ok());
                shape.batch = batch
                    .filter(|batch| (1..=10_000).contains(batch))
                    .ok_or_else(|| usage("--batch wants a number from 1 to 10000"))?;
            }
            "--standalone" => match rest.next() {
                Some(dir) if !dir.starts_with('-') => alone = Some(Path::new(*dir)),
                _ => return Err(usage("--standalone wants a folder")),
            },
            word if name.is_none() && !word.starts_with('-') => name = Some(word),
            _ => return Err(usage("new-provider wants one name")),
        }
    }
    let name = name.ok_or_else(|| usage("new-provider wants one name"))?;
    Ok((name, shape, alone))
}

fn usage(text: &str) -> Failure {
    Failure::Usage(text.to_owned())
}

pub(crate) fn provider(root: &Path, args: &[&str]) -> Result {
    let (name, shape, alone) = provider_args(args)?;
    names::check(name).map_err(Failure::Usage)?;
    let plugin = Plugin {
        kind: Kind::Provider,
        name: name.to_owned(),
    };
    match alone {
        Some(dir) => write_alone(root, dir, &plugin, shape),
        None => write(root, &plugin, shape),
    }
}

/// Writes a crate outside of the workspace.
fn write_alone(root: &Path, dir: &Path, plugin: &Plugin, shape: Shape) -> Result {
    let dir = std::path::absolute(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    if dir.exists() {
        return Err(format!("{} is already there", dir.display()).into());
    }
    if dir.starts_with(root) {
        return Err(Failure::Usage(format!(
            "{} is inside this repository; without --standalone the crate becomes a part of it",
            dir.display()
        )));
    }
    is_free(plugin, shape)?;
    for (path, text) in files(root, plugin, shape)? {
        let text = match path.to_str() {
            Some("Cargo.toml") => standalone::manifest(root, &text)?,
            _ => text,
        };
        create(&dir.join(&path), &text)?;
        println!("wrote {}", dir.join(path).display());
    }
    let mut format = run::cargo(&dir);
    if !run::captured(format.arg("fmt")).is_ok_and(|it| it.status.success()) {
        println!("note: not formatted; `cargo fmt` does that once rustfmt is installed");
    }
    println!("\nnext: cargo test, in {}", dir.display());
    Ok(())
}

fn create(path: &Path, text: &str) -> Result {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

/// Refuses a name for which the templates have another use.
fn is_free(plugin: &Plugin, shape: Shape) -> Result {
    let type_ = names::pascal(&plugin.name);
    if template(plugin.kind, shape)
        .iter()
        .any(|(_, text)| model::words(text).any(|it| it == type_))
    {
        return Err(Failure::Usage(format!(
            "`{}` cannot be a name: new crates use `{type_}` for something else",
            plugin.name
        )));
    }
    Ok(())
}

pub(crate) fn plugin(root: &Path, args: &[&str]) -> Result {
    let [word] = args else {
        return Err(Failure::Usage(
            "new-plugin wants one word such as `store-redis`".to_owned(),
        ));
    };
    if word.starts_with("provider-") {
        return Err(Failure::Usage(format!(
            "a provider has a command of its own: cargo xtask new-provider {}",
            word.trim_start_matches("provider-")
        )));
    }
    let plugin = Plugin::from_word(word).map_err(Failure::Usage)?;
    write(root, &plugin, Shape::default())
}

fn write(root: &Path, plugin: &Plugin, shape: Shape) -> Result {
    let before = Workspace::at(root)?;
    let dir = root.join(plugin.folder());
    if dir.exists() {
        return Err(format!("{} is already there", plugin.folder()).into());
    }
    let features = &before.facade().manifest;
    if features.get("features", &plugin.feature()).is_some()
        && !before.plugins().any(|(it, _)| it == plugin)
    {
        println!(
            "note: Cargo.toml still had the feature `{}` of a folder that is gone",
            plugin.feature()
        );
    }
    is_free(plugin, shape)?;
    let (_, broken) = generate::compare(&before)?;
    if let Some(it) = broken.first() {
        return Err(format!("{} has no place for generated text: {}", it.path, it.reason).into());
    }
    let files = files(root, plugin, shape)?;
    for (path, text) in &files {
        create(&dir.join(path), text)?;
    }
    let changed = generate::fix(&Workspace::at(root)?)?;
    // Names differ in length, so lines break elsewhere than in the template.
    let formatted = run::captured(run::cargo(root).args(["fmt", "--package", &plugin.package()]));
    if !formatted.is_ok_and(|it| it.status.success()) {
        println!("note: not formatted; `cargo fmt` does that once rustfmt is installed");
    }
    for (path, _) in &files {
        println!("wrote {}/{}", plugin.folder(), path.display());
    }
    for path in changed {
        println!("wired {path}");
    }
    println!("\nnext: cargo test -p {}", plugin.package());
    Ok(())
}

/// Returns the templates; none for a kind that starts as a copy of the crate `model`.
fn template(kind: Kind, shape: Shape) -> Vec<(&'static str, &'static str)> {
    let mut files = match kind {
        Kind::Provider => PROVIDER.to_vec(),
        Kind::Ingress => INGRESS.to_vec(),
        Kind::Layer | Kind::Login | Kind::Store | Kind::Queue => Vec::new(),
    };
    match (kind, shape.auth) {
        (Kind::Provider, Auth::Token) => files.push(("src/auth.rs", AUTH_TOKEN)),
        (Kind::Provider, Auth::Sign) => files.push(("src/auth.rs", AUTH_SIGN)),
        _ => {}
    }
    files
}

fn files(root: &Path, plugin: &Plugin, shape: Shape) -> Result<Vec<File>> {
    let template = template(plugin.kind, shape);
    if template.is_empty() {
        return model::copied(root, plugin);
    }
    Ok(template
        .iter()
        .map(|(path, text)| (PathBuf::from(path), filled(text, plugin, shape)))
        .collect())
}

/// Fills the plugin's names into a template, and removes the parts that its shape does not have.
fn filled(text: &str, plugin: &Plugin, shape: Shape) -> String {
    conditioned(text, shape)
        .replace("{{name}}", &plugin.name)
        .replace("{{Name}}", &names::pascal(&plugin.name))
        .replace("{{package}}", &plugin.package())
        .replace("{{ident}}", &plugin.ident())
        .replace("{{batch}}", &shape.batch.to_string())
}

/// Returns the lines whose conditions hold. A condition is a comment, `//% if token sign`, up to `//% end`: one of its words must hold.
fn conditioned(text: &str, shape: Shape) -> String {
    let mut kept = String::new();
    let mut holds = true;
    for line in text.lines() {
        let comment = ["//%", "#%", "<!--%"]
            .iter()
            .find_map(|mark| line.trim_start().strip_prefix(mark));
        match comment {
            Some(words) => {
                let mut words = words.trim_end_matches("-->").split_whitespace();
                holds = words.next() != Some("if") || words.any(|word| shape.has(word));
            }
            None if holds => {
                kept += line;
                kept.push('\n');
            }
            None => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Auth, Shape, conditioned, filled, plugin, provider, provider_args};
    use crate::{
        Failure,
        workspace::{Kind, Plugin, fixture::Fixture},
    };

    const FACADE: &str = "\
[workspace.package]
version = \"0.1.0\"
[package]
name = \"offline-push\"
[features]
# begin generated: features
# end generated: features
[dependencies]
# begin generated: dependencies
# end generated: dependencies
[dev-dependencies]
# begin generated: dev-dependencies
# end generated: dev-dependencies
";

    fn some() -> Fixture {
        let it = Fixture::new();
        it.write("Cargo.toml", FACADE);
        it
    }

    #[test]
    fn a_new_provider_is_one_folder_and_the_wiring() {
        let it = some();
        provider(&it.root, &["acme-one"]).expect("a new provider");
        let workspace = it.workspace();
        for file in [
            "Cargo.toml",
            "src/lib.rs",
            "src/auth.rs",
            "src/simulator/service.rs",
        ] {
            let path = format!("providers/acme-one/{file}");
            let text = workspace.read(&path).expect("a file");
            assert!(
                !text.contains("{{") && !text.contains('%'),
                "{path}: {text}"
            );
        }
        let library = workspace
            .read("providers/acme-one/src/lib.rs")
            .expect("a library");
        assert!(library.contains("register_plugin!(AcmeOne);"), "{library}");
        let manifest = workspace.read("Cargo.toml").expect("the manifest");
        assert!(
            manifest.contains("provider-acme-one = [\"dep:push-provider-acme-one\"]"),
            "{manifest}"
        );
        let linked = workspace.read("src/linked.rs").expect("the table");
        assert!(
            linked.contains("push_provider_acme_one::PLUGIN"),
            "{linked}"
        );
    }

    #[test]
    fn what_is_there_is_never_overwritten() {
        let it = some();
        it.write("providers/acme/notes.txt", "mine");
        assert!(matches!(
            provider(&it.root, &["acme"]),
            Err(Failure::Task(words)) if words.contains("already there")
        ));
        assert!(!it.root.join("providers/acme/Cargo.toml").exists());
    }

    #[test]
    fn nothing_is_written_when_the_facade_cannot_be_wired() {
        let it = some();
        it.write("Cargo.toml", "[workspace.package]\nversion = \"0.1.0\"\n");
        assert!(provider(&it.root, &["acme"]).is_err());
        assert!(!it.root.join("providers/acme").exists());
    }

    #[test]
    fn bad_command_lines_are_refused_with_the_way_out() {
        let it = some();
        for args in [
            &[][..],
            &["a", "b"],
            &["Acme"],
            &["async"],
            &["config"],
            &["badge"],
            &["answer"],
        ] {
            assert!(
                matches!(provider(&it.root, args), Err(Failure::Usage(_))),
                "{args:?}"
            );
        }
        for args in [&[][..], &["redis"], &["cache-redis"], &["store-Redis"]] {
            assert!(
                matches!(plugin(&it.root, args), Err(Failure::Usage(_))),
                "{args:?}"
            );
        }
        assert!(matches!(
            plugin(&it.root, &["provider-acme"]),
            Err(Failure::Usage(words)) if words.contains("new-provider acme")
        ));
    }

    #[test]
    fn a_new_store_is_the_one_in_memory_under_another_name() {
        let it = some();
        it.add("plugins/store-memory", "push-store-memory", "");
        it.write(
            "plugins/store-memory/src/lib.rs",
            "//! Keeps it in memory.\nuse x::MemoryClock;\npub struct MemoryStore; // store/memory\nstruct Memory;\nconst NAME: &str = \"memory\";\n",
        );
        plugin(&it.root, &["store-red"]).expect("a new store");
        let library = it
            .workspace()
            .read("plugins/store-red/src/lib.rs")
            .expect("a library");
        assert!(
            library.contains("pub struct RedStore; // store/red"),
            "{library}"
        );
        assert!(library.contains("\"red\""), "{library}");
        for part in ["in memory", "MemoryClock", "struct Red;"] {
            assert!(library.contains(part), "{part} in {library}");
        }
        assert!(plugin(&it.root, &["queue-red"]).is_err(), "no model");
    }

    #[test]
    fn a_provider_is_shaped_as_it_is_asked_for() {
        let (name, shape, _) = provider_args(&["acme", "--auth", "sign", "--batch", "500"])
            .expect("a name and a shape");
        let wanted = Shape {
            auth: Auth::Sign,
            batch: 500,
        };
        assert_eq!((name, shape), ("acme", wanted));
        let text =
            "a\n//% if token\nb\n//% end\n#% if sign none\nc\n#% end\n//% if batch\nd\n//% end\n";
        assert_eq!(conditioned(text, wanted), "a\nc\nd\n");
        assert_eq!(conditioned(text, Shape::default()), "a\nb\n");
        for args in [
            &["acme", "--auth"][..],
            &["acme", "--auth", "magic"],
            &["acme", "--batch", "0"],
            &["acme", "--batch", "many"],
            &["--batch", "2"],
        ] {
            assert!(
                matches!(provider_args(args), Err(Failure::Usage(_))),
                "{args:?}"
            );
        }
        let it = some();
        provider(&it.root, &["acme", "--auth", "none"]).expect("a new provider");
        assert!(!it.root.join("providers/acme/src/auth.rs").exists());
    }

    #[test]
    fn templates_are_filled_whole() {
        let plugin = Plugin {
            kind: Kind::Login,
            name: "a-b".to_owned(),
        };
        assert_eq!(
            filled("{{name}} {{Name}} {{package}}", &plugin, Shape::default()),
            "a-b AB push-login-a-b\n"
        );
    }
}
