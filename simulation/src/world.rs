//! A committee in one thread: one agenda, one generator of chance, no clock.

mod driver;
mod faults;
mod recovery;

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_mempool::worker;
use kraken_ordering as ordering;
use kraken_types::{
    Committee, Digest, Ed25519, Epoch, Identity, Scheme, Signer, Timestamp, Validator, ValidatorId,
    genesis::Protocol,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    NodeId,
    agenda::{Agenda, Event, Inside},
    audit::Audit,
    network::Network,
    node::{Input, Node, State},
    observer::Observer,
    plan::{Fault, Plan, millis},
    report::{Invariant, Report},
    scheme::{Cheap, cheap_signer},
    sin::{Lane, Sin},
};

/// A committee, its network, its clients, its bad luck, and somebody who watches.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    random: ChaCha8Rng,
    agenda: Agenda,
    network: Network,
    nodes: Vec<Node>,
    observer: Observer,
    audit: Audit,
    /// Those that count toward what may be faulty.
    faulty: BTreeSet<ValidatorId>,
    /// Nothing goes wrong any more.
    is_calm: bool,
    /// How many transactions there were.
    submitted: u64,
    /// Batches of commits below this index were executed everywhere and let go of.
    released: u64,
    /// How many commits all must have executed, once it is known.
    goal: Option<u64>,
    /// How many headers and turns there are and since when, once everything is done.
    last_turn: Option<(usize, Timestamp)>,
    is_over: bool,
    events: u64,
    /// Of them, in the millisecond that goes on.
    at_once: u64,
    /// How many commits there were, each second.
    progress: Vec<u64>,
}

impl World {
    /// Where virtual time begins.
    const DAWN: Timestamp = Timestamp::from_millis(1_000_000);

    /// More events than this in one millisecond are a loop.
    const AT_ONCE_MAX: u64 = 100_000;

    /// How long after the last fault everyone's work gets into the order.
    const SETTLING: Duration = millis(1_000);

    /// So long nobody makes headers once all is done. What nobody will order keeps a committee busy
    /// until it falls below the horizon.
    const SILENCE: Duration = millis(5_000);

    /// How often somebody looks whether everything is done.
    const LOOK_EVERY: Duration = millis(100);

