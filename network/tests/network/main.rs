//! Swarms on real sockets of this machine.

mod committee;
mod faults;
mod lanes;
mod lifecycle;
mod proxy;
mod refusals;
mod requests;
