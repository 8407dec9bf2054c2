//! What validators saw, and what follows from it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kraken_sequencer::OrderObserver;
use kraken_types::{BatchDigest, Commit};
use serde::{Deserialize, Serialize};

use super::Micros;
use crate::command::bench::sample::Sample;

/// What one validator saw.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// Its own batches, by digest.
    own: BTreeMap<String, Own>,
    /// When it ordered each batch.
    ordered: BTreeMap<String, Micros>,
}

/// A batch, at its author.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Own {
    /// When each of its transactions was meant to be sent.
    meant: Vec<Micros>,
    /// When it was full or old enough.
    sealed: Micros,
    /// When a quorum held it.
    available: Option<Micros>,
}

/// Notes what becomes of the transactions of one validator.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Of transactions that are in no batch, when each was meant to be sent.
    waiting: VecDeque<Micros>,
    own: BTreeMap<BatchDigest, Own>,
    ordered: BTreeMap<BatchDigest, Micros>,
    /// Own batches that are not ordered.
    under_way: BTreeSet<BatchDigest>,
}

impl Notes {
    /// Transactions arrived, which were meant to be sent then.
    pub(super) fn arrived(&self, meant: impl Iterator<Item = Micros>) {
        self.noted().waiting.extend(meant);
    }

    /// Whether everything that arrived is ordered.
    pub(super) fn is_done(&self) -> bool {
        let noted = self.noted();
        noted.waiting.is_empty() && noted.under_way.is_empty()
    }

    /// Everything up to now.
    pub(super) fn report(&self) -> Report {
        let noted = self.noted();
        let name = |batch: &BatchDigest| batch.0.to_string();
        Report {
            own: noted.own.iter().map(|(batch, own)| (name(batch), own.clone())).collect(),
            ordered: noted.ordered.iter().map(|(batch, at)| (name(batch), *at)).collect(),
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OrderObserver for Notes {
    fn sealed(&self, batch: BatchDigest, transactions: usize) {
        let sealed = Micros::now();
        let mut noted = self.noted();
        let meant = noted.waiting.drain(..transactions).collect();
        noted.own.insert(batch, Own { meant, sealed, available: None });
        noted.under_way.insert(batch);
    }

    fn available(&self, batch: BatchDigest) {
        let now = Micros::now();
        if let Some(own) = self.noted().own.get_mut(&batch) {
            own.available = Some(now);
        }
    }

    fn committed(&self, commit: &Commit) {
        let now = Micros::now();
        let mut noted = self.noted();
        for (_, batch) in &commit.batches {
            noted.ordered.insert(batch.digest, now);
            noted.under_way.remove(&batch.digest);
        }
    }
}

/// What a committee did in the time that counts.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many transactions were ordered at their own validator within that time, whenever they were
    /// meant to be sent.
    pub(super) ordered: usize,
    /// Of the transactions meant to be sent within that time: until their own validator ordered them.
    pub(super) own: Sample,
    /// Until a quorum ordered them.
    pub(super) quorum: Sample,
    /// The same, on average, until each stage was over: its batch was sealed …
    pub(super) sealed: Duration,
    /// … and a quorum held it.
    pub(super) available: Duration,
    /// How many transactions are in a batch, on average.
    pub(super) per_batch: usize,
}

impl Outcome {
    /// Puts together what all validators saw; `quorum` of them decide.
    pub(super) fn new(reports: &[Report], quorum: usize, window: Range<Micros>) -> Self {
        let (mut own, mut decided) = (Vec::new(), Vec::new());
        let (mut sealed, mut available) = (Vec::new(), Vec::new());
        let (mut ordered, mut batches, mut batched) = (0, 0, 0);
        for report in reports {
            for (digest, batch) in &report.own {
                let at = report.ordered.get(digest).copied();
                if at.is_some_and(|at| window.contains(&at)) {
                    ordered += batch.meant.len();
                }
                let meant: Vec<_> = batch.meant.iter().filter(|at| window.contains(at)).collect();
                batches += usize::from(!meant.is_empty());
                batched += meant.len();
                let since = |at: Option<Micros>| {
                    meant.iter().filter_map(move |meant| Some(at?.since(**meant)))
                };
                own.extend(since(at));
                decided.extend(since(nth_of(reports, digest, quorum)));
                sealed.extend(since(Some(batch.sealed)));
                available.extend(since(batch.available));
            }
        }
        let mean = |durations: Vec<_>| Sample::from_iter(durations).mean();
        Self {
            ordered,
            own: own.into_iter().collect(),
            quorum: decided.into_iter().collect(),
            sealed: mean(sealed),
            available: mean(available),
            per_batch: batched.checked_div(batches).unwrap_or_default(),
        }
    }
}

/// When so many validators had ordered a batch.
fn nth_of(reports: &[Report], digest: &str, count: usize) -> Option<Micros> {
    let mut times: Vec<_> = reports.iter().filter_map(|it| it.ordered.get(digest)).collect();
    times.sort_unstable();
    times.get(count.checked_sub(1)?).copied().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_when_a_transaction_was_meant_to_be_sent() {
        let batch = |sealed, meant: [u64; 2]| Own {
            meant: meant.map(Micros).into(),
            sealed: Micros(sealed),
            available: Some(Micros(sealed + 10)),
        };
        let ordered = |at: [u64; 2]| {
            let names = ["a", "b"].map(str::to_owned);
            names.into_iter().zip(at.map(Micros)).collect()
        };
        let own = BTreeMap::from([
            ("a".to_owned(), batch(120, [100, 110])),
            // One before and one behind the time that counts.
            ("b".to_owned(), batch(220, [99, 200])),
        ]);
        let reports = [
            Report { own, ordered: ordered([150, 250]) },
            Report { own: BTreeMap::new(), ordered: ordered([180, 260]) },
            Report { own: BTreeMap::new(), ordered: ordered([160, 270]) },
        ];
        let outcome = Outcome::new(&reports, 2, Micros(100)..Micros(200));
        let micros = Duration::from_micros;
        assert_eq!(outcome.ordered, 2, "the second batch came too late");
        assert_eq!((outcome.own.len(), outcome.per_batch), (2, 2));
        assert_eq!(
            (outcome.own.percentile(50), outcome.own.percentile(99)),
            (micros(40), micros(50))
        );
        assert_eq!(outcome.quorum.percentile(99), micros(60));
        assert_eq!((outcome.sealed, outcome.available), (micros(15), micros(25)));
    }
}
