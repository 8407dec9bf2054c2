//! The control plane: batches to headers to certificates.
//!
//! Rules (Narwhal, arXiv:2105.11827, section 4; numbers as in `docs/protocol.md`):
//!
//! - P1 One header per round, ever: payload, and all accepted certificates of the round before, in
//!   the order of their authors; they have the weight of a quorum, and our own is among them if
//!   there is one. Its time is never earlier than theirs or that of our header before.
//! - P2 The next round is entered with a quorum of certificates of this one, and a reason: payload
//!   of ours that waits, payload anywhere that is not ordered, a wish ([`Input::Propose`]) until an
//!   anchor above our next header is ordered, or somebody who entered the round and needs company,
//!   or lost its disk and needs some rounds to pass.
//!   It is entered at once if there is payload enough, else after a delay; and not before what the
//!   ordering protocol awaits and our own certificate, unless the round's deadline has come. Where
//!   others have made a quorum of a higher round, the rounds between are skipped. While the order
//!   lags more than `gc_depth` rounds behind, rounds become slower and slower.
//! - P3 A header gets our vote if its parents are known with all their ancestors and make a quorum,
//!   its time lies between theirs and now, its payload is durable with us, and we voted for no
//!   other header of its author and round. The vote is durable before it is sent. A second header of
//!   an author and round is an [`Equivocation`].
//! - P4 A quorum of votes makes a certificate, which everyone is sent. A header that has none when
//!   its author makes the next, or when a higher round has a quorum, is given up: nobody else could
//!   have one, so its payload goes into the next header.
//! - P5 A certificate is accepted once all its parents are, or lie below the horizon; until then it
//!   waits, and they are fetched. Ordering sees certificates in that order.
//! - P6 Payload of an accepted certificate that we lack is fetched; ordering does not wait for it.
//! - P7 Our header is sent again to those that did not vote until it is certified or given up, our
//!   vote whenever we are asked again, our certificate some times while we stay in its round.
//! - P8 From time to time each validator tells another, one after the other, how far it is, and is
//!   sent what it misses: so whatever was lost comes, also while nobody makes headers.
//!
//! The horizon lies `gc_depth` rounds below the newest committed anchor. Own payload that falls
//! below it without having been ordered is proposed again. Certificates are kept `serve_depth`
//! rounds longer, for validators that catch up.
//!
//! Who lost its disk asks how far the others are, and signs nothing up to a round that it cannot
//! have reached.

mod amnesia;
mod certifier;
mod dag;
mod message;
mod payload;
mod proposer;
mod pruning;
mod recovery;
mod retry;
mod stored;
mod sync;
#[cfg(test)]
mod tests;
mod voter;
mod waiting;

use std::time::Duration;

use bytes::Bytes;
use kraken_types::{
    Awaited, BatchDigest, BatchRef, Certificate, Commit, Equivocation, HeaderDigest, Identity,
    Round, Signers, Timestamp, ValidatorId, Verified, Verify,
};

pub use message::{Message, Record};

use self::{
    amnesia::Amnesia,
    certifier::Certifier,
    dag::{Dag, Parents},
    payload::Payload,
    proposer::Proposer,
    pruning::Pruned,
    stored::Stored,
    sync::Sync,
    voter::Voter,
    waiting::Waiting,
};

/// Headers and certificates may be so many rounds above the highest accepted one, or the horizon.
const AHEAD_MAX: u64 = 50;

/// One validator's part in the DAG.
#[derive(Debug)]
pub struct Primary {
    config: Config,
    dag: Dag,
    waiting: Waiting,
    voter: Voter,
    stored: Stored,
    payload: Payload,
    proposer: Proposer,
    certifier: Option<Certifier>,
    sync: Sync,
    amnesia: Amnesia,
    pruned: Pruned,
    /// What was last asked for with [`Output::WakeAt`].
    wake_at: Option<Timestamp>,
    /// Of this step.
    outputs: Vec<Output>,
}

