//! An answer of a push service: see `vendor_answer` for what must hold. One service writes lines of text: of what is not JSON,
//! only its own lines end a subscription.
#![no_main]

use push_core::{VendorAnswer, Verdict, VerdictKind};

/// What the lines say that end a subscription.
const LINES: [&str; 2] = [
    "push subscription has unsubscribed or expired",
    "A valid push subscription endpoint should be specified in the URL",
];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    offline_push_fuzz::vendor_answer(input, |response, token| {
        let verdict = push_provider_webpush::fuzz::answer(response, token);
        let text = String::from_utf8_lossy(response.body());
        let is_line =
            LINES.iter().any(|line| text.contains(line)) && !text.trim_start().starts_with('<');
        match verdict.kind {
            VerdictKind::TokenDead { .. } if is_line => Verdict::new(
                VerdictKind::TargetRefused,
                VendorAnswer::clone(&verdict.answer),
            ),
            _ => verdict,
        }
    });
});
