//! The task that orders: drives primary and protocol, exchanges messages with those of other
//! validators, and holds back what rests on records until these are durable.

mod timers;

use std::sync::Arc;

use bytes::Bytes;
use kraken_mempool::primary;
use kraken_ordering::{Checkpoint, Effect, Entry, Input, Message};
use kraken_types::{
    BatchRef, Commit, CommitIndex, Genesis, Identity, Signers, Timestamp, ValidatorId,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::timers::Timers;
use crate::{
    clock::Clock,
    journal::Journal,
    lanes::{Inbox, Lane},
    machines,
    metrics::{Metrics, gauge},
    queue::{Left, Queue},
    recovery::{self, Recovered},
    supervisor::Ended,
    workers::Wish,
};

/// What others ask of the order.
#[derive(Debug)]
pub(crate) enum Request {
    /// Order this batch of ours, which a quorum holds.
    Sealed(BatchRef),
    /// A batch of a peer is durable here.
    Stored {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
    },
    /// End the open block; answers with the commit behind which it ends.
    CloseBlock(oneshot::Sender<CommitIndex>),
    /// Go on behind this checkpoint, which a quorum vouches for, unless we are there already.
    Adopt(Box<Checkpoint>),
}

/// A commit, and what it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    pub(crate) commit: Commit,
    pub(crate) checkpoint: Arc<Checkpoint>,
}

/// The ends of the channels that the task holds.
#[derive(Debug)]
pub(crate) struct Ends {
    /// From the workers, the developer, and whoever catches up.
    pub(crate) requests: mpsc::Receiver<Request>,
    /// When the open block wants a commit, so that it can end.
    pub(crate) wanted: watch::Receiver<Option<Timestamp>>,
    /// To the builder.
    pub(crate) ordered: mpsc::Sender<Ordered>,
    /// To each worker, in the order of their ids.
    pub(crate) wishes: Vec<mpsc::Sender<Wish>>,
    /// Tells all workers that we went on from a checkpoint.
    pub(crate) starts_over: watch::Sender<()>,
    /// To the ordering parts of the others.
    pub(crate) lane: Lane,
    /// From the ordering parts of the others.
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Metrics,
}

/// The task that orders.
#[derive(Debug)]
pub(crate) struct Ordering {
    identity: Identity,
    genesis: Genesis,
    /// Decides.
    machine: kraken_ordering::Ordering,
    ends: Ends,
    /// Makes records durable.
    journal: Journal,
    /// Stamps headers.
    clock: Arc<Clock>,
    queue: Queue<Entry, Outgoing>,
    /// Whether a log without a word of ours means that we may have said something.
    disk_was_lost: bool,
    /// What the newest commit leaves.
    checkpoint: Option<Checkpoint>,
    /// Left the queue, but the builder has no room for it yet.
    outgoing: Option<Ordered>,
    wake_at: Option<Timestamp>,
    timers: Timers,
    /// Who waits for a commit that ends the open block.
    closing: Vec<oneshot::Sender<CommitIndex>>,
}

/// What leaves once the records before it are durable.
#[derive(Debug)]
enum Outgoing {
    Effect(Effect),
    Ordered(Ordered),
}

/// What happened.
enum Happened {
    /// Everything before this is durable.
    Left(Left<Entry, Outgoing>),
    /// The builder has room for another commit.
    Room,
    Input(Input),
    Heard(ValidatorId, Bytes),
    Close(oneshot::Sender<CommitIndex>),
    Adopt(Box<Checkpoint>),
    Wanted,
    /// The builder changed its mind about when it wants a commit.
    Changed,
}

