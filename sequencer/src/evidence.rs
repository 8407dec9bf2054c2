//! What is kept when a quorum contradicts us: who made what of the same order.
//!
//! The file is for people who look for the reason, here or elsewhere: it holds our block whole, and
//! the statement of the quorum with its signatures, so that anybody with the genesis can check it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_storage::Block;
use kraken_types::{
    Acceptance, Statement,
    codec::{self, DecodeError},
};

/// What the name of a file begins with; the number of the block follows.
const PREFIX: &str = "divergence-";

/// What it ends with while it is written.
const DRAFT: &str = ".new";

/// The version of the form of a file.
const VERSION: u8 = 1;

/// The largest file: a block with large classes.
const BYTES_MAX: usize = 1 << 30;

/// What we and a quorum made of the same order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    version: u8,
    /// What we made of it.
    pub ours: Statement,
    /// What a quorum made of it.
    pub theirs: Acceptance,
    /// As the chain log keeps it.
    block: Bytes,
}

/// Why a file is no evidence.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum EvidenceError {
    /// The disk refuses.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It holds something else.
    #[error("{} is no evidence of a divergence", path.display())]
    Malformed { path: PathBuf, source: DecodeError },
    /// A later version wrote it.
    #[error("{} is of version {version}", path.display())]
    Version { path: PathBuf, version: u8 },
}

impl Evidence {
    /// Puts together what is kept; `block` is ours, as the chain log keeps it.
    pub(crate) fn new(ours: Statement, theirs: Acceptance, block: Bytes) -> Self {
        Self { version: VERSION, ours, theirs, block }
    }

    /// Our block.
    ///
    /// # Errors
    /// If the bytes in the file are no block.
    pub fn block(&self) -> Result<Block, DecodeError> {
        kraken_storage::codec::decode_block(&self.block)
    }

    /// Writes it into a folder, whole or not at all, and returns the name of the file. What an
    /// earlier run found out about the same block is replaced.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("{PREFIX}{}", self.ours.number));
        let draft = folder.join(format!("{PREFIX}{}{DRAFT}", self.ours.number));
        let mut file = File::create(&draft)?;
        file.write_all(&codec::encode(self))?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(path)
    }

    /// The files in a folder, by the number of the block.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn find(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                found.push((number, entry.path()));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self, EvidenceError> {
        let bytes = fs::read(path)
            .map_err(|source| EvidenceError::Read { path: path.to_owned(), source })?;
        if let Some(version) = bytes.first().copied().filter(|version| *version != VERSION) {
            return Err(EvidenceError::Version { path: path.to_owned(), version });
        }
        codec::decode(&bytes, BYTES_MAX)
            .map_err(|source| EvidenceError::Malformed { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::{Cursor, Digest, Epoch, Signers};

    use super::*;

    fn evidence(number: u64) -> Evidence {
        let ours = Statement {
            epoch: Epoch(0),
            number,
            block_hash: [1; 32],
            executed_up_to: Cursor::default(),
            checkpoint: Digest::default(),
        };
        let statement = Statement { block_hash: [2; 32], ..ours };
        let theirs = Acceptance { statement, signers: Signers::default(), signatures: vec![] };
        Evidence::new(ours, theirs, Bytes::from_static(b"block"))
    }

    #[test]
    fn what_is_written_is_found_and_read_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for number in [10, 9] {
            evidence(number).write(folder.path()).expect("writable");
        }
        evidence(9).write(folder.path()).expect("again");
        for other in ["divergence-", "divergence-x", "divergence-7.new", "storage"] {
            fs::write(folder.path().join(other), "").expect("writable");
        }
        let found = Evidence::find(folder.path()).expect("readable");
        let read = found.iter().map(|path| Evidence::read(path).expect("own file").ours.number);
        assert_eq!(read.collect::<Vec<_>>(), [9, 10]);
        assert_eq!(Evidence::read(&found[1]).expect("own file"), evidence(10));
    }

    #[test]
    fn what_is_no_evidence_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("divergence-1");
        assert!(matches!(Evidence::read(&path), Err(EvidenceError::Read { .. })));
        for bytes in [&b""[..], &[VERSION], &[VERSION, 1, 2, 3]] {
            fs::write(&path, bytes).expect("writable");
            let read = Evidence::read(&path);
            assert!(matches!(read, Err(EvidenceError::Malformed { .. })), "{read:?}");
        }
        fs::write(&path, [VERSION + 1]).expect("writable");
        assert!(matches!(Evidence::read(&path), Err(EvidenceError::Version { .. })));
    }
}
