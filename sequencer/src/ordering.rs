//! The task that orders: drives primary and protocol, and holds back what rests on records until
//! these are durable.

mod queue;
mod timers;

use std::sync::Arc;

use kraken_mempool::primary;
use kraken_ordering::{Effect, Entry, Input};
use kraken_types::{BatchRef, Commit, CommitIndex, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::{queue::Queue, timers::Timers};
use crate::{clock::Clock, journal::Journal, recovery::Recovered, supervisor::Ended};

/// What others ask of the order.
#[derive(Debug)]
pub(crate) enum Request {
    /// Order this batch of ours, which a quorum holds.
    Sealed(BatchRef),
    /// End the open block; answers with the commit behind which it ends.
    CloseBlock(oneshot::Sender<CommitIndex>),
}

/// The ends of the channels that the task holds.
#[derive(Debug)]
pub(crate) struct Ends {
    /// From the workers and the developer.
    pub(crate) requests: mpsc::Receiver<Request>,
    /// When the open block wants a commit, so that it can end.
    pub(crate) wanted: watch::Receiver<Option<Timestamp>>,
    /// To the builder.
    pub(crate) commits: mpsc::Sender<Commit>,
}

/// The task that orders.
#[derive(Debug)]
pub(crate) struct Ordering {
    /// Decides.
    machine: kraken_ordering::Ordering,
    ends: Ends,
    /// Makes records durable.
    journal: Journal,
    /// Stamps headers.
    clock: Arc<Clock>,
    queue: Queue,
    /// Left the queue, but the builder has no room for it yet.
    outgoing: Option<Commit>,
    wake_at: Option<Timestamp>,
    timers: Timers,
    /// Who waits for a commit that ends the open block.
    closing: Vec<oneshot::Sender<CommitIndex>>,
}

/// What happened.
enum Happened {
    /// Everything before this is durable.
    Free(Effect),
    /// The builder has room for another commit.
    Room,
    Input(Input),
    Close(oneshot::Sender<CommitIndex>),
    Wanted,
    /// The builder changed its mind about when it wants a commit.
    Changed,
}

impl Ordering {
    pub(crate) fn new(
        machine: kraken_ordering::Ordering,
        ends: Ends,
        journal: Journal,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            machine,
            ends,
            queue: Queue::new(journal.clone()),
            journal,
            clock,
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
        for commit in recovered.commits {
            self.queue.push(Effect::Commit(commit));
        }
        self.step(Input::Recovered(recovered.entries));
        // What the builder wanted when we last proposed for its sake; it wants nothing twice.
        let mut answered = None;
        loop {
            let wanted = *self.ends.wanted.borrow_and_update();
            let wanted = wanted.filter(|at| answered != Some(*at));
            let Some(happened) = self.wait(wanted, &shutdown).await? else {
                return Ok(());
            };
            match happened {
                Happened::Free(effect) => self.carry_out(effect),
                Happened::Room => self.send_commit()?,
                Happened::Input(input) => self.step(input),
                Happened::Close(reply) => {
                    self.closing.push(reply);
                    self.step(Input::Propose { close_block: true });
                }
                Happened::Wanted => {
                    answered = wanted;
                    self.step(Input::Propose { close_block: false });
                }
                Happened::Changed => {}
            }
        }
    }

    /// `None` when it is time to end. All arms are cancel-safe.
    async fn wait(
        &mut self,
        wanted: Option<Timestamp>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Happened>, Ended> {
        let Ends { requests, wanted: wants, commits } = &mut self.ends;
        let happened = tokio::select! {
            biased; // What is decided leaves before more is decided.
            () = shutdown.cancelled() => return Ok(None),
            effect = self.queue.next(), if self.outgoing.is_none() => {
                Happened::Free(effect.map_err(|error| Ended::failed("ordering", &error))?)
            }
            // Whether there is still a builder shows when the commit is sent.
            _ = commits.reserve(), if self.outgoing.is_some() => Happened::Room,
            timer = self.timers.next() => Happened::Input(Input::Timer(timer)),
            () = self.clock.sleep_until(self.wake_at) => {
                self.wake_at = None;
                Happened::Input(Input::Tick)
            }
            request = requests.recv(), if !self.queue.is_full() => match request {
                Some(Request::Sealed(batch)) => Happened::Input(Input::Sealed(batch)),
                Some(Request::CloseBlock(reply)) => Happened::Close(reply),
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
            Effect::Persist(Entry::Primary(primary::Record::Proposed(ref header))) => {
                self.clock.stamped(header.created_at);
                self.queue.push(effect);
            }
            Effect::Commit(ref commit) => {
                if commit.close_block {
                    for reply in self.closing.drain(..) {
                        // The one who asked may have gone; the block ends all the same.
                        let _ = reply.send(commit.index);
                    }
                }
                self.queue.push(effect);
            }
            Effect::Persist(_)
            | Effect::Send { .. }
            | Effect::Broadcast(_)
            | Effect::Fetch { .. }
            | Effect::Pruned(_) => self.queue.push(effect),
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Commit(commit) => self.outgoing = Some(commit),
            Effect::Pruned(round) => self.journal.forget(round),
            // To every other validator: there is none.
            Effect::Broadcast(_) => {}
            Effect::Send { .. } | Effect::Fetch { .. } => {
                unreachable!("a committee of one sends nothing and misses nothing: {effect:?}")
            }
            Effect::Persist(_) | Effect::WakeAt(_) | Effect::SetTimer { .. } => {
                unreachable!("this does not come out of the queue: {effect:?}")
            }
        }
    }

    fn send_commit(&mut self) -> Result<(), Ended> {
        if let Some(commit) = self.outgoing.take() {
            let sent = self.ends.commits.try_send(commit);
            sent.map_err(|_| Ended::gone("ordering", "builder"))?;
        }
        Ok(())
    }
}
