//! Headers certified behind the back of the honest code.

use std::collections::BTreeMap;

use kraken_mempool::primary::Message;
use kraken_types::{
    Certificate, Header, HeaderDigest, Identity, SignedHeader, ValidatorId, Verified, Verify, Vote,
};

use super::mail::{self, Content};
use crate::sin::{Lane, Letter};

/// Signs headers that the honest code did not make, and collects the votes for them.
#[derive(Debug, Default)]
pub struct Author {
    open: BTreeMap<HeaderDigest, Candidate>,
}

#[derive(Debug)]
struct Candidate {
    header: Verified<SignedHeader>,
    votes: BTreeMap<ValidatorId, Verified<Vote>>,
}

impl Author {
    /// Signs a header and votes for it.
    pub fn sign(&mut self, identity: &Identity, header: Header) -> SignedHeader {
        let header = header.sign(identity);
        let own = Vote::sign(header.digest(), identity);
        let candidate =
            Candidate { header: header.clone(), votes: BTreeMap::from([(identity.id, own)]) };
        self.open.insert(header.digest(), candidate);
        header.into_inner()
    }

    /// Counts a vote; a certificate once there are enough, and only then.
    pub fn count(&mut self, identity: &Identity, vote: Vote) -> Option<Verified<Certificate>> {
        let candidate = self.open.get_mut(&vote.header)?;
        let vote = vote.verified(&identity.committee).ok()?;
        candidate.votes.insert(vote.voter, vote);
        let certificate =
            Certificate::assemble(&candidate.header, &candidate.votes, &identity.committee)?;
        self.open.remove(&certificate.digest());
        Some(certificate)
    }

    /// Counts a vote if that is what arrived, and tells everyone once there are enough.
    pub fn hear(&mut self, identity: &Identity, lane: Lane, bytes: &[u8]) -> Vec<Letter> {
        let Some(Message::Vote(vote)) = mail::primary(lane, bytes) else {
            return Vec::new();
        };
        self.count(identity, vote).map_or_else(Vec::new, |certificate| {
            Content::from(Message::Certificate(certificate.into_inner())).to_all(identity)
        })
    }
}
