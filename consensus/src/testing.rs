//! DAGs drawn in text, and DAGs made at random.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_types::{
    BatchDigest, BatchRef, Certificate, Claim, Committee, Digest, Epoch, Hasher, Header,
    HeaderDigest, Identity, PublicKey, Round, Scheme, SecretKey, Signature, Signer, Stake,
    Timestamp, Validator, ValidatorId, Verified, Vote, WorkerId,
};

use crate::{Config, Effect, Record};

/// A key that is no secret: its signatures are digests of the public half and of what is signed.
struct Toy(PublicKey);

/// Checks signatures of such keys.
#[derive(Debug)]
struct ToyScheme;

impl Toy {
    fn signature(key: &PublicKey, digest: &Digest) -> Signature {
        let mut hasher = Hasher::new("kraken toy signature v1");
        hasher.update(key);
        hasher.update(digest);
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(hasher.finish().as_bytes());
        Signature::from_bytes(bytes)
    }
}

impl SecretKey for Toy {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, digest: &Digest) -> Signature {
        Self::signature(&self.0, digest)
    }
}

impl Scheme for ToyScheme {
    fn verify(&self, claims: &[Claim]) -> Result<(), usize> {
        let holds = |claim: &Claim| Toy::signature(&claim.key, &claim.digest) == claim.signature;
        claims.iter().position(|claim| !holds(claim)).map_or(Ok(()), Err)
    }
}

fn key(id: ValidatorId) -> PublicKey {
    PublicKey::from_bytes(*Digest::of("kraken toy key v1", &id).as_bytes())
}

/// A committee of validators with these weights.
pub(crate) fn committee(stakes: &[Stake]) -> Arc<Committee> {
    let member =
        |(id, stake): (u16, &Stake)| Validator { key: key(ValidatorId(id)), stake: *stake };
    let members = (0..).zip(stakes).map(member).collect();
    let committee = Committee::new(Digest::from_bytes([7; 32]), Epoch(0), members);
    Arc::new(committee.expect("valid").with_scheme(Arc::new(ToyScheme)))
}

/// What a protocol is told on one of its validators.
pub(crate) fn config(committee: &Arc<Committee>, id: u16, gc_depth: u64) -> Config {
    let id = ValidatorId(id);
    let identity = Identity { committee: committee.clone(), id, signer: signer(id) };
    let view_timeout = Duration::from_millis(100);
    Config { identity, gc_depth, view_timeout, view_timeout_max: Duration::from_millis(800) }
}

fn signer(id: ValidatorId) -> Signer {
    Signer::new(Arc::new(Toy(key(id))))
}

/// Certifies a header with everyone's vote.
pub(crate) fn certify(header: &Header, committee: &Arc<Committee>) -> Verified<Certificate> {
    let identity = |id| Identity { committee: committee.clone(), id, signer: signer(id) };
    let signed = header.clone().sign(&identity(header.author));
    let votes = committee.ids().map(|id| (id, Vote::sign(signed.digest(), &identity(id))));
    Certificate::assemble(&signed, &votes.collect(), committee).expect("everyone voted")
}

/// The commits among effects.
pub(crate) fn commits(effects: &[Effect]) -> Vec<kraken_types::Commit> {
    let mut commits = Vec::new();
    for effect in effects {
        if let Effect::Commit(commit) = effect {
            commits.push(commit.clone());
        }
    }
    commits
}

/// The records among effects.
pub(crate) fn records(effects: &[Effect]) -> Vec<Record> {
    let mut records = Vec::new();
    for effect in effects {
        if let Effect::Persist(record) = effect {
            records.push(record.clone());
        }
    }
    records
}

/// A DAG, drawn: one line for each round, lowest first, from round 1 on. A word is a certificate:
/// the letter of its author, then, in any order,
///
/// - `:ABC` its parents; without it, all certificates of the line before;
/// - `@70` when it was made, in milliseconds; without it, ten times its round;
/// - `#5` a batch, by its place in the order of worker 0; there may be several; without it, one, whose
///   place is its round;
/// - `!` the wish to close the block.
///
/// A certificate is named by the letter of its author and its round: `B3`.
pub(crate) struct Drawing {
    pub(crate) committee: Arc<Committee>,
    certificates: BTreeMap<(u64, ValidatorId), Verified<Certificate>>,
}

impl fmt::Debug for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificates.values().try_for_each(|certificate| {
            let header = certificate.header();
            let parents: Vec<_> = header.parents.iter().map(|parent| self.name(parent)).collect();
            writeln!(f, "{}:{}", self.name(&certificate.digest()), parents.join(","))
        })
    }
}

