//! `step` of `Primary`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kraken_fuzz::primary::run(bytes);
});
