//! `step` of `Fcfs`.

#![no_main]

use kraken_types::genesis::Protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kraken_fuzz::protocol::run(Protocol::Fcfs, bytes);
});
