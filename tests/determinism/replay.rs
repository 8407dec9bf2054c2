//! Executes an order by the path that every block takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kraken_execution::{Chain, EngineKind};
use kraken_sequencer::{Config, Mode, Sequencer, seal_genesis};
use kraken_storage::{Block, Storage};
use kraken_types::{CommitIndex, Cursor, codec};
use starknet_api::block::BlockNumber;
use tokio::runtime::Runtime;

use crate::order::Order;

/// How long an order may take to be executed.
const WITHIN: Duration = Duration::from_secs(120);

/// A chain in memory that goes along an order.
struct Run<'a> {
    order: &'a Order,
    engine: EngineKind,
    chain: Chain,
    storage: Storage,
    runtime: Runtime,
}

/// All blocks of an order but block 0.
pub(crate) fn replay(order: &Order, engine: EngineKind) -> Vec<Arc<Block>> {
    let run = Run::new(order, engine);
    run.append(0, order.commits.len());
    run.execute(order.commits.len());
    run.blocks()
}

/// The same, by two sequencers: one that knows the `first` commits, and one that goes on.
pub(crate) fn replay_in_two_runs(
    order: &Order,
    engine: EngineKind,
    first: usize,
) -> Vec<Arc<Block>> {
    let run = Run::new(order, engine);
    run.append(0, first);
    // The last block of the first part stays open, and its sequencer is stopped with it.
    run.execute(first);
    run.append(first, order.commits.len());
    run.execute(order.commits.len());
    run.blocks()
}

impl<'a> Run<'a> {
    fn new(order: &'a Order, engine: EngineKind) -> Self {
        let config = kraken_storage::Config { directory: None, genesis: order.genesis.digest() };
        let storage = Storage::open(config).expect("memory");
        let chain = Chain::new(&order.genesis).expect("a valid genesis");
        let runtime = Runtime::new().expect("threads");
        let sealed = runtime.block_on(seal_genesis(&chain, &storage, order.genesis_state.clone()));
        sealed.expect("block 0");
        Self { order, engine, chain, storage, runtime }
    }

    fn append(&self, from: usize, to: usize) {
        for ordered in &self.order.commits[from..to] {
            for batch in &ordered.batches {
                self.storage.batches().append_and_wait(batch.clone()).expect("memory");
            }
            let entry = Bytes::from(codec::encode(&ordered.entry));
            self.storage.votes().append_and_wait(entry).expect("memory");
        }
    }

    /// Runs a sequencer until it has executed this many commits, but for those that it keeps in an
    /// open block.
    fn execute(&self, commits: usize) {
        let config = Config {
            engine: self.engine,
            signer: self.order.signer.clone(),
            mode: Mode::Committee,
            pool_transactions_max: 10,
            pool_bytes_max: 16 << 20,
            pool_account_part: 1,
            pool_time_to_live: Duration::from_secs(1),
            gateway_concurrency: 1,
            clock_start: None,
            network: None,
            disk_was_lost: false,
            evidence: None,
            metrics: kraken_sequencer::Metrics::default(),
        };
        self.runtime.block_on(async {
            let sequencer = Sequencer::start(config, self.chain.clone(), self.storage.clone());
            let sequencer = sequencer.await.expect("the logs are whole");
            let began = Instant::now();
            while !self.is_done(&sequencer, commits) {
                assert!(began.elapsed() < WITHIN, "seed {}: it does not end", self.order.seed);
                let nap = tokio::time::timeout(Duration::from_millis(5), sequencer.stopped());
                if let Ok(reason) = nap.await {
                    panic!("seed {}: the sequencer stopped: {reason}", self.order.seed);
                }
            }
            sequencer.shut_down().await;
        });
    }

    /// A whole order ends with a block; a part of it ends when the open block is quiet.
    fn is_done(&self, sequencer: &Sequencer, commits: usize) -> bool {
        let tip = self.storage.tip().expect("block 0");
        let block = self.storage.block(tip).expect("memory").expect("the tip");
        if commits == self.order.commits.len() {
            let end = Cursor { commit: CommitIndex(commits as u64), transactions: 0 };
            return end <= block.executed_up_to;
        }
        // Enough has been executed that a restart has something to go on from, and some of it is in
        // no block.
        0 < tip.0 && !sequencer.view().pre_confirmed().transactions.is_empty()
    }

    fn blocks(&self) -> Vec<Arc<Block>> {
        let tip = self.storage.tip().expect("block 0");
        let block = |number| self.storage.block(BlockNumber(number)).expect("memory");
        (1..=tip.0).map(|number| block(number).expect("up to the tip")).collect()
    }
}
