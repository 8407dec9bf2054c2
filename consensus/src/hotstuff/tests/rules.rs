//! One rule of the whole each.

use kraken_types::{
    Certificate, Equivocation, Round, Signers, ValidatorId, Verified, View,
    testing::{certify, committee, header, identity},
};

use super::{
    at, block, commits, genesis, hotstuff, line, messages, name, qc, said, started, tc, votes,
};
use crate::{
    Effect, Input, Protocol as _, Record, TimerId,
    hotstuff::{
        self, FETCH, FORGOT, HotStuff, Message, REMIND, VIEW,
        block::{Block, BlockRef},
        message::{BLOCKS_MAX, Proposal, Status},
        quorum::{Qc, Tc, Timeout, Vote},
        tree::Tree,
    },
};

fn proposal(block: &Block, qc: Qc, tc: Option<Tc>) -> Input {
    let author = block.author.0;
    let proposal = Proposal::sign(block.clone(), qc, tc, &identity(4, author));
    said(author, Message::Proposal(Box::new(proposal.into_inner())))
}

fn vote(voter: u16, block: BlockRef) -> Input {
    said(voter, Message::Vote(Vote::sign(block, &identity(4, voter)).into_inner()))
}

fn timeout(sender: u16, view: u64, high_qc: Qc) -> Input {
    let timeout = Timeout::sign(View(view), high_qc, None, &identity(4, sender));
    said(sender, Message::Timeout(Box::new(timeout.into_inner())))
}

fn status(from: u16, high_qc: Qc, high_tc: Option<Tc>) -> Input {
    said(from, Message::Status(Box::new(Status { asked_at: None, high_qc, high_tc })))
}

fn has_timer(effects: &[Effect], wanted: TimerId) -> bool {
    let is_wanted =
        |effect: &Effect| matches!(effect, Effect::SetTimer { timer, .. } if *timer == wanted);
    effects.iter().any(is_wanted)
}

fn records(effects: &[Effect]) -> Vec<Record> {
    let record = |effect: &Effect| {
        if let Effect::Persist(record) = effect { Some(record.clone()) } else { None }
    };
    effects.iter().filter_map(record).collect()
}

/// A chain of blocks with these views; the first extends the genesis, each carries the next anchor.
fn chain(views: &[u64], anchors: &[Verified<Certificate>]) -> Vec<Block> {
    let mut chain: Vec<Block> = Vec::new();
    for (view, anchor) in views.iter().zip(anchors) {
        let parent = chain.last().map_or(genesis(), name);
        chain.push(block(*view, parent, Some(anchor)));
    }
    chain
}

/// Teaches that the last of these blocks is certified, and answers what is asked then.
fn certified(hotstuff: &mut HotStuff, blocks: &[Block]) -> Vec<Effect> {
    let last = blocks.last().expect("some block");
    let mut effects = hotstuff.step(at(0), status(0, qc(name(last)), None));
    let asked = hotstuff.step(at(0), Input::Timer(FETCH));
    if let [Message::Want { block: wanted, above: _ }] = messages(&asked)[..] {
        let newest_first = blocks.iter().rev().skip_while(|block| name(block).id != *wanted);
        let answer = Message::Blocks(newest_first.cloned().collect());
        effects.extend(hotstuff.step(at(0), said(0, answer)));
    }
    effects
}

/// A validator that has these certificates of the DAG.
fn with_dag(id: u16, anchors: &[Verified<Certificate>]) -> HotStuff {
    let mut hotstuff = started(id);
    for anchor in anchors {
        // Only the leader of view 1 would say something.
        assert_ne!(id, 1);
        assert!(messages(&hotstuff.step(at(0), Input::Certificate(anchor.clone()))).is_empty());
    }
    hotstuff
}

