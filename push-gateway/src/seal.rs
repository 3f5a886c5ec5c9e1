//! The master key, and what is derived from it: sealed credentials, and the keys of tickets and receipts.
use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac, rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use push_core::{Error, ErrorKind, Result, Secret};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const VERSION: u8 = 1;
const FINGERPRINT_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + FINGERPRINT_BYTES + NONCE_LEN;

/// The one secret of an installation: 32 random bytes. It can decrypt every credential and issue every ticket.
///
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// Reads a key written as 64 hexadecimal digits or as base64 of 32 bytes; white space around it is ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for anything else: a pass phrase would be too weak.
    pub fn parse(text: &Secret) -> Result<Self> {
        let text = text.expose().trim();
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let bytes = Zeroizing::new(if text.len() == 2 * KEY_BYTES {
            hex(text)
        } else {
            STANDARD.decode(text).ok()
        });
        match &*bytes {
            Some(bytes) if bytes.len() == KEY_BYTES => key.copy_from_slice(bytes),
            _ => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "the master key is not 32 bytes in hexadecimal or base64",
                )
                .advise("make one with `openssl rand -hex 32`, and keep a copy: without it every credential must be uploaded again"));
            }
        }
        Ok(Self(key))
    }

    /// A new random key, in the form that [`MasterKey::parse`] reads.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the system has no randomness.
    pub fn generate() -> Result<Secret> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random(&mut *bytes)?;
        Ok(Secret::new(STANDARD.encode(*bytes)))
    }

    /// HKDF-SHA256 (RFC 5869) with `label` as info: keys of different purposes are independent.
    fn derive<const N: usize>(&self, label: &str) -> Result<Zeroizing<[u8; N]>> {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut key = Zeroizing::new([0; N]);
        Salt::new(HKDF_SHA256, b"offline-push")
            .extract(&*self.0)
            .expand(&[label.as_bytes()], Length(N))
            .and_then(|it| it.fill(&mut *key))
            .map_err(|_| Error::new(ErrorKind::Internal, "the key derivation failed"))?;
        Ok(key)
    }

    /// The HMAC key for `purpose`.
    pub(crate) fn mac(&self, purpose: &str) -> Result<hmac::Key> {
        let key = self.derive::<KEY_BYTES>(purpose)?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &*key))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Seals credentials' configurations with AES-256-GCM.
///
/// Envelope: version 1 (1 byte), which key (8 bytes derived from it), nonce (12 bytes, random), ciphertext with tag.
/// A random nonce is safe for 2^32 seals under one key, far beyond the credentials of any installation.
pub(crate) struct Sealer {
    key: LessSafeKey,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

impl Sealer {
    pub(crate) fn new(master: &MasterKey) -> Result<Self> {
        let key = master.derive::<KEY_BYTES>("credential sealing v1")?;
        let key = UnboundKey::new(&AES_256_GCM, &*key)
            .map_err(|_| Error::new(ErrorKind::Internal, "the sealing key is unusable"))?;
        Ok(Self {
            key: LessSafeKey::new(key),
            fingerprint: *master.derive("fingerprint of the sealing key v1")?,
        })
    }

