//! A committee of workers with a bad network and bad luck.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

const SIZE: u16 = 4;

/// One validator: a worker, its disk, and what it told its primary since it was started.
#[derive(Debug)]
struct Node {
    worker: Worker,
    disk: Vec<(Held, Bytes)>,
    sealed: BTreeSet<BatchDigest>,
    stored: BTreeSet<BatchDigest>,
    wake_at: Option<Timestamp>,
}

/// All of them, and the messages between them.
#[derive(Debug)]
struct Network {
    now: Timestamp,
    nodes: BTreeMap<u16, Node>,
    in_flight: Vec<(u16, u16, Message)>,
}

#[derive(Clone, Debug)]
enum Event {
    Transaction(u16, u8),
    Deliver(Index),
    Duplicate(Index),
    Lose(Index),
    /// The process ends after so many of the outputs of one tick.
    Crash(u16, usize),
    Time(u64),
}

impl Network {
    fn new() -> Self {
        let node = |id| (id, Node::start(id, Vec::new()));
        let nodes = (0..SIZE).map(node).collect();
        let mut network = Self { now: at(0), nodes, in_flight: Vec::new() };
        for id in 0..SIZE {
            network.step(id, Input::Recovered(Vec::new()), usize::MAX);
        }
        network
    }

    /// Carries out the first outputs only.
    fn step(&mut self, id: u16, input: Input, outputs_max: usize) {
        let node = self.nodes.get_mut(&id).expect("a member");
        let outputs = node.worker.step(self.now, input);
        for output in outputs.into_iter().take(outputs_max) {
            self.carry_out(id, output);
        }
    }

    fn carry_out(&mut self, id: u16, output: Output) {
        let node = self.nodes.get_mut(&id).expect("a member");
        match output {
            Output::Store { held, bytes } => node.disk.push((held, bytes)),
            Output::Send { to, message } => self.in_flight.push((id, to.0, message)),
            Output::Read { digest, to } => {
                let found = node.disk.iter().find(|(held, _)| held.batch.digest == digest);
                let bytes = found.map(|(_, bytes)| bytes.clone());
                self.step(id, Input::Read { digest, to, bytes }, usize::MAX);
            }
            Output::Sealed(batch) => {
                assert!(node.sealed.insert(batch.digest), "sealed twice");
                let holds = |node: &Node| node.holds(&batch.digest);
                let holders = self.nodes.values().filter(|node| holds(node)).count();
                assert!(3 <= holders, "sealed before a quorum holds it");
            }
            Output::Stored { author: _, batch } => {
                assert!(node.holds(&batch.digest), "reported before it was stored");
                node.stored.insert(batch.digest);
            }
            Output::Full(_) => {}
            Output::WakeAt(at) => node.wake_at = Some(at),
        }
    }

    fn deliver(&mut self, (from, to, message): (u16, u16, Message)) {
        self.step(to, Input::Message { from: ValidatorId(from), message }, usize::MAX);
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        for id in 0..SIZE {
            let node = self.nodes.get_mut(&id).expect("a member");
            if node.wake_at.is_some_and(|at| at <= self.now) {
                node.wake_at = None;
                self.step(id, Input::Tick, usize::MAX);
            }
        }
    }

    fn crash(&mut self, id: u16, outputs_max: usize) {
        self.step(id, Input::Tick, outputs_max);
        let node = self.nodes.remove(&id).expect("a member");
        let held = node.disk.iter().map(|(held, _)| *held).collect();
        self.nodes.insert(id, Node::start(id, node.disk));
        self.step(id, Input::Recovered(held), usize::MAX);
    }

    fn happen(&mut self, event: &Event) {
        let count = self.in_flight.len();
        match *event {
            Event::Transaction(id, fill) => {
                let transaction = Bytes::from(vec![fill; 1 + 3 * usize::from(fill)]);
                self.step(id, Input::Transaction(transaction), usize::MAX);
            }
            Event::Deliver(index) if 0 < count => {
                let message = self.in_flight.swap_remove(index.index(count));
                self.deliver(message);
            }
            Event::Duplicate(index) if 0 < count => {
                self.deliver(self.in_flight[index.index(count)].clone());
            }
            Event::Lose(index) if 0 < count => {
                self.in_flight.swap_remove(index.index(count));
            }
            Event::Deliver(_) | Event::Duplicate(_) | Event::Lose(_) => {}
            Event::Crash(id, outputs_max) => self.crash(id, outputs_max),
            Event::Time(millis) => self.pass(millis),
        }
    }

    /// From now on all is well, for as long as it takes for every retry to come round.
    fn heal(&mut self) {
        for _ in 0..100 {
            while let Some(message) = self.in_flight.pop() {
                self.deliver(message);
            }
            self.pass(200);
        }
    }
}

impl Node {
    fn start(id: u16, disk: Vec<(Held, Bytes)>) -> Self {
        let (sealed, stored) = (BTreeSet::new(), BTreeSet::new());
        Self { worker: worker(SIZE, id), disk, sealed, stored, wake_at: None }
    }

    fn holds(&self, digest: &BatchDigest) -> bool {
        self.disk.iter().any(|(held, _)| held.batch.digest == *digest)
    }
}

fn arbitrary_event() -> impl Strategy<Value = Event> {
    let index = any::<Index>;
    prop_oneof![
        4 => (0..SIZE, any::<u8>()).prop_map(|(id, fill)| Event::Transaction(id, fill)),
        8 => index().prop_map(Event::Deliver),
        1 => index().prop_map(Event::Duplicate),
        3 => index().prop_map(Event::Lose),
        1 => (0..SIZE, 0_usize..4).prop_map(|(id, outputs)| Event::Crash(id, outputs)),
        4 => (0_u64..80).prop_map(Event::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was lost, doubled, reordered or restarted: once all is well, every batch that is on
    /// its author's disk is sealed there, and is on every other disk, once, and reported.
    #[test]
    fn every_batch_is_sealed_and_everywhere_in_the_end(events in vec(arbitrary_event(), 0..200)) {
        let mut network = Network::new();
        for event in &events {
            network.happen(event);
        }
        network.heal();

        for (id, node) in &network.nodes {
            let own = node.disk.iter().filter(|(held, _)| held.author == ValidatorId(*id));
            for digest in own.map(|(held, _)| held.batch.digest) {
                prop_assert!(node.sealed.contains(&digest));
                for (peer, other) in network.nodes.iter().filter(|(peer, _)| *peer != id) {
                    prop_assert!(other.stored.contains(&digest), "{peer} lacks a batch of {id}");
                }
            }
            let distinct: BTreeSet<_> = node.disk.iter().map(|(held, _)| held.batch.digest).collect();
            prop_assert_eq!(distinct.len(), node.disk.len(), "stored once");
            let places: BTreeSet<_> =
                node.disk.iter().map(|(held, _)| (held.author, held.batch.sequence)).collect();
            prop_assert_eq!(places.len(), node.disk.len(), "each place is used once");
        }
    }
}
