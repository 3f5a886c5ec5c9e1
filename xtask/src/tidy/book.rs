//! The map of the repository names what is on it.

use super::Report;
use crate::workspace::{Role, Workspace};

const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check(workspace: &Workspace, report: &mut Report) {
    let Ok(text) = workspace.read(MAP) else {
        report.wrong(
            MAP,
            "the map of the repository is missing",
            "write it: what each crate is for, who imports whom, where data goes",
        );
        return;
    };
    for member in &workspace.members {
        let mut names = vec![member.package()];
        if member.role != Role::Facade {
            names.push(member.folder.clone());
        }
        if let Role::Plugin(plugin) = &member.role {
            names.extend([plugin.feature(), plugin.id()]);
        }
        if !names.iter().any(|it| is_named(&text, it)) {
            report.wrong(
                MAP,
                format!("does not name `{}`", names.last().unwrap_or(&names[0])),
                "say in one line what the crate is for; `cargo xtask tidy --fix` keeps the table of \
                 plugins, if the page has the two lines `begin generated: plugins` and \
                 `end generated: plugins`",
            );
        }
    }
}

/// Returns `true` if `name` is in the text as a separate word.
fn is_named(text: &str, name: &str) -> bool {
    let part = |it: char| it.is_alphanumeric() || it == '-' || it == '_';
    text.match_indices(name).any(|(start, _)| {
        !text[..start].ends_with(part) && !text[start + name.len()..].starts_with(part)
    })
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn a_longer_name_is_not_a_shorter_one() {
        assert!(is_named("`provider-apns`, fcm", "provider-apns"));
        assert!(!is_named("`provider-apns-a2`", "provider-apns"));
        assert!(!is_named("my-provider-apns", "provider-apns"));
        assert!(is_named(
            "my-provider-apns or provider-apns",
            "provider-apns"
        ));
    }
}
