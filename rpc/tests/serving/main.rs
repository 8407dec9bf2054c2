//! A whole node without its binary: real blocks in memory, served on a real socket.

mod chain;
mod devnet;
mod node;
mod transport;
