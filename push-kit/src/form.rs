//! Bodies of the type `application/x-www-form-urlencoded`.
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use push_core::Secret;

/// The value of `content-type` of such a body.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// What stays as it is. A blank becomes `%20`, which every reader of forms takes for the same as `+`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Writes `fields` as a body. It is a [`Secret`], because forms to token services hold one.
pub fn encode<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Secret {
    let pairs: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| format!("{}={}", encode_value(name), encode_value(value)))
        .collect();
    Secret::new(pairs.join("&"))
}

/// Writes one name or value, or one segment of a path.
pub fn encode_value(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_characters_are_encoded_in_names_and_values() {
        let body = encode([("grant_type", "a:b"), ("x y", "1&2=3+4 你"), ("z", "")]);
        assert_eq!(
            body.expose(),
            "grant_type=a%3Ab&x%20y=1%262%3D3%2B4%20%E4%BD%A0&z="
        );
    }
}
