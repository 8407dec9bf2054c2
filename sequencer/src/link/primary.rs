//! The end of the primary: a task for each worker that is a process of its own.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kraken_network::{LaneId, Network};
use kraken_types::{
    Batch, BatchDigest, BatchRef, Signers, ValidatorId, WorkerId,
    codec::{self, DecodeError},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;

use super::message::{BATCHES_MAX, FRAME_BYTES_MAX, TOGETHER_BYTES_MAX, ToPrimary, ToWorker};
use crate::{
    journal::{Journal, News, Standing},
    lanes::Inbox,
    metrics::Metrics,
    ordering::Request,
    pool::Pace,
    supervisor::Ended,
    workers::{Source, WISHES_MAX, Wish},
};

/// How many transactions are taken from the source at a time.
const TAKEN_MAX: usize = 1_024;

/// How much may be handed over that is in no durable batch; more waits in the pool.
const HANDED_BYTES_MAX: usize = 16 << 20;

/// How often to look for what nobody told of.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before a batch is asked for that could not be had.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The task of a primary for a worker that is a process of its own.
#[derive(Debug)]
pub(crate) struct Linking<S> {
    /// Whose it is.
    pub(crate) own: ValidatorId,
    /// Everybody else.
    pub(crate) others: Signers,
    /// Its place.
    pub(crate) worker: WorkerId,
    /// Where transactions come from.
    pub(crate) source: S,
    /// Says that the source has something.
    pub(crate) arrived: Arc<Notify>,
    /// Knows what became of batches.
    pub(crate) journal: Journal,
    pub(crate) ordering: mpsc::Sender<Request>,
    /// From the order.
    pub(crate) wishes: mpsc::Receiver<Wish>,
    /// Changes when the order knows nothing of our batches any more.
    pub(crate) starts_over: watch::Receiver<()>,
    /// To the worker.
    pub(crate) network: Network,
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Metrics,
    pub(crate) session: Session,
}

/// What was said, and what is owed.
#[derive(Debug)]
pub(crate) struct Session {
    number: u64,
    /// The connection that it began on.
    connection: Option<u64>,
    /// Whether the worker has said what it holds.
    is_live: bool,
    /// Something could not be sent.
    is_lost: bool,
    holds: BTreeSet<BatchDigest>,
    /// Handed over and in no durable batch, oldest first.
    handed: VecDeque<Bytes>,
    handed_bytes: usize,
    /// The number of the next one to be handed over.
    next: u64,
    /// What the order wants, until it is there.
    wishes: BTreeMap<BatchDigest, (ValidatorId, BatchRef, Signers)>,
}

impl Session {
    /// Nothing was said. `first` is above the number of every transaction of an earlier run.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            number: 0,
            connection: None,
            is_live: false,
            is_lost: false,
            holds: BTreeSet::new(),
            handed: VecDeque::new(),
            handed_bytes: 0,
            next: first,
            wishes: BTreeMap::new(),
        }
    }

    /// The number of the oldest transaction that is in no durable batch.
    fn oldest(&self) -> u64 {
        self.next - self.handed.len() as u64
    }

    /// Those up to this number are in durable batches; says how many that are.
    fn taken(&mut self, number: u64) -> usize {
        let count = number.saturating_add(1).saturating_sub(self.oldest());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.handed.len());
        self.handed_bytes -= self.handed.drain(..count).map(|bytes| bytes.len()).sum::<usize>();
        count
    }
}

/// What came of asking for a batch.
type Read = (BatchDigest, Result<Bytes, Unread>);

/// Why a batch cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Request(#[from] kraken_network::RequestError),
    #[error("the answer makes no sense")]
    Malformed(#[from] DecodeError),
    #[error("the answer is another batch")]
    Another,
    #[error("the worker does not have it")]
    Gone,
}

/// What happened.
enum Happened {
    Connected,
    Heard(Bytes),
    Wished(Wish),
    StartOver,
    News,
    Read(Read),
    Arrived,
    Look,
}

