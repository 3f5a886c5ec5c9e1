//! Removes secrets and message texts from vendors' answers.
use std::borrow::Cow;

use http::StatusCode;
use push_core::VendorAnswer;

use crate::form;

/// Shorter texts are not removed: they are found in any sentence by chance.
const SHORTEST: usize = 4;

/// A run of characters at least this long with digits, capitals and small letters is a token or a key.
const LONGEST_WORD: usize = 28;

/// The longest code or id; what is longer is something else.
const LONGEST_ID: usize = 96;

/// A vendor's error with status `status`. Of `text` nothing that is in `private` remains (see [`scrub`]), and a `code` that
/// is not a word of at most 96 characters, or is private, is left out.
///
/// `private` is what the request held: device and access tokens, secrets, title, body and `ext`. Vendors repeat them.
pub fn vendor_answer(status: StatusCode, code: &str, text: &str, private: &[&str]) -> VendorAnswer {
    VendorAnswer::new(status.as_u16(), identifier(code, private))
        .with_text(scrub(text, private.iter().copied()))
}

/// Returns `text` if it can be a code or an id: at most 96 printable ASCII characters without blanks, quotes and braces,
/// nothing private; else the empty text.
pub fn identifier<'a>(text: &'a str, private: &[&str]) -> &'a str {
    let is_plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
    let is_private = || {
        let mut private = private.iter().filter(|secret| secret.len() >= SHORTEST);
        private.any(|secret| text.contains(secret))
    };
    if text.len() <= LONGEST_ID && text.bytes().all(is_plain) && !is_private() {
        text
    } else {
        ""
    }
}

/// Returns `text` with `…` in place of every occurrence of each of `private`, also where it is percent-encoded as in a form or
/// escaped as in JSON, and in place of what looks like a token or a key. Private texts of fewer than four bytes are left.
///
/// Call it before a text is shortened: half a token is not recognised.
pub fn scrub<'a, 'p>(text: &'a str, private: impl IntoIterator<Item = &'p str>) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in private {
        if secret.len() < SHORTEST {
            continue;
        }
        let escaped = serde_json::Value::from(secret).to_string();
        let escaped = &escaped[1..escaped.len() - 1];
        for form in [secret, &form::encode_value(secret), escaped] {
            if text.contains(form) {
                text = Cow::Owned(text.replace(form, "…"));
            }
        }
    }
    let keys: Vec<String> = text
        .split(|character: char| !is_of_key(character))
        .filter(|run| is_key(run))
        .map(str::to_owned)
        .collect();
    for key in keys {
        text = Cow::Owned(text.replace(&key, "…"));
    }
    text
}

const fn is_of_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=' | '_' | '-' | ':')
}

fn is_key(run: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
    run.len() >= LONGEST_WORD
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_removed_however_it_is_written() {
        let secret = "s3cret/\"+=";
        for text in [
            "client_secret s3cret/\"+= is wrong",
            "client_secret s3cret%2F%22%2B%3D is wrong",
            "client_secret s3cret/\\\"+= is wrong",
        ] {
            assert_eq!(scrub(text, [secret]), "client_secret … is wrong");
        }
        assert_eq!(
            scrub("nothing to hide", [secret, "not", ""]),
            "nothing to hide"
        );
    }

    #[test]
    fn what_looks_like_a_key_is_removed_and_words_are_not() {
        assert_eq!(
            scrub("the key MIIEvgIBADANBgkqhkiG9w0BAQEFAASC is wrong", []),
            "the key … is wrong"
        );
        let words = "Permission 'cloudmessaging.messages.create' denied on resource \
                     '//cloudresourcemanager.example.com/projects/demo-project' \
                     (type.example.com/sample.messaging.push.v1.PushError)";
        assert_eq!(scrub(words, []), words);
    }

    #[test]
    fn a_code_is_a_word_and_nothing_private() {
        assert_eq!(identifier("80100003", &["80"]), "80100003");
        assert_eq!(identifier("0:15004%31bd-x", &[]), "0:15004%31bd-x");
        for text in [
            "two words",
            "a\nb",
            "{}",
            &"x".repeat(97),
            "has-t0ken-in-it",
        ] {
            assert_eq!(identifier(text, &["t0ken"]), "", "{text}");
        }
    }
}
