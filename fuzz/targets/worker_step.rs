//! `step` of `Worker`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kraken_fuzz::worker::run(bytes);
});
