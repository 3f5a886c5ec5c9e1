//! The master key, and what is derived from it: sealed credentials, and the keys of tickets and receipts.
use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac, rand,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use push_core::{AppId, CertificateId, Error, ErrorKind, Result, Secret};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
/// Bound to app and provider only, as it was sealed before form 2.
const WITHOUT_ID: u8 = 1;
/// Bound to all of its [`Purpose`].
const VERSION: u8 = 2;
const FINGERPRINT_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + FINGERPRINT_BYTES + NONCE_LEN;

/// The one secret of an installation: 32 random bytes. It can decrypt every credential and issue every ticket.
///
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    source: String,
}

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
        Ok(Self {
            bytes: key,
            source: "the program that embeds the gateway".to_owned(),
        })
    }

    /// Says where the key comes from, for errors: `the file /etc/offline-push/master.key`.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Where the key comes from.
    pub fn source(&self) -> &str {
        &self.source
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
            .extract(&*self.bytes)
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

/// What a sealed value is for: sealed for one purpose, it opens for no other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// The configuration of a credential.
    Credential {
        app: &'a AppId,
        provider: &'a str,
        id: CertificateId,
    },
    /// The value by which the master key is known again.
    KeyCheck,
}

impl Purpose<'_> {
    /// The associated data. The number of parts distinguishes the purposes and forms.
    fn associated(self, form: u8) -> Vec<u8> {
        match self {
            Self::KeyCheck => parts(&["check of the master key"]),
            Self::Credential { app, provider, .. } if form == WITHOUT_ID => {
                parts(&[app.as_str(), provider])
            }
            Self::Credential { app, provider, id } => {
                parts(&[app.as_str(), provider, &id.to_string()])
            }
        }
    }
}

/// Which forms of sealed credentials are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forms {
    /// Also those of a store that no gateway with form 2 has started on.
    All,
    /// Only those that are bound to their id.
    Bound,
}

/// Seals credentials' configurations with AES-256-GCM.
///
/// Envelope: form (1 byte), which key (8 bytes derived from it), nonce (12 bytes, random), ciphertext with tag.
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

    /// Seals `plain` for `purpose`.
    pub(crate) fn seal(&self, purpose: Purpose<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        // Room for the tag, too: a buffer that grows would leave a copy of the plain text in freed memory.
        let mut body = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(plain);
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.associated(VERSION)),
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

    /// Whether `sealed` is in the form that is not bound to an id.
    pub(crate) fn is_without_id(sealed: &[u8]) -> bool {
        sealed.first() == Some(&WITHOUT_ID)
    }

    /// Opens what [`Sealer::seal`] sealed for the same purpose.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it was sealed with another master key, [`ErrorKind::Corrupt`] if it is damaged, was moved
    /// here from another app, provider or id, is in a form that is no longer opened, or comes from a newer version.
    pub(crate) fn open(
        &self,
        purpose: Purpose<'_>,
        forms: Forms,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let corrupt = |what: &str| Error::new(ErrorKind::Corrupt, what);
        let form = match sealed.first() {
            Some(&form) if form > VERSION => {
                return Err(corrupt("the credential was sealed by a newer version")
                    .advise("run at least the version that stored it"));
            }
            Some(&form) if form >= WITHOUT_ID && sealed.len() > HEADER_BYTES => form,
            _ => return Err(corrupt("the sealed credential is damaged").advise(UPLOAD_AGAIN)),
        };
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
        if form == WITHOUT_ID && forms == Forms::Bound {
            return Err(corrupt(
                "the sealed credential is of an older form, which was put into the store after all its credentials had been sealed in the present form",
            )
            .advise(UPLOAD_AGAIN));
        }
        let (nonce, body) = rest.split_at(NONCE_LEN);
        let mut body = Zeroizing::new(body.to_vec());
        let opened = Nonce::try_assume_unique_for_key(nonce).and_then(|nonce| {
            self.key
                .open_in_place(nonce, Aad::from(purpose.associated(form)), &mut body)
                .map(|it| it.len())
        });
        let length = opened.map_err(|_| {
            corrupt(
                "the sealed credential is damaged, or its row was copied from another app, provider or id, or these were changed",
            )
            .advise(UPLOAD_AGAIN)
        })?;
        body.truncate(length);
        Ok(body)
    }
}