impl<S: Source> Linking<S> {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if nobody orders batches any more.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        let (mut connected, mut news) = (self.network.connected(), self.journal.changed());
        let mut look = time::interval(LOOK_EVERY);
        let mut reads = JoinSet::new();
        self.begin();
        loop {
            let has_room = self.has_room();
            let happened = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = connected.changed() => Happened::Connected,
                Some((_, frame)) = self.inbox.recv() => Happened::Heard(frame),
                Ok(()) = self.starts_over.changed() => Happened::StartOver,
                Some(wish) = self.wishes.recv() => Happened::Wished(wish),
                Some(Ok(read)) = reads.join_next() => Happened::Read(read),
                Ok(()) = news.changed() => Happened::News,
                () = self.arrived.notified(), if has_room => Happened::Arrived,
                _ = look.tick() => Happened::Look,
            };
            match happened {
                Happened::Connected if self.connection() == self.session.connection => {}
                Happened::Connected | Happened::StartOver => self.begin(),
                Happened::Heard(frame) => self.hear(&frame).await?,
                Happened::Wished(wish) => self.wish(wish.author, wish.batch, wish.holders),
                Happened::News => self.tell_news(),
                Happened::Read((digest, read)) => self.read(digest, read),
                Happened::Arrived => self.hand_over(),
                Happened::Look => {
                    self.source.expire();
                    if self.session.is_lost {
                        self.begin();
                    }
                    self.hand_over();
                }
            }
            for digest in self.journal.take_asked(self.worker) {
                reads.spawn(ask(self.network.clone(), self.own, digest));
            }
        }
    }

    /// The number of the connection to the worker, if there is one.
    fn connection(&self) -> Option<u64> {
        self.network.connected().borrow().get(&self.own).copied()
    }

    fn begin(&mut self) {
        self.session.connection = self.connection();
        self.session.is_live = false;
        self.session.is_lost = false;
        self.session.number += 1;
        self.session.holds.clear();
        if self.session.connection.is_some() {
            self.send(&ToWorker::Begin { session: self.session.number });
        }
    }

    /// What cannot be sent over a connection that lasts makes a new session necessary; one that
    /// broke does so anyway.
    fn send(&mut self, message: &ToWorker) {
        let frame = Bytes::from(codec::encode(message));
        if !self.network.send(self.own, LaneId(0), frame) {
            self.session.is_lost = true;
        }
    }

    async fn hear(&mut self, frame: &[u8]) -> Result<(), Ended> {
        match codec::decode(frame, FRAME_BYTES_MAX) {
            Ok(ToPrimary::Holds { session, batches, is_all }) => {
                if session == self.session.number {
                    self.holds(&batches, is_all);
                }
            }
            Ok(ToPrimary::Taken { number }) => {
                let count = self.session.taken(number);
                self.source.left(count);
                self.hand_over();
            }
            Ok(ToPrimary::Sealed(batch)) => {
                self.report(self.own, batch, Request::Sealed(batch)).await?;
            }
            Ok(ToPrimary::Stored { author, batch }) => {
                self.report(author, batch, Request::Stored { author, batch }).await?;
            }
            Ok(ToPrimary::Lost) => self.begin(),
            Err(error) => {
                self.metrics.malformed("link");
                tracing::warn!(worker = self.worker.0, %error, "ignored a malformed message");
            }
        }
        Ok(())
    }

    /// The worker says what it holds; it learns what became of that, and then begins again.
    fn holds(&mut self, batches: &[(ValidatorId, BatchRef)], is_all: bool) {
        let is_its = |(_, batch): &&(ValidatorId, BatchRef)| batch.worker == self.worker;
        let batches: Vec<_> = batches.iter().filter(is_its).copied().collect();
        self.session.holds.extend(batches.iter().map(|(_, batch)| batch.digest));
        let standings = self.journal.note_elsewhere(&batches);
        let (mut ordered, mut released) = (Vec::new(), Vec::new());
        for ((author, batch), standing) in batches.iter().zip(standings) {
            match standing {
                Standing::Pending => {}
                Standing::Ordered => ordered.push((*author, *batch)),
                Standing::Released => released.push(batch.digest),
            }
        }
        self.send(&ToWorker::Known { ordered, released, begins: is_all });
        if is_all {
            self.go_on();
        }
    }

    /// Says again what the worker may not have heard.
    fn go_on(&mut self) {
        self.session.is_live = true;
        // What became of batches since it was told, it was not told.
        self.tell_news();
        for (author, batch) in self.journal.keep_elsewhere(self.worker, &self.session.holds) {
            tracing::warn!(worker = self.worker.0, batch = %batch.digest.0, "a worker lost a batch");
            self.wish(author, batch, self.others.clone());
        }
        for (author, batch, holders) in self.session.wishes.clone().into_values() {
            self.send(&ToWorker::Fetch { author, batch, holders });
        }
        let handed: Vec<_> = self.session.handed.iter().cloned().collect();
        self.send_transactions(self.session.oldest(), handed);
        self.hand_over();
        tracing::info!(worker = self.worker.0, "goes on with a worker");
    }

    /// The worker has a batch: the order hears of it if it does not know what became of it already.
    async fn report(
        &mut self,
        author: ValidatorId,
        batch: BatchRef,
        request: Request,
    ) -> Result<(), Ended> {
        if batch.worker != self.worker {
            self.metrics.malformed("link");
            return Ok(());
        }
        self.session.wishes.remove(&batch.digest);
        let standings = self.journal.note_elsewhere(&[(author, batch)]);
        match standings.first() {
            Some(Standing::Released) => {
                let released = vec![batch.digest];
                self.send(&ToWorker::Known { ordered: Vec::new(), released, begins: false });
                Ok(())
            }
            Some(Standing::Pending | Standing::Ordered) | None => {
                let sent = self.ordering.send(request).await;
                sent.map_err(|_| Ended::gone("link", "ordering"))
            }
        }
    }

    fn wish(&mut self, author: ValidatorId, batch: BatchRef, holders: Signers) {
        if self.session.wishes.len() < WISHES_MAX {
            self.session.wishes.insert(batch.digest, (author, batch, holders.clone()));
        }
        if self.session.is_live {
            self.send(&ToWorker::Fetch { author, batch, holders });
        }
    }

    /// Without a session there is nobody to tell, and the next one begins with all that is known.
    fn tell_news(&mut self) {
        let News { ordered, released } = self.journal.take_news(self.worker);
        for digest in &released {
            self.session.wishes.remove(digest);
        }
        if !self.session.is_live {
            return;
        }
        for ordered in ordered.chunks(BATCHES_MAX) {
            let (ordered, released) = (ordered.to_vec(), Vec::new());
            self.send(&ToWorker::Known { ordered, released, begins: false });
        }
        for released in released.chunks(BATCHES_MAX) {
            let (ordered, released) = (Vec::new(), released.to_vec());
            self.send(&ToWorker::Known { ordered, released, begins: false });
        }
    }

    fn has_room(&self) -> bool {
        self.session.is_live && self.session.handed_bytes < HANDED_BYTES_MAX
    }

    /// Hands over what is ready, as far as there is room.
    fn hand_over(&mut self) {
        while self.has_room() {
            let ready = self.source.take(TAKEN_MAX, Pace::Steady);
            if ready.is_empty() {
                return;
            }
            let first = self.session.next;
            self.session.next += ready.len() as u64;
            self.session.handed_bytes += ready.iter().map(Bytes::len).sum::<usize>();
            self.session.handed.extend(ready.iter().cloned());
            self.send_transactions(first, ready);
        }
    }

    fn send_transactions(&mut self, mut first: u64, transactions: Vec<Bytes>) {
        let (mut together, mut bytes) = (Vec::new(), 0);
        for transaction in transactions {
            if !together.is_empty() && TOGETHER_BYTES_MAX < bytes + transaction.len() {
                let transactions = std::mem::take(&mut together);
                let next = first + transactions.len() as u64;
                self.send(&ToWorker::Transactions { first, transactions });
                (first, bytes) = (next, 0);
            }
            bytes += transaction.len();
            together.push(transaction);
        }
        if !together.is_empty() {
            self.send(&ToWorker::Transactions { first, transactions: together });
        }
    }

    /// Whoever wants to read a batch asks again if it was not to be had.
    fn read(&mut self, digest: BatchDigest, read: Result<Bytes, Unread>) {
        match read {
            Ok(bytes) => self.journal.fetched(digest, Some(bytes)),
            Err(error) => {
                tracing::debug!(worker = self.worker.0, batch = %digest.0, %error, "not read");
                self.journal.fetched(digest, None);
                if matches!(error, Unread::Gone) {
                    // What it holds is not what we think it does.
                    self.begin();
                }
            }
        }
    }
}

/// Asks the worker for a batch.
async fn ask(network: Network, own: ValidatorId, digest: BatchDigest) -> Read {
    let question = Bytes::from(codec::encode(&digest));
    let read = async {
        let answer = network.request(own, question).await?;
        let bytes: Option<Bytes> = codec::decode(&answer, FRAME_BYTES_MAX)?;
        let bytes = bytes.ok_or(Unread::Gone)?;
        if Batch::digest_of(&bytes) == digest { Ok(bytes) } else { Err(Unread::Another) }
    };
    let read = read.await;
    if read.is_err() {
        time::sleep(ASK_AGAIN_AFTER).await;
    }
    (digest, read)
}
