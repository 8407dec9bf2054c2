//! Why a socket ends, and what its peer is told of that.

use axum::extract::ws::{CloseFrame, close_code};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use crate::error::Error;

/// Why a socket ends.
#[derive(Debug)]
pub(super) enum End {
    /// The peer is gone, or said goodbye.
    Gone,
    /// The peer did not answer pings.
    Silent,
    /// The server shuts down.
    Stops,
    /// The reader is too slow, and by how much.
    Slow(String),
    /// What came is longer than a message may be.
    TooLong(String),
    /// What came is no message.
    Malformed(String),
    /// Our fault.
    Failed(Error),
}

impl End {
    /// What a failure to read means.
    pub(super) fn of(error: axum::Error) -> Self {
        let error = error.into_inner();
        match error.downcast_ref::<tungstenite::Error>() {
            Some(tungstenite::Error::Capacity(_)) => Self::TooLong(error.to_string()),
            Some(
                tungstenite::Error::ConnectionClosed
                | tungstenite::Error::AlreadyClosed
                | tungstenite::Error::Io(_)
                | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            ) => Self::Gone,
            Some(_) | None => Self::Malformed(error.to_string()),
        }
    }

    /// What an operator sees of it; `None` if it is nothing special.
    pub(super) const fn label(&self) -> Option<&'static str> {
        match self {
            Self::Gone | Self::Stops => None,
            Self::Silent => Some("silent"),
            Self::Slow(_) => Some("slow"),
            Self::TooLong(_) | Self::Malformed(_) => Some("malformed"),
            Self::Failed(_) => Some("failed"),
        }
    }

    /// What the peer is told; `None` if nobody is there.
    pub(super) fn farewell(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone | Self::Silent => return None,
            Self::Stops => (close_code::AWAY, "the node shuts down".to_owned()),
            Self::Slow(how) => {
                (close_code::POLICY, format!("this socket is read too slowly: {how}"))
            }
            Self::TooLong(what) => (close_code::SIZE, what.clone()),
            Self::Malformed(what) => (close_code::PROTOCOL, what.clone()),
            Self::Failed(error) => (close_code::ERROR, error.to_string()),
        };
        Some(CloseFrame { code, reason: short(&reason).into() })
    }
}

/// As much of a reason as a close frame has room for.
fn short(reason: &str) -> &str {
    const BYTES_MAX: usize = 123;
    &reason[..reason.floor_char_boundary(BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_its_frame_and_stays_text() {
        let frame = End::Malformed("\u{fc}".repeat(200)).farewell().expect("somebody is there");
        assert!(frame.reason.len() <= 123 && frame.reason.chars().all(|it| it == '\u{fc}'));
        assert_eq!(frame.reason.chars().count(), 61);
        assert!(End::Gone.farewell().is_none());
    }
}
