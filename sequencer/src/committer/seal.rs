//! From an executed block to one with commitments, a state root and a hash.
//!
//! All formulas are Starknet's: `starknet_api::block_hash` has those of the commitments and the hash
//! (version `STARKNET_BLOCK_HASH1`, since 0.13.4), `storage::trie` those of the state root.

use std::sync::Arc;

use kraken_storage::{Block, ExecutedTransaction, Header, Receipt, Storage, trie};
use starknet_api::{
    block::{BlockHash, BlockInfo},
    block_hash::block_hash_calculator::{
        BlockHeaderCommitments, PartialBlockHashComponents, TransactionHashingData,
        TransactionOutputForHash, calculate_block_commitments, calculate_block_hash,
    },
    core::GlobalRoot,
    data_availability::L1DataAvailabilityMode,
    state::ThinStateDiff,
    transaction::{DeclareTransaction, Transaction, fields::TransactionSignature},
};

use super::{Executed, update_tries};
use crate::StartError;

/// Computes everything that the header adds. `parent` is `None` for block 0.
///
/// # Errors
/// If the tries cannot be read or the version has no block hash.
pub(crate) async fn seal(
    storage: &Storage,
    parent: Option<&Header>,
    executed: Executed,
) -> Result<(Block, trie::Update), StartError> {
    let diff = Arc::new(executed.state_diff.clone());
    let (tries, commitments) = tokio::join!(
        update_tries(storage, Arc::clone(&diff)),
        commitments(&executed.transactions, &diff, &executed.info)
    );
    let tries = tries?;
    let state_root = tries.state_root();
    let parent_hash = parent.map_or_else(BlockHash::default, |parent| parent.hash);
    let hash = hash(&executed.info, commitments.clone(), state_root, parent_hash)?;

    let events = executed.transactions.iter().map(|executed| executed.receipt.events.len()).sum();
    let header = Header {
        hash,
        parent_hash,
        state_root,
        transaction_commitment: commitments.transaction_commitment,
        event_commitment: commitments.event_commitment,
        receipt_commitment: commitments.receipt_commitment,
        state_diff_commitment: commitments.state_diff_commitment,
        transaction_count: count(executed.transactions.len()),
        event_count: count(events),
        state_diff_length: count(executed.state_diff.len()),
        l2_gas_used: executed.l2_gas_used,
        info: executed.info,
    };
    let block = Block {
        header,
        transactions: executed.transactions,
        state_diff: executed.state_diff,
        classes: executed.classes,
        executed_up_to: executed.executed_up_to,
        checkpoint: executed.before.digest,
    };
    Ok((block, tries))
}

/// The hash of a block with this header, but with the commitments to these transactions and changes.
///
/// # Errors
/// If the version has no block hash.
pub(crate) async fn hash_of(
    header: &Header,
    transactions: &[Arc<ExecutedTransaction>],
    diff: &ThinStateDiff,
) -> Result<BlockHash, StartError> {
    let commitments = commitments(transactions, diff, &header.info).await;
    hash(&header.info, commitments, header.state_root, header.parent_hash)
}

async fn commitments(
    transactions: &[Arc<ExecutedTransaction>],
    diff: &ThinStateDiff,
    info: &BlockInfo,
) -> BlockHeaderCommitments {
    let transactions: Vec<_> = transactions
        .iter()
        .map(|executed| TransactionHashingData {
            transaction_signature: signature(&executed.transaction),
            transaction_output: output(&executed.receipt),
            transaction_hash: executed.hash,
        })
        .collect();
    let mode = data_availability(info);
    let version = &info.starknet_version;
    let (commitments, _) =
        calculate_block_commitments(&transactions, diff.clone(), mode, version).await;
    commitments
}

fn hash(
    info: &BlockInfo,
    commitments: BlockHeaderCommitments,
    state_root: GlobalRoot,
    parent_hash: BlockHash,
) -> Result<BlockHash, StartError> {
    let components = PartialBlockHashComponents::new(info, commitments);
    calculate_block_hash(&components, state_root, parent_hash).map_err(|error| StartError::Hash {
        number: info.block_number.0,
        reason: error.to_string(),
    })
}

fn data_availability(info: &BlockInfo) -> L1DataAvailabilityMode {
    if info.use_kzg_da { L1DataAvailabilityMode::Blob } else { L1DataAvailabilityMode::Calldata }
}

fn output(receipt: &Receipt) -> TransactionOutputForHash {
    TransactionOutputForHash {
        actual_fee: receipt.actual_fee,
        events: receipt.events.clone(),
        execution_status: receipt.execution_status.clone(),
        gas_consumed: receipt.gas,
        messages_sent: receipt.messages_sent.clone(),
    }
}

fn signature(transaction: &Transaction) -> TransactionSignature {
    match transaction {
        Transaction::Invoke(invoke) => invoke.signature(),
        Transaction::DeployAccount(deploy) => deploy.signature(),
        Transaction::Declare(DeclareTransaction::V0(declare) | DeclareTransaction::V1(declare)) => {
            declare.signature.clone()
        }
        Transaction::Declare(DeclareTransaction::V2(declare)) => declare.signature.clone(),
        Transaction::Declare(DeclareTransaction::V3(declare)) => declare.signature.clone(),
        Transaction::Deploy(_) | Transaction::L1Handler(_) => TransactionSignature::default(),
    }
}

/// Counts of one block; bytes on the wire bound them far below 2^32.
fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a block holds fewer than 2^32 of anything")
}
