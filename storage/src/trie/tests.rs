pub(crate) mod naive;
mod properties;
mod vectors;

use std::collections::BTreeMap;

use starknet_api::{
    core::{ClassHash, ContractAddress, Nonce},
    state::{StorageKey, ThinStateDiff},
};
use starknet_types_core::felt::Felt;

use super::{TrieReader, Update, before, compute};
use crate::Error;

/// A tip in memory.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tip {
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
    nonces: BTreeMap<ContractAddress, Nonce>,
    classes: BTreeMap<ContractAddress, ClassHash>,
}

impl Tip {
    /// Applies one block.
    fn commit(&mut self, diff: &ThinStateDiff) -> Update {
        let update = compute(self, diff).expect("the nodes are whole");
        self.check_before(&update);
        self.write(update.writes());
        self.nonces.extend(&diff.nonces);
        self.classes.extend(&diff.deployed_contracts);
        update
    }

    /// What the update keeps is what it overwrites.
    fn check_before(&self, update: &Update) {
        let mut kept = BTreeMap::new();
        let keep = |key: &[u8], node: Option<&[u8]>| {
            kept.insert(key.to_vec(), node.map(<[u8]>::to_vec));
        };
        before::visit(update.before(), keep).expect("it is whole");
        let written = update.writes().iter();
        let there = written.map(|(key, _)| (key.clone(), self.nodes.get(key).cloned()));
        assert_eq!(kept, there.collect());
    }

    fn write(&mut self, writes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        for pair in writes.windows(2) {
            assert!(pair[0].0 < pair[1].0, "a key comes twice or out of order");
        }
        for (key, value) in writes {
            match value {
                Some(value) => self.nodes.insert(key.clone(), value.clone()),
                None => Some(self.nodes.remove(key).expect("only what is stored is deleted")),
            };
        }
    }
}

impl TrieReader for Tip {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.nodes.get(key).cloned())
    }

    fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error> {
        Ok(self.nonces.get(&contract).copied().unwrap_or_default())
    }

    fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error> {
        Ok(self.classes.get(&contract).copied())
    }
}

fn contract(felt: Felt) -> ContractAddress {
    ContractAddress(felt.try_into().expect("below 2^251"))
}

fn storage_key(felt: Felt) -> StorageKey {
    StorageKey(felt.try_into().expect("below 2^251"))
}
