//! Field elements, and the numbers that are written like them.

use std::fmt;

use kraken_execution::{Call, L1Message};
use serde::{Serialize, Serializer};
use starknet_api::{
    core::{
        ClassHash, CompiledClassHash, ContractAddress, EntryPointSelector, EthAddress, Nonce,
        PatriciaKey,
    },
    state::StorageKey,
    transaction::TransactionHash,
};
use starknet_types_core::felt::Felt;

use crate::params::{FromInput, Input, InvalidParams};

/// The order of the field, 2^251 + 17 · 2^192 + 1, in big-endian bytes.
const PRIME: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 0x08;
    bytes[7] = 0x11;
    bytes[31] = 0x01;
    bytes
};

/// A number in minimal hexadecimal, as the specification writes `u64` and `u128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex<T>(pub(crate) T);

impl<T: fmt::LowerHex> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl FromInput for Felt {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let expected = || input.expected("a field element, 0x and hexadecimal digits");
        let text = input.text()?;
        let digits = text.strip_prefix("0x").ok_or_else(expected)?;
        let significant = digits.trim_start_matches('0');
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(expected());
        }
        let bytes = to_bytes(significant).filter(|bytes| *bytes < PRIME).ok_or_else(|| {
            input.expected("a field element, which ends below 2^251 + 17·2^192 + 1")
        })?;
        Ok(Self::from_bytes_be(&bytes))
    }
}

/// Hexadecimal digits, checked by the caller, as a number; `None` beyond 2^256.
fn to_bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (place, digit) in digits.bytes().rev().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => digit - b'A' + 10,
        };
        *bytes.get_mut(31_usize.checked_sub(place / 2)?)? |= value << (4 * (place % 2));
    }
    Some(bytes)
}

impl FromInput for PatriciaKey {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Self::try_from(Felt::from_input(input)?)
            .map_err(|_| input.expected("a field element below 2^251"))
    }
}

impl FromInput for ContractAddress {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        PatriciaKey::from_input(input).map(Self)
    }
}

impl FromInput for StorageKey {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        PatriciaKey::from_input(input).map(Self)
    }
}

impl FromInput for ClassHash {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Felt::from_input(input).map(Self)
    }
}

impl FromInput for CompiledClassHash {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Felt::from_input(input).map(Self)
    }
}

impl FromInput for EntryPointSelector {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Felt::from_input(input).map(Self)
    }
}

impl FromInput for Nonce {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Felt::from_input(input).map(Self)
    }
}

impl FromInput for TransactionHash {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Felt::from_input(input).map(Self)
    }
}

/// A hash of L1: a number of 256 bits, which may be none of the field.
impl FromInput for Hex<[u8; 32]> {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        digits(input, |digits| {
            let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let significant = digits.trim_start_matches('0');
            if digits.is_empty() || !is_number { None } else { to_bytes(significant) }
        })
        .ok_or_else(|| input.expected("a hash of L1, 0x and at most 64 hexadecimal digits"))
        .map(Self)
    }
}

impl FromInput for Hex<u64> {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        digits(input, |digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| input.expected("a number below 2^64, 0x and hexadecimal digits"))
            .map(Self)
    }
}

impl FromInput for Hex<u128> {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        digits(input, |digits| u128::from_str_radix(digits, 16).ok())
            .ok_or_else(|| input.expected("a number below 2^128, 0x and hexadecimal digits"))
            .map(Self)
    }
}

/// Reads the digits after `0x`. A sign, which Rust would take, is not a digit.
fn digits<T>(input: &Input<'_>, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let text = input.text().ok()?;
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'))?;
    read(digits)
}

/// ETH_ADDRESS; leading zeros may be missing.
impl FromInput for EthAddress {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        Self::try_from(Felt::from_input(input)?)
            .map_err(|_| input.expected("an address of L1, below 2^160"))
    }
}

