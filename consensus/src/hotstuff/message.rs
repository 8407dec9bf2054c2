//! What validators running HotStuff say to each other.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Committee, Identity, Signature, Timestamp, Verified, Verify, View};

use super::{
    block::{Block, BlockId, BlockRef},
    quorum::{Fault, Qc, Tc, Timeout, Vote, check_reached},
};

/// What validators running HotStuff say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Please vote. From the leader to all.
    Proposal(Box<Proposal>),
    /// To all, so that losing the next leader loses no vote.
    Vote(Vote),
    /// To all.
    Timeout(Box<Timeout>),
    /// How far the sender is; to one that is behind or asked, or to all when a view is given up.
    Status(Box<Status>),
    /// Send this block and its ancestors, without those of `above` and earlier views.
    Want {
        /// Which block.
        block: BlockId,
        /// The last view that the sender needs nothing of.
        above: View,
    },
    /// An answer: the block that was wanted, then its parent, and so on; at most [`BLOCKS_MAX`].
    Blocks(Vec<Block>),
    /// The sender lost its disk at this time: how far are you?
    Forgot(Timestamp),
}

/// The most blocks in one message.
pub const BLOCKS_MAX: usize = 64;

/// The most bytes of blocks in one message; one block fits, even of the largest committee.
pub const BLOCKS_BYTES_MAX: usize = 512 << 10;

/// A block, and why it may be voted for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The block.
    pub block: Block,
    /// A certificate of the parent.
    pub qc: Qc,
    /// Proof that the view before was given up, unless `qc` is of the view before.
    pub tc: Option<Tc>,
    /// The author's, over [`Proposal::signed`].
    pub signature: Signature,
}

/// How far a validator is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Status {
    /// The time in the [`Message::Forgot`] that this answers.
    pub asked_at: Option<Timestamp>,
    /// Of the highest view that the sender knows.
    pub high_qc: Qc,
    /// Of a view not below that, if there is one.
    pub high_tc: Option<Tc>,
}

impl Proposal {
    /// Proposes a block. Whether that is safe is the affair of `safety`.
    pub fn sign(block: Block, qc: Qc, tc: Option<Tc>, identity: &Identity) -> Verified<Self> {
        let signed = Self::signed(block.id(&identity.committee), &identity.committee);
        let signature = identity.signer.sign(&signed);
        Verified::made_here(Self { block, qc, tc, signature })
    }

    /// What a leader signs.
    pub fn signed(block: BlockId, committee: &Committee) -> kraken_types::Digest {
        let mut hasher = committee.hasher("kraken hotstuff proposal v1");
        hasher.update(&block);
        hasher.finish()
    }

    /// Everything but the certificates inside.
    pub(super) fn check(&self, committee: &Committee) -> Result<BlockRef, Fault> {
        let Block { author, view, parent, cut: _ } = self.block;
        if self.qc.block != parent {
            return Err(Fault::NotTheParent);
        }
        if view <= parent.view {
            return Err(Fault::BadHighQc { view, high_qc: parent.view });
        }
        check_reached(view, &self.qc, self.tc.as_ref())?;
        let block = self.block.reference(committee);
        let signed = Self::signed(block.id, committee);
        let is_signed = committee.has_signed(author, &signed, &self.signature);
        is_signed.then_some(block).ok_or(Fault::BadSignature { id: author })
    }
}

impl Verify for Proposal {
    type Error = Fault;

    fn verify(&self, committee: &Committee) -> Result<(), Fault> {
        self.check(committee)?;
        self.qc.verify(committee)?;
        self.tc.as_ref().map_or(Ok(()), |tc| tc.verify(committee))?;
        let cut = self.block.cut.as_ref();
        cut.map_or(Ok(()), |cut| cut.verify(committee).map_err(|_| Fault::BadCut))
    }
}
