use std::collections::BTreeSet;

use kraken_consensus::hotstuff::{
    self,
    block::{Block, BlockRef},
    message::{Proposal, Status},
    quorum::{self, Qc},
};
use kraken_mempool::{primary, worker};
use kraken_types::{
    Batch, BatchDigest, Epoch, Header, HeaderDigest, Identity, Round, SignedHeader, Timestamp,
    Verify, View, Vote, WorkerId,
    testing::{batches, certify, child, header, identity},
};
use rand::SeedableRng;

use super::{mail::Content, *};

/// Validator 0 of four, with a sin.
struct Sinner {
    sin: Box<dyn Sin>,
    identity: Identity,
    random: ChaCha8Rng,
    now: u64,
}

impl Sinner {
    fn new(name: &str, seed: u64) -> Self {
        let sin = (named(name).expect("a sin").start)();
        Self { sin, identity: identity(4, 0), random: ChaCha8Rng::seed_from_u64(seed), now: 50 }
    }

    fn around<R>(&mut self, act: impl FnOnce(&mut dyn Sin, &mut Surroundings<'_>) -> R) -> R {
        let now = Timestamp::from_millis(self.now);
        let mut around = Surroundings { now, identity: &self.identity, random: &mut self.random };
        act(&mut *self.sin, &mut around)
    }

    /// What is sent instead of a broadcast of the honest code.
    fn broadcast(&mut self, content: &Content) -> Vec<Letter> {
        let letters = content.to_all(&self.identity);
        letters
            .into_iter()
            .flat_map(|letter| self.around(|sin, at| sin.outgoing(at, letter)))
            .collect()
    }

    /// What is sent because of a message.
    fn hear(&mut self, from: u16, content: &Content) -> Vec<Letter> {
        let letter = content.to(ValidatorId(0));
        self.around(|sin, at| sin.incoming(at, ValidatorId(from), letter.lane, &letter.bytes))
    }
}

fn own_header() -> Content {
    let header = Header { batches: batches(2), ..child(0, 2, &parents()) };
    Content::from(primary::Message::Header(header.sign(&identity(4, 0)).into_inner()))
}

fn parents() -> Vec<HeaderDigest> {
    (0..4).map(|author| header(author, 1).digest()).collect()
}

fn own_batch() -> Content {
    let transactions = vec![Bytes::from_static(b"one")];
    let author = ValidatorId(0);
    let batch = Batch { epoch: Epoch(0), author, worker: WorkerId(0), sequence: 3, transactions };
    Content::from(worker::Message::Batch(batch.encode().1))
}

fn own_certificate() -> Content {
    let certificate = certify(header(0, 1), 4).into_inner();
    Content::from(primary::Message::Certificate(certificate))
}

/// Of view 1, with an anchor.
fn own_proposal() -> Proposal {
    let identity = identity(4, 0);
    let qc = Qc::genesis(&identity.committee).into_inner();
    let cut = Some(certify(header(1, 1), 4).into_inner());
    let block = Block { author: identity.id, view: View(1), parent: qc.block, cut };
    Proposal::sign(block, qc, None, &identity).into_inner()
}

fn said_by_hotstuff() -> Vec<Content> {
    let identity = identity(4, 0);
    let proposal = own_proposal();
    let block = proposal.block.reference(&identity.committee);
    let (vote, high_qc) = (quorum::Vote::sign(block, &identity), proposal.qc.clone());
    let timeout = quorum::Timeout::sign(View(1), high_qc.clone(), None, &identity);
    let blocks = vec![proposal.block.clone()];
    [
        hotstuff::Message::Proposal(Box::new(proposal)),
        hotstuff::Message::Vote(vote.into_inner()),
        hotstuff::Message::Timeout(Box::new(timeout.into_inner())),
        hotstuff::Message::Status(Box::new(Status { asked_at: None, high_qc, high_tc: None })),
        hotstuff::Message::Want { block: block.id, above: View(0) },
        hotstuff::Message::Blocks(blocks),
        hotstuff::Message::Forgot(Timestamp::from_millis(3)),
    ]
    .map(Content::from)
    .to_vec()
}

fn of_hotstuff(letters: &[Letter]) -> Vec<hotstuff::Message> {
    letters.iter().filter_map(|letter| mail::hotstuff(letter.lane, &letter.bytes)).collect()
}

fn proposals(letters: &[Letter]) -> Vec<Proposal> {
    let proposal = |message| {
        if let hotstuff::Message::Proposal(it) = message { Some(*it) } else { None }
    };
    of_hotstuff(letters).into_iter().filter_map(proposal).collect()
}

fn blocks_voted_for(letters: &[Letter]) -> BTreeSet<BlockRef> {
    let block =
        |message| if let hotstuff::Message::Vote(it) = message { Some(it.block) } else { None };
    of_hotstuff(letters).into_iter().filter_map(block).collect()
}

fn headers(letters: &[Letter]) -> Vec<(ValidatorId, SignedHeader)> {
    let header = |letter: &Letter| {
        let message = mail::primary(letter.lane, &letter.bytes)?;
        if let primary::Message::Header(header) = message {
            Some((letter.to, header))
        } else {
            None
        }
    };
    letters.iter().filter_map(header).collect()
}

fn certificates(letters: &[Letter]) -> Vec<kraken_types::Certificate> {
    let certificate = |letter: &Letter| {
        let message = mail::primary(letter.lane, &letter.bytes)?;
        if let primary::Message::Certificate(it) = message { Some(it) } else { None }
    };
    letters.iter().filter_map(certificate).collect()
}

fn sent_batches(letters: &[Letter]) -> Vec<Bytes> {
    let batch = |letter: &Letter| {
        let message = mail::worker(letter.lane, &letter.bytes)?;
        if let worker::Message::Batch(bytes) = message { Some(bytes) } else { None }
    };
    letters.iter().filter_map(batch).collect()
}

#[test]
fn names_are_unique_and_found() {
    let names: BTreeSet<_> = all().iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), all().len());
    assert!(names.iter().all(|name| named(name).is_some()));
    assert!(named("virtue").is_none());
}

