//! starknet-rust against a node of ours: the whole life of accounts and contracts.

mod account;
mod burst;
mod chain;
mod contract;