#[test]
fn a_block_is_decided_by_a_certified_one_of_the_next_view() {
    let cases: [(&[u64], &[u64]); 7] = [
        (&[1], &[]),
        (&[1, 2], &[1]),
        (&[1, 2, 3], &[1, 2]),
        (&[1, 3], &[]),
        (&[1, 3, 5, 7], &[]),
        // Those before it come first, whatever views are between.
        (&[1, 3, 4], &[1, 2]),
        (&[1, 3, 6, 7, 9], &[1, 2, 3]),
    ];
    for (views, expected) in cases {
        let anchors = line(views.len() as u64);
        let mut hotstuff = with_dag(3, &anchors);
        let effects = certified(&mut hotstuff, &chain(views, &anchors));
        assert_eq!(commits(&effects), expected, "{views:?}");
    }
}

#[test]
fn what_was_decided_is_not_decided_again() {
    let anchors = line(5);
    let mut hotstuff = with_dag(3, &anchors);
    let blocks = chain(&[1, 2, 4, 5, 6], &anchors);
    assert_eq!(commits(&certified(&mut hotstuff, &blocks[..2])), [1]);
    assert_eq!(commits(&certified(&mut hotstuff, &blocks[..4])), [2, 3]);
    assert_eq!(commits(&certified(&mut hotstuff, &blocks)), [4]);
}

#[test]
fn a_stale_anchor_commits_nothing() {
    let anchors = line(2);
    let mut hotstuff = with_dag(3, &anchors);
    let again = [&anchors[1], &anchors[0], &anchors[1], &anchors[1]].map(Verified::clone);
    let effects = certified(&mut hotstuff, &chain(&[1, 2, 3, 4], &again));
    assert_eq!(commits(&effects), [2]);
}

#[test]
fn a_stale_anchor_that_never_comes_holds_up_nothing() {
    let anchors = line(4);
    let mut hotstuff = with_dag(3, &anchors);
    let lost = certify(header(3, 1), 4);
    let mixed = [&anchors[1], &lost, &anchors[2], &anchors[3]].map(Verified::clone);
    let effects = certified(&mut hotstuff, &chain(&[1, 2, 3, 4], &mixed));
    assert_eq!(commits(&effects), [2, 3]);
}

#[test]
fn an_anchor_waits_for_the_mempool_which_is_told_again() {
    let anchors = line(2);
    let mut hotstuff = started(3);
    let effects = certified(&mut hotstuff, &chain(&[1, 2], &anchors));
    assert_eq!(commits(&effects), []);
    assert!(effects.contains(&Effect::Certificate(anchors[0].clone())), "news for the mempool");
    assert!(has_timer(&effects, REMIND));
    let effects = hotstuff.step(at(100), Input::Timer(REMIND));
    assert!(effects.contains(&Effect::Certificate(anchors[0].clone())), "again");
    let effects = hotstuff.step(at(100), Input::Certificate(anchors[0].clone()));
    assert_eq!(commits(&effects), [1]);
}

#[test]
fn a_commit_is_durable_before_it_is_one() {
    let anchors = line(2);
    let mut hotstuff = with_dag(3, &anchors);
    let effects = certified(&mut hotstuff, &chain(&[1, 2], &anchors));
    let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted).expect("there");
    let recorded = place(|effect| matches!(effect, Effect::Persist(Record::Committed { .. })));
    let settled = place(|effect| {
        matches!(effect, Effect::Persist(Record::HotStuff(hotstuff::Record::Settled(_))))
    });
    let committed = place(|effect| matches!(effect, Effect::Commit(_)));
    assert!(recorded < settled && settled < committed);
}

#[test]
fn a_vote_is_durable_with_its_block_before_it_is_sent() {
    let mut hotstuff = started(3);
    let first = block(1, genesis(), Some(&line(1)[0]));
    let effects = hotstuff.step(at(0), proposal(&first, qc(genesis()), None));
    let vote = Vote::sign(name(&first), &identity(4, 3)).into_inner();
    let sent = Effect::Broadcast(crate::Message::HotStuff(Message::Vote(vote)));
    let sent = effects.iter().position(|effect| *effect == sent).expect("a vote");
    let recorded = records(&effects[..sent]);
    assert!(recorded.contains(&Record::HotStuff(hotstuff::Record::Block(first.clone()))));
    let is_safety = |record: &Record| {
        matches!(record, Record::HotStuff(hotstuff::Record::Safety(safety))
            if safety.vote().is_some_and(|vote| vote.block == name(&first)))
    };
    assert!(recorded.iter().any(is_safety));
}

