//! Batches that the primary misses, and whom they are asked of.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kraken_types::{
    BatchDigest, Identity, Signers, Timestamp, ValidatorId, codec::HEADER_BATCHES_MAX,
};

use super::{Message, Output, allowance::Allowance, retry::Retries};

/// Batches that are wanted.
///
/// A batch that a quorum vouches for is wanted until it comes or is released: execution waits for
/// it, and what a quorum took into its budgets is bounded. Of those that only their author speaks
/// of, [`Fetch::UNVOUCHED_MAX`] of each author are wanted at a time; the oldest give way.
#[derive(Debug)]
pub(super) struct Fetch {
    identity: Identity,
    retry_after: Duration,
    wanted: BTreeMap<Wanted, Source>,
    unvouched: BTreeMap<ValidatorId, BTreeSet<Key>>,
    retries: Retries<Key>,
    /// Numbers the wishes.
    next: u64,
    /// Mirrors what the others allow us, so that what is asked is answered.
    asked: Allowance,
}

/// A batch, and who is said to have made it. The same batch may be wanted of a liar too.
type Wanted = (BatchDigest, ValidatorId);

/// The number of a wish first, so that the oldest comes first.
type Key = (u64, Wanted);

#[derive(Debug)]
struct Source {
    number: u64,
    /// Who vouches for it; empty if only its author speaks of it.
    holders: Signers,
}

impl Fetch {
    /// How many batches of an author are wanted that nobody else vouches for: two headers full.
    pub(super) const UNVOUCHED_MAX: usize = 2 * HEADER_BATCHES_MAX;

    pub(super) fn new(identity: Identity, retry_after: Duration, per_peer_max: usize) -> Self {
        Self {
            identity,
            retry_after,
            wanted: BTreeMap::new(),
            unvouched: BTreeMap::new(),
            retries: Retries::new(retry_after),
            next: 0,
            asked: Allowance::new(per_peer_max, retry_after),
        }
    }

    /// A batch is wanted, or more is known of where it is.
    ///
    /// What others vouch for is asked for at once. What only its author speaks of is probably on
    /// its way, so that has some time to come.
    pub(super) fn want(&mut self, now: Timestamp, wanted: Wanted, holders: &Signers) {
        if let Some(source) = self.wanted.get_mut(&wanted) {
            let was_vouched = !source.holders.is_empty();
            for holder in holders.iter() {
                source.holders.insert(holder);
            }
            if !was_vouched && !source.holders.is_empty() {
                let key = (source.number, wanted);
                self.unvouched.entry(wanted.1).or_default().remove(&key);
                // Its author may have been asked in vain for long, and ever more rarely.
                self.retries.hasten(key, now);
            }
            return;
        }
        let number = self.next;
        self.next += 1;
        self.wanted.insert(wanted, Source { number, holders: holders.clone() });
        if holders.is_empty() {
            self.retries.insert((number, wanted), now + self.retry_after);
            self.add_unvouched((number, wanted));
        } else {
            self.retries.insert((number, wanted), now);
        }
    }

    /// Whether a batch of this author is wanted.
    pub(super) fn is_wanted(&self, digest: BatchDigest, author: ValidatorId) -> bool {
        self.wanted.contains_key(&(digest, author))
    }

    /// Whether it is, and others than the author vouch for it.
    pub(super) fn is_vouched(&self, digest: BatchDigest, author: ValidatorId) -> bool {
        self.wanted.get(&(digest, author)).is_some_and(|source| !source.holders.is_empty())
    }

    /// A batch is not wanted any more, of whomever.
    pub(super) fn end(&mut self, digest: BatchDigest) {
        let all = (digest, ValidatorId(0))..=(digest, ValidatorId(u16::MAX));
        let wanted: Vec<_> = self.wanted.range(all).map(|(wanted, _)| *wanted).collect();
        for wanted in wanted {
            self.remove(wanted);
        }
    }

    /// Asks for what is due, in as few messages as may be.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Output> {
        let mut asks: BTreeMap<ValidatorId, Vec<BatchDigest>> = BTreeMap::new();
        for key in self.retries.due(now) {
            let (_, (digest, _)) = key;
            if let Some(to) = self.whom(now, key) {
                asks.entry(to).or_default().push(digest);
                self.retries.tried(key, now);
            } else {
                self.retries.postpone(key, now);
            }
        }
        let messages = |(to, digests): (ValidatorId, Vec<BatchDigest>)| {
            let chunks: Vec<_> = digests.chunks(Message::WANT_MAX).map(<[_]>::to_vec).collect();
            chunks.into_iter().map(move |some| Output::Send { to, message: Message::Want(some) })
        };
        asks.into_iter().flat_map(messages).collect()
    }

    /// When something is to be asked for.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.retries.wake_at()
    }

    /// How many batches are wanted, and of how many peers some were.
    pub(super) fn size(&self) -> usize {
        self.wanted.len() + self.asked.size()
    }

    /// Whom to ask this time: the next in turn whose allowance is not spent.
    fn whom(&mut self, now: Timestamp, key: Key) -> Option<ValidatorId> {
        let sources = self.sources(key.1);
        let turn = (self.retries.tries(key) as usize).checked_rem(sources.len())?;
        let in_turn = sources[turn..].iter().chain(&sources[..turn]);
        in_turn.copied().find(|source| self.asked.take(now, *source))
    }

    /// Who may have a batch: the author, then those who vouch, each of us beginning with another.
    fn sources(&self, wanted: Wanted) -> Vec<ValidatorId> {
        let (own, (_, author)) = (self.identity.id, wanted);
        let Some(Source { holders, .. }) = self.wanted.get(&wanted) else { return Vec::new() };
        let others = holders.iter().filter(|id| *id != own && *id != author);
        let mut sources: Vec<_> = others.filter(|id| self.is_member(*id)).collect();
        if !sources.is_empty() {
            let first = usize::from(own.0) % sources.len();
            sources.rotate_left(first);
        }
        if author != own {
            sources.insert(0, author);
        }
        sources
    }

    fn is_member(&self, id: ValidatorId) -> bool {
        self.identity.committee.get(id).is_some()
    }

    fn add_unvouched(&mut self, key: Key) {
        let (_, (_, author)) = key;
        let unvouched = self.unvouched.entry(author).or_default();
        unvouched.insert(key);
        if Self::UNVOUCHED_MAX < unvouched.len()
            && let Some((_, oldest)) = unvouched.pop_first()
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, wanted: Wanted) {
        if let Some(source) = self.wanted.remove(&wanted) {
            let key = (source.number, wanted);
            self.retries.remove(key);
            if let Some(unvouched) = self.unvouched.get_mut(&wanted.1) {
                unvouched.remove(&key);
            }
        }
    }
}