/// Without a message to sin on, none invents one, and none fails on anything.
#[test]
fn every_sin_and_every_mix_bears_every_message() {
    let mut contents = vec![own_header(), own_batch(), own_certificate()];
    contents.extend(said_by_hotstuff());
    for kind in all() {
        let mut sinner = Sinner::new(kind.name, 1);
        for content in &contents {
            sinner.broadcast(content);
            sinner.hear(1, content);
        }
    }
    for seed in 0..50 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (name, sin) = any(&mut random);
        assert!(!name.is_empty());
        let mut sinner = Sinner { sin, identity: identity(4, 0), random, now: 50 };
        for content in &contents {
            sinner.broadcast(content);
            sinner.hear(1, content);
        }
    }
}

#[test]
fn two_valid_headers_of_one_round_are_shown_and_the_second_can_be_certified() {
    let mut sinner = Sinner::new("two-headers", 3);
    let shown = headers(&sinner.broadcast(&own_header()));
    assert!(shown.iter().all(|(_, header)| header.verify(&identity(4, 0).committee).is_ok()));
    let distinct: BTreeSet<_> = shown.iter().map(|(_, header)| header.digest()).collect();
    assert_eq!(distinct.len(), 2);
    assert!(shown.iter().all(|(_, header)| header.header().round == Round(2)));

    let honest = headers(&own_header().to_all(&identity(4, 0)))[0].1.digest();
    let second = *distinct.iter().find(|digest| **digest != honest).expect("the other");
    let vote = |id| {
        let vote = Vote::sign(second, &identity(4, id)).into_inner();
        Content::from(primary::Message::Vote(vote))
    };
    assert_eq!(sinner.hear(1, &vote(1)), []);
    let certified = certificates(&sinner.hear(2, &vote(2)));
    assert_eq!(certified.len(), 3, "one for each of the others");
    assert!(certified.iter().all(|certificate| certificate.digest() == second));
    assert!(certified[0].verify(&identity(4, 0).committee).is_ok());
}

