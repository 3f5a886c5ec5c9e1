//! Collapse keys in the forms that vendors want.
//!
//! [`Notification::collapse`](push_core::Notification::collapse) is any text of up to 64 bytes. Equal keys give equal results on
//! every machine and in every version, so that a notification can be replaced by one that another process sends.
use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Returns a number from 1 to 2³¹ − 1 for `key`, for vendors that identify a notification by a positive 32-bit integer.
///
/// Two keys of one phone share a number with a probability of 2⁻³¹.
pub fn collapse_number(key: &str) -> u32 {
    let [a, b, c, d] = first_bytes(key);
    (u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff).max(1)
}

/// Returns `key` if it has at most `max` bytes, all of them ASCII letters, digits, `-` or `_`, else a hash of it: the first
/// `max` characters (64 at most) of its SHA-256 in lower-case hexadecimal.
///
/// `max` should be at least 16: the hash of a shorter limit has less than 64 bits.
pub fn collapse_word(key: &str, max: usize) -> Cow<'_, str> {
    if is_word(key, max) {
        return Cow::Borrowed(key);
    }
    let mut word: String = digest(&SHA256, key.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    word.truncate(max);
    Cow::Owned(word)
}

/// Returns `key` where [`collapse_word`] does, else a denser hash of it: the first `max` characters (43 at most) of its SHA-256 in
/// base64url, for vendors that take letters in upper and lower case and only a few of them.
///
/// Each character has 6 bits: two keys of one phone share a hash of 8 characters with a probability of 2⁻⁴⁸.
pub fn collapse_code(key: &str, max: usize) -> Cow<'_, str> {
    if is_word(key, max) {
        return Cow::Borrowed(key);
    }
    let mut code = URL_SAFE_NO_PAD.encode(digest(&SHA256, key.as_bytes()));
    code.truncate(max);
    Cow::Owned(code)
}

/// Whether `key` has at most `max` bytes, all of them ASCII letters, digits, `-` or `_`.
fn is_word(key: &str, max: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    key.len() <= max && key.bytes().all(is_plain)
}

fn first_bytes(key: &str) -> [u8; 4] {
    let hash = digest(&SHA256, key.as_bytes());
    let mut first = [0; 4];
    for (to, from) in first.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn results_are_the_same_on_every_machine_and_in_every_version() {
        // SHA-256 of "conv-42" and of "聊天".
        assert_eq!(collapse_number("conv-42"), 0x4993_3ea2);
        assert_eq!(collapse_number(""), 0x63b0_c442);
        assert_eq!(collapse_word("聊天", 16), "4b3510b8d86ea785");
        assert_eq!(collapse_code("聊天", 8), "SzUQuNhu");
    }

    #[test]
    fn a_plain_short_key_stays_readable() {
        assert_eq!(collapse_word("conv-42_A", 9), "conv-42_A");
        assert_ne!(collapse_word("conv-42_A", 8), "conv-42_A");
        assert_ne!(collapse_word("conv 42", 64), "conv 42");
        assert_eq!(collapse_word(&"x".repeat(100), 99).len(), 64);
        assert_eq!(collapse_code("conv-42_", 8), "conv-42_");
        assert_eq!(collapse_code(&"x".repeat(100), 99).len(), 43);
    }

    proptest! {
        #[test]
        fn every_key_gives_a_positive_number_and_a_bounded_word(key in any::<String>(), max in 0_usize..80) {
            let number = collapse_number(&key);
            prop_assert!((1..=i32::MAX as u32).contains(&number));
            for word in [collapse_word(&key, max), collapse_code(&key, max)] {
                prop_assert!(word.len() <= max);
                prop_assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            }
        }
    }
}
