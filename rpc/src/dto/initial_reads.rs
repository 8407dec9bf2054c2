//! What was read of a state.

use kraken_execution::InitialReads as Reads;
use serde::Serialize;
use starknet_types_core::felt::Felt;

/// INITIAL_READS.
#[derive(Debug, Serialize)]
pub(crate) struct InitialReads {
    storage: Vec<StorageRead>,
    nonces: Vec<NonceRead>,
    class_hashes: Vec<ClassHashRead>,
    declared_contracts: Vec<DeclarationRead>,
}

#[derive(Debug, Serialize)]
struct StorageRead {
    contract_address: Felt,
    key: Felt,
    value: Felt,
}

#[derive(Debug, Serialize)]
struct NonceRead {
    contract_address: Felt,
    nonce: Felt,
}

#[derive(Debug, Serialize)]
struct ClassHashRead {
    contract_address: Felt,
    class_hash: Felt,
}

#[derive(Debug, Serialize)]
struct DeclarationRead {
    class_hash: Felt,
    is_declared: bool,
}

impl From<Reads> for InitialReads {
    fn from(reads: Reads) -> Self {
        let storage = |((contract, key), value): ((_, _), _)| StorageRead {
            contract_address: Felt::from(contract),
            key: Felt::from(key),
            value,
        };
        Self {
            storage: reads.storage.into_iter().map(storage).collect(),
            nonces: reads
                .nonces
                .into_iter()
                .map(|(contract, nonce)| NonceRead {
                    contract_address: contract.into(),
                    nonce: nonce.0,
                })
                .collect(),
            class_hashes: reads
                .class_hashes
                .into_iter()
                .map(|(contract, class_hash)| ClassHashRead {
                    contract_address: contract.into(),
                    class_hash: class_hash.0,
                })
                .collect(),
            declared_contracts: reads
                .declared
                .into_iter()
                .map(|(class_hash, is_declared)| DeclarationRead {
                    class_hash: class_hash.0,
                    is_declared,
                })
                .collect(),
        }
    }
}
