//! What was read of a state.

use kraken_execution::InitialReads as Reads;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_types_core::felt::Felt;

use crate::schema;

/// INITIAL_READS.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "INITIAL_READS")]
pub(crate) struct InitialReads {
    storage: Vec<StorageRead>,
    nonces: Vec<NonceRead>,
    class_hashes: Vec<ClassHashRead>,
    declared_contracts: Vec<DeclarationRead>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct StorageRead {
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
    #[schemars(with = "schema::StorageKey")]
    key: Felt,
    #[schemars(with = "schema::Felt")]
    value: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct NonceRead {
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
    #[schemars(with = "schema::Felt")]
    nonce: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ClassHashRead {
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DeclarationRead {
    #[schemars(with = "schema::Felt")]
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
