use bytes::Bytes;
use kraken_consensus::{leader, linearizer};
use kraken_types::testing;

use super::{elsewhere::Readable, *};

const OWN: ValidatorId = ValidatorId(0);

fn at(offset: u64) -> Location {
    Location { segment: 0, offset }
}

fn proposed(round: u64) -> Entry {
    Entry::Primary(primary::Record::Proposed(testing::header(0, round)))
}

fn pruned(horizon: u64, forgotten: u64) -> Entry {
    let (horizon, forgotten) = (Round(horizon), Round(forgotten));
    Entry::Primary(primary::Record::Pruned { horizon, forgotten })
}

/// A commit that takes the places of its batches.
fn committed(index: u64, batches: &[u64]) -> Entry {
    let mut order = linearizer::State::default();
    let taken = order.taken.entry((OWN, testing::batch(0).worker)).or_default();
    for place in 0..=batches.last().copied().unwrap_or_default() {
        taken.insert(place);
    }
    let batches: Vec<_> = batches.iter().map(|batch| testing::batch(*batch)).collect();
    let commit = testing::commit(index, &batches);
    let schedule = leader::State::default();
    Entry::Protocol(consensus::Record::Committed { commit, order, schedule })
}

fn index(entries: impl IntoIterator<Item = (Entry, u64)>, batches: u64) -> Index {
    let mut index = Index::new(OWN);
    for sequence in 0..batches {
        let held = Held { author: OWN, batch: testing::batch(sequence), bytes: 1 };
        index.note_batch(&held, at(sequence));
    }
    for (entry, offset) in entries {
        index.note_entry(entry, at(offset));
    }
    index
}

#[test]
fn what_is_about_a_round_stays_until_the_round_is_pruned() {
    let mut index = index([(proposed(1), 10), (proposed(2), 20), (proposed(3), 30)], 0);
    assert_eq!(index.oldest_entry(), Some(at(10)));
    index.forget(Round(2));
    assert_eq!(index.oldest_entry(), Some(at(30)));
}

#[test]
fn a_record_of_the_horizon_prunes_and_stays_until_there_is_a_newer_one() {
    let mut index = index([(proposed(1), 10), (pruned(2, 1), 20), (proposed(3), 30)], 0);
    assert_eq!(index.oldest_entry(), Some(at(20)));
    index.note_entry(pruned(3, 2), at(40));
    assert_eq!(index.oldest_entry(), Some(at(30)));
    // Another kind.
    index.note_entry(Entry::Primary(primary::Record::Silent(Round(9))), at(50));
    index.forget(Round(9));
    assert_eq!(index.oldest_entry(), Some(at(40)));
}

#[test]
fn a_commit_stays_until_it_is_in_a_durable_block_and_the_newest_one_for_good() {
    let commits = [(committed(0, &[]), 10), (committed(1, &[]), 20), (committed(2, &[]), 30)];
    let mut index = index(commits, 0);
    assert_eq!(index.oldest_entry(), Some(at(10)));
    index.release(CommitIndex(2));
    assert_eq!(index.oldest_entry(), Some(at(30)));
    index.release(CommitIndex(3));
    assert_eq!(index.oldest_entry(), Some(at(30)));
}

#[test]
fn batches_go_with_their_blocks_but_the_newest_own_one_stays() {
    let mut index = index([(committed(0, &[0, 1]), 10), (committed(1, &[2]), 20)], 3);
    let batch = |sequence| (OWN, testing::batch(sequence));
    let ordered = vec![batch(0), batch(1), batch(2)];
    assert_eq!(index.take_news(testing::batch(0).worker), News { ordered, released: Vec::new() });

    index.release(CommitIndex(1));
    let released = vec![testing::batch(0).digest, testing::batch(1).digest];
    assert_eq!(index.take_news(testing::batch(0).worker), News { ordered: Vec::new(), released });
    assert_eq!(index.oldest_batch(), Some(at(2)));
    assert_eq!(index.batch_location(&testing::batch(1).digest), None);

    index.release(CommitIndex(2));
    assert_eq!(index.batch_location(&testing::batch(2).digest), None);
    assert_eq!(index.oldest_batch(), Some(at(2)), "its worker goes on counting behind it");
}

/// What `batch` of another worker of ours is.
fn at_other_worker(batch: u64) -> BatchRef {
    BatchRef { worker: WorkerId(1), ..testing::batch(batch) }
}

#[test]
fn each_worker_hears_of_its_own_batches_and_goes_on_behind_its_own() {
    let mut index = index([], 2);
    let held = Held { author: OWN, batch: at_other_worker(7), bytes: 1 };
    index.note_batch(&held, at(9));
    let batches = [testing::batch(0), testing::batch(1), at_other_worker(7)];
    let commit = testing::commit(0, &batches);
    let order = linearizer::State::default();
    let record = consensus::Record::Committed { commit, order, schedule: leader::State::default() };
    index.note_entry(Entry::Protocol(record), at(20));
    index.release(CommitIndex(1));
    let other = News {
        ordered: vec![(OWN, at_other_worker(7))],
        released: vec![at_other_worker(7).digest],
    };
    assert_eq!(index.take_news(WorkerId(1)), other);
    let first = index.take_news(testing::batch(0).worker);
    assert_eq!((first.ordered.len(), first.released.len()), (2, 2));
    assert_eq!(index.oldest_batch(), Some(at(1)), "the newest of each stays");
}

