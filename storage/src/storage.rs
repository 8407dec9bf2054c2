//! The door of this room.

mod apply;
mod filters;
mod folder;
mod order_logs;
mod proofs;
mod recovery;
mod reset;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kraken_types::Digest;
use starknet_api::{
    block::{BlockHash, BlockNumber, GasPrices},
    core::ClassHash,
    state::ThinStateDiff,
    transaction::TransactionHash,
};

pub use self::filters::Candidates;
use self::{apply::Tip, folder::Folder, order_logs::OrderLogs};
use crate::{
    Block, Class, Error, Reset, Snapshot,
    cache::{Cache, Limits},
    codec,
    disk::{Disk, System},
    engine::{Batch, Engine, Fjall, Memory, OpenError},
    log::{Durability, Location, Log, Options, SEGMENT_BYTES},
    snapshot,
    tables::{self, ACCEPTED_ON_L1, Table},
    trie,
};

/// Decoded blocks that stay in memory; bytes are those of their records.
const BLOCK_CACHE: Limits = Limits { entries_max: 64, bytes_max: 16 << 20 };

/// Decoded classes that stay in memory; bytes are those of their compressed forms, of which a
/// decoded class takes some thirty times as many.
const CLASS_CACHE: Limits = Limits { entries_max: 32, bytes_max: 2 << 20 };

/// Where and what to store.
#[derive(Clone, Debug)]
pub struct Config {
    /// Holds everything; `None` keeps it all in memory.
    pub directory: Option<PathBuf>,
    /// The chain that may live there.
    pub genesis: Digest,
}

/// Blocks, state and logs. Cheap to clone; clones are the same storage.
///
/// Any number of threads may read while one commits. A reader sees blocks up to [`Storage::tip`],
/// which moves only after all of a block can be read.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

/// What all clones and snapshots share.
pub(crate) struct Inner {
    chain: Log,
    order: RwLock<OrderLogs>,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) classes: Cache<ClassHash, Arc<Class>>,
    blocks: Cache<BlockNumber, Arc<Block>>,
    /// How many blocks readers see.
    visible: AtomicU64,
    /// Held while a block is committed, and while a reset is carried out.
    commit: Mutex<()>,
    /// How many resets have begun and have ended: odd while one is under way.
    resets: AtomicU64,
    /// A commit failed half way.
    failed: AtomicBool,
    /// Keeps other processes out; released last.
    kept: Option<Kept>,
}

impl Storage {
    /// Opens or creates.
    ///
    /// # Errors
    /// [`Error`] tells what is in the way: another process, another chain, another version, the
    /// system's refusal, or damage.
    pub fn open(config: Config) -> Result<Self, Error> {
        Self::open_with_progress(config, &mut |_, _| ())
    }

    /// Like [`Storage::open`]; `progress(done, total)` is called as blocks are applied again.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub fn open_with_progress(
        config: Config,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Error> {
        let Some(directory) = config.directory else {
            return Ok(Self::new(Parts {
                chain: Log::in_memory()?,
                order: OrderLogs::in_memory()?,
                engine: Box::new(Memory::new()),
                blocks: 0,
                kept: None,
            }));
        };
        let machine = Machine {
            disk: Arc::new(System),
            segment_bytes: SEGMENT_BYTES,
            open_engine: &|path| Ok(Box::new(Fjall::open(path)?)),
        };
        Self::open_on(&machine, &directory, config.genesis, progress)
    }

