//! The data plane: transactions to batches, and batches to every validator.
//!
//! Rules (Narwhal, arXiv:2105.11827, section 4.2; numbers as in `docs/protocol.md`):
//!
//! - W1 A batch is sealed when it is full or old; a larger transaction is a batch of its own.
//! - W2 A sealed batch goes to the same worker of every other validator, again and again, ever more
//!   rarely, until it is acknowledged, ordered or released; to a peer that took long for its
//!   acknowledgements lately not before twice that time is over.
//! - W3 An acknowledgement means durable.
//! - W4 Once a quorum, with us, holds a batch, the primary is told, once; the others go on being
//!   sent to, while the bytes of such batches fit into half the budget of own bytes. Beyond that
//!   the oldest are not sent any more: who lacks one has to ask (W6).
//! - W5 A peer's batch is checked (author, worker, epoch, size, the budget of its author), stored,
//!   then acknowledged to its author and reported to the primary. One that is there already, or
//!   was released not long ago, is acknowledged again. Any other is passed over in silence.
//! - W6 A batch that the primary misses is asked of its author, then of others that vouch for it in
//!   turn, and of those at once when they begin to. Anyone may bring it. If others than its author
//!   vouch for it, it is taken beyond the budget: execution waits for it, and a quorum had room for
//!   it.
//! - W7 After a restart everything that is stored is reported again at the first tick, except what
//!   [`Input::Ordered`] names before. Own batches gather their quorum anew.
//! - W8 What is executed is released.
//! - W9 After a start batches are numbered from the clock, or from behind the newest of ours on disk
//!   if that is higher. Who lost its disk does not know which places in its order are taken, and
//!   what it fetches of its own afterwards need not be its newest: so it is the same at every start.
//!
//! Acknowledgements are not signed and prove nothing to others; certificates do. A liar that
//! acknowledges what it does not hold only makes a header go out that gets its votes later.

mod allowance;
mod dissemination;
mod fetch;
pub mod packer;
mod patience;
mod retry;
mod shelf;
#[cfg(test)]
mod tests;

pub use packer::Packer;

use std::{collections::BTreeSet, mem, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::{
    Batch, BatchDigest, BatchHead, BatchRef, Identity, Signers, Timestamp, ValidatorId, WorkerId,
    codec::{self, DecodeError},
};

use self::{allowance::Allowance, dissemination::Dissemination, fetch::Fetch, shelf::Shelf};

/// One worker of one validator.
#[derive(Debug)]
pub struct Worker {
    config: Config,
    packer: Packer,
    /// What is on disk.
    shelf: Shelf,
    /// Own batches that others lack.
    dissemination: Dissemination,
    /// Batches of others that we lack.
    fetch: Fetch,
    /// How many batches may still be sent again, or read, for each peer.
    repeats: Allowance,
    /// Batches of peers from before a restart, to be reported.
    unreported: BTreeSet<BatchDigest>,
    /// The place of the next own batch.
    next_sequence: u64,
    /// What was said last by [`Output::Full`].
    is_full: bool,
    /// When a tick is due.
    wake_at: Option<Timestamp>,
    /// What was left to be done at the next tick.
    tick_at: Option<Timestamp>,
}

/// Who this worker is and what it may use.
#[derive(Clone, Debug)]
pub struct Config {
    /// The validator it belongs to.
    pub identity: Identity,
    /// Its place there.
    pub worker: WorkerId,
    /// When a batch is full.
    pub packer: packer::Config,
    /// A batch that is not acknowledged, and a wanted batch that has not come, is sent or asked
    /// for again after this long; twice as long each time, up to 32 times.
    pub retry_after: Duration,
    /// Own batches that are not released may take this many bytes; then transactions must wait.
    /// Each counts with 256 bytes more than its encoding.
    pub own_bytes_max: usize,
    /// Batches of one peer that are not released may take this many bytes, counted alike; more are
    /// not taken. Above `own_bytes_max` of the peers, since they may release before we do.
    pub peer_bytes_max: usize,
    /// How many batches may be read, or sent again, for one peer within `retry_after`; also how many
    /// are asked of one peer in that time. At least 1, and the same on all validators.
    pub requests_per_peer_max: usize,
}

/// What workers of one place say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// An encoded batch: a new one of the sender, or one that was asked for.
    Batch(Bytes),
    /// This batch is durable here.
    Stored(BatchDigest),
    /// Send these batches.
    Want(Vec<BatchDigest>),
}

