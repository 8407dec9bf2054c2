//! Votes for the headers of others (rule P3).

use std::collections::{BTreeMap, BTreeSet};

use kraken_types::{
    BatchDigest, Equivocation, Header, HeaderDigest, Round, SignedHeader, Signers, Timestamp,
    ValidatorId, Verified, Verify, Vote,
};

use super::{AHEAD_MAX, Message, Output, Primary, Record, dag::Parents};

/// Which headers we voted for, and which wait for what they refer to.
///
/// Bounds: a vote for each author and round from the horizon to `AHEAD_MAX` above it or the highest
/// accepted round; and one waiting header for each author, the newest, because its author gave up
/// those before. Of two for one round the first stays: an author that makes two only harms itself.
#[derive(Debug, Default)]
pub(super) struct Voter {
    voted: BTreeMap<Round, BTreeMap<ValidatorId, HeaderDigest>>,
    suspended: BTreeMap<ValidatorId, Suspended>,
}

#[derive(Debug)]
struct Suspended {
    header: Verified<SignedHeader>,
    parents: BTreeSet<HeaderDigest>,
    batches: BTreeSet<BatchDigest>,
}

/// What a header still needs.
#[derive(Debug)]
enum Needs {
    Nothing,
    These(Vec<HeaderDigest>, BTreeSet<BatchDigest>),
    /// What cannot come: no vote.
    Impossible,
}

impl Voter {
    /// How many headers are remembered.
    pub(super) fn len(&self) -> usize {
        self.voted.values().map(BTreeMap::len).sum::<usize>() + self.suspended.len()
    }

    /// The header of an author and round that we voted for.
    pub(super) fn voted(&self, round: Round, author: ValidatorId) -> Option<HeaderDigest> {
        self.voted.get(&round)?.get(&author).copied()
    }

    /// Remembers a vote.
    pub(super) fn record(&mut self, round: Round, author: ValidatorId, header: HeaderDigest) {
        self.voted.entry(round).or_default().insert(author, header);
    }

    /// The header of an author and round that we voted for, or that waits.
    fn first(&self, round: Round, author: ValidatorId) -> Option<HeaderDigest> {
        let waiting = self.suspended.get(&author).map(|waiting| &waiting.header);
        let waiting = waiting.filter(|waiting| waiting.header().round == round);
        self.voted(round, author).or_else(|| waiting.map(|waiting| waiting.digest()))
    }

    /// Whether a header must not take the place of the one of its author that waits.
    fn is_taken(&self, header: &Header) -> bool {
        let waiting = self.suspended.get(&header.author);
        waiting.is_some_and(|waiting| header.round <= waiting.header.header().round)
    }

    /// A certificate was accepted: which headers need nothing more? Those of its author up to its
    /// round need no vote.
    pub(super) fn accepted(
        &mut self,
        author: ValidatorId,
        round: Round,
        digest: HeaderDigest,
    ) -> Vec<Verified<SignedHeader>> {
        self.suspended
            .retain(|key, waiting| *key != author || round < waiting.header.header().round);
        self.release(|_, waiting| waiting.parents.remove(&digest))
    }

    /// A batch is durable: does a header need nothing more?
    pub(super) fn stored(
        &mut self,
        author: ValidatorId,
        digest: BatchDigest,
    ) -> Vec<Verified<SignedHeader>> {
        self.release(|key, waiting| key == author && waiting.batches.remove(&digest))
    }

    /// The horizon moved.
    pub(super) fn prune(&mut self, horizon: Round) {
        self.voted = self.voted.split_off(&horizon.ahead(1));
        self.suspended.retain(|_, waiting| horizon < waiting.header.header().round);
    }

    /// Removes those that changed and need nothing more.
    fn release(
        &mut self,
        mut has_changed: impl FnMut(ValidatorId, &mut Suspended) -> bool,
    ) -> Vec<Verified<SignedHeader>> {
        let ready = self.suspended.extract_if(.., |author, waiting| {
            has_changed(*author, waiting)
                && waiting.parents.is_empty()
                && waiting.batches.is_empty()
        });
        ready.map(|(_, waiting)| waiting.header).collect()
    }
}

impl Primary {
    /// A header came from its author. What is cheap to know is looked at before its signature.
    pub(super) fn hear_header(&mut self, now: Timestamp, from: ValidatorId, signed: SignedHeader) {
        let header = signed.header();
        let round = header.round;
        if header.author != from || round <= self.dag.horizon() {
            return;
        }
        if self.dag.known().ahead(AHEAD_MAX) < round {
            self.sync.lags_behind(from);
            return;
        }
        if round <= self.amnesia.silent() {
            return;
        }
        if self.voter.first(round, from).is_some_and(|first| first != signed.digest()) {
            let (whom, what) = (from, Equivocation::Header);
            self.outputs.push(Output::Equivocated { whom, what });
            return;
        }
        if let Some(voted) = self.voter.voted(round, from) {
            self.send_vote(from, voted);
            return;
        }
        if self.voter.is_taken(header) || now + self.config.drift_max < header.created_at {
            return;
        }
        if let Ok(signed) = signed.verified(&self.config.identity.committee) {
            self.consider(now, signed);
        }
    }

    /// Votes for a header, or waits for what it refers to.
    pub(super) fn consider(&mut self, now: Timestamp, signed: Verified<SignedHeader>) {
        let header = signed.header();
        match self.needs(header) {
            Needs::Impossible => {}
            Needs::Nothing => self.vote(&signed),
            Needs::These(parents, batches) => {
                let author = header.author;
                for batch in &header.batches {
                    if batches.contains(&batch.digest) {
                        let (batch, holders) = (*batch, Signers::default());
                        self.outputs.push(Output::Fetch { author, batch, holders });
                    }
                }
                self.want(now, author, header.round, &parents);
                let parents = parents.into_iter().collect();
                let suspended = Suspended { header: signed, parents, batches };
                self.voter.suspended.insert(author, suspended);
            }
        }
    }

    fn needs(&self, header: &Header) -> Needs {
        let missing = match self.dag.parents(header) {
            Parents::Impossible => return Needs::Impossible,
            Parents::Missing(missing) => missing,
            Parents::Accepted(latest) => {
                if header.created_at < latest || !self.are_parents_in_order(header) {
                    return Needs::Impossible;
                }
                Vec::new()
            }
        };
        let mut batches = BTreeSet::new();
        for batch in &header.batches {
            match self.stored.get(header.author, batch.digest) {
                None => {
                    batches.insert(batch.digest);
                }
                Some(stored) if stored != *batch => return Needs::Impossible,
                Some(_) => {}
            }
        }
        let is_ready = missing.is_empty() && batches.is_empty();
        if is_ready { Needs::Nothing } else { Needs::These(missing, batches) }
    }

    /// Whether the accepted parents of a header are named in the order of their authors.
    fn are_parents_in_order(&self, header: &Header) -> bool {
        let parents = header.parents.iter().filter_map(|parent| self.dag.get(*parent));
        parents.map(|parent| parent.header().author).is_sorted()
    }

    fn vote(&mut self, signed: &SignedHeader) {
        let (author, round) = (signed.header().author, signed.header().round);
        let header = signed.digest();
        self.voter.record(round, author, header);
        self.outputs.push(Output::Persist(Record::Voted { author, round, header }));
        self.send_vote(author, header);
    }

    fn send_vote(&mut self, to: ValidatorId, header: HeaderDigest) {
        let vote = Vote::sign(header, &self.config.identity).into_inner();
        self.outputs.push(Output::Send { to, message: Message::Vote(vote) });
    }
}
