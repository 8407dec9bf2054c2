//! Giving up on what has waited for too long.

use std::time::Duration;

use kraken_execution::{Rejection, RejectionKind};
use kraken_types::Timestamp;
use starknet_api::transaction::TransactionHash;

use super::{Pool, Stage};

/// What is under way and in no order for so long was lost on its way: its batch is in blocks that we
/// took over from others, who left it out.
const LOST_AFTER: Duration = Duration::from_secs(600);

const EXPIRED_BEHIND_GAP: &str = "the nonces before it did not come in time";
const EXPIRED_CHEAP: &str = "its max price of L2 gas was below that of the blocks for too long; submit it with a higher one";
const LOST: &str = "nothing came of it, maybe because its nonce was used; submit it again";

impl Pool {
    /// Drops what could not run for too long, and what was lost.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let time_to_live = self.config.time_to_live;
        let mut expired = Vec::new();
        let mut lost = Vec::new();
        for (sender, account) in &self.accounts {
            let behind_gap = account.expired_behind_gap(now, time_to_live);
            expired.extend(behind_gap.map(|it| (it.clone(), EXPIRED_BEHIND_GAP)));
            if self.turns.is_cheap(*sender) {
                let head = account.expired_head(now, time_to_live);
                expired.extend(head.map(|it| (it.clone(), EXPIRED_CHEAP)));
            }
            let under_way = account.under_way_for(now, LOST_AFTER);
            let in_no_order = under_way.filter(|(_, hash)| self.is_in_no_order(*hash));
            lost.extend(in_no_order.map(|(nonce, hash)| (*sender, nonce, hash)));
        }
        for (transaction, reason) in expired {
            self.drop_as(&transaction, reason, now);
            self.refresh(transaction.sender());
        }
        for (sender, nonce, hash) in lost {
            self.release(sender, nonce, hash, now);
            if let Some(account) = self.accounts.get_mut(&sender) {
                account.restart();
            }
            self.outcomes.reject(hash, Rejection::new(RejectionKind::Unexpected, LOST));
            self.refresh(sender);
        }
        self.accounts.retain(|_, account| !account.is_idle());
    }

    fn is_in_no_order(&self, hash: TransactionHash) -> bool {
        self.known.get(&hash).is_some_and(|known| known.stage == Stage::UnderWay)
    }
}