/// Who this primary is and how patient.
#[derive(Clone, Debug)]
pub struct Config {
    /// The validator.
    pub identity: Identity,
    /// So many batches are worth a header at once.
    pub header_batches: usize,
    /// A header with less, or nothing, is made this long after its round could begin.
    pub header_delay_max: Duration,
    /// A round is left this long after it could be, whatever the ordering protocol awaits.
    pub round_delay_max: Duration,
    /// What was not answered is sent again after this long; twice as long each time, up to 32
    /// times.
    pub retry_after: Duration,
    /// How far the time of a header may be ahead of ours.
    pub drift_max: Duration,
    /// How many rounds below a committed anchor a certificate may still be ordered.
    pub gc_depth: u64,
    /// How many rounds longer certificates are kept for others.
    pub serve_depth: u64,
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the records made durable before, oldest first; empty on a new
    /// chain. What [`Output::Pruned`] let go of may be missing.
    Recovered(Vec<Record>),
    /// First input instead of the above when the disk was lost: we may have voted and not know it.
    /// Nothing is signed until that cannot matter any more. The records say up to where others have
    /// ordered; there may be none.
    Forgotten(Vec<Record>),
    /// The primary of another validator sent this.
    Message {
        /// That validator; the network vouches for it.
        from: ValidatorId,
        /// Unchecked.
        message: Message,
    },
    /// A quorum holds a batch of ours.
    Sealed(BatchRef),
    /// A batch of a peer is durable in our worker.
    Stored {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
    },
    /// The order must go on although there may be nothing to order: a block waits for its end.
    Propose {
        /// The open block is to end behind our next header; for a committee of one only.
        close_block: bool,
    },
    /// The ordering protocol would rather not leave `round` without this. Replaces what was awaited
    /// in that round before.
    Hold {
        /// Which round.
        round: Round,
        /// For what.
        until: Awaited,
    },
    /// Bytes for our next header, instead of those given before.
    Attach(Bytes),
    /// The ordering protocol came across this certificate; it may be new to us.
    Certificate(Verified<Certificate>),
    /// The ordering protocol waits for this certificate, which that validator has. It says so again
    /// if it does not come.
    Want {
        /// Which.
        certificate: HeaderDigest,
        /// Who has it.
        from: ValidatorId,
    },
    /// This was ordered.
    Committed(Commit),
    /// Time asked for with [`Output::WakeAt`] has come, or only time has passed.
    Tick,
}

/// What to do about it. Outputs are carried out in order; nothing behind a [`Output::Persist`]
/// leaves this validator before the record is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this durable before sending anything that follows.
    Persist(Record),
    /// Send to one validator; delivery is best effort.
    Send {
        /// Whom.
        to: ValidatorId,
        /// What.
        message: Message,
    },
    /// Send to every other validator; delivery is best effort.
    Broadcast(Message),
    /// Hand this to the ordering protocol: all its ancestors above the horizon went before.
    Certified(Verified<Certificate>),
    /// Tell our workers to get this batch, and report it.
    Fetch {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
        /// Who vouches for it; may be empty.
        holders: Signers,
    },
    /// Records about this round and those below are not needed any more.
    Pruned(Round),
    /// Somebody contradicts itself. There is nothing to do about it but to tell the operator.
    Equivocated {
        /// Who.
        whom: ValidatorId,
        /// In what.
        what: Equivocation,
    },
    /// Come back with [`Input::Tick`] at this time, whatever was asked before.
    WakeAt(Timestamp),
}

