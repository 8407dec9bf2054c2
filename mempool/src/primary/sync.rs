//! Certificates that we miss, and those that others miss (rules P5 and P8).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use kraken_types::{
    Certificate, Committee, HeaderDigest, Identity, Round, Timestamp, ValidatorId, Verified, codec,
};

use super::{Message, Output, Primary, retry::Retry};

/// A certificate is asked for so many times; after that it comes as an answer to `Behind`, if it
/// exists.
const ATTEMPTS_MAX: u16 = 16;

/// So many times in half of `retry_after` one peer may ask `Behind`.
const BEHIND_ANSWERS_MAX: usize = 4;

/// So many certificates one peer is sent in half of `retry_after`.
const SERVED_MAX: usize = 4 * Message::SYNC_MAX;

/// Every so many times `retry_after` another validator is told how far we are.
const ROTATION: u32 = 8;

/// What we ask for, and how much we answered.
///
/// Bound: for each validator, twice `SYNC_MAX` or the size of the committee of certificates that
/// it made us want; more are left to `Behind`.
#[derive(Debug)]
pub(super) struct Sync {
    identity: Identity,
    retry_after: Duration,
    wants: BTreeMap<HeaderDigest, Want>,
    due: BTreeSet<(Timestamp, HeaderDigest)>,
    peers: Vec<Peer>,
    /// Who seems to know more than we do. All have their turn, so that a liar delays us only once.
    ahead: BTreeSet<ValidatorId>,
    last_told: ValidatorId,
    /// We do not tell anyone how far we are before.
    quiet_until: Timestamp,
    rotation: Option<Rotation>,
}

#[derive(Debug)]
struct Want {
    /// The round of the certificate, if it is what it was named for.
    round: Round,
    source: ValidatorId,
    attempts: u16,
    retry: Retry,
}

/// What one validator made us do.
#[derive(Debug, Default)]
struct Peer {
    wants: usize,
    /// When the counts below begin anew.
    window_end: Timestamp,
    behind_answers: usize,
    served: usize,
}

/// Whom we tell next how far we are.
#[derive(Debug)]
struct Rotation {
    at: Timestamp,
    next: ValidatorId,
}

impl Sync {
    /// Starts without a wish.
    pub(super) fn new(identity: &Identity, retry_after: Duration) -> Self {
        Self {
            identity: identity.clone(),
            retry_after: retry_after.max(Duration::from_millis(1)),
            wants: BTreeMap::new(),
            due: BTreeSet::new(),
            peers: identity.committee.ids().map(|_| Peer::default()).collect(),
            ahead: BTreeSet::new(),
            last_told: identity.id,
            quiet_until: Timestamp::ZERO,
            rotation: None,
        }
    }

    /// How many certificates are wanted.
    pub(super) fn len(&self) -> usize {
        self.wants.len()
    }

    /// Begins to tell others how far we are, one after the other.
    pub(super) fn start(&mut self, now: Timestamp) {
        let next = after(self.identity.id, 1, &self.identity);
        self.rotation = (!self.identity.is_alone()).then_some(Rotation { at: now, next });
    }

    /// A validator showed that it knows more than we do.
    pub(super) fn lags_behind(&mut self, peer: ValidatorId) {
        if peer != self.identity.id {
            self.ahead.insert(peer);
        }
    }

