//! Between a primary and a worker of its that is a process of its own.
//!
//! They have a swarm, and on it one lane each way ([`message`]); the primary asks for the bytes of
//! batches by requests. Frames may be lost with a connection. So a connection begins a *session*, and
//! so does whatever else may have lost something: the primary says [`Begin`], the worker says which
//! batches it holds, the primary says which of these are ordered or executed, and the worker begins
//! again as after a restart (rules W7 and W9): whatever is left is reported again. Transactions that
//! are in no durable batch are handed over again; execution does nothing twice.
//!
//! [`Begin`]: message::ToWorker::Begin

mod message;
mod primary;
mod worker;

pub(crate) use self::{
    message::{FRAME_BYTES_MAX, QUESTION_BYTES_MAX, QUEUE_BYTES_MAX},
    primary::{Linking, Session},
    worker::{FromPrimary, Given, Linked},
};
