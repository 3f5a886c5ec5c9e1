//! Valid names of plugins.
//!
//! A name becomes a folder, a package, a feature, a registry name, a `type = "…"` in configuration and
//! a Rust type, so it must be valid for all of them.

/// The longest name of a plugin, in bytes: generated lines stay within what rustfmt keeps on one line.
const LONGEST: usize = 24;

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Words that mean something else here, in a configuration file or on some file system.
const RESERVED: &[&str] = &[
    "all",
    "aux",
    "client",
    "con",
    "config",
    "core",
    "default",
    "example",
    "full",
    "gateway",
    "http",
    "ingress",
    "layer",
    "login",
    "new",
    "none",
    "nul",
    "plugin",
    "prn",
    "provider",
    "push",
    "queue",
    "simulator",
    "simulators",
    "stack",
    "std",
    "store",
    "test",
    "testkit",
    "xtask",
];

/// Checks that `name` can be a plugin's name. Returns the reason in one sentence if it cannot.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("`{name}` cannot be a name: {why}"));
    if name.is_empty() {
        return Err("a name is missing".to_owned());
    }
    if name.len() > LONGEST {
        return refuse(&format!("it is longer than {LONGEST} letters"));
    }
    if !name.starts_with(|it: char| it.is_ascii_lowercase()) {
        return refuse("it must start with a lower-case letter");
    }
    if let Some(odd) = name
        .chars()
        .find(|it| !(it.is_ascii_lowercase() || it.is_ascii_digit() || *it == '-'))
    {
        return refuse(&format!(
            "it holds {odd:?}, but lower-case letters, digits and single hyphens are all it may hold"
        ));
    }
    if name.ends_with('-') || name.contains("--") {
        return refuse("a hyphen must stand alone between two letters or digits");
    }
    if KEYWORDS.contains(&name) {
        return refuse("it is a keyword of Rust");
    }
    if RESERVED.contains(&name) {
        return refuse("the word is reserved");
    }
    Ok(())
}

/// `apns-a2` as a Rust type: `ApnsA2`.
pub(crate) fn pascal(name: &str) -> String {
    name.split('-')
        .map(|part| {
            let mut letters = part.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + letters.as_str()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, check, pascal};

    #[test]
    fn names_of_real_vendors_are_accepted() {
        for name in ["apns", "apns-a2", "huawei", "one2one", "x", "a-b-c"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(&"a".repeat(LONGEST)), Ok(()));
    }

    #[test]
    fn a_refusal_says_which_rule_was_broken() {
        for (name, why) in [
            ("", "missing"),
            ("Acme", "start with a lower-case letter"),
            ("2fast", "start with a lower-case letter"),
            ("-x", "start with a lower-case letter"),
            ("a_b", "'_'"),
            ("a/b", "'/'"),
            ("..", "start with"),
            ("naïve", "'ï'"),
            ("a--b", "hyphen"),
            ("a-", "hyphen"),
            ("async", "keyword"),
            ("self", "keyword"),
            ("core", "reserved"),
            ("nul", "reserved"),
        ] {
            let refusal = check(name).expect_err(name);
            assert!(refusal.contains(why), "{name}: {refusal}");
        }
        assert!(check(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn a_name_becomes_a_type() {
        assert_eq!(pascal("apns-a2"), "ApnsA2");
        assert_eq!(pascal("x"), "X");
    }
}
