//! MD5 (RFC 1321), by which some vendors sign requests. For nothing else: it does not resist forgery of what it is computed from.
use md5::{Digest, Md5};

/// Returns the MD5 digest of `parts` put together, as 32 lower-case hexadecimal digits.
pub fn hex<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part.as_bytes());
    }
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test suite of RFC 1321, section A.5.
    #[test]
    fn the_digests_are_those_of_the_rfc() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ] {
            assert_eq!(hex([text]), digest, "{text:?}");
        }
        assert_eq!(hex(["mess", "", "age digest"]), hex(["message digest"]));
    }
}