#[test]
fn every_header_gets_a_vote() {
    let mut sinner = Sinner::new("vote-for-all", 0);
    for attachment in ["one", "two"] {
        let header = Header { attachment: attachment.into(), ..header(1, 1) };
        let signed = header.sign(&identity(4, 1)).into_inner();
        let digest = signed.digest();
        let letters = sinner.hear(1, &Content::from(primary::Message::Header(signed)));
        let vote = Vote::sign(digest, &identity(4, 0)).into_inner();
        let expected = Content::from(primary::Message::Vote(vote)).to(ValidatorId(1));
        assert_eq!(letters, [expected]);
    }
}

#[test]
fn a_batch_goes_to_a_quorum_and_to_nobody_else() {
    let mut sinner = Sinner::new("withhold-payload", 0);
    assert_eq!(sinner.broadcast(&own_batch()).len(), 2);
    assert_eq!(sinner.broadcast(&own_batch()).len(), 2, "the same two");
}

#[test]
fn a_certificate_goes_to_one_or_late() {
    for seed in 0..20 {
        let mut sinner = Sinner::new("withhold-certificates", seed);
        let at_once = sinner.broadcast(&own_certificate()).len();
        assert!(at_once <= 1);
        sinner.now += 3_000;
        let late = sinner.hear(1, &own_header()).len();
        assert_eq!(late, if at_once == 0 { 3 } else { 0 }, "seed {seed}");
    }
}

#[test]
fn a_mute_says_nothing_after_a_while() {
    let mut sinner = Sinner::new("mute", 0);
    sinner.broadcast(&own_header());
    sinner.now += 10_000;
    assert_eq!(sinner.broadcast(&own_header()), []);
}

#[test]
fn times_are_wrong_now_and_then_and_the_same_for_all() {
    let mut wrong = 0;
    for seed in 0..20 {
        let shown = headers(&Sinner::new("wrong-times", seed).broadcast(&own_header()));
        assert_eq!(shown.len(), 3);
        assert!(shown.iter().all(|(_, header)| header.digest() == shown[0].1.digest()));
        wrong += u32::from(shown[0].1.header().created_at != Timestamp::from_millis(2));
    }
    assert!(10 < wrong, "{wrong} of 20");
}

#[test]
fn two_batches_share_a_number_and_both_are_named() {
    let mut sinner = Sinner::new("same-sequence", 0);
    let sent = sent_batches(&sinner.broadcast(&own_batch()));
    let digests: BTreeSet<BatchDigest> = sent.iter().map(|bytes| Batch::digest_of(bytes)).collect();
    assert_eq!((sent.len(), digests.len()), (6, 2));
    let sequences = sent.iter().map(|bytes| Batch::decode(bytes).expect("good").sequence);
    assert!(sequences.into_iter().all(|sequence| sequence == 3));

    let first = headers(&sinner.broadcast(&own_header()));
    assert_eq!(first[0].1.header().batches.len(), 2, "none of them has a twin");
    let next = child(0, 3, &parents()).sign(&identity(4, 0)).into_inner();
    let next = headers(&sinner.broadcast(&Content::from(primary::Message::Header(next))));
    assert_eq!(next[0].1.header().batches.len(), 2, "the old ones again");
}

#[test]
fn forged_certificates_are_refused() {
    for seed in 0..20 {
        let mut sinner = Sinner::new("forge", seed);
        let forged = certificates(&sinner.broadcast(&own_header()));
        assert_eq!(forged.len(), 3);
        assert!(forged.iter().all(|lie| lie.verify(&identity(4, 0).committee).is_err()));
    }
}