/// A batch that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who made it.
    pub author: ValidatorId,
    /// Which it is.
    pub batch: BatchRef,
    /// Its encoded size.
    pub bytes: usize,
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the batches on disk that are not released, oldest first. The
    /// newest own batch is always there, unless the disk was lost. The clock must be later than at
    /// the last start.
    Recovered(Vec<Held>),
    /// The gateway admitted a transaction, of at most [`codec::TRANSACTION_BYTES_MAX`]: no peer
    /// would take a batch with a larger one.
    Transaction(Bytes),
    /// The worker at the same place of another validator sent this.
    Message {
        /// That validator; the network vouches for it.
        from: ValidatorId,
        /// Unchecked.
        message: Message,
    },
    /// The primary needs a batch of `author` that it does not have; `holders` vouch for it.
    Fetch {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
        /// Who else should have it; may be empty.
        holders: Signers,
    },
    /// The bytes of a batch that [`Output::Read`] asked for; `None` if it is released.
    Read {
        /// Which.
        digest: BatchDigest,
        /// For whom.
        to: ValidatorId,
        /// Its encoding.
        bytes: Option<Bytes>,
    },
    /// These batches were ordered: nobody needs to hear of them again.
    Ordered(Vec<(ValidatorId, BatchRef)>),
    /// These batches are executed, or can never be ordered: they may be forgotten.
    Release(Vec<BatchDigest>),
    /// Time asked for with [`Output::WakeAt`] has come, or only time has passed.
    Tick,
}

/// What to do about it. Outputs are carried out in order; nothing behind a [`Output::Store`] before
/// the batch is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this batch durable before carrying out anything that follows.
    Store {
        /// What it is.
        held: Held,
        /// Its encoding.
        bytes: Bytes,
    },
    /// Send to the same worker of one validator; delivery is best effort.
    Send {
        /// Whose worker.
        to: ValidatorId,
        /// What.
        message: Message,
    },
    /// Read a batch from disk and come back with [`Input::Read`].
    Read {
        /// Which.
        digest: BatchDigest,
        /// For whom.
        to: ValidatorId,
    },
    /// Tell the primary: a quorum holds this batch of ours.
    Sealed(BatchRef),
    /// Tell the primary: this batch of a peer is durable here.
    Stored {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
    },
    /// Whether transactions must wait: too many own bytes are not released.
    Full(bool),
    /// Come back with [`Input::Tick`] at this time, whatever was asked before.
    WakeAt(Timestamp),
}

impl Message {
    /// The largest message: a batch and its frame.
    pub const BYTES_MAX: usize = codec::TRANSACTION_BYTES_MAX + codec::BATCH_BYTES_MAX + 64;

    /// The most digests that a [`Message::Want`] carries; more are not looked at.
    pub const WANT_MAX: usize = 64;

    /// Decodes a message.
    ///
    /// # Errors
    /// If there are too many bytes, or they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }

    /// Decodes a message; a batch in it goes on using the memory of `bytes`.
    ///
    /// # Errors
    /// Those of [`Message::decode`].
    pub fn decode_shared(bytes: &Bytes) -> Result<Self, DecodeError> {
        // The number of the variant, and how many bytes follow.
        if let Some(([0, length @ ..], batch)) = bytes.split_first_chunk::<5>()
            && usize::try_from(u32::from_le_bytes(*length)).is_ok_and(|it| it == batch.len())
            && bytes.len() <= Self::BYTES_MAX
        {
            return Ok(Self::Batch(bytes.slice(5..)));
        }
        Self::decode(bytes)
    }
}

