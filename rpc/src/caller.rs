//! Who asks, and how.

use crate::{error::Error, socket::session::Line, version::Version};

/// Who asks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The version of the specification that the caller speaks.
    pub(crate) version: Version,
    /// Where subscriptions are opened; `None` over HTTP.
    pub(crate) line: Option<Line>,
}

impl Caller {
    /// Someone who sends one request over HTTP, or the node itself.
    pub(crate) const fn over_http(version: Version) -> Self {
        Self { version, line: None }
    }

    /// Where subscriptions are opened.
    ///
    /// # Errors
    /// [`Error::SocketOnly`] over HTTP, where nobody could be told of anything.
    pub(crate) fn line(&self, method: &'static str) -> Result<&Line, Error> {
        self.line.as_ref().ok_or(Error::SocketOnly { method })
    }
}
