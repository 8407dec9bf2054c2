//! Segments that end with the process.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{Location, SEGMENT_BYTES, Segments, format};
use crate::Error;

/// Segments that end with the process. Places and limits are those of the files.
#[derive(Debug)]
pub(super) struct Memory {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    records: BTreeMap<Location, Bytes>,
    /// Segment → where it ends.
    ends: BTreeMap<u32, u64>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let ends = BTreeMap::from([(0, format::SEGMENT_HEADER_BYTES)]);
        Self { state: Mutex::new(State { records: BTreeMap::new(), ends }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No critical section calls anything that panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&self) -> Location {
        let (&segment, &offset) = self.ends.last_key_value().expect("the last segment stays");
        Location { segment, offset }
    }
}

impl Segments for Memory {
    fn append(&self, records: &[Bytes]) -> Result<Vec<Location>, Error> {
        let mut state = self.lock();
        let mut locations = Vec::with_capacity(records.len());
        for record in records {
            let bytes = format::record_bytes(record.len());
            let mut at = state.end();
            if format::is_full(at.offset, bytes, SEGMENT_BYTES) {
                at = Location { segment: at.segment + 1, offset: format::SEGMENT_HEADER_BYTES };
            }
            state.records.insert(at, record.clone());
            state.ends.insert(at.segment, at.offset + bytes);
            locations.push(at);
        }
        Ok(locations)
    }

    fn read(&self, at: Location) -> Result<Bytes, Error> {
        let missing =
            || Error::DamagedRecord { path: self.path(), offset: at.offset, what: "no record" };
        self.lock().records.get(&at).cloned().ok_or_else(missing)
    }

    fn release(&self, before: Location) -> Result<(), Error> {
        let mut state = self.lock();
        let keep = before.segment.min(state.end().segment);
        state.ends = state.ends.split_off(&keep);
        state.records = state.records.split_off(&Location { segment: keep, offset: 0 });
        Ok(())
    }

    fn start(&self) -> Location {
        let state = self.lock();
        let (&segment, _) = state.ends.first_key_value().expect("the last segment stays");
        Location { segment, offset: format::SEGMENT_HEADER_BYTES }
    }

    fn end(&self) -> Location {
        self.lock().end()
    }

    fn last(&self) -> Option<Location> {
        self.lock().records.last_key_value().map(|(&at, _)| at)
    }

    fn segment_end(&self, segment: u32) -> Option<u64> {
        self.lock().ends.get(&segment).copied()
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("in memory")
    }
}
