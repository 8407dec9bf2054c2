//! States of the chain to come back to.
//!
//! A snapshot is the newest block: what is open when it is taken, is closed first.

use std::sync::Arc;

use super::{Done, control};
use crate::{
    dispatch::Call,
    dto::felt::Hex,
    error::Error,
    params::{FromInput, Input, InvalidParams},
};

/// Answers `devnet_snapshot` with the id of the snapshot.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn snapshot(call: &Call<'_>) -> Result<Hex<u64>, Error> {
    let control = control(call)?;
    let id = call.context.exclusively(async move { control.snapshot().await }).await?;
    call.context.recorder.mark(id);
    Ok(Hex(id))
}

/// The id of a snapshot, as `devnet_snapshot` gives it; decimal digits will do as well.
#[derive(Clone, Copy, Debug)]
struct SnapshotId(u64);

impl FromInput for SnapshotId {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let text = input.text()?;
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Self).map_err(|_| input.expected("the id of a snapshot, such as 0x1"))
    }
}

/// Answers `devnet_revert`: `false` if there is no such snapshot, or it is used up.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn revert(call: &Call<'_>) -> Result<bool, Error> {
    let SnapshotId(id) = call.params.required("snapshot_id")?;
    let control = control(call)?;
    let is_reverted = call.context.exclusively(async move { control.revert(id).await }).await?;
    if is_reverted {
        let recorder = Arc::clone(&call.context.recorder);
        call.context.read(move || recorder.go_back(id)).await?;
    }
    Ok(is_reverted)
}

/// Answers `devnet_restart`: back to block 0, as if the node had just been started. There is no L1
/// whose messages could be kept.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn restart(call: &Call<'_>) -> Result<Done, Error> {
    let _: Option<bool> = call.params.optional("restart_l1_to_l2_messaging")?;
    begin_anew(call).await?;
    Ok(Done {})
}

/// Back to block 0, with nothing recorded.
///
/// # Errors
/// [`Error::Devnet`].
pub(super) async fn begin_anew(call: &Call<'_>) -> Result<(), Error> {
    let control = control(call)?;
    call.context.exclusively(async move { control.restart().await }).await?;
    let recorder = Arc::clone(&call.context.recorder);
    call.context.read(move || recorder.forget()).await
}
