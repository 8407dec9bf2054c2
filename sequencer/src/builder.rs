//! The thread that builds blocks: executes the order, one block after the other.
//!
//! [`rules`] says where blocks begin and end, [`mod@derive`] what they know before they are executed;
//! both are functions of the order. This file carries out: it keeps the execution engine busy, puts
//! up what is executed as soon as it is, and hands finished blocks to the committer.

mod adopt;
mod derive;
mod line;
mod payload;
mod progress;
pub(crate) mod rules;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    thread,
    time::Duration,
};

use kraken_execution::{Chain, Executor, Fault, State};
use kraken_ordering::Checkpoint;
use kraken_types::{CommitIndex, Cursor, Digest, Timestamp};
use starknet_api::block::{BlockHash, BlockNumber};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    adopt::Adopt,
    derive::{Parent, l2_gas_price, next_info},
    payload::{Payloads, encode, marked},
};
use self::{
    line::{Line, Step},
    progress::OpenBlock,
    rules::{Decision, Rules},
};
use crate::{
    UnsealedBlock,
    board::Board,
    clock::Clock,
    committer::Executed,
    metrics::{Metrics, gauge},
    ordering::Ordered,
    pool::SharedPool,
    supervisor::Ended,
};

/// How many steps of the order may wait here before no further commit is taken.
const LINE_MAX: usize = 4_096;

/// How long the builder sleeps when it can only wait for results.
const NAP: Duration = Duration::from_micros(300);

/// How long it sleeps when an ordered batch is not here.
const MISSING_NAP: Duration = Duration::from_millis(2);

/// The thread that builds blocks.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) chain: Chain,
    pub(crate) rules: Rules,
    pub(crate) executor: Executor,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pool: SharedPool,
    /// Told when an outcome may have made another transaction ready.
    pub(crate) arrived: Arc<tokio::sync::Notify>,
    pub(crate) payloads: Payloads,
    /// The order.
    pub(crate) ordered: mpsc::Receiver<Ordered>,
    /// Blocks that others executed and a quorum attested.
    pub(crate) adopted: mpsc::Receiver<Adopt>,
    /// To the committer.
    pub(crate) executed: mpsc::Sender<Executed>,
    /// When the open block wants a commit, so that it can end.
    pub(crate) wanted: watch::Sender<Option<Timestamp>>,
    /// The newest executed block.
    pub(crate) parent: Parent,
    /// The first place of the order that is in no block.
    pub(crate) from: Cursor,
    /// Over the state of the order before the commit of `from`.
    pub(crate) checkpoint: Digest,
    /// Told once everything that an earlier run ordered is executed again.
    pub(crate) caught_up: Option<CaughtUp>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
}

/// Who waits for the builder to be where an earlier run was.
#[derive(Debug)]
pub(crate) struct CaughtUp {
    /// The last commit of the earlier run; `None` if there is none to execute again.
    pub(crate) behind: Option<CommitIndex>,
    pub(crate) told: oneshot::Sender<()>,
}

/// What the builder is at.
#[derive(Debug, Default)]
struct Work {
    line: Line,
    open: Option<OpenBlock>,
    /// A commit that cannot be taken yet: a batch, or a commit before it, is missing.
    waiting: Option<Ordered>,
    /// The next commit to take; those before it are in the line, or behind it.
    next: CommitIndex,
    /// What the order was before the next commit, and before those in the line.
    checkpoints: BTreeMap<CommitIndex, Before>,
}

/// The state of the order before a commit.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    pub(crate) digest: Digest,
    /// `None` if it was before our time.
    pub(crate) checkpoint: Option<Arc<Checkpoint>>,
}

impl Builder {
    /// Runs until `shutdown` fires or the order ends. The open block is not lost with the process:
    /// what it was made of is durable, and a restart executes it again.
    ///
    /// # Errors
    /// [`Ended`] if the state cannot be read, the engine fails, or nobody commits blocks any more.
    pub(crate) fn run(&mut self) -> Result<(), Ended> {
        let mut work = self.begin();
        if self.rules.empty_blocks {
            self.wanted.send_replace(Some(Timestamp::ZERO));
        }
        while !self.shutdown.is_cancelled() {
            self.adopt_all(&mut work)?;
            self.advance(&mut work)?;
            let is_idle = work.open.as_ref().is_none_or(OpenBlock::is_resolved);
            if self.take_waiting(&mut work)? {
                continue;
            } else if is_idle && work.waiting.is_some() {
                self.metrics.missing_batches.set(1);
                thread::sleep(MISSING_NAP);
            } else if is_idle {
                self.tell_caught_up(&work);
                if !self.wait(&mut work)? {
                    return Ok(());
                }
            } else if !self.look_ahead(&mut work) && !self.collect(&mut work)? {
                thread::sleep(NAP);
            }
        }
        Ok(())
    }

