//! Cargo subcommands that tasks call, installed when they are missing.

use std::{path::Path, time::Instant};

use crate::{Failure, Result, run};

/// A cargo subcommand from the registry.
pub(crate) struct Tool {
    /// Program and package.
    pub(crate) name: &'static str,
    /// Which versions the task is written for.
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

/// Installs `tool` into cargo's home if no program of its name is in PATH.
///
/// Without optimisation: with it, cargo-deny takes more than twice as long to compile, and it runs for seconds.
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

fn install(root: &Path, tool: &Tool) -> std::process::Command {
    let mut command = run::cargo(root);
    command.args(["install", "--quiet", "--locked", "--debug"]);
    command.args(["--version", tool.version, tool.name]);
    command
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{DENY, FUZZ, install};
    use crate::run;

    #[test]
    fn tools_are_installed_in_the_versions_that_the_tasks_are_written_for() {
        for tool in [DENY, FUZZ] {
            let shown = run::shown(&install(Path::new("."), &tool));
            let end = format!(
                "install --quiet --locked --debug --version {} {}",
                tool.version, tool.name
            );
            assert!(shown.ends_with(&end), "{shown}");
        }
    }
}
