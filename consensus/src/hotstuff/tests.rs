//! HotStuff, from single rules to whole committees.

mod committee;
mod hostile;
mod rules;
mod voting;

use std::time::Duration;

use kraken_types::{
    Certificate, Signers, Timestamp, ValidatorId, Verified, View,
    testing::{certify, child, committee, header, identity},
};

use super::{
    HotStuff, Message,
    block::{Block, BlockRef},
    quorum::{Qc, Tc, Timeout, Vote},
};
use crate::{Config, Effect, Input, Protocol as _};

/// A view takes this long at first.
const BASE: Duration = Duration::from_millis(100);

fn hotstuff(size: u16, id: u16) -> HotStuff {
    HotStuff::new(Config {
        identity: identity(size, id),
        gc_depth: 20,
        view_timeout: BASE,
        view_timeout_max: Duration::from_secs(2),
    })
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// One of a committee of four that was just born.
fn started(id: u16) -> HotStuff {
    let mut hotstuff = hotstuff(4, id);
    assert_eq!(hotstuff.step(at(0), Input::Recovered(Vec::new())), []);
    hotstuff
}

fn genesis() -> BlockRef {
    BlockRef::genesis(&committee(4))
}

/// Certificates of validator 0, each on top of the one before: the least of all DAGs.
fn line(rounds: u64) -> Vec<Verified<Certificate>> {
    let mut line: Vec<Verified<Certificate>> = Vec::new();
    for round in 1..=rounds {
        let parents: Vec<_> = line.last().map(|last| last.digest()).into_iter().collect();
        let header = if round == 1 { header(0, 1) } else { child(0, round, &parents) };
        line.push(certify(header, 4));
    }
    line
}

/// A block of the leader of its view, as long as nothing was learned about leaders.
fn block(view: u64, parent: BlockRef, cut: Option<&Verified<Certificate>>) -> Block {
    let author = ValidatorId(u16::try_from(view.div_ceil(2) % 4).expect("small"));
    Block { author, view: View(view), parent, cut: cut.map(|cut| Certificate::clone(cut)) }
}

fn name(block: &Block) -> BlockRef {
    block.reference(&committee(4))
}

/// A certificate with the votes of validators 0 to 2.
fn qc(block: BlockRef) -> Qc {
    if block == genesis() {
        return Qc::genesis(&committee(4)).into_inner();
    }
    let signatures = (0..3).map(|id| Vote::sign(block, &identity(4, id)).signature).collect();
    Qc { block, signers: three(), signatures }
}

/// Validators 0 to 2 gave up on a view, two of them knowing no more than the genesis.
fn tc(view: u64, high_qc: &Qc) -> Tc {
    let timeout = |id: u16| {
        let known = if id == 0 { high_qc.clone() } else { qc(genesis()) };
        let high_qc = known.view();
        (high_qc, Timeout::sign(View(view), known, None, &identity(4, id)).signature)
    };
    let timeouts = (0..3).map(timeout).collect();
    Tc { view: View(view), high_qc: high_qc.clone(), signers: three(), timeouts }
}

fn three() -> Signers {
    (0..3).map(ValidatorId).collect()
}

fn said(from: u16, message: Message) -> Input {
    Input::Message { from: ValidatorId(from), message: crate::Message::HotStuff(message) }
}

/// What a step said, to whomever.
fn messages(effects: &[Effect]) -> Vec<&Message> {
    let mut messages = Vec::new();
    for effect in effects {
        if let Effect::Broadcast(crate::Message::HotStuff(message))
        | Effect::Send { to: _, message: crate::Message::HotStuff(message) } = effect
        {
            messages.push(message);
        }
    }
    messages
}

/// The blocks that a step voted for.
fn votes(effects: &[Effect]) -> Vec<BlockRef> {
    let vote = |message: &Message| {
        if let Message::Vote(vote) = message { Some(vote.block) } else { None }
    };
    messages(effects).into_iter().filter_map(vote).collect()
}

/// The rounds of the anchors that a step ordered.
fn commits(effects: &[Effect]) -> Vec<u64> {
    let round = |effect: &Effect| {
        if let Effect::Commit(commit) = effect { Some(commit.round.0) } else { None }
    };
    effects.iter().filter_map(round).collect()
}
