//! `starknet_syncing`.

use kraken_sequencer::{BlockAt, Distance};
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::block::BlockNumber;
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    error::{Error, Internal},
    schema,
};

/// FALSE or SYNC_STATUS.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Syncing {
    No(#[schemars(extend("const" = false))] bool),
    Yes(Status),
}

/// SYNC_STATUS.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SYNC_STATUS")]
pub(crate) struct Status {
    #[schemars(with = "schema::BlockHash")]
    starting_block_hash: Felt,
    #[schemars(with = "u64")]
    starting_block_num: BlockNumber,
    #[schemars(with = "schema::BlockHash")]
    current_block_hash: Felt,
    #[schemars(with = "u64")]
    current_block_num: BlockNumber,
    #[schemars(with = "schema::BlockHash")]
    highest_block_hash: Felt,
    #[schemars(with = "u64")]
    highest_block_num: BlockNumber,
}

/// Answers `starknet_syncing`: a node is syncing while it is some blocks behind the others.
///
/// # Errors
/// [`Error::Internal`] if the disk refuses.
pub(crate) fn answer(call: &Call<'_>) -> Result<Syncing, Error> {
    let Distance::Behind { from, to, hash } = call.context.sequencer.distance() else {
        return Ok(Syncing::No(false));
    };
    let current = call.view.latest();
    // The blocks behind which it began may not all have been accepted here.
    let from = from.min(current);
    if to <= current {
        return Ok(Syncing::No(false));
    }
    Ok(Syncing::Yes(Status {
        starting_block_hash: hash_of(call, from)?,
        starting_block_num: from,
        current_block_hash: hash_of(call, current)?,
        current_block_num: current,
        highest_block_hash: hash.0,
        highest_block_num: to,
    }))
}

fn hash_of(call: &Call<'_>, number: BlockNumber) -> Result<Felt, Error> {
    match call.view.block(number)? {
        Some(BlockAt::Closed(block)) => Ok(block.header.hash.0),
        Some(BlockAt::Unsealed(_)) | None => {
            Err(Internal::Broken { what: "an accepted block is not closed" }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_that_is_behind_says_where_it_is() {
        let status = Status {
            starting_block_hash: Felt::ONE,
            starting_block_num: BlockNumber(2),
            current_block_hash: Felt::TWO,
            current_block_num: BlockNumber(3),
            highest_block_hash: Felt::THREE,
            highest_block_num: BlockNumber(40),
        };
        let said = serde_json::to_value(Syncing::Yes(status)).expect("JSON");
        let expected = json!({
            "starting_block_hash": "0x1", "starting_block_num": 2,
            "current_block_hash": "0x2", "current_block_num": 3,
            "highest_block_hash": "0x3", "highest_block_num": 40,
        });
        assert_eq!(said, expected);
        assert_eq!(serde_json::to_value(Syncing::No(false)).expect("JSON"), json!(false));
    }
}