    /// Builds the committee of a plan. Each sin makes a liar of its validator; a second sin of the
    /// same validator is a second node with its identity, a twin.
    pub fn new(plan: Plan, sins: Vec<(ValidatorId, Box<dyn Sin>)>) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5eed);
        let identities = identities(&plan);
        let mut nodes: Vec<Node> = Vec::new();
        for identity in &identities {
            nodes.push(Node::new(NodeId(nodes.len()), identity.clone(), &plan));
        }
        let mut faulty = BTreeSet::new();
        for (id, sin) in sins {
            let place = usize::from(id.0);
            let place = if faulty.insert(id) {
                place
            } else {
                nodes.push(Node::new(NodeId(nodes.len()), identities[place].clone(), &plan));
                nodes.len() - 1
            };
            nodes[place].sin = Some(sin);
            nodes[place].is_honest = false;
        }
        let network = Network::new(plan.links.clone(), nodes.len(), &mut random);
        let observer = Observer::new(&plan, Arc::clone(&identities[0].committee), nodes.len());
        Self {
            agenda: Agenda::new(Self::DAWN),
            audit: Audit::default(),
            plan,
            random,
            network,
            nodes,
            observer,
            faulty,
            is_calm: false,
            submitted: 0,
            released: 0,
            goal: None,
            last_turn: None,
            is_over: false,
            events: 0,
            at_once: 0,
            progress: Vec::new(),
        }
    }

    /// Writes down what happens, for a reader.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.audit.trace();
        self
    }

    /// Lets time pass until everything is done, or something that must not be.
    pub fn run(mut self) -> Report {
        self.begin();
        while !self.is_over && self.observer.violation().is_none() {
            let before = self.agenda.now();
            let Some(event) = self.agenda.next() else { break };
            self.events += 1;
            self.at_once = if before == self.agenda.now() { self.at_once + 1 } else { 0 };
            self.observer.at(self.agenda.now());
            self.happen(event);
            if Self::AT_ONCE_MAX < self.at_once {
                let what = "time stands still".to_owned();
                self.observer.violated(Invariant::NoLivelock, what);
            }
        }
        if self.observer.violation().is_none() {
            let present: Vec<_> = self.nodes.iter().filter(|node| self.is_present(node)).collect();
            let present = present.into_iter().map(|node| node.identity.id).collect();
            self.observer.recompute_order(&present);
        }
        self.report()
    }

    fn begin(&mut self) {
        for node in (0..self.nodes.len()).map(NodeId) {
            self.agenda.after(millis(self.random.gen_range(0..200)), Event::Restart(node));
            let first = self.gap(self.plan.load.every);
            self.agenda.after(first, Event::Submit(node));
        }
        if let Some(every) = self.plan.faults.every {
            let first = self.gap(every);
            self.agenda.after(first, Event::Fault);
        }
        let mut begins = Duration::ZERO;
        for (place, slice) in self.plan.slices.iter().enumerate() {
            self.agenda.after(begins, Event::Slice(place));
            begins += slice.lasts;
        }
        self.agenda.after(self.plan.chaos, Event::Calm);
        self.agenda.after(Self::LOOK_EVERY, Event::Look);
        self.agenda.after(self.plan.chaos + self.plan.calm_max, Event::Deadline);
    }

    /// A random time with this mean.
    fn gap(&mut self, mean: Duration) -> Duration {
        let mean = u64::try_from(mean.as_millis()).unwrap_or(u64::MAX / 2);
        millis(self.random.gen_range(1..=2 * mean))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival { to, .. } | Event::Inside { node: to, .. }
                if self.nodes[to.0].state == State::Frozen =>
            {
                self.nodes[to.0].backlog.push(event);
            }
            Event::Arrival { to, from, lane, bytes } => self.arrive(to, from, lane, &bytes),
            Event::Inside { node, life, what } => {
                if self.nodes[node.0].state == State::Up && self.nodes[node.0].life == life {
                    self.happen_inside(node, &what);
                }
            }
            Event::Submit(node) => self.submit(node),
            Event::Fault => self.fault(),
            Event::Restart(node) => self.start(node),
            Event::Thaw(node) => self.thaw(node),
            Event::Mend(cut) => self.network.mend(cut),
            Event::Slice(place) => self.network.slice(self.plan.slices[place].reaches.clone()),
            Event::Calm => self.calm(),
            Event::Look => self.look(),
            Event::Deadline => self.give_up(),
        }
    }

    fn arrive(&mut self, to: NodeId, from: ValidatorId, lane: Lane, bytes: &Bytes) {
        if self.nodes[to.0].state != State::Up {
            return;
        }
        self.audit.arrival(self.agenda.now(), to, from, lane, bytes);
        if !self.overhear(to, from, lane, bytes) {
            return;
        }
        let input = match lane {
            Lane::Worker => worker::Message::decode(bytes)
                .map(|message| Input::Worker(worker::Input::Message { from, message })),
            Lane::Ordering => ordering::Message::decode(bytes)
                .map(|message| Input::Ordering(ordering::Input::Message { from, message })),
        };
        match input {
            Ok(input) => self.give(to, [input]),
            // Only a liar may send nonsense.
            Err(error) => {
                let is_honest =
                    self.nodes.iter().all(|node| node.identity.id != from || node.is_honest);
                if is_honest {
                    let what = format!("validator {from} sent {lane:?} bytes: {error}");
                    self.observer.violated(Invariant::Decoding, what);
                }
            }
        }
    }

    fn happen_inside(&mut self, node: NodeId, what: &Inside) {
        self.audit.inside(self.agenda.now(), node, what);
        match *what {
            Inside::Wake { lane, asked } => {
                if self.nodes[node.0].alarms.wakes.get(&lane) == Some(&asked) {
                    let tick = match lane {
                        Lane::Worker => Input::Worker(worker::Input::Tick),
                        Lane::Ordering => Input::Ordering(ordering::Input::Tick),
                    };
                    self.give(node, [tick]);
                }
            }
            Inside::Timer { timer, asked } => {
                if self.nodes[node.0].alarms.timers.get(&timer) == Some(&asked) {
                    self.give(node, [Input::Ordering(ordering::Input::Timer(timer))]);
                }
            }
            Inside::Synced(lane) => self.synced(node, lane),
            Inside::Executed => self.executed(node),
            Inside::Propose => self.propose(node),
        }
    }

    fn submit(&mut self, node: NodeId) {
        if self.plan.chaos + self.plan.load.into_calm < self.agenda.now().since(Self::DAWN) {
            return;
        }
        let again = self.gap(self.plan.load.every);
        self.agenda.after(again, Event::Submit(node));
        if self.nodes[node.0].state != State::Up || self.nodes[node.0].is_full {
            return;
        }
        self.submitted += 1;
        let mut transaction = self.submitted.to_le_bytes().to_vec();
        let padding = self.random.gen_range(0..=self.plan.load.bytes_max);
        transaction.resize(transaction.len() + padding, 0);
        self.observer.submitted(&self.nodes[node.0], self.submitted);
        self.give(node, [Input::Worker(worker::Input::Transaction(transaction.into()))]);
    }

    fn propose(&mut self, node: NodeId) {
        if self.plan.chaos + self.plan.load.into_calm < self.agenda.now().since(Self::DAWN) {
            return;
        }
        self.plan_propose(node);
        let is_alone = self.nodes[node.0].identity.is_alone();
        let close_block = is_alone && self.random.gen_ratio(1, 2);
        self.give(node, [Input::Ordering(ordering::Input::Propose { close_block })]);
    }

    fn plan_propose(&mut self, node: NodeId) {
        if let Some(every) = self.plan.settings.propose_every {
            let gap = self.gap(every);
            self.plan_inside(node, gap, Inside::Propose);
        }
    }

    fn plan_inside(&mut self, node: NodeId, delay: Duration, what: Inside) {
        let life = self.nodes[node.0].life;
        self.agenda.after(delay, Event::Inside { node, life, what });
    }

    fn thaw(&mut self, node: NodeId) {
        if self.nodes[node.0].state != State::Frozen {
            return;
        }
        self.nodes[node.0].state = State::Up;
        for event in mem::take(&mut self.nodes[node.0].backlog) {
            self.happen(event);
        }
    }

    /// Releases what nobody needs, and ends the run when there is nothing to wait for.
    fn look(&mut self) {
        self.agenda.after(Self::LOOK_EVERY, Event::Look);
        let second = self.agenda.now().since(Self::DAWN).as_secs();
        if self.progress.len() as u64 <= second {
            self.progress.push(self.observer.commits());
        }
        self.observer.measure(&self.plan, &self.nodes);
        if self.plan.chaos + Self::SETTLING < self.agenda.now().since(Self::DAWN) {
            self.observer.settled();
        }
        if self.plan.settings.forgets && !self.plan.has(Fault::Amnesia) {
            self.forget();
        }
        let busy = self.plan.chaos + self.plan.load.into_calm;
        if self.agenda.now().since(Self::DAWN) <= busy + Self::LOOK_EVERY {
            return;
        }
        if self.goal.is_none() && self.observer.open().is_empty() {
            self.goal = Some(self.observer.commits());
        }
        let least = self.living().map(|node| node.executor.executed).min().unwrap_or(0);
        if self.goal.is_some_and(|goal| goal <= least) {
            self.listen();
        }
    }

    /// A committee with nothing to do falls silent: nobody makes headers any more. Ends the run.
    fn listen(&mut self) {
        let (now, turns) = (self.agenda.now(), self.observer.turns());
        let last = *self.last_turn.get_or_insert((turns, now));
        if last.0 != turns {
            self.last_turn = Some((turns, now));
        }
        let has_liars = self.nodes.iter().any(|node| !node.is_honest);
        self.is_over = has_liars || last.1 + Self::SILENCE <= now;
    }

    /// Time is up.
    fn give_up(&mut self) {
        if let Some((turns, _)) = self.last_turn {
            let what = format!("all is done, but there is no end of headers: {turns} so far");
            return self.observer.violated(Invariant::Quiet, what);
        }
        let what = self.what_is_missing();
        self.observer.violated(Invariant::Liveness, what);
    }

    fn forget(&mut self) {
        let least = self.living().map(|node| node.executor.executed).min().unwrap_or(0);
        let digests: Vec<_> = (self.released..least)
            .flat_map(|index| self.observer.batches_of(index))
            .map(|(_, batch)| batch.digest)
            .collect();
        self.released = self.released.max(least);
        if digests.is_empty() {
            return;
        }
        for id in (0..self.nodes.len()).map(NodeId) {
            let node = &mut self.nodes[id.0];
            if node.state == State::Up {
                for digest in &digests {
                    if let Some(batch) = node.held.get_mut(digest) {
                        batch.is_released = true;
                    }
                }
                self.give(id, [Input::Worker(worker::Input::Release(digests.clone()))]);
            }
        }
    }

    /// Whether the work of a node must get into the order once all is well.
    fn is_present(&self, node: &Node) -> bool {
        node.state == State::Up && !self.faulty.contains(&node.identity.id)
    }

    /// Honest nodes that are not dead for good.
    fn living(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_honest && node.state != State::Dead)
    }

    fn what_is_missing(&self) -> String {
        let open = self.observer.open();
        let executed: Vec<_> =
            self.nodes.iter().map(|node| (node.id.0, node.state, node.executor.executed)).collect();
        let some: Vec<_> = open.iter().take(3).collect();
        format!(
            "{} transactions are not executed, among them {some:?}; of {} commits, executed are \
             {executed:?}",
            open.len(),
            self.observer.commits(),
        )
    }

    fn report(self) -> Report {
        let (hash, trace) = self.audit.finish();
        Report {
            seed: self.plan.seed,
            protocol: self.plan.protocol,
            validators: self.plan.stakes.len(),
            events: self.events,
            virtual_time: self.agenda.now().since(Self::DAWN),
            commits: self.observer.commits(),
            transactions: self.observer.transactions(),
            progress: self.progress,
            hash,
            trace,
            violation: self.observer.into_violation(),
        }
    }
}