#[test]
fn only_the_leader_of_the_view_gets_a_vote() {
    let mut hotstuff = started(3);
    let mut usurper = block(1, genesis(), None);
    usurper.author = ValidatorId(2);
    assert_eq!(votes(&hotstuff.step(at(0), proposal(&usurper, qc(genesis()), None))), []);
    let first = block(1, genesis(), None);
    let relayed = Proposal::sign(first.clone(), qc(genesis()), None, &identity(4, 1)).into_inner();
    let relayed = said(2, Message::Proposal(Box::new(relayed)));
    assert_eq!(votes(&hotstuff.step(at(0), relayed)), []);
    assert_eq!(votes(&hotstuff.step(at(0), proposal(&first, qc(genesis()), None))), [name(&first)]);
}

#[test]
fn of_two_blocks_of_one_view_the_first_gets_the_vote_and_the_certified_one_is_followed() {
    let anchors = line(2);
    let mut hotstuff = with_dag(3, &anchors);
    let first = block(1, genesis(), None);
    let second = block(1, genesis(), Some(&anchors[0]));
    assert_eq!(votes(&hotstuff.step(at(0), proposal(&first, qc(genesis()), None))), [name(&first)]);
    let effects = hotstuff.step(at(0), proposal(&second, qc(genesis()), None));
    let (whom, what) = (second.author, Equivocation::Proposal);
    assert_eq!(effects, [Effect::Equivocated { whom, what }]);

    let next = block(2, name(&second), Some(&anchors[1]));
    let effects = hotstuff.step(at(0), proposal(&next, qc(name(&second)), None));
    assert_eq!(votes(&effects), [name(&next)], "a certified parent need not be here");
    assert!(has_timer(&effects, FETCH));
    let want = Message::Want { block: name(&second).id, above: View(0) };
    assert_eq!(messages(&hotstuff.step(at(20), Input::Timer(FETCH))), [&want]);
    let _ = hotstuff.step(at(20), said(2, Message::Blocks(vec![second])));
    let effects = hotstuff.step(at(20), status(0, qc(name(&next)), None));
    assert_eq!(commits(&effects), [1]);
}

#[test]
fn a_proposal_with_a_forged_anchor_gets_no_vote() {
    let mut hotstuff = started(3);
    let weak = {
        let signed = header(0, 1).sign(&identity(4, 0));
        let votes = (0..3).map(|id| {
            let other = header(2, 1).digest();
            let vote = kraken_types::Vote::sign(other, &identity(4, id));
            (ValidatorId(id), vote)
        });
        let votes: std::collections::BTreeMap<_, _> = votes.collect();
        assert!(Certificate::assemble(&signed, &votes, &committee(4)).is_none());
        // The bytes of a certificate for another header, with this header.
        let bytes = kraken_types::codec::encode(&*certify(header(2, 1), 4));
        let others = kraken_types::codec::encode(&header(2, 1)).len();
        let forged = [kraken_types::codec::encode(&header(0, 1)), bytes[others..].to_vec()];
        kraken_types::codec::decode::<Certificate>(&forged.concat(), 10_000).expect("well-formed")
    };
    let forged = Block { cut: Some(weak), ..block(1, genesis(), None) };
    let effects = hotstuff.step(at(0), proposal(&forged, qc(genesis()), None));
    assert_eq!(effects, []);
}

#[test]
fn a_quorum_of_votes_opens_the_next_view_and_its_leader_proposes() {
    let anchors = line(2);
    let mut hotstuff = with_dag(2, &anchors);
    let before = block(1, genesis(), None);
    let first = block(2, name(&before), Some(&anchors[0]));
    let _ = hotstuff.step(at(0), proposal(&first, qc(name(&before)), None));
    assert_eq!(messages(&hotstuff.step(at(0), vote(0, name(&first)))), Vec::<&Message>::new());
    let twice = hotstuff.step(at(0), vote(0, name(&first)));
    assert!(messages(&twice).is_empty(), "one voice counts once");
    let effects = hotstuff.step(at(0), vote(3, name(&first)));
    let proposed = messages(&effects).into_iter().find_map(|message| {
        if let Message::Proposal(proposal) = message { Some(&proposal.block) } else { None }
    });
    let expected = block(3, name(&first), Some(&anchors[1]));
    assert_eq!(proposed, Some(&expected));
    assert_eq!(votes(&effects), [name(&expected)], "a leader votes for its own block");
}

