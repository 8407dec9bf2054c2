//! Cairo over a snapshot of the state.
//!
//! The door to blockifier: nothing of it leaves this room.

mod block;
mod cache;
mod call;
mod chain;
mod class;
mod compiler;
mod convert;
mod error;
mod estimate;
mod fees;
pub mod genesis;
mod message;
mod simulate;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trace;
mod transaction;
mod validate;

pub use block::{ClosedBlock, EngineKind, Executor, Included, OpenBlock, Outcome};
pub use call::{Call, CallError, call};
pub use chain::{BLOCK_HASH_LAG, Chain, ChainError};
pub use class::{CompileError, class_hash, compile, read_artefact};
pub use compiler::{
    Compiler, Compilers, Sandbox, Uncompiled, Unfinished, answer as answer_compilation,
};
pub use error::{Fault, Rejection, RejectionKind, RevertError};
pub use estimate::{EstimateError, FeeEstimate, estimate};
pub use message::{L1Message, estimate_message};
pub use simulate::{Simulated, Simulation, simulate};
pub use state::{Changes, State};
pub use trace::{
    CallType, InitialReads, Invocation, Kind, MainCall, Replay, Replayed, Trace, replay,
};
pub use transaction::{PrepareError, Prepared, QueryTransaction, Skip, Token, mint};
pub use validate::validate;
