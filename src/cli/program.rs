//! What a program with this command line is called, and what its users do to get more plugins.
use std::{borrow::Cow, ffi::OsStr, path::Path, process::ExitCode};

use clap::{Arg, Command};
use offline_push::{Registry, Result};

/// The name of the program of this package. The texts of the command line call the program so.
const STOCK: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A program with the command line of `offline-push`, and with the plugins that it links.
///
/// ```no_run
/// use offline_push::cli::Program;
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     Program::new("acme-push", env!("CARGO_PKG_VERSION")).main()
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
    version: Option<&'static str>,
    is_of_package: bool,
}

impl Program {
    /// A program with a name and a version of its own, which depends on this package.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version: Some(version),
            is_of_package: false,
        }
    }

    /// The program `offline-push` of this package, whose users choose plugins by the package's features.
    #[doc(hidden)]
    pub const fn stock() -> Self {
        Self {
            name: STOCK,
            version: None,
            is_of_package: true,
        }
    }

    /// A program that is called as the file from which it was started.
    pub(super) fn started() -> Self {
        let file = std::env::args_os().next();
        let name = file.as_deref().map(Path::new).and_then(Path::file_stem);
        let name = name.and_then(OsStr::to_str).unwrap_or(STOCK);
        Self {
            // Once in the life of a process.
            name: String::leak(name.to_owned()),
            version: None,
            is_of_package: false,
        }
    }

    /// Runs the command that the arguments of the process name, and returns the exit code of the process.
    pub fn main(self) -> ExitCode {
        super::run(self)
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The plugins of the program, with advice for its users.
    pub(super) fn registry(&self) -> Result<Registry> {
        let registry = offline_push::registry()?;
        Ok(if self.is_of_package {
            registry.for_program(self.name)
        } else {
            registry.for_dependent_program(self.name)
        })
    }

    /// What the program's builder does to have a feature of this package that the program was built without.
    #[cfg_attr(feature = "demo", allow(dead_code, reason = "nothing is missing"))]
    pub(super) fn enable(&self, feature: &str) -> String {
        if self.is_of_package {
            format!("build with the default features, or with `--features {feature}`")
        } else {
            crate::CATALOG.dependency_with(feature)
        }
    }

    /// Returns a text of the command line for this program: each of them writes a command as "`offline-push serve`".
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let stock = concat!("`", env!("CARGO_PKG_NAME"), " ");
        if self.name == STOCK || !text.contains(stock) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.replace(stock, &format!("`{} ", self.name)))
    }

    /// Gives the commands of the stock program this one's name and version.
    pub(super) fn adapt(&self, command: Command) -> Command {
        let version = match self.version {
            Some(version) => format!("{version} ({STOCK} {VERSION})"),
            None if self.is_of_package => VERSION.to_owned(),
            None => format!("({STOCK} {VERSION})"),
        };
        // Once or twice in the life of a process.
        let version: &'static str = String::leak(version);
        self.renamed(command).name(self.name).version(version)
    }

    /// The command and those below it with help for this program.
    fn renamed(&self, mut command: Command) -> Command {
        if let Some(about) = command.get_about().map(ToString::to_string) {
            command = command.about(self.text(&about).into_owned());
        }
        if let Some(about) = command.get_long_about().map(ToString::to_string) {
            command = command.long_about(self.text(&about).into_owned());
        }
        command
            .mut_args(|mut arg: Arg| {
                if let Some(help) = arg.get_help().map(ToString::to_string) {
                    arg = arg.help(self.text(&help).into_owned());
                }
                if let Some(help) = arg.get_long_help().map(ToString::to_string) {
                    arg = arg.long_help(self.text(&help).into_owned());
                }
                arg
            })
            .mut_subcommands(|command| self.renamed(command))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Program;
    use crate::cli::Arguments;

    /// The help of every command, at its longest.
    fn helps(program: Program) -> Vec<String> {
        let mut command = program.adapt(Arguments::command());
        command.build();
        let mut all = vec![command.render_long_help().to_string()];
        let mut rest: Vec<_> = command.get_subcommands().cloned().collect();
        while let Some(mut command) = rest.pop() {
            all.push(command.render_long_help().to_string());
            rest.extend(command.get_subcommands().cloned());
        }
        all
    }

    #[test]
    fn the_help_of_every_command_is_for_the_program_that_prints_it() {
        let own = helps(Program::new("acme-push", "2.3.4"));
        for help in &own {
            assert!(!help.contains("`offline-push "), "{help}");
        }
        assert!(own.iter().any(|help| help.contains("`acme-push demo`")));
        let stock = helps(Program::stock());
        assert_eq!(stock.len(), own.len());
        assert!(stock[0].contains("`offline-push demo`"), "{}", stock[0]);
    }

    #[test]
    fn the_version_names_the_program_and_the_package_that_it_stands_on() {
        let version = |program: Program| program.adapt(Arguments::command()).render_version();
        let package = env!("CARGO_PKG_VERSION");
        assert_eq!(
            version(Program::new("acme-push", "2.3.4")),
            format!("acme-push 2.3.4 (offline-push {package})\n")
        );
        assert_eq!(
            version(Program::stock()),
            format!("offline-push {package}\n")
        );
    }

    #[test]
    fn users_are_advised_to_change_the_dependency_if_they_have_one() {
        let own = Program::new("acme-push", "2.3.4");
        assert!(own.enable("demo").contains("features = [\"demo\"]"));
        assert!(
            Program::stock()
                .enable("demo")
                .contains("`--features demo`")
        );
        let missing = |program: Program| {
            let registry = program.registry().expect("different names");
            let error = registry.find("provider", "apns-a3").expect_err("none");
            error.advice().unwrap_or_default().to_owned()
        };
        assert!(!missing(own).contains("--features"), "{}", missing(own));
    }
}
