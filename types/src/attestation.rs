//! Attestations: what a validator made of the order, and a quorum that made the same of it.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    CertificateError, Committee, Cursor, Digest, Epoch, Identity, Signature, Signers, ValidatorId,
    Verified, Verify,
};

/// What validators say about a block once it is durable with them. Honest ones say the same, because
/// a block is a function of the order; and nobody ever says two things about one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Statement {
    /// The epoch of the committee.
    pub epoch: Epoch,
    /// The number of the block.
    pub number: u64,
    /// Starknet's hash of the block, big endian.
    pub block_hash: [u8; 32],
    /// The place in the order behind the block.
    pub executed_up_to: Cursor,
    /// Over the state of the order before [`Statement::executed_up_to`]'s commit: whoever was away
    /// for long goes on from there.
    pub checkpoint: Digest,
}

/// A validator's word for a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestation {
    /// Whose.
    pub validator: ValidatorId,
    /// For what.
    pub statement: Statement,
    /// Over [`Statement::signed`].
    pub signature: Signature,
}

/// A statement that a quorum signed: the block is accepted, and no other block can be accepted with
/// its number.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Acceptance {
    /// What they say.
    pub statement: Statement,
    /// Who.
    pub signers: Signers,
    /// In the order of the signers.
    pub signatures: Vec<Signature>,
}

/// The signature of an attestation is not the validator's, or the epoch is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attestation is not validator {validator}'s")]
pub struct AttestationError {
    /// Whose it is said to be.
    pub validator: ValidatorId,
}

impl Statement {
    /// What a validator signs; covers the chain, which the statement itself does not name.
    pub fn signed(&self, committee: &Committee) -> Digest {
        let mut hasher = committee.hasher("kraken attestation v1");
        hasher.update(self);
        hasher.finish()
    }
}

impl Attestation {
    /// Signs a statement. Sign only what is durable.
    pub fn sign(statement: Statement, identity: &Identity) -> Verified<Self> {
        let signature = identity.signer.sign(&statement.signed(&identity.committee));
        Verified::made_here(Self { validator: identity.id, statement, signature })
    }
}

impl Verify for Attestation {
    type Error = AttestationError;

    fn verify(&self, committee: &Committee) -> Result<(), AttestationError> {
        let Self { validator, statement, signature } = self;
        let is_signed = statement.epoch == committee.epoch()
            && committee.has_signed(*validator, &statement.signed(committee), signature);
        is_signed.then_some(()).ok_or(AttestationError { validator: *validator })
    }
}

impl Acceptance {
    /// The largest encoding.
    pub const BYTES_MAX: usize = 256 + Signers::BYTES_MAX + 64 * Committee::VALIDATORS_MAX;

    /// Puts signatures of one statement together; `None` while they are no quorum.
    pub fn assemble(
        statement: Statement,
        signatures: &BTreeMap<ValidatorId, Signature>,
        committee: &Committee,
    ) -> Option<Verified<Self>> {
        let signers: Signers = signatures.keys().copied().collect();
        let signatures = signatures.values().copied().collect();
        let is_quorum = committee.quorum() <= committee.stake_of(&signers);
        is_quorum.then(|| Verified::made_here(Self { statement, signers, signatures }))
    }
}

impl Verify for Acceptance {
    type Error = CertificateError;

    fn verify(&self, committee: &Committee) -> Result<(), CertificateError> {
        let signed = self.statement.signed(committee);
        if self.statement.epoch != committee.epoch() {
            return Err(CertificateError::WrongEpoch { got: self.statement.epoch });
        }
        committee.check_quorum(&self.signers, &self.signatures, signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{committee, identity};

    fn statement() -> Statement {
        Statement {
            epoch: Epoch(0),
            number: 7,
            block_hash: [9; 32],
            executed_up_to: Cursor::default(),
            checkpoint: Digest::default(),
        }
    }

    fn accept(ids: &[u16]) -> Option<Verified<Acceptance>> {
        let attest = |&id: &u16| {
            let attestation = Attestation::sign(statement(), &identity(4, id)).into_inner();
            (attestation.validator, attestation.signature)
        };
        Acceptance::assemble(statement(), &ids.iter().map(attest).collect(), &committee(4))
    }

    #[test]
    fn a_quorum_accepts_and_less_does_not() {
        assert_eq!(accept(&[0, 1]), None);
        let accepted = accept(&[0, 1, 3]).expect("a quorum").into_inner();
        assert_eq!(accepted.verify(&committee(4)), Ok(()));
        assert!(crate::codec::encode(&accepted).len() < Acceptance::BYTES_MAX);
    }

    #[test]
    fn an_attestation_holds_for_its_validator_statement_and_epoch_only() {
        let good = Attestation::sign(statement(), &identity(4, 2)).into_inner();
        assert_eq!(good.verify(&committee(4)), Ok(()));
        let error = Err(AttestationError { validator: ValidatorId(2) });
        let other = Statement { number: 8, ..statement() };
        let wrong = Attestation { validator: ValidatorId(1), ..good };
        assert!(wrong.verify(&committee(4)).is_err());
        let other = Attestation { statement: other, ..good };
        assert_eq!(other.verify(&committee(4)), error);
        let next = Statement { epoch: Epoch(1), ..statement() };
        let next = Attestation::sign(next, &identity(4, 2)).into_inner();
        assert_eq!(next.verify(&committee(4)), error);
    }

    #[test]
    fn what_was_tampered_with_accepts_nothing() {
        let good = accept(&[0, 1, 2]).expect("a quorum").into_inner();
        let other = Statement { block_hash: [1; 32], ..statement() };
        assert!(Acceptance { statement: other, ..good.clone() }.verify(&committee(4)).is_err());
        let fewer = [ValidatorId(0), ValidatorId(1)].into_iter().collect();
        let fewer =
            Acceptance { signers: fewer, signatures: good.signatures[..2].to_vec(), ..good };
        let error = CertificateError::NoQuorum { got: 2, quorum: 3 };
        assert_eq!(fewer.verify(&committee(4)), Err(error));
    }
}
