//! A provider's crate for a repository of its own: what the workspace gives its members is written out.

use std::path::Path;

use crate::{Result, manifest::Manifest};

/// Returns the manifest of a crate of the workspace as one that stands alone.
pub(crate) fn manifest(root: &Path, text: &str) -> Result<String> {
    let workspace = Manifest::read(&root.join("Cargo.toml"))?;
    let mut alone = String::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            table = name.to_owned();
        }
        // The lints are those of our house.
        if table == "lints" {
            continue;
        }
        alone += &match line.split_once(".workspace = true") {
            Some(("license" | "repository" | "keywords" | "categories", _)) => continue,
            Some((key, _)) if table == "package" => {
                let value = workspace
                    .get("workspace.package", key)
                    .ok_or_else(|| format!("[workspace.package] has no `{key}`"))?;
                let value = if key == "version" { "0.1.0" } else { value };
                format!("{key} = \"{value}\"")
            }
            Some((name, _)) => dependency(&workspace, name, "")?,
            None => match line.split_once(" = { workspace = true") {
                Some((name, rest)) => dependency(&workspace, name, rest.trim_end_matches(" }"))?,
                None => line.to_owned(),
            },
        };
        alone.push('\n');
    }
    Ok(format!("{}\n", alone.trim_end()))
}

/// Returns the line of a dependency with the workspace's version and features, and with `rest`, which begins with a comma.
fn dependency(workspace: &Manifest, name: &str, rest: &str) -> Result<String> {
    let value = workspace
        .get("workspace.dependencies", name)
        .ok_or_else(|| format!("[workspace.dependencies] has no `{name}`"))?;
    let fields = match value.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some(table) => {
            let table = table.trim();
            // Our own crates come from the registry.
            match table.split_once("version = ") {
                Some((path, version)) if path.starts_with("path = ") => {
                    format!("version = {version}")
                }
                _ => table.to_owned(),
            }
        }
        None => format!("version = \"{value}\""),
    };
    let bare = fields
        .strip_prefix("version = ")
        .filter(|it| !it.contains(','));
    Ok(match (rest, bare) {
        ("", Some(version)) => format!("{name} = {version}"),
        _ => format!("{name} = {{ {fields}{rest} }}"),
    })
}

#[cfg(test)]
mod tests {
    use super::manifest;
    use crate::workspace::fixture::Fixture;

    #[test]
    fn what_the_workspace_gives_is_written_out() {
        let it = Fixture::new();
        it.write(
            "Cargo.toml",
            "[workspace.package]\nversion = \"0.3.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
             [workspace.dependencies]\npush-core = { path = \"push-core\", version = \"0.3.0\" }\nbytes = \"1.12\"\n\
             base64 = { version = \"0.22\", default-features = false }\n",
        );
        let text = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\nlicense.workspace = true\n\
                    \n[dependencies]\npush-core.workspace = true\nbytes.workspace = true\nbase64.workspace = true\n\
                    push-core = { workspace = true, optional = true }\nx = { path = \".\" }\n\n[lints]\nworkspace = true\n";
        assert_eq!(
            manifest(&it.root, text).expect("every name is known"),
            "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\npush-core = \"0.3.0\"\n\
             bytes = \"1.12\"\nbase64 = { version = \"0.22\", default-features = false }\n\
             push-core = { version = \"0.3.0\", optional = true }\nx = { path = \".\" }\n"
        );
        assert!(manifest(&it.root, "[dependencies]\nnobody.workspace = true\n").is_err());
    }
}
