//! Blocks: what a leader proposes, one per view.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Certificate, Committee, Digest, HeaderDigest, ValidatorId, View};

/// What identifies a [`Block`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct BlockId(pub Digest);

/// A block as votes and children name it. A quorum never signs one with the view of another block.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct BlockRef {
    /// The view it was proposed in.
    pub view: View,
    /// Which block of that view.
    pub id: BlockId,
}

/// One step of the chain that decides on anchors.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// Who proposes: the leader of the view.
    pub author: ValidatorId,
    /// Once per author and view, ever.
    pub view: View,
    /// The block it extends, which is certified and of an earlier view.
    pub parent: BlockRef,
    /// The anchor to decide on; checking the certificate is the check that all its history can be
    /// had. `None` in a block that only helps to decide on its parent.
    pub cut: Option<Certificate>,
}

impl BlockRef {
    /// The block of view 0, which nobody proposed and everyone knows.
    pub fn genesis(committee: &Committee) -> Self {
        Self { view: View(0), id: BlockId(committee.hasher("kraken hotstuff genesis v1").finish()) }
    }
}

impl Block {
    /// What identifies this block, and what its author signs. The anchor counts by its identity:
    /// two certificates of one header are the same anchor.
    pub fn id(&self, committee: &Committee) -> BlockId {
        let mut hasher = committee.hasher("kraken hotstuff block v1");
        hasher.update(&self.author);
        hasher.update(&self.view);
        hasher.update(&self.parent);
        hasher.update(&self.anchor());
        BlockId(hasher.finish())
    }

    /// How votes and children name this block.
    pub fn reference(&self, committee: &Committee) -> BlockRef {
        BlockRef { view: self.view, id: self.id(committee) }
    }

    /// The identity of the anchor.
    pub fn anchor(&self) -> Option<HeaderDigest> {
        self.cut.as_ref().map(Certificate::digest)
    }
}
