//! An order of hundreds of transactions of all kinds, good and bad, from a seed.

use bytes::Bytes;
use kraken_consensus::{Record, leader, linearizer};
use kraken_execution::{
    Call, Chain,
    genesis::{self, ACCOUNT_CLASS_HASH, GenesisState, PredeployedAccount, STRK_ADDRESS, accounts},
    testing,
};
use kraken_ordering::Entry;
use kraken_storage::codec::encode_transaction;
use kraken_tests::{
    Ledger,
    wallet::{call, deploy_call},
};
use kraken_types::{
    Batch, BatchRef, ChainDigest, Commit, Digest, Epoch, Genesis, HeaderDigest, Round, Signer,
    Timestamp, ValidatorId, WorkerId, genesis::BlockRules,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use starknet_api::rpc_transaction::RpcTransaction;
use starknet_types_core::felt::Felt;

/// Accounts that send; few, so that they get in each other's way.
const ACCOUNTS: u16 = 8;

/// How many transactions there are, besides those that prepare for others.
const TRANSACTIONS: usize = 330;

/// The time of block 0, in milliseconds.
const BEGINNING: u64 = 1_700_000_000_000;

/// What consensus decided, and what it decided about.
#[derive(Debug)]
pub(crate) struct Order {
    /// Where it comes from.
    pub(crate) seed: u64,
    /// Of the chain.
    pub(crate) genesis: Genesis,
    /// Block 0.
    pub(crate) genesis_state: GenesisState,
    /// The one validator.
    pub(crate) signer: Signer,
    /// The sequence.
    pub(crate) commits: Vec<Ordered>,
    /// What is ordered so far.
    state: linearizer::State,
    batches: u64,
    transactions: usize,
}

/// A commit as a run leaves it behind.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// The payload, encoded.
    pub(crate) batches: Vec<Bytes>,
    /// What the votes log says of it.
    pub(crate) entry: Entry,
}

impl Order {
    /// Makes an order for a chain with these rules. The last commit ends its block.
    pub(crate) fn new(seed: u64, rules: BlockRules) -> Self {
        let signer = Signer::from_seed([7; 32]);
        let key = signer.public_key();
        let seconds = BEGINNING / 1_000;
        let mut genesis = genesis::dev_genesis("SN_SEPOLIA", 0, ACCOUNTS, seconds, &key);
        genesis.limits.l2_gas_max = genesis.limits.l2_gas_max.min(rules.l2_gas_max);
        genesis.block = rules;
        genesis.accounts.initial_balance *= 1_000;
        let mut author = Author::new(seed, &genesis);
        let transactions = author.transactions();
        let mut order = Self {
            seed,
            genesis_state: testing::genesis_state(&genesis),
            genesis,
            signer,
            commits: Vec::new(),
            state: linearizer::State::default(),
            batches: 0,
            transactions: transactions.len(),
        };
        order.put_in_sequence(transactions, &mut author.random);
        order
    }

    /// How many transactions were ordered, with those that no validator can read.
    pub(crate) fn transactions(&self) -> usize {
        self.transactions
    }

    fn put_in_sequence(&mut self, mut transactions: Vec<Bytes>, random: &mut StdRng) {
        let mut now = BEGINNING;
        while !transactions.is_empty() {
            let batches: Vec<_> = (0..random.gen_range(0..3))
                .map(|_| {
                    let size = random.gen_range(1..10).min(transactions.len());
                    self.batch(transactions.drain(..size).collect())
                })
                .collect();
            now += random.gen_range(0..400);
            self.commit(now, &batches, random.gen_ratio(1, 20));
        }
        self.commit(now, &[], true);
    }

    fn batch(&mut self, transactions: Vec<Bytes>) -> Batch {
        let (author, worker, sequence) = (ValidatorId(0), WorkerId(0), self.batches);
        self.batches += 1;
        self.state.taken.entry((author, worker)).or_default().insert(sequence);
        Batch { epoch: Epoch(0), author, worker, sequence, transactions }
    }

