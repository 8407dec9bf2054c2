//! What is on its way out, first in, first out: nothing passes a record that is not durable.

use std::{collections::VecDeque, future};

use kraken_storage::{Error, log::Location};

use crate::journal::{Append, durable};

/// From here on nothing more should be asked of a machine until some of it has left.
const WAITING_MAX: usize = 1_024;

/// What is on its way out: records `R`, and effects `E` that may rest on them.
#[derive(Debug)]
pub(crate) struct Queue<R, E> {
    waiting: VecDeque<Waiting<R, E>>,
}

#[derive(Debug)]
enum Waiting<R, E> {
    /// On its way to the disk.
    Record { record: R, append: Append },
    /// Leaves once it is at the front.
    Effect(E),
}

/// What has left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left<R, E> {
    /// The record is durable, there.
    Durable(R, Location),
    /// Every record before this is durable.
    Effect(E),
}

impl<R, E> Queue<R, E> {
    /// Starts empty.
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Whether there is enough in it.
    pub(crate) fn is_full(&self) -> bool {
        WAITING_MAX <= self.waiting.len()
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes in a record whose append has begun.
    pub(crate) fn push_record(&mut self, record: R, append: Append) {
        self.waiting.push_back(Waiting::Record { record, append });
    }

    /// Takes in an effect.
    pub(crate) fn push(&mut self, effect: E) {
        self.waiting.push_back(Waiting::Effect(effect));
    }

    /// The next that leaves; waits while there is none. Cancel-safe.
    ///
    /// # Errors
    /// If the disk refuses a record.
    pub(crate) async fn next(&mut self) -> Result<Left<R, E>, Error> {
        let location = match self.waiting.front_mut() {
            Some(Waiting::Record { append, .. }) => Some(durable(append).await?),
            Some(Waiting::Effect(_)) => None,
            None => future::pending().await,
        };
        match (self.waiting.pop_front(), location) {
            (Some(Waiting::Record { record, .. }), Some(location)) => {
                Ok(Left::Durable(record, location))
            }
            (Some(Waiting::Effect(effect)), None) => Ok(Left::Effect(effect)),
            _ => unreachable!("what was at the front is there still"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;
    use kraken_storage::{Config, Storage};
    use kraken_types::{Digest, ValidatorId};

    use super::*;
    use crate::journal::{Journal, start_append};

    #[tokio::test]
    async fn effects_leave_in_order_and_never_before_a_record_they_stand_behind() {
        let storage = Storage::open(Config { directory: None, genesis: Digest::default() });
        let storage = storage.expect("memory");
        let journal = Journal::new(&storage, ValidatorId(0));
        let mut queue = Queue::new();
        for record in 0..2_u8 {
            let append = start_append(journal.votes(), Bytes::from(vec![record]));
            queue.push_record(record, append);
            queue.push(record);
        }
        for record in 0..2 {
            let left = queue.next().await.expect("memory");
            assert!(matches!(left, Left::Durable(durable, _) if durable == record));
            let Left::Effect(effect) = queue.next().await.expect("memory") else {
                panic!("an effect follows its record")
            };
            assert_eq!(effect, record);
        }
        assert_eq!(storage.votes().records(None).count(), 2);
        assert!(queue.is_empty() && queue.next().now_or_never().is_none(), "nothing is left");
    }
}