    fn begin(&self) -> Work {
        let before = Before { digest: self.checkpoint, checkpoint: None };
        let next = self.from.commit;
        Work { next, checkpoints: BTreeMap::from([(next, before)]), ..Work::default() }
    }

    /// Waits for the order, or for blocks of others; `false` once there is no order any more.
    fn wait(&mut self, work: &mut Work) -> Result<bool, Ended> {
        let (ordered, adopted) = (&mut self.ordered, &mut self.adopted);
        let adopt = futures::executor::block_on(async {
            tokio::select! {
                biased; // Blocks of others come when the order does not help us.
                Some(adopt) = adopted.recv() => Some(adopt),
                next = ordered.recv() => {
                    work.waiting = next;
                    None
                }
            }
        });
        match adopt {
            Some(adopt) => self.adopt(work, adopt).map(|()| true),
            None => Ok(work.waiting.is_some()),
        }
    }

    /// Everything taken so far is executed.
    fn tell_caught_up(&mut self, work: &Work) {
        let is_there =
            |waiting: &mut CaughtUp| waiting.behind.is_none_or(|behind| behind < work.next);
        if let Some(waiting) = self.caught_up.take_if(is_there) {
            // The one who waited may have given up.
            let _ = waiting.told.send(());
        }
    }

    /// Looks for the next commit while results are out.
    fn look_ahead(&mut self, work: &mut Work) -> bool {
        if work.waiting.is_none() && work.line.len() <= LINE_MAX {
            work.waiting = self.ordered.try_recv().ok();
            return work.waiting.is_some();
        }
        false
    }

    /// Takes the commit that waits, if its turn has come and its batches are here.
    fn take_waiting(&mut self, work: &mut Work) -> Result<bool, Ended> {
        let Some(ordered) = work.waiting.take() else {
            return Ok(false);
        };
        let commit = &ordered.commit;
        if commit.index < work.next {
            // A block of others holds it.
            self.metrics.missing_batches.set(0);
            return Ok(true);
        }
        let payload = if commit.index == work.next {
            self.payloads.of(commit).map_err(|error| failed(&error))?
        } else {
            None
        };
        let Some(payload) = payload else {
            work.waiting = Some(ordered);
            return Ok(false);
        };
        self.metrics.missing_batches.set(0);
        {
            let now = self.pool.now();
            let mut pool = self.pool.lock();
            for transaction in payload.iter().flatten() {
                pool.ordered(transaction, now);
            }
        }
        work.line.push(commit, payload, self.from);
        work.next = commit.index.next();
        let digest = ordered.checkpoint.digest();
        let checkpoint = Some(ordered.checkpoint);
        work.checkpoints.insert(work.next, Before { digest, checkpoint });
        Ok(true)
    }

    /// Walks along the line as far as results allow.
    fn advance(&mut self, work: &mut Work) -> Result<(), Ended> {
        loop {
            let Some(step) = work.line.front() else {
                return Ok(());
            };
            let open = work.open.as_ref().map(OpenBlock::summary);
            let (at, before, behind) = (step.at, step.before, step.behind);
            match self.rules.decide(open, step.item(), at) {
                Decision::Wait => return Ok(()),
                Decision::EndBefore => self.end(work, before, at)?,
                Decision::Drop => self.drop_open(work),
                Decision::Open => self.open(work, at)?,
                Decision::Submit => self.submit(work),
                Decision::EndBehind => {
                    work.line.pop();
                    self.end(work, behind, at)?;
                }
                Decision::Pass => {
                    work.line.pop();
                }
            }
        }
    }

    fn open(&mut self, work: &mut Work, began: Timestamp) -> Result<(), Ended> {
        let info = next_info(&self.chain, &self.parent, began);
        let (state, old_hash) = self.base(info.block_number).map_err(|error| failed(&error))?;
        let engine =
            self.executor.open(state, info.clone(), old_hash).map_err(|fault| failed(&fault))?;
        self.board.open(UnsealedBlock::empty(info.clone()));
        self.wanted.send_replace(self.rules.ends_at(began));
        work.open = Some(OpenBlock::new(info, began, engine));
        Ok(())
    }

    /// The state that the block starts from, and the hash that it needs of an older one.
    fn base(&self, number: BlockNumber) -> Result<(State, Option<BlockHash>), Fault> {
        let view = self.board.view(&self.clock);
        // The queue to the committer is shorter than the lag, so that block is durable.
        let old_hash = view.old_hash(number)?;
        let parent = self.parent.number;
        let state = view.state_at(parent)?.expect("the builder put up every block it executed");
        Ok((state, old_hash))
    }

    fn submit(&mut self, work: &mut Work) {
        if let (Some(open), Some(step)) = (&mut work.open, work.line.pop()) {
            open.submit(step);
        }
    }

