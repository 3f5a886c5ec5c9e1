//! The content coding `aes128gcm` (RFC 8188) and the message encryption of Web Push (RFC 8291).
use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey},
    error::Unspecified,
    hmac::{self, HMAC_SHA256},
    rand,
};

use super::subscription::Subscription;

/// The record size that is written. A message is one record, whatever its length.
const RECORD: u32 = 4096;

/// The bytes of a body beside the text and its padding: salt, record size, key id, delimiter and tag.
pub(crate) const OVERHEAD: usize = SALT + 4 + 1 + 65 + 1 + 16;

const SALT: usize = 16;

/// Marks the end of the text in the last record.
const LAST: u8 = 2;

/// Encrypts `text` for `to`, padded so that the body has at least `size` bytes.
///
/// # Errors
/// The public key of `to` is not on the curve, or the system has no random numbers.
pub(crate) fn encrypt(to: &Subscription, text: &[u8], size: usize) -> Result<Vec<u8>, Unspecified> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt)?;
    let pair = PrivateKey::generate(&ECDH_P256)?;
    let padding = size.saturating_sub(OVERHEAD + text.len());
    with(&pair, salt, to, text, padding)
}

/// RFC 8291 §3.4, with this key pair and salt.
pub(super) fn with(
    pair: &PrivateKey,
    salt: [u8; SALT],
    to: &Subscription,
    text: &[u8],
    padding: usize,
) -> Result<Vec<u8>, Unspecified> {
    let own = pair.compute_public_key()?;
    let other = UnparsedPublicKey::new(&ECDH_P256, to.public.as_slice());
    let key = agreement::agree(pair, other, Unspecified, |secret| {
        let key = hash(&to.auth, &[secret]);
        let info = [b"WebPush: info\0", to.public.as_slice(), own.as_ref(), &[1]];
        Ok(hash(key.as_ref(), &info))
    })?;
    seal(key.as_ref(), salt, own.as_ref(), text, padding)
}

/// RFC 8188 §2, as one record.
pub(super) fn seal(
    key: &[u8],
    salt: [u8; SALT],
    key_id: &[u8],
    text: &[u8],
    padding: usize,
) -> Result<Vec<u8>, Unspecified> {
    let prk = hash(&salt, &[key]);
    let cek = hash(prk.as_ref(), &[b"Content-Encoding: aes128gcm\0\x01"]);
    let nonce = hash(prk.as_ref(), &[b"Content-Encoding: nonce\0\x01"]);
    let cek = cek.as_ref().get(..AES_128_GCM.key_len());
    let cek = UnboundKey::new(&AES_128_GCM, cek.ok_or(Unspecified)?)?;
    let nonce = nonce.as_ref().get(..NONCE_LEN).ok_or(Unspecified)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce)?;
    let mut record = Vec::with_capacity(text.len() + padding + 1 + AES_128_GCM.tag_len());
    record.extend_from_slice(text);
    record.push(LAST);
    record.resize(record.len() + padding, 0);
    LessSafeKey::new(cek).seal_in_place_append_tag(nonce, Aad::empty(), &mut record)?;
    let length = u8::try_from(key_id.len()).map_err(|_| Unspecified)?;
    let head: [&[u8]; 4] = [&salt, &RECORD.to_be_bytes(), &[length], key_id];
    Ok([head.concat(), record].concat())
}

/// HMAC-SHA-256 over `parts`: extraction and one block of expansion of HKDF (RFC 5869).
fn hash(key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}
