//! Sends headers, certificates and votes of rounds far ahead, and asks and tells absurd things.
//!
//! Stopped by limits: what is too far ahead is not kept, and one header waits for each author.

use kraken_consensus::hotstuff::{
    self,
    block::{Block, BlockId, BlockRef},
    message::Proposal,
    quorum::{self, Qc, Timeout},
};
use kraken_mempool::primary::Message;
use kraken_types::{
    BatchDigest, BatchRef, Digest, Header, HeaderDigest, Round, Timestamp, View, Vote, WorkerId,
};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

use super::{
    forge,
    mail::{self, Content},
};
use crate::sin::{Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Future {
    /// Its last honest header, to start from.
    header: Option<Header>,
    /// The block that it voted for last.
    block: Option<BlockRef>,
}

impl Sin for Future {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        if let Some(Message::Header(header)) = mail::primary(letter.lane, &letter.bytes) {
            self.header = Some(header.header().clone());
        }
        if let Some(hotstuff::Message::Vote(vote)) = mail::hotstuff(letter.lane, &letter.bytes) {
            self.block = Some(vote.block);
        }
        let mut letters = vec![letter];
        if let Some(block) = self.block.filter(|_| around.random.gen_bool(0.3)) {
            let junk = Content::from(junk_of_hotstuff(around, block));
            letters.push(junk.to(letters[0].to));
        }
        if around.random.gen_bool(0.3)
            && let Some(header) = self.header.clone()
        {
            let junk = Content::from(junk(around, header));
            letters.push(junk.to(letters[0].to));
        }
        letters
    }
}

/// How far ahead.
fn ahead(random: &mut ChaCha8Rng) -> u64 {
    match random.gen_range(0..4) {
        0 => random.gen_range(1..10),
        1 => random.gen_range(10..1_000),
        2 => random.gen_range(1_000..u64::MAX / 2),
        _ => u64::MAX,
    }
}

fn junk(around: &mut Surroundings<'_>, mut header: Header) -> Message {
    let members = around.identity.committee.len();
    let random = &mut *around.random;
    header.round = header.round.ahead(ahead(random));
    header.parents = (1..members).map(|_| HeaderDigest(digest(random))).collect();
    header.batches = (0..3)
        .map(|sequence| BatchRef {
            digest: BatchDigest(digest(random)),
            worker: WorkerId(255),
            sequence: u64::MAX - sequence,
        })
        .collect();
    let round = header.round;
    match random.gen_range(0..9) {
        0..3 => Message::Header(header.sign(around.identity).into_inner()),
        3 => Message::Certificate(forge::alone(&header, around.identity)),
        4 => Message::Vote(Vote::sign(HeaderDigest(digest(random)), around.identity).into_inner()),
        5 => Message::Want((0..300).map(|_| HeaderDigest(digest(random))).collect()),
        6 => Message::Behind(vec![round; random.gen_range(0..2 * members)]),
        7 => Message::Behind(vec![Round(u64::MAX); members]),
        _ => Message::Reached(Some(forge::alone(&header, around.identity))),
    }
}

fn junk_of_hotstuff(around: &mut Surroundings<'_>, block: BlockRef) -> hotstuff::Message {
    use hotstuff::Message;
    let identity = around.identity;
    let random = &mut *around.random;
    let view = View(block.view.0.saturating_add(ahead(random)));
    let nowhere = BlockRef { view, id: BlockId(digest(random)) };
    let genesis = Qc::genesis(&identity.committee).into_inner();
    match random.gen_range(0..6) {
        0 => Message::Vote(quorum::Vote::sign(nowhere, identity).into_inner()),
        1 => Message::Timeout(Box::new(Timeout::sign(view, genesis, None, identity).into_inner())),
        2 => {
            let everyone = identity.committee.ids().collect();
            let qc = forge::qc(nowhere, &everyone, identity);
            let next = View(view.0.saturating_add(1));
            Message::Timeout(Box::new(Timeout::sign(next, qc, None, identity).into_inner()))
        }
        3 => {
            let block = Block { author: identity.id, view, parent: genesis.block, cut: None };
            Message::Proposal(Box::new(Proposal::sign(block, genesis, None, identity).into_inner()))
        }
        4 => Message::Want { block: nowhere.id, above: View(u64::MAX) },
        _ => Message::Forgot(Timestamp::from_millis(u64::MAX)),
    }
}

fn digest(random: &mut ChaCha8Rng) -> Digest {
    let mut bytes = [0; 32];
    random.fill_bytes(&mut bytes);
    Digest::from_bytes(bytes)
}
