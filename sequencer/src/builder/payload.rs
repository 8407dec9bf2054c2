//! From a commit to the transactions in it, and what each of them is in a batch.

use kraken_execution::{Chain, PrepareError, Prepared};
use kraken_storage::codec::{
    decode_message, decode_transaction, encode_message, encode_transaction,
};
use kraken_types::{Batch, BatchDigest, BatchRef, Commit};

use crate::{Mode, StartError, journal::Journal};

/// Comes before a transaction whose signature does not matter. No form of a transaction begins so.
const EXEMPT: u8 = 0xfe;

/// Comes before a message of L1.
const MESSAGE: u8 = 0xfd;

/// A transaction as a batch carries it.
pub(crate) fn encode(transaction: &Prepared) -> Vec<u8> {
    match (transaction.rpc(), transaction.as_message()) {
        (Some(rpc), _) => marked(encode_transaction(rpc), transaction.is_exempt()),
        (None, Some(message)) => [vec![MESSAGE], encode_message(message)].concat(),
        (None, None) => unreachable!("what no account sends is a message"),
    }
}

/// An encoded transaction as a batch carries it.
pub(crate) fn marked(mut bytes: Vec<u8>, is_exempt: bool) -> Vec<u8> {
    if is_exempt {
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
    /// If the disk refuses, or a class is too much for this machine.
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
        batch.transactions.iter().map(|bytes| prepare(bytes, &self.chain, self.mode)).collect()
    }
}

/// A transaction of the order; `None` if no validator can execute it.
///
/// # Errors
/// If this validator cannot find out: what it leaves out, the others must leave out as well.
fn prepare(bytes: &[u8], chain: &Chain, mode: Mode) -> Result<Option<Prepared>, StartError> {
    let (exempt, message) = match mode {
        Mode::Dev => (bytes.strip_prefix(&[EXEMPT]), bytes.strip_prefix(&[MESSAGE])),
        Mode::Committee => (None, None),
    };
    if let Some(message) = message {
        return Ok(prepare_message(message, chain));
    }
    let transaction = match decode_transaction(exempt.unwrap_or(bytes)) {
        Ok(transaction) => transaction,
        Err(error) => {
            tracing::warn!(%error, "skipped a malformed transaction");
            return Ok(None);
        }
    };
    match Prepared::ordered(transaction, chain) {
        Ok(prepared) if exempt.is_some() => Ok(Some(prepared.exempt())),
        Ok(prepared) => Ok(Some(prepared)),
        Err(PrepareError::Rejected(rejection)) => {
            tracing::info!(%rejection, "skipped a transaction");
            Ok(None)
        }
        Err(PrepareError::Unfinished { class_hash, cause }) => {
            Err(StartError::NotCompiled { class_hash, cause })
        }
    }
}

fn prepare_message(bytes: &[u8], chain: &Chain) -> Option<Prepared> {
    match decode_message(bytes) {
        Ok(message) => Prepared::message(message, chain)
            .inspect_err(|rejection| tracing::info!(%rejection, "skipped a message"))
            .ok(),
        Err(error) => {
            tracing::warn!(%error, "skipped a malformed message");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kraken_execution::{
        Compilers, Sandbox,
        genesis::{accounts, dev_genesis},
        testing,
    };
    use kraken_types::testing::signer;
    use starknet_api::core::CompiledClassHash;

    use super::*;

    #[test]
    fn a_class_without_a_verdict_is_not_left_out() {
        let genesis = dev_genesis("SN_SEPOLIA", 0, 1, 0, &signer(0).public_key());
        let chain = Chain::new(&genesis).expect("valid");
        let class = testing::nested_constants(1);
        let (account, hash) = (&accounts(0, 1)[0], CompiledClassHash::default());
        let declare = encode_transaction(&testing::declare(&chain, account, 0, class, hash));
        // The compiler has a verdict: no validator takes this class.
        assert!(matches!(prepare(&declare, &chain, Mode::Committee), Ok(None)));
        assert!(matches!(prepare(b"no transaction", &chain, Mode::Committee), Ok(None)));

        let broken = Sandbox {
            program: "/bin/false".into(),
            processor_time: Duration::from_secs(10),
            wall_time: Duration::from_secs(10),
            memory_bytes: 1 << 30,
            at_once: 1,
            waiting_max: 1,
            attempts: 2,
        };
        let chain = chain.compiling_by(Compilers::children(broken.clone(), broken));
        let error = prepare(&declare, &chain, Mode::Committee).expect_err("there is no verdict");
        assert!(matches!(error, StartError::NotCompiled { .. }), "{error}");
        let line = crate::error::with_causes(&error);
        assert!(line.contains("class 0x") && line.contains("ended early"), "{line}");
    }
}
