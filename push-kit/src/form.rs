//! Bodies of the type `application/x-www-form-urlencoded`.
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
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

/// Returns the value of the first field `name` of `body`; `None` if there is no such field, or its value is not UTF-8.
pub fn field(body: &[u8], name: &str) -> Option<String> {
    let decode = |bytes: &[u8]| {
        let spaced: Vec<u8> = bytes
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        percent_decode(&spaced).decode_utf8().map(Into::into).ok()
    };
    body.split(|byte| *byte == b'&').find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (written, value) = (&pair[..equals], &pair[equals + 1..]);
        (decode(written).as_deref() == Some(name)).then(|| decode(value))
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_it_was_written() {
        let text = "a:b&2=3+4 你\"{}";
        let body = encode([("x y", text), ("cb", "")]);
        let body = body.expose().as_bytes();
        assert_eq!(field(body, "x y").as_deref(), Some(text));
        assert_eq!(field(body, "cb").as_deref(), Some(""));
        assert_eq!(field(body, "b&2"), None);
        assert_eq!(field(b"a=1+2&a=3", "a").as_deref(), Some("1 2"));
        assert_eq!(field(b"a=%ff&b", "a"), None);
        assert_eq!(field(b"a=%ff&b", "b"), None);
        assert_eq!(field(b"a=%ff&a=1", "a"), None, "the first one counts");
        assert_eq!(field(b"%ff=1&a=2", "a").as_deref(), Some("2"));
        assert_eq!(field(b"", "a"), None);
    }

    #[test]
    fn reserved_characters_are_encoded_in_names_and_values() {
        let body = encode([("grant_type", "a:b"), ("x y", "1&2=3+4 你"), ("z", "")]);
        assert_eq!(
            body.expose(),
            "grant_type=a%3Ab&x%20y=1%262%3D3%2B4%20%E4%BD%A0&z="
        );
    }
}
