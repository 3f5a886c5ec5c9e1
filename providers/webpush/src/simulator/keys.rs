//! The browser's half of RFC 8291: its keys, and decryption of a body (RFC 8188) of any number of records.
use std::fmt;

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use push_testkit::simulator::random;
use serde_json::json;

/// What a browser keeps of a subscription. `Debug` shows nothing of it.
pub struct Keys {
    private: PrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
}

/// The text of a message and the key id of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The text, without padding.
    pub text: Vec<u8>,
    /// How many bytes of padding there were.
    pub padding: usize,
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

impl Keys {
    /// New keys.
    ///
    /// # Panics
    /// If the system has no random numbers.
    pub fn generate() -> Self {
        let private = PrivateKey::generate(&ECDH_P256).expect("the system has random numbers");
        Self::with(private, random())
    }

    /// The keys with this private key and `auth`, both in base64url.
    ///
    /// # Panics
    /// If they are none.
    pub fn read(private: &str, auth: &str) -> Self {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let private = PrivateKey::from_private_key(&ECDH_P256, &decode(private));
        let auth = <[u8; 16]>::try_from(decode(auth)).expect("16 bytes");
        Self::with(private.expect("a key of P-256"), auth)
    }

    fn with(private: PrivateKey, auth: [u8; 16]) -> Self {
        let public = private.compute_public_key().expect("a whole key");
        Self {
            public: public.as_ref().to_vec(),
            private,
            auth,
        }
    }

    /// What `JSON.stringify(subscription)` gives for these keys, without `expirationTime`.
    pub fn subscription(&self, endpoint: &str) -> String {
        let keys = [self.public.as_slice(), &self.auth].map(|key| URL_SAFE_NO_PAD.encode(key));
        // Written member by member: the order is that of browsers.
        format!(
            r#"{{"endpoint":{},"keys":{{"p256dh":"{}","auth":"{}"}}}}"#,
            json!(endpoint),
            keys[0],
            keys[1]
        )
    }

    /// Decrypts a body; `None` if it is not for these keys, or not in the form of RFC 8291.
    pub fn open(&self, body: &[u8]) -> Option<Opened> {
        let sender = body.get(21..21 + usize::from(*body.get(20)?))?;
        if sender.len() != 65 {
            return None;
        }
        let other = UnparsedPublicKey::new(&ECDH_P256, sender);
        let info = [b"WebPush: info\0".as_slice(), &self.public, sender];
        let key = agreement::agree(&self.private, other, Unspecified, |secret| {
            derive(&self.auth, secret, &info, 32).ok_or(Unspecified)
        });
        open(&key.ok()?, body)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// HKDF with SHA-256 (RFC 5869).
fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], length: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; length];
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(info, Bytes(length)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// Decrypts a body with this key (RFC 8188); `None` if it is damaged.
pub(super) fn open(key: &[u8], body: &[u8]) -> Option<Opened> {
    let (salt, rest) = body.split_at_checked(16)?;
    let (size, rest) = rest.split_at_checked(4)?;
    let size = u32::from_be_bytes(size.try_into().ok()?);
    let (length, rest) = rest.split_first()?;
    let records = rest.get(usize::from(*length)..)?;
    // A record holds a byte of text, the delimiter and the tag at least.
    let size = usize::try_from(size).ok().filter(|size| *size >= 18)?;
    let cek = derive(salt, key, &[b"Content-Encoding: aes128gcm\0"], 16)?;
    let cek = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &cek).ok()?);
    let base: [u8; 12] = derive(salt, key, &[b"Content-Encoding: nonce\0"], 12)?
        .try_into()
        .ok()?;
    let mut opened = Opened {
        text: Vec::new(),
        padding: 0,
    };
    let count = records.len().div_ceil(size);
    for (number, record) in records.chunks(size).enumerate() {
        let mut nonce = base;
        let sequence = u64::try_from(number).ok()?.to_be_bytes();
        for (byte, of_number) in nonce.iter_mut().skip(4).zip(sequence) {
            *byte ^= of_number;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut record = record.to_vec();
        let plain = cek.open_in_place(nonce, Aad::empty(), &mut record).ok()?;
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        let delimiter = if number + 1 == count { 2 } else { 1 };
        if plain[end] != delimiter {
            return None;
        }
        opened.text.extend_from_slice(&plain[..end]);
        opened.padding += plain.len() - end - 1;
    }
    (count > 0).then_some(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        let text = include_str!("../../tests/fixtures/vectors.json");
        serde_json::from_str(text).expect("the vectors are JSON")
    }

    fn bytes(value: &serde_json::Value) -> Vec<u8> {
        let text = value.as_str().expect("text");
        URL_SAFE_NO_PAD.decode(text).expect("base64url")
    }

    #[test]
    fn the_examples_of_rfc_8188_are_decrypted_also_that_of_two_records() {
        let vectors = vectors();
        let cases = vectors["rfc8188"].as_array().expect("an array");
        assert_eq!(cases.len(), 2);
        for case in cases {
            let opened = open(&bytes(&case["key"]), &bytes(&case["body"])).expect("it is whole");
            assert_eq!(opened.text, b"I am the walrus");
        }
    }

    #[test]
    fn a_damaged_body_is_not_decrypted() {
        let vectors = vectors();
        let case = &vectors["encryption"][0];
        let text = |key: &str| case[key].as_str().expect("text");
        let keys = Keys::read(text("ua_private"), text("auth"));
        let body = bytes(&case["body"]);
        assert!(keys.open(&body).is_some());
        for length in 0..body.len() {
            assert_eq!(keys.open(&body[..length]), None, "{length}");
        }
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 1;
            // The record size may be larger than it need be.
            assert!(
                keys.open(&damaged).is_none() || (16..20).contains(&at),
                "{at}"
            );
        }
    }
}