/// MSG_FROM_L1.
impl FromInput for L1Message {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let message = Self {
            from: fields.required("from_address")?,
            to: fields.required("to_address")?,
            selector: fields.required("entry_point_selector")?,
            payload: fields.required("payload")?,
        };
        fields.finish()?;
        Ok(message)
    }
}

impl FromInput for Call {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let call = Self {
            contract_address: fields.required("contract_address")?,
            selector: fields.required("entry_point_selector")?,
            calldata: fields.required("calldata")?,
        };
        fields.finish()?;
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::{params::Path, version::Version};

    fn read<T: FromInput>(json: &str) -> Result<T, String> {
        let raw: Box<RawValue> = serde_json::from_str(json).expect("valid JSON");
        T::from_input(&Input::new(Path::Field(&Path::Root, "it"), &raw, Version::NEWEST))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn field_elements_may_have_leading_zeros_and_capitals() {
        assert_eq!(read(r#""0x0""#), Ok(Felt::ZERO));
        assert_eq!(read(r#""0x00aBc""#), Ok(Felt::from(0xabc)));
        let max = "0x800000000000011000000000000000000000000000000000000000000000000";
        assert_eq!(read(&format!("{max:?}")), Ok(Felt::MAX));
        assert_eq!(read(&format!("\"0x{}1\"", "0".repeat(70))), Ok(Felt::ONE));
    }

    #[test]
    fn what_is_no_field_element_is_refused() {
        let prime = "0x800000000000011000000000000000000000000000000000000000000000001";
        let long = format!("0x1{}", "0".repeat(70));
        for text in ["", "1", "0x", "0xg", "0x-1", "0x+1", "0X1", "0xé", prime, long.as_str()] {
            let message = read::<Felt>(&format!("{text:?}")).expect_err(text);
            assert!(message.starts_with("it: expected a field element"), "{message}");
        }
        assert!(read::<Felt>("1").is_err(), "a number is not a field element");
    }

    #[test]
    fn addresses_and_keys_end_below_two_to_the_251() {
        let end = "0x800000000000000000000000000000000000000000000000000000000000000";
        let last = "0x7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
        for (text, fits) in [(end, false), (last, true)] {
            assert_eq!(read::<ContractAddress>(&format!("{text:?}")).is_ok(), fits, "{text}");
            assert_eq!(read::<StorageKey>(&format!("{text:?}")).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn numbers_keep_to_their_width() {
        assert_eq!(read(r#""0xffffffffffffffff""#), Ok(Hex(u64::MAX)));
        assert!(read::<Hex<u64>>(r#""0x10000000000000000""#).is_err());
        assert_eq!(read(r#""0x10000000000000000""#), Ok(Hex(1_u128 << 64)));
        assert!(read::<Hex<u128>>(r#""0x+1""#).is_err());
        assert_eq!(serde_json::to_string(&Hex(0_u64)).expect("text"), r#""0x0""#);
        assert_eq!(serde_json::to_string(&Hex(255_u128)).expect("text"), r#""0xff""#);
    }

    #[test]
    fn a_call_names_the_argument_that_is_wrong() {
        let call =
            r#"{"contract_address": "0x1", "entry_point_selector": "0x2", "calldata": ["0x3", 4]}"#;
        assert_eq!(read::<Call>(call), Err("it.calldata[1]: expected text, got 4".to_owned()),);
    }

    #[test]
    fn a_hash_of_l1_may_be_larger_than_the_field() {
        let all = format!("\"0x{}\"", "f".repeat(64));
        assert_eq!(read(&all).map(|Hex::<[u8; 32]>(bytes)| bytes), Ok([0xff; 32]));
        for wrong in ["7", "\"7\"", "\"0x\"", "\"0xg\"", &all.replace("0x", "0x1")] {
            assert!(read::<Hex<[u8; 32]>>(wrong).is_err(), "{wrong}");
        }
    }
}
