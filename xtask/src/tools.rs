//! Installs programs that tasks, builds and tests call.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{Failure, Result, run};

/// A cargo subcommand from the registry.
pub(crate) struct Tool {
    /// Program and package.
    pub(crate) name: &'static str,
    /// The versions that the task is written for.
    pub(crate) version: &'static str,
}

pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "^0.20",
};

pub(crate) const FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "^0.13",
};

pub(crate) const MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "^25.3",
};

pub(crate) const SEMVER: Tool = Tool {
    name: "cargo-semver-checks",
    version: "^0.51",
};

/// Installs `tool` into cargo's home if no program of its name is in PATH.
///
/// Without optimization and debug information: with them, cargo-deny takes much longer to compile, and it runs only for seconds.
pub(crate) fn require(root: &Path, tool: &Tool) -> Result {
    if run::is_installed(tool.name) {
        return Ok(());
    }
    println!("{} is not installed; installing it", tool.name);
    let since = Instant::now();
    run::succeed(&mut install(root, tool)).map_err(|failure| match failure {
        Failure::Task(words) | Failure::Usage(words) => Failure::Task(format!(
            "{words}\ninstall {} by hand, or make a registry reachable",
            tool.name
        )),
    })?;
    println!(
        "installed {} in {:.0} s",
        tool.name,
        since.elapsed().as_secs_f64()
    );
    Ok(())
}

fn install(root: &Path, tool: &Tool) -> Command {
    let mut command = run::cargo(root);
    command.args(["install", "--quiet", "--locked", "--debug"]);
    command.args(["--version", tool.version, tool.name]);
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}

/// The programs that tests and builds call: program, its package in apt-get, and its purpose.
fn needed(is_python_named: bool) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut needed = vec![
        (
            "cc",
            "build-essential",
            "SQLite and aws-lc are built with it",
        ),
        (
            "c++",
            "build-essential",
            "the header for C has to be good C++ as well",
        ),
    ];
    // The variable names another Python.
    if !is_python_named {
        needed.push((
            "python3",
            "python3",
            "a test drives the bindings from Python",
        ));
    }
    needed
}

/// Installs the missing ones of these programs.
pub(crate) fn programs() -> Result {
    for (program, package, purpose) in needed(env::var_os("PYTHON").is_some()) {
        if run::is_installed(program) {
            continue;
        }
        println!("there is no `{program}`: {purpose}");
        for args in [&["update"][..], &["install", "--yes", package]] {
            let mut command = Command::new("apt-get");
            // A package may ask questions, which no user is there to answer.
            command
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdin(Stdio::null());
            run::succeed(&mut command).map_err(|_| {
                format!(
                    "no `{program}`, and apt-get could not install {package}: install it by hand"
                )
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{DENY, FUZZ, MUTANTS, SEMVER, install, needed};
    use crate::run;

    #[test]
    fn tools_are_installed_in_the_versions_that_the_tasks_are_written_for() {
        for tool in [DENY, FUZZ, MUTANTS, SEMVER] {
            let shown = run::shown(&install(Path::new("."), &tool));
            let end = format!(
                "install --quiet --locked --debug --version {} {}",
                tool.version, tool.name
            );
            assert!(shown.ends_with(&end), "{shown}");
        }
    }

    #[test]
    fn what_the_tests_call_is_looked_for_and_python_not_where_another_is_named() {
        let programs = |is_python_named| {
            let needed = needed(is_python_named);
            needed.iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(programs(false), ["cc", "c++", "python3"]);
        assert_eq!(programs(true), ["cc", "c++"]);
    }
}
