//! The open block, and how far it has come.

use std::{collections::VecDeque, sync::Arc};

use kraken_execution::{
    self as execution, Changes, Fault, Outcome, Rejection, RejectionKind, Trace,
};
use kraken_storage::{Class, ExecutedTransaction};
use kraken_types::{Cursor, Timestamp};
use starknet_api::{block::BlockInfo, core::ClassHash};

use super::{Before, line::Step, rules};
use crate::{UnsealedBlock, committer::Executed};

/// How many bytes of memory the traces of one block may take.
const TRACES_BYTES_MAX: usize = 16 << 20;

/// What became of a transaction.
pub(super) type Result = std::result::Result<(), Rejection>;

/// The open block.
#[derive(Debug)]
pub(super) struct OpenBlock {
    info: BlockInfo,
    began: Timestamp,
    engine: execution::OpenBlock,
    /// Submitted, without a result.
    unresolved: VecDeque<Step>,
    transactions: Vec<Arc<ExecutedTransaction>>,
    classes: Vec<(ClassHash, Arc<Class>)>,
    /// What the transactions changed, oldest first, merged so that there are few layers.
    changes: Vec<Arc<Changes>>,
    /// What happened in the transactions, as long as there is room.
    traces: Vec<Option<Trace>>,
    /// What the traces take, in bytes.
    traces_weight: usize,
    l2_gas_used: u64,
    /// The place behind the last result, and the time of its commit.
    last: (Cursor, Timestamp),
}

/// What came in since the last time.
#[derive(Debug)]
pub(super) struct Collected {
    /// Steps with their results, in order.
    pub(super) steps: Vec<(Step, Result)>,
    /// At least one of them is in the block.
    pub(super) has_included: bool,
    /// The gas of the block is used up; what is unresolved belongs to the next one.
    pub(super) is_full: bool,
}

impl OpenBlock {
    /// Starts empty.
    pub(super) fn new(info: BlockInfo, began: Timestamp, engine: execution::OpenBlock) -> Self {
        Self {
            info,
            began,
            engine,
            unresolved: VecDeque::new(),
            transactions: Vec::new(),
            classes: Vec::new(),
            changes: Vec::new(),
            traces: Vec::new(),
            traces_weight: 0,
            l2_gas_used: 0,
            last: (Cursor::default(), began),
        }
    }

    /// What the rules need to know.
    pub(super) fn summary(&self) -> rules::Open {
        let count = |length| u32::try_from(length).unwrap_or(u32::MAX);
        rules::Open {
            began: self.began,
            included: count(self.transactions.len()),
            unresolved: count(self.unresolved.len()),
        }
    }

    /// No result is out.
    pub(super) fn is_resolved(&self) -> bool {
        self.unresolved.is_empty()
    }

    /// Starts to execute a transaction.
    pub(super) fn submit(&mut self, step: Step) {
        if let Some(transaction) = &step.transaction {
            self.engine.submit(std::slice::from_ref(transaction));
            self.unresolved.push_back(step);
        }
    }

    /// Takes in the results that are there. Never waits.
    ///
    /// # Errors
    /// If the state cannot be read or the engine failed.
    pub(super) fn collect(&mut self) -> std::result::Result<Collected, Fault> {
        // Asked before the results are taken: what is missing then, will never come.
        let is_full = self.engine.is_full();
        let outcomes = self.engine.poll()?;
        let mut collected = Collected { steps: Vec::new(), has_included: false, is_full: false };
        let mut changes = Changes::default();
        for outcome in outcomes {
            let step = self.unresolved.pop_front().expect("an outcome follows a submission");
            self.last = (step.behind, step.at);
            let result = match outcome {
                Outcome::Included(included) => {
                    self.l2_gas_used += included.transaction.receipt.gas.l2_gas.0;
                    self.transactions.push(Arc::clone(&included.transaction));
                    let class = step.transaction.as_ref().and_then(|declare| declare.class());
                    self.classes.extend(class);
                    changes.merge(included.trace.changes());
                    self.keep(included.trace);
                    collected.has_included = true;
                    Ok(())
                }
                Outcome::LeftOut(rejection) => Err(rejection),
            };
            collected.steps.push((step, result));
        }
        if collected.has_included {
            self.layer(changes);
        }
        collected.is_full = is_full && !self.unresolved.is_empty();
        Ok(collected)
    }

    /// Keeps a trace if there is room; one that is not kept is found again by executing the block.
    fn keep(&mut self, trace: Trace) {
        let weight = self.traces_weight + trace.weight();
        let is_kept = weight <= TRACES_BYTES_MAX;
        if is_kept {
            self.traces_weight = weight;
        }
        self.traces.push(is_kept.then_some(trace));
    }

    /// Puts changes on top. Layers are merged while the lower one is not larger, so a block of n
    /// transactions has about log n layers and each change is copied about log n times.
    fn layer(&mut self, mut top: Changes) {
        while let Some(lower) = self.changes.pop_if(|lower| lower.len() <= top.len()) {
            let mut merged = Arc::unwrap_or_clone(lower);
            merged.merge(&top);
            top = merged;
        }
        self.changes.push(Arc::new(top));
    }

    /// What was submitted and did not fit.
    pub(super) fn give_back(&mut self) -> VecDeque<Step> {
        std::mem::take(&mut self.unresolved)
    }

    /// The place behind the last result, and the time of its commit.
    pub(super) fn last_place(&self) -> (Cursor, Timestamp) {
        self.last
    }

    /// The block as others may see it now.
    pub(super) fn unsealed(&self) -> UnsealedBlock {
        UnsealedBlock {
            info: self.info.clone(),
            transactions: self.transactions.clone(),
            changes: self.changes.clone(),
            traces: self.traces.clone(),
        }
    }

    /// Ends the block; the next one goes on at `executed_up_to`.
    ///
    /// # Errors
    /// If the engine failed.
    pub(super) fn close(
        self,
        executed_up_to: Cursor,
        before: Before,
    ) -> std::result::Result<Executed, Fault> {
        let closed = self.engine.close()?;
        let mut classes = self.classes;
        classes.sort_by_key(|(class_hash, _)| *class_hash);
        // The protocol's own writes are on top of those of the transactions.
        let mut changes = self.changes;
        changes.push(Arc::new(closed.changes));
        Ok(Executed {
            info: self.info,
            transactions: self.transactions,
            state_diff: closed.state_diff,
            classes,
            changes,
            traces: self.traces,
            l2_gas_used: self.l2_gas_used,
            executed_up_to,
            before,
            acceptance: None,
        })
    }
}

/// Nobody can execute it, whatever the block.
pub(super) fn too_large_for_any_block() -> Rejection {
    Rejection {
        kind: RejectionKind::Unexpected,
        reason: "the transaction uses more gas than a block may".to_owned(),
    }
}
