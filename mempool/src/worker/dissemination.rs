//! Own batches on their way to everyone.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kraken_types::{BatchDigest, BatchRef, Identity, Signers, Timestamp, ValidatorId};

use super::{Message, Output, allowance::Allowance, patience::Patience, retry::Retries};

/// Own batches that are not ordered, and that someone has not acknowledged.
///
/// Bounded by the budget of own bytes. Bytes of batches that a quorum holds are kept up to a bound
/// of their own: beyond it the oldest are not sent any more, and who lacks them has to ask.
#[derive(Debug)]
pub(super) struct Dissemination {
    identity: Identity,
    sealed_bytes_max: usize,
    pending: BTreeMap<Key, Pending>,
    /// The size of all bytes in `pending` that a quorum holds.
    sealed_bytes: usize,
    retries: Retries<Key>,
    patience: Patience,
}

/// The sequence number first, so that the oldest comes first.
type Key = (u64, BatchDigest);

#[derive(Debug)]
struct Pending {
    batch: BatchRef,
    /// `None` after a restart: then it must be read for each who lacks it.
    bytes: Option<Bytes>,
    /// Who holds it, ourselves included.
    holders: Signers,
    is_sealed: bool,
    /// When it was sent first, and last; never since a restart.
    sent: Option<(Timestamp, Timestamp)>,
}

impl Dissemination {
    pub(super) fn new(identity: Identity, retry_after: Duration, sealed_bytes_max: usize) -> Self {
        let retries = Retries::new(retry_after);
        let patience = Patience::new(retries.longest());
        let pending = BTreeMap::new();
        Self { identity, sealed_bytes_max, pending, sealed_bytes: 0, retries, patience }
    }

    /// A new batch, which is durable before any of this is carried out.
    pub(super) fn start(&mut self, now: Timestamp, batch: BatchRef, bytes: &Bytes) -> Vec<Output> {
        let key = self.insert(now, batch, Some(bytes.clone()));
        let send = |to| Output::Send { to, message: Message::Batch(bytes.clone()) };
        let mut outputs: Vec<_> = self.identity.peers().map(send).collect();
        self.tried(key, now);
        outputs.extend(self.settle(key));
        outputs
    }

    /// A batch from before a restart: nobody knows any more who holds it.
    pub(super) fn resume(&mut self, now: Timestamp, batch: BatchRef) {
        self.insert(now, batch, None);
    }

    /// Someone holds it; says so if that makes a quorum.
    pub(super) fn acknowledged(
        &mut self,
        now: Timestamp,
        batch: &BatchRef,
        by: ValidatorId,
    ) -> Option<Output> {
        let key = (batch.sequence, batch.digest);
        let pending = self.pending.get_mut(&key)?;
        if let Some((first, _)) = pending.sent.filter(|_| !pending.holders.contains(by)) {
            self.patience.answered(by, now.since(first));
        }
        pending.holders.insert(by);
        self.settle(key)
    }

    /// Nobody needs to be sent it any more.
    pub(super) fn end(&mut self, batch: &BatchRef) {
        self.remove((batch.sequence, batch.digest));
    }

    /// Sends again what is due to those who lack it and have had the time that they take, as far as
    /// their allowances go.
    pub(super) fn tick(&mut self, now: Timestamp, allowance: &mut Allowance) -> Vec<Output> {
        let mut outputs = Vec::new();
        for key in self.retries.due(now) {
            outputs.extend(self.settle(key));
            let Some(pending) = self.pending.get(&key) else { continue };
            let lacking = self.identity.peers().filter(|peer| !pending.holders.contains(*peer));
            let waited = pending.sent.map(|(_, last)| now.since(last));
            let is_late = |peer| waited.is_none_or(|waited| self.patience.with(peer) <= waited);
            let lacking = lacking.filter(|peer| is_late(*peer));
            let before = outputs.len();
            outputs.extend(lacking.filter(|peer| allowance.take(now, *peer)).map(|to| {
                match &pending.bytes {
                    Some(bytes) => Output::Send { to, message: Message::Batch(bytes.clone()) },
                    None => Output::Read { digest: pending.batch.digest, to },
                }
            }));
            if before < outputs.len() {
                self.tried(key, now);
            } else {
                self.retries.postpone(key, now);
            }
        }
        outputs
    }

    /// When something is to be sent again.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.retries.wake_at()
    }

    fn insert(&mut self, now: Timestamp, batch: BatchRef, bytes: Option<Bytes>) -> Key {
        let key = (batch.sequence, batch.digest);
        let holders = [self.identity.id].into_iter().collect();
        self.pending.insert(key, Pending { batch, bytes, holders, is_sealed: false, sent: None });
        self.retries.insert(key, now);
        key
    }

    fn tried(&mut self, key: Key, now: Timestamp) {
        self.retries.tried(key, now);
        if let Some(pending) = self.pending.get_mut(&key) {
            let first = pending.sent.map_or(now, |(first, _)| first);
            pending.sent = Some((first, now));
        }
    }

    /// Draws the conclusions from who holds a batch: at a quorum it is sealed, once; when everyone
    /// holds it, this is over.
    fn settle(&mut self, key: Key) -> Option<Output> {
        let committee = &self.identity.committee;
        let pending = self.pending.get_mut(&key)?;
        let stake = committee.stake_of(&pending.holders);
        let becomes_sealed = !pending.is_sealed && committee.quorum() <= stake;
        let sealed = becomes_sealed.then_some(Output::Sealed(pending.batch));
        if becomes_sealed {
            pending.is_sealed = true;
            self.sealed_bytes += pending.bytes.as_ref().map_or(0, Bytes::len);
        }
        if stake == committee.total() {
            self.remove(key);
        }
        self.drop_oldest();
        sealed
    }

    /// Keeps the bytes of sealed batches within their bound.
    fn drop_oldest(&mut self) {
        while self.sealed_bytes_max < self.sealed_bytes {
            let mut sealed = self.pending.iter().filter(|(_, pending)| pending.is_sealed);
            let Some(oldest) = sealed.find(|(_, pending)| pending.bytes.is_some()) else { return };
            self.remove(*oldest.0);
        }
    }

    fn remove(&mut self, key: Key) {
        self.retries.remove(key);
        if let Some(Pending { bytes: Some(bytes), is_sealed: true, .. }) = self.pending.remove(&key)
        {
            self.sealed_bytes -= bytes.len();
        }
    }
}
