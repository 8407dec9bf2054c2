//! The certificates that may still be ordered, by round and author.
//!
//! The parents of a certificate lie in the round before it, one for each author. So a certificate
//! is a place in a table of rounds and authors, its parents are a set of authors, and a walk to its
//! ancestors goes down round by round with one set of authors in hand: no digest is looked up after
//! a certificate was taken in.
//!
//! What is kept is bounded by what the mempool accepts: one certificate for each author and round
//! above the horizon, in rounds that a quorum entered.

use std::collections::BTreeMap;

use kraken_types::{
    Certificate, Committee, HeaderDigest, Round, Signers, Stake, ValidatorId, Verified,
};

/// Certificates above a horizon, each taken in after its ancestors.
#[derive(Debug, Default)]
pub struct Dag {
    rounds: BTreeMap<Round, BTreeMap<ValidatorId, Node>>,
    places: BTreeMap<HeaderDigest, (Round, ValidatorId)>,
    horizon: Round,
}

/// A certificate and where its parents are.
#[derive(Debug)]
pub struct Node {
    certificate: Verified<Certificate>,
    parents: Signers,
    /// Whether all parents were there. They need not be if they lay below the horizon.
    is_whole: bool,
}

impl Dag {
    /// Starts without certificates; its horizon is the genesis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a certificate, after its ancestors above the horizon. `false` if it was there
    /// already, or lies at or below the horizon, and so can never be ordered any more.
    ///
    /// There is one certificate of an author in a round: a second one would mean two quorums that
    /// share no honest validator. The first that comes stays.
    pub fn insert(&mut self, certificate: Verified<Certificate>) -> bool {
        let (header, digest) = (certificate.header(), certificate.digest());
        let (round, author) = (header.round, header.author);
        if round <= self.horizon || self.node(round, author).is_some() {
            return false;
        }
        let place = |parent| self.places.get(parent).filter(|(below, _)| below.next() == round);
        let parents: Signers =
            header.parents.iter().filter_map(place).map(|(_, author)| *author).collect();
        let is_whole = parents.len() == header.parents.len();
        self.places.insert(digest, (round, author));
        let row = self.rounds.entry(round).or_default();
        row.insert(author, Node { certificate, parents, is_whole });
        true
    }

    /// Lets go of everything at and below a round. Never goes back.
    pub fn prune(&mut self, horizon: Round) {
        self.horizon = self.horizon.max(horizon);
        while let Some(lowest) = self.rounds.first_entry() {
            if self.horizon < *lowest.key() {
                return;
            }
            for node in lowest.remove().values() {
                self.places.remove(&node.certificate.digest());
            }
        }
    }

    /// The round at and below which nothing is kept.
    pub fn horizon(&self) -> Round {
        self.horizon
    }

    /// What an author contributed to a round.
    pub fn node(&self, round: Round, author: ValidatorId) -> Option<&Node> {
        self.rounds.get(&round)?.get(&author)
    }

    /// The certificate of a header.
    pub fn get(&self, digest: &HeaderDigest) -> Option<&Verified<Certificate>> {
        let (round, author) = self.places.get(digest)?;
        self.node(*round, *author).map(Node::certificate)
    }

    /// Everything in one round, by author.
    pub fn round(&self, round: Round) -> impl Iterator<Item = (ValidatorId, &Node)> {
        self.rounds.get(&round).into_iter().flatten().map(|(author, node)| (*author, node))
    }

    /// The highest round with a certificate; the horizon if there is none.
    pub fn top(&self) -> Round {
        self.rounds.last_key_value().map_or(self.horizon, |(round, _)| *round)
    }

