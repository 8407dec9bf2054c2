//! Every decoder of what comes from outside.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kraken_fuzz::decoders::run(bytes));
