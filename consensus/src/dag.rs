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
