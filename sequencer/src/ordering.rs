//! The task that orders: drives the primary and the protocol, and makes their records durable.

use std::sync::Arc;

use kraken_consensus::{self as consensus, Protocol};
use kraken_mempool::primary::{self, Primary};
use kraken_types::{BatchRef, Certificate, Commit, CommitIndex, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    journal::{Entry, Journal},
    supervisor::Ended,
};

/// What others ask of the order.
#[derive(Debug)]
pub(crate) enum Request {
    /// Order this durable batch.
    Batch(BatchRef),
    /// End the open block; answers with the commit behind which it ends.
    CloseBlock(oneshot::Sender<CommitIndex>),
}

/// The task that orders.
#[derive(Debug)]
pub(crate) struct Ordering {
    /// Makes headers and certificates.
    pub(crate) primary: Primary,
    /// Puts certificates in order.
    pub(crate) protocol: Box<dyn Protocol>,
    /// From the workers and the developer.
    pub(crate) requests: mpsc::Receiver<Request>,
    /// When the open block wants a commit, so that it can end.
    pub(crate) wanted: watch::Receiver<Option<Timestamp>>,
    /// To the builder.
    pub(crate) commits: mpsc::Sender<Commit>,
    /// Makes records durable.
    pub(crate) journal: Journal,
    /// Stamps headers.
    pub(crate) clock: Arc<Clock>,
}

/// What happened.
enum Happened {
    Requested(Request),
    Wanted,
    /// The builder changed its mind about when it wants a commit.
    Changed,
}

/// What one input led to: records to make durable first, then commits to hand on.
#[derive(Default)]
struct Work {
    entries: Vec<Entry>,
    commits: Vec<Commit>,
}

impl Ordering {
    /// Goes on behind what an earlier run made durable, then runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses or nobody executes commits any more.
    pub(crate) async fn run(
        mut self,
        recovered: Vec<Certificate>,
        shutdown: CancellationToken,
    ) -> Result<(), Ended> {
        let mut work = Work::default();
        for certificate in recovered {
            self.certified(certificate, &mut work);
        }
        self.carry_out(work).await?;
        // What the builder wanted when we last proposed for its sake; it wants nothing twice.
        let mut answered = None;
        loop {
            let wanted = (*self.wanted.borrow_and_update()).filter(|at| answered != Some(*at));
            let happened = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                request = self.requests.recv() => match request {
                    Some(request) => Happened::Requested(request),
                    None => return Ok(()),
                },
                changed = self.wanted.changed() => match changed {
                    Ok(()) => Happened::Changed,
                    Err(_) => return Err(Ended::gone("ordering", "builder")),
                },
                () = until_wanted(&self.clock, wanted) => Happened::Wanted,
            };
            match happened {
                Happened::Requested(request) => self.serve(request).await?,
                Happened::Wanted => {
                    answered = wanted;
                    let input = primary::Input::Propose { close_block: false };
                    self.propose(input).await?;
                }
                Happened::Changed => {}
            }
        }
    }

    async fn serve(&mut self, request: Request) -> Result<(), Ended> {
        match request {
            Request::Batch(batch) => {
                self.propose(primary::Input::Batch(batch)).await?;
            }
            Request::CloseBlock(reply) => {
                let input = primary::Input::Propose { close_block: true };
                if let Some(commit) = self.propose(input).await? {
                    // The one who asked may have gone; the block ends all the same.
                    let _ = reply.send(commit);
                }
            }
        }
        Ok(())
    }

    /// Steps the primary and hands what it certifies to the protocol; returns the last commit.
    async fn propose(&mut self, input: primary::Input) -> Result<Option<CommitIndex>, Ended> {
        let mut work = Work::default();
        for output in self.primary.step(self.clock.stamp(), input) {
            match output {
                primary::Output::Persist(record) => work.entries.push(Entry::Primary(record)),
                primary::Output::Certified(certificate) => self.certified(certificate, &mut work),
            }
        }
        let last = work.commits.last().map(|commit| commit.index);
        self.carry_out(work).await?;
        Ok(last)
    }

    fn certified(&mut self, certificate: Certificate, work: &mut Work) {
        for effect in self.protocol.step(consensus::Input::Certificate(certificate)) {
            match effect {
                consensus::Effect::Persist(record) => work.entries.push(Entry::Protocol(record)),
                consensus::Effect::Commit(commit) => work.commits.push(commit),
            }
        }
    }

    /// Durable before spoken: one fsync covers all records of a step, then the commits go on.
    async fn carry_out(&mut self, work: Work) -> Result<(), Ended> {
        let stored = self.journal.store_entries(work.entries).await;
        stored.map_err(|error| Ended::failed("ordering", &error))?;
        for commit in work.commits {
            let sent = self.commits.send(commit).await;
            sent.map_err(|_| Ended::gone("ordering", "builder"))?;
        }
        Ok(())
    }
}

/// Resolves once the clock shows `at`; never if nothing is wanted.
async fn until_wanted(clock: &Clock, at: Option<Timestamp>) {
    let Some(at) = at else {
        return std::future::pending().await;
    };
    // A developer may move the clock while we sleep, so look again now and then.
    const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);
    while clock.now() < at {
        tokio::time::sleep(clock.until(at).min(LOOK_AGAIN)).await;
    }
}
