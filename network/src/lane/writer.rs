//! From a queue to a stream.

use std::{collections::VecDeque, io, sync::Arc};

use futures::{AsyncWrite, AsyncWriteExt};

use super::Queue;
use crate::frame;

/// Frames up to this size are copied together into one write.
const COPIED_MAX: usize = 8 << 10;

/// A write of small frames is not much larger than this.
const WRITE_BYTES: usize = 32 << 10;

/// Writes what comes into a queue, in order. Small frames share a write; large ones are not copied.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    queue: Arc<Queue>,
    stream: W,
    /// Encoded, but not written: lengths and small frames.
    buffer: Vec<u8>,
    /// How many frames end in the buffer, and their bytes.
    frames: usize,
    bytes: usize,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(crate) fn new(queue: Arc<Queue>, stream: W) -> Self {
        let buffer = Vec::with_capacity(WRITE_BYTES + COPIED_MAX + frame::LENGTH_BYTES);
        Self { queue, stream, buffer, frames: 0, bytes: 0 }
    }

    /// Runs until the stream breaks, and returns why.
    pub(crate) async fn run(mut self) -> io::Error {
        loop {
            if let Err(error) = self.write_queued().await {
                return error;
            }
        }
    }

    /// Waits for frames, writes them, and flushes if no more have come meanwhile.
    async fn write_queued(&mut self) -> io::Result<()> {
        let mut taken = VecDeque::new();
        self.queue.take(&mut taken).await;
        for frame in taken {
            self.buffer.extend_from_slice(&frame::length_of(&frame));
            self.frames += 1;
            self.bytes += frame.len();
            if frame.len() <= COPIED_MAX {
                self.buffer.extend_from_slice(&frame);
                if WRITE_BYTES <= self.buffer.len() {
                    self.write_buffer().await?;
                }
            } else {
                self.stream.write_all(&self.buffer).await?;
                self.buffer.clear();
                self.stream.write_all(&frame).await?;
                self.write_buffer().await?;
            }
        }
        self.write_buffer().await?;
        if self.queue.is_empty() {
            self.stream.flush().await?;
        }
        Ok(())
    }

    async fn write_buffer(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.queue.written(std::mem::take(&mut self.frames), std::mem::take(&mut self.bytes));
        Ok(())
    }
}
