//! Events that fit a filter.

use std::ops::Range;

use kraken_storage::EventPattern;

use crate::{
    dto::event::EventPlace,
    subscription::{
        position::{Interest, Piece},
        sheet::Sheet,
        stream::{Kind, Notice, Stream},
    },
    version::Version,
};

/// `starknet_subscribeEvents`.
#[derive(Debug)]
pub(crate) struct Events {
    /// Which events.
    pub(crate) filter: EventPattern,
    /// From when on they are told.
    pub(crate) interest: Interest,
    /// What the subscriber speaks.
    pub(crate) version: Version,
}

impl Events {
    fn of(&self, sheet: &Sheet, transactions: Range<usize>) -> Vec<Notice> {
        let mut notices = Vec::new();
        for transaction_index in transactions {
            let events = &sheet.transactions()[transaction_index].receipt.events;
            for (event_index, event) in events.iter().enumerate() {
                if self.filter.fits(event) {
                    let place = EventPlace { transaction_index, event_index };
                    let result = sheet.event(place, self.version);
                    notices.push(Notice { kind: Kind::Events, result });
                }
            }
        }
        notices
    }
}

impl Stream for Events {
    fn interest(&self) -> Interest {
        self.interest
    }

    fn notices(&mut self, piece: &Piece) -> Vec<Notice> {
        match piece {
            Piece::Executed { sheet, from } => self.of(sheet, *from..sheet.transactions().len()),
            Piece::Closed(sheet) => self.of(sheet, 0..sheet.transactions().len()),
            Piece::AcceptedOnL1(_) | Piece::Reverted(_) => Vec::new(),
        }
    }
}
