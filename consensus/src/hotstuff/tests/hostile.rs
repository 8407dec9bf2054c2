//! Whatever a peer says, nothing breaks and nothing grows without end.

use kraken_types::{Digest, Signature, Signers, Timestamp, ValidatorId, View, testing::identity};
use proptest::{collection::vec, option, prelude::*};

use super::{at, block, genesis, line, name, qc, started, tc};
use crate::{
    Input, Protocol as _,
    hotstuff::{
        FETCH, Message, VIEW,
        block::{Block, BlockId, BlockRef},
        message::{Proposal, Status},
        quorum::{Qc, Tc, Timeout, Vote},
    },
};

fn views() -> impl Strategy<Value = View> {
    prop_oneof![(0_u64..9).prop_map(View), any::<u64>().prop_map(View)]
}

/// Blocks that there could be, and others.
fn references() -> impl Strategy<Value = BlockRef> {
    let some = (1_u64..5).prop_map(|view| name(&block(view, genesis(), None)));
    let any = (views(), any::<[u8; 32]>())
        .prop_map(|(view, id)| BlockRef { view, id: BlockId(Digest::from_bytes(id)) });
    prop_oneof![Just(genesis()), some, any]
}

fn signatures() -> impl Strategy<Value = Signature> {
    any::<u8>().prop_map(|fill| Signature::from_bytes([fill; 64]))
}

fn signers() -> impl Strategy<Value = Signers> {
    vec(0_u16..6, 0..5).prop_map(|ids| ids.into_iter().map(ValidatorId).collect())
}

fn qcs() -> impl Strategy<Value = Qc> {
    let forged = (references(), signers(), vec(signatures(), 0..5))
        .prop_map(|(block, signers, signatures)| Qc { block, signers, signatures });
    prop_oneof![references().prop_map(qc), forged]
}

fn tcs() -> impl Strategy<Value = Tc> {
    let timeouts = vec((views(), signatures()), 0..5);
    let forged = (views(), qcs(), signers(), timeouts)
        .prop_map(|(view, high_qc, signers, timeouts)| Tc { view, high_qc, signers, timeouts });
    prop_oneof![(views(), qcs()).prop_map(|(view, qc)| tc(view.0, &qc)), forged]
}

fn blocks() -> impl Strategy<Value = Block> {
    let cut = option::of((0_usize..3).prop_map(|round| line(3)[round].clone().into_inner()));
    (0_u16..6, views(), references(), cut).prop_map(|(author, view, parent, cut)| Block {
        author: ValidatorId(author),
        view,
        parent,
        cut,
    })
}

/// Messages of validator 1 that are made of the right parts, and some that are properly signed.
fn messages() -> impl Strategy<Value = Message> {
    let signed = (blocks(), option::of(tcs())).prop_map(|(block, tc)| {
        let qc = qc(block.parent);
        let proposal = Proposal::sign(block, qc, tc, &identity(4, 1)).into_inner();
        Message::Proposal(Box::new(proposal))
    });
    let proposals = (blocks(), qcs(), option::of(tcs()), signatures()).prop_map(
        |(block, qc, tc, signature)| {
            Message::Proposal(Box::new(Proposal { block, qc, tc, signature }))
        },
    );
    let votes = references()
        .prop_map(|block| Message::Vote(Vote::sign(block, &identity(4, 1)).into_inner()));
    let timeouts = (views(), qcs(), option::of(tcs())).prop_map(|(view, qc, tc)| {
        let timeout = Timeout::sign(view, qc, tc, &identity(4, 1)).into_inner();
        Message::Timeout(Box::new(timeout))
    });
    let statuses = (option::of(0_u64..3), qcs(), option::of(tcs())).prop_map(
        |(asked_at, high_qc, high_tc)| {
            let asked_at = asked_at.map(Timestamp::from_millis);
            Message::Status(Box::new(Status { asked_at, high_qc, high_tc }))
        },
    );
    let wants =
        (references(), views()).prop_map(|(block, above)| Message::Want { block: block.id, above });
    prop_oneof![
        signed,
        proposals,
        votes,
        timeouts,
        statuses,
        wants,
        vec(blocks(), 0..4).prop_map(Message::Blocks),
        (0_u64..9).prop_map(|millis| Message::Forgot(at(millis))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_message_breaks_anything(
        messages in vec((0_u16..6, messages()), 1..12), id in 0_u16..4, forgot in any::<bool>(),
    ) {
        let mut hotstuff = started(id);
        if forgot {
            hotstuff = super::hotstuff(4, id);
            let _ = hotstuff.step(at(0), Input::Forgotten(Vec::new()));
        }
        for (from, message) in messages {
            let from = ValidatorId(from);
            let message = crate::Message::HotStuff(message);
            let _ = hotstuff.step(at(5), Input::Message { from, message });
            let _ = hotstuff.step(at(6), Input::Timer(FETCH));
            let _ = hotstuff.step(at(7), Input::Timer(VIEW));
        }
    }
}

#[test]
fn votes_and_timeouts_do_not_pile_up() {
    let mut hotstuff = started(3);
    for view in 0..200 {
        for block in [block(view, genesis(), None), block(view, genesis(), Some(&line(1)[0]))] {
            let vote = Vote::sign(name(&block), &identity(4, 0)).into_inner();
            let _ = hotstuff.step(at(view), super::said(0, Message::Vote(vote)));
        }
        let timeout = Timeout::sign(View(view), qc(genesis()), None, &identity(4, 0));
        let timeout = Message::Timeout(Box::new(timeout.into_inner()));
        let _ = hotstuff.step(at(view), super::said(0, timeout));
    }
    // Votes of views 1 to 5, and one time-out of view 1.
    assert_eq!(hotstuff.size(), 6);
}
