//! The batches of others that are durable with us.

use std::collections::BTreeMap;

use kraken_types::{BatchDigest, BatchRef, Committee, Round, ValidatorId, codec};

/// So many batches of one validator are remembered.
pub(super) const STORED_MAX: usize = 16 * codec::HEADER_BATCHES_MAX;

/// Which batches of others are durable in our workers, or ordered and so of no concern any more.
///
/// Bound: `STORED_MAX` for each validator. When there are more, what was reported first is
/// forgotten; a header that names it makes us ask our workers, who answer at once.
#[derive(Debug)]
pub(super) struct Stored {
    peers: Vec<Peer>,
    /// What was ordered by a commit of that round.
    ordered: BTreeMap<Round, Vec<(ValidatorId, BatchDigest)>>,
}

#[derive(Debug, Default)]
struct Peer {
    /// Each with the place of its report.
    batches: BTreeMap<BatchDigest, (BatchRef, u64)>,
    reports: BTreeMap<u64, BatchDigest>,
    next: u64,
}

impl Stored {
    /// Starts with nothing.
    pub(super) fn new(committee: &Committee) -> Self {
        let peers = committee.ids().map(|_| Peer::default()).collect();
        Self { peers, ordered: BTreeMap::new() }
    }

    /// How many batches are remembered.
    pub(super) fn len(&self) -> usize {
        self.peers.iter().map(|peer| peer.batches.len()).sum()
    }

    /// The batch of a validator with this digest.
    pub(super) fn get(&self, author: ValidatorId, digest: BatchDigest) -> Option<BatchRef> {
        let (batch, _) = self.peers.get(usize::from(author.0))?.batches.get(&digest)?;
        Some(*batch)
    }

    /// A batch is durable.
    pub(super) fn insert(&mut self, author: ValidatorId, batch: BatchRef) {
        let Some(peer) = self.peers.get_mut(usize::from(author.0)) else { return };
        if peer.batches.contains_key(&batch.digest) {
            return;
        }
        if peer.batches.len() == STORED_MAX
            && let Some((_, oldest)) = peer.reports.pop_first()
        {
            peer.batches.remove(&oldest);
        }
        peer.batches.insert(batch.digest, (batch, peer.next));
        peer.reports.insert(peer.next, batch.digest);
        peer.next += 1;
    }

    /// A batch was ordered by a commit of this round: it is forgotten once that lies below the
    /// horizon.
    pub(super) fn ordered(&mut self, round: Round, author: ValidatorId, batch: BatchRef) {
        self.insert(author, batch);
        self.ordered.entry(round).or_default().push((author, batch.digest));
    }

    /// The horizon moved.
    pub(super) fn prune(&mut self, horizon: Round) {
        let kept = self.ordered.split_off(&horizon.ahead(1));
        for (author, digest) in std::mem::replace(&mut self.ordered, kept).into_values().flatten() {
            if let Some(peer) = self.peers.get_mut(usize::from(author.0))
                && let Some((_, report)) = peer.batches.remove(&digest)
            {
                peer.reports.remove(&report);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::testing::{batch, committee};

    use super::*;

    #[test]
    fn the_first_report_is_forgotten_first() {
        let mut stored = Stored::new(&committee(4));
        let author = ValidatorId(1);
        let count = u64::try_from(STORED_MAX).expect("small");
        (0..=count).for_each(|sequence| stored.insert(author, batch(sequence)));
        stored.insert(author, batch(count));
        assert_eq!(stored.len(), STORED_MAX);
        assert_eq!(stored.get(author, batch(0).digest), None);
        assert_eq!(stored.get(author, batch(1).digest), Some(batch(1)));
        assert_eq!(stored.get(ValidatorId(2), batch(1).digest), None);
    }

    #[test]
    fn an_ordered_batch_is_kept_until_the_horizon_passes_its_commit() {
        let mut stored = Stored::new(&committee(4));
        let author = ValidatorId(1);
        stored.insert(author, batch(0));
        stored.ordered(Round(4), author, batch(0));
        stored.ordered(Round(5), author, batch(1));
        stored.prune(Round(4));
        assert_eq!(stored.get(author, batch(0).digest), None);
        assert_eq!(stored.get(author, batch(1).digest), Some(batch(1)));
    }
}
