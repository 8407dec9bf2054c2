//! When to make a header, and what it says (rules P1 and P2).

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kraken_types::{Awaited, Header, HeaderDigest, Round, SignedHeader, Timestamp, codec};

use super::{Message, Output, Primary, Record, certifier::Certifier, retry::Retry};

/// While the order lags behind, the wait for the next round grows up to so many times
/// `round_delay_max`.
const SLOWER_MAX: u32 = 32;

/// What the next header will say, and what it waits for.
#[derive(Debug, Default)]
pub(super) struct Proposer {
    /// The round of our newest header, or that up to which we must not sign.
    pub(super) round: Round,
    /// The time of our newest header; those of its successors are never earlier.
    pub(super) created_at: Timestamp,
    /// Since when the highest quorum has been there.
    pub(super) since: Timestamp,
    wish: Option<Wish>,
    attachment: Bytes,
    /// Somebody that lost its disk needs rounds up to here.
    company: Round,
    /// What to wait for, for rounds that are not left yet.
    holds: BTreeMap<Round, Awaited>,
}

/// Somebody wants the order to go on.
#[derive(Clone, Copy, Debug)]
struct Wish {
    close_block: bool,
    /// The round of our first header since then.
    round: Option<Round>,
}

/// Whether to make a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Not before something happens.
    Closed,
    /// At this time, unless something happens before.
    At(Timestamp),
    /// Now.
    Open,
}

impl Proposer {
    /// Somebody wants the order to go on.
    pub(super) fn wish(&mut self, close_block: bool) {
        let round = self.wish.and_then(|wish| wish.round);
        let close_block = close_block || self.wish.is_some_and(|wish| wish.close_block);
        self.wish = Some(Wish { close_block, round });
    }

    /// Somebody that lost its disk needs rounds up to this one.
    pub(super) fn accompany(&mut self, round: Round) {
        self.company = self.company.max(round);
    }

    /// What the ordering protocol awaits in a round.
    pub(super) fn hold(&mut self, round: Round, until: Awaited) {
        self.holds.insert(round, until);
    }

    /// Bytes for the next header.
    ///
    /// # Panics
    /// If they are more than a header may carry.
    pub(super) fn attach(&mut self, bytes: Bytes) {
        assert!(
            bytes.len() <= codec::ATTACHMENT_BYTES_MAX,
            "a protocol of ours never attaches more than a header may carry"
        );
        self.attachment = bytes;
    }

    /// An anchor of this round was ordered. A wish holds until our first header after it can have
    /// been: a header of a lower round says nothing about the time since.
    pub(super) fn ordered(&mut self, round: Round) {
        self.wish = self.wish.filter(|wish| wish.round.is_none_or(|made| round <= made));
    }

    /// Our header of a round takes the wish with it; alone, it also fulfils it.
    fn make_wish(&mut self, round: Round, is_alone: bool) -> bool {
        let closes = self.wish.is_some_and(|wish| wish.close_block);
        if is_alone {
            self.wish = None;
        } else if let Some(wish) = &mut self.wish {
            wish.round.get_or_insert(round);
        }
        is_alone && closes
    }

    /// Rounds below this one are left.
    fn leave(&mut self, round: Round) {
        self.holds = self.holds.split_off(&round);
    }
}

impl Primary {
    /// Makes headers while there is reason to, and says when there may be reason next.
    pub(super) fn propose(&mut self, now: Timestamp) -> Option<Timestamp> {
        loop {
            match self.entry(now) {
                Entry::Closed => return None,
                Entry::At(at) => return Some(at),
                Entry::Open => self.make_header(now),
            }
        }
    }

    /// Rule P2.
    fn entry(&self, now: Timestamp) -> Entry {
        let quorum = self.dag.quorum();
        let has_parents = quorum == Round(0) || self.dag.forgotten() < quorum;
        if quorum < self.proposer.round || !has_parents || !self.has_reason() {
            return Entry::Closed;
        }
        let opens = self.opens_at(quorum);
        if now < opens {
            return Entry::At(opens);
        }
        let deadline = self.proposer.since + self.config.round_delay_max;
        if now < deadline && (self.is_uncertified_in(quorum) || self.is_held_in(quorum)) {
            return Entry::At(deadline);
        }
        Entry::Open
    }

