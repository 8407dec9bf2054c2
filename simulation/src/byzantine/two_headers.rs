//! Signs two headers of one round and shows each to some of the others.
//!
//! Both are valid by themselves. Stopped by P3: an honest validator votes for one header of an
//! author and round only, so at most one of them finds a quorum.

use std::collections::BTreeMap;

use bytes::Bytes;
use kraken_mempool::primary::Message;
use kraken_types::{Header, Round, SignedHeader, ValidatorId};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    author::Author,
    mail::{self, Content},
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct TwoHeaders {
    author: Author,
    /// The second header of each round, and who is shown it.
    second: BTreeMap<Round, (SignedHeader, Vec<ValidatorId>)>,
}

impl Sin for TwoHeaders {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let Some(Message::Header(first)) = mail::primary(letter.lane, &letter.bytes) else {
            return vec![letter];
        };
        let (second, shown) = self.second.entry(first.header().round).or_insert_with(|| {
            let other = alter(first.header(), around);
            let shown = mail::some(around.identity, around.random);
            (self.author.sign(around.identity, other), shown)
        });
        let to = letter.to;
        let second = Content::from(Message::Header(second.clone())).to(to);
        // Now and then both, in either order.
        match (shown.contains(&to), around.random.gen_bool(0.1)) {
            (true, false) => vec![second],
            (true, true) => vec![second, letter],
            (false, false) => vec![letter],
            (false, true) => vec![letter, second],
        }
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

/// Another header of that author and round that is as good as the first.
fn alter(header: &Header, around: &mut Surroundings<'_>) -> Header {
    let mut other = header.clone();
    let quorum = usize::try_from(around.identity.committee.quorum()).unwrap_or(usize::MAX);
    if quorum < other.parents.len() && around.random.gen_bool(0.5) {
        other.parents.pop();
    }
    shuffle(&mut other, around.random);
    if other == *header {
        other.attachment = Bytes::from_static(b"the other one");
    }
    other
}

/// Less payload, or in another order.
fn shuffle(header: &mut Header, random: &mut ChaCha8Rng) {
    match random.gen_range(0..3) {
        0 => header.batches.clear(),
        1 => header.batches.reverse(),
        _ => header.batches.truncate(1),
    }
}
