//! From blockifier's results to ours.

use blockifier::{
    state::cached_state::{CommitmentStateDiff, StateMaps},
    transaction::objects::TransactionExecutionInfo,
};
use kraken_storage::Receipt;
use starknet_api::{
    state::ThinStateDiff,
    transaction::{RevertedTransactionExecutionStatus, TransactionExecutionStatus},
};

use crate::Changes;

/// What came of a transaction that is in a block.
///
/// Events and messages come in the order of execution: `__validate__`, `__execute__`, fee; for a
/// deploy_account the constructor runs before `__validate_deploy__`.
pub(crate) fn receipt(info: &TransactionExecutionInfo) -> Receipt {
    let execution_status = match &info.revert_error {
        None => TransactionExecutionStatus::Succeeded,
        Some(error) => {
            let revert_reason = error.to_string();
            TransactionExecutionStatus::Reverted(RevertedTransactionExecutionStatus {
                revert_reason,
            })
        }
    };
    Receipt {
        actual_fee: info.receipt.fee,
        execution_status,
        messages_sent: info.accumulated_sorted_l2_to_l1_messages(),
        events: info.accumulated_sorted_events(),
        gas: info.receipt.gas,
    }
}

/// What a transaction changed; the classes themselves are not part of blockifier's answer.
pub(crate) fn changes(maps: StateMaps) -> Changes {
    Changes {
        storage: maps.storage,
        nonces: maps.nonces,
        class_hashes: maps.class_hashes,
        compiled_class_hashes: maps.compiled_class_hashes,
        classes: Default::default(),
    }
}

/// What a block changed, sorted: blockifier's own order is that of hash maps.
pub(crate) fn state_diff(diff: CommitmentStateDiff) -> ThinStateDiff {
    let mut diff = ThinStateDiff::from(diff);
    diff.deployed_contracts.sort_unstable_keys();
    diff.nonces.sort_unstable_keys();
    diff.class_hash_to_compiled_class_hash.sort_unstable_keys();
    diff.storage_diffs.retain(|_, cells| !cells.is_empty());
    diff.storage_diffs.sort_unstable_keys();
    for cells in diff.storage_diffs.values_mut() {
        cells.sort_unstable_keys();
    }
    diff
}