    /// Takes results in and puts them up. Ends the block with the transaction that fills it.
    fn collect(&mut self, work: &mut Work) -> Result<bool, Ended> {
        let Some(open) = &mut work.open else {
            return Ok(false);
        };
        let collected = open.collect().map_err(|fault| failed(&fault))?;
        if collected.has_included {
            self.board.open(open.unsealed());
        }
        if !collected.steps.is_empty() {
            self.report(&collected.steps);
        }
        if self.rules.transactions_max <= open.summary().included {
            let (behind, at) = open.last_place();
            self.end(work, behind, at)?;
            return Ok(true);
        }
        if collected.is_full {
            let left = open.give_back();
            return self.overflow(work, left).map(|()| true);
        }
        Ok(!collected.steps.is_empty())
    }

    /// Tells the pool what became of transactions.
    fn report(&mut self, steps: &[(Step, progress::Result)]) {
        {
            let now = self.pool.now();
            let mut pool = self.pool.lock();
            for (step, result) in steps {
                let Some(transaction) = &step.transaction else {
                    continue;
                };
                self.metrics.executed(if result.is_ok() { "included" } else { "left out" });
                match result {
                    Ok(()) => pool.included(transaction, now),
                    Err(rejection) if self.is_in_block(transaction) => {
                        tracing::debug!(hash = %transaction.hash(), %rejection, "ordered twice");
                        pool.forget(transaction, now);
                    }
                    Err(rejection) => pool.left_out(transaction, rejection.clone(), now),
                }
            }
        }
        self.arrived.notify_one();
    }

    /// A transaction may be ordered twice; the second time its nonce is used up.
    fn is_in_block(&self, transaction: &kraken_execution::Prepared) -> bool {
        let view = self.board.view(&self.clock);
        // The answer only words a status; a disk that fails here fails the next read as well.
        view.find_transaction(transaction.hash()).is_ok_and(|found| found.is_some())
    }

    /// The gas of the block is used up: it ends before the first transaction that did not fit, which
    /// opens the next one. One that fits no block at all is left out.
    fn overflow(&mut self, work: &mut Work, mut left: VecDeque<Step>) -> Result<(), Ended> {
        let Some(first) = left.front() else {
            return Ok(());
        };
        let (before, at) = (first.before, first.at);
        let is_empty = work.open.as_ref().is_none_or(|open| open.summary().included == 0);
        if is_empty {
            if let Some(step) = left.pop_front() {
                self.report(&[(step, Err(progress::too_large_for_any_block()))]);
            }
            work.line.give_back(left);
            self.drop_open(work);
            return Ok(());
        }
        work.line.give_back(left);
        self.end(work, before, at)
    }

    fn drop_open(&mut self, work: &mut Work) {
        work.open = None;
        self.wanted.send_replace(None);
        let next = next_info(&self.chain, &self.parent, Timestamp::ZERO);
        self.board.open(UnsealedBlock::empty(next));
    }

    /// Ends the open block at a place of the order and hands it to the committer.
    fn end(&mut self, work: &mut Work, place: Cursor, at: Timestamp) -> Result<(), Ended> {
        let Some(open) = work.open.take() else {
            return Ok(());
        };
        let before = self.before(work, place);
        let executed = open.close(place, before).map_err(|fault| failed(&fault))?;
        self.hand_over(executed)?;
        if self.rules.empty_blocks {
            // The next item opens the next block, now and after a restart, which knows no other
            // time. One is asked for at once; the builder has never wanted one at this very time.
            self.wanted.send_replace(Some(at + Duration::from_millis(1)));
        }
        Ok(())
    }

    /// The state of the order before the commit of a place that was reached; what was before it is
    /// needed no more.
    fn before(&self, work: &mut Work, place: Cursor) -> Before {
        work.checkpoints = work.checkpoints.split_off(&place.commit);
        let before = work.checkpoints.get(&place.commit).cloned();
        before
            .expect("what is left by each commit in the line is kept until a block ends behind it")
    }

    /// Puts up an executed block and hands it to the committer.
    fn hand_over(&mut self, executed: Executed) -> Result<(), Ended> {
        self.parent = Parent::of_info(&self.chain, &executed.info, executed.l2_gas_used);
        self.wanted.send_replace(None);
        let next = next_info(&self.chain, &self.parent, Timestamp::ZERO);
        self.metrics.executed_block.set(gauge(self.parent.number.0));
        self.pool.lock().set_price(l2_gas_price(&next));
        self.arrived.notify_one();
        self.board.executed(executed.unsealed(), next);
        let sent = self.executed.blocking_send(executed);
        sent.map_err(|_| Ended::gone("builder", "committer"))
    }
}

fn failed(error: &dyn std::error::Error) -> Ended {
    Ended::failed("builder", error)
}