impl Primary {
    /// Starts at the genesis; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        let committee = &config.identity.committee;
        Self {
            dag: Dag::new(committee.clone()),
            waiting: Waiting::default(),
            voter: Voter::default(),
            stored: Stored::new(committee),
            payload: Payload::default(),
            proposer: Proposer::default(),
            certifier: None,
            sync: Sync::new(&config.identity, config.retry_after),
            amnesia: Amnesia::default(),
            pruned: Pruned::default(),
            wake_at: None,
            outputs: Vec::new(),
            config,
        }
    }

    /// Applies one input and returns what to do next, in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        match input {
            Input::Recovered(records) => self.recover(now, records),
            Input::Forgotten(records) => self.forget(now, records),
            Input::Message { from, message } => self.hear(now, from, message),
            Input::Sealed(batch) => self.payload.add(batch),
            Input::Stored { author, batch } => self.store(now, author, batch),
            Input::Propose { close_block } => self.proposer.wish(close_block),
            Input::Hold { round, until } => {
                if self.dag.quorum() <= round {
                    self.proposer.hold(round, until);
                }
            }
            Input::Attach(bytes) => self.proposer.attach(bytes),
            Input::Certificate(certificate) => {
                let header = certificate.header();
                if self.dag.top().ahead(1) < header.round {
                    self.sync.lags_behind(header.author);
                }
                self.take_in(now, None, certificate);
            }
            Input::Want { certificate, from } => self.ask_for(certificate, from),
            Input::Committed(commit) => self.commit(now, &commit),
            Input::Tick => {}
        }
        let entry = self.propose(now);
        self.repeat(now);
        self.remember(now);
        self.ask(now);
        self.sleep(now, entry);
        std::mem::take(&mut self.outputs)
    }

    /// The highest round of which certificates with the weight of a quorum are accepted.
    pub fn round(&self) -> Round {
        self.dag.quorum()
    }

    /// How much is remembered of what others said: bounded by the size of the committee and the
    /// depths of the [`Config`].
    pub fn size(&self) -> usize {
        self.dag.len() + self.waiting.len() + self.voter.len() + self.stored.len() + self.sync.len()
    }

    fn hear(&mut self, now: Timestamp, from: ValidatorId, message: Message) {
        let identity = &self.config.identity;
        if from == identity.id || identity.committee.get(from).is_none() {
            return;
        }
        match message {
            Message::Header(header) => self.hear_header(now, from, header),
            Message::Vote(vote) => self.hear_vote(now, from, vote),
            Message::Certificate(certificate) => {
                self.hear_certificate(now, from, certificate);
            }
            Message::Want(digests) => self.hear_want(now, from, &digests),
            Message::Behind(rounds) => self.hear_behind(now, from, &rounds),
            Message::Certificates(certificates) => {
                self.hear_certificates(now, from, certificates);
            }
            Message::Forgot => self.hear_forgot(now, from),
            Message::Reached(highest) => self.hear_reached(from, highest),
        }
    }

    /// Takes certificates up to the first that is none: whoever sends one is not worth more time.
    fn hear_certificates(
        &mut self,
        now: Timestamp,
        from: ValidatorId,
        certificates: Vec<Certificate>,
    ) {
        if Message::SYNC_MAX < certificates.len() {
            return;
        }
        let before = self.dag.len();
        for certificate in certificates {
            if !self.hear_certificate(now, from, certificate) {
                return;
            }
        }
        if before < self.dag.len() {
            // It helped, so there may be more.
            self.sync.lags_behind(from);
        }
    }

    /// A certificate came in a message; `false` if it is none.
    fn hear_certificate(
        &mut self,
        now: Timestamp,
        from: ValidatorId,
        certificate: Certificate,
    ) -> bool {
        let round = certificate.header().round;
        let top = self.dag.top();
        if top.ahead(1) < round {
            self.sync.lags_behind(from);
        }
        if !self.is_news(&certificate) {
            return true;
        }
        match certificate.verified(&self.config.identity.committee) {
            Ok(certificate) => self.take_in(now, Some(from), certificate),
            Err(_) => return false,
        }
        true
    }

    /// Whether there is a free place for a certificate; this costs no signature check.
    fn is_news(&self, certificate: &Certificate) -> bool {
        let (round, author) = (certificate.header().round, certificate.header().author);
        self.dag.horizon() < round
            && round <= self.dag.known().ahead(AHEAD_MAX)
            && self.dag.at(round, author).is_none()
            && !self.waiting.has(round, author)
    }

    /// Accepts a certificate and what waited for it, or lets it wait (rule P5).
    fn take_in(
        &mut self,
        now: Timestamp,
        from: Option<ValidatorId>,
        certificate: Verified<Certificate>,
    ) {
        let mut ready = vec![certificate];
        while let Some(certificate) = ready.pop() {
            if !self.is_news(&certificate) {
                continue;
            }
            let (header, digest) = (certificate.header(), certificate.digest());
            let (author, round) = (header.author, header.round);
            self.sync.forget(digest);
            match self.dag.ancestors(header) {
                // No quorum with an honest majority votes for this.
                Parents::Impossible => {}
                Parents::Missing(missing) => {
                    self.want(now, from.unwrap_or(author), round, &missing);
                    self.waiting.insert(certificate, &missing);
                }
                Parents::Accepted(_) => {
                    self.accept(now, certificate);
                    ready.extend(self.waiting.arrived(round, digest));
                }
            }
        }
    }

    fn accept(&mut self, now: Timestamp, certificate: Verified<Certificate>) {
        let (author, round) = (certificate.header().author, certificate.header().round);
        let digest = certificate.digest();
        self.outputs.push(Output::Persist(Record::Accepted(Certificate::clone(&certificate))));
        if let Some(own) = self.certifier.as_mut().filter(|own| own.digest() == digest) {
            own.finish(now, certificate.clone(), self.config.retry_after);
            if !self.config.identity.is_alone() {
                let message = Message::Certificate(Certificate::clone(&certificate));
                self.outputs.push(Output::Broadcast(message));
            }
        }
        for batch in &certificate.header().batches {
            if !self.holds(author, batch.digest) {
                let (batch, holders) = (*batch, certificate.signers().clone());
                self.outputs.push(Output::Fetch { author, batch, holders });
            }
        }
        let quorum = self.dag.quorum();
        self.dag.insert(certificate.clone());
        if quorum < self.dag.quorum() {
            self.proposer.since = now;
            self.abandon_below(self.dag.quorum());
        }
        self.outputs.push(Output::Certified(certificate));
        for header in self.voter.accepted(author, round, digest) {
            self.consider(now, header);
        }
    }

    /// A worker of ours has a batch of a peer.
    fn store(&mut self, now: Timestamp, author: ValidatorId, batch: BatchRef) {
        self.stored.insert(author, batch);
        for header in self.voter.stored(author, batch.digest) {
            self.consider(now, header);
        }
    }

    /// Whether a batch is, or was, in our workers.
    fn holds(&self, author: ValidatorId, digest: BatchDigest) -> bool {
        let is_own = author == self.config.identity.id;
        if is_own {
            self.payload.contains(digest)
        } else {
            self.stored.get(author, digest).is_some()
        }
    }

    /// Asks to be woken when there is something to do next.
    fn sleep(&mut self, now: Timestamp, entry: Option<Timestamp>) {
        let own = self.certifier.as_ref().and_then(Certifier::wake_at);
        let own = own.filter(|_| !self.config.identity.is_alone());
        let times = [entry, own, self.sync.wake_at(), self.amnesia.wake_at()];
        let next = times.into_iter().flatten().min();
        let is_asked = self.wake_at.is_some_and(|asked| now < asked) && self.wake_at == next;
        if let Some(at) = next.filter(|_| !is_asked) {
            self.wake_at = Some(at);
            self.outputs.push(Output::WakeAt(at));
        }
    }
}
