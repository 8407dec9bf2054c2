//! The voting rules, and what is no vote, certificate or proposal.

use kraken_types::{
    Committee, Signers, ValidatorId, Verified, Verify as _, View, codec,
    testing::{committee, identity},
};

use super::{block, genesis, line, name, qc, tc};
use crate::hotstuff::{
    block::BlockRef,
    message::Proposal,
    quorum::{Fault, Qc, Tc, Timeout, Vote},
    safety::Safety,
};

fn known(qc: Qc) -> Verified<Qc> {
    qc.verified(&committee(4)).expect("certified by three")
}

fn given_up(tc: Tc) -> Verified<Tc> {
    tc.verified(&committee(4)).expect("given up by three")
}

/// Votes as validator 3, with everything that the proposal brings along known before.
fn cast(safety: &mut Safety, block: BlockRef, qc: &Qc, tc: Option<&Tc>) -> bool {
    let (qc, tc) = (known(qc.clone()), tc.cloned().map(given_up));
    safety.observe_qc(&qc);
    if let Some(tc) = &tc {
        safety.observe_tc(tc);
    }
    safety.cast(block, &qc, tc.as_ref(), &identity(4, 3)).is_some()
}

fn born() -> Safety {
    Safety::new(&committee(4))
}

/// The names of blocks of views 1 to 5, each extending the one before; index 0 is the genesis.
fn chain() -> Vec<BlockRef> {
    let mut chain = vec![genesis()];
    for view in 1..=5 {
        chain.push(name(&block(view, chain[chain.len() - 1], None)));
    }
    chain
}

#[test]
fn votes_for_a_block_on_top_of_the_view_before_and_once() {
    let (mut safety, chain) = (born(), chain());
    assert!(cast(&mut safety, chain[1], &qc(chain[0]), None));
    assert_eq!(safety.vote().map(|vote| vote.block), Some(chain[1]));
    let other = name(&block(1, genesis(), Some(&line(1)[0])));
    assert!(!cast(&mut safety, other, &qc(chain[0]), None), "twice in a view");
    assert!(!cast(&mut safety, chain[1], &qc(chain[0]), None), "not even for the same");
    assert!(cast(&mut safety, chain[2], &qc(chain[1]), None));
    assert!(!cast(&mut safety, chain[1], &qc(chain[0]), None), "backwards");
}

#[test]
fn a_gap_needs_a_quorum_that_gave_up() {
    let chain = chain();
    let after_gap = name(&block(4, chain[1], None));
    assert!(!cast(&mut born(), after_gap, &qc(chain[1]), None), "no proof");
    let other_view = tc(2, &qc(chain[1]));
    assert!(!cast(&mut born(), after_gap, &qc(chain[1]), Some(&other_view)), "of another view");
    let proof = tc(3, &qc(chain[1]));
    assert!(cast(&mut born(), after_gap, &qc(chain[1]), Some(&proof)));
}

#[test]
fn whoever_hides_a_certificate_gets_no_vote() {
    let chain = chain();
    // One of those who gave up on view 3 knew that block 2 is certified.
    let proof = tc(3, &qc(chain[2]));
    let hiding = name(&block(4, chain[1], None));
    assert!(!cast(&mut born(), hiding, &qc(chain[1]), Some(&proof)));
    let honest = name(&block(4, chain[2], None));
    assert!(cast(&mut born(), honest, &qc(chain[2]), Some(&proof)));
}

#[test]
fn a_view_given_up_gets_no_vote_any_more() {
    let (mut safety, chain) = (born(), chain());
    let timeout = safety.give_up(&identity(4, 3)).expect("nothing was signed");
    assert_eq!((timeout.view, timeout.high_qc.view()), (View(1), View(0)));
    assert!(!cast(&mut safety, chain[1], &qc(chain[0]), None));
    assert!(cast(&mut safety, chain[2], &qc(chain[1]), None), "the next view is another matter");
    let timeout = safety.give_up(&identity(4, 3)).expect("a vote does not stand in the way");
    assert_eq!(timeout.verify(&committee(4)), Ok(()));
    assert_eq!((timeout.view, timeout.high_qc.view()), (View(2), View(1)));
}

#[test]
fn a_timeout_proves_that_its_view_was_reached() {
    let (mut safety, chain) = (born(), chain());
    safety.observe_tc(&given_up(tc(3, &qc(chain[1]))));
    let timeout = safety.give_up(&identity(4, 3)).expect("nothing was signed");
    assert_eq!((timeout.view, timeout.high_qc.view()), (View(4), View(1)));
    assert_eq!(timeout.verify(&committee(4)), Ok(()));
    let bare = Timeout { tc: None, ..Timeout::clone(&timeout) };
    assert_eq!(bare.verify(&committee(4)), Err(Fault::Unjustified { view: View(4) }));
}

#[test]
fn one_proposal_a_view() {
    let mut safety = born();
    assert!(safety.propose());
    assert!(!safety.propose());
    safety.observe_qc(&known(qc(chain()[1])));
    assert!(safety.propose());
}

