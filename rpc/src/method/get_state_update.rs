//! `starknet_getStateUpdate`.

use std::collections::BTreeSet;

use kraken_sequencer::{BlockAt, View};
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, ContractAddress},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::{
        block_id::BlockId,
        state_update::{ClosedUpdate, Context, OpenUpdate, StateDiff, StateUpdate},
    },
    error::{Error, Internal},
    version::Version,
};

/// Answers `starknet_getStateUpdate`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) fn answer(call: &Call<'_>) -> Result<StateUpdate, Error> {
    let block_id: BlockId = call.params.required("block_id")?;
    let shown: Option<Vec<ContractAddress>> = call.params.optional("contract_addresses")?;
    let shown = shown.map(BTreeSet::from_iter);
    let block = block_id.block(&call.view)?;
    let before = block.info().block_number.prev();
    let old_root = root(&call.view, before)?;
    let state_diff = |diff: &ThinStateDiff, declared| {
        let replaced = replaced(&call.view, before, diff)?;
        Ok::<_, Error>(StateDiff::new(
            diff,
            &Context { replaced, declared, shown, version: call.version },
        ))
    };
    match &block {
        BlockAt::Closed(block) => {
            let declared = block.classes.iter().map(|(class_hash, _)| *class_hash).collect();
            Ok(StateUpdate::Closed(ClosedUpdate {
                block_hash: block.header.hash.0,
                old_root: old_root.ok_or(Internal::Broken { what: "a parent is open" })?,
                new_root: block.header.state_root.0,
                state_diff: state_diff(&block.state_diff, declared)?,
            }))
        }
        BlockAt::Unsealed(block) => {
            let declared: BTreeSet<ClassHash> =
                block.changes.iter().flat_map(|changes| changes.classes.keys().copied()).collect();
            let diff = call.view.state_diff(block)?;
            let state_diff = state_diff(&diff, declared)?;
            let old_root = match call.version {
                // It had to be there, known or not.
                Version::V0_9 => Some(old_root.unwrap_or_default()),
                Version::V0_10 => old_root,
            };
            Ok(StateUpdate::Open(OpenUpdate { old_root, state_diff }))
        }
    }
}

/// The root of the state after a block, as far as it is known; zero before block 0.
fn root(view: &View, number: Option<BlockNumber>) -> Result<Option<Felt>, Error> {
    let Some(number) = number else {
        return Ok(Some(Felt::ZERO));
    };
    match view.block(number)? {
        Some(BlockAt::Closed(block)) => Ok(Some(block.header.state_root.0)),
        Some(BlockAt::Unsealed(_)) => Ok(None),
        None => Err(Internal::Broken { what: "a block has no parent" }.into()),
    }
}

/// Those contracts of a diff that had a class before.
fn replaced(
    view: &View,
    before: Option<BlockNumber>,
    diff: &ThinStateDiff,
) -> Result<BTreeSet<ContractAddress>, Error> {
    let mut replaced = BTreeSet::new();
    let Some(before) = before else {
        return Ok(replaced);
    };
    let state = view.state_at(before)?.ok_or(Internal::Broken { what: "a block has no state" })?;
    for contract in diff.deployed_contracts.keys() {
        if state.class_hash_at(*contract)?.is_some() {
            replaced.insert(*contract);
        }
    }
    Ok(replaced)
}
