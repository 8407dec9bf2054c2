//! Appends on their way to the log's thread.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

use bytes::Bytes;

use super::Location;
use crate::Error;

/// An append waits while more than this many bytes are queued.
const QUEUED_BYTES_MAX: usize = 64 << 20;

/// What an append asked to be told.
pub(super) type Durable = Box<dyn FnOnce(Result<Location, Error>) + Send>;

/// A record, and whom to tell.
pub(super) struct Append {
    pub(super) record: Bytes,
    pub(super) durable: Durable,
}

/// Appends on their way to the log's thread, in order and bounded.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something was queued, or the queue was closed.
    filled: Condvar,
    /// The thread took what was queued, or the queue was closed.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    appends: Vec<Append>,
    bytes: usize,
    closed: bool,
    taker: Option<ThreadId>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), taken: Condvar::new() }
    }

    /// Queues an append, or gives it back if nobody will take it any more.
    pub(super) fn push(&self, append: Append) -> Result<(), Append> {
        let mut state = self.lock();
        let bytes = append.record.len();
        // The taker itself must not wait for the taker.
        let may_wait = state.taker != Some(thread::current().id());
        while may_wait && !state.closed && 0 < state.bytes && QUEUED_BYTES_MAX < state.bytes + bytes
        {
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(append);
        }
        state.bytes += bytes;
        state.appends.push(append);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for appends and takes all there are; `None` once the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Append>> {
        let mut state = self.lock();
        state.taker = Some(thread::current().id());
        while state.appends.is_empty() && !state.closed {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let appends = mem::take(&mut state.appends);
        state.bytes = 0;
        drop(state);
        self.taken.notify_all();
        (!appends.is_empty()).then_some(appends)
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.taken.notify_all();
    }

    /// Closes the queue when the guard goes, and drops what is left in it: a taker that panics
    /// leaves nobody waiting.
    pub(super) fn close_on_drop(&self) -> CloseOnDrop<'_> {
        CloseOnDrop(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: each critical section leaves a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Queue::close_on_drop`].
pub(super) struct CloseOnDrop<'a>(&'a Queue);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
        let left = mem::take(&mut self.0.lock().appends);
        drop(left);
    }
}