impl Worker {
    /// Starts with nothing; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        let (identity, retry_after) = (&config.identity, config.retry_after);
        let per_peer = config.requests_per_peer_max;
        Self {
            packer: Packer::new(config.packer),
            shelf: Shelf::default(),
            dissemination: Dissemination::new(
                identity.clone(),
                retry_after,
                config.own_bytes_max / 2,
            ),
            fetch: Fetch::new(identity.clone(), retry_after, per_peer),
            repeats: Allowance::new(per_peer, retry_after),
            unreported: BTreeSet::new(),
            next_sequence: 0,
            is_full: false,
            wake_at: None,
            tick_at: None,
            config,
        }
    }

    /// Applies one input and returns what to do next, in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let mut outputs = match input {
            Input::Recovered(held) => self.recover(now, held),
            Input::Transaction(transaction) => {
                self.pack(now, packer::Input::Transaction(transaction))
            }
            Input::Message { from, message } => self.hear(now, from, message),
            Input::Fetch { author, batch, holders } => self.want(now, author, &batch, &holders),
            Input::Read { digest: _, to, bytes } => {
                let send = |bytes| Output::Send { to, message: Message::Batch(bytes) };
                bytes.map(send).into_iter().collect()
            }
            Input::Ordered(batches) => self.ordered(&batches),
            Input::Release(digests) => self.release(&digests),
            Input::Tick => self.tick(now),
        };
        outputs.extend(self.full());
        outputs.extend(self.wake());
        outputs
    }

    /// How many entries there are in everything that peers can make grow.
    pub fn size(&self) -> usize {
        self.shelf.size() + self.fetch.size() + self.repeats.size() + self.unreported.len()
    }

    fn recover(&mut self, now: Timestamp, held: Vec<Held>) -> Vec<Output> {
        self.number_from(now);
        for held in held {
            self.shelf.insert(held);
            if held.author == self.config.identity.id {
                self.skip_to(held.batch.sequence);
                self.dissemination.resume(now, held.batch);
            } else {
                self.unreported.insert(held.batch.digest);
            }
        }
        if !self.unreported.is_empty() {
            self.tick_at = Some(now);
        }
        Vec::new()
    }

    /// Rule W9. A worker makes less than a thousand batches in a millisecond.
    fn number_from(&mut self, now: Timestamp) {
        self.next_sequence = self.next_sequence.max(now.millis().saturating_mul(1_000));
    }

    fn pack(&mut self, now: Timestamp, input: packer::Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        for output in self.packer.step(now, input) {
            match output {
                packer::Output::Seal(transactions) => outputs.extend(self.seal(now, transactions)),
                // Asked for together with everything else.
                packer::Output::WakeAt(_) => {}
            }
        }
        outputs
    }

    fn seal(&mut self, now: Timestamp, transactions: Vec<Bytes>) -> Vec<Output> {
        let identity = &self.config.identity;
        let (author, worker, sequence) = (identity.id, self.config.worker, self.next_sequence);
        let epoch = identity.committee.epoch();
        let (digest, bytes) = Batch { epoch, author, worker, sequence, transactions }.encode();
        let batch = BatchRef { digest, worker, sequence };
        let held = Held { author, batch, bytes: bytes.len() };
        self.skip_to(sequence);
        self.shelf.insert(held);
        let sent = self.dissemination.start(now, batch, &bytes);
        [Output::Store { held, bytes }].into_iter().chain(sent).collect()
    }

    fn hear(&mut self, now: Timestamp, from: ValidatorId, message: Message) -> Vec<Output> {
        let identity = &self.config.identity;
        if from == identity.id || identity.committee.get(from).is_none() {
            return Vec::new();
        }
        match message {
            Message::Batch(bytes) => self.take(from, bytes),
            Message::Stored(digest) => {
                let held = self.shelf.get(&digest).filter(|held| held.author == identity.id);
                let sealed =
                    held.and_then(|held| self.dissemination.acknowledged(now, &held.batch, from));
                sealed.into_iter().collect()
            }
            Message::Want(digests) => self.serve(now, from, &digests),
        }
    }

    /// A batch arrives, of its author or of someone who was asked for it.
    fn take(&mut self, from: ValidatorId, bytes: Bytes) -> Vec<Output> {
        let digest = Batch::digest_of(&bytes);
        let acknowledge = |to| Output::Send { to, message: Message::Stored(digest) };
        if let Some(held) = self.shelf.get(&digest) {
            return if held.author == from { vec![acknowledge(from)] } else { Vec::new() };
        }
        if self.shelf.was_released(from, &digest) {
            return vec![acknowledge(from)];
        }
        let Some(held) = self.check(digest, &bytes).filter(|held| self.may_bring(from, held))
        else {
            // Whoever named this named what cannot be.
            self.fetch.end(digest);
            return Vec::new();
        };
        if !self.has_room(&held) {
            return Vec::new();
        }
        self.fetch.end(digest);
        self.shelf.insert(held);
        let Held { author, batch, .. } = held;
        let mut outputs = vec![Output::Store { held, bytes }];
        if author != self.config.identity.id {
            outputs.push(acknowledge(author));
        }
        outputs.push(Output::Stored { author, batch });
        outputs
    }

    /// What the batch with this encoding is, if it is one of this worker's place and epoch.
    fn check(&self, digest: BatchDigest, bytes: &[u8]) -> Option<Held> {
        let BatchHead { epoch, author, worker, sequence, transactions } =
            Batch::head_of(bytes).ok()?;
        let epoch_now = self.config.identity.committee.epoch();
        let is_ours = epoch == epoch_now && worker == self.config.worker;
        let batch = BatchRef { digest, worker, sequence };
        let held = Held { author, batch, bytes: bytes.len() };
        (is_ours && 0 < transactions).then_some(held)
    }

    /// Its author may bring a batch, and anyone one that is wanted of that author.
    fn may_bring(&self, from: ValidatorId, held: &Held) -> bool {
        from == held.author || self.fetch.is_wanted(held.batch.digest, held.author)
    }

    fn has_room(&self, held: &Held) -> bool {
        let needed = self.shelf.used(held.author) + held.bytes + Shelf::OVERHEAD;
        needed <= self.config.peer_bytes_max
            || self.fetch.is_vouched(held.batch.digest, held.author)
    }

    /// Has what a peer asks for read from disk, within its allowance.
    fn serve(&mut self, now: Timestamp, to: ValidatorId, digests: &[BatchDigest]) -> Vec<Output> {
        let asked: BTreeSet<_> = digests.iter().take(Message::WANT_MAX).copied().collect();
        let mut outputs = Vec::new();
        for digest in asked {
            if self.shelf.get(&digest).is_some() && self.repeats.take(now, to) {
                outputs.push(Output::Read { digest, to });
            }
        }
        outputs
    }

    fn want(
        &mut self,
        now: Timestamp,
        author: ValidatorId,
        batch: &BatchRef,
        holders: &Signers,
    ) -> Vec<Output> {
        if let Some(&Held { author, batch, .. }) = self.shelf.get(&batch.digest) {
            return vec![Output::Stored { author, batch }];
        }
        let identity = &self.config.identity;
        if batch.worker != self.config.worker || identity.committee.get(author).is_none() {
            return Vec::new();
        }
        if author == identity.id {
            self.skip_to(batch.sequence);
        }
        self.fetch.want(now, (batch.digest, author), holders);
        Vec::new()
    }

    fn ordered(&mut self, batches: &[(ValidatorId, BatchRef)]) -> Vec<Output> {
        for (author, batch) in batches {
            self.unreported.remove(&batch.digest);
            if *author == self.config.identity.id && batch.worker == self.config.worker {
                self.skip_to(batch.sequence);
                self.dissemination.end(batch);
            }
        }
        Vec::new()
    }

    fn release(&mut self, digests: &[BatchDigest]) -> Vec<Output> {
        for digest in digests {
            self.unreported.remove(digest);
            self.fetch.end(*digest);
            if let Some(held) = self.shelf.release(digest) {
                self.dissemination.end(&held.batch);
            }
        }
        Vec::new()
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Output> {
        // Whatever was asked for may be used up now, so it is asked for again.
        (self.wake_at, self.tick_at) = (None, None);
        let mut outputs = self.pack(now, packer::Input::Tick);
        for digest in mem::take(&mut self.unreported) {
            let held = self.shelf.get(&digest);
            outputs
                .extend(held.map(|held| Output::Stored { author: held.author, batch: held.batch }));
        }
        outputs.extend(self.dissemination.tick(now, &mut self.repeats));
        outputs.extend(self.fetch.tick(now));
        outputs
    }

    /// The next own batch comes behind this place: no place is used twice, even if the disk was
    /// lost.
    fn skip_to(&mut self, sequence: u64) {
        self.next_sequence = self.next_sequence.max(sequence.saturating_add(1));
    }

    fn full(&mut self) -> Option<Output> {
        let is_full = self.config.own_bytes_max <= self.shelf.used(self.config.identity.id);
        let changes = mem::replace(&mut self.is_full, is_full) != is_full;
        changes.then_some(Output::Full(is_full))
    }

    fn wake(&mut self) -> Option<Output> {
        let reasons = [
            self.packer.wake_at(),
            self.dissemination.wake_at(),
            self.fetch.wake_at(),
            self.tick_at,
        ];
        let wake_at = reasons.into_iter().flatten().min();
        let changes = mem::replace(&mut self.wake_at, wake_at) != wake_at;
        wake_at.filter(|_| changes).map(Output::WakeAt)
    }
}
