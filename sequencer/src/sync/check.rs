//! Whether a block is the one that a quorum attested, down to the last byte that matters.

use std::sync::Arc;

use bytes::Bytes;
use kraken_execution::{Chain, Uncompiled, Unfinished, class_hash};
use kraken_storage::{Block, Class, Header, codec};
use kraken_types::{Statement, codec::DecodeError};
use starknet_api::{
    core::ClassHash,
    transaction::{Transaction, TransactionHasher, TransactionVersion},
};

use crate::{StartError, committer::seal};

/// Why a block is not the one that was attested.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("block {number} cannot be read")]
    Malformed { number: u64, source: DecodeError },
    #[error("block {number} is not the one that a quorum attested: {what} differs")]
    Differs { number: u64, what: &'static str },
    #[error("block {number} cannot be hashed")]
    Hash { number: u64, source: StartError },
    #[error("a class of block {number} is not compiled")]
    NotCompiled { number: u64, source: Unfinished },
}

/// Reads a block and checks that it is the one of the statement. The hash covers header, state diff,
/// receipts, and of transactions their hashes and signatures; these cover the rest, but for the
/// classes, which are compiled again.
///
/// # Errors
/// [`Unfit`] names what is wrong.
pub(super) async fn check(
    chain: &Chain,
    statement: Statement,
    bytes: Bytes,
) -> Result<Block, Unfit> {
    let chain = chain.clone();
    let read = tokio::task::spawn_blocking(move || read(&chain, statement, &bytes));
    let block = read.await.expect("reading is never cancelled, and does not panic")?;
    let number = statement.number;
    let header = &block.header;
    let hash = seal::hash_of(header, &block.transactions, &block.state_diff).await;
    let hash = hash.map_err(|source| Unfit::Hash { number, source })?;
    if hash.0.to_bytes_be() != statement.block_hash || hash != header.hash {
        return Err(Unfit::Differs { number, what: "the hash" });
    }
    Ok(block)
}

fn read(chain: &Chain, statement: Statement, bytes: &[u8]) -> Result<Block, Unfit> {
    let number = statement.number;
    let differs = |what| Unfit::Differs { number, what };
    let mut block =
        codec::decode_block(bytes).map_err(|source| Unfit::Malformed { number, source })?;
    if block.header.number().0 != number {
        return Err(differs("the number"));
    }
    if block.executed_up_to != statement.executed_up_to || block.checkpoint != statement.checkpoint
    {
        return Err(differs("the place in the order"));
    }
    if !counts_fit(&block.header, &block) {
        return Err(differs("a count of the header"));
    }
    let mut l2_gas_used: u64 = 0;
    for executed in &block.transactions {
        let hash = transaction_hash(chain, &executed.transaction);
        if hash != Some(executed.hash) {
            return Err(differs("the content of a transaction"));
        }
        l2_gas_used = l2_gas_used.saturating_add(executed.receipt.gas.l2_gas.0);
    }
    if l2_gas_used != block.header.l2_gas_used {
        return Err(differs("the gas"));
    }
    let classes = compile_all(chain, &block);
    let classes = classes.map_err(|source| Unfit::NotCompiled { number, source })?;
    block.classes = classes.ok_or(differs("a class"))?;
    Ok(block)
}

fn counts_fit(header: &Header, block: &Block) -> bool {
    let events: usize =
        block.transactions.iter().map(|executed| executed.receipt.events.len()).sum();
    let is = |count: u32, length: usize| usize::try_from(count).is_ok_and(|count| count == length);
    is(header.transaction_count, block.transactions.len())
        && is(header.event_count, events)
        && is(header.state_diff_length, block.state_diff.len())
}

fn transaction_hash(
    chain: &Chain,
    transaction: &Transaction,
) -> Option<starknet_api::transaction::TransactionHash> {
    let (id, version) = (chain.id(), &TransactionVersion::THREE);
    match transaction {
        Transaction::Invoke(invoke) => invoke.calculate_transaction_hash(id, version).ok(),
        Transaction::DeployAccount(deploy) => deploy.calculate_transaction_hash(id, version).ok(),
        Transaction::Declare(declare) => declare.calculate_transaction_hash(id, version).ok(),
        Transaction::Deploy(_) | Transaction::L1Handler(_) => None,
    }
}

/// Classes by their hashes.
type Classes = Vec<(ClassHash, Arc<Class>)>;

/// The declared classes, compiled here: the hash of a compiled class does not cover all of it. `None`
/// if they are not those that the block declares.
fn compile_all(chain: &Chain, block: &Block) -> Result<Option<Classes>, Unfinished> {
    let declared = &block.state_diff.class_hash_to_compiled_class_hash;
    if !block.state_diff.deprecated_declared_classes.is_empty()
        || declared.len() != block.classes.len()
    {
        return Ok(None);
    }
    let again = |(declares, class): &(ClassHash, Arc<Class>)| {
        let Class::Sierra(given) = class.as_ref() else {
            return Ok(None);
        };
        if class_hash(&given.sierra) != *declares {
            return Ok(None);
        }
        let compiler = &chain.compilers().order;
        let class = match compiler.compile(*declares, &given.sierra, &chain.genesis().limits) {
            Ok(class) => class,
            Err(Uncompiled::Refused(_)) => return Ok(None),
            Err(Uncompiled::Unfinished(cause)) => return Err(cause),
        };
        let Class::Sierra(compiled) = class.as_ref() else {
            unreachable!("only Sierra is compiled");
        };
        let is_it = declared.get(declares) == Some(&compiled.compiled_class_hash);
        Ok(is_it.then(|| (*declares, Arc::clone(&class))))
    };
    block.classes.iter().map(again).collect()
}
