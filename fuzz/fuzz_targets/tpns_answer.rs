//! An answer of the vendor: see `vendor_answer` for what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    offline_push_fuzz::vendor_answer(input, push_provider_tpns::fuzz::answer);
});
