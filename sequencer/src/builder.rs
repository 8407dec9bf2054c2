//! The thread that builds blocks: executes the order, one block after the other.
//!
//! [`rules`] says where blocks begin and end, [`mod@derive`] what they know before they are executed;
//! both are functions of the order. This file carries out: it keeps the execution engine busy, puts
//! up what is executed as soon as it is, and hands finished blocks to the committer.

mod derive;
mod line;
mod payload;
mod progress;
pub(crate) mod rules;

use std::{collections::VecDeque, sync::Arc, thread, time::Duration};

use kraken_execution::{Chain, Executor, Fault, State};
use kraken_storage::Storage;
use kraken_types::{Commit, CommitIndex, Cursor, Timestamp};
use starknet_api::block::{BlockHash, BlockNumber};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    derive::{Parent, next_info},
    payload::Payloads,
};
use self::{
    line::{Line, Step},
    progress::OpenBlock,
    rules::{Decision, Rules},
};
use crate::{
    UnsealedBlock, board::Board, clock::Clock, committer::Executed, pool::SharedPool,
    supervisor::Ended,
};

/// How many steps of the order may wait here before no further commit is taken.
const LINE_MAX: usize = 4_096;

/// How long the builder sleeps when it can only wait for results.
const NAP: Duration = Duration::from_micros(300);

/// A block needs the hash of the one ten before it (Starknet's block hash contract, 0x1).
const HASH_LAG: u64 = 10;

/// The thread that builds blocks.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) chain: Chain,
    pub(crate) rules: Rules,
    pub(crate) executor: Executor,
    pub(crate) storage: Storage,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pool: SharedPool,
    /// Told when an outcome may have made another transaction ready.
    pub(crate) arrived: Arc<tokio::sync::Notify>,
    pub(crate) payloads: Payloads,
    /// The order.
    pub(crate) commits: mpsc::Receiver<Commit>,
    /// To the committer.
    pub(crate) executed: mpsc::Sender<Executed>,
    /// When the open block wants a commit, so that it can end.
    pub(crate) wanted: watch::Sender<Option<Timestamp>>,
    /// The newest executed block.
    pub(crate) parent: Parent,
    /// The first place of the order that is in no block.
    pub(crate) from: Cursor,
    /// Told once everything that an earlier run ordered is executed again.
    pub(crate) caught_up: Option<CaughtUp>,
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
    /// The newest commit in the line or behind it.
    taken: Option<CommitIndex>,
}

impl Builder {
    /// Runs until `shutdown` fires or the order ends. The open block is not lost with the process:
    /// what it was made of is durable, and a restart executes it again.
    ///
    /// # Errors
    /// [`Ended`] if the state cannot be read, the engine fails, or nobody commits blocks any more.
    pub(crate) fn run(&mut self) -> Result<(), Ended> {
        let mut work = Work::default();
        if self.rules.empty_blocks {
            self.wanted.send_replace(Some(Timestamp::ZERO));
        }
        while !self.shutdown.is_cancelled() {
            self.advance(&mut work)?;
            let is_idle = work.open.as_ref().is_none_or(OpenBlock::is_resolved);
            if is_idle {
                self.tell_caught_up(&work);
                match self.commits.blocking_recv() {
                    Some(commit) => self.take(&commit, &mut work)?,
                    None => return Ok(()),
                }
            } else if let Some(commit) = self.next_commit(&work) {
                self.take(&commit, &mut work)?;
            } else if !self.collect(&mut work)? {
                thread::sleep(NAP);
            }
        }
        Ok(())
    }

    /// Everything taken so far is executed.
    fn tell_caught_up(&mut self, work: &Work) {
        let is_there = |waiting: &mut CaughtUp| waiting.behind <= work.taken;
        if let Some(waiting) = self.caught_up.take_if(is_there) {
            // The one who waited may have given up.
            let _ = waiting.told.send(());
        }
    }

    /// A commit to look ahead to while results are out.
    fn next_commit(&mut self, work: &Work) -> Option<Commit> {
        if LINE_MAX < work.line.len() {
            return None;
        }
        self.commits.try_recv().ok()
    }

    fn take(&mut self, commit: &Commit, work: &mut Work) -> Result<(), Ended> {
        let payload = self.payloads.of(commit).map_err(|error| failed(&error))?;
        {
            let mut pool = self.pool.lock();
            for transaction in payload.iter().flatten() {
                pool.ordered(transaction.hash());
            }
        }
        work.line.push(commit, payload, self.from);
        work.taken = Some(commit.index);
        Ok(())
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
        let info = next_info(&self.chain, self.parent, began);
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
        let old_hash = match number.0.checked_sub(HASH_LAG) {
            None => None,
            // The queue to the committer is shorter than the lag, so the block is durable.
            Some(old) => self.storage.block(BlockNumber(old))?.map(|block| block.header.hash),
        };
        let view = self.board.view(&self.clock);
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
        if !collected.steps.is_empty() {
            self.report(&collected.steps);
            if collected.has_included {
                self.board.open(open.unsealed());
            }
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
            let now = self.clock.now();
            let mut pool = self.pool.lock();
            for (step, result) in steps {
                let Some(transaction) = &step.transaction else {
                    continue;
                };
                match result {
                    Ok(()) => pool.included(transaction),
                    Err(rejection) if self.is_in_block(transaction) => {
                        tracing::debug!(hash = %transaction.hash(), %rejection, "ordered twice");
                        pool.forget(transaction);
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
        self.board.open(UnsealedBlock::empty(next_info(&self.chain, self.parent, Timestamp::ZERO)));
    }

    /// Ends the open block at a place of the order and hands it to the committer.
    fn end(&mut self, work: &mut Work, place: Cursor, at: Timestamp) -> Result<(), Ended> {
        let Some(open) = work.open.take() else {
            return Ok(());
        };
        let executed = open.close(place).map_err(|fault| failed(&fault))?;
        self.parent = Parent::of_info(&executed.info, executed.l2_gas_used);
        self.wanted.send_replace(None);
        let next = next_info(&self.chain, self.parent, Timestamp::ZERO);
        self.board.executed(executed.unsealed(), next);
        let sent = self.executed.blocking_send(executed);
        sent.map_err(|_| Ended::gone("builder", "committer"))?;
        if self.rules.empty_blocks {
            self.open(work, at)?;
        }
        Ok(())
    }
}

fn failed(error: &dyn std::error::Error) -> Ended {
    Ended::failed("builder", error)
}