    /// Seals `plain`. `context` says what it is for: sealed for one purpose, it opens for no other.
    pub(crate) fn seal(&self, context: &[&str], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut body = plain.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(parts(context)),
                &mut body,
            )
            .map_err(|_| Error::new(ErrorKind::Internal, "a credential could not be sealed"))?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.fingerprint);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] sealed for the same context.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it was sealed with another master key, [`ErrorKind::Corrupt`] if it is damaged, was moved
    /// to another credential, or comes from a newer version.
    pub(crate) fn open(&self, context: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let corrupt = |what: &str| Error::new(ErrorKind::Corrupt, what);
        match sealed.first() {
            Some(&VERSION) if sealed.len() > HEADER_BYTES => {}
            Some(&version) if version > VERSION => {
                return Err(corrupt("the credential was sealed by a newer version")
                    .advise("run at least the version that stored it"));
            }
            _ => return Err(corrupt("the sealed credential is damaged")),
        }
        let (fingerprint, rest) = sealed[1..].split_at(FINGERPRINT_BYTES);
        if verify_slices_are_equal(fingerprint, &self.fingerprint).is_err() {
            return Err(Error::new(
                ErrorKind::Config,
                "the credential was sealed with another master key",
            )
            .advise(
                "start with the master key it was uploaded under, or upload it again under its id",
            ));
        }
        let (nonce, body) = rest.split_at(NONCE_LEN);
        let mut body = Zeroizing::new(body.to_vec());
        let opened = Nonce::try_assume_unique_for_key(nonce).and_then(|nonce| {
            self.key
                .open_in_place(nonce, Aad::from(parts(context)), &mut body)
                .map(|it| it.len())
        });
        let length = opened.map_err(|_| {
            corrupt("the sealed credential is damaged, or was moved here from another one")
        })?;
        body.truncate(length);
        Ok(body)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// The parts with their lengths in front, so that no two lists of parts are the same bytes.
pub(crate) fn parts(all: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in all {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// Reads hexadecimal digits, two for each byte.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .map(|it| it.to_digit(16))
        .collect::<Option<Vec<_>>>()?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks(2)
            .map(|it| (it[0] * 16 + it[1]) as u8)
            .collect()
    })
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|it| [it >> 4, it & 15])
        .map(|it| DIGITS[usize::from(it)])
        .collect()
}

/// Fills `bytes` with the system's randomness.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    rand::fill(bytes).map_err(|_| Error::new(ErrorKind::Internal, "the system has no randomness"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey(Zeroizing::new([byte; KEY_BYTES]))
    }

    #[test]
    fn what_is_sealed_opens_again_and_never_looks_the_same_twice() {
        let sealer = Sealer::new(&key(1)).unwrap();
        let first = sealer.seal(&["a", "one"], b"secret").unwrap();
        let second = sealer.seal(&["a", "one"], b"secret").unwrap();
        assert_ne!(first, second);
        assert_eq!(&**sealer.open(&["a", "one"], &first).unwrap(), b"secret");
        assert!(!first.windows(6).any(|it| it == b"secret"));
    }

    #[test]
    fn a_sealed_credential_does_not_open_elsewhere() {
        let sealer = Sealer::new(&key(1)).unwrap();
        let sealed = sealer.seal(&["a", "bc"], b"secret").unwrap();
        for context in [["a", "other"], ["ab", "c"]] {
            let error = sealer.open(&context, &sealed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_wrong_master_key_is_named_as_such_and_damage_as_damage() {
        let sealed = Sealer::new(&key(1)).unwrap().seal(&["a"], b"x").unwrap();
        let error = Sealer::new(&key(2))
            .unwrap()
            .open(&["a"], &sealed)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("another master key"), "{error}");

        let sealer = Sealer::new(&key(1)).unwrap();
        for position in HEADER_BYTES - 1..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[position] ^= 1;
            let error = sealer.open(&["a"], &damaged).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
        for end in 0..=HEADER_BYTES {
            assert!(sealer.open(&["a"], &sealed[..end]).is_err());
        }
        let mut newer = sealed;
        newer[0] = VERSION + 1;
        let error = sealer.open(&["a"], &newer).unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
    }

    #[test]
    fn a_master_key_is_read_in_both_forms_and_nothing_weaker_is_taken() {
        let generated = MasterKey::generate().unwrap();
        assert!(MasterKey::parse(&generated).is_ok());
        let hex = Secret::new(format!(" {}\n", "0f".repeat(32)));
        assert_eq!(*MasterKey::parse(&hex).unwrap().0, [0x0f; 32]);
        for weak in ["", "password", &"0f".repeat(16), &"zz".repeat(32)] {
            let error = MasterKey::parse(&Secret::new(weak)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(weak.is_empty() || !error.to_string().contains(weak));
        }
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", key(7)), "MasterKey(…)");
    }
}
