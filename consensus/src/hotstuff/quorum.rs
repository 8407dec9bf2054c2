//! Votes and time-outs, and the certificates that quorums of them make.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    Committee, Digest, Identity, Signature, Signers, Stake, ValidatorId, Verified, Verify, View,
};

use super::block::BlockRef;

/// A validator's word that it votes for this block and for no other of that view.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Who votes.
    pub voter: ValidatorId,
    /// For what.
    pub block: BlockRef,
    /// Over [`Vote::signed`].
    pub signature: Signature,
}

/// A quorum of votes for one block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Qc {
    /// The block; that of the genesis needs no votes.
    pub block: BlockRef,
    /// Who voted.
    pub signers: Signers,
    /// One signature for each of them, in that order.
    pub signatures: Vec<Signature>,
}

/// A validator's word that it gave up on a view, and will not vote in it any more.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Timeout {
    /// Who gives up.
    pub sender: ValidatorId,
    /// On which view.
    pub view: View,
    /// Of the highest view that the sender knows.
    pub high_qc: Qc,
    /// Proof that the view before was given up, unless `high_qc` is of the view before. So a
    /// time-out proves by itself that its view was reached.
    pub tc: Option<Tc>,
    /// Over [`Timeout::signed`].
    pub signature: Signature,
}

/// A quorum that gave up on a view.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tc {
    /// Which view.
    pub view: View,
    /// The highest of those that came with the time-outs.
    pub high_qc: Qc,
    /// Who gave up.
    pub signers: Signers,
    /// For each of them, in that order, the view of its highest certificate, and its signature.
    pub timeouts: Vec<(View, Signature)>,
}

/// Why a message of HotStuff is not what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Fault {
    /// The genesis has one certificate, which is empty.
    #[error("a certificate of view 0 that is not that of the genesis")]
    BadGenesis,
    /// Signatures and signers are not of one number.
    #[error("{signers} signers but {signatures} signatures")]
    Mismatch { signers: usize, signatures: usize },
    /// Somebody is not in the committee.
    #[error("validator {id} is not in the committee")]
    Stranger { id: ValidatorId },
    /// Too little weight.
    #[error("stake {got} is below the quorum of {quorum}")]
    NoQuorum { got: Stake, quorum: Stake },
    /// A signature that does not hold.
    #[error("the signature of validator {id} is invalid")]
    BadSignature { id: ValidatorId },
    /// The certificate inside a time-out is of its own view or later, or not the highest.
    #[error("the highest certificate of view {} is of view {}", view.0, high_qc.0)]
    BadHighQc { view: View, high_qc: View },
    /// Nothing proves that the view was reached.
    #[error("nothing proves that view {} was reached", view.0)]
    Unjustified { view: View },
    /// The block extends another block than the one certified.
    #[error("the certificate is not one of the parent")]
    NotTheParent,
    /// The anchor is no valid certificate of the DAG.
    #[error("the anchor is no valid certificate")]
    BadCut,
}

impl Vote {
    /// Votes for a block. Whether that is safe is the affair of `safety`.
    pub fn sign(block: BlockRef, identity: &Identity) -> Verified<Self> {
        let signature = identity.signer.sign(&Self::signed(block, &identity.committee));
        Verified::made_here(Self { voter: identity.id, block, signature })
    }

    /// What a voter signs.
    pub fn signed(block: BlockRef, committee: &Committee) -> Digest {
        let mut hasher = committee.hasher("kraken hotstuff vote v1");
        hasher.update(&block);
        hasher.finish()
    }
}

impl Verify for Vote {
    type Error = Fault;

    fn verify(&self, committee: &Committee) -> Result<(), Fault> {
        let signed = Self::signed(self.block, committee);
        has_signed(committee, self.voter, &signed, &self.signature)
    }
}

impl Qc {
    /// That of the genesis.
    pub fn genesis(committee: &Committee) -> Verified<Self> {
        Verified::made_here(Self {
            block: BlockRef::genesis(committee),
            signers: Signers::default(),
            signatures: Vec::new(),
        })
    }

    /// The view of the block.
    pub fn view(&self) -> View {
        self.block.view
    }
}

impl Verify for Qc {
    type Error = Fault;

