//! What a socket hears of the chain: no more than its subscriptions need.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    watch,
};

use crate::subscription::{
    Subscription,
    feed::{Feed, Moves},
    look::Look,
    position::Interest,
};

/// What a socket hears of the chain.
#[derive(Debug, Default)]
pub(super) struct News {
    looks: Option<(Interest, watch::Receiver<Arc<Look>>)>,
    moves: Option<broadcast::Receiver<Moves>>,
}

/// Something that was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// There is another look.
    Look,
    /// Transactions have moved; or why the socket must end.
    Moves(Result<Moves, String>),
}

impl News {
    /// Hears what these subscriptions need from now on. Says whether looks come from elsewhere now.
    pub(super) fn want(
        &mut self,
        feed: &Feed,
        subscriptions: &BTreeMap<u64, Subscription>,
    ) -> bool {
        let is_early = |it: &Subscription| it.interest() == Interest::PreConfirmed;
        let interest = if subscriptions.values().any(is_early) {
            Some(Interest::PreConfirmed)
        } else {
            subscriptions.values().next().map(|_| Interest::Closed)
        };
        let is_changed = self.looks.as_ref().map(|(interest, _)| *interest) != interest;
        if is_changed {
            self.looks = interest.map(|interest| match interest {
                Interest::PreConfirmed => (interest, feed.looks()),
                Interest::Closed => (interest, feed.closed()),
            });
        }
        if !subscriptions.values().any(Subscription::wants_moves) {
            self.moves = None;
        } else if self.moves.is_none() {
            self.moves = Some(feed.moves());
        }
        is_changed
    }

    /// The newest look, which counts as seen.
    pub(super) fn look(&mut self) -> Arc<Look> {
        match &mut self.looks {
            Some((_, looks)) => Arc::clone(&looks.borrow_and_update()),
            None => Arc::new(Look::nowhere()),
        }
    }

    /// Resolves once something is heard. Nothing is lost if it is dropped before.
    pub(super) async fn next(&mut self) -> Heard {
        let look = async {
            match &mut self.looks {
                Some((_, looks)) => match looks.changed().await {
                    Ok(()) => Heard::Look,
                    // It ends with the server, which says goodbye in another way.
                    Err(_) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        let moves = async {
            match &mut self.moves {
                Some(moves) => match moves.recv().await {
                    Ok(moves) => Heard::Moves(Ok(moves)),
                    Err(RecvError::Lagged(missed)) => Heard::Moves(Err(missed_some(missed))),
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased; // Moves come before the look that shows what they led to.
            heard = moves => heard,
            heard = look => heard,
        }
    }

    /// All moves that were told so far; or why the socket must end.
    pub(super) fn moves(&mut self) -> Result<Vec<Moves>, String> {
        let mut all = Vec::new();
        let Some(moves) = &mut self.moves else {
            return Ok(all);
        };
        loop {
            match moves.try_recv() {
                Ok(moves) => all.push(moves),
                Err(TryRecvError::Lagged(missed)) => return Err(missed_some(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(all),
            }
        }
    }
}

fn missed_some(missed: u64) -> String {
    format!("{missed} stretches of moves of transactions were missed")
}
