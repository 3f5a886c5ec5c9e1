//! The HTTP client's configuration: durations, the proxy's URL, certificates and addresses. It is accepted or refused.
#![no_main]

use std::sync::Arc;

use push_core::{ManualClock, Timestamp};
use push_http::{Client, HttpConfig};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(config) = serde_json::from_slice::<HttpConfig>(input) {
        let clock = ManualClock::new(Timestamp::from_unix_millis(0));
        let _ = Client::new(config, Arc::new(clock)).is_ok();
    }
});
