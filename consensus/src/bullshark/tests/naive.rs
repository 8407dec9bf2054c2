//! Bullshark and the linearizer as one would write them down: everything from scratch, each time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use kraken_types::{
    BatchRef, Certificate, ChainDigest, Commit, CommitIndex, Committee, HeaderDigest, Round,
    Timestamp, ValidatorId, Verified,
};

type Known<'a> = BTreeMap<HeaderDigest, &'a Certificate>;

/// Who was in a commit, and who was skipped before it.
type Outcome = (BTreeSet<ValidatorId>, Vec<ValidatorId>);

/// All commits that these certificates justify, for validators of equal weight.
pub(super) fn order<'a>(
    certificates: impl Iterator<Item = &'a Verified<Certificate>>,
    committee: &Committee,
    gc_depth: u64,
) -> Vec<Commit> {
    let known: Known<'_> = certificates.map(|made| (made.digest(), &**made)).collect();
    let places: BTreeMap<_, _> =
        known.values().map(|made| ((made.header().round.0, made.header().author), *made)).collect();
    let (mut commits, mut outcomes) = (Vec::<Commit>::new(), Vec::<Outcome>::new());
    let (mut ordered, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let top = places.keys().map(|(round, _)| *round).max().unwrap_or(0);
    loop {
        let table = table(&outcomes, committee);
        let leader = |round: u64| table[usize::try_from(round / 2).expect("small") % table.len()];
        let anchor = |round| places.get(&(round, leader(round))).copied();
        let last = commits.last().map_or(0, |commit| commit.round.0);
        let open = || (last + 1..=top).filter(|round| round % 2 == 0);
        let is_decided = |round: &u64| {
            let cites = |made: &&&Certificate| {
                anchor(*round)
                    .is_some_and(|anchor| made.header().parents.contains(&anchor.digest()))
            };
            let next = places.range((round + 1, ValidatorId(0))..(round + 2, ValidatorId(0)));
            (committee.len() - 1) / 3 < next.map(|(_, made)| made).filter(cites).count()
        };
        let Some(decided) = open().find(is_decided) else { return commits };
        let mut oldest = anchor(decided).expect("cited");
        for round in open().filter(|round| *round < decided).rev().collect::<Vec<_>>() {
            let reached = history(&known, oldest, |made| last < made.header().round.0);
            oldest =
                anchor(round).filter(|made| reached.contains_key(&key(made))).unwrap_or(oldest);
        }
        let limit = oldest.header().round.0.saturating_sub(gc_depth);
        let is_open =
            |made: &Certificate| limit < made.header().round.0 && !ordered.contains(&made.digest());
        let stretch = history(&known, oldest, is_open);
        ordered.extend(stretch.values().map(|made| made.digest()));
        let skipped = (last + 1..oldest.header().round.0).filter(|round| round % 2 == 0);
        let authors = stretch.keys().map(|(_, author)| *author).collect();
        outcomes.push((authors, skipped.map(leader).collect()));
        let mut batches: Vec<(ValidatorId, BatchRef)> = Vec::new();
        for header in stretch.values().map(|made| made.header()) {
            for batch in &header.batches {
                if taken.insert((header.author, batch.worker, batch.sequence)) {
                    batches.push((header.author, *batch));
                }
            }
        }
        let previous = commits.last();
        let commit = Commit {
            index: CommitIndex(commits.len() as u64),
            anchor: oldest.digest(),
            round: oldest.header().round,
            timestamp: time(&known, oldest)
                .max(previous.map_or(Timestamp::ZERO, |last| last.timestamp)),
            batches,
            close_block: false,
            chain: ChainDigest::default(),
        };
        commits.push(commit.chained(previous.map_or(ChainDigest::default(), |last| last.chain)));
    }
}

fn key(made: &Certificate) -> (Round, ValidatorId) {
    (made.header().round, made.header().author)
}

/// What is reachable over certificates for which `is_open` holds.
fn history<'a>(
    known: &Known<'a>,
    from: &'a Certificate,
    is_open: impl Fn(&Certificate) -> bool,
) -> BTreeMap<(Round, ValidatorId), &'a Certificate> {
    let (mut found, mut next) = (BTreeMap::new(), vec![from]);
    while let Some(made) = next.pop() {
        if is_open(made) && found.insert(key(made), made).is_none() {
            let parents = made.header().parents.iter();
            next.extend(parents.filter_map(|parent| known.get(parent)));
        }
    }
    found
}

fn time(known: &Known<'_>, anchor: &Certificate) -> Timestamp {
    let parents = anchor.header().parents.iter().map(|parent| known[parent]);
    let mut times: Vec<_> = parents.map(|made| made.header().created_at).collect();
    times.sort();
    times[(times.len() - 1) / 2]
}

/// Who has which turn after these outcomes.
fn table(outcomes: &[Outcome], committee: &Committee) -> Vec<ValidatorId> {
    let mut table: Vec<_> = committee.ids().collect();
    let Some(period) = outcomes.chunks_exact(10).last() else { return table };
    let present =
        |id: &ValidatorId| period.iter().filter(|(authors, _)| authors.contains(id)).count();
    let skipped = |id: &ValidatorId| {
        period.iter().flat_map(|(_, skipped)| skipped).filter(|skipped| *skipped == id).count()
    };
    let mut worst: Vec<_> =
        committee.ids().filter(|id| present(id) == 0 || skipped(id) > 0).collect();
    worst.sort_by_key(|id| (present(id) > 0, Reverse(skipped(id)), present(id), *id));
    worst.truncate((committee.len() - 1) / 3);
    let mut best: Vec<_> = committee.ids().filter(|id| !worst.contains(id)).collect();
    best.sort_by_key(|id| (skipped(id), Reverse(present(id)), *id));
    worst.sort();
    for (place, id) in worst.iter().enumerate() {
        table[usize::from(id.0)] = best[place];
    }
    table
}