    /// When there is something to ask.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let want = self.due.first().map(|(at, _)| *at);
        let behind = self.ahead.first().map(|_| self.quiet_until);
        let rotation = self.rotation.as_ref().map(|rotation| rotation.at);
        [want, behind, rotation].into_iter().flatten().min()
    }

    /// Wants a certificate that `source` referred to.
    fn want(&mut self, now: Timestamp, source: ValidatorId, round: Round, digest: HeaderDigest) {
        let wants_max = 2 * Message::SYNC_MAX.max(self.peers.len());
        let Some(peer) = self.peers.get_mut(usize::from(source.0)) else { return };
        if wants_max <= peer.wants || self.wants.contains_key(&digest) {
            return;
        }
        peer.wants += 1;
        let retry = Retry::at_once(now, self.retry_after);
        self.due.insert((retry.at(), digest));
        self.wants.insert(digest, Want { round, source, attempts: 0, retry });
    }

    /// A certificate is here, or will not be asked for any more.
    pub(super) fn forget(&mut self, digest: HeaderDigest) {
        let Some(want) = self.wants.remove(&digest) else { return };
        self.due.remove(&(want.retry.at(), digest));
        if let Some(peer) = self.peers.get_mut(usize::from(want.source.0)) {
            peer.wants -= 1;
        }
    }

    /// The horizon moved.
    pub(super) fn prune(&mut self, horizon: Round) {
        let old = self.wants.iter().filter(|(_, want)| want.round <= horizon);
        let old: Vec<_> = old.map(|(digest, _)| *digest).collect();
        old.into_iter().for_each(|digest| self.forget(digest));
    }

    /// Asks for what is due: first of who referred to it, then of the others in turn.
    fn ask(&mut self, now: Timestamp) -> Vec<Output> {
        let mut questions: BTreeMap<ValidatorId, Vec<HeaderDigest>> = BTreeMap::new();
        let mut given_up = Vec::new();
        while let Some((at, digest)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, digest));
            let Some(want) = self.wants.get_mut(&digest) else { continue };
            want.retry.is_due(now);
            self.due.insert((want.retry.at(), digest));
            if want.attempts == ATTEMPTS_MAX {
                given_up.push(digest);
                continue;
            }
            let peer = after(want.source, want.attempts, &self.identity);
            want.attempts += 1;
            questions.entry(peer).or_default().push(digest);
        }
        given_up.into_iter().for_each(|digest| self.forget(digest));
        let mut outputs = Vec::new();
        for (to, digests) in questions {
            for some in digests.chunks(Message::SYNC_MAX) {
                outputs.push(Output::Send { to, message: Message::Want(some.to_vec()) });
            }
        }
        outputs
    }

    /// Whom to tell how far we are, if it is time: of those that showed to be ahead, and whose turn
    /// it is anyway, the next behind the last.
    fn confess(&mut self, now: Timestamp) -> Option<ValidatorId> {
        if let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.at <= now) {
            rotation.at = now + self.retry_after.saturating_mul(ROTATION);
            self.ahead.insert(rotation.next);
            rotation.next = after(rotation.next, 1, &self.identity);
        }
        if now < self.quiet_until {
            return None;
        }
        let behind_last = (Bound::Excluded(self.last_told), Bound::Unbounded);
        let peer = self.ahead.range(behind_last).next().or_else(|| self.ahead.first()).copied()?;
        self.ahead.remove(&peer);
        self.last_told = peer;
        self.quiet_until = now + (self.retry_after / 4).max(Duration::from_millis(1));
        Some(peer)
    }

    /// What we may still send a validator.
    fn budget(&mut self, now: Timestamp, to: ValidatorId) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(usize::from(to.0))?;
        if peer.window_end <= now {
            peer.window_end = now + self.retry_after / 2;
            peer.behind_answers = 0;
            peer.served = 0;
        }
        Some(peer)
    }
}

/// The validator so many places after another, never ourselves.
fn after(id: ValidatorId, places: u16, identity: &Identity) -> ValidatorId {
    let count = size(&identity.committee);
    let at = |places: u16| {
        let place = (u32::from(id.0) + u32::from(places)) % u32::from(count);
        ValidatorId(u16::try_from(place).expect("a place in a committee"))
    };
    let found = at(places % count);
    if found == identity.id { at(places % count + 1) } else { found }
}

fn size(committee: &Committee) -> u16 {
    u16::try_from(committee.len()).expect("a committee has at most 1,024 places")
}