#[test]
fn a_second_vote_of_a_view_does_not_count() {
    let mut hotstuff = with_dag(2, &line(1));
    let (one, other) = (block(1, genesis(), None), block(1, genesis(), Some(&line(1)[0])));
    let (one, other) = (name(&one), name(&other));
    assert_eq!(hotstuff.step(at(0), vote(0, one)), []);
    let accused = Effect::Equivocated { whom: ValidatorId(0), what: Equivocation::Vote };
    assert_eq!(hotstuff.step(at(0), vote(0, other)), [accused]);
    assert_eq!(hotstuff.step(at(0), vote(0, one)), [], "the same again is none");
    assert_eq!(messages(&hotstuff.step(at(0), vote(1, other))), Vec::<&Message>::new());
    let effects = hotstuff.step(at(0), vote(3, other));
    assert!(!has_timer(&effects, FETCH), "two voices are no quorum, so nothing is certified");
}

#[test]
fn a_leader_waits_for_something_to_order_and_helps_to_decide_on_the_last() {
    let anchors = line(1);
    let mut leader = started(1);
    let effects = leader.step(at(0), Input::Certificate(anchors[0].clone()));
    let first = block(1, genesis(), Some(&anchors[0]));
    assert_eq!(votes(&effects), [name(&first)], "at once");

    let effects = leader.step(at(0), status(0, qc(name(&first)), None));
    let second = block(2, name(&first), None);
    assert_eq!(votes(&effects), [name(&second)], "nothing newer, but block 1 is undecided");

    let mut last = with_dag(2, &anchors);
    let _ = last.step(at(0), proposal(&first, qc(genesis()), None));
    let _ = last.step(at(0), proposal(&second, qc(name(&first)), None));
    let effects = last.step(at(0), status(0, qc(name(&second)), None));
    assert_eq!((commits(&effects), votes(&effects)), (vec![1], vec![]), "nothing is left");
    let third = certify(header(3, 1), 4);
    let effects = last.step(at(0), Input::Certificate(third));
    assert!(messages(&effects).is_empty(), "an anchor must be of a higher round");
}

#[test]
fn an_idle_validator_keeps_no_time() {
    let anchors = line(1);
    let mut hotstuff = started(3);
    assert_eq!(hotstuff.step(at(0), Input::Timer(VIEW)), []);
    let effects = hotstuff.step(at(0), Input::Certificate(anchors[0].clone()));
    assert!(has_timer(&effects, VIEW));
    let first = block(1, genesis(), Some(&anchors[0]));
    let second = block(2, name(&first), None);
    assert_eq!(commits(&certified(&mut hotstuff, &[first, second])), [1]);
    assert_eq!(hotstuff.step(at(100), Input::Timer(VIEW)), []);
}

#[test]
fn gives_up_again_and_again_in_the_same_words() {
    let mut hotstuff = with_dag(3, &line(1));
    let effects = hotstuff.step(at(100), Input::Timer(VIEW));
    let expected = Timeout::sign(View(1), qc(genesis()), None, &identity(4, 3)).into_inner();
    let expected = Message::Timeout(Box::new(expected));
    assert_eq!(messages(&effects), [&expected]);
    assert_eq!(records(&effects).len(), 1, "the state of safety");
    assert!(has_timer(&effects, VIEW));
    let effects = hotstuff.step(at(200), Input::Timer(VIEW));
    assert_eq!((messages(&effects), records(&effects)), (vec![&expected], vec![]));
}

