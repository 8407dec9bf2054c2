//! The control plane: batches to headers to certificates.

pub mod certifier;
pub mod proposer;

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    BatchRef, Certificate, Committee, Digest, Header, Signer, Timestamp, ValidatorId, Vote,
};

use self::{certifier::Certifier, proposer::Proposer};

/// One validator's part in the DAG: it proposes headers and gathers the votes for them.
///
/// A header is durable before a vote for it is asked or given, and there is one per round, ever; so
/// a restart never contradicts itself (Narwhal, rules P1 and P4 of `docs/protocol.md`).
#[derive(Debug)]
pub struct Primary {
    config: Config,
    proposer: Proposer,
    certifier: Option<Certifier>,
}

/// Who this primary is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain that headers belong to.
    pub genesis: Digest,
    /// Who votes.
    pub committee: Arc<Committee>,
    /// This validator.
    pub id: ValidatorId,
    /// Its key.
    pub signer: Signer,
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the records made durable before, oldest first.
    Recovered(Vec<Record>),
    /// Our worker made a batch durable.
    Batch(BatchRef),
    /// The order must go on although there may be nothing to order: a block waits for its end.
    Propose {
        /// The open block is to end behind this header.
        close_block: bool,
    },
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this durable before carrying out anything that follows it.
    Persist(Record),
    /// Hand this to the ordering protocol.
    Certified(Certificate),
}

/// What must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Our header of its round; there must never be another.
    Proposed(Header),
}

impl Primary {
    /// Starts at the genesis; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        Self { config, proposer: Proposer::default(), certifier: None }
    }

    /// Applies one input and returns what to do next, in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        match input {
            Input::Recovered(records) => self.recover(records),
            Input::Batch(batch) => {
                self.proposer.add(batch);
                self.propose(now, false)
            }
            Input::Propose { close_block } => self.propose(now, close_block),
        }
    }

    /// Goes on behind the newest own header. Its certificate is made again, because it may be
    /// missing from the order; ordering takes each certificate once.
    fn recover(&mut self, records: Vec<Record>) -> Vec<Output> {
        let Some(Record::Proposed(header)) = records.into_iter().next_back() else {
            return Vec::new();
        };
        self.proposer.resume(&header);
        self.gather_votes(header)
    }

    fn propose(&mut self, now: Timestamp, close_block: bool) -> Vec<Output> {
        let header = self.proposer.propose(&self.config, now, close_block);
        let mut outputs = vec![Output::Persist(Record::Proposed(header.clone()))];
        outputs.extend(self.gather_votes(header));
        outputs
    }

    fn gather_votes(&mut self, header: Header) -> Vec<Output> {
        let own = Vote::new(self.config.id, header.digest(), &self.config.signer);
        let certifier =
            self.certifier.insert(Certifier::new(header, Arc::clone(&self.config.committee)));
        certifier.add(own).map(Output::Certified).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_types::{BatchDigest, Epoch, Round, Validator, WorkerId};

    fn primary() -> Primary {
        let signer = Signer::from_seed([1; 32]);
        let member = Validator { key: signer.public_key(), stake: 1 };
        let committee = Committee::new(Epoch(0), vec![member]).expect("valid");
        Primary::new(Config {
            genesis: Digest::from_bytes([9; 32]),
            committee: Arc::new(committee),
            id: ValidatorId(0),
            signer,
        })
    }

    fn batch(byte: u8) -> BatchRef {
        BatchRef { digest: BatchDigest(Digest::from_bytes([byte; 32])), worker: WorkerId(0) }
    }

    fn certified(outputs: &[Output]) -> &Certificate {
        match outputs {
            [Output::Persist(_), Output::Certified(certificate)]
            | [Output::Certified(certificate)] => certificate,
            other => panic!("expected a certificate: {other:?}"),
        }
    }

    #[test]
    fn a_header_is_durable_before_it_is_certified() {
        let outputs = primary().step(Timestamp::from_millis(7), Input::Batch(batch(1)));
        let [Output::Persist(Record::Proposed(header)), Output::Certified(certificate)] =
            outputs.as_slice()
        else {
            panic!("{outputs:?}");
        };
        assert_eq!(certificate.header(), header);
        assert_eq!(header.batches, [batch(1)]);
        assert_eq!((header.round, header.created_at), (Round(1), Timestamp::from_millis(7)));
    }

    #[test]
    fn each_header_names_the_one_before() {
        let mut primary = primary();
        let first = primary.step(Timestamp::ZERO, Input::Batch(batch(1)));
        let second = primary.step(Timestamp::ZERO, Input::Propose { close_block: true });
        let header = certified(&second).header();
        assert_eq!(header.parents, [certified(&first).digest()]);
        assert_eq!(header.round, Round(2));
        assert!(header.close_block && header.batches.is_empty());
    }

    #[test]
    fn a_restart_never_uses_a_round_twice() {
        let mut before = primary();
        let mut records = Vec::new();
        for byte in 1..4 {
            for output in before.step(Timestamp::ZERO, Input::Batch(batch(byte))) {
                match output {
                    Output::Persist(record) => records.push(record),
                    Output::Certified(_) => {}
                }
            }
        }

        let mut after = primary();
        let repeated = after.step(Timestamp::ZERO, Input::Recovered(records));
        assert_eq!(certified(&repeated).header().round, Round(3));
        let next = after.step(Timestamp::ZERO, Input::Batch(batch(9)));
        assert_eq!(certified(&next).header().round, Round(4));
        assert_eq!(certified(&next).header().parents, [certified(&repeated).digest()]);
    }

    #[test]
    fn time_in_headers_never_goes_back() {
        let mut primary = primary();
        let _ = primary.step(Timestamp::from_millis(50), Input::Batch(batch(1)));
        let second = primary.step(Timestamp::from_millis(20), Input::Batch(batch(2)));
        assert_eq!(certified(&second).header().created_at, Timestamp::from_millis(50));
    }
}
