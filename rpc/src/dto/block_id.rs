//! Which block a caller means.

use kraken_sequencer::{BlockAt, View};
use starknet_api::block::{BlockHash, BlockNumber};

use crate::{
    error::Error,
    params::{FromInput, Input, InvalidParams},
};

/// BLOCK_ID: a hash, a number or a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockId {
    /// The closed block with this hash.
    Hash(BlockHash),
    /// The block with this number, closed or not.
    Number(BlockNumber),
    /// The newest closed block.
    Latest,
    /// The open block.
    PreConfirmed,
    /// The newest block that is accepted on L1. No L1 is connected, so there is one only where a
    /// developer said so.
    L1Accepted,
}

/// BLOCK_ID, but not the tag of the open block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettledBlockId(pub(crate) BlockId);

impl BlockId {
    /// The number of the block that is meant; it exists.
    ///
    /// # Errors
    /// [`Error::BlockNotFound`].
    pub(crate) fn number(self, view: &View) -> Result<BlockNumber, Error> {
        let open = view.pre_confirmed().info.block_number;
        match self {
            Self::Hash(hash) => view.number_of(hash)?.ok_or(Error::BlockNotFound),
            Self::Number(number) if number <= open => Ok(number),
            Self::Number(_) => Err(Error::BlockNotFound),
            Self::L1Accepted => view.accepted_on_l1().ok_or(Error::BlockNotFound),
            Self::Latest => Ok(view.latest()),
            Self::PreConfirmed => Ok(open),
        }
    }

    /// The block that is meant.
    ///
    /// # Errors
    /// [`Error::BlockNotFound`].
    pub(crate) fn block(self, view: &View) -> Result<BlockAt, Error> {
        view.block(self.number(view)?)?.ok_or(Error::BlockNotFound)
    }
}

impl FromInput for BlockId {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        const EXPECTED: &str = "latest, pre_confirmed, l1_accepted, {block_hash} or {block_number}";
        if input.is_text() {
            return match input.text()?.as_ref() {
                "latest" => Ok(Self::Latest),
                "pre_confirmed" => Ok(Self::PreConfirmed),
                "l1_accepted" => Ok(Self::L1Accepted),
                _ => Err(input.expected(EXPECTED)),
            };
        }
        let mut fields = input.fields().map_err(|_| input.expected(EXPECTED))?;
        let hash = fields.optional("block_hash")?;
        let number = fields.optional("block_number")?;
        fields.finish()?;
        match (hash, number) {
            (Some(hash), None) => Ok(Self::Hash(BlockHash(hash))),
            (None, Some(number)) => Ok(Self::Number(BlockNumber(number))),
            (Some(_), Some(_)) | (None, None) => Err(input.expected(EXPECTED)),
        }
    }
}

impl FromInput for SettledBlockId {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match BlockId::from_input(input)? {
            BlockId::PreConfirmed => {
                Err(input.expected("latest, l1_accepted, {block_hash} or {block_number}"))
            }
            other @ (BlockId::Hash(_)
            | BlockId::Number(_)
            | BlockId::Latest
            | BlockId::L1Accepted) => Ok(Self(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use starknet_types_core::felt::Felt;

    use super::*;
    use crate::{params::Path, version::Version};

    fn read(json: &str) -> Result<BlockId, String> {
        let raw: Box<RawValue> = serde_json::from_str(json).expect("valid JSON");
        BlockId::from_input(&Input::new(
            Path::Field(&Path::Root, "block_id"),
            &raw,
            Version::NEWEST,
        ))
        .map_err(|error| error.to_string())
    }

    #[test]
    fn a_block_is_a_hash_a_number_or_a_tag() {
        assert_eq!(read(r#""latest""#), Ok(BlockId::Latest));
        assert_eq!(read(r#""pre_confirmed""#), Ok(BlockId::PreConfirmed));
        assert_eq!(read(r#""l1_accepted""#), Ok(BlockId::L1Accepted));
        assert_eq!(read(r#"{"block_number": 7}"#), Ok(BlockId::Number(BlockNumber(7))));
        let hash = BlockHash(Felt::from(7));
        assert_eq!(read(r#"{"block_hash": "0x7"}"#), Ok(BlockId::Hash(hash)));
    }

    #[test]
    fn anything_else_is_refused_with_the_choices() {
        for json in
            [r#""pending""#, "7", "null", "{}", r#"{"block_number": 7, "block_hash": "0x7"}"#]
        {
            let message = read(json).expect_err(json);
            assert!(message.starts_with("block_id: expected latest, pre_confirmed"), "{message}");
        }
        let message = read(r#"{"block_number": -1}"#).expect_err("negative");
        assert!(message.starts_with("block_id.block_number: "), "{message}");
        let message = read(r#"{"number": 1}"#).expect_err("unknown");
        assert!(message.starts_with("block_id.number: unknown field"), "{message}");
    }
}