#[test]
fn gives_up_with_validity_and_leaves_with_a_quorum() {
    let mut hotstuff = started(3);
    assert_eq!(hotstuff.step(at(0), timeout(0, 1, qc(genesis()))), []);
    assert_eq!(hotstuff.step(at(0), timeout(0, 1, qc(genesis()))), [], "one voice counts once");
    let effects = hotstuff.step(at(0), timeout(1, 1, qc(genesis())));
    let said = messages(&effects);
    assert!(matches!(said[0], Message::Timeout(timeout) if timeout.view == View(1)));
    // With its own there are three.
    let Message::Status(status) = said[1] else { panic!("{said:?}") };
    assert_eq!(status.high_tc.as_ref().map(|tc| tc.view), Some(View(1)));
    let second = block(2, genesis(), Some(&line(1)[0]));
    let proposed = proposal(&second, qc(genesis()), status.high_tc.clone());
    assert_eq!(votes(&hotstuff.step(at(0), proposed)), [name(&second)]);
}

#[test]
fn a_timeout_of_a_later_view_brings_there_whoever_hears_it() {
    let mut hotstuff = started(3);
    let proof = tc(5, &qc(genesis()));
    let ahead = Timeout::sign(View(6), qc(genesis()), Some(proof), &identity(4, 0)).into_inner();
    assert_eq!(hotstuff.step(at(0), said(0, Message::Timeout(Box::new(ahead)))), []);
    // It leads view 6, and proposes as soon as there is something.
    let effects = hotstuff.step(at(0), Input::Certificate(line(1)[0].clone()));
    assert_eq!(votes(&effects).iter().map(|block| block.view).collect::<Vec<_>>(), [View(6)]);
}

#[test]
fn who_is_behind_is_told_so_but_not_too_often() {
    let mut hotstuff = started(3);
    let proof = tc(5, &qc(genesis()));
    let _ = hotstuff.step(at(0), status(0, qc(genesis()), Some(proof)));
    let answers = |effects: Vec<Effect>| messages(&effects).len();
    assert_eq!(answers(hotstuff.step(at(0), timeout(1, 1, qc(genesis())))), 1);
    assert_eq!(answers(hotstuff.step(at(10), timeout(1, 1, qc(genesis())))), 0);
    assert_eq!(answers(hotstuff.step(at(10), timeout(2, 1, qc(genesis())))), 1, "another one");
    assert_eq!(answers(hotstuff.step(at(200), timeout(1, 1, qc(genesis())))), 1, "it may be lost");
}

#[test]
fn walks_back_over_many_blocks() {
    let count = 3 * BLOCKS_MAX as u64;
    let anchors = line(count);
    let views: Vec<_> = (1..=count).collect();
    let blocks = chain(&views, &anchors);
    let mut server = with_dag(3, &[]);
    for part in 1..=3 {
        certified(&mut server, &blocks[..part * BLOCKS_MAX]);
    }
    let mut straggler = with_dag(0, &anchors);
    let _ = straggler.step(at(0), status(3, qc(name(&blocks[blocks.len() - 1])), None));
    let mut effects = straggler.step(at(0), Input::Timer(FETCH));
    let mut answers = 0;
    let mut ordered = Vec::new();
    while let [Message::Want { block, above }] = messages(&effects)[..] {
        let want = said(0, Message::Want { block: *block, above: *above });
        let answer = server.step(at(0), want);
        let [Message::Blocks(blocks)] = messages(&answer)[..] else { panic!("{answer:?}") };
        assert!(blocks.len() <= BLOCKS_MAX);
        answers += 1;
        effects = straggler.step(at(0), said(3, Message::Blocks(blocks.clone())));
        ordered.extend(commits(&effects));
    }
    assert_eq!(answers, 3);
    assert_eq!(ordered, (1..count).collect::<Vec<_>>());
}

#[test]
fn blocks_that_nobody_asked_for_are_not_taken_in() {
    let anchors = line(2);
    let blocks = chain(&[1, 2], &anchors);
    let mut hotstuff = started(3);
    let effects = hotstuff.step(at(0), said(0, Message::Blocks(blocks)));
    assert_eq!((effects, hotstuff.size()), (vec![], 0));
}