    /// Every certificate, by round, then author.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.rounds.values().flat_map(BTreeMap::values)
    }

    /// The weight of the certificates of the next round that have this one as a parent.
    pub fn support(&self, round: Round, author: ValidatorId, committee: &Committee) -> Stake {
        let citing = self.round(round.next()).filter(|(_, node)| node.parents.contains(author));
        citing.map(|(id, _)| committee.stake(id)).sum()
    }

    /// The parents of some certificates of one round: authors of the round before.
    pub fn parents_of(&self, round: Round, authors: &Signers) -> Signers {
        let nodes = authors.iter().filter_map(|author| self.node(round, author));
        nodes.flat_map(|node| node.parents.iter()).collect()
    }

    /// How many certificates are kept.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no certificate is kept.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl Node {
    /// The certificate.
    pub fn certificate(&self) -> &Verified<Certificate> {
        &self.certificate
    }

    /// The authors of its parents, which lie in the round before.
    ///
    /// # Panics
    /// If a parent was not there when the certificate came. That is right for parents below the
    /// horizon, which nobody may ask for, and a bug for others: the mempool delivers causally.
    pub fn parents(&self) -> &Signers {
        assert!(self.is_whole, "a certificate comes after its ancestors above the horizon");
        &self.parents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Drawing;

    const A: ValidatorId = ValidatorId(0);
    const D: ValidatorId = ValidatorId(3);

    fn drawing() -> Drawing {
        Drawing::of(4, "A B C D\nA B C:BCD D:BCD\nA:ABC B:BCD")
    }

    fn dag(drawing: &Drawing) -> Dag {
        let mut dag = Dag::new();
        assert!(drawing.all().all(|made| dag.insert(made.clone())));
        dag
    }

    fn authors(ids: &[u16]) -> Signers {
        ids.iter().copied().map(ValidatorId).collect()
    }

    #[test]
    fn a_certificate_is_found_by_place_and_by_digest() {
        let drawing = drawing();
        let dag = dag(&drawing);
        let made = drawing.get("D2");
        assert_eq!(dag.node(Round(2), D).map(Node::certificate), Some(made));
        assert_eq!(dag.get(&made.digest()), Some(made));
        assert!(dag.node(Round(3), D).is_none() && dag.node(Round(9), A).is_none());
        assert_eq!((dag.len(), dag.top()), (10, Round(3)));
        assert!(dag.nodes().map(Node::certificate).eq(drawing.all()));
    }

    #[test]
    fn parents_and_support_are_sets_of_authors() {
        let drawing = drawing();
        let dag = dag(&drawing);
        assert_eq!(dag.node(Round(3), A).map(Node::parents), Some(&authors(&[0, 1, 2])));
        assert_eq!(dag.parents_of(Round(3), &authors(&[0, 1])), authors(&[0, 1, 2, 3]));
        assert_eq!(dag.parents_of(Round(2), &authors(&[2, 3])), authors(&[1, 2, 3]));
        let support = |round, author| dag.support(Round(round), author, &drawing.committee);
        assert_eq!([support(1, A), support(1, D), support(2, A), support(3, A)], [2, 4, 1, 0]);
    }

    #[test]
    fn what_is_there_already_or_too_old_is_not_taken_in() {
        let drawing = drawing();
        let mut dag = dag(&drawing);
        assert!(!dag.insert(drawing.get("A1").clone()));
        // The same author and round with another parent: no quorum votes for both.
        let twin = Drawing::of(4, "A B C D\nA B C:ABC");
        assert!(!dag.insert(twin.get("C2").clone()));
        assert_eq!(dag.get(&twin.get("C2").digest()), None);

        dag.prune(Round(2));
        dag.prune(Round(1));
        assert_eq!((dag.len(), dag.horizon(), dag.top()), (2, Round(2), Round(3)));
        assert_eq!(dag.get(&drawing.get("A2").digest()), None);
        assert!(!dag.insert(drawing.get("A2").clone()));
        dag.prune(Round(7));
        assert!(dag.is_empty());
        assert_eq!(dag.top(), Round(7));
    }

    #[test]
    fn parents_below_the_horizon_need_not_come() {
        let drawing = drawing();
        let mut dag = Dag::new();
        dag.prune(Round(1));
        assert!(["A2", "B2", "C2", "A3"].iter().all(|name| dag.insert(drawing.get(name).clone())));
        assert_eq!(dag.node(Round(3), A).map(Node::parents), Some(&authors(&[0, 1, 2])));
        assert!(dag.parents_of(Round(2), &authors(&[0])).is_empty());
    }

    #[test]
    #[should_panic(expected = "a certificate comes after its ancestors")]
    fn nobody_may_ask_for_parents_that_were_not_there() {
        let mut dag = Dag::new();
        assert!(dag.insert(drawing().get("A2").clone()));
        let _ = dag.node(Round(2), A).map(Node::parents);
    }
}