impl Primary {
    /// Asks for the parents of something of this round that `source` sent, unless they wait for
    /// their own parents already.
    pub(super) fn want(
        &mut self,
        now: Timestamp,
        source: ValidatorId,
        round: Round,
        parents: &[HeaderDigest],
    ) {
        let round = round.back(1);
        if round <= self.dag.horizon() {
            return;
        }
        for parent in parents.iter().filter(|parent| !self.waiting.contains(**parent)) {
            self.sync.want(now, source, round, *parent);
        }
    }

    /// Asks what is to be asked now.
    pub(super) fn ask(&mut self, now: Timestamp) {
        self.outputs.extend(self.sync.ask(now));
        if let Some(to) = self.sync.confess(now) {
            let message = Message::Behind(self.dag.reached());
            self.outputs.push(Output::Send { to, message });
        }
    }

    /// A validator wants these certificates.
    pub(super) fn hear_want(
        &mut self,
        now: Timestamp,
        from: ValidatorId,
        digests: &[HeaderDigest],
    ) {
        if Message::SYNC_MAX < digests.len() {
            return;
        }
        let found = digests.iter().filter_map(|digest| self.dag.get(*digest));
        let mut found: Vec<_> = found.cloned().collect();
        found.sort_by_key(|found| (found.header().round, found.header().author, found.digest()));
        found.dedup();
        self.serve(now, from, found);
    }

    /// Asks for a certificate that nothing we have refers to, unless it is here by now.
    pub(super) fn ask_for(&mut self, certificate: HeaderDigest, from: ValidatorId) {
        if self.dag.get(certificate).is_none() {
            let message = Message::Want(vec![certificate]);
            self.outputs.push(Output::Send { to: from, message });
        }
    }

    /// A validator says how far it is.
    pub(super) fn hear_behind(&mut self, now: Timestamp, from: ValidatorId, rounds: &[Round]) {
        let reached = self.dag.reached();
        if rounds.len() != reached.len() {
            return;
        }
        if reached.iter().zip(rounds).any(|(ours, theirs)| ours < theirs) {
            self.sync.lags_behind(from);
        }
        let is_welcome = self.sync.budget(now, from).is_some_and(|peer| {
            peer.behind_answers += 1;
            peer.behind_answers <= BEHIND_ANSWERS_MAX
        });
        if !is_welcome {
            return;
        }
        let lowest = rounds.iter().copied().min().unwrap_or_default();
        let is_news = |found: &&Verified<Certificate>| {
            let header = found.header();
            let known = rounds.get(usize::from(header.author.0));
            known.is_none_or(|known| *known < header.round)
        };
        let news = self.dag.above(lowest).filter(is_news).take(Message::SYNC_MAX);
        let news = news.cloned().collect();
        self.serve(now, from, news);
    }

    /// Whether this validator may be sent one more certificate now.
    pub(super) fn may_have_one(&mut self, now: Timestamp, to: ValidatorId) -> bool {
        self.sync.budget(now, to).is_some_and(|peer| {
            peer.served += 1;
            peer.served <= SERVED_MAX
        })
    }

    /// Sends certificates, as many as fit and as this validator may still have.
    fn serve(&mut self, now: Timestamp, to: ValidatorId, found: Vec<Verified<Certificate>>) {
        let Some(peer) = self.sync.budget(now, to) else { return };
        let mut bytes_left = Message::BYTES_MAX / 2;
        let mut answer = Vec::new();
        for certificate in found.into_iter().take(SERVED_MAX.saturating_sub(peer.served)) {
            let certificate = certificate.into_inner();
            let bytes = codec::encode(&certificate).len();
            if bytes_left < bytes {
                break;
            }
            bytes_left -= bytes;
            answer.push(certificate);
        }
        peer.served += answer.len();
        if !answer.is_empty() {
            self.outputs.push(Output::Send { to, message: Message::Certificates(answer) });
        }
    }
}
