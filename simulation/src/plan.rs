//! What one seed stands for: the committee, its settings, the weather, and what breaks.
//!
//! Each seed switches kinds of faults on and off and draws their rates ("swarm testing"): a run
//! with few kinds of trouble goes deeper into each than one with a little of everything.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use kraken_types::{Stake, genesis::Protocol};
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// A run, fully described.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of everything random.
    pub seed: u64,
    /// Who orders.
    pub protocol: Protocol,
    /// The weights of the validators.
    pub stakes: Vec<Stake>,
    /// Ed25519 instead of [`crate::scheme::Cheap`].
    pub has_real_signatures: bool,
    /// The settings of all validators.
    pub settings: Settings,
    /// The links between them.
    pub links: Links,
    /// Their disks.
    pub disks: Disks,
    /// What goes wrong.
    pub faults: Faults,
    /// Who reaches whom, one slice of time after another from the start; then everyone.
    pub slices: Vec<Slice>,
    /// What clients send.
    pub load: Load,
    /// How long things go wrong.
    pub chaos: Duration,
    /// How long after that everything must be done.
    pub calm_max: Duration,
}

/// Settings of validators, the same on all of them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rounds below an anchor that may still be ordered.
    pub gc_depth: u64,
    /// Rounds longer that certificates are kept.
    pub serve_depth: u64,
    /// Batches that are worth a header at once.
    pub header_batches: usize,
    /// The patience of a header.
    pub header_delay_max: Duration,
    /// The patience with what the protocol awaits.
    pub round_delay_max: Duration,
    /// The first pause before something is sent again.
    pub retry_after: Duration,
    /// The first patience with a leader.
    pub view_timeout: Duration,
    /// The last.
    pub view_timeout_max: Duration,
    /// When a batch is full.
    pub batch_bytes_max: usize,
    /// When a batch is old.
    pub batch_age_max: Duration,
    /// When a worker takes no more transactions; twice as much, and room for what is under way, may
    /// be a peer's.
    pub own_bytes_max: usize,
    /// A builder asks for the order to go on this often.
    pub propose_every: Option<Duration>,
    /// Executed batches are forgotten once all validators have executed them, and the oldest
    /// records of the logs once they are not needed.
    pub forgets: bool,
}

/// The network while things go wrong; afterwards nothing is lost or doubled.
#[derive(Clone, Debug)]
pub struct Links {
    /// Each link draws its latency from this, once.
    pub latency_ms: RangeInclusive<u64>,
    /// Each message takes up to this much longer.
    pub jitter_ms: u64,
    /// So many of a thousand messages take ten times the jitter longer.
    pub straggling: u32,
    /// So many of a thousand messages are lost.
    pub loss: u32,
    /// So many of a thousand messages come twice.
    pub doubled: u32,
    /// Messages of one lane of a link keep their order.
    pub is_ordered: bool,
}

/// The disks.
#[derive(Clone, Debug)]
pub struct Disks {
    /// How long a sync takes.
    pub sync_ms: RangeInclusive<u64>,
}

/// Who reaches whom for a while.
#[derive(Clone, Debug)]
pub struct Slice {
    /// For how long.
    pub lasts: Duration,
    /// For each node, whom it reaches.
    pub reaches: Vec<Vec<bool>>,
}

/// What goes wrong besides the network.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The mean time between two faults; without it there are none.
    pub every: Option<Duration>,
    /// The kinds that this seed knows.
    pub kinds: Vec<Fault>,
    /// The longest outage, freeze, partition or stall.
    pub longest: Duration,
    /// Clocks are off by up to this much.
    pub skew_ms: u64,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A validator dies and starts again.
    Crash,
    /// Every validator dies at once, and they start again one by one.
    Blackout,
    /// A validator stands still, and then gets everything at once.
    Freeze,
    /// Some validators do not reach the others, in both directions or in one.
    Partition,
    /// A disk takes its time.
    Stall,
    /// A validator dies and its disks are gone; such validators count as faulty.
    Amnesia,
    /// A validator dies for good; such validators count as faulty.
    Death,
}

/// What clients do.
#[derive(Clone, Debug)]
pub struct Load {
    /// The mean time between two transactions at one validator.
    pub every: Duration,
    /// The largest transaction.
    pub bytes_max: usize,
    /// How long into the calm clients go on.
    pub into_calm: Duration,
}

/// What the caller of a run chooses; the seed chooses the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    /// How many validators; the seed chooses without it.
    pub validators: Option<u16>,
    /// Ed25519 instead of [`crate::scheme::Cheap`].
    pub has_real_signatures: bool,
}

