//! An answer of the vendor: see `vendor_answer` for what must hold. The same answer is also read as that to a batch, to a
//! broadcast, and to the other questions, each of which gives one verdict for each target.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    offline_push_fuzz::vendor_answer(input, push_provider_oppo::fuzz::answer);
});
