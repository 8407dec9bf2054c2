//! What JSON-RPC serves, against the documents and the hashes of Starknet.

mod answers;
mod matrix;
mod proofs;
mod refusals;
mod traces;
mod vectors;
