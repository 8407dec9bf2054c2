//! Getting blocks that are certified but not here, and serving those of others.

use std::collections::BTreeMap;

use kraken_types::{Identity, Timestamp, ValidatorId, View, codec};

use super::{
    block::{Block, BlockId, BlockRef},
    message::{BLOCKS_BYTES_MAX, BLOCKS_MAX},
    tree::Tree,
};

/// The one block that is missed: the highest ancestor of the highest certified block that is not
/// here. Its answer brings ancestors along, or tells which one is missed next.
#[derive(Debug)]
pub(super) struct Fetch {
    identity: Identity,
    missed: Option<BlockRef>,
    /// Whom to ask next.
    next: ValidatorId,
    /// How often each validator was answered in the second of that time. One entry per validator.
    served: BTreeMap<ValidatorId, (u64, u32)>,
}

impl Fetch {
    /// The most answers to one validator in one second.
    const ANSWERS_MAX: u32 = 64;

    /// Starts without anything missed.
    pub(super) fn new(identity: Identity) -> Self {
        let next = identity.id;
        Self { identity, missed: None, next, served: BTreeMap::new() }
    }

    /// The block that is missed.
    pub(super) fn missed(&self) -> Option<BlockRef> {
        self.missed
    }

    /// Takes note of what is missed now, and who may have it; `true` if that is new.
    pub(super) fn miss(&mut self, missed: Option<BlockRef>, holder: Option<ValidatorId>) -> bool {
        let is_new = missed.is_some() && missed != self.missed;
        self.missed = missed;
        if is_new {
            self.next = holder.unwrap_or(self.next);
        }
        is_new
    }

    /// Whom to ask for the missed block, another one each time.
    pub(super) fn ask(&mut self) -> Option<(ValidatorId, BlockId)> {
        let missed = self.missed?;
        let asked = self.peer_from(self.next)?;
        self.next = ValidatorId(asked.0.saturating_add(1));
        Some((asked, missed.id))
    }

    /// The answer to a validator that wants a block and its ancestors; `None` if we have nothing
    /// for it, or it asks too often.
    pub(super) fn serve(
        &mut self,
        peer: ValidatorId,
        block: BlockId,
        above: View,
        tree: &Tree,
        now: Timestamp,
    ) -> Option<Vec<Block>> {
        let (second, count) = self.served.entry(peer).or_default();
        if *second != now.seconds() {
            (*second, *count) = (now.seconds(), 0);
        }
        *count += 1;
        if Self::ANSWERS_MAX < *count {
            return None;
        }
        let mut bytes = 0;
        let mut fits = |block: &Block| {
            bytes += codec::encode(block).len();
            bytes <= BLOCKS_BYTES_MAX
        };
        let blocks = tree.descent(block, above).take(BLOCKS_MAX).map(|block| Block::clone(block));
        let blocks: Vec<_> = blocks.take_while(|block| fits(block)).collect();
        (!blocks.is_empty()).then_some(blocks)
    }

    /// This validator, or the next one in the circle if it is us or nobody.
    fn peer_from(&self, id: ValidatorId) -> Option<ValidatorId> {
        let later = self.identity.peers().find(|peer| id <= *peer);
        later.or_else(|| self.identity.peers().next())
    }
}
