//! The official documents of every version that a node serves.

use std::sync::{Arc, OnceLock};

use kraken_openrpc::{Documents, Release};
use serde_json::Value;

/// The documents of both versions, where they are at hand.
#[derive(Clone, Debug)]
pub struct Official {
    /// 0.10.2, which a node serves unless the path says otherwise.
    pub newest: Arc<Documents>,
    /// 0.9.0, which a node serves at [`Official::OLDER_PATH`].
    pub older: Arc<Documents>,
}

impl Official {
    /// Where a node serves the older version, over HTTP and WebSocket.
    pub const OLDER_PATH: &str = "/rpc/v0_9";

    /// Loads them once; where they are not at hand, says that nothing is held against them.
    ///
    /// # Panics
    /// If they are there and cannot be loaded.
    pub fn get() -> Option<&'static Self> {
        static OFFICIAL: OnceLock<Option<Official>> = OnceLock::new();
        OFFICIAL.get_or_init(Self::load).as_ref()
    }

    #[expect(clippy::print_stderr, reason = "a skipped check is said")]
    fn load() -> Option<Self> {
        let load = |release: Release| {
            let documents = Documents::official(release).map(Arc::new);
            if documents.is_none() {
                let folder = release.folder();
                eprintln!("SKIPPED: shapes of answers; no documents in {}", folder.display());
            }
            documents
        };
        Some(Self { newest: load(Release::V0_10)?, older: load(Release::V0_9)? })
    }
}

/// The code that the older version has for an error that only the newer one has for this method.
pub(crate) fn older_code(method: &str, code: i64) -> i64 {
    match (method, code) {
        // No contract, where the transaction or the call fails.
        ("starknet_estimateFee", 20) => 41,
        ("starknet_estimateMessageFee", 20) => 40,
        // Transactions have no proofs.
        ("starknet_addInvokeTransaction", 69) => -32602,
        _ => code,
    }
}

/// Whether a request asks for something that only the newer version knows.
pub(crate) fn is_newer(method: &str, params: &Value) -> bool {
    let text = params.to_string();
    let words = ["RETURN_INITIAL_READS", "INCLUDE_", "\"response_flags\"", "\"trace_flags\""];
    let has_list_of_addresses = text.contains("\"address\":[");
    let names_contracts = method == "starknet_getStateUpdate"
        && (text.contains("contract_addresses")
            || params.as_array().is_some_and(|all| 1 < all.len()));
    has_list_of_addresses || names_contracts || words.iter().any(|word| text.contains(word))
}
