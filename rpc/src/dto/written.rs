//! Field elements as they leave: the text that [`Felt`] writes of itself, several times as fast.
//!
//! Most of an answer is field elements, and [`Felt`] puts each together of pieces, on the heap.
//! These are for `serde(serialize_with)`, where answers have many of them.

use std::str;

use serde::{Serialize, Serializer};
use starknet_api::transaction::{EventData, EventKey};
use starknet_types_core::felt::Felt;

/// `0x` and 64 digits.
const LENGTH: usize = 66;

/// Both digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

/// A field element in minimal hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written(pub(crate) Felt);

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text(self.0, &mut [b'0'; LENGTH]))
    }
}

/// Writes one.
pub(crate) fn felt<S: Serializer>(felt: &Felt, serializer: S) -> Result<S::Ok, S::Error> {
    Written(*felt).serialize(serializer)
}

/// Writes one, or null.
#[expect(clippy::ref_option, reason = "serde hands on what the field is")]
pub(crate) fn option<S: Serializer>(felt: &Option<Felt>, serializer: S) -> Result<S::Ok, S::Error> {
    felt.map(Written).serialize(serializer)
}

/// Writes the keys of an event.
pub(crate) fn keys<S: Serializer>(
    keys: &impl AsRef<[EventKey]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(keys.as_ref().iter().map(|EventKey(key)| Written(*key)))
}

/// Writes the data of an event.
pub(crate) fn data<S: Serializer>(data: &EventData, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(data.0.iter().copied().map(Written))
}

/// Puts the text of a number at the end of a buffer of zeros.
fn text(felt: Felt, buffer: &mut [u8; LENGTH]) -> &str {
    let (_, digits) = buffer.split_at_mut(2);
    let (pairs, _) = digits.as_chunks_mut();
    for (pair, byte) in pairs.iter_mut().zip(felt.to_bytes_be()) {
        *pair = PAIRS[usize::from(byte)];
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    // Of zero, one digit is left.
    let begin = zeros.min(LENGTH - 3);
    buffer[begin + 1] = b'x';
    buffer[begin] = b'0';
    str::from_utf8(&buffer[begin..]).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(felt: Felt) -> String {
        serde_json::to_string(&Written(felt)).expect("JSON")
    }

    #[test]
    fn every_length_is_written_as_the_felt_writes_itself() {
        assert_eq!(written(Felt::ZERO), "\"0x0\"");
        for bits in 0..252_u32 {
            let power = Felt::TWO.pow(bits);
            for felt in [power - Felt::ONE, power, power + Felt::ONE] {
                assert_eq!(written(felt), serde_json::to_string(&felt).expect("JSON"));
            }
        }
    }

    proptest! {
        #[test]
        fn any_number_is_written_as_the_felt_writes_itself(bytes in any::<[u8; 32]>()) {
            let felt = Felt::from_bytes_be(&bytes);
            prop_assert_eq!(written(felt), serde_json::to_string(&felt).expect("JSON"));
        }
    }

    #[test]
    fn lists_are_written_like_lists() {
        #[derive(Serialize)]
        struct Event {
            #[serde(serialize_with = "keys")]
            keys: Vec<EventKey>,
            #[serde(serialize_with = "data")]
            data: EventData,
            #[serde(serialize_with = "option")]
            none: Option<Felt>,
            #[serde(serialize_with = "option")]
            some: Option<Felt>,
        }
        let event = Event {
            keys: vec![EventKey(Felt::ONE), EventKey(Felt::TWO)],
            data: EventData(vec![Felt::THREE]),
            none: None,
            some: Some(Felt::ZERO),
        };
        assert_eq!(
            serde_json::to_string(&event).expect("JSON"),
            r#"{"keys":["0x1","0x2"],"data":["0x3"],"none":null,"some":"0x0"}"#
        );
    }
}
