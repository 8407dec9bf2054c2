//! From the body of a request to the answer, on a node.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kraken_fuzz_cairo::request_path(bytes));