impl Ordering {
    pub(crate) fn new(
        identity: Identity,
        genesis: Genesis,
        ends: Ends,
        journal: Journal,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            machine: machines::ordering(identity.clone(), &genesis),
            identity,
            genesis,
            ends,
            queue: Queue::new(),
            journal,
            clock,
            disk_was_lost: false,
            checkpoint: None,
            outgoing: None,
            wake_at: None,
            timers: Timers::default(),
            closing: Vec::new(),
        }
    }

    /// Goes on behind what an earlier run made durable, then runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses or nobody executes commits any more.
    pub(crate) async fn run(
        mut self,
        recovered: Recovered,
        shutdown: CancellationToken,
    ) -> Result<(), Ended> {
        // First what an earlier run ordered and did not execute, then what follows from the rest.
        for ordered in recovered.ordered {
            self.queue.push(Outgoing::Ordered(ordered));
        }
        self.checkpoint = recovered.checkpoint;
        self.disk_was_lost = recovered.disk_was_lost;
        self.recover(recovered.entries);
        // What the builder wanted when we last proposed for its sake; it wants nothing twice.
        let mut answered = None;
        loop {
            let wanted = *self.ends.wanted.borrow_and_update();
            let wanted = wanted.filter(|at| answered != Some(*at));
            let Some(happened) = self.wait(wanted, &shutdown).await? else {
                return Ok(());
            };
            match happened {
                Happened::Left(left) => self.carry_out(left),
                Happened::Room => self.send_commit()?,
                Happened::Input(input) => self.step(input),
                Happened::Heard(from, bytes) => self.hear(from, &bytes),
                Happened::Close(reply) => {
                    self.closing.push(reply);
                    self.step(Input::Propose { close_block: true });
                }
                Happened::Adopt(checkpoint) => self.adopt(*checkpoint).await?,
                Happened::Wanted => {
                    answered = wanted;
                    self.step(Input::Propose { close_block: false });
                }
                Happened::Changed => {}
            }
        }
    }

    fn recover(&mut self, entries: Vec<Entry>) {
        let has_word = entries.iter().any(Entry::is_our_word);
        self.step(if self.disk_was_lost && !has_word {
            Input::Forgotten(entries)
        } else {
            Input::Recovered(entries)
        });
    }

    /// `None` when it is time to end. All arms are cancel-safe.
    async fn wait(
        &mut self,
        wanted: Option<Timestamp>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Happened>, Ended> {
        let is_full = self.queue.is_full();
        let Ends { requests, wanted: wants, ordered, inbox, .. } = &mut self.ends;
        let happened = tokio::select! {
            biased; // What is decided leaves before more is decided.
            () = shutdown.cancelled() => return Ok(None),
            left = self.queue.next(), if self.outgoing.is_none() => {
                Happened::Left(left.map_err(|error| Ended::failed("ordering", &error))?)
            }
            // Whether there is still a builder shows when the commit is sent.
            _ = ordered.reserve(), if self.outgoing.is_some() => Happened::Room,
            timer = self.timers.next() => Happened::Input(Input::Timer(timer)),
            () = self.clock.sleep_until(self.wake_at) => {
                self.wake_at = None;
                Happened::Input(Input::Tick)
            }
            Some((from, bytes)) = inbox.recv(), if !is_full => Happened::Heard(from, bytes),
            request = requests.recv(), if !is_full => match request {
                Some(Request::Sealed(batch)) => Happened::Input(Input::Sealed(batch)),
                Some(Request::Stored { author, batch }) => {
                    Happened::Input(Input::Stored { author, batch })
                }
                Some(Request::CloseBlock(reply)) => Happened::Close(reply),
                Some(Request::Adopt(checkpoint)) => Happened::Adopt(checkpoint),
                None => return Ok(None),
            },
            changed = wants.changed() => match changed {
                Ok(()) => Happened::Changed,
                Err(_) => return Err(Ended::gone("ordering", "builder")),
            },
            () = self.clock.sleep_until(wanted) => Happened::Wanted,
        };
        Ok(Some(happened))
    }

    fn hear(&mut self, from: ValidatorId, bytes: &[u8]) {
        match Message::decode(bytes) {
            Ok(message) => self.step(Input::Message { from, message }),
            Err(error) => {
                self.ends.metrics.malformed("ordering");
                tracing::warn!(%from, %error, "ignored a malformed message about the order");
            }
        }
    }

    fn step(&mut self, input: Input) {
        for effect in self.machine.step(self.clock.now(), input) {
            self.take(effect);
        }
    }

    /// Whatever leaves this validator stands in line; its own clocks do not.
    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::WakeAt(at) => self.wake_at = Some(at),
            Effect::SetTimer { timer, after } => self.timers.set(timer, after),
            Effect::Persist(entry) => self.persist(entry),
            Effect::Commit(commit) => self.commit(commit),
            Effect::Equivocated { whom, what } => {
                // Once, because a liar goes on lying; the rest is counted.
                if self.ends.metrics.equivocated(whom, what) {
                    tracing::warn!(%whom, %what, "a validator signed two of what it may sign once");
                }
            }
            Effect::Send { .. }
            | Effect::Broadcast(_)
            | Effect::Fetch { .. }
            | Effect::Pruned(_) => self.queue.push(Outgoing::Effect(effect)),
        }
    }

    /// A record goes to the disk at once, together with those before it that are not there yet.
    fn persist(&mut self, entry: Entry) {
        if let Entry::Primary(primary::Record::Proposed(header)) = &entry {
            self.clock.stamped(header.created_at);
            self.ends.metrics.round.set(gauge(header.round.0));
        }
        Checkpoint::note(&mut self.checkpoint, &entry);
        let append = self.journal.append_entry(&entry);
        self.queue.push_record(entry, append);
    }

    fn commit(&mut self, commit: Commit) {
        if commit.close_block {
            for reply in self.closing.drain(..) {
                // The one who asked may have gone; the block ends all the same.
                let _ = reply.send(commit.index);
            }
        }
        self.ends.metrics.commits.inc();
        self.ends.metrics.commit_index.set(gauge(commit.index.0));
        let checkpoint = self.checkpoint.clone();
        let checkpoint = checkpoint.expect("the record of a commit comes before the commit");
        self.queue.push(Outgoing::Ordered(Ordered { commit, checkpoint: Arc::new(checkpoint) }));
    }

    fn carry_out(&mut self, left: Left<Entry, Outgoing>) {
        match left {
            Left::Durable(entry, location) => self.journal.note_entry(entry, location),
            Left::Effect(Outgoing::Ordered(ordered)) => self.outgoing = Some(ordered),
            Left::Effect(Outgoing::Effect(effect)) => match effect {
                Effect::Send { to, message } => self.ends.lane.send(to, &message),
                Effect::Broadcast(message) => self.ends.lane.broadcast(&message),
                Effect::Fetch { author, batch, holders } => self.fetch(author, batch, holders),
                Effect::Pruned(round) => self.journal.forget(round),
                Effect::Persist(_)
                | Effect::Commit(_)
                | Effect::WakeAt(_)
                | Effect::SetTimer { .. }
                | Effect::Equivocated { .. } => {
                    unreachable!("this does not come out of the queue: {effect:?}")
                }
            },
        }
    }

    /// Never waits, because a worker may be waiting for us. A worker that never was holds no batch
    /// anywhere.
    fn fetch(&self, author: ValidatorId, batch: BatchRef, holders: Signers) {
        let wishes = self.ends.wishes.get(usize::from(batch.worker.0));
        if let Some(Err(error)) =
            wishes.map(|wishes| wishes.try_send(Wish { author, batch, holders }))
        {
            tracing::debug!(%error, "a worker does not get a missing batch now");
        }
    }

    fn send_commit(&mut self) -> Result<(), Ended> {
        if let Some(ordered) = self.outgoing.take() {
            let sent = self.ends.ordered.try_send(ordered);
            sent.map_err(|_| Ended::gone("ordering", "builder"))?;
        }
        Ok(())
    }

    /// Goes on behind a checkpoint: puts it into the log, and then does what a restart would do.
    /// What is in the queue is durable before, and what it would have sent is said again later.
    async fn adopt(&mut self, checkpoint: Checkpoint) -> Result<(), Ended> {
        if self.checkpoint.as_ref().is_some_and(|ours| checkpoint.next() <= ours.next()) {
            return Ok(());
        }
        let failed = |error| Ended::failed("ordering", &error);
        for entry in checkpoint.clone().entries(self.genesis.mempool.gc_depth) {
            let append = self.journal.append_entry(&entry);
            self.queue.push_record(entry, append);
        }
        while !self.queue.is_empty() {
            if let Left::Durable(entry, location) = self.queue.next().await.map_err(failed)? {
                self.journal.note_entry(entry, location);
            }
        }
        self.outgoing = None;
        tracing::info!(commit = checkpoint.next().0, "goes on behind a checkpoint of others");
        self.checkpoint = Some(checkpoint);
        self.ends.metrics.checkpoints.inc();
        self.journal.release_ordered();
        self.start_over()
    }

    fn start_over(&mut self) -> Result<(), Ended> {
        let entries = recovery::read_entries(&self.journal);
        let entries = entries.map_err(|error| Ended::failed("ordering", &error))?;
        let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        self.machine = machines::ordering(self.identity.clone(), &self.genesis);
        (self.wake_at, self.timers) = (None, Timers::default());
        self.recover(entries);
        self.ends.starts_over.send_replace(());
        Ok(())
    }
}
