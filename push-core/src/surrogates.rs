//! Halves of surrogate pairs in JSON text.
use std::borrow::Cow;

/// Replaces escapes of halves of surrogate pairs that stand alone, as in `"see you \ud83d"`, by the escape of U+FFFD, which is
/// as long. JSON's grammar allows them (RFC 8259 §8.2), and `JSON.stringify` writes them for a text that was cut inside an
/// emoji, but no UTF-8 text can hold them.
///
/// Text without such escapes, and text that is not JSON, is returned as it is.
pub fn mend_surrogates(json: &str) -> Cow<'_, str> {
    match mend_surrogates_in(json.as_bytes()) {
        // Only ASCII was replaced by ASCII.
        Cow::Owned(mended) => String::from_utf8(mended).map_or(Cow::Borrowed(json), Cow::Owned),
        Cow::Borrowed(_) => Cow::Borrowed(json),
    }
}

/// [`mend_surrogates`] of bytes that should be JSON.
pub fn mend_surrogates_in(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(json);
    let mut at = 0;
    while let Some(found) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        let next = json.get(at + 6..).unwrap_or_default();
        at += match (code_unit(&json[at..]), code_unit(next)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.to_mut()[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            // Another escape: a backslash behind it begins none.
            _ => 2,
        };
        at = at.min(json.len());
    }
    mended
}

/// The UTF-16 code unit that an escape `\uXXXX` at the beginning of `json` encodes.
fn code_unit(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_of_a_pair_becomes_the_replacement_character() {
        for (json, text) in [
            (r#""see you \ud83d""#, "see you \u{fffd}"),
            (r#""\uDE00 hi""#, "\u{fffd} hi"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            let mended = mend_surrogates(json);
            assert_eq!(mended.len(), json.len(), "places in errors stay right");
            let read: String = serde_json::from_str(&mended).expect(json);
            assert_eq!(read, text, "{json}");
        }
    }

    #[test]
    fn what_has_no_half_is_not_copied() {
        for json in [
            r#""\ud83d\ude00 \\ \" \u00e9""#,
            "\"😀\"",
            "",
            "\\",
            "\\u",
            "\\ud8",
            "\\ud8zz",
            "\"\\",
        ] {
            assert!(
                matches!(mend_surrogates(json), Cow::Borrowed(it) if it == json),
                "{json}"
            );
        }
        let broken = b"\"\xff\\ud83d";
        assert_eq!(&*mend_surrogates_in(broken), b"\"\xff\\ufffd");
    }
}
