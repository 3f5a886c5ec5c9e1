//! Paths in the configuration of plugins: a relative one starts at the folder of the configuration file.

use super::Report;
use crate::{Result, source::layers, workspace::Workspace};

pub(super) fn check(workspace: &Workspace, report: &mut Report) -> Result {
    for path in workspace.files()? {
        let is_plugin = path.starts_with("plugins/") || path.starts_with("providers/");
        if !is_plugin || !path.contains("/src/") || !path.ends_with(".rs") {
            continue;
        }
        for line in bare_paths(&workspace.read(&path)?) {
            report.wrong(
                format!("{path}:{line}"),
                "a configuration has a path that starts at the working directory",
                "use `push_core::ConfigPath`, and its `resolve` where the file is opened",
            );
        }
    }
    Ok(())
}

/// The lines with a `PathBuf` in types that are deserialized.
fn bare_paths(text: &str) -> Vec<usize> {
    let code = layers(text).code;
    let mut found = Vec::new();
    // Whether the type that comes next, or goes on, is deserialized.
    let mut is_config = false;
    for (at, line) in code.lines().enumerate() {
        if line.contains("derive(") && line.contains("Deserialize") {
            is_config = true;
        } else if line.starts_with('}') || line.trim_end().ends_with(");") {
            is_config = false;
        } else if is_config && line.contains("PathBuf") {
            found.push(at + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_configuration_is_found_and_elsewhere_is_not() {
        let text = "use std::path::PathBuf;\n#[derive(Debug, Deserialize)]\nstruct Config {\n    file: Option<PathBuf>,\n    own: ConfigPath,\n}\nstruct Store {\n    path: PathBuf,\n}\n";
        assert_eq!(bare_paths(text), [4]);
    }
}
