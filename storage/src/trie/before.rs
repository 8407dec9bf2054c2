//! The nodes that a block overwrote, as they were before it.
//!
//! Entries in the order of their keys, one after the other: how many bytes of the key it shares with
//! the key before, 1 byte ‖ length of the rest, 1 byte ‖ rest of the key ‖ length of the node, 1 byte,
//! 0 where there was none ‖ node. A key is one of the node table, and so is a node.

use crate::Error;

/// The form of entries whose keys are sorted.
pub(super) fn encode<'a>(
    entries: impl Iterator<Item = (&'a Vec<u8>, Option<&'a Vec<u8>>)>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last: &[u8] = &[];
    for (key, node) in entries {
        let shared = key.iter().zip(last).take_while(|(a, b)| a == b).count();
        let node = node.map_or(&[][..], Vec::as_slice);
        bytes.push(length(shared));
        bytes.push(length(key.len() - shared));
        bytes.extend_from_slice(&key[shared..]);
        bytes.push(length(node.len()));
        bytes.extend_from_slice(node);
        last = key;
    }
    bytes
}

fn length(bytes: usize) -> u8 {
    u8::try_from(bytes).expect("neither keys nor nodes have more than 97 bytes")
}

/// Hands each key to `visit`, in order, with the node that was there.
///
/// # Errors
/// [`Error::Malformed`] unless [`encode`] made the bytes.
pub(crate) fn visit<'a>(
    mut bytes: &'a [u8],
    mut visit: impl FnMut(&[u8], Option<&'a [u8]>),
) -> Result<(), Error> {
    let mut key = Vec::new();
    while !bytes.is_empty() {
        let (node, rest) =
            next(bytes, &mut key).ok_or(Error::Malformed { what: "list of old trie nodes" })?;
        visit(&key, (!node.is_empty()).then_some(node));
        bytes = rest;
    }
    Ok(())
}

/// Reads an entry off the front, turning the key before into its own.
fn next<'a>(bytes: &'a [u8], key: &mut Vec<u8>) -> Option<(&'a [u8], &'a [u8])> {
    let (&shared, bytes) = bytes.split_first()?;
    if key.len() < usize::from(shared) {
        return None;
    }
    key.truncate(usize::from(shared));
    let (rest_of_key, bytes) = counted(bytes)?;
    key.extend_from_slice(rest_of_key);
    counted(bytes)
}

/// Reads a length and as many bytes off the front.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, bytes) = bytes.split_first()?;
    bytes.split_at_checked(usize::from(length))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{
        collection::{btree_map, vec},
        option,
        prelude::{any, prop_assert, prop_assert_eq, proptest},
    };

    use super::{encode, visit};

    type Nodes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn read(bytes: &[u8]) -> Result<Nodes, crate::Error> {
        let mut nodes = Nodes::new();
        visit(bytes, |key, node| {
            nodes.insert(key.to_vec(), node.map(<[u8]>::to_vec));
        })?;
        Ok(nodes)
    }

    proptest! {
        #[test]
        fn what_was_there_survives_its_encoding(
            nodes in btree_map(vec(0..3_u8, 1..66), option::of(vec(any::<u8>(), 1..98)), 0..20),
            cut in any::<proptest::sample::Index>(),
        ) {
            let bytes = encode(nodes.iter().map(|(key, node)| (key, node.as_ref())));
            prop_assert_eq!(&read(&bytes).expect("own"), &nodes);
            let Some((_, last)) = nodes.last_key_value() else {
                return Ok(());
            };
            // Within the last entry, so that no end of another one is hit.
            let tail = 1 + last.as_ref().map_or(0, Vec::len);
            prop_assert!(read(&bytes[..bytes.len() - 1 - cut.index(tail)]).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(nodes) = read(&bytes) {
                prop_assert!(nodes.len() <= bytes.len());
            }
        }
    }
}