#[test]
fn a_restart_repeats_the_last_vote_and_gives_no_other() {
    let mut hotstuff = started(3);
    let first = block(1, genesis(), Some(&line(1)[0]));
    let log = records(&hotstuff.step(at(0), proposal(&first, qc(genesis()), None)));
    let mut again = super::hotstuff(4, 3);
    let effects = again.step(at(50), Input::Recovered(log));
    assert_eq!(votes(&effects), [name(&first)]);
    let other = block(1, genesis(), None);
    assert_eq!(votes(&again.step(at(50), proposal(&other, qc(genesis()), None))), []);
    let effects = again.step(at(50), proposal(&first, qc(genesis()), None));
    assert_eq!(votes(&effects), [name(&first)], "the leader has not heard it");
}

#[test]
fn a_restarted_leader_proposes_nothing_else() {
    let mut leader = started(1);
    let log = records(&leader.step(at(0), Input::Certificate(line(1)[0].clone())));
    let mut again = super::hotstuff(4, 1);
    let _ = again.step(at(50), Input::Recovered(log));
    let other = certify(header(1, 1), 4);
    let effects = again.step(at(50), Input::Certificate(other));
    let is_proposal = |message: &&Message| matches!(message, Message::Proposal(_));
    assert!(!messages(&effects).iter().any(is_proposal));
}

#[test]
fn a_restart_goes_on_behind_the_last_commit_and_serves_what_was_voted_for() {
    let anchors = line(4);
    let blocks = chain(&[1, 2, 3, 4], &anchors);
    let mut hotstuff = with_dag(3, &anchors);
    let mut log = Vec::new();
    for (place, block) in blocks.iter().enumerate().filter(|(place, _)| *place != 2) {
        let parent = place.checked_sub(1).map_or(genesis(), |below| name(&blocks[below]));
        log.extend(records(&hotstuff.step(at(0), proposal(block, qc(parent), None))));
    }
    log.extend(records(&certified(&mut hotstuff, &blocks)));
    let mut again = super::hotstuff(4, 3);
    let _ = again.step(at(0), Input::Recovered(log));
    for anchor in &anchors {
        assert_eq!(commits(&again.step(at(0), Input::Certificate(anchor.clone()))), []);
    }
    let want = said(0, Message::Want { block: name(&blocks[1]).id, above: View(0) });
    let effects = again.step(at(0), want);
    let expected = Message::Blocks(vec![blocks[1].clone(), blocks[0].clone()]);
    assert_eq!(messages(&effects), [&expected]);
    let fifth = block(5, name(&blocks[3]), None);
    let sixth = block(6, name(&fifth), None);
    let _ = again.step(at(0), status(0, qc(name(&sixth)), None));
    let want = Message::Want { block: name(&sixth).id, above: View(3) };
    assert_eq!(messages(&again.step(at(0), Input::Timer(FETCH))), [&want], "down to there");
    let effects = certified(&mut again, &[fifth, sixth]);
    assert_eq!(commits(&effects), [4]);
}

#[test]
fn the_newest_records_are_enough() {
    let anchors = line(2);
    let mut hotstuff = with_dag(3, &anchors);
    let log = records(&certified(&mut hotstuff, &chain(&[1, 2], &anchors)));
    let settled =
        log.iter().find(|record| matches!(record, Record::HotStuff(hotstuff::Record::Settled(_))));
    let settled = settled.expect("block 1 was ordered").clone();
    let old = Record::HotStuff(hotstuff::Record::Block(block(1, genesis(), None)));
    assert!(!settled.supersedes(&old), "others may want it");
    assert!(!old.supersedes(&settled));
    let Record::HotStuff(hotstuff::Record::Settled(mut mark)) = settled else { panic!("settled") };
    mark.block.view = View(Tree::HISTORY_MAX + 2);
    let later = Record::HotStuff(hotstuff::Record::Settled(mark));
    assert!(later.supersedes(&old));
}

