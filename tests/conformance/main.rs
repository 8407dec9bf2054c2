//! What JSON-RPC serves, against the documents and the hashes of Starknet.

mod answers;
mod matrix;
mod proofs;
mod traces;
mod vectors;

use std::sync::Arc;

use kraken_openrpc::Documents;
use kraken_tests::Node;

/// A node whose clients check every answer, where the documents are at hand.
#[expect(clippy::print_stderr, reason = "a skipped check is said")]
fn checked_node(arguments: &[&str]) -> Node {
    let documents = Documents::official().map(Arc::new);
    if documents.is_none() {
        let folder = Documents::official_folder();
        eprintln!("SKIPPED: shapes of answers; no official documents in {}", folder.display());
    }
    Node::start_checked(arguments, documents)
}
