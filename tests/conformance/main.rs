//! What JSON-RPC serves, against the documents and the hashes of Starknet.

mod answers;
mod vectors;
