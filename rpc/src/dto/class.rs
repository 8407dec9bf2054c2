//! Classes.

use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    compression_utils::compress_and_encode,
    contract_class::EntryPointType,
    deprecated_contract_class::{ContractClass, ContractClassAbiEntry, EntryPointV0},
};

use crate::{
    error::Internal,
    schema::class::{AbiEntry, DeprecatedEntryPoint},
};

/// DEPRECATED_CONTRACT_CLASS.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DEPRECATED_CONTRACT_CLASS")]
pub(crate) struct DeprecatedClass<'a> {
    /// JSON, compressed by gzip, in base 64.
    program: String,
    entry_points_by_type: EntryPoints<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<AbiEntry>")]
    abi: Option<&'a [ContractClassAbiEntry]>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "DEPRECATED_ENTRY_POINTS")]
struct EntryPoints<'a> {
    #[schemars(with = "Vec<DeprecatedEntryPoint>")]
    constructor: &'a [EntryPointV0],
    #[schemars(with = "Vec<DeprecatedEntryPoint>")]
    external: &'a [EntryPointV0],
    #[schemars(with = "Vec<DeprecatedEntryPoint>")]
    l1_handler: &'a [EntryPointV0],
}

impl<'a> DeprecatedClass<'a> {
    /// Packs a class of Cairo 0.
    ///
    /// # Errors
    /// [`Internal::Class`] if its program is no JSON.
    pub(crate) fn new(class: &'a ContractClass) -> Result<Self, Internal> {
        let entry_points =
            |kind| class.entry_points_by_type.get(&kind).map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            program: compress_and_encode(&class.program).map_err(Internal::Class)?,
            entry_points_by_type: EntryPoints {
                constructor: entry_points(EntryPointType::Constructor),
                external: entry_points(EntryPointType::External),
                l1_handler: entry_points(EntryPointType::L1Handler),
            },
            abi: class.abi.as_deref(),
        })
    }
}
