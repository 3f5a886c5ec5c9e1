//! Test vectors of the vendors' protocols, and the invented keys that they were made with.
//!
//! None of these keys ever belonged to anybody. The names in [`vectors`] are those of the JSON file beside this crate's
//! sources, `fixtures/vectors.json`.
use serde_json::Value;

/// Every vector, by name: `fcm_jwt`, `apns_jwt`, `harmony_jwt`, `oppo`, `vivo`, `meizu`, `rfc8291`, …
///
/// # Panics
/// Never: the file is part of this crate.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../fixtures/vectors.json")).expect("the vectors are JSON")
}

fn text(name: &str) -> String {
    vectors()[name]
        .as_str()
        .map(str::to_owned)
        .expect("a vector that is text")
}

/// An RSA-2048 private key, PKCS#8 PEM: FCM's and HarmonyOS' vectors are signed with it.
pub fn rsa_key() -> String {
    text("rsa_key")
}

/// The public half of [`rsa_key`], PEM.
pub fn rsa_public_key() -> String {
    text("rsa_pub")
}

/// A P-256 private key, PKCS#8 PEM, as Apple's `.p8` files hold it; APNs' vectors are signed with 1 and 2.
///
/// # Panics
/// If `number` is neither 1 nor 2.
pub fn apns_key(number: usize) -> String {
    text(&format!("apns_key{number}"))
}

/// The public half of [`apns_key`], PEM.
///
/// # Panics
/// If `number` is neither 1 nor 2.
pub fn apns_public_key(number: usize) -> String {
    text(&format!("apns_pub{number}"))
}
