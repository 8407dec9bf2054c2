//! The accepted certificates: what is where, what makes a quorum, what is still to be ordered.

use std::{collections::BTreeMap, mem, ops::Bound, sync::Arc};

use kraken_types::{
    Certificate, Committee, Header, HeaderDigest, Round, Stake, Timestamp, ValidatorId, Verified,
};

/// The certificates that were accepted, by round and author, and by digest.
///
/// Bound: one certificate for each author and round above `forgotten`. Rounds are made by quorums,
/// so no minority can make it grow; and while the order stands still, and `forgotten` with it, they
/// come slower and slower (rule P2).
#[derive(Debug)]
pub(super) struct Dag {
    committee: Arc<Committee>,
    rounds: BTreeMap<Round, Layer>,
    places: BTreeMap<HeaderDigest, (Round, ValidatorId)>,
    /// The highest accepted round of each validator.
    reached: Vec<Round>,
    quorum: Round,
    /// How many certificates with something to order are not ordered yet.
    due: usize,
    horizon: Round,
    forgotten: Round,
}

/// The certificates of one round.
#[derive(Debug, Default)]
struct Layer {
    members: BTreeMap<ValidatorId, Member>,
    stake: Stake,
}

#[derive(Debug)]
struct Member {
    certificate: Verified<Certificate>,
    /// Ordered, or too old to ever be.
    is_settled: bool,
}

/// How a header stands to the accepted certificates.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parents {
    /// All are accepted, and make a quorum of the round before; this is the latest of their times.
    Accepted(Timestamp),
    /// These are not accepted.
    Missing(Vec<HeaderDigest>),
    /// Accepted or not, they are no quorum of the round before.
    Impossible,
}

impl Dag {
    /// Starts with the genesis alone.
    pub(super) fn new(committee: Arc<Committee>) -> Self {
        Self {
            reached: vec![Round::default(); committee.len()],
            committee,
            rounds: BTreeMap::new(),
            places: BTreeMap::new(),
            quorum: Round::default(),
            due: 0,
            horizon: Round::default(),
            forgotten: Round::default(),
        }
    }

    /// Nothing at or below this round is accepted any more.
    pub(super) fn horizon(&self) -> Round {
        self.horizon
    }

    /// Nothing at or below this round is kept.
    pub(super) fn forgotten(&self) -> Round {
        self.forgotten
    }

    /// The highest round of which certificates with the weight of a quorum are accepted.
    pub(super) fn quorum(&self) -> Round {
        self.quorum
    }

    /// The highest round of which a certificate is accepted.
    pub(super) fn top(&self) -> Round {
        self.reached.iter().copied().max().unwrap_or_default()
    }

    /// The highest round that we know, be it only by what was ordered: behind a checkpoint of others
    /// everything below the horizon is done, and nothing above it is here yet.
    pub(super) fn known(&self) -> Round {
        self.top().max(self.horizon)
    }

    /// Of each validator the round above which its certificates are news: the highest accepted one,
    /// or the horizon.
    pub(super) fn reached(&self) -> Vec<Round> {
        self.reached.iter().map(|round| self.horizon.max(*round)).collect()
    }

    /// Whether something accepted waits to be ordered.
    pub(super) fn is_due(&self) -> bool {
        0 < self.due
    }

    /// How many certificates are kept.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether this certificate is accepted.
    pub(super) fn contains(&self, digest: HeaderDigest) -> bool {
        self.places.contains_key(&digest)
    }

    /// The certificate with this digest.
    pub(super) fn get(&self, digest: HeaderDigest) -> Option<&Verified<Certificate>> {
        let (round, author) = self.places.get(&digest)?;
        self.at(*round, *author)
    }

    /// The certificate of an author and a round.
    pub(super) fn at(&self, round: Round, author: ValidatorId) -> Option<&Verified<Certificate>> {
        let member = self.rounds.get(&round)?.members.get(&author)?;
        Some(&member.certificate)
    }

    /// The certificates of a round, by author.
    pub(super) fn round(&self, round: Round) -> impl Iterator<Item = &Verified<Certificate>> {
        let layer = self.rounds.get(&round);
        layer.into_iter().flat_map(|layer| layer.members.values().map(|member| &member.certificate))
    }

