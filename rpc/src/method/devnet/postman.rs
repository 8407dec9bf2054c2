//! Messages between L1 and L2: there is no L1 here, and these methods say so.

use super::Done;
use crate::{dispatch::Call, error::Error};

/// Answers all `devnet_postman…` methods.
///
/// # Errors
/// Always [`Error::Devnet`].
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn refuse(_: &Call<'_>) -> Result<Done, Error> {
    let reason = "no L1 is connected: this node carries no messages between L1 and L2";
    Err(Error::Devnet { reason: reason.to_owned() })
}
