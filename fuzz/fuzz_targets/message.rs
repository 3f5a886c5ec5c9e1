//! A message as a server posts it: what is accepted must survive being stored and read again.
#![no_main]

use push_core::Message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(message) = serde_json::from_slice::<Message>(input) {
        let text = serde_json::to_string(&message).expect("a message is written as JSON");
        let again = serde_json::from_str::<Message>(&text).expect("what was written is read");
        assert!(message == again, "{text}");
    }
});
