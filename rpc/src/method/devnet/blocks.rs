//! When blocks end, what time they have, and which of them stay.

use kraken_sequencer::DevControl;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::block::{BlockHash, BlockNumber};
use starknet_types_core::felt::Felt;

use super::control;
use crate::{dispatch::Call, dto::block_id::BlockId, error::Error, schema};

/// The answer to `devnet_createBlock`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CREATED_BLOCK")]
pub(crate) struct CreatedBlock {
    #[schemars(with = "schema::BlockHash")]
    block_hash: Felt,
}

/// Answers `devnet_createBlock`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn create_block(call: &Call<'_>) -> Result<CreatedBlock, Error> {
    Ok(CreatedBlock { block_hash: control(call)?.create_block().await?.0 })
}

/// The answer to `devnet_setTime`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TIME_SET")]
pub(crate) struct TimeSet {
    block_timestamp: u64,
    #[schemars(with = "Option<schema::BlockHash>")]
    block_hash: Option<Felt>,
}

/// Answers `devnet_setTime`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn set_time(call: &Call<'_>) -> Result<TimeSet, Error> {
    let time = call.params.required("time")?;
    let generate_block = call.params.optional("generate_block")?.unwrap_or(true);
    let control = control(call)?;
    put_time(call, &control, time).await?;
    let block_hash = if generate_block { Some(control.create_block().await?.0) } else { None };
    Ok(TimeSet { block_timestamp: time, block_hash })
}

/// The next block has this time, in seconds.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn put_time(
    call: &Call<'_>,
    control: &DevControl,
    seconds: u64,
) -> Result<(), Error> {
    let clock = control.clone();
    call.context.read(move || Ok(clock.set_time(seconds)?)).await
}

/// The answer to `devnet_increaseTime`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TIME_INCREASED")]
pub(crate) struct TimeIncreased {
    timestamp_increased_by: u64,
    #[schemars(with = "schema::BlockHash")]
    block_hash: Felt,
}

/// Answers `devnet_increaseTime`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn increase_time(call: &Call<'_>) -> Result<TimeIncreased, Error> {
    let time = call.params.required("time")?;
    let control = control(call)?;
    control.increase_time(time);
    let block_hash = control.create_block().await?.0;
    Ok(TimeIncreased { timestamp_increased_by: time, block_hash })
}

/// The answer to `devnet_abortBlocks`: newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ABORTED_BLOCKS")]
pub(crate) struct Aborted {
    #[schemars(with = "Vec<schema::BlockHash>")]
    aborted: Vec<Felt>,
}

/// Answers `devnet_abortBlocks`. An open block is closed first, and then taken back.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::Devnet`].
pub(crate) async fn abort_blocks(call: &Call<'_>) -> Result<Aborted, Error> {
    let control = control(call)?;
    let first = closed(call, &control).await?;
    let abort = async move { control.abort_from(first).await };
    let aborted = call.context.exclusively(abort).await?;
    Ok(Aborted { aborted: felts(aborted) })
}

/// The answer to `devnet_acceptOnL1`: newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ACCEPTED_BLOCKS")]
pub(crate) struct AcceptedOnL1 {
    #[schemars(with = "Vec<schema::BlockHash>")]
    accepted: Vec<Felt>,
}

/// Answers `devnet_acceptOnL1`: the block and all before it. Nothing happens on any L1.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::Devnet`].
pub(crate) async fn accept_on_l1(call: &Call<'_>) -> Result<AcceptedOnL1, Error> {
    let block_id: BlockId = call.params.required("starting_block_id")?;
    let view = call.view.clone();
    let number = call.context.read(move || block_id.number(&view)).await?;
    let accepted = control(call)?.accept_on_l1(number).await?;
    Ok(AcceptedOnL1 { accepted: felts(accepted) })
}

/// The number of the block that is meant; the open one is closed.
async fn closed(call: &Call<'_>, control: &DevControl) -> Result<BlockNumber, Error> {
    let block_id: BlockId = call.params.required("starting_block_id")?;
    if block_id == BlockId::PreConfirmed {
        control.create_block().await?;
        return Ok(call.context.sequencer.view().latest());
    }
    let view = call.view.clone();
    call.context.read(move || block_id.number(&view)).await
}

fn felts(hashes: Vec<BlockHash>) -> Vec<Felt> {
    hashes.into_iter().map(|hash| hash.0).collect()
}
