//! Removing what must not be shown from what a vendor sent.
use std::borrow::Cow;

use crate::form;

/// Shorter texts are not removed: they are found in any sentence by chance.
const SHORTEST: usize = 4;

/// Returns `text` with every occurrence of each of `private` replaced by `…`, also where it is percent-encoded as in a form
/// or escaped as in JSON. Texts of fewer than four bytes are left.
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
    text
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
}
