//! What can go wrong below.

use std::{io, path::PathBuf};

use kraken_types::{Digest, codec::DecodeError};
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, GlobalRoot},
};

use crate::log::Location;

/// Why storage could not do its work. None of these is a caller's fault.
///
/// The first group is for the operator, who chose the folder; its messages say what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// Two processes must never write to one folder.
    #[error(
        "{directory} is in use by another process; stop that process, or choose another data folder"
    )]
    Locked { directory: PathBuf },
    /// The folder holds something, and it is not ours.
    #[error(
        "{directory} is not a kraken data folder and not empty; choose an empty or a new folder"
    )]
    Foreign { directory: PathBuf },
    /// The file that says what the folder is cannot be read as such, or is gone while there is
    /// something in the folder.
    #[error(
        "{path} is damaged or missing; \
         restore it from a backup, or choose another data folder to start anew"
    )]
    DamagedIdentity { path: PathBuf },
    /// A log is gone that was made before the folder was used.
    #[error(
        "the log {path} is missing; \
         restore it from a backup, or choose another data folder to start anew"
    )]
    MissingLog { path: PathBuf },
    /// The folder holds another chain.
    #[error(
        "{directory} holds the chain of genesis {found}, not of {expected}; \
         choose another data folder, or run with the genesis that it was made with"
    )]
    WrongGenesis { directory: PathBuf, found: Digest, expected: Digest },
    /// The folder was written by a version that stores things in another way.
    #[error(
        "{directory} has schema {found}, but this version of kraken needs schema {expected}; \
         run the version that wrote it, or choose another data folder to start anew"
    )]
    WrongSchema { directory: PathBuf, found: u32, expected: u32 },

    /// Bytes of a log are not what was written there.
    #[error("damaged record in {path} at offset {offset}: {what}")]
    DamagedRecord { path: PathBuf, offset: u64, what: &'static str },
    /// A file in the middle of a log is gone.
    #[error("segment {path} of the log is missing")]
    MissingSegment { path: PathBuf },
    /// A write failed before; what is on disk is no longer known.
    #[error("the log {path} takes no more records because writing to it failed before")]
    LogFailed { path: PathBuf },
    /// A log takes records up to a limit.
    #[error("a record of {got} bytes is over the limit of {max}")]
    RecordTooLarge { got: usize, max: usize },

    /// The engine could not do its work.
    #[error("the storage engine in {path} failed")]
    Engine { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    /// The files of the engine are not as it wrote them.
    #[error(
        "the storage engine in {path} is damaged: {what}; \
         start again, which makes it anew from the chain log"
    )]
    DamagedEngine { path: PathBuf, what: String },
    /// A value of the engine is not of its table's form.
    #[error("the storage engine holds a malformed {what}")]
    Malformed { what: &'static str },
    /// A node of the tries is missing, or not as it was written.
    #[error("the storage engine holds a malformed trie node or none at {key}")]
    TrieNode { key: String },
    /// The engine is made from the chain log, so it cannot know more.
    #[error(
        "the storage engine is at block {engine}, which the chain log does not hold; \
         restore the chain log, or remove {path} to make the engine again from what is left"
    )]
    EngineAhead { path: PathBuf, engine: BlockNumber },

    /// A record of the chain log passed its checksum and still is no block.
    #[error("the record at {at} of the chain log is no block")]
    Block { at: Location, source: DecodeError },
    /// A class of the engine is no class.
    #[error("cannot decode class {class_hash}")]
    Class { class_hash: ClassHash, source: DecodeError },
    /// A block or a class that has no stored form.
    #[error("cannot encode a block: {what}")]
    Unencodable { what: &'static str },
    /// Blocks are stored one after the other.
    #[error("block {got} cannot follow on what is stored: expected block {expected}")]
    OutOfOrder { got: BlockNumber, expected: BlockNumber },
    /// A block whose parts contradict each other.
    #[error("block {number} contradicts itself or its past: {what}")]
    Contradiction { number: BlockNumber, what: &'static str },
    /// Applying a block gave a state that its header does not commit to.
    #[error("block {number} leads to state root {got}, but its header says {expected}")]
    WrongRoot { number: BlockNumber, got: GlobalRoot, expected: GlobalRoot },
    /// A commit failed half way; only a restart finds out how far it came.
    #[error("storage takes no more blocks because storing one failed before")]
    Failed,
}

impl Error {
    /// For `map_err`: the operating system refused to do `action` with `path`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
