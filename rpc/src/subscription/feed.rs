//! The task that looks at the chain for all subscribers.

use std::{sync::Arc, time::Duration};

use kraken_sequencer::Move;
use tokio::{
    sync::{
        Notify,
        broadcast::{self, error::RecvError, error::TryRecvError},
        watch,
    },
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    dispatch::Context,
    subscription::{look::Look, moved::Moved},
};

/// How much time is between two looks at least: what happens meanwhile is told together.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How many stretches of moves a subscriber may be behind.
const MOVES_MAX: usize = 1_024;

/// Moves of transactions that happened between two looks.
pub(crate) type Moves = Arc<[Moved]>;

/// Where subscribers get looks and moves from.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The newest look.
    looks: watch::Sender<Arc<Look>>,
    /// The newest one on which more blocks are closed than on the one before.
    closed: watch::Sender<Arc<Look>>,
    moves: broadcast::Sender<Moves>,
    /// Somebody waits for a look.
    wanted: Notify,
}

impl Feed {
    /// Nobody listens yet.
    pub(crate) fn new() -> Self {
        let look = Arc::new(Look::nowhere());
        Self {
            looks: watch::Sender::new(Arc::clone(&look)),
            closed: watch::Sender::new(look),
            moves: broadcast::Sender::new(MOVES_MAX),
            wanted: Notify::new(),
        }
    }

    /// Looks from now on.
    pub(crate) fn looks(&self) -> watch::Receiver<Arc<Look>> {
        let looks = self.looks.subscribe();
        self.wanted.notify_one();
        looks
    }

    /// Looks from now on, at closed blocks only.
    pub(crate) fn closed(&self) -> watch::Receiver<Arc<Look>> {
        let closed = self.closed.subscribe();
        self.wanted.notify_one();
        closed
    }

    /// How transactions move from now on.
    pub(crate) fn moves(&self) -> broadcast::Receiver<Moves> {
        self.moves.subscribe()
    }

    /// Runs until `stop` fires, or the sequencer is gone.
    pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
        let feed = &context.feed;
        let (mut events, mut heard) = (context.sequencer.subscribe(), context.sequencer.moves());
        loop {
            let mut moves = Vec::new();
            tokio::select! {
                () = stop.cancelled() => return,
                () = feed.wanted.notified() => {}
                event = events.recv() => match event {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                moved = heard.recv() => match moved {
                    Ok(moved) => moves.push(Moved::new(moved)),
                    Err(RecvError::Lagged(missed)) => warn(missed),
                    Err(RecvError::Closed) => return,
                },
            }
            // One look shows all that was told so far.
            events = events.resubscribe();
            if feed.has_listeners() {
                feed.look(&context, &mut heard, moves).await;
            } else {
                heard = heard.resubscribe();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Whether there is anybody to look for. Whoever wants moves wants looks as well.
    fn has_listeners(&self) -> bool {
        0 < self.looks.receiver_count() + self.closed.receiver_count()
    }

    /// Looks, and tells of it.
    async fn look(
        &self,
        context: &Arc<Context>,
        heard: &mut broadcast::Receiver<Move>,
        mut moves: Vec<Moved>,
    ) {
        let before = Arc::clone(&self.looks.borrow());
        let sequencer = context.sequencer.clone();
        // Nobody reads while the chain is taken back, so the look is from before that or after it.
        let look = move || Ok(Look::new(&sequencer.view(), &before)?);
        let look = match context.read(look).await {
            Ok(look) => Arc::new(look),
            Err(error) => {
                tracing::error!(%error, "cannot look at the chain for subscribers");
                return;
            }
        };
        // What is in a block of this look has moved before it.
        drain(heard, &mut moves);
        if !moves.is_empty() {
            // The last listener may have gone.
            drop(self.moves.send(moves.into()));
        }
        if !self.closed.borrow().has_same_closed(&look) {
            self.closed.send_replace(Arc::clone(&look));
        }
        self.looks.send_replace(look);
    }
}

/// Takes all moves that were told so far.
fn drain(heard: &mut broadcast::Receiver<Move>, moves: &mut Vec<Moved>) {
    loop {
        match heard.try_recv() {
            Ok(moved) => moves.push(Moved::new(moved)),
            Err(TryRecvError::Lagged(missed)) => warn(missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

fn warn(missed: u64) {
    tracing::warn!(missed, "subscribers miss moves of transactions");
}
