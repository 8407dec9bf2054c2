//! The part of a validator that decides the order: its primary and its protocol, joined.
//!
//! Still a function of its inputs. Whoever drives it carries out its effects in order and holds
//! back everything behind an [`Effect::Persist`] until that record is durable; records and effects
//! of primary and protocol share one log and one queue, so that a message of the one never leaves
//! before a record of the other that it rests on. `sequencer::ordering` drives it in a validator,
//! `simulation` in a simulated committee: both run the same code.

mod checkpoint;
#[cfg(test)]
mod golden;

pub use checkpoint::Checkpoint;

use std::{collections::VecDeque, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_consensus::{self as consensus, Protocol, TimerId};
use kraken_mempool::primary::{self, Primary};
use kraken_types::{
    BatchRef, Commit, Equivocation, Round, Signers, Timestamp, ValidatorId,
    codec::{self, DecodeError},
};

/// A primary and the protocol that orders its certificates.
#[derive(Debug)]
pub struct Ordering {
    primary: Primary,
    protocol: Box<dyn Protocol>,
}

/// What the ordering parts of validators say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Between primaries.
    Primary(primary::Message),
    /// Between protocols.
    Protocol(consensus::Message),
}

/// One record of the votes log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Entry {
    /// Of the primary.
    Primary(primary::Record),
    /// Of the protocol.
    Protocol(consensus::Record),
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the votes log, oldest first; empty on a new chain.
    Recovered(Vec<Entry>),
    /// First input instead of the above when the disk was lost; and again, after every start, until
    /// the log [holds our word](Entry::is_our_word): before that it is not known to have been lost.
    /// The entries are those of a [`Checkpoint`] of others; there may be none.
    Forgotten(Vec<Entry>),
    /// The ordering part of another validator sent this.
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
    /// The order must go on: a block waits for its end.
    Propose {
        /// The open block is to end behind our next header; for a committee of one only.
        close_block: bool,
    },
    /// The time of the last [`Effect::WakeAt`] has come.
    Tick,
    /// A timer of the protocol ran out.
    Timer(TimerId),
}

/// What to do about it, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make this durable before carrying out anything that follows.
    Persist(Entry),
    /// Send to one validator; delivery is best effort.
    Send {
        /// Whom.
        to: ValidatorId,
        /// What.
        message: Message,
    },
    /// Send to every other validator; delivery is best effort.
    Broadcast(Message),
    /// Tell our workers to get this batch, and report it.
    Fetch {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
        /// Who vouches for it; may be empty.
        holders: Signers,
    },
    /// Come back with [`Input::Tick`] at this time, whatever was asked before.
    WakeAt(Timestamp),
    /// Come back with [`Input::Timer`] once this much time has passed; replaces an earlier request
    /// for the same timer.
    SetTimer {
        /// Which.
        timer: TimerId,
        /// How long.
        after: Duration,
    },
    /// Entries about this round and those below are not needed any more.
    Pruned(Round),
    /// Somebody contradicts itself. There is nothing to do about it but to tell the operator.
    Equivocated {
        /// Who.
        whom: ValidatorId,
        /// In what.
        what: Equivocation,
    },
    /// Execute this.
    Commit(Commit),
}

/// One step of one of the two.
enum Step {
    Primary(primary::Input),
    Protocol(consensus::Input),
}

impl Message {
    /// The largest message.
    pub const BYTES_MAX: usize = primary::Message::BYTES_MAX;

    /// Decodes a message.
    ///
    /// # Errors
    /// If there are too many bytes, or they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl Ordering {
    /// Joins the two; feed [`Input::Recovered`] next.
    pub fn new(primary: Primary, protocol: Box<dyn Protocol>) -> Self {
        Self { primary, protocol }
    }

    /// Applies one input and returns what to do next, in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut steps = VecDeque::from(route(input));
        let mut effects = Vec::new();
        // First in, first out: what one of them said last is what counts.
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Primary(input) => {
                    for output in self.primary.step(now, input) {
                        of_primary(output, &mut steps, &mut effects);
                    }
                }
                Step::Protocol(input) => {
                    for effect in self.protocol.step(now, input) {
                        of_protocol(effect, &mut steps, &mut effects);
                    }
                }
            }
        }
        effects
    }

    /// The primary, for those who watch.
    pub fn primary(&self) -> &Primary {
        &self.primary
    }

    /// How much is remembered of what others said.
    pub fn size(&self) -> usize {
        self.primary.size() + self.protocol.size()
    }
}

