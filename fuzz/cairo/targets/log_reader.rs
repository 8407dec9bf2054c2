//! The segments of a log, damaged.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kraken_fuzz_cairo::log_reader(bytes));