    fn verify(&self, committee: &Committee) -> Result<(), Fault> {
        if self.view() == View(0) {
            let is_genesis = *self == *Self::genesis(committee);
            return is_genesis.then_some(()).ok_or(Fault::BadGenesis);
        }
        check_signers(&self.signers, self.signatures.len(), committee)?;
        let signed = Vote::signed(self.block, committee);
        let claims = self.signers.iter().zip(&self.signatures);
        committee
            .verify_all(claims.map(|(id, signature)| (id, signed, *signature)))
            .map_err(|id| Fault::BadSignature { id })
    }
}

impl Timeout {
    /// Gives up on a view. Whether that is safe is the affair of `safety`.
    pub fn sign(view: View, high_qc: Qc, tc: Option<Tc>, identity: &Identity) -> Verified<Self> {
        let signed = Self::signed(view, high_qc.view(), &identity.committee);
        let signature = identity.signer.sign(&signed);
        Verified::made_here(Self { sender: identity.id, view, high_qc, tc, signature })
    }

    /// What a validator signs that gives up.
    pub fn signed(view: View, high_qc: View, committee: &Committee) -> Digest {
        let mut hasher = committee.hasher("kraken hotstuff timeout v1");
        hasher.update(&view);
        hasher.update(&high_qc);
        hasher.finish()
    }

    /// Everything but the certificates inside.
    pub(super) fn check(&self, committee: &Committee) -> Result<(), Fault> {
        let (view, high_qc) = (self.view, self.high_qc.view());
        if view <= high_qc {
            return Err(Fault::BadHighQc { view, high_qc });
        }
        check_reached(view, &self.high_qc, self.tc.as_ref())?;
        let signed = Self::signed(view, high_qc, committee);
        has_signed(committee, self.sender, &signed, &self.signature)
    }
}

impl Verify for Timeout {
    type Error = Fault;

    fn verify(&self, committee: &Committee) -> Result<(), Fault> {
        self.check(committee)?;
        self.high_qc.verify(committee)?;
        self.tc.as_ref().map_or(Ok(()), |tc| tc.verify(committee))
    }
}

impl Verify for Tc {
    type Error = Fault;

    fn verify(&self, committee: &Committee) -> Result<(), Fault> {
        check_signers(&self.signers, self.timeouts.len(), committee)?;
        let highest = self.timeouts.iter().map(|(high_qc, _)| *high_qc).max();
        let (view, high_qc) = (self.view, self.high_qc.view());
        if highest != Some(high_qc) || view <= high_qc {
            return Err(Fault::BadHighQc { view, high_qc });
        }
        let claims = self.signers.iter().zip(&self.timeouts).map(|(id, (high_qc, signature))| {
            (id, Timeout::signed(view, *high_qc, committee), *signature)
        });
        committee.verify_all(claims).map_err(|id| Fault::BadSignature { id })?;
        self.high_qc.verify(committee)
    }
}

/// That a view was reached: the one before it has a certificate, of either kind.
pub(super) fn check_reached(view: View, qc: &Qc, tc: Option<&Tc>) -> Result<(), Fault> {
    let is_reached = qc.view().next() == view || tc.is_some_and(|tc| tc.view.next() == view);
    is_reached.then_some(()).ok_or(Fault::Unjustified { view })
}

fn has_signed(
    committee: &Committee,
    id: ValidatorId,
    signed: &Digest,
    signature: &Signature,
) -> Result<(), Fault> {
    committee.has_signed(id, signed, signature).then_some(()).ok_or(Fault::BadSignature { id })
}

/// That the signers are a quorum of the committee, with one signature each.
fn check_signers(signers: &Signers, signatures: usize, committee: &Committee) -> Result<(), Fault> {
    if signers.len() != signatures {
        return Err(Fault::Mismatch { signers: signers.len(), signatures });
    }
    if let Some(id) = signers.iter().find(|id| committee.get(*id).is_none()) {
        return Err(Fault::Stranger { id });
    }
    let (got, quorum) = (committee.stake_of(signers), committee.quorum());
    if got < quorum { Err(Fault::NoQuorum { got, quorum }) } else { Ok(()) }
}
