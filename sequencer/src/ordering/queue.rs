//! Effects on their way out, first in, first out: nothing passes a record that is not durable.

use std::{collections::VecDeque, future};

use kraken_ordering::{Effect, Entry};
use kraken_storage::Error;

use crate::journal::{Append, Journal, durable};

/// From here on nothing more should be asked of the machine until some of it has left.
const WAITING_MAX: usize = 1_024;

/// Effects on their way out.
#[derive(Debug)]
pub(super) struct Queue {
    journal: Journal,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    /// A record on its way to the disk.
    Record { entry: Entry, append: Append },
    /// Something that leaves once it is at the front.
    Effect(Effect),
}

impl Queue {
    pub(super) fn new(journal: Journal) -> Self {
        Self { journal, waiting: VecDeque::new() }
    }

    /// Whether there is enough in it.
    pub(super) fn is_full(&self) -> bool {
        WAITING_MAX <= self.waiting.len()
    }

    /// Takes an effect in. A record goes to the disk at once, together with those before it that
    /// are not there yet.
    pub(super) fn push(&mut self, effect: Effect) {
        self.waiting.push_back(match effect {
            Effect::Persist(entry) => {
                let append = self.journal.append_entry(&entry);
                Waiting::Record { entry, append }
            }
            Effect::Send { .. }
            | Effect::Broadcast(_)
            | Effect::Fetch { .. }
            | Effect::WakeAt(_)
            | Effect::SetTimer { .. }
            | Effect::Pruned(_)
            | Effect::Commit(_) => Waiting::Effect(effect),
        });
    }

    /// The next effect that may leave, never a record; waits while there is none. Cancel-safe.
    ///
    /// # Errors
    /// If the disk refuses a record.
    pub(super) async fn next(&mut self) -> Result<Effect, Error> {
        loop {
            if let Some(Waiting::Record { append, .. }) = self.waiting.front_mut() {
                let location = durable(append).await?;
                if let Some(Waiting::Record { entry, .. }) = self.waiting.pop_front() {
                    self.journal.note_entry(entry, location);
                }
            } else if let Some(Waiting::Effect(effect)) = self.waiting.pop_front() {
                return Ok(effect);
            } else {
                future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kraken_consensus::{Record, leader, linearizer};
    use kraken_storage::{Config, Storage};
    use kraken_types::{Commit, Digest, ValidatorId, testing};

    use super::*;

    fn committed(commit: &Commit) -> Entry {
        let (order, schedule) = (linearizer::State::default(), leader::State::default());
        Entry::Protocol(Record::Committed { commit: commit.clone(), order, schedule })
    }

    #[tokio::test]
    async fn effects_leave_in_order_and_never_before_a_record_they_stand_behind() {
        let storage = Storage::open(Config { directory: None, genesis: Digest::default() });
        let storage = storage.expect("memory");
        let journal = Journal::new(&storage, ValidatorId(0));
        let mut queue = Queue::new(journal.clone());
        let commits = [0, 1].map(|index| testing::commit(index, &testing::batches(index + 1)));
        for commit in &commits {
            queue.push(Effect::Persist(committed(commit)));
            queue.push(Effect::Commit(commit.clone()));
        }
        for commit in commits {
            let batches = commit.batches.clone();
            assert_eq!(queue.next().await.expect("memory"), Effect::Commit(commit));
            assert_eq!(journal.take_news().ordered, batches, "the record is durable and noted");
        }
        assert_eq!(storage.votes().records(None).count(), 2);
        assert!(queue.next().now_or_never().is_none(), "nothing is left");
    }
}
