//! Accounts whose signatures nobody looks at.

use super::{Done, control};
use crate::{dispatch::Call, error::Error};

/// Answers `devnet_impersonateAccount`.
///
/// # Errors
/// None of the specification.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn start(call: &Call<'_>) -> Result<Done, Error> {
    control(call)?.impersonate(call.params.required("account_address")?);
    Ok(Done {})
}

/// Answers `devnet_stopImpersonateAccount`.
///
/// # Errors
/// None of the specification.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn stop(call: &Call<'_>) -> Result<Done, Error> {
    control(call)?.stop_impersonating(call.params.required("account_address")?);
    Ok(Done {})
}

/// Answers `devnet_autoImpersonate`.
///
/// # Errors
/// None of the specification.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn start_all(call: &Call<'_>) -> Result<Done, Error> {
    control(call)?.impersonate_all(true);
    Ok(Done {})
}

/// Answers `devnet_stopAutoImpersonate`.
///
/// # Errors
/// None of the specification.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn stop_all(call: &Call<'_>) -> Result<Done, Error> {
    control(call)?.impersonate_all(false);
    Ok(Done {})
}
