//! Reads PEM text and base64 files as people paste them.
//!
//! Accepted beside the strict form of RFC 7468: a byte order mark, any line break, line breaks written as `\n` (escaped once
//! or more often), blanks or nothing where line breaks were, indentation, quotes and other text around the blocks, and the
//! base64 of a private key without its BEGIN and END lines.
use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use push_core::Secret;
use zeroize::Zeroizing;

use crate::input::is_invisible;

/// Padding is often lost when a value is copied by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const BEGIN: &str = "-----BEGIN";
const END: &str = "-----END";
const DASHES: &str = "-----";

/// Characters on a line of base64 (RFC 7468 §2).
const LINE: usize = 64;

/// Decoded bytes that are wiped when they drop. `Debug` shows their number only.
pub struct Der(Zeroizing<Vec<u8>>);

impl Der {
    /// Takes over `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Der {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Der({} bytes)", self.0.len())
    }
}

/// Why a text cannot be read. `Display` is the end of a sentence that begins with the name of the key or certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemFault {
    /// There is no block of the wanted kind.
    Missing,
    /// A block begins and does not end.
    Unfinished,
    /// What is between BEGIN and END is not base64.
    Damaged,
    /// The private key is encrypted.
    Encrypted,
}

impl fmt::Display for PemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is not in PEM: there is no BEGIN line of the right kind",
            Self::Unfinished => "is cut off: there is a BEGIN line and no END line",
            Self::Damaged => "is damaged: the text between BEGIN and END is not base64",
            Self::Encrypted => "is encrypted: decrypt it first",
        })
    }
}

impl std::error::Error for PemFault {}

/// Returns `true` if `text` has a BEGIN line.
pub fn is_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Reads the first private key of `text`: PKCS#8, SEC 1 or PKCS#1 in DER.
///
/// # Errors
/// As [`private_keys`].
pub fn private_key(text: &str) -> Result<Der, PemFault> {
    let mut keys = private_keys(text)?;
    Ok(keys.swap_remove(0))
}

/// Reads every private key of `text`, at least one: PKCS#8, SEC 1 or PKCS#1 in DER.
///
/// # Errors
/// [`PemFault`], for the first block that cannot be read; [`PemFault::Missing`] if no block is a private key.
pub fn private_keys(text: &str) -> Result<Vec<Der>, PemFault> {
    let text = normal(text);
    if !is_pem(&text) {
        // Only what was between the lines: DER of a key is a SEQUENCE.
        return decode(&text)
            .filter(|der| der.expose().first() == Some(&0x30))
            .map(|der| vec![der])
            .ok_or(PemFault::Missing);
    }
    let mut keys = Vec::new();
    for block in blocks(&text) {
        let Block { label, body } = block?;
        if !label.ends_with("PRIVATE KEY") {
            continue;
        }
        // The second is a header of RFC 1421: OpenSSL's old form of an encrypted key.
        if label.contains("ENCRYPTED") || body.contains("ENCRYPTED") {
            return Err(PemFault::Encrypted);
        }
        keys.push(decode(body).ok_or(PemFault::Damaged)?);
    }
    if keys.is_empty() {
        return Err(PemFault::Missing);
    }
    Ok(keys)
}

/// Reads every certificate of `text`, in DER. Blocks of other kinds are skipped; none at all is an empty list.
///
/// # Errors
/// [`PemFault::Unfinished`] or [`PemFault::Damaged`].
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, PemFault> {
    let text = normal(text);
    let mut found = Vec::new();
    for block in blocks(&text) {
        let Block { label, body } = block?;
        if label.ends_with("CERTIFICATE") {
            found.push(decode(body).ok_or(PemFault::Damaged)?.expose().to_vec());
        }
    }
    Ok(found)
}

/// Reads the base64 of a binary file, in one line or several; `None` if it is not base64.
pub fn binary(text: &str) -> Option<Der> {
    decode(&normal(text)).filter(|der| !der.expose().is_empty())
}

struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

fn blocks(mut text: &str) -> impl Iterator<Item = Result<Block<'_>, PemFault>> {
    std::iter::from_fn(move || {
        let start = text.find(BEGIN)? + BEGIN.len();
        let rest = &text[start..];
        // Ends the iteration if this block has no end.
        text = "";
        let parts = rest.split_once(DASHES).and_then(|(label, rest)| {
            let (body, rest) = rest.split_once(END)?;
            Some((label.trim(), body, rest))
        });
        let Some((label, body, after)) = parts else {
            return Some(Err(PemFault::Unfinished));
        };
        text = after;
        Some(Ok(Block { label, body }))
    })
}

/// Removes byte order marks and other invisible characters, and replaces escaped line breaks by line breaks. Neither PEM nor base64 has a backslash.
fn normal(text: &str) -> Zeroizing<String> {
    let mut normal = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            invisible if is_invisible(invisible) => {}
            '\\' => {
                while rest.next_if_eq(&'\\').is_some() {}
                rest.next_if(|escaped| matches!(escaped, 'n' | 'r' | 't'));
                normal.push('\n');
            }
            character => normal.push(character),
        }
    }
    normal
}

