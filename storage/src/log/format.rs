//! The bytes of a segment file.
//!
//! ```text
//! segment header, 16 bytes   "krakenlg" | format version u32 | segment number u32
//! record header, 16 bytes    payload length u32 | group u32 | payload crc32 u32 | header crc32 u32
//! payload
//! record header …
//! ```
//!
//! Numbers are little endian. The header checksum covers the segment number, the record's own
//! offset and the first three fields, so a header is found again behind damage, and never where it
//! was not written. *Group* is the offset in this segment up to which everything was durable before
//! the record was written. It tells what a crash may leave from what it may not: an unreadable
//! record before the group of a readable one was durable once, so it is damage.

use super::RECORD_BYTES_MAX;

/// Bytes before the first record of a segment.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 16;

/// Bytes before the payload of a record.
pub(super) const RECORD_HEADER_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"krakenlg";
const VERSION: u32 = 1;

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Bytes of the payload.
    pub(super) length: u32,
    /// Everything before this offset was durable when the record was written.
    pub(super) group: u32,
    /// Over the payload.
    pub(super) checksum: u32,
}

/// Bytes of a record with a payload of that many bytes.
pub(super) fn record_bytes(payload: usize) -> u64 {
    RECORD_HEADER_BYTES as u64 + payload as u64
}

/// Whether a record of that many bytes, header included, belongs into the next segment.
pub(super) fn is_full(offset: u64, record: u64, segment_bytes: u64) -> bool {
    offset != SEGMENT_HEADER_BYTES && segment_bytes < offset + record
}

/// The header of a segment.
pub(super) fn segment_header(segment: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..].copy_from_slice(&segment.to_le_bytes());
    bytes
}

impl RecordHeader {
    /// Describes a payload, which must not be longer than [`RECORD_BYTES_MAX`].
    pub(super) fn of(payload: &[u8], group: u64) -> Self {
        Self {
            length: u32::try_from(payload.len()).expect("payloads are at most 64 MiB"),
            group: u32::try_from(group).expect("segments are little more than 64 MiB"),
            checksum: crc32fast::hash(payload),
        }
    }

    /// The header as it is written at this place.
    pub(super) fn encode(self, segment: u32, offset: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.group.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = header_checksum(&bytes[..12], segment, offset);
        bytes[12..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header at this place; `None` if no record was written there.
    pub(super) fn decode(bytes: &[u8], segment: u32, offset: u64) -> Option<Self> {
        let (fields, rest) = bytes.split_first_chunk::<12>()?;
        let (checksum, _) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*checksum) != header_checksum(fields, segment, offset) {
            return None;
        }
        let field = |at: usize| {
            u32::from_le_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]])
        };
        let header = Self { length: field(0), group: field(4), checksum: field(8) };
        (header.payload_bytes() <= RECORD_BYTES_MAX).then_some(header)
    }

    /// Bytes of the payload.
    pub(super) fn payload_bytes(self) -> usize {
        self.length as usize
    }

    /// Whether this is the payload that was written.
    pub(super) fn matches(self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes() && crc32fast::hash(payload) == self.checksum
    }
}

fn header_checksum(fields: &[u8], segment: u32, offset: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(fields);
    hasher.finalize()
}

/// The record at this offset of a whole segment; `None` if there is none, or not whole.
fn record_at(segment: u32, bytes: &[u8], offset: usize) -> Option<(RecordHeader, usize)> {
    let header = RecordHeader::decode(bytes.get(offset..)?, segment, offset as u64)?;
    let start = offset + RECORD_HEADER_BYTES;
    let end = start.checked_add(header.payload_bytes())?;
    header.matches(bytes.get(start..end)?).then_some((header, end))
}

/// What the last segment of a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the whole records end.
    pub(super) end: u64,
    /// Where the last of them starts.
    pub(super) last: Option<u64>,
}

/// A record that was durable once and is not readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Where the record starts.
    pub(super) offset: u64,
}

/// Reads the records of a segment up to the first one that is not whole.
///
/// What follows that one must be no proof that it was durable; otherwise it is [`Damage`].
pub(super) fn scan(segment: u32, bytes: &[u8]) -> Result<Scan, Damage> {
    let mut end = usize::try_from(SEGMENT_HEADER_BYTES).expect("16 fits");
    let mut last = None;
    while let Some((_, next)) = record_at(segment, bytes, end) {
        last = Some(end as u64);
        end = next;
    }
    let proves_damage = |offset| {
        record_at(segment, bytes, offset).is_some_and(|(header, _)| end < header.group as usize)
    };
    if (end + 1..bytes.len()).any(proves_damage) {
        return Err(Damage { offset: end as u64 });
    }
    Ok(Scan { end: end as u64, last })
}
