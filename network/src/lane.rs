//! The two ends of a lane: a queue and what empties it into a stream. Frames are read by
//! [`crate::frame::Frames`].

mod queue;
mod writer;

pub(crate) use queue::Queue;
pub(crate) use writer::Writer;