    fn commit(&mut self, millis: u64, batches: &[Batch], close_block: bool) {
        let (references, batches) = batches.iter().map(named).unzip();
        let commit = Commit {
            index: self.state.next,
            anchor: HeaderDigest(Digest::default()),
            round: Round(self.state.next.0 + 1),
            timestamp: Timestamp::from_millis(millis),
            batches: references,
            close_block,
            chain: ChainDigest::default(),
        }
        .chained(self.state.chain);
        self.state.next = commit.index.next();
        self.state.chain = commit.chain;
        self.state.timestamp = commit.timestamp;
        let (order, schedule) = (self.state.clone(), leader::State::default());
        let entry = Entry::Protocol(Record::Committed { commit, order, schedule });
        self.commits.push(Ordered { batches, entry });
    }
}

/// A batch as a commit names it, and its bytes.
fn named(batch: &Batch) -> ((ValidatorId, BatchRef), Bytes) {
    let (digest, bytes) = batch.encode();
    let &Batch { author, worker, sequence, .. } = batch;
    ((author, BatchRef { digest, worker, sequence }), bytes)
}

/// Writes transactions, and remembers which nonces they use up when all goes well.
struct Author {
    random: StdRng,
    chain: Chain,
    accounts: Vec<PredeployedAccount>,
    nonces: Vec<u64>,
    ledgers: Vec<Felt>,
    written: Vec<Bytes>,
}

impl Author {
    fn new(seed: u64, genesis: &Genesis) -> Self {
        let accounts = accounts(genesis.accounts.seed, genesis.accounts.count);
        Self {
            random: StdRng::seed_from_u64(seed),
            chain: Chain::new(genesis).expect("a valid genesis"),
            nonces: vec![0; accounts.len()],
            accounts,
            ledgers: Vec::new(),
            written: Vec::new(),
        }
    }

    fn transactions(&mut self) -> Vec<Bytes> {
        self.declare(Ledger::get());
        for _ in 0..TRANSACTIONS {
            self.another();
        }
        std::mem::take(&mut self.written)
    }

    fn another(&mut self) {
        let written = self.written.len();
        match self.random.gen_range(0..100) {
            0..40 => self.transfer(),
            40..60 => self.use_a_ledger(),
            60..68 => self.revert(),
            68..72 => self.deploy_a_ledger(),
            72..75 => self.new_account(),
            75..77 => self.declare(&Ledger::get().variant(&format!("[{written}]"))),
            77..79 => self.declare_a_lie(written),
            79..85 => self.wrong_nonce(),
            85..89 => self.forge(),
            89..93 => self.repeat(),
            93..95 => self.written.push(Bytes::from_static(b"no transaction")),
            _ => self.transfer(),
        }
    }

    fn sender(&mut self) -> usize {
        self.random.gen_range(0..self.accounts.len())
    }

    /// A transaction that is included if its sender can pay.
    fn send(&mut self, from: usize, calls: &[Call]) {
        let transaction = self.signed(from, self.nonces[from], calls);
        self.nonces[from] += 1;
        self.push(&transaction);
    }

    fn signed(&self, from: usize, nonce: u64, calls: &[Call]) -> RpcTransaction {
        let mut bounds = testing::ample_bounds();
        let most = self.chain.genesis().limits.l2_gas_max;
        bounds.l2_gas.max_amount.0 = bounds.l2_gas.max_amount.0.min(most);
        testing::multicall(&self.chain, &self.accounts[from], nonce, calls, bounds)
    }

    fn push(&mut self, transaction: &RpcTransaction) {
        self.written.push(Bytes::from(encode_transaction(transaction)));
    }

    fn transfer_call(&mut self) -> Call {
        // A third of all transfers have the same recipient.
        let to = if self.random.gen_ratio(1, 3) { 0 } else { self.sender() };
        let amount = self.random.gen_range(1..1_000);
        testing::transfer_call(STRK_ADDRESS, self.accounts[to].address, amount)
    }

