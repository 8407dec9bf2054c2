//! Links that are slow, lossy, cut.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::Timestamp;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::{
    NodeId,
    plan::{Links, millis},
    sin::Lane,
};

/// All links between all nodes.
#[derive(Debug)]
pub(crate) struct Network {
    links: Links,
    nodes: usize,
    /// The latency of each link, by sender and receiver.
    latency: Vec<Duration>,
    /// When the last message of a lane arrives, where order is kept.
    last: BTreeMap<(NodeId, NodeId, Lane), Timestamp>,
    cuts: BTreeMap<u64, Cut>,
    cuts_made: u64,
    /// For each node, whom it reaches; everyone without it.
    reaches: Option<Vec<Vec<bool>>>,
    is_calm: bool,
}

/// Who does not reach whom: the nodes of one side do not reach the others.
#[derive(Debug)]
struct Cut {
    side: Vec<bool>,
    is_one_way: bool,
}

impl Network {
    /// Draws the links.
    pub(crate) fn new(links: Links, nodes: usize, random: &mut ChaCha8Rng) -> Self {
        let latency = (0..nodes * nodes)
            .map(|_| millis(random.gen_range(links.latency_ms.clone())))
            .collect();
        let (last, cuts) = (BTreeMap::new(), BTreeMap::new());
        Self { links, nodes, latency, last, cuts, cuts_made: 0, reaches: None, is_calm: false }
    }

    /// When a message arrives: never, once or twice.
    pub(crate) fn arrivals(
        &mut self,
        random: &mut ChaCha8Rng,
        now: Timestamp,
        (from, to, lane): (NodeId, NodeId, Lane),
    ) -> Vec<Timestamp> {
        if self.reaches.as_ref().is_some_and(|reaches| !reaches[from.0][to.0]) {
            return Vec::new();
        }
        if self.cuts.values().any(|cut| cut.separates(from, to)) {
            return Vec::new();
        }
        if !self.is_calm && random.gen_ratio(self.links.loss, 1_000) {
            return Vec::new();
        }
        let mut arrivals = vec![self.arrival(random, now, (from, to, lane))];
        if !self.is_calm && random.gen_ratio(self.links.doubled, 1_000) {
            arrivals.push(self.arrival(random, now, (from, to, lane)));
        }
        arrivals
    }

    fn arrival(
        &mut self,
        random: &mut ChaCha8Rng,
        now: Timestamp,
        (from, to, lane): (NodeId, NodeId, Lane),
    ) -> Timestamp {
        let mut jitter = random.gen_range(0..=self.links.jitter_ms);
        if !self.is_calm && random.gen_ratio(self.links.straggling, 1_000) {
            jitter += random.gen_range(0..=10 * self.links.jitter_ms);
        }
        let at = now + self.latency[from.0 * self.nodes + to.0] + millis(jitter);
        if !self.links.is_ordered {
            return at;
        }
        let last = self.last.entry((from, to, lane)).or_default();
        *last = at.max(*last);
        *last
    }

    /// Cuts nodes off; the number mends the cut.
    pub(crate) fn cut(&mut self, side: Vec<bool>, is_one_way: bool) -> u64 {
        self.cuts_made += 1;
        self.cuts.insert(self.cuts_made, Cut { side, is_one_way });
        self.cuts_made
    }

    /// Ends a cut.
    pub(crate) fn mend(&mut self, cut: u64) {
        self.cuts.remove(&cut);
    }

    /// Fixes who reaches whom.
    pub(crate) fn slice(&mut self, reaches: Vec<Vec<bool>>) {
        self.reaches = Some(reaches);
    }

    /// From now on everything arrives, once.
    pub(crate) fn calm(&mut self) {
        self.is_calm = true;
        self.cuts.clear();
        self.reaches = None;
    }
}

impl Cut {
    fn separates(&self, from: NodeId, to: NodeId) -> bool {
        let (from, to) = (self.side[from.0], self.side[to.0]);
        if self.is_one_way { from && !to } else { from != to }
    }
}
