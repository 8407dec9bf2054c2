//! Certificates: a header that a quorum vouches for.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Committee, Digest, Header, HeaderDigest, Signature, Signer, Stake, ValidatorId};

/// A validator's word that it holds the payload of a header and voted for no other one of that
/// author and round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Who votes.
    pub voter: ValidatorId,
    /// For what.
    pub header: HeaderDigest,
    /// Over [`Vote::signed`].
    pub signature: Signature,
}

impl Vote {
    /// Votes for a header.
    pub fn new(voter: ValidatorId, header: HeaderDigest, signer: &Signer) -> Self {
        Self { voter, header, signature: signer.sign(&Self::signed(header)) }
    }

    /// What a voter signs. The header's digest covers chain and epoch.
    pub fn signed(header: HeaderDigest) -> Digest {
        Digest::of("kraken vote v1", &header)
    }
}

/// A header and a quorum of votes for it: proof that its payload can be had.
///
/// Its identity is that of its header; two certificates of one header are the same certificate. It
/// is made by [`Certificate::new`] only, which checks every vote. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificate {
    header: Arc<Header>,
    digest: HeaderDigest,
    votes: Arc<[Vote]>,
}

/// Why a header and votes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum CertificateError {
    /// The header belongs to another epoch.
    #[error("the header is of another epoch")]
    WrongEpoch,
    /// The author or a voter is not in the committee.
    #[error("validator {id} is not in the committee")]
    Stranger { id: ValidatorId },
    /// Votes must be in the order of the voters, each once.
    #[error("the votes are not in strictly ascending order of voters")]
    Unsorted,
    /// A vote for something else.
    #[error("validator {id} voted for another header")]
    OtherHeader { id: ValidatorId },
    /// A signature that does not hold.
    #[error("the vote of validator {id} has an invalid signature")]
    BadSignature { id: ValidatorId },
    /// Too little weight.
    #[error("stake {got} is below the quorum of {quorum}")]
    NoQuorum { got: Stake, quorum: Stake },
}

impl Certificate {
    /// Checks votes, which must be sorted by voter, and makes the certificate.
    ///
    /// # Errors
    /// [`CertificateError`] names the first thing that is wrong.
    pub fn new(
        header: Header,
        votes: Vec<Vote>,
        committee: &Committee,
    ) -> Result<Self, CertificateError> {
        if header.epoch != committee.epoch() {
            return Err(CertificateError::WrongEpoch);
        }
        if committee.get(header.author).is_none() {
            return Err(CertificateError::Stranger { id: header.author });
        }
        if !votes.is_sorted_by(|left, right| left.voter < right.voter) {
            return Err(CertificateError::Unsorted);
        }
        let digest = header.digest();
        let signed = Vote::signed(digest);
        let mut stake = 0;
        for vote in &votes {
            let id = vote.voter;
            let voter = committee.get(id).ok_or(CertificateError::Stranger { id })?;
            if vote.header != digest {
                return Err(CertificateError::OtherHeader { id });
            }
            voter
                .key
                .verify(&signed, &vote.signature)
                .map_err(|_| CertificateError::BadSignature { id })?;
            stake += voter.stake;
        }
        if stake < committee.quorum() {
            return Err(CertificateError::NoQuorum { got: stake, quorum: committee.quorum() });
        }
        Ok(Self { header: Arc::new(header), digest, votes: votes.into() })
    }

    /// What was certified.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What identifies it.
    pub fn digest(&self) -> HeaderDigest {
        self.digest
    }

    /// The proof.
    pub fn votes(&self) -> &[Vote] {
        &self.votes
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Certificate {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Round, Timestamp, Validator};

    fn signers() -> Vec<Signer> {
        (1..=4).map(|seed| Signer::from_seed([seed; 32])).collect()
    }

    fn committee() -> Committee {
        let member = |signer: &Signer| Validator { key: signer.public_key(), stake: 1 };
        Committee::new(Epoch(0), signers().iter().map(member).collect()).expect("valid")
    }

    fn header() -> Header {
        Header {
            genesis: Digest::default(),
            epoch: Epoch(0),
            author: ValidatorId(0),
            round: Round(1),
            created_at: Timestamp::ZERO,
            batches: Vec::new(),
            parents: Vec::new(),
            close_block: false,
        }
    }

    fn votes(voters: &[u16]) -> Vec<Vote> {
        let signers = signers();
        let vote = |&id: &u16| {
            Vote::new(ValidatorId(id), header().digest(), &signers[usize::from(id) % 4])
        };
        voters.iter().map(vote).collect()
    }

    #[test]
    fn a_quorum_certifies_and_less_does_not() {
        assert!(Certificate::new(header(), votes(&[0, 1, 3]), &committee()).is_ok());
        assert_eq!(
            Certificate::new(header(), votes(&[0, 1]), &committee()),
            Err(CertificateError::NoQuorum { got: 2, quorum: 3 })
        );
    }

    #[test]
    fn nobody_counts_twice() {
        for voters in [[0, 0, 1].as_slice(), &[1, 0, 2]] {
            let made = Certificate::new(header(), votes(voters), &committee());
            assert_eq!(made, Err(CertificateError::Unsorted));
        }
    }

    #[test]
    fn strangers_forgers_and_stray_votes_are_named() {
        let stranger = Certificate::new(header(), votes(&[0, 1, 4]), &committee());
        assert_eq!(stranger, Err(CertificateError::Stranger { id: ValidatorId(4) }));

        let mut forged = votes(&[0, 1, 2]);
        forged[2].signature = forged[1].signature;
        let forged = Certificate::new(header(), forged, &committee());
        assert_eq!(forged, Err(CertificateError::BadSignature { id: ValidatorId(2) }));

        let mut stray = votes(&[0, 1, 2]);
        stray[0].header = HeaderDigest(Digest::default());
        let stray = Certificate::new(header(), stray, &committee());
        assert_eq!(stray, Err(CertificateError::OtherHeader { id: ValidatorId(0) }));

        let old = Header { epoch: Epoch(9), ..header() };
        assert_eq!(
            Certificate::new(old, votes(&[0, 1, 2]), &committee()),
            Err(CertificateError::WrongEpoch)
        );
    }
}