    fn transfer(&mut self) {
        let from = self.sender();
        let calls: Vec<_> =
            (0..self.random.gen_range(1..3)).map(|_| self.transfer_call()).collect();
        self.send(from, &calls);
    }

    /// All ledgers have a total that every use changes.
    fn use_a_ledger(&mut self) {
        let Some(ledger) = self.ledgers.choose(&mut self.random).copied() else {
            return self.deploy_a_ledger();
        };
        let other = *self.ledgers.choose(&mut self.random).expect("there is one");
        let key = Felt::from(self.random.gen_range(0..4));
        let amount = Felt::from(self.random.gen_range(0..10));
        let calls = [
            call(ledger, "add", vec![key, amount]),
            call(ledger, "add_through", vec![other, key, amount]),
        ];
        let from = self.sender();
        self.send(from, &calls);
    }

    fn revert(&mut self) {
        let from = self.sender();
        let first = self.transfer_call();
        let second = match self.ledgers.choose(&mut self.random) {
            Some(ledger) => call(*ledger, "refuse", vec![Felt::ONE]),
            None => testing::transfer_call(STRK_ADDRESS, self.accounts[0].address, 10_u128.pow(36)),
        };
        self.send(from, &[first, second]);
    }

    fn deploy_a_ledger(&mut self) {
        let from = self.sender();
        let salt = Felt::from(self.written.len());
        let arguments = [self.accounts[from].address.into(), Felt::from(5)];
        let (call, address) = deploy_call(Ledger::get().class_hash, salt, &arguments);
        self.send(from, &[call]);
        self.ledgers.push(address);
    }

    /// Gives money to an address, deploys an account there, and lets it send from then on.
    fn new_account(&mut self) {
        let key = Felt::from(1_000 + self.written.len());
        let account = testing::account(key, ACCOUNT_CLASS_HASH, Felt::ONE);
        let from = self.random.gen_range(0..usize::from(ACCOUNTS));
        let gift = 10_u128.pow(23);
        self.send(from, &[testing::transfer_call(STRK_ADDRESS, account.address, gift)]);
        let mut bounds = testing::ample_bounds();
        bounds.l2_gas.max_amount.0 = 10_000_000;
        let deploy =
            testing::deploy_account(&self.chain, &account, ACCOUNT_CLASS_HASH, Felt::ONE, bounds);
        self.push(&deploy);
        self.accounts.push(account);
        self.nonces.push(1);
    }

    fn declare(&mut self, ledger: &Ledger) {
        let from = self.sender();
        self.push_declare(from, ledger);
        self.nonces[from] += 1;
    }

    /// The class does not compile to what the sender claims.
    fn declare_a_lie(&mut self, number: usize) {
        let mut ledger = Ledger::get().variant(&format!("[{number}, 0]"));
        ledger.compiled_class_hash += Felt::ONE;
        let from = self.sender();
        self.push_declare(from, &ledger);
    }

    fn push_declare(&mut self, from: usize, ledger: &Ledger) {
        let compiled = starknet_api::core::CompiledClassHash(ledger.compiled_class_hash);
        let (account, nonce) = (&self.accounts[from], self.nonces[from]);
        let class = ledger.class.clone();
        let declare = testing::declare(&self.chain, account, nonce, class, compiled);
        self.push(&declare);
    }

    fn wrong_nonce(&mut self) {
        let from = self.sender();
        let next = self.nonces[from];
        let nonce = if self.random.r#gen() { next + 3 } else { next.saturating_sub(1) };
        let call = self.transfer_call();
        if nonce != next {
            let transaction = self.signed(from, nonce, &[call]);
            self.push(&transaction);
        }
    }

    fn forge(&mut self) {
        let from = self.sender();
        let call = self.transfer_call();
        let honest = self.accounts[from];
        self.accounts[from].private_key = Felt::from(5);
        let forged = self.signed(from, self.nonces[from], &[call]);
        self.accounts[from] = honest;
        self.push(&forged);
    }

    fn repeat(&mut self) {
        let again = self.written.choose(&mut self.random).expect("the first one is there");
        self.written.push(again.clone());
    }
}
