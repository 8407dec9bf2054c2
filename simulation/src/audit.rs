//! What happened, as a digest that tells two runs apart, and as lines for a reader.

use std::fmt::Write as _;

use kraken_consensus as consensus;
use kraken_mempool::{primary, worker};
use kraken_ordering::Message;
use kraken_types::{Batch, Commit, Digest, Timestamp, ValidatorId};

use crate::{NodeId, agenda::Inside, sin::Lane};

/// Takes down what happens.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Signatures are left out: two schemes give one digest.
    hasher: blake3::Hasher,
    trace: Option<Vec<String>>,
}

impl Audit {
    /// From now on, lines too.
    pub(crate) fn trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The digest and the lines.
    pub(crate) fn finish(self) -> (Digest, Vec<String>) {
        let digest = Digest::from_bytes(*self.hasher.finalize().as_bytes());
        (digest, self.trace.unwrap_or_default())
    }

    /// A line that is not in the digest.
    pub(crate) fn note(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9} {}", now.millis(), line()));
        }
    }

    pub(crate) fn arrival(
        &mut self,
        now: Timestamp,
        to: NodeId,
        from: ValidatorId,
        lane: Lane,
        bytes: &[u8],
    ) {
        self.take(now, to, &[0, lane as u64, u64::from(from.0), bytes.len() as u64]);
    }

    pub(crate) fn inside(&mut self, now: Timestamp, node: NodeId, what: &Inside) {
        let words = match what {
            Inside::Wake { lane, asked } => [1, *lane as u64, *asked],
            Inside::Timer { timer, asked } => [2, u64::from(timer.0), *asked],
            Inside::Synced(lane) => [3, *lane as u64, 0],
            Inside::Executed => [4, 0, 0],
            Inside::Propose => [5, 0, 0],
        };
        self.take(now, node, &words);
    }

    pub(crate) fn start(
        &mut self,
        now: Timestamp,
        node: NodeId,
        (entries, batches): (usize, usize),
        has_forgotten: bool,
    ) {
        self.take(now, node, &[6, entries as u64, batches as u64]);
        self.note(now, || {
            let lost = if has_forgotten { ", its disk lost" } else { "" };
            format!("{node} starts with {entries} votes and {batches} batches{lost}")
        });
    }

    pub(crate) fn commit(&mut self, now: Timestamp, node: NodeId, commit: &Commit) {
        self.take(now, node, &[7, commit.index.0]);
        self.hasher.update(commit.chain.0.as_bytes());
        self.note(now, || {
            let (index, round, batches) = (commit.index.0, commit.round.0, commit.batches.len());
            format!("{node} commits {index}: anchor of round {round}, {batches} batches")
        });
    }

    pub(crate) fn say(
        &mut self,
        now: Timestamp,
        node: NodeId,
        to: &[ValidatorId],
        message: &Message,
    ) {
        self.note(now, || {
            let to: Vec<_> = to.iter().map(|id| id.0).collect();
            format!("{node} → {to:?} {}", summary(message))
        });
    }

    pub(crate) fn say_by_worker(
        &mut self,
        now: Timestamp,
        node: NodeId,
        to: ValidatorId,
        message: &worker::Message,
    ) {
        self.note(now, || match message {
            worker::Message::Batch(bytes) => {
                format!("{node} → [{to}] batch {:?}", Batch::digest_of(bytes).0)
            }
            worker::Message::Stored(digest) => format!("{node} → [{to}] stored {:?}", digest.0),
            worker::Message::Want(digests) => {
                format!("{node} → [{to}] wants {} batches", digests.len())
            }
        });
    }

    fn take(&mut self, now: Timestamp, node: NodeId, words: &[u64]) {
        self.hasher.update(&now.millis().to_le_bytes());
        self.hasher.update(&(node.0 as u64).to_le_bytes());
        for word in words {
            self.hasher.update(&word.to_le_bytes());
        }
    }
}

/// A message in a line.
fn summary(message: &Message) -> String {
    match message {
        Message::Primary(message) => match message {
            primary::Message::Header(signed) => {
                let header = signed.header();
                let (author, round) = (header.author, header.round.0);
                let batches = header.batches.len();
                format!("header {author}@{round} {:?}, {batches} batches", signed.digest().0)
            }
            primary::Message::Vote(vote) => format!("vote for {:?}", vote.header.0),
            primary::Message::Certificate(certificate) => {
                let header = certificate.header();
                format!("certificate {}@{}", header.author, header.round.0)
            }
            primary::Message::Want(digests) => format!("want {} certificates", digests.len()),
            primary::Message::Behind(rounds) => {
                let rounds: Vec<_> = rounds.iter().map(|round| round.0).collect();
                format!("behind {rounds:?}")
            }
            primary::Message::Certificates(certificates) => {
                let mut line = "certificates".to_owned();
                for certificate in certificates.iter().take(8) {
                    let header = certificate.header();
                    // Writing to a string cannot fail.
                    let _ = write!(line, " {}@{}", header.author, header.round.0);
                }
                format!("{line}, {} in all", certificates.len())
            }
            primary::Message::Forgot => "forgot".to_owned(),
            primary::Message::Reached(highest) => {
                let round = highest.as_ref().map(|certificate| certificate.header().round.0);
                format!("reached {round:?}")
            }
        },
        Message::Protocol(consensus::Message::Fcfs(message)) => shortened(format!("{message:?}")),
        Message::Protocol(consensus::Message::HotStuff(message)) => {
            shortened(format!("{message:?}"))
        }
    }
}

fn shortened(mut line: String) -> String {
    const MAX: usize = 200;
    if let Some((end, _)) = line.char_indices().nth(MAX) {
        line.truncate(end);
    }
    line
}
