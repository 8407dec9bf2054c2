//! What JSON-RPC serves, against the documents and the hashes of Starknet.

mod answers;
mod matrix;
mod openrpc;
mod proofs;
mod refusals;
mod traces;
mod vectors;
