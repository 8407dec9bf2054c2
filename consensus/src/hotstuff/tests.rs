//! HotStuff, from single rules to whole committees.

mod committee;
mod rules;

use std::time::Duration;

use kraken_types::{Timestamp, testing::identity};

use super::HotStuff;
use crate::Config;

/// A view takes this long at first.
const BASE: Duration = Duration::from_millis(100);

fn hotstuff(size: u16, id: u16) -> HotStuff {
    HotStuff::new(Config {
        identity: identity(size, id),
        gc_depth: 20,
        view_timeout: BASE,
        view_timeout_max: Duration::from_secs(2),
    })
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
