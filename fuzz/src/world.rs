//! A committee all of whose keys are known, and what it, or the liars in it, can make.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_types::{
    BatchRef, Certificate, Claim, Committee, Digest, Epoch, Header, HeaderDigest, Identity,
    PublicKey, Round, Scheme, SecretKey, Signature, SignedHeader, Signer, Stake, Timestamp,
    Validator, ValidatorId, Verified, Verify, Vote, WorkerId,
    testing::{self, Script},
};

/// The validator whose machines are fed. It is honest; the others are whatever the script says.
pub const OURS: ValidatorId = ValidatorId(0);

/// The one that lies in a lawful committee of four.
pub const LIAR: ValidatorId = ValidatorId(3);

/// How far the time of a header may be ahead.
pub const DRIFT_MAX: Duration = Duration::from_millis(500);

/// Who in a committee of four keeps the rules; [`OURS`] does in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Nobody else: three liars may certify whatever they like.
    None,
    /// All but [`LIAR`]: the script speaks for all, but certifies only what honest ones vote for.
    Kept,
    /// All but [`LIAR`], and they are there themselves: the script speaks for the liar only.
    Real,
}

/// A committee, and the certificates it has made.
#[derive(Debug)]
pub struct World {
    /// The committee, of one or of four.
    pub committee: Arc<Committee>,
    /// Who keeps the rules.
    pub law: Law,
    /// By round; of each author mostly one.
    certificates: BTreeMap<Round, Vec<Verified<Certificate>>>,
}

/// A signature of this kind is the key and the digest: checked in no time, and everybody can make
/// one, but no decoder and no rule depends on that. Real ones are in the target of the decoders.
#[derive(Clone, Copy, Debug)]
struct Open;

/// A key of this kind.
struct OpenKey(PublicKey);

impl SecretKey for OpenKey {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, digest: &Digest) -> Signature {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.0.as_bytes());
        bytes[32..].copy_from_slice(digest.as_bytes());
        Signature::from_bytes(bytes)
    }
}

impl Scheme for Open {
    fn verify(&self, claims: &[Claim]) -> Result<(), usize> {
        let lies = |claim: &Claim| OpenKey(claim.key).sign(&claim.digest) != claim.signature;
        claims.iter().position(lies).map_or(Ok(()), Err)
    }
}

fn key(id: ValidatorId) -> PublicKey {
    let mut bytes = [1; 32];
    bytes[..2].copy_from_slice(&id.0.to_le_bytes());
    PublicKey::from_bytes(bytes)
}

impl World {
    /// A committee of so many validators of equal weight.
    ///
    /// # Panics
    /// If no committee can be that large.
    pub fn new(size: u16, law: Law) -> Self {
        let member = |id| Validator { key: key(ValidatorId(id)), stake: 1 };
        let genesis = Digest::from_bytes([7; 32]);
        let committee = Committee::new(genesis, Epoch(0), (0..size).map(member).collect())
            .expect("a small committee")
            .with_scheme(Arc::new(Open));
        Self { committee: Arc::new(committee), law, certificates: BTreeMap::new() }
    }

    /// One of the validators, or a stranger who says so.
    pub fn identity(&self, id: ValidatorId) -> Identity {
        let signer = Signer::new(Arc::new(OpenKey(key(id))));
        Identity { committee: Arc::clone(&self.committee), id, signer }
    }

    /// Somebody for whom the script speaks; seldom a stranger.
    pub fn somebody(&self, script: &mut Script<'_>) -> ValidatorId {
        match (self.law, script.byte()) {
            (_, 252..) => ValidatorId(u16::MAX),
            (_, 248..252) => ValidatorId(4),
            (Law::Real, _) => LIAR,
            (Law::None | Law::Kept, byte) => ValidatorId(1 + u16::from(byte % 3)),
        }
    }