impl Plan {
    /// Draws a run.
    pub fn of_seed(seed: u64, protocol: Protocol, choice: Choice) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let drawn = *[1, 4, 4, 4, 4, 7, 7, 10].choose(&mut random).unwrap_or(&4);
        let validators = choice.validators.unwrap_or(drawn);
        let stakes = draw_stakes(&mut random, validators);
        let plan = Self {
            seed,
            protocol,
            stakes,
            has_real_signatures: choice.has_real_signatures,
            settings: Settings::draw(&mut random),
            links: Links::draw(&mut random),
            disks: Disks { sync_ms: 1..=random.gen_range(1..=20) },
            faults: Faults::draw(&mut random, protocol),
            slices: Vec::new(),
            load: Load {
                every: millis(random.gen_range(20..=400)),
                bytes_max: random.gen_range(16..=1_500),
                into_calm: millis(4_000),
            },
            chaos: millis(random.gen_range(4_000..=15_000)),
            calm_max: millis(120_000),
        };
        // Another stream: what is drawn here was added later, and old seeds keep their meaning.
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x1a7e);
        plan.gentle(&mut random).tight(&mut random)
    }

    /// In some runs nobody is away for long, so nobody has to keep much for those that catch up.
    fn gentle(mut self, random: &mut ChaCha8Rng) -> Self {
        let is_gentle = self.faults.every.is_none() || random.gen_ratio(1, 4);
        let longest = millis(random.gen_range(20..=300));
        let every = millis(random.gen_range(500..=2_000));
        let serve_depth = random.gen_range(60..=120);
        if is_gentle {
            self.faults.kinds.retain(|kind| !kind.is_for_good());
            self.faults.every = self.faults.every.filter(|_| !self.faults.kinds.is_empty());
            self.faults.every = self.faults.every.map(|drawn| drawn.max(every));
            self.faults.longest = longest;
            // A follower of FCFS asks for one certificate at a time, ever more rarely.
            if self.protocol != Protocol::Fcfs {
                self.settings.serve_depth = serve_depth;
            }
        }
        self
    }

    /// In some runs workers may keep little. Not where a lost disk frees its owner, but not others,
    /// of what it held.
    fn tight(mut self, random: &mut ChaCha8Rng) -> Self {
        let is_tight = random.gen_ratio(1, 3);
        let own_bytes_max = random.gen_range(4_000..=40_000);
        if is_tight && self.settings.forgets && !self.has(Fault::Amnesia) {
            self.settings.own_bytes_max = own_bytes_max;
        }
        self
    }

    /// The most weight that may be faulty: less than a third.
    pub fn faulty_max(&self) -> Stake {
        self.stakes.iter().sum::<Stake>().div_ceil(3) - 1
    }

    /// Whether anybody may lose its disk.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.every.is_some() && self.faults.kinds.contains(&fault)
    }
}

impl Fault {
    /// Whether a validator is faulty from then on.
    pub(crate) fn is_for_good(self) -> bool {
        match self {
            Self::Amnesia | Self::Death => true,
            Self::Crash | Self::Blackout | Self::Freeze | Self::Partition | Self::Stall => false,
        }
    }
}

impl Settings {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        let header_delay = random.gen_range(20..=100);
        let view_timeout = random.gen_range(200..=1_000);
        Self {
            gc_depth: random.gen_range(10..=50),
            serve_depth: 10_000,
            header_batches: random.gen_range(1..=8),
            header_delay_max: millis(header_delay),
            round_delay_max: millis(header_delay + random.gen_range(50..=400)),
            retry_after: millis(random.gen_range(50..=200)),
            view_timeout: millis(view_timeout),
            view_timeout_max: millis(view_timeout * 8),
            batch_bytes_max: random.gen_range(200..=2_000),
            batch_age_max: millis(random.gen_range(5..=100)),
            own_bytes_max: 8 << 20,
            propose_every: random.gen_ratio(1, 4).then(|| millis(random.gen_range(100..=1_000))),
            forgets: random.gen_ratio(2, 3),
        }
    }
}

impl Links {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        let mut some = |chance: u32, rates: RangeInclusive<u32>| {
            if random.gen_ratio(chance, 4) { random.gen_range(rates) } else { 0 }
        };
        let (straggling, loss, doubled) = (some(2, 1..=50), some(2, 1..=250), some(1, 1..=200));
        Self {
            latency_ms: 1..=random.gen_range(1..=60),
            jitter_ms: random.gen_range(1..=40),
            straggling,
            loss,
            doubled,
            is_ordered: random.gen_ratio(1, 2),
        }
    }
}

impl Faults {
    fn draw(random: &mut ChaCha8Rng, protocol: Protocol) -> Self {
        let mut kinds: BTreeSet<_> = [Fault::Crash, Fault::Blackout, Fault::Freeze].into();
        kinds.extend([Fault::Partition, Fault::Stall, Fault::Amnesia, Fault::Death]);
        kinds.retain(|_| random.gen_ratio(2, 5));
        if protocol == Protocol::Fcfs {
            // A validator that numbers certificates twice would be a liar.
            kinds.remove(&Fault::Amnesia);
        }
        let every = millis(random.gen_range(150..=3_000));
        Self {
            every: (!kinds.is_empty()).then_some(every),
            kinds: kinds.into_iter().collect(),
            longest: millis(random.gen_range(200..=5_000)),
            skew_ms: if random.gen_ratio(1, 2) { random.gen_range(1..=200) } else { 0 },
        }
    }
}

fn draw_stakes(random: &mut ChaCha8Rng, validators: u16) -> Vec<Stake> {
    let most = if random.gen_ratio(1, 5) { 4 } else { 1 };
    (0..validators).map(|_| random.gen_range(1..=most)).collect()
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
