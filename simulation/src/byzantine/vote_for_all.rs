//! Votes for every header that it sees, whatever it voted for before, and without looking.
//!
//! Stopped by the weight of a quorum: among any two quorums is an honest validator that voted once.

use bytes::Bytes;
use kraken_mempool::primary::Message;
use kraken_types::{ValidatorId, Vote};

use super::mail::{self, Content};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct VoteForAll;

impl Sin for VoteForAll {
    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        let Some(Message::Header(header)) = mail::primary(lane, bytes) else {
            return Vec::new();
        };
        let author = header.header().author;
        if author == around.identity.id {
            return Vec::new();
        }
        let vote = Vote::sign(header.digest(), around.identity).into_inner();
        vec![Content::from(Message::Vote(vote)).to(author)]
    }
}
