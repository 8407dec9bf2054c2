//! Votes for every header and every block that it hears of, whatever it voted for or gave up before,
//! and without looking.
//!
//! Stopped by the weight of a quorum: among any two quorums is an honest validator that voted once.

use std::collections::BTreeSet;

use bytes::Bytes;
use kraken_consensus::hotstuff::{self, block::BlockRef, quorum};
use kraken_mempool::primary;
use kraken_types::{ValidatorId, Vote};

use super::mail::{self, Content};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct VoteForAll {
    /// The blocks that it voted for.
    voted: BTreeSet<BlockRef>,
}

impl Sin for VoteForAll {
    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        let identity = around.identity;
        if let Some(primary::Message::Header(header)) = mail::primary(lane, bytes) {
            let author = header.header().author;
            let vote = Vote::sign(header.digest(), identity).into_inner();
            let vote = Content::from(primary::Message::Vote(vote)).to(author);
            return if author == identity.id { Vec::new() } else { vec![vote] };
        }
        let message = mail::hotstuff(lane, bytes);
        let block = if let Some(hotstuff::Message::Proposal(proposal)) = message {
            proposal.block.reference(&identity.committee)
        } else if let Some(hotstuff::Message::Vote(vote)) = message {
            vote.block
        } else {
            return Vec::new();
        };
        if !self.voted.insert(block) {
            return Vec::new();
        }
        let vote = quorum::Vote::sign(block, identity).into_inner();
        Content::from(hotstuff::Message::Vote(vote)).to_all(identity)
    }
}
