//! From blockifier's call traces to the specification's nested errors.

use blockifier::{
    execution::stack_trace::{
        Cairo1RevertFrame, Cairo1RevertSummary, ErrorStack, ErrorStackSegment,
        gen_tx_execution_error_trace,
    },
    transaction::{errors::TransactionExecutionError, objects},
};
use starknet_api::{
    core::{ClassHash, ContractAddress, EntryPointSelector},
    execution_utils::format_panic_data,
};

use crate::RevertError;

/// A call on the way to the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    contract_address: ContractAddress,
    class_hash: ClassHash,
    selector: EntryPointSelector,
}

/// Calls, outermost first, and what went wrong in the last one.
#[derive(Debug, Default)]
struct Trace {
    frames: Vec<Frame>,
    messages: Vec<String>,
    /// Where the VM stood; of use only when there is no message.
    positions: Vec<String>,
}

impl RevertError {
    /// Why a transaction that is in a block reverted.
    pub(crate) fn from_revert(error: &objects::RevertError) -> Self {
        match error {
            objects::RevertError::Execution(stack) => Trace::of(stack).nest(),
            objects::RevertError::PostExecution(error) => Self::Message(error.to_string()),
        }
    }

    /// Why a transaction cannot be in a block.
    pub(crate) fn from_execution(error: &TransactionExecutionError) -> Self {
        Trace::of(&gen_tx_execution_error_trace(error)).nest()
    }

    /// Why a call panicked.
    pub(crate) fn from_summary(summary: &Cairo1RevertSummary) -> Self {
        let mut trace = Trace::default();
        trace.add_summary(summary);
        trace.nest()
    }
}

impl Trace {
    fn of(stack: &ErrorStack) -> Self {
        let mut trace = Self::default();
        for segment in &stack.stack {
            match segment {
                ErrorStackSegment::EntryPoint(frame) => trace.frames.push(Frame {
                    contract_address: frame.storage_address,
                    class_hash: frame.class_hash,
                    selector: frame.selector.unwrap_or_default(),
                }),
                ErrorStackSegment::Cairo1RevertSummary(summary) => trace.add_summary(summary),
                ErrorStackSegment::Vm(frame) => trace.positions.push(String::from(frame)),
                ErrorStackSegment::StringFrame(message) => trace.messages.push(message.clone()),
            }
        }
        trace
    }

    fn add_summary(&mut self, summary: &Cairo1RevertSummary) {
        let frames: Vec<_> = summary.stack.iter().map(Frame::from).collect();
        // A summary begins with the call that the frame above it may already have named.
        let repeated = usize::from(self.frames.last() == frames.first());
        self.frames.extend(frames.into_iter().skip(repeated));
        self.messages.push(format_panic_data(&summary.last_retdata.0));
    }

    fn nest(self) -> RevertError {
        let texts = if self.messages.is_empty() { self.positions } else { self.messages };
        let texts: Vec<_> = texts.iter().map(|text| text.trim()).collect();
        let message = RevertError::Message(texts.join("\n"));
        self.frames.into_iter().rev().fold(message, |error, frame| RevertError::Frame {
            contract_address: frame.contract_address,
            class_hash: frame.class_hash,
            selector: frame.selector,
            error: Box::new(error),
        })
    }
}

impl From<&Cairo1RevertFrame> for Frame {
    fn from(frame: &Cairo1RevertFrame) -> Self {
        Self {
            contract_address: frame.contract_address,
            class_hash: frame.class_hash.unwrap_or_default(),
            selector: frame.selector,
        }
    }
}
