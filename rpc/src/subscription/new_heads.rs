//! The headers of closed blocks.

use crate::{
    subscription::{
        position::{Interest, Piece},
        stream::{Kind, Notice, Stream},
    },
    version::Version,
};

/// `starknet_subscribeNewHeads`.
#[derive(Debug)]
pub(crate) struct NewHeads {
    /// What the subscriber speaks.
    pub(crate) version: Version,
}

impl Stream for NewHeads {
    fn interest(&self) -> Interest {
        Interest::Closed
    }

    fn notices(&mut self, piece: &Piece) -> Vec<Notice> {
        match piece {
            Piece::Closed(sheet) => {
                let head =
                    sheet.head(self.version).map(|result| Notice { kind: Kind::NewHeads, result });
                head.into_iter().collect()
            }
            Piece::Executed { .. } | Piece::AcceptedOnL1(_) | Piece::Reverted(_) => Vec::new(),
        }
    }
}
