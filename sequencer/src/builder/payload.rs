//! From a commit to the transactions in it, and what each of them is in a batch.

use kraken_execution::{Chain, Prepared};
use kraken_storage::codec::{decode_transaction, encode_transaction};
use kraken_types::{Batch, BatchDigest, BatchRef, Commit};

use crate::{Mode, StartError, journal::Journal};

/// Comes before a transaction whose signature does not matter. No form of a transaction begins so.
const EXEMPT: u8 = 0xfe;

/// A transaction as a batch carries it.
pub(crate) fn encode(transaction: &Prepared) -> Vec<u8> {
    let mut bytes = encode_transaction(transaction.rpc());
    if transaction.is_exempt() {
        bytes.insert(0, EXEMPT);
    }
    bytes
}

/// Finds the transactions of commits. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Payloads {
    pub(crate) chain: Chain,
    pub(crate) journal: Journal,
    /// In a committee every signature matters.
    pub(crate) mode: Mode,
}

impl Payloads {
    /// The transactions of a commit, in order; `None` while one of its batches is not here. `None`
    /// in place of a transaction is one that no validator can execute: bytes that are no
    /// transaction, or a class that does not compile.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn of(&self, commit: &Commit) -> Result<Option<Vec<Option<Prepared>>>, StartError> {
        // Whatever is elsewhere is asked for together.
        let is_missing = |batch: &&BatchRef| !self.journal.is_readable(&batch.digest);
        let batches = commit.batches.iter().map(|(_, batch)| batch);
        if 0 < batches.filter(is_missing).count() {
            return Ok(None);
        }
        let mut transactions = Vec::new();
        for (_, batch) in &commit.batches {
            match self.journal.take_prepared(&batch.digest) {
                Some(prepared) => transactions.extend(prepared.into_iter().map(Some)),
                None => transactions.extend(self.decode(&batch.digest)?),
            }
        }
        Ok(Some(transactions))
    }

    fn decode(&self, digest: &BatchDigest) -> Result<Vec<Option<Prepared>>, StartError> {
        let bytes = self.journal.read_batch(digest)?;
        let bytes = bytes.expect("a batch is let go of only once its block is accepted");
        let batch = match Batch::decode(&bytes) {
            Ok(batch) => batch,
            // Certified bytes that are no batch hold no transaction, on any validator.
            Err(error) => {
                tracing::warn!(batch = %digest.0, %error, "skipped a malformed batch");
                return Ok(Vec::new());
            }
        };
        Ok(batch.transactions.iter().map(|bytes| self.prepare(bytes)).collect())
    }

    fn prepare(&self, bytes: &[u8]) -> Option<Prepared> {
        let exempt = match self.mode {
            Mode::Dev => bytes.strip_prefix(&[EXEMPT]),
            Mode::Committee => None,
        };
        let transaction = decode_transaction(exempt.unwrap_or(bytes))
            .inspect_err(|error| tracing::warn!(%error, "skipped a malformed transaction"))
            .ok()?;
        let prepared = Prepared::new(transaction, &self.chain)
            .inspect_err(|rejection| tracing::info!(%rejection, "skipped a transaction"))
            .ok()?;
        Some(if exempt.is_some() { prepared.exempt() } else { prepared })
    }
}
