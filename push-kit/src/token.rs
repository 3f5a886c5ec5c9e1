//! The canonical form of device tokens.
use push_core::{DeviceToken, Error, ErrorKind, Result};

use crate::input::is_blank;

/// What a program writes where it has no token.
const NO_TOKENS: [&str; 7] = [
    "null",
    "(null)",
    "nil",
    "none",
    "undefined",
    "optional(nil)",
    "[object object]",
];

/// Returns `token` without blanks at its ends, which copying adds and no vendor's token has.
///
/// # Errors
/// [`ErrorKind::Invalid`] if nothing is left.
pub fn trimmed(token: &DeviceToken) -> Result<DeviceToken> {
    let text = token.expose();
    match text.trim_matches(is_blank) {
        "" => Err(wrong("has only blanks")),
        plain if plain.len() == text.len() => Ok(token.clone()),
        plain => DeviceToken::new(plain),
    }
}

/// Returns the canonical form of a token whose inner form is the vendor's secret: without blanks at its ends, otherwise as it
/// is, because letter case counts.
///
/// Refuses only what no vendor's token is: the description of an object, a word for no value, and text with blanks, quotes,
/// braces, angle brackets or backslashes.
///
/// # Errors
/// [`ErrorKind::Invalid`], in words about the form of `token`, without its content.
pub fn opaque(token: &DeviceToken) -> Result<DeviceToken> {
    let token = trimmed(token)?;
    match fault(token.expose()) {
        Some(what) => Err(wrong(what)),
        None => Ok(token),
    }
}

/// Returns what makes it impossible that `text` is a token of any vendor, as the end of the sentence "the token …".
pub fn fault(text: &str) -> Option<&'static str> {
    if NO_TOKENS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some("is a word that programs write where they have no token")
    } else if text.starts_with(['<', '{']) || is_call(text) {
        Some("is the description of an object, as a debugger or `print` shows it")
    } else if text.contains(char::is_whitespace) {
        Some("has blanks inside")
    } else if text.contains(['"', '\'', '`']) {
        Some("has quotes")
    } else if text.contains(['{', '}', '<', '>', '\\']) {
        Some("has braces, angle brackets or backslashes, which no token has")
    } else {
        None
    }
}

/// Whether `text` is `Optional("…")` or the like.
fn is_call(text: &str) -> bool {
    text.ends_with(')')
        && text
            .split_once('(')
            .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The error for a token that `what`, as in "has quotes".
pub fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the device token {what}"))
        .advise("register the token exactly as the vendor's library returned it to the app")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> DeviceToken {
        DeviceToken::new(text).unwrap()
    }

    #[test]
    fn blanks_around_a_token_are_removed_and_nothing_else_is_changed() {
        for check in [trimmed, opaque] {
            for text in ["aBc:1", " aBc:1", "aBc:1  "] {
                assert_eq!(check(&token(text)).unwrap().expose(), "aBc:1");
            }
            assert!(check(&token("  ")).is_err());
        }
        assert_eq!(trimmed(&token("a b")).unwrap().expose(), "a b");
    }

    #[test]
    fn tokens_of_all_forms_pass_unchanged() {
        for text in [
            "dJ7xTest0:APA91bFake-Fake_Fake000000",
            "BAEAAAAAB.jhonor-token-000000",
            "IQAAAACy0tEjAgBD0PrvuzM/4+Q==",
            "CN_8fa0618f178145d8c2a44091a1326411",
            "0a1b2c3d",
            "15355010000000000",
            "ExponentPushToken[abc]",
            "a%2Bb&c;d,e|f~g!h*i@j$k^l#m",
        ] {
            assert_eq!(opaque(&token(text)).unwrap().expose(), text);
        }
    }

    #[test]
    fn what_is_no_token_is_refused_in_words_about_its_form() {
        for (text, words) in [
            (
                "{length = 32, bytes = 0x4f1c0a9b ... c15980fb }",
                "description",
            ),
            ("<4f1c0a9b e27d8336>", "description"),
            ("Optional(\"4f1c0a9b\")", "description"),
            ("null", "no token"),
            ("(NULL)", "no token"),
            ("4f1c0a9b e27d8336", "blanks"),
            ("\"4f1c0a9b\"", "quotes"),
            ("4f1c0a9b\\n", "backslashes"),
        ] {
            let error = opaque(&token(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let shown = error.to_string();
            assert!(shown.contains(words), "{shown}");
            assert!(!shown.contains("4f1c0a9b"), "{shown}");
        }
    }
}
