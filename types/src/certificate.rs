//! Votes and certificates: a header that a quorum vouches for.

use std::{collections::BTreeMap, io, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Committee, Digest, Epoch, Header, HeaderDigest, HeaderError, Identity, Signature, SignedHeader,
    Signers, Stake, ValidatorId, Verified, Verify, header,
};

/// A validator's word that it holds a header's payload and ancestors, and voted for no other header
/// of that author and round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Who votes.
    pub voter: ValidatorId,
    /// For what.
    pub header: HeaderDigest,
    /// Over [`Vote::signed`].
    pub signature: Signature,
}

/// The signature of a vote is not the voter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vote is not validator {voter}'s")]
pub struct VoteError {
    /// Who is said to have voted.
    pub voter: ValidatorId,
}

impl Vote {
    /// Votes for a header.
    pub fn sign(header: HeaderDigest, identity: &Identity) -> Verified<Self> {
        let signature = identity.signer.sign(&Self::signed(header));
        Verified::made_here(Self { voter: identity.id, header, signature })
    }

    /// What a voter signs. The header's digest covers chain and epoch.
    pub fn signed(header: HeaderDigest) -> Digest {
        Digest::of("kraken vote v1", &header)
    }
}

impl Verify for Vote {
    type Error = VoteError;

    fn verify(&self, committee: &Committee) -> Result<(), VoteError> {
        let is_signed =
            committee.has_signed(self.voter, &Self::signed(self.header), &self.signature);
        is_signed.then_some(()).ok_or(VoteError { voter: self.voter })
    }
}

/// A header and a quorum of votes for it: proof that its payload can be had.
///
/// Its identity is that of its header; two certificates of one header are the same certificate.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificate {
    header: Arc<Header>,
    digest: HeaderDigest,
    signers: Signers,
    /// In the order of the signers.
    signatures: Arc<[Signature]>,
}

/// Why a header and signatures are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum CertificateError {
    /// There cannot be such a header.
    #[error("a certificate of an impossible header")]
    Header(#[source] HeaderError),
    /// Another committee's.
    #[error("epoch {} is not this committee's", got.0)]
    WrongEpoch { got: Epoch },
    /// A signer is not in the committee.
    #[error("validator {id} is not in the committee")]
    Stranger { id: ValidatorId },
    /// One signature for each signer.
    #[error("{signatures} signatures of {signers} signers")]
    Mismatch { signers: usize, signatures: usize },
    /// A signature that does not hold.
    #[error("the vote of validator {id} has an invalid signature")]
    BadSignature { id: ValidatorId },
    /// Too little weight.
    #[error("stake {got} is below the quorum of {quorum}")]
    NoQuorum { got: Stake, quorum: Stake },
}

impl Certificate {
    /// Puts checked votes for a checked header together; `None` while they are no quorum. Votes
    /// for something else do not count.
    pub fn assemble(
        header: &Verified<SignedHeader>,
        votes: &BTreeMap<ValidatorId, Verified<Vote>>,
        committee: &Committee,
    ) -> Option<Verified<Self>> {
        let fitting = votes.iter().filter(|(_, vote)| vote.header == header.digest());
        let (signers, signatures): (Vec<_>, Vec<_>) =
            fitting.map(|(voter, vote)| (*voter, vote.signature)).unzip();
        let signers: Signers = signers.into_iter().collect();
        if committee.stake_of(&signers) < committee.quorum() {
            return None;
        }
        Some(Verified::made_here(Self {
            header: header.shared(),
            digest: header.digest(),
            signers,
            signatures: signatures.into(),
        }))
    }

    /// What was certified.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What identifies it.
    pub fn digest(&self) -> HeaderDigest {
        self.digest
    }

    /// Who vouches for it: they hold its payload and its ancestors.
    pub fn signers(&self) -> &Signers {
        &self.signers
    }
}

impl Verify for Certificate {
    type Error = CertificateError;

    fn verify(&self, committee: &Committee) -> Result<(), CertificateError> {
        header::check(&self.header, committee).map_err(CertificateError::Header)?;
        committee.check_quorum(&self.signers, &self.signatures, Vote::signed(self.digest))
    }
}

