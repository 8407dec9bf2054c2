//! `step` of `Ordering`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kraken_fuzz::ordering::run(bytes);
});
