//! Gathers votes for our own header until they make a certificate.

use std::{collections::BTreeMap, sync::Arc};

use kraken_types::{Certificate, Committee, Header, Stake, ValidatorId, Vote};

/// The votes for one header.
#[derive(Debug)]
pub struct Certifier {
    header: Header,
    committee: Arc<Committee>,
    votes: BTreeMap<ValidatorId, Vote>,
    done: bool,
}

impl Certifier {
    /// Starts without a vote.
    pub fn new(header: Header, committee: Arc<Committee>) -> Self {
        Self { header, committee, votes: BTreeMap::new(), done: false }
    }

    /// Counts a vote; the vote that completes the quorum yields the certificate, once.
    ///
    /// A vote for another header, by a stranger or with a bad signature is dropped: it proves
    /// nothing, and nobody waits for it.
    pub fn add(&mut self, vote: Vote) -> Option<Certificate> {
        let voter = self.committee.get(vote.voter)?;
        let digest = self.header.digest();
        if self.done
            || vote.header != digest
            || voter.key.verify(&Vote::signed(digest), &vote.signature).is_err()
        {
            return None;
        }
        self.votes.insert(vote.voter, vote);
        if self.stake() < self.committee.quorum() {
            return None;
        }
        self.done = true;
        let votes = self.votes.values().cloned().collect();
        Some(
            Certificate::new(self.header.clone(), votes, &self.committee)
                .expect("every vote was checked and they make a quorum"),
        )
    }

    fn stake(&self) -> Stake {
        self.votes.keys().filter_map(|id| self.committee.get(*id)).map(|voter| voter.stake).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_types::{Digest, Epoch, HeaderDigest, Round, Signer, Timestamp, Validator};

    fn signers() -> Vec<Signer> {
        (1..=4).map(|seed| Signer::from_seed([seed; 32])).collect()
    }

    fn certifier() -> Certifier {
        let member = |signer: &Signer| Validator { key: signer.public_key(), stake: 1 };
        let members = signers().iter().map(member).collect();
        let committee = Arc::new(Committee::new(Epoch(0), members).expect("valid"));
        let header = Header {
            genesis: Digest::default(),
            epoch: Epoch(0),
            author: ValidatorId(0),
            round: Round(1),
            created_at: Timestamp::ZERO,
            batches: Vec::new(),
            parents: Vec::new(),
            close_block: false,
        };
        Certifier::new(header, committee)
    }

    fn vote(certifier: &Certifier, id: u16) -> Vote {
        Vote::new(ValidatorId(id), certifier.header.digest(), &signers()[usize::from(id) % 4])
    }

    #[test]
    fn the_vote_that_completes_the_quorum_yields_the_certificate_once() {
        let mut certifier = certifier();
        assert_eq!(certifier.add(vote(&certifier, 2)), None);
        assert_eq!(certifier.add(vote(&certifier, 0)), None);
        assert_eq!(certifier.add(vote(&certifier, 0)), None, "a second vote adds no weight");
        let certificate = certifier.add(vote(&certifier, 1)).expect("a quorum");
        assert_eq!(certificate.votes().len(), 3);
        assert_eq!(certifier.add(vote(&certifier, 3)), None, "once");
    }

    #[test]
    fn votes_that_prove_nothing_do_not_count() {
        let mut certifier = certifier();
        let stranger = vote(&certifier, 4);
        let mut forged = vote(&certifier, 1);
        forged.signature = vote(&certifier, 2).signature;
        let elsewhere = Vote::new(ValidatorId(1), HeaderDigest(Digest::default()), &signers()[1]);
        for bad in [stranger, forged, elsewhere] {
            assert_eq!(certifier.add(bad), None);
        }
        assert_eq!(certifier.add(vote(&certifier, 0)), None);
        assert_eq!(certifier.add(vote(&certifier, 1)), None);
        assert!(certifier.add(vote(&certifier, 2)).is_some());
    }
}
