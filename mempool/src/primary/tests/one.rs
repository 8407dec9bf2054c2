//! One primary, validator 0 of several, and hands that play all the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kraken_types::{
    BatchRef, Certificate, Claim, Committee, Ed25519, Header, HeaderDigest, Identity, Round,
    Scheme, SignedHeader, Timestamp, ValidatorId, Verified, Vote,
    testing::{certify, child, identity},
};

use super::super::{Config, Input, Message, Output, Primary, Record};

/// How many validators there are.
pub(super) const SIZE: u16 = 4;

/// A primary under test.
#[derive(Debug)]
pub(super) struct One {
    pub(super) primary: Primary,
    pub(super) now: Timestamp,
    checks: Arc<Counting>,
}

/// Ed25519 that counts what it is asked.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Scheme for Counting {
    fn verify(&self, claims: &[Claim]) -> Result<(), usize> {
        self.0.fetch_add(claims.len(), Ordering::Relaxed);
        Ed25519.verify(claims)
    }
}

impl One {
    /// At the start of a chain.
    pub(super) fn new() -> Self {
        Self::recovered(Vec::new())
    }

    /// With a log.
    pub(super) fn recovered(log: Vec<Record>) -> Self {
        let mut one = Self::unborn(SIZE);
        let _ = one.step(Input::Recovered(log));
        one
    }

    /// Before its first input, in a committee of this size.
    pub(super) fn unborn(size: u16) -> Self {
        let checks = Arc::new(Counting::default());
        let identity = identity(size, 0);
        let committee = Committee::clone(&identity.committee);
        let committee = committee.with_scheme(Arc::clone(&checks) as Arc<dyn Scheme>);
        let config = Config {
            identity: Identity { committee: Arc::new(committee), ..identity },
            header_batches: 3,
            header_delay_max: Duration::from_millis(50),
            round_delay_max: Duration::from_millis(400),
            retry_after: Duration::from_millis(100),
            drift_max: Duration::from_millis(500),
            gc_depth: 10,
            serve_depth: 5,
        };
        Self { primary: Primary::new(config), now: Timestamp::from_millis(10_000), checks }
    }

    /// Applies an input.
    pub(super) fn step(&mut self, input: Input) -> Vec<Output> {
        self.primary.step(self.now, input)
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, millis: u64) -> Vec<Output> {
        self.now = self.now + Duration::from_millis(millis);
        self.step(Input::Tick)
    }

    /// Another validator says something.
    pub(super) fn hear(&mut self, from: u16, message: Message) -> Vec<Output> {
        self.step(Input::Message { from: ValidatorId(from), message })
    }

    /// Another validator sends a certificate.
    pub(super) fn learn(&mut self, from: u16, certificate: &Verified<Certificate>) -> Vec<Output> {
        self.hear(from, Message::Certificate(Certificate::clone(certificate)))
    }

    /// Another validator asks for a vote for its header.
    pub(super) fn ask(&mut self, header: &Header) -> Vec<Output> {
        self.hear(header.author.0, Message::Header(signed(header)))
    }

    /// Certificates of a round by these validators, all learnt; they cite all of `parents`.
    pub(super) fn round(
        &mut self,
        round: u64,
        authors: &[u16],
        parents: &[HeaderDigest],
    ) -> Vec<HeaderDigest> {
        let mut digests = Vec::new();
        for author in authors {
            let certificate = certify(child(*author, round, parents), SIZE);
            let _ = self.learn(1, &certificate);
            digests.push(certificate.digest());
        }
        digests
    }

    /// Rounds 1 to `last`, made by the other three.
    pub(super) fn rounds(&mut self, last: u64) -> Vec<Vec<HeaderDigest>> {
        let mut rounds = vec![Vec::new()];
        for round in 1..=last {
            let parents = rounds.last().cloned().unwrap_or_default();
            rounds.push(self.round(round, &[1, 2, 3], &parents));
        }
        rounds
    }

    /// A quorum of votes for our header; ours is the third.
    pub(super) fn votes(&mut self, header: &Header) -> Vec<Output> {
        let mut outputs = self.hear(1, vote(header, 1));
        outputs.extend(self.hear(2, vote(header, 2)));
        outputs
    }

    /// Our worker reports a batch of ours.
    pub(super) fn seal(&mut self, batch: BatchRef) -> Vec<Output> {
        self.step(Input::Sealed(batch))
    }

    /// How many signatures were checked so far.
    pub(super) fn checks(&self) -> usize {
        self.checks.0.load(Ordering::Relaxed)
    }
}

/// Our headers among the outputs.
pub(super) fn proposed(outputs: &[Output]) -> Vec<Header> {
    let records = outputs.iter().filter_map(|output| {
        let Output::Persist(Record::Proposed(header)) = output else { return None };
        Some(header.clone())
    });
    records.collect()
}

/// What is handed to the ordering protocol.
pub(super) fn certified(outputs: &[Output]) -> Vec<HeaderDigest> {
    let certificates = outputs.iter().filter_map(|output| {
        let Output::Certified(certificate) = output else { return None };
        Some(certificate.digest())
    });
    certificates.collect()
}

/// What is sent to a validator alone.
pub(super) fn sent(outputs: &[Output], receiver: u16) -> Vec<Message> {
    let messages = outputs.iter().filter_map(|output| {
        let Output::Send { to, message } = output else { return None };
        (*to == ValidatorId(receiver)).then(|| message.clone())
    });
    messages.collect()
}

/// What is made durable.
pub(super) fn records(outputs: &[Output]) -> Vec<Record> {
    let records = outputs.iter().filter_map(|output| {
        let Output::Persist(record) = output else { return None };
        Some(record.clone())
    });
    records.collect()
}

/// The votes sent to a validator, by what they are for.
pub(super) fn votes_for(outputs: &[Output], receiver: u16) -> Vec<HeaderDigest> {
    let votes = sent(outputs, receiver).into_iter().filter_map(|message| {
        let Message::Vote(vote) = message else { return None };
        Some(vote.header)
    });
    votes.collect()
}

/// The rounds of those headers.
pub(super) fn rounds_of(headers: &[Header]) -> Vec<Round> {
    headers.iter().map(|header| header.round).collect()
}

/// A header signed by its author.
pub(super) fn signed(header: &Header) -> SignedHeader {
    header.clone().sign(&identity(SIZE, header.author.0)).into_inner()
}

/// The vote of a validator.
pub(super) fn vote(header: &Header, voter: u16) -> Message {
    Message::Vote(Vote::sign(header.digest(), &identity(SIZE, voter)).into_inner())
}