impl Drawing {
    /// An empty sheet.
    pub(crate) fn new(committee: &Arc<Committee>) -> Self {
        Self { committee: committee.clone(), certificates: BTreeMap::new() }
    }

    /// Reads a drawing of validators with equal weight.
    pub(crate) fn of(size: usize, text: &str) -> Self {
        Self::with(&committee(&vec![1; size]), text)
    }

    /// Reads a drawing.
    pub(crate) fn with(committee: &Arc<Committee>, text: &str) -> Self {
        let mut drawing = Self::new(committee);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        for (round, line) in (1..).zip(lines) {
            for word in line.split_whitespace() {
                let header = drawing.header(round, word);
                drawing.add(&header);
            }
        }
        drawing
    }

    fn header(&self, round: u64, word: &str) -> Header {
        let author = author(word.chars().next().expect("split at spaces"));
        let below = self.certificates.range((round - 1, ValidatorId(0))..(round, ValidatorId(0)));
        let mut header = Header {
            parents: below.map(|(_, certificate)| certificate.digest()).collect(),
            ..self.blank(round, author)
        };
        for (start, mark) in word.match_indices([':', '@', '#', '!']) {
            let rest = &word[start + 1..];
            let value = &rest[..rest.find([':', '@', '#', '!']).unwrap_or(rest.len())];
            match mark {
                ":" => {
                    header.parents =
                        value.chars().map(|letter| self.digest(round - 1, letter)).collect()
                }
                "@" => header.created_at = Timestamp::from_millis(value.parse().expect("a number")),
                "#" => header.batches.push(batch(author, value.parse().expect("a number"))),
                _ => header.close_block = true,
            }
        }
        if header.batches.is_empty() {
            header.batches.push(batch(author, round));
        }
        header
    }

    /// A header without parents and payload.
    pub(crate) fn blank(&self, round: u64, author: ValidatorId) -> Header {
        Header {
            genesis: self.committee.genesis(),
            epoch: Epoch(0),
            author,
            round: Round(round),
            created_at: Timestamp::from_millis(10 * round),
            batches: Vec::new(),
            parents: Vec::new(),
            attachment: Bytes::new(),
            close_block: false,
        }
    }

    /// Certifies a header and adds it.
    pub(crate) fn add(&mut self, header: &Header) {
        let place = (header.round.0, header.author);
        self.certificates.insert(place, certify(header, &self.committee));
    }

    /// A certificate, by name.
    pub(crate) fn get(&self, name: &str) -> &Verified<Certificate> {
        let (letter, round) = name.split_at(1);
        let author = author(letter.chars().next().expect("one letter"));
        &self.certificates[&(round.parse().expect("a round"), author)]
    }

    /// All certificates, by round, then author.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Verified<Certificate>> {
        self.certificates.values()
    }

    /// The certificates of a round.
    pub(crate) fn round(&self, round: u64) -> Vec<&Verified<Certificate>> {
        let place = |round| (round, ValidatorId(0));
        self.certificates.range(place(round)..place(round + 1)).map(|(_, made)| made).collect()
    }

    /// The name of a certificate.
    pub(crate) fn name(&self, digest: &HeaderDigest) -> String {
        let found = self.certificates.iter().find(|(_, made)| made.digest() == *digest);
        let ((round, author), _) = found.expect("drawn");
        let letter = char::from(b'A' + u8::try_from(author.0).expect("a letter"));
        format!("{letter}{round}")
    }

    fn digest(&self, round: u64, letter: char) -> HeaderDigest {
        self.certificates[&(round, author(letter))].digest()
    }
}

fn author(letter: char) -> ValidatorId {
    let place = u16::try_from(u32::from(letter)).expect("a letter") - u16::from(b'A');
    ValidatorId(place)
}

/// A batch of worker 0.
pub(crate) fn batch(author: ValidatorId, sequence: u64) -> BatchRef {
    let digest = BatchDigest(Digest::of("kraken test batch v1", &(author, sequence)));
    BatchRef { digest, worker: WorkerId(0), sequence }
}

/// Numbers without a pattern, from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// True in so many cases of a hundred.
    pub(crate) fn percent(&mut self, cases: usize) -> bool {
        self.below(100) < cases
    }

    /// In any order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }
}

