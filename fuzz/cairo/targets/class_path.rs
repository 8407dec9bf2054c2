//! From the JSON of a class to CASM.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kraken_fuzz_cairo::class_path(bytes));
