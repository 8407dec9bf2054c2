//! State updates.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    core::{ClassHash, ContractAddress},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use crate::{schema, version::Version};

/// STATE_UPDATE, and PRE_CONFIRMED_STATE_UPDATE while the block has no hash.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum StateUpdate {
    Closed(ClosedUpdate),
    Open(OpenUpdate),
}

/// What a closed block changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "STATE_UPDATE")]
pub(crate) struct ClosedUpdate {
    #[schemars(with = "schema::BlockHash")]
    pub(crate) block_hash: Felt,
    #[schemars(with = "schema::Felt")]
    pub(crate) old_root: Felt,
    #[schemars(with = "schema::Felt")]
    pub(crate) new_root: Felt,
    pub(crate) state_diff: StateDiff,
}

/// What a block changes that is not closed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PRE_CONFIRMED_STATE_UPDATE")]
pub(crate) struct OpenUpdate {
    /// Missing while the block before is open, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schema::Felt")]
    pub(crate) old_root: Option<Felt>,
    pub(crate) state_diff: StateDiff,
}

/// STATE_DIFF.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "STATE_DIFF")]
pub(crate) struct StateDiff {
    storage_diffs: Vec<StorageDiff>,
    #[schemars(with = "Vec<schema::Felt>")]
    deprecated_declared_classes: Vec<Felt>,
    declared_classes: Vec<DeclaredClass>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = schema::since_v0_10)]
    migrated_compiled_classes: Vec<DeclaredClass>,
    deployed_contracts: Vec<DeployedContract>,
    replaced_classes: Vec<ReplacedClass>,
    nonces: Vec<NonceUpdate>,
}

/// What the diff itself does not say.
#[derive(Debug)]
pub(crate) struct Context {
    /// Contracts that existed before: they are given another class.
    pub(crate) replaced: BTreeSet<ContractAddress>,
    /// Classes that the block declares; others with a compiled class hash are migrated.
    pub(crate) declared: BTreeSet<ClassHash>,
    /// What the caller speaks: 0.9 has no word for migrated classes.
    pub(crate) version: Version,
    /// Show these contracts only; `None` shows all. Class declarations are always shown.
    pub(crate) shown: Option<BTreeSet<ContractAddress>>,
}

/// CONTRACT_STORAGE_DIFF_ITEM.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CONTRACT_STORAGE_DIFF_ITEM")]
struct StorageDiff {
    #[schemars(with = "schema::Address")]
    address: Felt,
    storage_entries: Vec<StorageEntry>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct StorageEntry {
    #[schemars(with = "schema::StorageKey")]
    key: Felt,
    #[schemars(with = "schema::Felt")]
    value: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DeclaredClass {
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    #[schemars(with = "schema::Felt")]
    compiled_class_hash: Felt,
}

/// DEPLOYED_CONTRACT_ITEM.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DEPLOYED_CONTRACT_ITEM")]
struct DeployedContract {
    #[schemars(with = "schema::Address")]
    address: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ReplacedClass {
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct NonceUpdate {
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
    #[schemars(with = "schema::Felt")]
    nonce: Felt,
}

impl StateDiff {
    /// Sorts out what the diff holds together.
    pub(crate) fn new(diff: &ThinStateDiff, context: &Context) -> Self {
        let shown = |address: &ContractAddress| {
            context.shown.as_ref().is_none_or(|shown| shown.contains(address))
        };
        let (declared, migrated): (Vec<_>, Vec<_>) = diff
            .class_hash_to_compiled_class_hash
            .iter()
            .partition(|(class_hash, _)| context.declared.contains(*class_hash));
        let compiled =
            |(class_hash, compiled): (&ClassHash, &starknet_api::core::CompiledClassHash)| {
                DeclaredClass { class_hash: class_hash.0, compiled_class_hash: compiled.0 }
            };
        let (replaced, deployed): (Vec<_>, Vec<_>) = diff
            .deployed_contracts
            .iter()
            .filter(|(address, _)| shown(address))
            .partition(|(address, _)| context.replaced.contains(*address));
        Self {
            storage_diffs: storage_diffs(diff, shown),
            deprecated_declared_classes: diff
                .deprecated_declared_classes
                .iter()
                .map(|class_hash| class_hash.0)
                .collect(),
            declared_classes: declared.into_iter().map(compiled).collect(),
            migrated_compiled_classes: match context.version {
                Version::V0_9 => Vec::new(),
                Version::V0_10 => migrated.into_iter().map(compiled).collect(),
            },
            deployed_contracts: deployed
                .into_iter()
                .map(|(address, class_hash)| DeployedContract {
                    address: (*address).into(),
                    class_hash: class_hash.0,
                })
                .collect(),
            replaced_classes: replaced
                .into_iter()
                .map(|(address, class_hash)| ReplacedClass {
                    contract_address: (*address).into(),
                    class_hash: class_hash.0,
                })
                .collect(),
            nonces: diff
                .nonces
                .iter()
                .filter(|(address, _)| shown(address))
                .map(|(address, nonce)| NonceUpdate {
                    contract_address: (*address).into(),
                    nonce: nonce.0,
                })
                .collect(),
        }
    }
}

fn storage_diffs(
    diff: &ThinStateDiff,
    shown: impl Fn(&ContractAddress) -> bool,
) -> Vec<StorageDiff> {
    diff.storage_diffs
        .iter()
        .filter(|(address, cells)| shown(address) && !cells.is_empty())
        .map(|(address, cells)| StorageDiff {
            address: (*address).into(),
            storage_entries: cells
                .iter()
                .map(|(key, value)| StorageEntry { key: (*key).into(), value: *value })
                .collect(),
        })
        .collect()
}