/// Makes a DAG at random: a few validators, within what may be faulty, often miss a round, are seldom
/// cited, lie about the time and name batches twice.
pub(crate) fn random(size: usize, rounds: u64, seed: u64) -> Drawing {
    let mut random = Random(seed);
    let mut drawing = Drawing::new(&committee(&vec![1; size]));
    let mut ids: Vec<_> = drawing.committee.ids().collect();
    random.shuffle(&mut ids);
    let faulty = ids[..(size - 1) / 3].to_vec();
    // Half of the time the network is against the leaders: few cite them, so little is decided.
    let shuns_leaders = random.percent(50);
    let (missing, cited) = (random.below(80), random.below(60));
    let (missing, cited) =
        if shuns_leaders { (missing / 16, 10 + cited / 6) } else { (missing, cited) };
    for round in 1..=rounds {
        // A quorum is left when one or those who may be faulty are shunned, not when both are.
        let leader = ids.iter().find(|id| u64::from(id.0) == round / 2 % size as u64);
        let leader: Vec<_> = leader.copied().into_iter().collect();
        let shunned = if shuns_leaders && round % 2 == 1 { &leader } else { &faulty };
        for author in drawing.committee.ids() {
            let is_faulty = faulty.contains(&author);
            if is_faulty && random.percent(missing) {
                continue;
            }
            let mut header = drawing.blank(round, author);
            header.parents = parents(&drawing, round - 1, shunned, cited, &mut random);
            let lag = if is_faulty { 10_000 } else { 30 };
            header.created_at = Timestamp::from_millis(10 * round + random.below(lag) as u64);
            for _ in 0..random.below(3) {
                let place = if is_faulty { random.below(20) as u64 } else { round };
                header.batches.push(batch(author, place));
            }
            drawing.add(&header);
        }
    }
    drawing
}

/// A quorum of a round at least, in the order of the authors. Shunned ones are taken, if others make
/// a quorum, in so many cases of a hundred.
fn parents(
    drawing: &Drawing,
    round: u64,
    shunned: &[ValidatorId],
    cited: usize,
    random: &mut Random,
) -> Vec<HeaderDigest> {
    let mut all = drawing.round(round);
    random.shuffle(&mut all);
    all.sort_by_cached_key(|made| {
        shunned.contains(&made.header().author) && !random.percent(cited)
    });
    let quorum = usize::try_from(drawing.committee.quorum()).expect("small");
    let surplus = all.len().saturating_sub(quorum);
    all.truncate(quorum + random.below(surplus + 1));
    all.sort_by_key(|made| made.header().author);
    all.into_iter().map(|made| made.digest()).collect()
}

/// Hands certificates to a validator as its mempool would: in a causal order, without those at or
/// below its horizon, and, after a restart, those above the horizon again.
#[derive(Debug)]
pub(crate) struct Delivery {
    random: Random,
    waiting: Vec<Verified<Certificate>>,
    delivered: BTreeMap<HeaderDigest, Verified<Certificate>>,
    /// Those authors that this validator hears of late.
    slow: Vec<ValidatorId>,
}

impl Delivery {
    /// All certificates of a drawing, in an order that the seed decides.
    pub(crate) fn new(drawing: &Drawing, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut waiting: Vec<_> = drawing.all().cloned().collect();
        random.shuffle(&mut waiting);
        let slow = drawing.committee.ids().filter(|_| random.percent(20)).collect();
        Self { random, waiting, delivered: BTreeMap::new(), slow }
    }

    /// The next certificate, given the horizon.
    pub(crate) fn next(&mut self, horizon: Round) -> Option<Verified<Certificate>> {
        self.waiting.retain(|made| horizon < made.header().round);
        let is_ready = |made: &&Verified<Certificate>| {
            let header = made.header();
            header.round.back(1) <= horizon
                || header.parents.iter().all(|parent| self.delivered.contains_key(parent))
        };
        let ready: Vec<_> = self.waiting.iter().filter(is_ready).cloned().collect();
        let prompt = ready.iter().filter(|made| !self.slow.contains(&made.header().author));
        let prompt: Vec<_> = prompt.cloned().collect();
        let among = if prompt.is_empty() || self.random.percent(5) { ready } else { prompt };
        if among.is_empty() {
            return None;
        }
        let chosen = among[self.random.below(among.len())].clone();
        self.waiting.retain(|made| *made != chosen);
        self.delivered.insert(chosen.digest(), chosen.clone());
        Some(chosen)
    }

    /// The validator starts again: everything above the horizon will come again, in another order.
    pub(crate) fn restart(&mut self) {
        self.waiting.extend(std::mem::take(&mut self.delivered).into_values());
        self.random.shuffle(&mut self.waiting);
    }
}