impl Committee {
    /// Checks that a quorum signed `signed`: `signatures` are in the order of `signers`.
    ///
    /// # Errors
    /// [`CertificateError`] names the first thing that is wrong.
    pub fn check_quorum(
        &self,
        signers: &Signers,
        signatures: &[Signature],
        signed: Digest,
    ) -> Result<(), CertificateError> {
        if signers.len() != signatures.len() {
            let (signers, signatures) = (signers.len(), signatures.len());
            return Err(CertificateError::Mismatch { signers, signatures });
        }
        if let Some(id) = signers.iter().find(|id| self.get(*id).is_none()) {
            return Err(CertificateError::Stranger { id });
        }
        let got = self.stake_of(signers);
        if got < self.quorum() {
            return Err(CertificateError::NoQuorum { got, quorum: self.quorum() });
        }
        let claims = signers.iter().zip(signatures);
        self.verify_all(claims.map(|(id, signature)| (id, signed, *signature)))
            .map_err(|id| CertificateError::BadSignature { id })
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Certificate {}

impl BorshSerialize for Certificate {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.header.serialize(writer)?;
        self.signers.serialize(writer)?;
        self.signatures.as_ref().serialize(writer)
    }
}

impl BorshDeserialize for Certificate {
    /// Computes the digest, which is not sent.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let header = Header::deserialize_reader(reader)?;
        let digest = header.digest();
        let signers = Signers::deserialize_reader(reader)?;
        let signatures = Vec::<Signature>::deserialize_reader(reader)?;
        Ok(Self { header: Arc::new(header), digest, signers, signatures: signatures.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{self, CERTIFICATE_BYTES_MAX},
        testing::{committee, header, identity},
    };

    fn assemble(voters: &[u16]) -> Option<Certificate> {
        let signed = header(0, 1).sign(&identity(4, 0));
        let vote = |&id: &u16| (ValidatorId(id), Vote::sign(signed.digest(), &identity(4, id)));
        let votes = voters.iter().map(vote).collect();
        Certificate::assemble(&signed, &votes, &committee(4)).map(Verified::into_inner)
    }

    #[test]
    fn a_quorum_certifies_and_less_does_not() {
        let certificate = assemble(&[0, 1, 3]).expect("a quorum");
        assert_eq!(certificate.verify(&committee(4)), Ok(()));
        assert_eq!(assemble(&[0, 1]), None);
        let bytes = codec::encode(&certificate);
        let read: Certificate = codec::decode(&bytes, CERTIFICATE_BYTES_MAX).expect("own");
        assert_eq!(read.verify(&committee(4)), Ok(()));
        assert_eq!(codec::encode(&read), bytes);
    }

    #[test]
    fn a_vote_for_something_else_does_not_count() {
        let signed = header(0, 1).sign(&identity(4, 0));
        let other = header(0, 2).digest();
        let votes = (0..4)
            .map(|id| {
                let digest = if id == 0 { other } else { signed.digest() };
                (ValidatorId(id), Vote::sign(digest, &identity(4, id)))
            })
            .collect();
        let certificate = Certificate::assemble(&signed, &votes, &committee(4)).expect("three");
        assert!(!certificate.signers().contains(ValidatorId(0)));
    }

    #[test]
    fn each_fault_is_named() {
        let good = assemble(&[0, 1, 2]).expect("a quorum");
        let verify = |signers: &[u16], signatures: Arc<[Signature]>| {
            let signers = signers.iter().copied().map(ValidatorId).collect();
            Certificate { signers, signatures, ..good.clone() }.verify(&committee(4))
        };
        let all = || Arc::clone(&good.signatures);
        let few = CertificateError::NoQuorum { got: 2, quorum: 3 };
        assert_eq!(verify(&[0, 1], all()[..2].into()), Err(few));
        let stranger = CertificateError::Stranger { id: ValidatorId(4) };
        assert_eq!(verify(&[0, 1, 4], all()), Err(stranger));
        let mismatch = CertificateError::Mismatch { signers: 4, signatures: 3 };
        assert_eq!(verify(&[0, 1, 2, 3], all()), Err(mismatch));
        let forged = CertificateError::BadSignature { id: ValidatorId(3) };
        assert_eq!(verify(&[0, 1, 3], all()), Err(forged));

        let old = Header { epoch: crate::Epoch(9), ..good.header().clone() };
        let old = Certificate { digest: old.digest(), header: Arc::new(old), ..good.clone() };
        assert!(matches!(old.verify(&committee(4)), Err(CertificateError::Header(_))));
    }
}
