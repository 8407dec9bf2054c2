//! Class hashes of Cairo 1 and later.

use anyhow::{Result, ensure};
use serde_json::Value;
use starknet_types_core::felt::Felt;

use super::{
    field,
    hash::{ascii, poseidon_of, starknet_keccak},
};

/// The class hash of the answer of `starknet_getClass`.
///
/// # Errors
/// If it is no class of Cairo 1 or later.
pub fn class_hash(class: &Value) -> Result<Felt> {
    let version = field::text(class, "contract_class_version")?;
    ensure!(version == "0.1.0", "contract class version {version}");
    let entry_points = field::of(class, "entry_points_by_type")?;
    let entry_points = |kind: &str| -> Result<Felt> {
        let mut felts = Vec::new();
        for entry_point in field::items(entry_points, kind)? {
            felts.push(field::felt(entry_point, "selector")?);
            felts.push(Felt::from(field::number(entry_point, "function_idx")?));
        }
        Ok(poseidon_of(&felts))
    };
    Ok(poseidon_of(&[
        ascii("CONTRACT_CLASS_V0.1.0"),
        entry_points("EXTERNAL")?,
        entry_points("L1_HANDLER")?,
        entry_points("CONSTRUCTOR")?,
        starknet_keccak(field::text(class, "abi")?.as_bytes()),
        poseidon_of(&field::felts(class, "sierra_program")?),
    ]))
}
