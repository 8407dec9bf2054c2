//! A whole node without its binary: real blocks in memory, served on a real socket.

mod chain;
mod corpus;
mod described;
mod devnet;
mod monitoring;
mod node;
mod socket;
mod transport;