const UPLOAD_AGAIN: &str = "upload it again under its id: `offline-push credential rotate`";

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
        MasterKey::parse(&Secret::new(hex_text(&[byte; KEY_BYTES]))).unwrap()
    }

    struct Row(AppId, &'static str, CertificateId);

    fn row(app: &str, provider: &'static str, id: i64) -> Row {
        Row(
            AppId::new(app).unwrap(),
            provider,
            CertificateId::new(id).unwrap(),
        )
    }

    impl Row {
        fn purpose(&self) -> Purpose<'_> {
            Purpose::Credential {
                app: &self.0,
                provider: self.1,
                id: self.2,
            }
        }
    }

    #[test]
    fn what_is_sealed_opens_again_and_never_looks_the_same_twice() {
        let sealer = Sealer::new(&key(1)).unwrap();
        let row = row("a", "one", 5);
        let first = sealer.seal(row.purpose(), b"secret").unwrap();
        let second = sealer.seal(row.purpose(), b"secret").unwrap();
        assert_ne!(first, second);
        let opened = sealer.open(row.purpose(), Forms::Bound, &first).unwrap();
        assert_eq!(&**opened, b"secret");
        assert!(!first.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_sealed_credential_opens_for_no_other_app_provider_or_id() {
        let sealer = Sealer::new(&key(1)).unwrap();
        let sealed = sealer.seal(row("a", "bc", 5).purpose(), b"x").unwrap();
        for other in [
            row("b", "bc", 5),
            row("a", "b", 5),
            row("ab", "c", 5),
            row("a", "bc", 6),
            row("a", "bc5", 5),
        ] {
            for forms in [Forms::All, Forms::Bound] {
                let error = sealer.open(other.purpose(), forms, &sealed).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                let text = error.to_string();
                assert!(text.contains("app, provider or id"), "{text}");
                assert!(text.contains("credential rotate"), "{text}");
            }
        }
        let error = sealer.open(Purpose::KeyCheck, Forms::All, &sealed);
        assert!(error.is_err());
        // In its first byte it claims the form in which the id does not count.
        let mut older = sealed;
        older[0] = WITHOUT_ID;
        let row = row("a", "bc", 6);
        assert!(sealer.open(row.purpose(), Forms::All, &older).is_err());
    }

    /// Of the app `demo`, the provider `sample` and any id, sealed by other code as versions before form 2 did.
    const OLD: &str = "01bb01c6e4376332ea000102030405060708090a0b330b3c2c4db1e57466e69571f800010d3171e92afa601ddb2e77a6c093a3578a66e38b1cf3e8b93e3c7b28de21";

    #[test]
    fn a_credential_sealed_in_the_older_form_opens_until_all_are_bound() {
        let key = MasterKey::parse(&Secret::new(
            STANDARD.encode("01234567890123456789012345678901"),
        ));
        let sealer = Sealer::new(&key.unwrap()).unwrap();
        let old = hex(OLD).unwrap();
        assert!(Sealer::is_without_id(&old));
        let row = row("demo", "sample", 5);
        let plain = sealer.open(row.purpose(), Forms::All, &old).unwrap();
        let plain: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        assert_eq!(plain["secret"], "the-first-secret");
        let error = sealer.open(row.purpose(), Forms::Bound, &old).unwrap_err();
        assert!(error.to_string().contains("an older form"), "{error}");
        let new = sealer.seal(row.purpose(), b"{}").unwrap();
        assert!(!Sealer::is_without_id(&new));
    }

    #[test]
    fn a_wrong_master_key_is_named_as_such_and_damage_as_damage() {
        let row = row("a", "one", 5);
        let open = |sealer: &Sealer, sealed: &[u8]| {
            let opened = sealer.open(row.purpose(), Forms::All, sealed);
            opened.expect_err("it must not open")
        };
        let sealer = Sealer::new(&key(1)).unwrap();
        let sealed = sealer.seal(row.purpose(), b"x").unwrap();
        let error = open(&Sealer::new(&key(2)).unwrap(), &sealed);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("another master key"), "{error}");

        for position in HEADER_BYTES - 1..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[position] ^= 1;
            assert_eq!(open(&sealer, &damaged).kind(), ErrorKind::Corrupt);
        }
        for end in 0..=HEADER_BYTES {
            assert_eq!(open(&sealer, &sealed[..end]).kind(), ErrorKind::Corrupt);
        }
        let mut newer = sealed;
        newer[0] = VERSION + 1;
        let error = open(&sealer, &newer);
        assert!(error.to_string().contains("newer version"), "{error}");
    }

    #[test]
    fn a_master_key_is_read_in_both_forms_and_nothing_weaker_is_taken() {
        let generated = MasterKey::generate().unwrap();
        assert!(MasterKey::parse(&generated).is_ok());
        let hex = Secret::new(format!(" {}\n", "0f".repeat(32)));
        assert_eq!(*MasterKey::parse(&hex).unwrap().bytes, [0x0f; 32]);
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