#[test]
fn batches_of_forgotten_commits_are_let_go_of() {
    // Batches 0 and 1 were ordered by commits that are no longer in the log, 3 by none.
    let mut index = index([(committed(7, &[2]), 10)], 4);
    index.release_ordered();
    let released = [0, 1].map(|sequence| testing::batch(sequence).digest);
    let released: BTreeSet<_> = released.into_iter().collect();
    assert_eq!(
        index.take_news(testing::batch(0).worker).released.into_iter().collect::<BTreeSet<_>>(),
        released
    );
    assert_eq!(index.oldest_batch(), Some(at(2)));
}

/// A batch of another worker of ours, which a commit of [`committed`] never takes.
fn elsewhere(batch: u64) -> (ValidatorId, BatchRef) {
    (OWN, BatchRef { worker: WorkerId(1), ..testing::batch(batch) })
}

/// A commit of a batch elsewhere.
fn committed_elsewhere(index: u64, batch: u64) -> Entry {
    let mut order = linearizer::State::default();
    order.taken.entry((OWN, WorkerId(1))).or_default().insert(batch);
    let commit = testing::commit(index, &[elsewhere(batch).1]);
    let schedule = leader::State::default();
    Entry::Protocol(consensus::Record::Committed { commit, order, schedule })
}

#[test]
fn a_worker_elsewhere_learns_how_far_its_batches_have_come() {
    let mut index = index([], 0);
    assert_eq!(index.note_elsewhere(&[elsewhere(5)]), [Standing::Pending]);
    index.note_entry(committed_elsewhere(0, 5), at(10));
    assert_eq!(
        index.note_elsewhere(&[elsewhere(5), elsewhere(6)]),
        [Standing::Ordered, Standing::Pending]
    );
    index.release(CommitIndex(1));
    let news = index.take_news(WorkerId(1));
    assert_eq!((news.ordered.len(), news.released), (1, vec![elsewhere(5).1.digest]));
    assert_eq!(index.note_elsewhere(&[elsewhere(5)]), [Standing::Released]);
    assert_eq!(index.readable(&elsewhere(5).1.digest), Readable::NotYet, "nobody needs it");

    assert_eq!(index.keep_elsewhere(WorkerId(0), &BTreeSet::new()), [], "another worker");
    assert_eq!(index.keep_elsewhere(WorkerId(1), &BTreeSet::new()), [elsewhere(6)]);
    assert_eq!((index.held(), index.oldest_batch()), (vec![], None), "none of it is here");
}

#[test]
fn what_is_elsewhere_is_asked_for_until_it_is_there_and_can_be_read_once() {
    let mut index = index([], 1);
    let here = testing::batch(0).digest;
    let digest = elsewhere(5).1.digest;
    assert_eq!((index.readable(&here), index.readable(&digest)), (Readable::Now, Readable::NotYet));
    index.note_elsewhere(&[elsewhere(5)]);
    assert_eq!(index.readable(&digest), Readable::Soon);
    assert_eq!(index.readable(&digest), Readable::NotYet, "it was asked for");
    assert_eq!(index.take_asked(WorkerId(0)), []);
    assert_eq!(index.take_asked(WorkerId(1)), [digest]);
    assert_eq!(index.take_asked(WorkerId(1)), [], "it is under way");

    index.fetched(digest, None);
    assert_eq!(index.readable(&digest), Readable::Soon, "again");
    index.fetched(digest, Some(Bytes::from_static(b"batch")));
    assert_eq!(index.readable(&digest), Readable::Now);
    assert_eq!(index.take_fetched(&digest), Some(Bytes::from_static(b"batch")));
    assert_eq!(index.take_fetched(&digest), None);
    assert_eq!(index.readable(&digest), Readable::Soon);
    index.keep_elsewhere(WorkerId(1), &BTreeSet::new());
    index.fetched(digest, Some(Bytes::from_static(b"late")));
    assert_eq!(index.take_fetched(&digest), None, "nobody wants it any more");
}

#[test]
fn a_worker_that_is_told_lets_go() {
    let mut index = index([], 3);
    let worker = testing::batch(0).worker;
    let released = [0, 2].map(|sequence| testing::batch(sequence).digest);
    index.learn(worker, vec![(OWN, testing::batch(1))], &released);
    let news = index.take_news(worker);
    assert_eq!((news.ordered, news.released), (vec![(OWN, testing::batch(1))], released.to_vec()));
    assert_eq!(index.oldest_batch(), Some(at(1)));
    assert_eq!(index.held().len(), 1);
}