    /// When the round behind this quorum may begin if nothing is awaited.
    fn opens_at(&self, quorum: Round) -> Timestamp {
        let Self { config, proposer, .. } = self;
        if config.identity.is_alone() && self.has_own_reason() {
            return Timestamp::ZERO;
        }
        // What lies `gc_depth` below the next anchor is not ordered but proposed again: while the
        // order lags that far behind, more rounds do harm.
        let in_time = self.dag.horizon().ahead(config.gc_depth.saturating_mul(2));
        if in_time < quorum {
            let late = u32::try_from(quorum.0 - in_time.0).unwrap_or(SLOWER_MAX).min(SLOWER_MAX);
            return proposer.since + config.round_delay_max.saturating_mul(late);
        }
        let is_enough = config.header_batches <= self.payload.pending();
        // Alone, a header without payload would be the reason of the next one at the same time.
        let delay = config.header_delay_max.max(Duration::from_millis(1));
        if is_enough { Timestamp::ZERO } else { proposer.since + delay }
    }

    /// Without one of these reasons nobody makes headers: the committee is quiet.
    fn has_reason(&self) -> bool {
        self.has_own_reason()
            || self.dag.is_due()
            || self.dag.quorum() < self.dag.top().max(self.proposer.company)
    }

    /// Whether our next header would carry something of ours.
    fn has_own_reason(&self) -> bool {
        0 < self.payload.pending() || self.proposer.wish.is_some()
    }

    /// Whether our own header of this round may still be certified.
    fn is_uncertified_in(&self, round: Round) -> bool {
        let own = self.certifier.as_ref().filter(|own| own.round() == round);
        own.is_some_and(|own| !own.is_certified())
    }

    /// Whether the ordering protocol still awaits something in this round.
    fn is_held_in(&self, round: Round) -> bool {
        match self.proposer.holds.get(&round) {
            None | Some(Awaited::Nothing) => false,
            Some(Awaited::Certificate(author)) => self.dag.at(round, *author).is_none(),
            Some(Awaited::Verdict(digest)) => !self.has_verdict(round, *digest),
        }
    }

    fn has_verdict(&self, round: Round, digest: HeaderDigest) -> bool {
        let committee = &self.config.identity.committee;
        let (mut citing, mut others) = (0, 0);
        for certificate in self.dag.round(round) {
            let header = certificate.header();
            let stake = committee.stake(header.author);
            let side = if header.parents.contains(&digest) { &mut citing } else { &mut others };
            *side += stake;
        }
        committee.validity() <= citing || committee.quorum() <= others
    }

    /// Gives our header up if it is of a lower round and has no certificate: nobody could cite it.
    pub(super) fn abandon_below(&mut self, round: Round) {
        let is_late = |own: &&Certifier| own.round() < round && !own.is_certified();
        if let Some(own) = self.certifier.as_ref().filter(is_late).map(Certifier::round) {
            self.certifier = None;
            self.payload.abandon(own);
        }
    }

    /// Rule P1.
    fn make_header(&mut self, now: Timestamp) {
        let previous = self.dag.quorum();
        let round = previous.next();
        self.abandon_below(round);
        let parents: Vec<_> = self.dag.round(previous).collect();
        let latest = parents.iter().map(|parent| parent.header().created_at).max();
        let parents = parents.iter().map(|parent| parent.digest()).collect();
        self.proposer.round = round;
        self.proposer.created_at =
            self.proposer.created_at.max(now).max(latest.unwrap_or_default());
        let Self { config, payload, proposer, .. } = self;
        let identity = &config.identity;
        let header = Header {
            genesis: identity.committee.genesis(),
            epoch: identity.committee.epoch(),
            author: identity.id,
            round,
            created_at: proposer.created_at,
            batches: payload.take(round, codec::HEADER_BATCHES_MAX),
            parents,
            attachment: std::mem::take(&mut proposer.attachment),
            close_block: proposer.make_wish(round, identity.is_alone()),
        };
        proposer.leave(round);
        self.outputs.push(Output::Persist(Record::Proposed(header.clone())));
        let signed = header.sign(identity);
        if !identity.is_alone() {
            let message = Message::Header(SignedHeader::clone(&signed));
            self.outputs.push(Output::Broadcast(message));
        }
        let retry = Retry::after(now, config.retry_after);
        self.certifier = Some(Certifier::new(signed, identity, retry));
        self.certify(now);
    }
}
