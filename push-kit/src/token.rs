//! The canonical form of device tokens.
use push_core::{DeviceToken, Error, ErrorKind, Result};

/// Returns `token` without blanks at its ends, which copying adds and no vendor's token has.
///
/// # Errors
/// [`ErrorKind::Invalid`] if nothing is left.
pub fn trimmed(token: &DeviceToken) -> Result<DeviceToken> {
    let text = token.expose();
    match text.trim() {
        "" => Err(Error::new(
            ErrorKind::Invalid,
            "the device token has only blanks",
        )),
        plain if plain.len() == text.len() => Ok(token.clone()),
        plain => DeviceToken::new(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_token_are_removed_and_nothing_else_is_changed() {
        let check = |text: &str| trimmed(&DeviceToken::new(text).unwrap());
        for text in ["aBc:1", " aBc:1", "aBc:1  "] {
            assert_eq!(check(text).unwrap().expose(), "aBc:1");
        }
        assert_eq!(check("a b").unwrap().expose(), "a b");
        assert!(check("  ").is_err());
    }
}
