//! Says what kind of private key there is, and whether it is whole, where a library only says that it cannot use it.
use std::fmt;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The parameters of a key of SEC 1.
const PARAMETERS: u8 = 0xa0;

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
/// `id-ecPublicKey`, 1.2.840.10045.2.1.
const EC: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
/// `prime256v1`, 1.2.840.10045.3.1.7.
const P256: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";

/// The kind of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// An EC key on the curve P-256.
    P256,
    /// An EC key on another curve, or on one that the key does not name.
    OtherCurve,
    /// An RSA key.
    Rsa {
        /// The length of its modulus.
        bits: usize,
    },
    /// Another kind, Ed25519 for instance.
    Other,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("an EC key on the curve P-256"),
            Self::OtherCurve => f.write_str("an EC key on another curve than P-256"),
            Self::Rsa { bits } => write!(f, "an RSA key of {bits} bits"),
            Self::Other => f.write_str("a key that is neither EC nor RSA"),
        }
    }
}

/// Why bytes are no private key. `Display` is the end of a sentence that begins with the name of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// It is shorter than it says itself.
    CutOff,
    /// It has bytes behind its end, or is not PKCS#8, SEC 1 or PKCS#1 inside.
    Damaged,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "is damaged: a part of it is missing",
            Self::Damaged => "is damaged: its bytes are not those of a private key",
        })
    }
}

impl std::error::Error for KeyFault {}

/// Returns the kind of the private key in `der`: PKCS#8 (RFC 5958), SEC 1 (RFC 5915) or PKCS#1 (RFC 8017). Its numbers are not
/// checked: a key of a kind that a library supports and still refuses is damaged.
///
/// # Errors
/// [`KeyFault`] if it is no whole private key of one of these forms.
pub fn kind(der: &[u8]) -> Result<KeyKind, KeyFault> {
    let fields = match value(der) {
        Some((SEQUENCE, fields, [])) => fields,
        None if der.first() == Some(&SEQUENCE) => return Err(KeyFault::CutOff),
        _ => return Err(KeyFault::Damaged),
    };
    kind_of(fields).ok_or(KeyFault::Damaged)
}

fn kind_of(fields: &[u8]) -> Option<KeyKind> {
    let (INTEGER, _version, fields) = value(fields)? else {
        return None;
    };
    match value(fields)? {
        // PKCS#1: the modulus.
        (INTEGER, modulus, _) => Some(rsa(modulus)),
        // SEC 1: the key, and perhaps its curve.
        (OCTET_STRING, _, rest) => Some(match value(rest) {
            Some((PARAMETERS, parameters, _)) => curve(parameters),
            _ => KeyKind::OtherCurve,
        }),
        // PKCS#8: the algorithm, and the key in a form of the algorithm's.
        (SEQUENCE, algorithm, rest) => {
            let (OBJECT_ID, id, parameters) = value(algorithm)? else {
                return None;
            };
            let (OCTET_STRING, key, _) = value(rest)? else {
                return None;
            };
            match id {
                EC => Some(curve(parameters)),
                RSA => match value(key)? {
                    (SEQUENCE, fields, _) => kind_of(fields),
                    _ => None,
                },
                _ => Some(KeyKind::Other),
            }
        }
        _ => None,
    }
}

fn curve(parameters: &[u8]) -> KeyKind {
    match value(parameters) {
        Some((OBJECT_ID, P256, _)) => KeyKind::P256,
        _ => KeyKind::OtherCurve,
    }
}

fn rsa(modulus: &[u8]) -> KeyKind {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let rest = &modulus[zeros..];
    let unused = rest.first().map_or(0, |byte| byte.leading_zeros());
    let unused = usize::try_from(unused).unwrap_or_default();
    KeyKind::Rsa {
        bits: rest.len() * 8 - unused,
    }
}

/// Returns tag, content and what follows, of a DER value with a length below 64 KiB (X.690 §8.1); `None` if it is longer than `der`.
pub fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (
            usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
            &rest[2..],
        ),
        _ => return None,
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value of DER.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).expect("a short value");
        let head = match length {
            0..=0x7f => vec![tag, length.to_be_bytes()[1]],
            0x80..=0xff => vec![tag, 0x81, length.to_be_bytes()[1]],
            _ => [&[tag, 0x82], length.to_be_bytes().as_slice()].concat(),
        };
        [head, content].concat()
    }

    fn version() -> Vec<u8> {
        der(INTEGER, &[&[0]])
    }

    /// PKCS#1, of which only the modulus is looked at.
    fn pkcs1(modulus: &[u8]) -> Vec<u8> {
        let modulus = der(INTEGER, &[modulus]);
        der(SEQUENCE, &[&version(), &modulus, &der(INTEGER, &[&[3]])])
    }

    fn pkcs8(id: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
        let algorithm = der(SEQUENCE, &[&der(OBJECT_ID, &[id]), parameters]);
        der(
            SEQUENCE,
            &[&version(), &algorithm, &der(OCTET_STRING, &[key])],
        )
    }

    #[test]
    fn the_kind_of_a_key_is_recognised_in_every_form() {
        let p256 = der(OBJECT_ID, &[P256]);
        let p384 = der(OBJECT_ID, &[b"\x2b\x81\x04\x00\x22"]);
        let number = der(OCTET_STRING, &[&[7; 32]]);
        let sec1 = |parameters: &[u8]| {
            der(
                SEQUENCE,
                &[&version(), &number, &der(PARAMETERS, &[parameters])],
            )
        };
        let modulus = [[0].as_slice(), &[0x80], &[7; 255]].concat();
        let rsa = KeyKind::Rsa { bits: 2048 };
        let short = pkcs1(&[[0x7f].as_slice(), &[7; 127]].concat());
        for (key, wanted) in [
            (pkcs8(EC, &p256, &number), KeyKind::P256),
            (pkcs8(EC, &p384, &number), KeyKind::OtherCurve),
            (sec1(&p256), KeyKind::P256),
            (sec1(&p384), KeyKind::OtherCurve),
            (pkcs8(RSA, &[5, 0], &pkcs1(&modulus)), rsa),
            (pkcs1(&modulus), rsa),
            (short, KeyKind::Rsa { bits: 1023 }),
            (pkcs8(b"\x2b\x65\x70", &[], &number), KeyKind::Other),
        ] {
            assert_eq!(kind(&key), Ok(wanted));
            for length in 1..key.len() {
                assert_eq!(kind(&key[..length]), Err(KeyFault::CutOff), "{length}");
            }
            let longer = [key.as_slice(), &[0]].concat();
            assert_eq!(kind(&longer), Err(KeyFault::Damaged));
        }
        for damaged in [
            b"".as_slice(),
            b"text",
            b"\x30\x00",
            &pkcs8(RSA, &[5, 0], b"x"),
        ] {
            assert_eq!(kind(damaged), Err(KeyFault::Damaged), "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_panic(bytes in any::<Vec<u8>>()) {
            kind(&bytes).ok();
        }
    }
}
