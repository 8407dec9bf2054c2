//! A validator that makes something else of the order than the others.

use kraken_execution::testing;
use kraken_types::{Verify, genesis::Protocol};
use starknet_api::state::StorageKey;

use super::{
    committee::{Committee, PATIENCE},
    nobody,
};
use crate::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_contradicted_by_a_quorum_stops_and_keeps_the_evidence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut committee = Committee::new(4, Protocol::HotStuff);
    for validator in 0..3 {
        committee.start(validator, None, false).await;
    }
    // Its block 0 is another one, so all that it makes of the order is.
    let mut state = testing::genesis_state(committee.chain.genesis());
    let cells = state.state_diff.storage_diffs.entry(nobody(1)).or_default();
    cells.insert(StorageKey::from(7_u128), 8.into());
    let storage = committee.empty_storage(None);
    seal_genesis(&committee.chain, &storage, state).await.expect("block 0");
    committee.start_on(3, storage.clone(), Some(folder.path()), false).await;

    let (odd, _) = committee.validators[3].take().expect("it runs");
    let hash = committee.transfer(0, 0, 0).await;
    committee.accept(&[hash]).await;
    let reason = tokio::time::timeout(PATIENCE, odd.stopped()).await.expect("it stops in time");
    let files = Evidence::find(folder.path()).expect("readable");
    let path = files.first().expect("there is evidence");
    assert!(reason.contains(&path.display().to_string()), "{reason}");

    let evidence = Evidence::read(path).expect("own file");
    let genesis_committee = committee.chain.genesis().committee().expect("valid");
    evidence.theirs.verify(&genesis_committee).expect("a quorum signed it");
    let (ours, theirs) = (evidence.ours, evidence.theirs.statement);
    assert_eq!((ours.number, ours.executed_up_to), (theirs.number, theirs.executed_up_to));
    let block = evidence.block().expect("our block");
    assert_eq!(block.header.hash.0.to_bytes_be(), ours.block_hash);
    let (_, others) = committee.validators[0].as_ref().expect("it runs");
    let accepted = others.block(block.header.number()).expect("readable").expect("there");
    assert_eq!(accepted.header.hash.0.to_bytes_be(), theirs.block_hash);
    assert_ne!(accepted.header.state_root, block.header.state_root);
    odd.shut_down().await;
    committee.shut_down().await;
}