    /// The newest round of which there is a certificate.
    pub fn top(&self) -> Round {
        self.certificates.last_key_value().map_or(Round(0), |(round, _)| *round)
    }

    /// The round that is to be filled: the first one without a quorum.
    fn open_round(&self) -> Round {
        let authors = self.of_round(self.top()).iter().map(|known| known.header().author);
        let stake: Stake = authors.map(|id| self.committee.stake(id)).sum();
        let is_done = self.top() == Round(0) || self.committee.quorum() <= stake;
        if is_done { self.top().next() } else { self.top() }
    }

    /// The certificates of a round.
    pub fn of_round(&self, round: Round) -> &[Verified<Certificate>] {
        self.certificates.get(&round).map_or(&[], Vec::as_slice)
    }

    /// A certificate, mostly a recent one.
    pub fn certificate(&self, script: &mut Script<'_>) -> Option<&Verified<Certificate>> {
        let round = self.top().back(script.below(usize::MAX) as u64 / 4);
        script.pick(self.of_round(round))
    }

    /// A header that all honest validators would vote for: its parents are all certificates of the
    /// round before, one for each author.
    pub fn good_header(&self, author: ValidatorId, round: Round, now: Timestamp) -> Header {
        let before = round.previous().map_or(&[][..], |before| self.of_round(before));
        let parents: BTreeMap<_, _> =
            before.iter().map(|known| (known.header().author, known.digest())).collect();
        let newest = before.iter().map(|known| known.header().created_at).max();
        Header {
            genesis: self.committee.genesis(),
            epoch: self.committee.epoch(),
            author,
            round,
            created_at: newest.map_or(now, |newest| newest.max(now)),
            batches: Vec::new(),
            parents: parents.into_values().collect(),
            attachment: Bytes::new(),
            close_block: false,
        }
    }

    /// A header that somebody would like to be voted for.
    pub fn header(&self, script: &mut Script<'_>, now: Timestamp) -> Header {
        let author = self.somebody(script);
        let round = match script.byte() {
            0..128 => self.open_round(),
            128..200 => self.top(),
            _ => Round(script.near(self.top().0)),
        };
        let mut header = self.good_header(author, round, now);
        header.batches = batches(script);
        // Bits say what is out of the ordinary.
        let odd = script.byte() & script.byte();
        if odd & 1 != 0 {
            header.created_at = Timestamp::from_millis(script.near(now.millis()));
        }
        if odd & 2 != 0 {
            let kept = script.byte();
            let mut place = 0_u8;
            header.parents.retain(|_| {
                place = place.wrapping_add(1);
                kept & (1 << (place % 8)) != 0
            });
        }
        if odd & 4 != 0 {
            header.parents.extend(self.digest(script));
        }
        if odd & 8 != 0 {
            header.attachment = Bytes::copy_from_slice(script.bytes(255));
        }
        if odd & 16 != 0 {
            header.close_block = true;
        }
        if odd & 32 != 0 {
            header.epoch = Epoch(script.near(0));
        }
        if odd & 64 != 0 {
            header.parents.reverse();
        }
        if odd & 128 != 0 {
            header.batches.extend(batches(script));
        }
        header
    }

    /// What might identify a header.
    pub fn digest(&self, script: &mut Script<'_>) -> Option<HeaderDigest> {
        if script.seldom() {
            return Some(HeaderDigest(Digest::from_bytes([script.byte(); 32])));
        }
        self.certificate(script).map(|certificate| certificate.digest())
    }

    /// Signs a header with the key of its author.
    pub fn sign(&self, header: Header) -> Verified<SignedHeader> {
        let author = self.identity(header.author);
        header.sign(&author)
    }

    /// A vote of a validator.
    pub fn vote(&self, voter: ValidatorId, header: HeaderDigest) -> Verified<Vote> {
        Vote::sign(header, &self.identity(voter))
    }

