//! A block as subscribers are told of it: each part is written once, whoever wants it, however many
//! they are.

use std::sync::{Arc, OnceLock};

use kraken_sequencer::BlockAt;
use kraken_storage::ExecutedTransaction;
use serde::Serialize;
use starknet_api::{
    core::ContractAddress,
    transaction::{Transaction, TransactionHash},
};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{
        block::Head,
        event::{EmittedEvent, EventPlace, FinalEvent},
        flag::TransactionFlag,
        receipt::{Finality, ReceiptWithBlock, deployed},
        transaction::{TransactionWithHash, TransactionWithStatus},
    },
    version::Version,
};

/// JSON that is written once and shared.
pub(crate) type Text = Arc<str>;

/// A block at one stage of its life, with what was written of it so far.
#[derive(Debug)]
pub(crate) struct Sheet {
    block: BlockAt,
    finality: Finality,
    head: PerVersion,
    parts: OnceLock<Box<[Parts]>>,
}

/// What is told of a transaction.
#[derive(Debug)]
struct Parts {
    /// `None` of what no account has sent.
    sender: Option<ContractAddress>,
    receipt: OnceLock<Text>,
    /// Without proof facts, and with them.
    transaction: [OnceLock<Text>; 2],
    events: Box<[PerVersion]>,
}

/// What each version of the specification writes in its own way.
#[derive(Debug, Default)]
struct PerVersion([OnceLock<Text>; Version::ALL.len()]);

impl PerVersion {
    fn get_or_write(&self, version: Version, told: impl FnOnce() -> Text) -> Text {
        Arc::clone(self.0[version as usize].get_or_init(told))
    }
}

impl Sheet {
    /// A block that came this far, which may be further than what is to be told of it.
    pub(crate) fn new(block: BlockAt, finality: Finality) -> Self {
        Self { block, finality, head: PerVersion::default(), parts: OnceLock::new() }
    }

    /// As the block was before it was accepted.
    pub(crate) fn pre_confirmed(&self) -> Self {
        Self::new(self.block.clone(), Finality::PreConfirmed)
    }

    /// The block.
    pub(crate) fn block(&self) -> &BlockAt {
        &self.block
    }

    /// How far it has come.
    pub(crate) fn finality(&self) -> Finality {
        self.finality
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.block.info().block_number.0
    }

    /// Its transactions, in the order of execution.
    pub(crate) fn transactions(&self) -> &[Arc<ExecutedTransaction>] {
        self.block.transactions()
    }

    /// BLOCK_HEADER; `None` of a block that is not closed.
    pub(crate) fn head(&self, version: Version) -> Option<Text> {
        match &self.block {
            BlockAt::Closed(block) => {
                let head = || write(&Head::new(&block.header, version));
                Some(self.head.get_or_write(version, head))
            }
            BlockAt::Unsealed(_) => None,
        }
    }

    /// Who sent a transaction; `None` if no account has.
    pub(crate) fn sender(&self, index: usize) -> Option<ContractAddress> {
        self.parts()[index].sender
    }

    /// TXN_RECEIPT_WITH_BLOCK_INFO of a transaction.
    pub(crate) fn receipt(&self, index: usize) -> Text {
        let executed = &self.transactions()[index];
        let place = (self.number(), self.hash());
        let receipt = || write(&ReceiptWithBlock::of(executed, place, self.finality));
        Arc::clone(self.parts()[index].receipt.get_or_init(receipt))
    }

    /// TXN_WITH_HASH of a transaction, and how far it has come.
    pub(crate) fn transaction(&self, index: usize, with_proof_facts: bool) -> Text {
        let executed = &self.transactions()[index];
        let transaction = || {
            write_transaction(
                (executed.hash, &executed.transaction),
                status(self.finality),
                with_proof_facts,
            )
        };
        let written = &self.parts()[index].transaction[usize::from(with_proof_facts)];
        Arc::clone(written.get_or_init(transaction))
    }

    /// EMITTED_EVENT of an event of a transaction, and how far that has come.
    pub(crate) fn event(&self, place: EventPlace, version: Version) -> Text {
        let EventPlace { transaction_index, event_index } = place;
        let event = || {
            let executed = &self.transactions()[transaction_index];
            let block = (self.number(), self.hash());
            let event = EmittedEvent::new(executed, block, place, version);
            write(&FinalEvent { event, finality_status: self.finality })
        };
        self.parts()[transaction_index].events[event_index].get_or_write(version, event)
    }

    /// The hash, once somebody may be told of it.
    fn hash(&self) -> Option<Felt> {
        match &self.block {
            BlockAt::Closed(block) if Finality::PreConfirmed < self.finality => {
                Some(block.header.hash.0)
            }
            BlockAt::Closed(_) | BlockAt::Unsealed(_) => None,
        }
    }

    fn parts(&self) -> &[Parts] {
        let parts = |executed: &Arc<ExecutedTransaction>| Parts {
            sender: sender(&executed.transaction),
            receipt: OnceLock::new(),
            transaction: [OnceLock::new(), OnceLock::new()],
            events: executed.receipt.events.iter().map(|_| PerVersion::default()).collect(),
        };
        self.parts.get_or_init(|| self.transactions().iter().map(parts).collect())
    }
}

/// TXN_STATUS of what is in a block.
pub(crate) const fn status(finality: Finality) -> &'static str {
    match finality {
        Finality::PreConfirmed => "PRE_CONFIRMED",
        Finality::AcceptedOnL2 => "ACCEPTED_ON_L2",
        Finality::AcceptedOnL1 => "ACCEPTED_ON_L1",
    }
}

/// Writes TXN_WITH_HASH, and how far the transaction has come.
pub(crate) fn write_transaction(
    (hash, transaction): (TransactionHash, &Transaction),
    finality_status: &'static str,
    with_proof_facts: bool,
) -> Text {
    let flags: &[TransactionFlag] =
        if with_proof_facts { &[TransactionFlag::IncludeProofFacts] } else { &[] };
    let transaction = TransactionWithHash::of(hash, transaction, flags);
    write(&TransactionWithStatus { transaction, finality_status })
}

/// Writes what is told.
pub(crate) fn write(told: &impl Serialize) -> Text {
    serde_json::to_string(told).expect("what is told has text keys and finite numbers only").into()
}

/// Who sent a transaction; `None` if no account has.
pub(crate) fn sender(transaction: &Transaction) -> Option<ContractAddress> {
    match transaction {
        Transaction::Invoke(invoke) => Some(invoke.sender_address()),
        Transaction::Declare(declare) => Some(declare.sender_address()),
        Transaction::DeployAccount(_) => deployed(transaction),
        Transaction::Deploy(_) | Transaction::L1Handler(_) => None,
    }
}