    /// Every kept certificate above a round, by round, then author.
    pub(super) fn above(&self, round: Round) -> impl Iterator<Item = &Verified<Certificate>> {
        let layers = self.rounds.range(round.ahead(1)..);
        layers.flat_map(|(_, layer)| layer.members.values().map(|member| &member.certificate))
    }

    /// How a header stands to the accepted certificates, however old they are.
    pub(super) fn parents(&self, header: &Header) -> Parents {
        let Some(previous) = header.round.previous().filter(|previous| *previous != Round(0))
        else {
            return Parents::Accepted(Timestamp::ZERO);
        };
        let (mut missing, mut stake, mut latest) = (Vec::new(), 0, Timestamp::ZERO);
        for parent in &header.parents {
            match self.places.get(parent) {
                None => missing.push(*parent),
                Some((round, _)) if *round != previous => return Parents::Impossible,
                Some((round, author)) => {
                    stake += self.committee.stake(*author);
                    let time = self.at(*round, *author).map(|found| found.header().created_at);
                    latest = latest.max(time.unwrap_or_default());
                }
            }
        }
        if !missing.is_empty() {
            return Parents::Missing(missing);
        }
        // A header names no parent twice, and a place holds one certificate: the authors differ.
        if stake < self.committee.quorum() {
            Parents::Impossible
        } else {
            Parents::Accepted(latest)
        }
    }

    /// The same, for a certificate: what lies below the horizon counts as accepted.
    pub(super) fn ancestors(&self, header: &Header) -> Parents {
        if header.round <= self.horizon.ahead(1) {
            return Parents::Accepted(Timestamp::ZERO);
        }
        self.parents(header)
    }

    /// Adds a certificate whose place is free.
    pub(super) fn insert(&mut self, certificate: Verified<Certificate>) {
        let (round, author) = (certificate.header().round, certificate.header().author);
        self.places.insert(certificate.digest(), (round, author));
        if let Some(reached) = self.reached.get_mut(usize::from(author.0)) {
            *reached = round.max(*reached);
        }
        let is_settled = round <= self.horizon;
        self.due += usize::from(!is_settled && is_to_order(certificate.header()));
        let layer = self.rounds.entry(round).or_default();
        layer.stake += self.committee.stake(author);
        layer.members.insert(author, Member { certificate, is_settled });
        if self.committee.quorum() <= layer.stake {
            self.quorum = self.quorum.max(round);
        }
    }

    /// Notes that the history of an anchor above a round is ordered, and returns what of it was
    /// not before.
    pub(super) fn order(&mut self, anchor: HeaderDigest, limit: Round) -> Vec<HeaderDigest> {
        let mut visited = Vec::new();
        let mut stack = vec![anchor];
        while let Some(digest) = stack.pop() {
            let Some((round, author)) = self.places.get(&digest).copied() else { continue };
            let layer = self.rounds.get_mut(&round).filter(|_| limit < round);
            let Some(member) = layer.and_then(|layer| layer.members.get_mut(&author)) else {
                continue;
            };
            if member.settle(&mut self.due) {
                stack.extend(&member.certificate.header().parents);
                visited.push(digest);
            }
        }
        visited
    }

    /// Moves the horizon, and forgets what is at or below the second round.
    pub(super) fn prune(&mut self, horizon: Round, forgotten: Round) {
        let horizon = horizon.max(self.horizon);
        let old = (Bound::Excluded(self.horizon), Bound::Included(horizon));
        for (_, layer) in self.rounds.range_mut(old) {
            for member in layer.members.values_mut() {
                member.settle(&mut self.due);
            }
        }
        self.horizon = horizon;
        self.forgotten = forgotten.max(self.forgotten);
        let kept = self.rounds.split_off(&self.forgotten.ahead(1));
        for layer in mem::replace(&mut self.rounds, kept).into_values() {
            for member in layer.members.into_values() {
                self.places.remove(&member.certificate.digest());
            }
        }
    }
}

impl Member {
    /// Notes that this needs no ordering any more; whether it did before.
    fn settle(&mut self, due: &mut usize) -> bool {
        let was_settled = mem::replace(&mut self.is_settled, true);
        if !was_settled && is_to_order(self.certificate.header()) {
            *due -= 1;
        }
        !was_settled
    }
}

/// Whether ordering a header would order something.
fn is_to_order(header: &Header) -> bool {
    !header.batches.is_empty() || header.close_block
}
