//! Who may come in, and who makes room.

use kraken_execution::{Prepared, Rejection, RejectionKind};
use kraken_types::Timestamp;
use starknet_api::core::ContractAddress;

use super::{
    Pool,
    account::{Account, bid, nonce_number},
    room::Usage,
};
use crate::SubmitError;

const REPLACED: &str = "replaced by a transaction that pays more";
const OUT_OF_ROOM_BEHIND_GAP: &str =
    "the mempool is full and the nonces before it are missing; submit those first";
const OUT_OF_ROOM_CHEAP: &str =
    "the mempool is full and its account offers less for L2 gas than the next block costs";
const OUT_OF_ROOM_HEAVY: &str =
    "the mempool is full and its account holds more than its part; submit it again later";

impl Pool {
    /// Takes a transaction in, of so many bytes when encoded. `nonce` is that of the account after
    /// everything executed so far. Says whether it can run: `false` if nonces before it are missing.
    ///
    /// # Errors
    /// As [`Pool::admits`]; [`SubmitError::Full`] also if giving up others does not make enough room.
    pub(crate) fn insert(
        &mut self,
        transaction: Prepared,
        bytes: usize,
        nonce: u64,
        now: Timestamp,
    ) -> Result<bool, SubmitError> {
        let can_run = self.admits(&transaction, bytes, nonce)?;
        let (sender, got) = (transaction.sender(), nonce_number(&transaction));
        let replaced = self.accounts.get(&sender).and_then(|account| account.waiting_at(got));
        match replaced.cloned() {
            Some(old) => self.drop_as(&old, REPLACED, now),
            None => self.make_room(bytes, now)?,
        }
        let account = self.accounts.entry(sender).or_default();
        let passed = account.executed(nonce);
        self.keep(transaction, bytes, now);
        self.reject_passed(passed, now);
        self.refresh(sender);
        Ok(can_run)
    }

    /// Whether [`Pool::insert`] would take this transaction, and whether it could run. Costs next to
    /// nothing, so it is asked before checks that run Cairo.
    ///
    /// # Errors
    /// [`SubmitError`] if it is known, its nonce is used up, under way or too far ahead of those that
    /// are here, it does not outbid the one in its place, its account holds its part of a pool that
    /// is filling up, or the pool is full.
    pub(crate) fn admits(
        &self,
        transaction: &Prepared,
        bytes: usize,
        nonce: u64,
    ) -> Result<bool, SubmitError> {
        if self.contains(transaction.hash()) {
            return Err(SubmitError::Duplicate);
        }
        let sender = transaction.sender();
        let account = self.accounts.get(&sender);
        let next = account.map_or(nonce, |account| account.next(nonce));
        let contiguous = account.map_or(nonce, |account| account.contiguous(nonce));
        let got = nonce_number(transaction);
        check_nonce(got, next, contiguous, self.config.nonce_ahead_max)?;
        if account.is_some_and(|account| account.is_under_way(got)) {
            return Err(bad_nonce(format!("a transaction with nonce {got} is under way already")));
        }
        let can_run = got <= contiguous && !self.turns.is_cheap(sender);
        let held = account.map(|account| account.usage).unwrap_or_default();
        match account.and_then(|account| account.waiting_at(got)) {
            Some(old) => self.check_replacement(transaction, old, bytes)?,
            None => self.check_room(held, bytes, can_run)?,
        }
        Ok(can_run)
    }

    fn check_replacement(
        &self,
        new: &Prepared,
        old: &Prepared,
        bytes: usize,
    ) -> Result<(), SubmitError> {
        if !outbids(new, old) {
            return Err(SubmitError::ReplacementUnderpriced);
        }
        let freed = self.known.get(&old.hash()).map_or(0, |known| known.bytes);
        let total = self.room.total.without(freed).with(bytes);
        if self.room.fits(total) { Ok(()) } else { Err(self.full()) }
    }

    fn check_room(&self, held: Usage, bytes: usize, can_run: bool) -> Result<(), SubmitError> {
        if !self.room.is_fair(held.with(bytes)) {
            return Err(SubmitError::AccountFull { pending: held.transactions });
        }
        let has_room = self.room.fits(self.room.total.with(bytes));
        if has_room || (can_run && self.least_needed().is_some()) {
            Ok(())
        } else {
            Err(self.full())
        }
    }

    fn full(&self) -> SubmitError {
        SubmitError::Full { pending: self.room.total.transactions }
    }

    /// Gives up others until so much fits.
    fn make_room(&mut self, bytes: usize, now: Timestamp) -> Result<(), SubmitError> {
        while !self.room.fits(self.room.total.with(bytes)) {
            let Some((sender, reason)) = self.least_needed() else {
                return Err(self.full());
            };
            let last = self.accounts.get(&sender).and_then(Account::last).cloned();
            let last = last.expect("something of a ranked account waits");
            self.drop_as(&last, reason, now);
            self.refresh(sender);
        }
        Ok(())
    }

    /// The account that has to give up its last transaction first, and why.
    fn least_needed(&self) -> Option<(ContractAddress, &'static str)> {
        let with_gap = || Some((self.room.heaviest_with_gap()?, OUT_OF_ROOM_BEHIND_GAP));
        let cheap = || Some((self.turns.cheapest()?, OUT_OF_ROOM_CHEAP));
        let heavy = || Some((self.room.heaviest()?, OUT_OF_ROOM_HEAVY));
        with_gap().or_else(cheap).or_else(heavy)
    }
}

fn check_nonce(got: u64, next: u64, contiguous: u64, ahead_max: u32) -> Result<(), SubmitError> {
    if got < next {
        let reason = format!("nonce {got} is below the next nonce {next} of the account");
        return Err(bad_nonce(reason));
    }
    if contiguous.saturating_add(u64::from(ahead_max)) < got {
        let reason =
            format!("nonce {got} is more than {ahead_max} ahead of the next nonce {contiguous}");
        return Err(bad_nonce(reason));
    }
    Ok(())
}

fn bad_nonce(reason: String) -> SubmitError {
    SubmitError::Rejected(Rejection::new(RejectionKind::InvalidNonce, reason))
}

/// A replacement must pay a tenth more, both as a tip and for L2 gas.
fn outbids(new: &Prepared, old: &Prepared) -> bool {
    let raised =
        |new: u128, old: u128| old.checked_add(old.div_ceil(10)).is_some_and(|least| least <= new);
    let ((new_tip, new_price), (old_tip, old_price)) = (bid(new), bid(old));
    raised(new_tip.into(), old_tip.into()) && raised(new_price, old_price)
}