    /// A certificate of a header, with the votes of all but, mostly, ourselves; `None` if honest
    /// validators would not vote for it, or must be asked.
    pub fn certify(
        &self,
        header: Header,
        with_ours: bool,
        now: Timestamp,
    ) -> Option<Verified<Certificate>> {
        let is_fit = match self.law {
            Law::None => true,
            Law::Kept => self.is_votable(&header, now),
            Law::Real => false,
        };
        if !is_fit {
            return None;
        }
        let signed = self.sign(header);
        let is_alone = self.committee.len() == 1;
        let voters = self.committee.ids().filter(|id| with_ours || *id != OURS || is_alone);
        let votes = voters.map(|id| (id, self.vote(id, signed.digest()))).collect();
        Certificate::assemble(&signed, &votes, &self.committee)
    }

    /// Whether honest validators vote for a header: its parents are there and make a quorum, its
    /// time lies between theirs and now, and there is no other of its author and round.
    fn is_votable(&self, header: &Header, now: Timestamp) -> bool {
        let before = header.round.previous().map_or(&[][..], |before| self.of_round(before));
        let parents: Vec<_> =
            before.iter().filter(|known| header.parents.contains(&known.digest())).collect();
        let stake: Stake =
            parents.iter().map(|known| self.committee.stake(known.header().author)).sum();
        let is_first = header.round == Round(1) && header.parents.is_empty();
        let has_quorum = parents.len() == header.parents.len() && self.committee.quorum() <= stake;
        let newest = parents.iter().map(|known| known.header().created_at).max();
        let (earliest, latest) = (newest.unwrap_or_default(), now + DRIFT_MAX);
        let twin = self
            .of_round(header.round)
            .iter()
            .find(|twin| twin.header().author == header.author && twin.header() != header);
        (is_first || has_quorum)
            && (earliest..=latest).contains(&header.created_at)
            && twin.is_none()
    }

    /// Remembers a certificate as one that others may build on; `None` if it is impossible.
    pub fn keep(&mut self, certificate: Certificate) -> Option<Verified<Certificate>> {
        let certificate = certificate.verified(&self.committee).ok()?;
        let round = certificate.header().round;
        // A round that nobody can get to would make everything else stale.
        if round <= self.top().next() {
            let of_round = self.certificates.entry(round).or_default();
            if !of_round.contains(&certificate) {
                of_round.push(certificate.clone());
            }
        }
        Some(certificate)
    }

    /// A new certificate of whoever, as the script likes it.
    pub fn grow(&mut self, script: &mut Script<'_>, now: Timestamp) -> Option<Certificate> {
        let header = self.header(script, now);
        let certificate = self.certify(header, script.seldom(), now)?.into_inner();
        self.keep(certificate.clone());
        Some(certificate)
    }

    /// One more round, with everything there is, by those who take part.
    pub fn advance(
        &mut self,
        now: Timestamp,
        takes_part: impl Fn(ValidatorId) -> bool,
    ) -> Vec<Verified<Certificate>> {
        let round = self.open_round();
        let is_there = |id| self.of_round(round).iter().any(|known| known.header().author == id);
        let authors = self.committee.ids().filter(|id| takes_part(*id) && !is_there(*id));
        let headers: Vec<_> = authors.map(|id| self.good_header(id, round, now)).collect();
        let made: Vec<_> =
            headers.into_iter().filter_map(|header| self.certify(header, false, now)).collect();
        made.into_iter().filter_map(|certificate| self.keep(certificate.into_inner())).collect()
    }
}

/// Up to three of 256 batches, seldom in places of their own.
pub fn batches(script: &mut Script<'_>) -> Vec<BatchRef> {
    let count = script.below(16).saturating_sub(12);
    let mut batches = Vec::new();
    for _ in 0..count {
        let mut batch = testing::batch(u64::from(script.byte()));
        if script.seldom() {
            batch.worker = WorkerId(script.byte());
            batch.sequence = script.near(batch.sequence);
        }
        batches.push(batch);
    }
    batches
}
