//! The keys with which devices sign their receipts.
use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use push_core::{AppId, DeviceId, ReceiptKey, Result, api::receipts_to_sign};

use crate::seal::{MasterKey, hex, hex_text, parts};

/// Makes and checks the keys with which devices sign their receipts, without any stored state: the key of a device is an
/// HMAC of its app and id under a key derived from the master key.
///
/// Like sealed credentials, it knows one master key: with another one, devices have to register again to get their new key.
pub(crate) struct ReceiptKeys(hmac::Key);

/// The SHA-256 that the body must have, in hexadecimal digits.
pub(crate) struct SignedDigest(String);

impl ReceiptKeys {
    pub(crate) fn new(master: &MasterKey) -> Result<Self> {
        master.mac("receipt keys v1").map(Self)
    }

    /// The key of a device.
    pub(crate) fn of(&self, app: &AppId, device: &DeviceId) -> Result<ReceiptKey> {
        let tag = hmac::sign(&self.0, &parts(&[app.as_str(), device.as_str()]));
        ReceiptKey::new(hex_text(tag.as_ref()))
    }

    /// Reads a [`RECEIPT_SIGNATURE`](push_core::api::RECEIPT_SIGNATURE) of this device; `None` if it is not one. The tag is
    /// compared in constant time.
    pub(crate) fn check(
        &self,
        app: &AppId,
        device: &DeviceId,
        signature: &str,
    ) -> Result<Option<SignedDigest>> {
        let mut fields = signature.split('.');
        let (Some("v1"), Some(digest), Some(tag), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Ok(None);
        };
        // Digest and tag are 32 bytes each.
        let tag = match hex(tag) {
            Some(tag) if tag.len() == 32 && digest.len() == 64 => tag,
            _ => return Ok(None),
        };
        let key = self.of(app, device)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let signed = receipts_to_sign(app, device, digest);
        Ok(hmac::verify(&key, signed.as_bytes(), &tag)
            .is_ok()
            .then(|| SignedDigest(digest.to_owned())))
    }
}

impl SignedDigest {
    /// Whether `body` is what was signed. Neither side of the comparison is secret.
    pub(crate) fn is_of(&self, body: &[u8]) -> bool {
        hex_text(digest(&SHA256, body).as_ref()) == self.0
    }
}

impl fmt::Debug for ReceiptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use push_core::Secret;

    use super::*;

    fn keys(byte: &str) -> ReceiptKeys {
        ReceiptKeys::new(&MasterKey::parse(&Secret::new(byte.repeat(32))).unwrap()).unwrap()
    }

    fn app(id: &str) -> AppId {
        AppId::new(id).unwrap()
    }

    fn device(id: &str) -> DeviceId {
        DeviceId::new(id).unwrap()
    }

    /// As a phone signs.
    fn signature(key: &ReceiptKey, app: &AppId, device: &DeviceId, body: &[u8]) -> String {
        let digest = hex_text(digest(&SHA256, body).as_ref());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let tag = hmac::sign(&key, receipts_to_sign(app, device, &digest).as_bytes());
        format!("v1.{digest}.{}", hex_text(tag.as_ref()))
    }

    #[test]
    fn a_devices_key_is_always_the_same_and_differs_from_others() {
        let keys = keys("0a");
        let own = keys.of(&app("chat"), &device("phone")).unwrap();
        assert_eq!(keys.of(&app("chat"), &device("phone")).unwrap(), own);
        for (other_app, other_device) in [("chat", "phone2"), ("chatp", "hone"), ("work", "phone")]
        {
            let other = keys.of(&app(other_app), &device(other_device)).unwrap();
            assert_ne!(other, own);
        }
        let rotated = self::keys("0b").of(&app("chat"), &device("phone")).unwrap();
        assert_ne!(rotated, own);
    }

    #[test]
    fn what_a_device_signed_passes_for_that_device_and_body_alone() {
        let keys = keys("0a");
        let (chat, phone) = (app("chat"), device("phone"));
        let key = keys.of(&chat, &phone).unwrap();
        let signed = signature(&key, &chat, &phone, b"body");
        let digest = keys.check(&chat, &phone, &signed).unwrap().unwrap();
        assert!(digest.is_of(b"body"));
        assert!(!digest.is_of(b"bodY"));
        let passes =
            |app: &AppId, device: &DeviceId| keys.check(app, device, &signed).unwrap().is_some();
        assert!(!passes(&chat, &device("other")));
        assert!(!passes(&app("work"), &phone));
        let rotated = self::keys("0b");
        assert!(rotated.check(&chat, &phone, &signed).unwrap().is_none());
    }

    #[test]
    fn no_changed_or_malformed_signature_passes() {
        let keys = keys("0a");
        let (chat, phone) = (app("chat"), device("phone"));
        let key = keys.of(&chat, &phone).unwrap();
        let signed = signature(&key, &chat, &phone, b"body");
        let passes = |text: &str| keys.check(&chat, &phone, text).unwrap().is_some();
        assert!(passes(&signed));
        for position in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[position] = if changed[position] == b'0' {
                b'1'
            } else {
                b'0'
            };
            assert!(!passes(&String::from_utf8(changed).unwrap()), "{position}");
            assert!(!passes(&signed[..position]), "{position}");
        }
        for malformed in [
            String::new(),
            "v1".into(),
            "v1..".into(),
            format!("{signed}."),
            signed.replace("v1", "v2"),
            "v1.".to_owned() + &"é".repeat(64),
            "v1.".to_owned() + &"0".repeat(100_000),
        ] {
            assert!(!passes(&malformed));
        }
    }

    #[test]
    fn the_signature_is_the_one_that_the_api_describes() {
        // By an independent implementation: Python's hmac and hashlib.
        let key = ReceiptKey::new("0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(
            signature(&key, &app("chat"), &device("phone"), b"{\"receipts\":[]}"),
            "v1.176a295f7d63602386fc3d8723406f50c90fd6fcd831f844bc88baf62e5aa902.0ff9c604e150d0cdae2d8457e590024d8c8543465abd77b819996eab9b4aea2d"
        );
    }

    #[test]
    fn keys_are_not_printed() {
        let keys = keys("0a");
        let key = keys.of(&app("chat"), &device("phone")).unwrap();
        assert_eq!(format!("{keys:?} {key:?}"), "ReceiptKeys(…) ReceiptKey(…)");
    }
}
