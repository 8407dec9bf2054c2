//! The largest messages of the smallest parts: how much memory reading them takes.

use bytes::Bytes;
use kraken_consensus as consensus;
use kraken_fuzz::heap;
use kraken_mempool::{primary, worker};
use kraken_types::{
    Batch, BatchDigest, Certificate, Digest, Epoch, HeaderDigest, Round, ValidatorId, WorkerId,
    codec, testing,
};

/// Memory at the worst moment of reading, in megabytes, rounded up; `None` if nothing was read.
fn reading<T, E>(bytes: &[u8], decode: fn(&[u8]) -> Result<T, E>) -> Option<usize> {
    let (decoded, peak) = heap::peak_of(|| decode(bytes));
    decoded.ok().map(|_| peak.div_ceil(1 << 20))
}

/// A batch of this many bytes, of empty transactions.
fn empty_transactions(bytes: usize) -> Vec<u8> {
    let transactions = vec![Bytes::new(); bytes / 4];
    let (author, worker) = (ValidatorId(0), WorkerId(0));
    Batch { epoch: Epoch(0), author, worker, sequence: 0, transactions }.encode().1.to_vec()
}

/// Whether something was read, with no more than this many megabytes.
fn is_at_most(taken: Option<usize>, megabytes: usize) -> bool {
    taken.is_some_and(|taken| taken <= megabytes)
}

/// The most of something that fits into a message.
fn fill<T: Clone>(one: T, bytes: usize, bytes_max: usize) -> Vec<T> {
    vec![one; (bytes_max - 64) / bytes]
}

/// One test: memory is counted for the whole program.
#[test]
fn reading_takes_memory_in_proportion() {
    let batch = empty_transactions(codec::BATCH_BYTES_MAX - 64);
    assert!(is_at_most(reading(&batch, Batch::decode), 12), "of 1");
    let batch = empty_transactions(codec::TRANSACTION_BYTES_MAX);
    assert_eq!(reading(&batch, Batch::decode), None, "more must be one transaction");

    let bytes_max = worker::Message::BYTES_MAX;
    let read =
        |message: &worker::Message| reading(&codec::encode(message), worker::Message::decode);
    let batch = worker::Message::Batch(Bytes::from(vec![0; codec::TRANSACTION_BYTES_MAX]));
    assert!(is_at_most(read(&batch), 12), "of 5");
    let digest = BatchDigest(Digest::default());
    assert!(is_at_most(read(&worker::Message::Want(fill(digest, 32, bytes_max))), 12), "of 6");

    let bytes_max = primary::Message::BYTES_MAX;
    let read =
        |message: &primary::Message| reading(&codec::encode(message), primary::Message::decode);
    let certificate = testing::certify(testing::header(0, 1), 1).into_inner();
    let each = codec::encode(&certificate).len();
    let certificates: Vec<Certificate> = fill(certificate, each, bytes_max);
    assert!(is_at_most(read(&primary::Message::Certificates(certificates)), 12), "of 4");
    let digest = HeaderDigest(Digest::default());
    assert!(is_at_most(read(&primary::Message::Want(fill(digest, 32, bytes_max))), 6), "of 4");
    assert!(is_at_most(read(&primary::Message::Behind(fill(Round(1), 8, bytes_max))), 6), "of 4");

    let bytes_max = consensus::Message::BYTES_MAX;
    let read =
        |message: &consensus::Message| reading(&codec::encode(message), consensus::Message::decode);
    let block = consensus::hotstuff::block::Block {
        author: ValidatorId(0),
        view: kraken_types::View(1),
        parent: consensus::hotstuff::block::BlockRef::genesis(&testing::committee(1)),
        cut: None,
    };
    let each = codec::encode(&block).len();
    let blocks = consensus::hotstuff::Message::Blocks(fill(block, each, bytes_max));
    assert!(is_at_most(read(&consensus::Message::HotStuff(blocks)), 6), "of 1");
}
