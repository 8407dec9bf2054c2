//! What holds whatever arrives: targets that feed arbitrary bytes to every decoder and every
//! `step`.
//!
//! An input of a `step` target is a [`Script`]: its bytes choose events, one after the other. The
//! events come from a [`world`] that knows the keys of all validators, so that what arrives is as
//! often well signed as it is nonsense.

pub mod decoders;
pub mod heap;
pub mod hotstuff;
pub mod ordering;
pub mod primary;
pub mod protocol;
pub mod seeds;
pub mod worker;
pub mod world;

use kraken_types::genesis::Protocol;
#[cfg(doc)]
use kraken_types::testing::Script;

/// One target: what it is called, and what runs one input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets; each is also a program, in `targets`.
pub const TARGETS: [Target; 7] = [
    ("decoders", decoders::run),
    ("worker_step", |bytes| {
        worker::run(bytes);
    }),
    ("primary_step", |bytes| {
        primary::run(bytes);
    }),
    ("bullshark_step", |bytes| {
        protocol::run(Protocol::Bullshark, bytes);
    }),
    ("fcfs_step", |bytes| {
        protocol::run(Protocol::Fcfs, bytes);
    }),
    ("hotstuff_step", |bytes| {
        protocol::run(Protocol::HotStuff, bytes);
    }),
    ("ordering_step", |bytes| {
        ordering::run(bytes);
    }),
];
