//! Carries out what the machines of a node want, as a driver must: in order, and nothing before the
//! records it rests on are durable. The machines themselves never wait for the disk.

use bytes::Bytes;
use kraken_mempool::worker;
use kraken_ordering as ordering;
use kraken_types::{ValidatorId, codec};
use rand::Rng as _;

use super::World;
use crate::{
    NodeId,
    agenda::{Event, Inside},
    node::{Batch, Input},
    plan::millis,
    report::Invariant,
    sin::{Lane, Letter, Surroundings},
};

impl World {
    /// Gives inputs to a node's machines and carries out what comes of it.
    pub(super) fn give(&mut self, id: NodeId, inputs: impl IntoIterator<Item = Input>) {
        self.nodes[id.0].inbox.extend(inputs);
        loop {
            while let Some(input) = self.nodes[id.0].inbox.pop_front() {
                self.at_once += 1;
                match input {
                    Input::Worker(input) => self.step_worker(id, input),
                    Input::Ordering(input) => self.step_ordering(id, input),
                }
            }
            // What never ends is noticed once the event is over.
            if !self.release(id) || Self::AT_ONCE_MAX < self.at_once {
                break;
            }
        }
        self.begin_sync(id, Lane::Worker);
        self.begin_sync(id, Lane::Ordering);
        self.begin_execution(id);
    }

    fn step_worker(&mut self, id: NodeId, input: worker::Input) {
        let node = &mut self.nodes[id.0];
        let clock = node.clock(self.agenda.now());
        for output in node.worker.step(clock, input) {
            match output {
                worker::Output::Store { held, bytes } => self.store(id, held, bytes),
                worker::Output::WakeAt(at) => {
                    let asked = self.nodes[id.0].alarms.wake(Lane::Worker);
                    let wake = Inside::Wake { lane: Lane::Worker, asked };
                    self.plan_inside(id, at.since(clock), wake);
                }
                output @ (worker::Output::Send { .. }
                | worker::Output::Read { .. }
                | worker::Output::Sealed(_)
                | worker::Output::Stored { .. }
                | worker::Output::Full(_)) => {
                    let node = &mut self.nodes[id.0];
                    node.of_worker.push(node.batches.appended(), output);
                }
            }
        }
    }

    fn store(&mut self, id: NodeId, held: worker::Held, bytes: Bytes) {
        let node = &mut self.nodes[id.0];
        let record = node.batches.append(&bytes);
        self.observer.stored(node, &held, &bytes);
        self.audit.note(self.agenda.now(), || {
            let (author, digest) = (held.author, held.batch.digest.0);
            format!("{id} stores batch {digest:?} of {author}")
        });
        let batch = Batch { bytes, record, is_released: false };
        node.held.entry(held.batch.digest).or_insert(batch);
    }

    fn step_ordering(&mut self, id: NodeId, input: ordering::Input) {
        let node = &mut self.nodes[id.0];
        let clock = node.clock(self.agenda.now());
        for effect in node.ordering.step(clock, input) {
            match effect {
                ordering::Effect::Persist(entry) => {
                    let node = &mut self.nodes[id.0];
                    let record = node.votes.append(&codec::encode(&entry));
                    self.observer.appended(node, record, &entry);
                }
                ordering::Effect::WakeAt(at) => {
                    let asked = self.nodes[id.0].alarms.wake(Lane::Ordering);
                    let wake = Inside::Wake { lane: Lane::Ordering, asked };
                    self.plan_inside(id, at.since(clock), wake);
                }
                ordering::Effect::SetTimer { timer, after } => {
                    let asked = self.nodes[id.0].alarms.timer(timer);
                    self.plan_inside(id, after, Inside::Timer { timer, asked });
                }
                ordering::Effect::Equivocated { whom, what } => {
                    if self.nodes[id.0].is_honest && !self.faulty.contains(&whom) {
                        let what = format!("{id} accuses {whom} of two of its {what}s");
                        self.observer.violated(Invariant::NonEquivocation, what);
                    }
                }
                effect @ (ordering::Effect::Send { .. }
                | ordering::Effect::Broadcast(_)
                | ordering::Effect::Fetch { .. }
                | ordering::Effect::Pruned(_)
                | ordering::Effect::Commit(_)) => {
                    let node = &mut self.nodes[id.0];
                    node.of_ordering.push(node.votes.appended(), effect);
                }
            }
        }
    }

    /// Carries out what rests on durable records only; whether there was anything.
    fn release(&mut self, id: NodeId) -> bool {
        let node = &mut self.nodes[id.0];
        let outputs = node.of_worker.release(node.batches.durable());
        let effects = node.of_ordering.release(node.votes.durable());
        let is_any = !outputs.is_empty() || !effects.is_empty();
        for output in outputs {
            self.carry_out_worker(id, output);
        }
        for effect in effects {
            self.carry_out_ordering(id, effect);
        }
        is_any
    }