    /// Opens or creates in a folder.
    fn open_on(
        machine: &Machine<'_>,
        directory: &Path,
        genesis: Digest,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Error> {
        let disk = machine.disk.as_ref();
        let folder = Folder::open(directory, genesis, disk)?;
        let options = Options {
            durability: Durability::Synced,
            segment_bytes: machine.segment_bytes,
            disk: Arc::clone(&machine.disk),
        };
        let chain = Log::open_with(&directory.join(folder::CHAIN), options.clone())?;
        let mut order = OrderLogs::open(directory, &options, 0)?;
        if folder.is_new() {
            if chain.last().is_some() || !order.are_empty() {
                return Err(folder.lost_identity());
            }
            folder.adopt(genesis, disk)?;
        }
        let path = directory.join("engine");
        let (engine, blocks) = recovery::open_engine(machine.open_engine, &path, &chain, progress)?;
        let newest = reset::newest(engine.as_ref())?;
        if let Some((_, reset)) = &newest {
            order = OrderLogs::open(directory, &options, reset.count)?;
        }
        OrderLogs::remove_others(directory, newest.map_or(0, |(_, reset)| reset.count))?;
        let kept = Some(Kept { directory: directory.to_owned(), options, _folder: folder });
        Ok(Self::new(Parts { chain, order, engine, blocks, kept }))
    }

    fn new(parts: Parts) -> Self {
        let Parts { chain, order, engine, blocks, kept } = parts;
        let inner = Inner {
            chain,
            order: RwLock::new(order),
            engine,
            classes: Cache::new(CLASS_CACHE),
            blocks: Cache::new(BLOCK_CACHE),
            visible: AtomicU64::new(blocks),
            commit: Mutex::new(()),
            resets: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            kept,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The newest block, `None` before block 0.
    pub fn tip(&self) -> Option<BlockNumber> {
        BlockNumber(self.inner.visible.load(Ordering::Acquire)).prev()
    }

    /// Computes what `diff` makes of the tries of the tip, without writing.
    ///
    /// # Errors
    /// If the engine fails, or a trie node is damaged.
    pub fn update_tries(&self, diff: &ThinStateDiff) -> Result<trie::Update, Error> {
        let engine = self.inner.engine.as_ref();
        trie::compute(&Tip(engine), diff).inspect_err(|error| recovery::judge(engine, error))
    }

    /// Makes the block durable and the new tip, then applies it to the tables.
    ///
    /// `tries` is what [`Storage::update_tries`] made of the block's state diff, on the tip that the
    /// block follows. Blocks while the disk turns. Once this fails for a reason outside of the
    /// block, nothing more is stored until a restart has found out how far it came.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`], [`Error::Contradiction`], [`Error::WrongRoot`] and
    /// [`Error::Unencodable`] if the block cannot be stored, [`Error::Failed`] after a failure, and
    /// what the log and the engine say.
    #[expect(clippy::needless_pass_by_value, reason = "an update is good for one commit")]
    pub fn commit_block(&self, block: &Arc<Block>, tries: trie::Update) -> Result<(), Error> {
        // The lock protects an order, not data that a panic could leave half changed.
        let _commit = self.inner.commit.lock().unwrap_or_else(PoisonError::into_inner);
        if self.inner.failed.load(Ordering::Relaxed) {
            return Err(Error::Failed);
        }
        self.check(block, &tries)?;
        let record = Bytes::from(codec::encode_block(block)?);
        match self.store(block, &record, &tries) {
            Ok(()) => {
                let number = block.header.number();
                self.inner.blocks.insert(number, Arc::clone(block), record.len());
                self.inner.visible.store(number.0 + 1, Ordering::Release);
                Ok(())
            }
            // The log refused before it wrote anything.
            Err(error @ Error::RecordTooLarge { .. }) => Err(error),
            Err(error) => {
                self.inner.failed.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Whether a block may follow on what is stored.
    fn check(&self, block: &Block, tries: &trie::Update) -> Result<(), Error> {
        let number = block.header.number();
        let expected = BlockNumber(self.inner.visible.load(Ordering::Acquire));
        if number != expected {
            return Err(Error::OutOfOrder { got: number, expected });
        }
        let parent_hash = match expected.prev() {
            None => BlockHash::GENESIS_PARENT_HASH,
            Some(parent) => self.existing_block(parent)?.header.hash,
        };
        if block.header.parent_hash != parent_hash {
            let what = "its parent hash is not the hash of the block before";
            return Err(Error::Contradiction { number, what });
        }
        apply::check(block)?;
        let (got, expected) = (tries.state_root(), block.header.state_root);
        if got != expected {
            return Err(Error::WrongRoot { number, got, expected });
        }
        Ok(())
    }

    /// The commit is the append; what follows can be done again from the record.
    fn store(&self, block: &Block, record: &Bytes, tries: &trie::Update) -> Result<(), Error> {
        let at = self.inner.chain.append_and_wait(record.clone())?;
        let classes =
            codec::encoded_classes(record).map_err(|source| Error::Block { at, source })?;
        let newest = block.header.number();
        let entry = apply::Entry { at, block, classes: &classes, tries, newest };
        apply::apply(self.inner.engine.as_ref(), &entry)?;
        for ((class_hash, class), (_, form)) in block.classes.iter().zip(&classes) {
            self.inner.classes.insert(*class_hash, Arc::clone(class), form.len());
        }
        Ok(())
    }

    /// A block by number, `None` beyond the tip.
    ///
    /// # Errors
    /// If the engine or the log fails, or the block is damaged.
    pub fn block(&self, number: BlockNumber) -> Result<Option<Arc<Block>>, Error> {
        if !self.is_visible(number) {
            return Ok(None);
        }
        self.existing_block(number).map(Some)
    }

    fn existing_block(&self, number: BlockNumber) -> Result<Arc<Block>, Error> {
        if let Some(block) = self.inner.blocks.get(&number) {
            return Ok(block);
        }
        let (block, bytes) = existing_block(self.inner.engine.as_ref(), &self.inner.chain, number)?;
        let block = Arc::new(block);
        self.inner.blocks.insert(number, Arc::clone(&block), bytes);
        Ok(block)
    }

    /// A block as the chain log keeps it, for [`crate::codec::decode_block`]; `None` beyond the tip.
    ///
    /// # Errors
    /// If the engine or the log fails.
    pub fn block_bytes(&self, number: BlockNumber) -> Result<Option<Bytes>, Error> {
        if !self.is_visible(number) {
            return Ok(None);
        }
        let at = apply::location_of(self.inner.engine.as_ref(), number)?;
        at.map(|at| self.inner.chain.read(at)).transpose()
    }

    /// Keeps the proof that a block was accepted, which this room does not look into. It is not
    /// forced to the disk: what a failing machine loses can be had again.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn keep_acceptance(&self, number: BlockNumber, proof: &[u8]) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.put(Table::Acceptances, number.0.to_be_bytes().to_vec(), proof);
        self.inner.engine.write(batch)
    }

    /// The proof that a block was accepted, if it is here.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn acceptance(&self, number: BlockNumber) -> Result<Option<Bytes>, Error> {
        self.inner.engine.get(Table::Acceptances, &number.0.to_be_bytes())
    }

    /// The number of the block with this hash.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn number_of(&self, hash: BlockHash) -> Result<Option<BlockNumber>, Error> {
        let value = self.inner.engine.get(Table::BlockNumbers, &hash.0.to_bytes_be())?;
        let number = value.map(|bytes| tables::parse_block_number(&bytes)).transpose()?;
        Ok(number.filter(|&number| self.is_visible(number)))
    }

    /// Where a transaction is: the block, and the place in it.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn position_of(&self, hash: TransactionHash) -> Result<Option<(BlockNumber, u32)>, Error> {
        let value = self.inner.engine.get(Table::Transactions, &hash.0.to_bytes_be())?;
        let position = value.map(|bytes| tables::parse_position(&bytes)).transpose()?;
        Ok(position.filter(|&(number, _)| self.is_visible(number)))
    }

    /// The block that declared a class, `None` if no block did.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn class_declared_at(&self, class_hash: ClassHash) -> Result<Option<BlockNumber>, Error> {
        let declaration = snapshot::declaration(self.inner.engine.as_ref(), class_hash)?;
        let number = declaration.map(|(number, _)| number);
        Ok(number.filter(|&number| self.is_visible(number)))
    }

    /// The state after a block, `None` beyond the tip.
    pub fn snapshot(&self, at: BlockNumber) -> Option<Snapshot> {
        self.is_visible(at).then(|| Snapshot::new(Arc::clone(&self.inner), at))
    }

    /// Batches that are ordered or waiting to be, since the newest reset.
    pub fn batches(&self) -> Log {
        self.order().batches.clone()
    }

    /// What consensus must not forget, since the newest reset.
    pub fn votes(&self) -> Log {
        self.order().votes.clone()
    }

    fn order(&self) -> RwLockReadGuard<'_, OrderLogs> {
        self.inner.order.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes back to a block: those above it are no more, and the order begins anew behind it, with
    /// empty logs. The next block is to have these prices of gas. Durable when it returns.
    ///
    /// Whoever reads a block above at the same time may find parts of it gone. Whoever orders must
    /// have stopped.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if there is no such block, [`Error::Failed`] after a failure, and what
    /// the log and the engine say; then nothing more is stored until a restart.
    pub fn reset(&self, after: BlockNumber, gas_prices: GasPrices) -> Result<(), Error> {
        let _commit = self.inner.commit.lock().unwrap_or_else(PoisonError::into_inner);
        if self.inner.failed.load(Ordering::Relaxed) {
            return Err(Error::Failed);
        }
        let next = BlockNumber(self.inner.visible.load(Ordering::Acquire));
        if next <= after {
            return Err(Error::OutOfOrder { got: after, expected: next });
        }
        self.inner.resets.fetch_add(1, Ordering::SeqCst);
        let done = self.store_reset(after, gas_prices);
        self.inner.resets.fetch_add(1, Ordering::SeqCst);
        if done.is_err() {
            self.inner.failed.store(true, Ordering::Relaxed);
        }
        done
    }

    /// The reset is the append; what follows can be done again from the record.
    fn store_reset(&self, after: BlockNumber, gas_prices: GasPrices) -> Result<(), Error> {
        let Inner { chain, engine, kept, .. } = self.inner.as_ref();
        let count = reset::newest(engine.as_ref())?.map_or(0, |(_, reset)| reset.count) + 1;
        let record = Bytes::from(codec::encode_reset(&Reset { after, count, gas_prices }));
        let at = chain.append_and_wait(record.clone())?;
        self.inner.visible.store(after.0 + 1, Ordering::Release);
        reset::apply_reset(engine.as_ref(), chain, at, &record)?;
        self.inner.blocks.clear();
        self.inner.classes.clear();
        let order = match kept {
            Some(Kept { directory, options, .. }) => OrderLogs::open(directory, options, count)?,
            None => OrderLogs::in_memory()?,
        };
        *self.inner.order.write().unwrap_or_else(PoisonError::into_inner) = order;
        match kept {
            Some(Kept { directory, .. }) => OrderLogs::remove_others(directory, count),
            None => Ok(()),
        }
    }

    /// Reads what a reset takes apart while it is carried out, before or after any.
    fn between_resets<T>(&self, read: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            let before = self.inner.resets.load(Ordering::SeqCst);
            if before.is_multiple_of(2) {
                let done = read();
                if self.inner.resets.load(Ordering::SeqCst) == before {
                    return done;
                }
            }
            drop(self.inner.commit.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The newest reset, if there was one.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn newest_reset(&self) -> Result<Option<Reset>, Error> {
        Ok(reset::newest(self.inner.engine.as_ref())?.map(|(_, reset)| reset))
    }

    /// Notes that the blocks up to this one are accepted on L1. It is not forced to the disk.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn accept_on_l1(&self, number: BlockNumber) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.put(Table::Meta, ACCEPTED_ON_L1, number.0.to_be_bytes().to_vec());
        self.inner.engine.write(batch)
    }

    /// The newest block that is accepted on L1.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn accepted_on_l1(&self) -> Result<Option<BlockNumber>, Error> {
        reset::accepted_on_l1(self.inner.engine.as_ref())
    }

    fn is_visible(&self, number: BlockNumber) -> bool {
        number.0 < self.inner.visible.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { chain, engine, .. } = self.inner.as_ref();
        f.debug_struct("Storage")
            .field("tip", &self.tip())
            .field("chain", chain)
            .field("engine", engine)
            .finish_non_exhaustive()
    }
}

/// What a storage in a folder stands on.
struct Machine<'a> {
    disk: Arc<dyn Disk>,
    /// As [`SEGMENT_BYTES`].
    segment_bytes: u64,
    open_engine: &'a OpenEngine<'a>,
}

