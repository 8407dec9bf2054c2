//! What can go wrong on the way in.

use kraken_execution::{Fault, PrepareError, Rejection, RejectionKind, Unfinished};

/// Why a submission ended without a transaction hash.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum SubmitError {
    /// The sender's fault.
    #[error(transparent)]
    Rejected(Rejection),
    /// The same transaction is pending or in a block (code 59).
    #[error("this transaction is known already")]
    Duplicate,
    /// Another transaction with this nonce is pending, and this one does not outbid it (code 64).
    #[error("replacement is underpriced")]
    ReplacementUnderpriced,
    /// Nobody's fault: try again.
    #[error(
        "mempool is full at {pending} transactions; submit it again once blocks have made room"
    )]
    Full { pending: usize },
    /// The account holds its part of a mempool that is filling up.
    #[error(
        "the account has {pending} transactions in a mempool that is filling up; submit it again \
         once some of them are in blocks"
    )]
    AccountFull { pending: usize },
    /// Nobody's fault: a full node found no validator that says anything about it. Try again.
    #[error("no validator has a verdict on the transaction: {reason}")]
    NotHandedOn { reason: String },
    /// Nobody's fault: the class was not compiled this time. Try again.
    #[error(transparent)]
    NotCompiled(Unfinished),
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The node is going down.
    #[error("the node is shutting down")]
    Stopped,
}

impl From<Rejection> for SubmitError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<PrepareError> for SubmitError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Rejected(rejection) => rejection.into(),
            // Whoever may say no to a class of its own accord says so here.
            PrepareError::Unfinished { cause, .. } if cause.is_limit() => {
                Rejection::new(RejectionKind::CompilationFailed, cause.to_string()).into()
            }
            PrepareError::Unfinished { cause, .. } => Self::NotCompiled(cause),
        }
    }
}

/// Why the sequencer does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
#[non_exhaustive]
pub enum StartError {
    /// Storage failed.
    #[error("storage failed")]
    Storage(#[from] kraken_storage::Error),
    /// Execution failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The genesis makes no sense.
    #[error("invalid genesis")]
    Genesis(#[from] kraken_types::genesis::GenesisError),
    /// Block 0 must be sealed first.
    #[error("storage holds no block 0")]
    NoGenesisBlock,
    /// The key of this validator is not in the genesis.
    #[error("validator key {key} is not in the committee of the genesis")]
    NotInCommittee { key: kraken_types::PublicKey },
    /// Others cannot be reached without settings.
    #[error("the genesis names {validators} validators, and there are no settings to reach them")]
    NoNetwork { validators: usize },
    /// A committee of one serves blocks to nobody.
    #[error("a committee of one has no swarm that could be followed")]
    NobodyToFollow,
    /// A port is taken, or an address makes no sense.
    #[error("cannot start to listen to other validators")]
    Network(#[from] kraken_network::StartError),
    /// Every validator of the genesis has an address.
    #[error("the settings of swarm {swarm} have {got} addresses for {expected} validators")]
    Peers { swarm: String, expected: usize, got: usize },
    /// The genesis names fewer workers than the settings.
    #[error("the genesis names no key for swarm {swarm}")]
    Swarm { swarm: String },
    /// The key of a worker says whose it is.
    #[error("the genesis names no worker with key {key}")]
    NoWorker { key: kraken_types::PublicKey },
    /// The others would refuse it.
    #[error("key {key} of swarm {swarm} is not the one that the genesis names for this validator")]
    NetworkKey { swarm: String, key: kraken_types::PublicKey },
    /// A durable record is not what it should be.
    #[error("{log} log holds a record that cannot be read")]
    Record { log: &'static str, source: kraken_types::codec::DecodeError },
    /// The order holds a class that this machine cannot compile. To leave it out would make another
    /// block than others make.
    #[error("the order cannot be executed on this machine: class {:#x} is not compiled", class_hash.0)]
    NotCompiled {
        class_hash: starknet_api::core::ClassHash,
        #[source]
        cause: Unfinished,
    },
    /// A block cannot be hashed.
    #[error("cannot hash block {number}: {reason}")]
    Hash { number: u64, reason: String },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// An error with all its causes, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