    fn carry_out_worker(&mut self, id: NodeId, output: worker::Output) {
        let node = &mut self.nodes[id.0];
        match output {
            worker::Output::Send { to, message } => {
                self.observer.sent_by_worker(node, &message);
                self.audit.say_by_worker(self.agenda.now(), id, to, &message);
                self.transmit(id, to, Lane::Worker, codec::encode(&message).into());
            }
            worker::Output::Read { digest, to } => {
                let batch = node.held.get(&digest).filter(|batch| !batch.is_released);
                let bytes = batch.map(|batch| batch.bytes.clone());
                node.inbox.push_back(Input::Worker(worker::Input::Read { digest, to, bytes }));
            }
            worker::Output::Sealed(batch) => {
                node.inbox.push_back(Input::Ordering(ordering::Input::Sealed(batch)));
            }
            worker::Output::Stored { author, batch } => {
                node.inbox.push_back(Input::Ordering(ordering::Input::Stored { author, batch }));
            }
            worker::Output::Full(is_full) => node.is_full = is_full,
            // These went to the disk and to the agenda when the machine said them.
            worker::Output::Store { .. } | worker::Output::WakeAt(_) => {}
        }
    }

    fn carry_out_ordering(&mut self, id: NodeId, effect: ordering::Effect) {
        let node = &mut self.nodes[id.0];
        match effect {
            ordering::Effect::Send { to, message } => self.say(id, &[to], &message),
            ordering::Effect::Broadcast(message) => {
                let peers: Vec<_> = node.identity.peers().collect();
                self.say(id, &peers, &message);
            }
            ordering::Effect::Fetch { author, batch, holders } => {
                let fetch = worker::Input::Fetch { author, batch, holders };
                node.inbox.push_back(Input::Worker(fetch));
            }
            ordering::Effect::Pruned(round) => node.pruned = node.pruned.max(round),
            ordering::Effect::Commit(commit) => {
                self.observer.committed(node, &commit);
                self.audit.commit(self.agenda.now(), id, &commit);
                let ordered = worker::Input::Ordered(commit.batches.clone());
                node.inbox.push_back(Input::Worker(ordered));
                node.executor.commits.insert(commit.index.0, commit);
            }
            // What became of these was seen to when the machine said them.
            ordering::Effect::Persist(_)
            | ordering::Effect::WakeAt(_)
            | ordering::Effect::SetTimer { .. }
            | ordering::Effect::Equivocated { .. } => {}
        }
    }

    fn say(&mut self, id: NodeId, to: &[ValidatorId], message: &ordering::Message) {
        self.observer.said(&self.nodes[id.0], message);
        self.audit.say(self.agenda.now(), id, to, message);
        let bytes = Bytes::from(codec::encode(message));
        for &to in to {
            self.transmit(id, to, Lane::Ordering, bytes.clone());
        }
    }

    /// Puts a message on the network, past the sin of the sender.
    fn transmit(&mut self, id: NodeId, to: ValidatorId, lane: Lane, bytes: Bytes) {
        let letter = Letter { to, lane, bytes };
        let node = &mut self.nodes[id.0];
        let now = node.clock(self.agenda.now());
        let letters = match &mut node.sin {
            None => vec![letter],
            Some(sin) => {
                let (identity, random) = (&node.identity, &mut self.random);
                sin.outgoing(&mut Surroundings { now, identity, random }, letter)
            }
        };
        self.post(id, letters);
    }

    /// Shows a sinner what arrived; whether the honest code is to see it too.
    pub(super) fn overhear(
        &mut self,
        id: NodeId,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> bool {
        let node = &mut self.nodes[id.0];
        let now = node.clock(self.agenda.now());
        let Some(sin) = &mut node.sin else { return true };
        let (identity, random) = (&node.identity, &mut self.random);
        let mut around = Surroundings { now, identity, random };
        let hears = sin.hears(&mut around, from, lane, bytes);
        let letters = sin.incoming(&mut around, from, lane, bytes);
        self.post(id, letters);
        hears
    }

    fn post(&mut self, id: NodeId, letters: Vec<Letter>) {
        let from = self.nodes[id.0].identity.id;
        for letter in letters {
            if !self.nodes[id.0].is_honest {
                self.observer.overheard(letter.lane, &letter.bytes);
            }
            for to in (0..self.nodes.len()).map(NodeId) {
                if to == id || self.nodes[to.0].identity.id != letter.to {
                    continue;
                }
                let link = (id, to, letter.lane);
                for at in self.network.arrivals(&mut self.random, self.agenda.now(), link) {
                    let (lane, bytes) = (letter.lane, letter.bytes.clone());
                    self.agenda.at(at, Event::Arrival { to, from, lane, bytes });
                }
            }
        }
    }

    fn begin_sync(&mut self, id: NodeId, lane: Lane) {
        if self.nodes[id.0].disk(lane).begin_sync() {
            let stall = self.nodes[id.0].stalled_until.since(self.agenda.now());
            let sync = millis(self.random.gen_range(self.plan.disks.sync_ms.clone()));
            self.plan_inside(id, stall + sync, Inside::Synced(lane));
        }
    }

    pub(super) fn synced(&mut self, id: NodeId, lane: Lane) {
        let node = &mut self.nodes[id.0];
        node.disk(lane).end_sync();
        self.observer.synced(node);
        self.give(id, []);
    }

    fn begin_execution(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        if node.executor.executing.is_some() {
            return;
        }
        let executable = node.executable();
        if 0 < executable {
            node.executor.executing = Some(node.executor.executed + executable);
            let delay = millis(self.random.gen_range(1..=20));
            self.plan_inside(id, delay, Inside::Executed);
        }
    }

    pub(super) fn executed(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        let Some(end) = node.executor.executing.take() else { return };
        self.observer.executed(node, end);
        node.executor.executed = end;
        node.executor.commits = node.executor.commits.split_off(&end);
        self.give(id, []);
    }
}