/// Opens or creates the engine in a folder.
type OpenEngine<'a> = dyn Fn(&Path) -> Result<Box<dyn Engine>, OpenError> + 'a;

/// Where a storage is kept that outlives its process.
struct Kept {
    directory: PathBuf,
    /// Of its logs.
    options: Options,
    _folder: Folder,
}

/// What a storage is put together from.
struct Parts {
    chain: Log,
    order: OrderLogs,
    engine: Box<dyn Engine>,
    /// How many blocks there are.
    blocks: u64,
    kept: Option<Kept>,
}

/// Reads the block that should be at a place of the chain log; also tells its size there.
fn read_block(chain: &Log, at: Location, number: BlockNumber) -> Result<(Block, usize), Error> {
    let record = chain.read(at)?;
    let block = codec::decode_block(&record).map_err(|source| Error::Block { at, source })?;
    if block.header.number() != number {
        return Err(Error::Malformed { what: "block table, which points to another block" });
    }
    Ok((block, record.len()))
}

/// Reads a block that the tables must know; also tells its size in the chain log.
fn existing_block(
    engine: &dyn Engine,
    chain: &Log,
    number: BlockNumber,
) -> Result<(Block, usize), Error> {
    let at = apply::location_of(engine, number)?
        .ok_or(Error::Malformed { what: "block table, which lacks a block" })?;
    read_block(chain, at, number)
}
