//! One test for each rule, and for each way to break it.

mod network;
mod own;
mod peers;
mod wanted;

use bytes::Bytes;
use kraken_types::{Batch, BatchRef, Epoch, testing};
use proptest::{collection::vec, prelude::*};

use super::*;

proptest! {
    /// Sharing memory changes nothing about what is read.
    #[test]
    fn a_message_that_shares_memory_is_the_same(
        payload in vec(any::<u8>(), 0..80),
        start in prop_oneof![Just(None), (0_u32..80).prop_map(Some)],
    ) {
        // As they are, or behind the beginning of a batch.
        let start = start.map_or(vec![], |length| [&[0][..], &length.to_le_bytes()].concat());
        let bytes = Bytes::from([start, payload].concat());
        let (shared, copied) = (Message::decode_shared(&bytes), Message::decode(&bytes));
        prop_assert_eq!(shared.ok(), copied.ok());
    }
}

/// How long a batch may stay open.
const AGE: Duration = Duration::from_millis(10);

/// When something is tried again.
const RETRY: Duration = Duration::from_millis(100);

fn config(size: u16, id: u16) -> Config {
    Config {
        identity: testing::identity(size, id),
        worker: WorkerId(0),
        packer: packer::Config { batch_bytes_max: 1_000, batch_age_max: AGE },
        retry_after: RETRY,
        own_bytes_max: 100_000,
        peer_bytes_max: 100_000,
        requests_per_peer_max: 4,
    }
}

fn worker(size: u16, id: u16) -> Worker {
    Worker::new(config(size, id))
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn validators<const N: usize>(ids: [u16; N]) -> Signers {
    ids.into_iter().map(ValidatorId).collect()
}

/// A batch with one transaction of so many bytes.
fn batch(author: u16, sequence: u64, bytes: usize) -> (BatchRef, Bytes) {
    let transactions = vec![Bytes::from(vec![7; bytes])];
    encode(&Batch {
        epoch: Epoch(0),
        author: ValidatorId(author),
        worker: WorkerId(0),
        sequence,
        transactions,
    })
}

fn encode(batch: &Batch) -> (BatchRef, Bytes) {
    let (digest, bytes) = batch.encode();
    (BatchRef { digest, worker: batch.worker, sequence: batch.sequence }, bytes)
}

fn held(author: u16, (batch, bytes): &(BatchRef, Bytes)) -> Held {
    Held { author: ValidatorId(author), batch: *batch, bytes: bytes.len() }
}

/// Everything but requests for a tick.
fn deeds(outputs: Vec<Output>) -> Vec<Output> {
    outputs.into_iter().filter(|output| !matches!(output, Output::WakeAt(_))).collect()
}

fn hear(worker: &mut Worker, from: u16, message: Message) -> Vec<Output> {
    let from = ValidatorId(from);
    deeds(worker.step(at(0), Input::Message { from, message }))
}

fn send(to: u16, message: Message) -> Output {
    Output::Send { to: ValidatorId(to), message }
}

fn tick(worker: &mut Worker, millis: u64) -> Vec<Output> {
    deeds(worker.step(at(millis), Input::Tick))
}

/// Makes an own batch of one transaction, by waiting until it is sealed.
fn make(worker: &mut Worker, millis: u64, bytes: usize) -> (BatchRef, Vec<Output>) {
    let transaction = Bytes::from(vec![7; bytes]);
    assert_eq!(deeds(worker.step(at(millis), Input::Transaction(transaction))), []);
    let outputs = tick(worker, millis + 10);
    let Some(Output::Store { held, .. }) = outputs.first() else { panic!("{outputs:?}") };
    (held.batch, outputs)
}
