//! The signature of a phone's receipts, up to the first line break, and the body. No input is valid, because none contains
//! the device's key.
#![no_main]

use std::sync::LazyLock;

use push_core::{AppId, DeviceId, Secret};
use push_gateway::{MasterKey, fuzz::is_signed};

static MASTER: LazyLock<MasterKey> =
    LazyLock::new(|| MasterKey::parse(&Secret::new("5c".repeat(32))).expect("a master key"));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (signature, body) = input.split_at(end.unwrap_or(input.len()));
    let Ok(signature) = std::str::from_utf8(signature) else {
        return;
    };
    let app = AppId::new("chat").expect("an app");
    let device = DeviceId::new("phone-1").expect("a device");
    let signed = is_signed(&MASTER, &app, &device, signature, body);
    assert!(!signed.expect("a key"), "{signature}");
});
