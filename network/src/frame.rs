//! Frames: a length of four bytes, big-endian, and as many bytes.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The length before a frame, in bytes.
pub(crate) const LENGTH_BYTES: usize = 4;

/// How many bytes of a reader wait in memory; also the first step of a large frame's own memory.
const BUFFER_BYTES: usize = 32 << 10;

/// So many addresses are set aside for a frame at once, because moving it as it grows costs more
/// than reading it. They take no memory before they are touched.
const RESERVED_MAX: usize = 1 << 20;

/// Why the next bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The limit was checked before any memory was taken.
    #[error("a frame of {bytes} bytes is larger than {max}")]
    Oversized { bytes: usize, max: usize },
    /// The stream ended or broke.
    #[error("the stream broke")]
    Io(#[from] io::Error),
}

/// The four bytes before a frame.
///
/// # Panics
/// Never: who sends has compared the frame with a limit below 2^32 before.
pub(crate) fn length_of(frame: &[u8]) -> [u8; LENGTH_BYTES] {
    u32::try_from(frame.len()).expect("limits of frames are below 2^32").to_be_bytes()
}

fn check(length: [u8; LENGTH_BYTES], max: usize) -> Result<usize, FrameError> {
    // A length beyond the address space is beyond every limit too.
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if max < bytes {
        return Err(FrameError::Oversized { bytes, max });
    }
    Ok(bytes)
}

/// Writes one frame and flushes.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    stream.write_all(&length_of(frame)).await?;
    stream.write_all(frame).await?;
    stream.flush().await
}

/// Reads one frame and not a byte more.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<Bytes, FrameError> {
    let mut length = [0; LENGTH_BYTES];
    stream.read_exact(&mut length).await?;
    let bytes = check(length, max)?;
    Ok(read_rest(stream, &[], bytes).await?)
}

/// Reads a frame of which some bytes are here already. Memory is touched as bytes arrive, never more
/// than twice as many.
async fn read_rest(
    stream: &mut (impl AsyncRead + Unpin),
    start: &[u8],
    bytes: usize,
) -> io::Result<Bytes> {
    let mut frame = Vec::with_capacity(bytes.min(RESERVED_MAX));
    frame.extend_from_slice(start);
    while frame.len() < bytes {
        let have = frame.len();
        frame.resize(bytes.min(BUFFER_BYTES.max(2 * have)), 0);
        let mut filled = have;
        while filled < frame.len() {
            match stream.read(&mut frame[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
    }
    Ok(Bytes::from(frame))
}

/// The frames of a stream, one after the other.
///
/// Small frames are copied out of one buffer, so that keeping one does not keep its neighbours;
/// large ones are read into memory of their own.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    stream: R,
    frame_bytes_max: usize,
    buffer: Box<[u8]>,
    /// The bytes of the buffer that were read and not yet given out.
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(stream: R, frame_bytes_max: usize) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { stream, frame_bytes_max, buffer, start: 0, end: 0 }
    }

    /// The next frame.
    ///
    /// # Errors
    /// Afterwards the stream is useless.
    pub(crate) async fn next(&mut self) -> Result<Bytes, FrameError> {
        self.fill(LENGTH_BYTES).await?;
        let mut length = [0; LENGTH_BYTES];
        length.copy_from_slice(&self.buffer[self.start..self.start + LENGTH_BYTES]);
        let bytes = check(length, self.frame_bytes_max)?;
        self.start += LENGTH_BYTES;
        if self.buffer.len() < bytes {
            let here = &self.buffer[self.start..self.end];
            let frame = read_rest(&mut self.stream, here, bytes).await?;
            (self.start, self.end) = (0, 0);
            return Ok(frame);
        }
        self.fill(bytes).await?;
        let frame = Bytes::copy_from_slice(&self.buffer[self.start..self.start + bytes]);
        self.start += bytes;
        Ok(frame)
    }

    /// Reads until this many bytes are in the buffer, which has room for them.
    async fn fill(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer.len() < self.start + bytes {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end < self.start + bytes {
            match self.stream.read(&mut self.buffer[self.end..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.end += read,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{TryStreamExt, executor::block_on, io::Cursor, stream};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn in_pieces(bytes: &[u8], piece: usize) -> impl AsyncRead + Unpin + use<> {
        let pieces: Vec<_> = bytes.chunks(piece).map(|piece| Ok(piece.to_vec())).collect();
        stream::iter(pieces).into_async_read()
    }

    proptest! {
        /// However the bytes are cut into pieces, the frames are those that were written.
        #[test]
        fn frames_come_out_as_they_went_in(
            lengths in vec(prop_oneof![0_usize..200, 30_000_usize..70_000], 0..8),
            piece in 1_usize..50_000,
        ) {
            let frames: Vec<Vec<u8>> =
                (0_u8..).zip(lengths).map(|(fill, length)| vec![fill; length]).collect();
            let mut wire = Vec::new();
            for frame in &frames {
                wire.extend(length_of(frame));
                wire.extend(frame);
            }
            let mut reader = Frames::new(in_pieces(&wire, piece), 70_000);
            let mut stream = in_pieces(&wire, piece);
            for frame in &frames {
                prop_assert_eq!(&block_on(reader.next()).expect("a frame")[..], &frame[..]);
                prop_assert_eq!(&block_on(read(&mut stream, 70_000)).expect("a frame")[..], &frame[..]);
            }
            prop_assert!(matches!(block_on(reader.next()), Err(FrameError::Io(_))));
        }

        /// Any bytes end in an error, not in a panic, and no frame exceeds the limit.
        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300), max in 0_usize..100) {
            let mut reader = Frames::new(Cursor::new(bytes), max);
            while let Ok(frame) = block_on(reader.next()) {
                prop_assert!(frame.len() <= max);
            }
        }
    }

    #[test]
    fn a_large_claim_takes_no_memory() {
        let wire = u32::MAX.to_be_bytes();
        let oversized = block_on(read(&mut Cursor::new(wire), 10));
        assert!(matches!(oversized, Err(FrameError::Oversized { max: 10, .. })), "{oversized:?}");
        // Even where the limit allows it, what is not sent is not there.
        let cut = block_on(read(&mut Cursor::new(wire), usize::MAX));
        assert!(matches!(cut, Err(FrameError::Io(_))), "{cut:?}");
    }
}