#[test]
fn a_lost_disk_keeps_silent_until_a_quorum_told_how_far_it_is() {
    let mut hotstuff = hotstuff(4, 3);
    let effects = hotstuff.step(at(7), Input::Forgotten(Vec::new()));
    assert_eq!(messages(&effects), [&Message::Forgot(at(7))]);
    let log = records(&effects);
    let answer = |from, asked_at, high_qc| {
        let status = Status { asked_at: Some(asked_at), high_qc, high_tc: None };
        said(from, Message::Status(Box::new(status)))
    };
    let blocks = chain(&[1, 2, 3, 4, 5, 6, 7], &line(7));
    let _ = hotstuff.step(at(8), answer(0, at(7), qc(genesis())));
    let _ = hotstuff.step(at(8), answer(0, at(7), qc(genesis())));
    let _ = hotstuff.step(at(8), answer(1, at(6), qc(genesis())));
    let _ = hotstuff.step(at(8), answer(1, at(7), qc(name(&blocks[1]))));
    let vote_for = |hotstuff: &mut HotStuff, block: &Block, parent: &Block| {
        votes(&hotstuff.step(at(9), proposal(block, qc(name(parent)), None)))
    };
    assert_eq!(vote_for(&mut hotstuff, &blocks[2], &blocks[1]), [], "two answers, one of them old");
    let mut again = super::hotstuff(4, 3);
    let effects = again.step(at(9), Input::Recovered(log));
    assert_eq!(messages(&effects), [&Message::Forgot(at(9))], "a restart does not help");
    let effects = hotstuff.step(at(107), Input::Timer(FORGOT));
    assert_eq!(messages(&effects), [&Message::Forgot(at(7))]);

    let effects = hotstuff.step(at(108), answer(2, at(7), qc(genesis())));
    assert_eq!(records(&effects).len(), 1);
    let fourth = proposal(&blocks[3], qc(name(&blocks[2])), None);
    let Input::Message { from, message } = fourth else { panic!("a message") };
    // View 3 is the current one.
    let effects = hotstuff.step(at(108), Input::Message { from, message });
    assert_eq!(votes(&effects), [], "within a view of the highest answer");
    // Views 5 and 6 are our own.
    assert_eq!(vote_for(&mut hotstuff, &blocks[6], &blocks[5]), [name(&blocks[6])]);
}

#[test]
fn a_lone_validator_orders_at_once_and_alone() {
    for input in [Input::Recovered(Vec::new()), Input::Forgotten(Vec::new())] {
        let mut alone = hotstuff(1, 0);
        let _ = alone.step(at(0), input);
        let mut parents = Vec::new();
        let mut ordered = Vec::new();
        for round in 1..=5 {
            let mut header = header(0, round);
            header.parents.clone_from(&parents);
            let certificate = certify(header, 1);
            parents = vec![certificate.digest()];
            ordered.extend(commits(&alone.step(at(0), Input::Certificate(certificate))));
        }
        assert_eq!(ordered, [1, 2, 3, 4, 5]);
    }
}

#[test]
fn leaders_that_bring_nothing_lose_their_turns_eight_views_later() {
    let anchors = line(12);
    let mut hotstuff = with_dag(3, &anchors);
    // Views 3 and 4, 11 and 12 and so on bring nothing.
    let views: Vec<u64> = (1..).filter(|view: &u64| view.div_ceil(2) % 4 != 2).take(12).collect();
    let blocks = chain(&views, &anchors);
    assert_eq!(hotstuff.order.leader(View(19)), ValidatorId(2));
    let ordered = commits(&certified(&mut hotstuff, &blocks));
    assert_eq!(ordered.last(), Some(&11));
    let tenth = blocks[9].view.0;
    let leaders = |hotstuff: &HotStuff, from: u64| {
        let views = (from..from + 8).map(View);
        views.map(|view| hotstuff.order.leader(view)).collect::<Signers>()
    };
    assert!(leaders(&hotstuff, tenth + 4).contains(ValidatorId(2)), "in flight");
    assert!(!leaders(&hotstuff, tenth + 8).contains(ValidatorId(2)));
    assert_eq!(hotstuff.order.decided(), Round(11));
}

#[test]
fn a_turn_is_two_views_long_so_that_one_leader_can_decide() {
    let hotstuff = started(0);
    let leaders: Vec<_> = (1..=8).map(|view| hotstuff.order.leader(View(view)).0).collect();
    assert_eq!(leaders, [1, 1, 2, 2, 3, 3, 0, 0]);
}
