//! Transfers of several accounts at a steady rate, to whichever validator lives.
//!
//! Senders behave as careful wallets do: they go elsewhere when a validator refuses or is gone, and
//! send again what was accepted but does not come up, because RECEIVED is a promise of one process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use starknet_api::{
    rpc_transaction::{RpcInvokeTransaction, RpcTransaction},
    transaction::{InvokeTransactionV3, TransactionHasher, TransactionVersion},
};
use starknet_types_core::felt::Felt;

use crate::{CallError, Wallet, committee::Door};

/// What was accepted and has no receipt after this time is sent again.
const SEND_AGAIN_AFTER: Duration = Duration::from_secs(6);

/// Transfers of one account that may be on their way.
const PENDING_MAX: usize = 150;

/// The codes of the specification for what is known, and for what was executed.
const DUPLICATE: i64 = 59;
const NONCE: i64 = 52;

/// Threads that send.
#[derive(Debug)]
pub struct Load {
    is_over: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Record>>,
}

/// What senders have seen.
#[derive(Debug, Default)]
pub struct Record {
    /// Transfers that were signed and offered, by hash.
    pub sent: BTreeMap<Felt, Transfer>,
    /// How many of them a validator took.
    pub accepted: u64,
    /// How often somebody refused or was gone.
    pub refused: u64,
    /// How often a transfer was sent again that had been accepted.
    pub sent_again: u64,
    /// The block that a receipt named, by hash of the transaction.
    pub receipts: BTreeMap<Felt, u64>,
}

/// Who pays whom how much, in fri.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the line above says it")]
pub struct Transfer {
    pub from: usize,
    pub to: usize,
    pub amount: u128,
}

impl Load {
    /// Starts a sender for each account of the wallet, which together send so much.
    pub fn start(doors: &[Door], wallet: &Arc<Wallet>, per_second: u32, seed: u64) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let accounts = u32::try_from(wallet.len()).expect("few accounts");
        let interval = Duration::from_secs(1) * accounts / per_second;
        let start = |from: usize| {
            let sender = Sender {
                doors: doors.to_vec(),
                wallet: Arc::clone(wallet),
                from,
                random: StdRng::seed_from_u64(seed.wrapping_add(from as u64)),
                nonce: 0,
                offered: None,
                pending: VecDeque::new(),
                sent_at: Instant::now(),
                record: Record::default(),
            };
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || sender.run(interval, &is_over))
        };
        let senders = (0..wallet.len()).map(start).collect();
        Self { is_over, senders }
    }

    /// Ends all senders, and returns what they have seen together.
    ///
    /// # Panics
    /// If one of them did.
    pub fn stop(self) -> Record {
        self.is_over.store(true, Ordering::SeqCst);
        let mut all = Record::default();
        for sender in self.senders {
            let mut record = sender.join().expect("a sender has seen something impossible");
            all.sent.append(&mut record.sent);
            all.receipts.append(&mut record.receipts);
            all.accepted += record.accepted;
            all.refused += record.refused;
            all.sent_again += record.sent_again;
        }
        all
    }
}

/// One account.
struct Sender {
    doors: Vec<Door>,
    wallet: Arc<Wallet>,
    from: usize,
    random: StdRng,
    nonce: u64,
    /// Signed with that nonce, and taken by nobody so far. Another one could be executed beside it.
    offered: Option<(Felt, RpcTransaction)>,
    /// Accepted, and without a receipt so far, in the order of nonces.
    pending: VecDeque<(Felt, RpcTransaction)>,
    /// When something pending came up, or was sent again.
    sent_at: Instant,
    record: Record,
}

impl Sender {
    fn run(mut self, interval: Duration, is_over: &AtomicBool) -> Record {
        let mut next = Instant::now();
        while !is_over.load(Ordering::SeqCst) {
            if self.pending.len() < PENDING_MAX {
                self.send();
            }
            self.look();
            if SEND_AGAIN_AFTER < self.sent_at.elapsed() {
                self.send_again();
            }
            // Whoever was held up does not make up for it: the rate is what a wallet bears.
            next = (next + interval).max(Instant::now());
            thread::sleep(next - Instant::now());
        }
        self.record
    }

    /// Offers one transfer to everybody, in random order, until somebody takes it.
    fn send(&mut self) {
        let (hash, transaction) = match self.offered.take() {
            Some(offered) => offered,
            None => self.sign(),
        };
        let mut doors = self.live_doors();
        doors.shuffle(&mut self.random);
        for door in &doors {
            if self.is_taken(door, hash, &transaction) {
                if self.pending.is_empty() {
                    self.sent_at = Instant::now();
                }
                self.nonce += 1;
                self.record.accepted += 1;
                self.pending.push_back((hash, transaction));
                return;
            }
            self.record.refused += 1;
        }
        self.offered = Some((hash, transaction));
    }

    fn sign(&mut self) -> (Felt, RpcTransaction) {
        let to = self.random.gen_range(0..self.wallet.len());
        let amount = u128::from(self.random.r#gen::<u16>());
        let transaction = self.wallet.transfer(self.from, self.nonce, to, amount);
        let hash = hash(&self.wallet, &transaction);
        self.record.sent.insert(hash, Transfer { from: self.from, to, amount });
        (hash, transaction)
    }

    /// Whether a validator takes a transfer, or has it already because an answer was lost.
    fn is_taken(&self, door: &Door, hash: Felt, transaction: &RpcTransaction) -> bool {
        match door.client.submit(transaction) {
            Ok(submitted) => {
                assert_eq!(submitted.hash, hash, "the hash of a transfer");
                true
            }
            Err(CallError::Refused { code: DUPLICATE, .. }) => true,
            Err(CallError::Refused { code: NONCE, .. }) => self.is_executed(door, hash),
            Err(CallError::Refused { .. } | CallError::NoAnswer { .. }) => false,
        }
    }

    fn is_executed(&self, door: &Door, hash: Felt) -> bool {
        door.client.receipt(hash).is_ok_and(|receipt| receipt.is_some())
    }

    /// Looks for receipts of what is pending.
    fn look(&mut self) {
        while let Some((hash, _)) = self.pending.front()
            && let Some(door) = self.live_doors().choose(&mut self.random)
            && let Ok(Some(receipt)) = door.client.receipt(*hash)
        {
            let block = receipt["block_number"].as_u64().expect("a receipt names its block");
            assert_eq!(receipt["execution_status"], "SUCCEEDED", "{hash:#x}");
            self.record.receipts.insert(*hash, block);
            self.pending.pop_front();
            self.sent_at = Instant::now();
        }
    }

    /// Sends all that is pending to one validator, in the order of nonces.
    fn send_again(&mut self) {
        self.sent_at = Instant::now();
        let doors = self.live_doors();
        let Some(door) = doors.choose(&mut self.random) else { return };
        for (hash, transaction) in &self.pending {
            if !self.is_taken(door, *hash, transaction) {
                self.record.refused += 1;
                return;
            }
            self.record.sent_again += 1;
        }
    }

    fn live_doors(&self) -> Vec<Door> {
        self.doors.iter().filter(|door| door.is_live()).cloned().collect()
    }
}

/// The hash of a transfer, which has to be known even if no answer comes.
fn hash(wallet: &Wallet, transaction: &RpcTransaction) -> Felt {
    let RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) = transaction else {
        panic!("a transfer is an invoke")
    };
    let hash = InvokeTransactionV3::from(invoke.clone())
        .calculate_transaction_hash(wallet.chain().id(), &TransactionVersion::THREE);
    hash.expect("an invoke of version 3 has a hash").0
}
