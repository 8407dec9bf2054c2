//! A validator that lies: the machines that ship, on real lanes, with sins between them and the
//! others.

mod machines;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use kraken_mempool::worker;
use kraken_network::LaneId;
use kraken_simulation::{
    byzantine,
    sin::{Lane, Letter, Sinner},
};
use kraken_types::{
    Attestation, Identity, Signer, Statement, Timestamp, ValidatorId,
    codec::{self, DecodeError},
};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{self, Interval},
};

use self::machines::Machines;
use super::{
    Committee, Impostor,
    impostor::{genesis, seed, validator_id},
};
use crate::client::runtime;

/// How often it makes a transaction, which nobody can execute.
const JUNK_EVERY: Duration = Duration::from_millis(100);

/// Bytes of such a transaction.
const JUNK_BYTES: usize = 300;

/// What comes before an attestation on its lane.
const ATTESTED: u8 = 0;

/// The lanes of the two swarms of a validator, by their place.
const ORDERING: LaneId = LaneId(0);
const ATTESTATION: LaneId = LaneId(1);
const BATCHES: LaneId = LaneId(0);
const ACKNOWLEDGEMENTS: LaneId = LaneId(1);

/// A liar in the place of a validator. It keeps nothing on a disk and executes nothing.
#[derive(Debug)]
pub struct Liar {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Acting>,
}

/// How far a liar came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fame {
    /// Commits that it heard of: it was part of the committee.
    pub commits: u64,
    /// Frames that it sent.
    pub said: u64,
}

impl Liar {
    /// Begins to lie with the keys of a validator, which must be dead, in all these ways at once.
    /// What chance has to say follows from the seed.
    ///
    /// # Panics
    /// If there is no such sin, or as [`Impostor::of_validator`].
    pub fn of_validator(committee: &Committee, id: usize, sins: &[&str], chance: u64) -> Self {
        let genesis = genesis(committee);
        let identity = Identity {
            committee: std::sync::Arc::new(genesis.committee().expect("it is a genesis")),
            id: validator_id(id),
            signer: Signer::from_seed(seed(committee, id, "consensus")),
        };
        let sin = byzantine::together(sins).expect("the sins of the simulator");
        let acting = Acting {
            sinner: Sinner::new(identity.clone(), sin, chance),
            machines: Machines::start(identity.clone(), &genesis, now()),
            identity,
            primary: Impostor::of_validator(committee, id, "primary"),
            worker: Impostor::of_validator(committee, id, "worker 0"),
            attested: 0,
            junk: chance,
            said: 0,
        };
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: runtime().spawn(acting.run(stopped)) }
    }

    /// Ends it, and returns how far it came.
    ///
    /// # Panics
    /// If it did.
    pub fn stop(self) -> Fame {
        // Whoever has ended shows so below.
        let _ = self.stop.send(());
        let acting = runtime().block_on(self.task).expect("a liar does not panic either");
        Fame { commits: acting.machines.commits(), said: acting.said }
    }
}

/// The task of a liar.
struct Acting {
    identity: Identity,
    machines: Machines,
    sinner: Sinner,
    primary: Impostor,
    worker: Impostor,
    /// The number of the newest block that it lied about.
    attested: u64,
    /// Makes one transaction differ from the next.
    junk: u64,
    said: u64,
}

impl fmt::Debug for Acting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acting").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What happened to it.
enum Happened {
    Heard(ValidatorId, Lane, Bytes),
    Attested(Bytes),
    Tick,
    Junk,
}

impl Acting {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Self {
        let mut junk = time::interval(JUNK_EVERY);
        while let Some(happened) = self.wait(&mut junk, &mut stopped).await {
            let now = now();
            let mut letters = Vec::new();
            match happened {
                Happened::Heard(from, lane, bytes) => {
                    let (hears, besides) = self.sinner.incoming(now, from, lane, &bytes);
                    self.post(besides);
                    if hears {
                        letters = self.machines.hear(now, from, lane, &bytes);
                    }
                }
                Happened::Attested(bytes) => self.attest(&bytes),
                Happened::Tick => letters = self.machines.tick(now),
                Happened::Junk => {
                    let junk = self.junk();
                    letters = self.machines.offer(now, junk);
                }
            }
            for letter in letters {
                let letters = self.sinner.outgoing(now, letter);
                self.post(letters);
            }
        }
        self
    }

    async fn wait(
        &mut self,
        junk: &mut Interval,
        stopped: &mut oneshot::Receiver<()>,
    ) -> Option<Happened> {
        let [ordering, attestation] = &mut self.primary.inboxes.lanes[..] else { return None };
        let [batches, acknowledgements] = &mut self.worker.inboxes.lanes[..] else { return None };
        let wake_in = self.machines.wake_at().since(now());
        Some(tokio::select! {
            biased;
            _ = stopped => return None,
            Some((from, bytes)) = ordering.recv() => Happened::Heard(from, Lane::Ordering, bytes),
            Some((_, bytes)) = attestation.recv() => Happened::Attested(bytes),
            Some((from, bytes)) = acknowledgements.recv() => {
                Happened::Heard(from, Lane::Worker, bytes)
            }
            Some((from, bytes)) = batches.recv() => Happened::Heard(from, Lane::Worker, bytes),
            () = time::sleep(wake_in) => Happened::Tick,
            _ = junk.tick() => Happened::Junk,
        })
    }

    fn junk(&mut self) -> Bytes {
        self.junk += 1;
        self.junk.to_le_bytes().into_iter().cycle().take(JUNK_BYTES).collect()
    }

    fn post(&mut self, letters: Vec<Letter>) {
        for Letter { to, lane, bytes } in letters {
            let (swarm, lane) = match (lane, worker::Message::decode(&bytes)) {
                (Lane::Ordering, _) => (&self.primary, ORDERING),
                (Lane::Worker, Ok(worker::Message::Batch(_))) => (&self.worker, BATCHES),
                (Lane::Worker, _) => (&self.worker, ACKNOWLEDGEMENTS),
            };
            self.said += u64::from(swarm.network.send(to, lane, bytes));
        }
    }

    /// Attests another block first, and then the same as the others, once for each number.
    fn attest(&mut self, bytes: &[u8]) {
        let Ok(Some(theirs)) = attested(bytes) else { return };
        let honest = theirs.statement;
        if honest.number <= self.attested {
            return;
        }
        self.attested = honest.number;
        let mut block_hash = honest.block_hash;
        block_hash[31] ^= 1;
        for statement in [Statement { block_hash, ..honest }, honest] {
            let attestation = Attestation::sign(statement, &self.identity).into_inner();
            let frame = [vec![ATTESTED], codec::encode(&attestation)].concat();
            self.said += self.primary.network.broadcast(ATTESTATION, frame.into()) as u64;
        }
    }
}

/// The attestation in a frame; `None` if there is something else in it.
fn attested(frame: &[u8]) -> Result<Option<Attestation>, DecodeError> {
    match frame {
        [ATTESTED, attestation @ ..] => {
            codec::decode(attestation, codec::BATCH_BYTES_MAX).map(Some)
        }
        _ => Ok(None),
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    Timestamp::from_millis(u64::try_from(now.as_millis()).expect("a time"))
}
