//! A ticket that a phone presents. No input is valid, because none contains the master key; a valid ticket that is changed
//! in one byte is refused.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use push_core::{AppId, Secret, Timestamp, UserId};
use push_gateway::{MasterKey, TicketUse, Tickets};

static TICKETS: LazyLock<Tickets> = LazyLock::new(|| {
    let key = MasterKey::parse(&Secret::new("5c".repeat(32))).expect("a master key");
    Tickets::new(&key).expect("a key for tickets")
});

static VALID: LazyLock<String> = LazyLock::new(|| {
    let app = AppId::new("chat").expect("an app");
    let user = UserId::new("alice").expect("a user");
    let issued = TICKETS.issue(&app, &user, NOW, Duration::from_secs(3600));
    issued.expect("a ticket").0.expose().to_owned()
});

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let is_valid = |text: &str| {
        [TicketUse::Login, TicketUse::Logout]
            .into_iter()
            .any(|purpose| TICKETS.check(text, purpose, NOW).is_ok())
    };
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(!is_valid(text) || text == VALID.as_str(), "{text}");
    }
    if let [position, letter, ..] = input
        && letter.is_ascii()
    {
        let mut changed = VALID.clone().into_bytes();
        let position = usize::from(*position) % changed.len();
        changed[position] = *letter;
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(!is_valid(&changed) || changed == *VALID, "{changed}");
    }
});