impl Entry {
    /// Whether this shows that we were here before: once our log holds such an entry, it holds all
    /// that we ever signed. (A checkpoint, and what was pruned, are no such words.) The protocol
    /// speaks before the primary, so that the primary's word stands for both.
    pub fn is_our_word(&self) -> bool {
        match self {
            Self::Primary(record) => !matches!(record, primary::Record::Pruned { .. }),
            Self::Protocol(_) => false,
        }
    }
}

/// The entries of each of the two, in order.
fn split(entries: Vec<Entry>) -> (Vec<primary::Record>, Vec<consensus::Record>) {
    let (mut of_primary, mut of_protocol) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Primary(record) => of_primary.push(record),
            Entry::Protocol(record) => of_protocol.push(record),
        }
    }
    (of_primary, of_protocol)
}

/// Whom an input is for.
fn route(input: Input) -> Vec<Step> {
    let primary = |input| vec![Step::Primary(input)];
    match input {
        // The protocol first: the primary delivers certificates as soon as it is back.
        Input::Recovered(entries) => {
            let (of_primary, of_protocol) = split(entries);
            vec![
                Step::Protocol(consensus::Input::Recovered(of_protocol)),
                Step::Primary(primary::Input::Recovered(of_primary)),
            ]
        }
        Input::Forgotten(entries) => {
            let (of_primary, of_protocol) = split(entries);
            vec![
                Step::Protocol(consensus::Input::Forgotten(of_protocol)),
                Step::Primary(primary::Input::Forgotten(of_primary)),
            ]
        }
        Input::Message { from, message: Message::Primary(message) } => {
            primary(primary::Input::Message { from, message })
        }
        Input::Message { from, message: Message::Protocol(message) } => {
            vec![Step::Protocol(consensus::Input::Message { from, message })]
        }
        Input::Sealed(batch) => primary(primary::Input::Sealed(batch)),
        Input::Stored { author, batch } => primary(primary::Input::Stored { author, batch }),
        Input::Propose { close_block } => primary(primary::Input::Propose { close_block }),
        Input::Tick => primary(primary::Input::Tick),
        Input::Timer(timer) => vec![Step::Protocol(consensus::Input::Timer(timer))],
    }
}

fn of_primary(output: primary::Output, steps: &mut VecDeque<Step>, effects: &mut Vec<Effect>) {
    match output {
        primary::Output::Persist(record) => effects.push(Effect::Persist(Entry::Primary(record))),
        primary::Output::Send { to, message } => {
            effects.push(Effect::Send { to, message: Message::Primary(message) });
        }
        primary::Output::Broadcast(message) => {
            effects.push(Effect::Broadcast(Message::Primary(message)));
        }
        primary::Output::Certified(certificate) => {
            steps.push_back(Step::Protocol(consensus::Input::Certificate(certificate)));
        }
        primary::Output::Fetch { author, batch, holders } => {
            effects.push(Effect::Fetch { author, batch, holders });
        }
        primary::Output::Pruned(round) => effects.push(Effect::Pruned(round)),
        primary::Output::Equivocated { whom, what } => {
            effects.push(Effect::Equivocated { whom, what });
        }
        primary::Output::WakeAt(at) => effects.push(Effect::WakeAt(at)),
    }
}

fn of_protocol(effect: consensus::Effect, steps: &mut VecDeque<Step>, effects: &mut Vec<Effect>) {
    match effect {
        consensus::Effect::Persist(record) => {
            effects.push(Effect::Persist(Entry::Protocol(record)));
        }
        consensus::Effect::Send { to, message } => {
            effects.push(Effect::Send { to, message: Message::Protocol(message) });
        }
        consensus::Effect::Broadcast(message) => {
            effects.push(Effect::Broadcast(Message::Protocol(message)));
        }
        consensus::Effect::SetTimer { timer, after } => {
            effects.push(Effect::SetTimer { timer, after });
        }
        consensus::Effect::Hold { round, until } => {
            steps.push_back(Step::Primary(primary::Input::Hold { round, until }));
        }
        consensus::Effect::Attach(bytes) => {
            steps.push_back(Step::Primary(primary::Input::Attach(bytes)));
        }
        consensus::Effect::Certificate(certificate) => {
            steps.push_back(Step::Primary(primary::Input::Certificate(certificate)));
        }
        consensus::Effect::Want { certificate, from } => {
            steps.push_back(Step::Primary(primary::Input::Want { certificate, from }));
        }
        consensus::Effect::Equivocated { whom, what } => {
            effects.push(Effect::Equivocated { whom, what });
        }
        consensus::Effect::Commit(commit) => {
            steps.push_back(Step::Primary(primary::Input::Committed(commit.clone())));
            effects.push(Effect::Commit(commit));
        }
    }
}
