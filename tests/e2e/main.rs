//! A whole node, from outside: the real binary, a real folder, real sockets.

mod block_generation;
mod crash;
mod errors;
mod restart;
