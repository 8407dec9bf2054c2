//! What breaks, and how it heals.

use kraken_types::{Round, Stake, ValidatorId};
use rand::{Rng as _, seq::SliceRandom as _};

use super::{World, is_needed};
use crate::{
    NodeId,
    agenda::Event,
    node::{Executor, State},
    plan::{Fault, millis},
};

impl World {
    /// Breaks something, and plans the next time.
    pub(super) fn fault(&mut self) {
        if self.is_calm {
            return;
        }
        if let Some(every) = self.plan.faults.every {
            let next = self.gap(every);
            self.agenda.after(next, Event::Fault);
        }
        let Some(&kind) = self.plan.faults.kinds.choose(&mut self.random) else { return };
        let node = NodeId(self.random.gen_range(0..self.nodes.len()));
        let longest = u64::try_from(self.plan.faults.longest.as_millis()).unwrap_or(u64::MAX);
        let lasting = millis(self.random.gen_range(10..=longest));
        if kind.is_for_good() && !self.may_be_faulty(node) {
            return;
        }
        self.audit.note(self.agenda.now(), || format!("{kind:?} at {node} for {lasting:?}"));
        match kind {
            Fault::Crash => {
                self.crash(node);
                self.agenda.after(lasting, Event::Restart(node));
            }
            Fault::Blackout => {
                for node in (0..self.nodes.len()).map(NodeId) {
                    self.crash(node);
                    let down = millis(self.random.gen_range(1..=longest));
                    self.agenda.after(down, Event::Restart(node));
                }
            }
            Fault::Freeze => {
                if self.nodes[node.0].state == State::Up {
                    self.nodes[node.0].state = State::Frozen;
                    self.agenda.after(lasting, Event::Thaw(node));
                }
            }
            Fault::Partition => {
                let side = self.nodes.iter().map(|_| self.random.gen_ratio(1, 2)).collect();
                let cut = self.network.cut(side, self.random.gen_ratio(1, 3));
                self.agenda.after(lasting, Event::Mend(cut));
            }
            Fault::Stall => self.nodes[node.0].stalled_until = self.agenda.now() + lasting,
            Fault::Amnesia => {
                self.crash(node);
                self.wipe(node);
                self.agenda.after(lasting, Event::Restart(node));
            }
            Fault::Death => {
                self.crash(node);
                self.nodes[node.0].state = State::Dead;
                self.observer.died(&self.nodes[node.0]);
            }
        }
    }

    /// Counts a node as faulty if that is within what a committee tolerates.
    fn may_be_faulty(&mut self, node: NodeId) -> bool {
        let id = self.nodes[node.0].identity.id;
        if !self.nodes[node.0].is_honest || self.nodes[node.0].state == State::Dead {
            return false;
        }
        if is_needed(self.plan.protocol, id) {
            return false;
        }
        let mut faulty = self.faulty.clone();
        faulty.insert(id);
        let stake = |id: &ValidatorId| self.plan.stakes[usize::from(id.0)];
        if self.plan.faulty_max() < faulty.iter().map(stake).sum::<Stake>() {
            return false;
        }
        self.faulty = faulty;
        true
    }

    fn crash(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        if matches!(node.state, State::Down | State::Dead) {
            return;
        }
        node.state = State::Down;
        node.votes.crash(&mut self.random);
        node.batches.crash(&mut self.random);
        node.backlog.clear();
    }

    fn wipe(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        node.votes.wipe();
        node.batches.wipe();
        node.executor = Executor::default();
        node.pruned = Round(0);
        node.has_forgotten = true;
        self.observer.lost(node);
    }

    /// Global stabilisation: all that can heal does.
    pub(super) fn calm(&mut self) {
        self.is_calm = true;
        self.network.calm();
        self.audit.note(self.agenda.now(), || "calm".to_owned());
        for id in (0..self.nodes.len()).map(NodeId) {
            self.nodes[id.0].stalled_until = self.agenda.now();
            match self.nodes[id.0].state {
                State::Up | State::Dead => {}
                State::Frozen => self.thaw(id),
                State::Down => {
                    let soon = millis(self.random.gen_range(0..500));
                    self.agenda.after(soon, Event::Restart(id));
                }
            }
        }
    }
}
