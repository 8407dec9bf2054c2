//! A disk that keeps what was synced, some of what was not, and may tear the record in between.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// Framed records, oldest first. A record counts once a sync that began after it has ended.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    frames: Vec<Vec<u8>>,
    /// How many records left at the front.
    dropped: u64,
    durable: u64,
    /// What the sync in flight will make durable.
    syncing: Option<u64>,
}

impl Disk {
    const HEAD: usize = 8;

    /// Appends a record and says how many there are: it is durable once [`Self::durable`] is that.
    pub(crate) fn append(&mut self, record: &[u8]) -> u64 {
        let length = u32::try_from(record.len()).expect("a record is a few megabytes at most");
        let mut frame = Vec::with_capacity(Self::HEAD + record.len());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&crc32fast::hash(record).to_le_bytes());
        frame.extend_from_slice(record);
        self.frames.push(frame);
        self.appended()
    }

    /// How many records were ever appended.
    pub(crate) fn appended(&self) -> u64 {
        self.dropped + self.frames.len() as u64
    }

    /// How many of them are durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// Begins to write what was appended; `false` if there is nothing, or a sync is in flight.
    pub(crate) fn begin_sync(&mut self) -> bool {
        if self.syncing.is_some() || self.durable == self.appended() {
            return false;
        }
        self.syncing = Some(self.appended());
        true
    }

    /// The sync in flight has ended.
    pub(crate) fn end_sync(&mut self) {
        if let Some(durable) = self.syncing.take() {
            self.durable = durable;
        }
    }

    /// The power fails: a random part of what was not durable is lost, perhaps in the middle of a
    /// record.
    pub(crate) fn crash(&mut self, random: &mut ChaCha8Rng) {
        self.syncing = None;
        let kept = usize::try_from(random.gen_range(self.durable..=self.appended()) - self.dropped)
            .expect("frames are in memory");
        let torn = self.frames.get(kept).map(|frame| {
            let bytes = random.gen_range(0..frame.len());
            frame[..bytes].to_vec()
        });
        self.frames.truncate(kept);
        self.frames.extend(torn.filter(|torn| !torn.is_empty()));
    }

    /// Reads the records after a start and cuts off a torn one; all that is left is durable.
    pub(crate) fn recover(&mut self) -> Vec<Vec<u8>> {
        let whole = self.frames.iter().map_while(|frame| whole(frame)).count();
        self.frames.truncate(whole);
        self.durable = self.appended();
        self.frames.iter().map(|frame| frame[Self::HEAD..].to_vec()).collect()
    }

    /// Drops records, by their place among those that [`Self::recover`] gave.
    pub(crate) fn drop_records(&mut self, is_dropped: &[bool]) {
        let before = self.frames.len();
        let mut places = is_dropped.iter();
        self.frames.retain(|_| !places.next().copied().unwrap_or(false));
        self.dropped += (before - self.frames.len()) as u64;
    }

    /// The disk is replaced by an empty one.
    pub(crate) fn wipe(&mut self) {
        *self = Self::default();
    }
}

/// The record in a frame, if it was written to its end.
fn whole(frame: &[u8]) -> Option<&[u8]> {
    let (length, rest) = frame.split_first_chunk::<4>()?;
    let (crc, record) = rest.split_first_chunk::<4>()?;
    let is_whole = u32::from_le_bytes(*length) as usize == record.len()
        && u32::from_le_bytes(*crc) == crc32fast::hash(record);
    is_whole.then_some(record)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_crash_keeps_all_that_is_durable_and_nothing_torn() {
        for seed in 0..200 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut disk = Disk::default();
            for record in 0..5_u8 {
                disk.append(&[record; 9]);
            }
            assert!(disk.begin_sync() && !disk.begin_sync());
            for record in 5..10_u8 {
                disk.append(&[record; 9]);
            }
            disk.end_sync();
            assert_eq!(disk.durable(), 5);
            disk.crash(&mut random);
            let records = disk.recover();
            assert!((5..=10).contains(&records.len()));
            assert!(records.iter().zip(0_u8..).all(|(record, fill)| *record == [fill; 9]));
        }
    }

    #[test]
    fn dropped_records_do_not_come_back_and_count_all_the_same() {
        let mut disk = Disk::default();
        for record in 0..4_u8 {
            disk.append(&[record]);
        }
        assert_eq!(disk.recover().len(), 4);
        disk.drop_records(&[true, false, true, false]);
        assert_eq!(disk.recover(), [[1], [3]]);
        assert_eq!((disk.append(&[4]), disk.durable()), (5, 4));
    }
}