#[test]
fn what_is_signed_for_elsewhere_is_refused_here() {
    let mut foreign = 0;
    for seed in 0..20 {
        let mut sinner = Sinner::new("replay", seed);
        for (_, header) in headers(&sinner.broadcast(&own_header())) {
            let here = &identity(4, 0).committee;
            foreign += u32::from(header.verify(here).is_err());
        }
    }
    assert!(5 < foreign, "{foreign}");
}

#[test]
fn garbage_is_mostly_no_message() {
    let mut refused = 0;
    for seed in 0..50 {
        for letter in Sinner::new("garbage", seed).broadcast(&own_header()) {
            refused += u32::from(mail::primary(letter.lane, &letter.bytes).is_none());
        }
    }
    assert!(10 < refused, "{refused}");
}

#[test]
fn two_valid_proposals_of_one_view_are_shown_and_both_get_a_vote() {
    let committee = &identity(4, 0).committee;
    let (mut shown, mut voted) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..10 {
        let mut sinner = Sinner::new("two-proposals", seed);
        let letters =
            sinner.broadcast(&hotstuff::Message::Proposal(Box::new(own_proposal())).into());
        let proposals = proposals(&letters);
        assert!(proposals.iter().all(|proposal| proposal.verify(committee).is_ok()));
        shown.extend(proposals.iter().map(|proposal| proposal.block.reference(committee)));
        voted.extend(blocks_voted_for(&letters));
    }
    assert_eq!(shown.len(), 2, "with the anchor and without");
    assert!(voted.is_subset(&shown) && !voted.is_empty());
    assert!(shown.iter().all(|block| block.view == View(1)));
}

#[test]
fn every_block_gets_a_vote_though_the_view_was_given_up() {
    let mut sinner = Sinner::new("vote-for-all", 0);
    for content in said_by_hotstuff() {
        sinner.broadcast(&content);
    }
    let mut other = own_proposal();
    other.block.cut = None;
    for proposal in [own_proposal(), other] {
        let block = proposal.block.reference(&identity(4, 0).committee);
        let letters = sinner.hear(1, &hotstuff::Message::Proposal(Box::new(proposal)).into());
        assert_eq!((letters.len(), blocks_voted_for(&letters)), (3, BTreeSet::from([block])));
    }
}

#[test]
fn old_anchors_are_proposed_again() {
    let mut sinner = Sinner::new("stale", 0);
    let old = certify(header(2, 1), 4).into_inner();
    sinner.hear(2, &primary::Message::Certificate(old.clone()).into());
    let sent =
        proposals(&sinner.broadcast(&hotstuff::Message::Proposal(Box::new(own_proposal())).into()));
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|proposal| proposal.block.cut.as_ref() == Some(&old)));
}

#[test]
fn forged_certificates_of_blocks_are_refused() {
    let mut sinner = Sinner::new("forge", 0);
    let vote = &said_by_hotstuff()[1];
    let forged: Vec<_> = of_hotstuff(&sinner.broadcast(vote))
        .into_iter()
        .filter_map(
            |message| if let hotstuff::Message::Status(it) = message { Some(it) } else { None },
        )
        .collect();
    assert_eq!(forged.len(), 3);
    let committee = &identity(4, 0).committee;
    for status in forged {
        assert!(status.high_qc.verify(committee).is_err());
        assert!(status.high_tc.is_none_or(|tc| tc.verify(committee).is_err()));
    }
}

#[test]
fn nobody_knows_the_future() {
    let mut views = BTreeSet::new();
    for seed in 0..100 {
        let mut sinner = Sinner::new("future", seed);
        let letters = sinner.broadcast(&said_by_hotstuff()[1]);
        views.extend(blocks_voted_for(&letters).into_iter().map(|block| block.view));
    }
    assert!(2 < views.len() && views.contains(&View(u64::MAX)), "{views:?}");
}
