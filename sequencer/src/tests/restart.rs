//! What an earlier run left is done once, and nothing of it is lost.

use bytes::Bytes;
use kraken_consensus::Record;
use kraken_execution::Prepared;
use kraken_mempool::primary;
use kraken_ordering::Entry;
use kraken_storage::codec::encode_transaction;
use kraken_types::{Batch, BatchRef, Certificate, Epoch, Header, ValidatorId, WorkerId, codec};
use starknet_api::rpc_transaction::RpcTransaction;

use super::*;
use crate::{committer::UNACCEPTED_MAX, recovery::read_end};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_order_ended() {
    let folder = TempDir::new().expect("a folder");
    let directory = || Some(folder.path().join("data"));
    let on_demand = genesis(|genesis| genesis.block.transactions_max = 1_000);

    let node = start(&on_demand, directory()).await;
    let first = node.transfer(0, 0).await;
    node.close().await;
    let open = node.transfer(0, 1).await;
    tokio::time::timeout(Duration::from_secs(30), async {
        while node.sequencer.view().pre_confirmed().transactions.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("executed in time");
    let hash_before = node.storage.block(BlockNumber(1)).expect("readable").expect("there");
    node.sequencer.shut_down().await;
    drop(node);

    let node = start(&on_demand, directory()).await;
    // What was ordered is executed again before anyone may ask for it.
    assert_eq!(node.sequencer.view().pre_confirmed().transactions[0].hash, open);
    node.transfer(0, 2).await;
    node.close().await;
    let again = node.storage.block(BlockNumber(1)).expect("readable").expect("there");
    assert_eq!(again.header, hash_before.header);
    let block = node.storage.block(BlockNumber(2)).expect("readable").expect("there");
    assert_eq!(block.transactions.len(), 2);
    assert_eq!(node.storage.position_of(first).expect("readable"), Some((BlockNumber(1), 0)));
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_made_again_does_not_bring_all_blocks_back_into_memory() {
    let folder = TempDir::new().expect("a folder");
    let directory = folder.path().join("data");
    let node = start(&genesis(|_| ()), Some(directory.clone())).await;
    for nonce in 0..UNACCEPTED_MAX + 4 {
        node.transfer(0, nonce).await;
    }
    let latest = node.latest();
    node.sequencer.shut_down().await;
    drop(node);
    std::fs::remove_dir_all(directory.join("engine")).expect("removable");

    let config = kraken_storage::Config {
        directory: Some(directory.clone()),
        genesis: genesis(|_| ()).digest(),
    };
    let storage = Storage::open(config).expect("storage opens");
    let end = read_end(&storage).await.expect("readable");
    assert_eq!(end.unaccepted.len() as u64, UNACCEPTED_MAX);
    assert_eq!(end.accepted.0 + UNACCEPTED_MAX, latest);
    drop((end, storage));
    let node = start(&genesis(|_| ()), Some(directory)).await;
    node.transfer(0, UNACCEPTED_MAX + 4).await;
    assert_eq!(node.latest(), latest + 1);
    node.check_chain();
    node.sequencer.shut_down().await;
}

/// Leaves a batch in the log, as an earlier run would have.
fn leave_batch(node: &Node, sequence: u64, transactions: &[RpcTransaction]) -> BatchRef {
    let encoded = transactions.iter().map(|it| Bytes::from(encode_transaction(it)));
    let (author, worker) = (ValidatorId(0), WorkerId(0));
    let transactions = encoded.collect();
    let (digest, bytes) =
        Batch { epoch: Epoch(0), author, worker, sequence, transactions }.encode();
    node.storage.batches().append_and_wait(bytes).expect("memory");
    BatchRef { digest, worker, sequence }
}

/// The votes log, oldest first.
fn entries(node: &Node) -> Vec<Entry> {
    let votes = node.storage.votes();
    let bytes = votes.records(None).map(|record| record.expect("readable").1);
    bytes.map(|bytes| codec::decode(&bytes, bytes.len()).expect("an entry")).collect()
}

/// How often a batch is in the order.
fn times_ordered(node: &Node, batch: BatchRef) -> usize {
    let batches = entries(node).into_iter().flat_map(|entry| match entry {
        Entry::Protocol(Record::Committed { commit, .. }) => commit.batches,
        Entry::Protocol(Record::HotStuff(_)) | Entry::Primary(_) => Vec::new(),
    });
    batches.filter(|(_, it)| *it == batch).count()
}

fn newest_certificate(node: &Node) -> Certificate {
    let accepted = |entry| match entry {
        Entry::Primary(primary::Record::Accepted(certificate)) => Some(certificate),
        Entry::Primary(_) | Entry::Protocol(_) => None,
    };
    let newest = entries(node).into_iter().filter_map(accepted).next_back();
    newest.expect("something was certified")
}

impl Node {
    async fn restart(self) -> Self {
        self.sequencer.shut_down().await;
        let sequencer = Sequencer::start(config(), self.chain.clone(), self.storage.clone());
        Self { sequencer: sequencer.await.expect("starts again"), ..self }
    }

    /// Waits until these transactions are in durable blocks.
    async fn until_in_blocks(&self, hashes: &[TransactionHash]) {
        let is_there =
            |hash: &TransactionHash| self.storage.position_of(*hash).expect("readable").is_some();
        tokio::time::timeout(Duration::from_secs(30), async {
            while !hashes.iter().all(is_there) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("in blocks in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_nobody_ordered_before_a_crash_are_ordered_once() {
    let node = start(&genesis(|_| ()), None).await;
    let first = node.transfer(0, 0).await;
    node.sequencer.shut_down().await;
    // The crash came when one batch was durable, and another was in a header already. The batch of
    // the first transfer has number 0, and its header round 1.
    let transfers = [1, 2].map(|nonce| {
        let transfer = testing::transfer(&node.chain, &account(0), nonce, nobody(nonce), 1);
        let hash = Prepared::new(transfer.clone(), &node.chain).expect("valid").hash();
        (transfer, hash)
    });
    let named = leave_batch(&node, 1, &[transfers[0].0.clone()]);
    let lone = leave_batch(&node, 2, &[transfers[1].0.clone()]);
    let certified = newest_certificate(&node);
    let header = Header {
        round: certified.header().round.next(),
        batches: vec![named],
        parents: vec![certified.digest()],
        ..certified.header().clone()
    };
    let entry = Entry::Primary(primary::Record::Proposed(header));
    let bytes = Bytes::from(codec::encode(&entry));
    node.storage.votes().append_and_wait(bytes).expect("memory");

    let node = node.restart().await;
    node.until_in_blocks(&[first, transfers[0].1, transfers[1].1]).await;
    assert_eq!([named, lone].map(|batch| times_ordered(&node, batch)), [1, 1]);
    // What comes after goes behind them.
    node.transfer(0, 3).await;
    let latest = node.latest();

    let node = node.restart().await;
    node.transfer(0, 4).await;
    assert_eq!(node.latest(), latest + 1);
    assert_eq!([named, lone].map(|batch| times_ordered(&node, batch)), [1, 1]);
    node.check_chain();
    node.sequencer.shut_down().await;
}
