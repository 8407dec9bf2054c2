//! What waits for one lane of one connection.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{metrics::LaneMetrics, reason::Drop as Dropped};

/// What a frame costs beside its bytes, so that empty frames have a price too.
const FRAME_COST: usize = 64;

/// A queue bounded in bytes, with any number of senders and one writer. It dies with its
/// connection, and what is in it then is lost and counted.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    cost_max: usize,
    metrics: LaneMetrics,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    /// Frames queued, or taken and not yet written, and their cost.
    unwritten: usize,
    cost: usize,
}

/// The queue has no room; the frame is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

fn cost(bytes: usize) -> usize {
    bytes + FRAME_COST
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, metrics: LaneMetrics) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), cost_max: bytes_max, metrics }
    }

    /// Adds a frame.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), Full> {
        let cost = cost(frame.len());
        let mut state = self.state();
        if self.cost_max < state.cost + cost {
            drop(state);
            self.metrics.dropped(Dropped::Full, 1);
            return Err(Full);
        }
        state.cost += cost;
        state.unwritten += 1;
        state.frames.push_back(frame);
        drop(state);
        self.metrics.queue.inc_by(gauge(cost));
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for frames and takes all there are. They still count until they are [`written`].
    ///
    /// [`written`]: Self::written
    pub(crate) async fn take(&self, frames: &mut VecDeque<Bytes>) {
        loop {
            mem::swap(frames, &mut self.state().frames);
            if !frames.is_empty() {
                return;
            }
            self.filled.notified().await;
        }
    }

    /// Whether nothing waits to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().frames.is_empty()
    }

    /// Frees the room of this many frames, of this many bytes together, that were taken.
    pub(crate) fn written(&self, frames: usize, bytes: usize) {
        let freed = bytes + frames * FRAME_COST;
        let mut state = self.state();
        state.unwritten -= frames;
        state.cost -= freed;
        drop(state);
        self.metrics.queue.dec_by(gauge(freed));
        self.metrics.sent(frames, bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let state = mem::take(self.state.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.metrics.dropped(Dropped::Lost, state.unwritten);
        self.metrics.queue.dec_by(gauge(state.cost));
    }
}

/// What a gauge counts in.
fn gauge(cost: usize) -> i64 {
    i64::try_from(cost).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use kraken_types::ValidatorId;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::metrics::Metrics;

    fn metrics() -> LaneMetrics {
        let all = Metrics::register(&mut Registry::default());
        all.of_swarm("test").lane(ValidatorId(1), "lane")
    }

    #[test]
    fn a_queue_is_full_until_its_frames_are_written() {
        let metrics = metrics();
        let queue = Queue::new(2 * (100 + FRAME_COST), metrics.clone());
        let frame = Bytes::from(vec![0; 100]);
        assert_eq!(queue.push(frame.clone()), Ok(()));
        assert_eq!(queue.push(frame.clone()), Ok(()));
        assert_eq!(queue.push(frame.clone()), Err(Full));

        let mut taken = VecDeque::new();
        block_on(queue.take(&mut taken));
        assert_eq!(taken.len(), 2);
        assert_eq!(queue.push(frame.clone()), Err(Full), "taken frames still count");
        queue.written(1, 100);
        assert_eq!(queue.push(frame), Ok(()));
        assert_eq!(metrics.queue.get(), 328);

        drop(queue);
        assert_eq!(metrics.queue.get(), 0, "a dead queue holds nothing");
    }

    #[test]
    fn empty_frames_are_bounded_too() {
        let queue = Queue::new(1_000, metrics());
        let accepted = (0..1_000).filter(|_| queue.push(Bytes::new()).is_ok()).count();
        assert_eq!(accepted, 1_000 / FRAME_COST);
    }
}
