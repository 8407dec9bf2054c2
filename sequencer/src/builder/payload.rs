//! From a commit to the transactions in it.

use kraken_execution::{Chain, Prepared};
use kraken_storage::codec::decode_transaction;
use kraken_types::{Batch, BatchDigest, Commit};

use crate::{StartError, journal::Journal};

/// Finds the transactions of commits. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Payloads {
    pub(crate) chain: Chain,
    pub(crate) journal: Journal,
}

impl Payloads {
    /// The transactions of a commit, in order. `None` is one that no validator can execute: bytes
    /// that are no transaction, or a class that does not compile.
    ///
    /// # Errors
    /// If the disk refuses, or a batch is not there.
    pub(crate) fn of(&self, commit: &Commit) -> Result<Vec<Option<Prepared>>, StartError> {
        let mut transactions = Vec::new();
        for (_, batch) in &commit.batches {
            match self.journal.take_prepared(&batch.digest) {
                Some(prepared) => transactions.extend(prepared.into_iter().map(Some)),
                None => transactions.extend(self.decode(&batch.digest, commit)?),
            }
        }
        Ok(transactions)
    }

    fn decode(
        &self,
        digest: &BatchDigest,
        commit: &Commit,
    ) -> Result<Vec<Option<Prepared>>, StartError> {
        let missing = || StartError::MissingBatch { digest: digest.0, commit: commit.index.0 };
        let bytes = self.journal.read_batch(digest)?.ok_or_else(missing)?;
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
        let transaction = decode_transaction(bytes)
            .inspect_err(|error| tracing::warn!(%error, "skipped a malformed transaction"))
            .ok()?;
        Prepared::new(transaction, &self.chain)
            .inspect_err(|rejection| tracing::info!(%rejection, "skipped a transaction"))
            .ok()
    }
}