#[test]
fn a_validator_without_memory_signs_nothing_up_to_the_view_after_the_current() {
    let (mut safety, chain) = (Safety::forgotten(&committee(4)), chain());
    assert!(!cast(&mut safety, chain[2], &qc(chain[1]), None));
    assert!(safety.give_up(&identity(4, 3)).is_none());
    assert!(!safety.propose());

    safety.remember();
    assert!(!cast(&mut safety, chain[2], &qc(chain[1]), None), "the current view");
    assert!(!cast(&mut safety, chain[3], &qc(chain[2]), None), "the next one");
    assert!(!safety.propose());
    assert!(cast(&mut safety, chain[4], &qc(chain[3]), None));
}

#[test]
fn the_record_is_the_whole_state() {
    let (mut safety, chain) = (born(), chain());
    assert!(cast(&mut safety, chain[1], &qc(chain[0]), None));
    assert!(safety.propose());
    safety.observe_tc(&given_up(tc(3, &qc(chain[1]))));
    let read: Safety = codec::decode(&codec::encode(&safety), 10_000).expect("own bytes");
    assert_eq!(read, safety);
}

#[test]
fn what_is_signed_does_not_change() {
    let committee = committee(4);
    let chain = chain();
    let hex = |digest: kraken_types::Digest| digest.to_string()[..16].to_owned();
    let signed = [
        hex(genesis().id.0),
        hex(chain[1].id.0),
        hex(Vote::signed(chain[1], &committee)),
        hex(Timeout::signed(View(2), View(1), &committee)),
        hex(Proposal::signed(chain[1].id, &committee)),
    ];
    assert_eq!(
        signed,
        [
            "81edeacd11ecab71",
            "7ffbcbae8e2c81ab",
            "c12656b5057c43c1",
            "b9796cdc09719081",
            "6698a08163f7a5ff"
        ]
    );
}

#[test]
fn faults_of_certificates_are_named() {
    let chain = chain();
    let verify = |qc: Qc| qc.verify(&committee(4));
    let good = qc(chain[1]);
    assert_eq!(verify(good.clone()), Ok(()));
    assert_eq!(verify(qc(genesis())), Ok(()));

    let empty = BlockRef { view: View(0), ..chain[1] };
    assert_eq!(verify(Qc { block: empty, ..good.clone() }), Err(Fault::BadGenesis));
    let few: Signers = [ValidatorId(0), ValidatorId(1)].into_iter().collect();
    let mismatch = Fault::Mismatch { signers: 2, signatures: 3 };
    assert_eq!(verify(Qc { signers: few.clone(), ..good.clone() }), Err(mismatch));
    let signatures = good.signatures[..2].to_vec();
    let weak = Qc { signers: few, signatures, block: good.block };
    assert_eq!(verify(weak), Err(Fault::NoQuorum { got: 2, quorum: 3 }));
    let stranger: Signers = [0, 1, 9].into_iter().map(ValidatorId).collect();
    let of_stranger = Qc { signers: stranger, ..good.clone() };
    assert_eq!(verify(of_stranger), Err(Fault::Stranger { id: ValidatorId(9) }));
    let other = Qc { block: chain[2], ..good };
    assert_eq!(verify(other), Err(Fault::BadSignature { id: ValidatorId(0) }));
}

#[test]
fn faults_of_what_gives_up_are_named() {
    let chain = chain();
    let verify = |tc: Tc| tc.verify(&committee(4));
    let good = tc(3, &qc(chain[2]));
    assert_eq!(verify(good.clone()), Ok(()));
    let lower = Tc { high_qc: qc(chain[1]), ..good.clone() };
    assert_eq!(verify(lower), Err(Fault::BadHighQc { view: View(3), high_qc: View(1) }));
    let own = tc(3, &qc(chain[3]));
    assert_eq!(verify(own), Err(Fault::BadHighQc { view: View(3), high_qc: View(3) }));
    let mut forged = good.clone();
    forged.timeouts[1].0 = View(1);
    assert_eq!(verify(forged), Err(Fault::BadSignature { id: ValidatorId(1) }));
    let unsigned = Tc { view: View(4), ..good };
    assert_eq!(verify(unsigned), Err(Fault::BadSignature { id: ValidatorId(0) }));
}

#[test]
fn faults_of_proposals_are_named() {
    let (chain, committee): (_, Committee) = (chain(), committee(4));
    let sign = |view, parent, of: BlockRef, tc| {
        Proposal::sign(block(view, parent, None), qc(of), tc, &identity(4, 1)).into_inner()
    };
    let verify = |proposal: Proposal| proposal.verify(&committee);
    assert_eq!(verify(sign(2, chain[1], chain[1], None)), Ok(()));
    assert_eq!(verify(sign(2, chain[1], genesis(), None)), Err(Fault::NotTheParent));
    let backwards = Fault::BadHighQc { view: View(2), high_qc: View(3) };
    assert_eq!(verify(sign(2, chain[3], chain[3], None)), Err(backwards));
    let gap = Fault::Unjustified { view: View(10) };
    assert_eq!(verify(sign(10, chain[1], chain[1], None)), Err(gap));
    assert_eq!(verify(sign(10, chain[1], chain[1], Some(tc(9, &qc(chain[1]))))), Ok(()));
    let others = Fault::BadSignature { id: ValidatorId(2) };
    assert_eq!(verify(sign(3, chain[2], chain[2], None)), Err(others));
}
