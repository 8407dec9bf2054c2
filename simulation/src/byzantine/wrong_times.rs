//! Dates its headers to the far past or the future.
//!
//! Stopped by P3, a vote needs a time between those of the parents and now, and by L5, the time of
//! a commit is a median.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kraken_mempool::primary::Message;
use kraken_types::{Round, SignedHeader, Timestamp, ValidatorId};
use rand::Rng;

use super::{
    author::Author,
    mail::{self, Content},
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct WrongTimes {
    author: Author,
    dated: BTreeMap<Round, SignedHeader>,
}

impl Sin for WrongTimes {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let Some(Message::Header(honest)) = mail::primary(letter.lane, &letter.bytes) else {
            return vec![letter];
        };
        let dated = self.dated.entry(honest.header().round).or_insert_with(|| {
            let mut header = honest.header().clone();
            header.created_at = wrong(header.created_at, around);
            self.author.sign(around.identity, header)
        });
        vec![Content::from(Message::Header(dated.clone())).to(letter.to)]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        self.author.hear(around.identity, lane, bytes)
    }
}

fn wrong(time: Timestamp, around: &mut Surroundings<'_>) -> Timestamp {
    let random = &mut around.random;
    match random.gen_range(0..5) {
        0 => Timestamp::ZERO,
        1 => Timestamp::from_millis(u64::MAX),
        2 => Timestamp::from_millis(time.millis().saturating_sub(random.gen_range(1..2_000))),
        // Just inside what the others bear, and just outside.
        3 => around.now + Duration::from_millis(random.gen_range(1..2_000)),
        _ => time,
    }
}
