//! What transactions, blocks and classes are read from.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kraken_fuzz_cairo::transaction_codec(bytes));