/// Writes `der` as a PEM block in the strict form of RFC 7468, for libraries that read no other.
pub fn write(label: &str, der: &Der) -> Secret {
    let base64 = Zeroizing::new(BASE64.encode(der.expose()));
    let mut pem = Zeroizing::new(format!("{BEGIN} {label}{DASHES}\n"));
    for line in base64.as_bytes().chunks(LINE) {
        // Base64 is ASCII.
        pem.push_str(std::str::from_utf8(line).unwrap_or_default());
        pem.push('\n');
    }
    pem.push_str(&format!("{END} {label}{DASHES}\n"));
    Secret::new(pem.as_str())
}

fn decode(text: &str) -> Option<Der> {
    let text = text.trim_matches(|edge: char| edge.is_whitespace() || matches!(edge, '"' | '\''));
    let compact: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .filter(|character| !character.is_whitespace())
            .collect(),
    );
    let der = BASE64.decode(compact.as_bytes()).ok()?;
    Some(Der::new(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: [&str; 3] = [
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgv6RgHT+WEFlurW6M",
        "s3DfjGtqmF0Uz0IXosatfEplqEyhRANCAAQbzG+6/k5UDu+wTNEVMKu+Vep0IiAM",
        "VWIw9LVgiZiDJxpr8pntd1mPc8ENo854BLITneZ+Ts4SLY3YmhpYEWJd",
    ];

    fn pem(line_break: &str) -> String {
        let [first, second, third] = BODY;
        [
            "-----BEGIN PRIVATE KEY-----",
            first,
            second,
            third,
            "-----END PRIVATE KEY-----",
            "",
        ]
        .join(line_break)
    }

    #[test]
    fn a_key_is_read_however_its_line_breaks_were_lost() {
        let right = private_key(&pem("\n")).unwrap().expose().to_vec();
        assert_eq!(right.len(), 138);
        let bare = BODY.concat();
        for text in [
            pem("\r\n"),
            pem("\r"),
            pem(" "),
            pem(""),
            pem("\\n"),
            pem("\\\\n"),
            pem("\\r\\n"),
            pem("\\\\r\\\\n"),
            pem("\n    "),
            pem("\n\n"),
            pem("\u{a0}"),
            format!("\u{feff}{}", pem("\r\n")),
            pem("\u{200b}\n"),
            format!("\"{}\"", pem("\\n")),
            format!("key: |\n  {}# end", pem("\n  ")),
            bare.clone(),
            format!("  {bare}\n"),
            format!("'{bare}'"),
        ] {
            let der = private_key(&text).unwrap_or_else(|fault| panic!("{fault}: {text:?}"));
            assert_eq!(der.expose(), right, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_written_as_strict_readers_want_it() {
        let der = private_key(&pem(" ")).unwrap();
        assert_eq!(write("PRIVATE KEY", &der).expose(), pem("\n"));
    }

    #[test]
    fn what_cannot_be_a_key_is_named() {
        let fault = |text: &str| private_key(text).unwrap_err();
        assert_eq!(fault(""), PemFault::Missing);
        assert_eq!(fault("nonsense"), PemFault::Missing);
        assert_eq!(fault("AuthKey_ABC123DEFG.p8"), PemFault::Missing);
        assert_eq!(
            fault(&pem("\n").replace("PRIVATE KEY", "CERTIFICATE")),
            PemFault::Missing
        );
        let whole = pem("\n");
        assert_eq!(fault(&whole[..100]), PemFault::Unfinished);
        assert_eq!(fault("-----BEGIN"), PemFault::Unfinished);
        assert_eq!(fault(&whole.replace("MIGH", "M!GH")), PemFault::Damaged);
        assert_eq!(
            fault(&whole.replace("PRIVATE", "ENCRYPTED PRIVATE")),
            PemFault::Encrypted
        );
        let old = whole.replace(
            "KEY-----\nM",
            "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nM",
        );
        assert_eq!(fault(&old), PemFault::Encrypted);
    }

    #[test]
    fn blocks_of_other_kinds_are_skipped() {
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let certificate = "-----BEGIN CERTIFICATE----- AAEC -----END CERTIFICATE-----";
        let text = format!("Bag Attributes\n{parameters}{certificate}{}", pem("\n"));
        assert_eq!(private_key(&text).unwrap().expose().len(), 138);
        assert_eq!(certificates(&text), Ok(vec![vec![0, 1, 2]]));
        assert_eq!(certificates(&pem("\n")), Ok(Vec::new()));
        assert_eq!(
            certificates("-----BEGIN CERTIFICATE-----\nAA"),
            Err(PemFault::Unfinished)
        );
    }

    #[test]
    fn a_binary_file_is_read_from_base64_in_any_number_of_lines() {
        for text in [
            "MAECAw==",
            "MAEC\r\nAw==\n",
            " MAECAw ",
            "\"MAEC\\nAw==\"",
            "\u{feff}MAECAw==",
        ] {
            assert_eq!(binary(text).unwrap().expose(), [0x30, 1, 2, 3], "{text:?}");
        }
        assert!(binary("%%%").is_none());
        assert!(binary("").is_none());
    }

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        let der = private_key(&pem("\n")).unwrap();
        assert_eq!(format!("{der:?}"), "Der(138 bytes)");
    }
}
