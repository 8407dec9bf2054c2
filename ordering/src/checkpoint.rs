//! What lets a validator that was away for long go on behind a commit.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_consensus::{self as consensus, hotstuff, leader, linearizer};
use kraken_mempool::primary;
use kraken_types::{
    Commit, CommitIndex, Digest,
    codec::{self, DecodeError},
};

use crate::Entry;

/// What a commit leaves: what is ordered up to it, and who leads. The same on all honest validators,
/// so that a quorum can vouch for its [digest](Checkpoint::digest); with it in its log a validator
/// goes on as if it had ordered everything before itself.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// The commit.
    commit: Commit,
    /// What is ordered with it and before.
    order: linearizer::State,
    /// Who leads.
    schedule: leader::State,
    /// Of HotStuff: up to where blocks are ordered.
    mark: Option<hotstuff::order::Mark>,
}

impl Checkpoint {
    /// The largest encoding that is looked at.
    pub const BYTES_MAX: usize = 4 << 20;

    /// Decodes a checkpoint of others, which proves nothing before its digest is compared.
    ///
    /// # Errors
    /// If there are too many bytes, or they are no checkpoint.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }

    /// Takes note of the next entry of a log: a commit begins a checkpoint, and what HotStuff says
    /// about it directly behind belongs to it.
    pub fn note(latest: &mut Option<Self>, entry: &Entry) {
        match entry {
            Entry::Protocol(consensus::Record::Committed { commit, order, schedule }) => {
                let (commit, order, schedule) = (commit.clone(), order.clone(), schedule.clone());
                *latest = Some(Self { commit, order, schedule, mark: None });
            }
            Entry::Protocol(consensus::Record::HotStuff(hotstuff::Record::Settled(mark))) => {
                if let Some(latest) = latest {
                    latest.mark = Some(mark.clone());
                }
            }
            Entry::Protocol(consensus::Record::HotStuff(
                hotstuff::Record::Safety(_) | hotstuff::Record::Block(_),
            ))
            | Entry::Primary(_) => {}
        }
    }

    /// What a quorum vouches for.
    pub fn digest(&self) -> Digest {
        Digest::of("kraken checkpoint v1", self)
    }

    /// The index of the commit behind it.
    pub fn next(&self) -> CommitIndex {
        self.commit.index.next()
    }

    /// What to put into the log: the horizon first, for the primary.
    pub fn entries(self, gc_depth: u64) -> Vec<Entry> {
        let Self { commit, order, schedule, mark } = self;
        let horizon = order.window.anchor.back(gc_depth);
        let pruned = primary::Record::Pruned { horizon, forgotten: horizon.back(1) };
        let committed = consensus::Record::Committed { commit, order, schedule };
        let mark = mark.map(|mark| consensus::Record::HotStuff(hotstuff::Record::Settled(mark)));
        let of_protocol = [Some(committed), mark].into_iter().flatten().map(Entry::Protocol);
        std::iter::once(Entry::Primary(pruned)).chain(of_protocol).collect()
    }
}
