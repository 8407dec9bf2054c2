//! A whole node, or a committee of them, from outside: the real binary, real folders, real sockets.

mod block_generation;
mod chaos;
mod crash;
mod devnet;
mod errors;
mod full_node;
mod intruders;
mod liars;
mod pool;
mod restart;
mod restart_paths;
mod sockets;
mod weather;
mod workers;

use std::env;

/// A number that the environment may set.
fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