/// The validators of a plan, in order.
fn identities(plan: &Plan) -> Vec<Identity> {
    let signer = |id: usize| {
        let mut seed = [0x51; 32];
        seed[..8].copy_from_slice(&(id as u64).to_le_bytes());
        if plan.has_real_signatures { Signer::from_seed(seed) } else { cheap_signer(&seed) }
    };
    let signers: Vec<_> = (0..plan.stakes.len()).map(signer).collect();
    let members = signers
        .iter()
        .zip(&plan.stakes)
        .map(|(signer, &stake)| Validator { key: signer.public_key(), stake })
        .collect();
    let scheme: Arc<dyn Scheme> =
        if plan.has_real_signatures { Arc::new(Ed25519) } else { Arc::new(Cheap) };
    let committee = Committee::new(Digest::from_bytes([0x51; 32]), Epoch(0), members)
        .expect("the stakes of a plan are positive and small")
        .with_scheme(scheme);
    let committee = Arc::new(committee);
    (committee.ids().zip(signers))
        .map(|(id, signer)| Identity { committee: Arc::clone(&committee), id, signer })
        .collect()
}

/// Whether this validator must live for any progress.
fn is_needed(protocol: Protocol, id: ValidatorId) -> bool {
    match protocol {
        Protocol::Fcfs => id == ValidatorId(0),
        Protocol::HotStuff | Protocol::Bullshark => false,
    }
}
