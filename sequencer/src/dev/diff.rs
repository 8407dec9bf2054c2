//! Changes of the state that no transaction explains.

use std::{collections::BTreeSet, sync::Arc};

use kraken_execution::{Chain, Changes, State};
use kraken_storage::{Class, Storage};
use kraken_types::Timestamp;
use starknet_api::{
    block::BlockHash,
    core::{ClassHash, ContractAddress},
    state::ThinStateDiff,
};

use super::DevError;
use crate::{
    StartError,
    builder::{Before, next_info},
    committer::{Executed, blocking, seal},
    recovery::read_end,
};

/// Changes of the state that no transaction explains.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// What is written; `deployed_contracts` has new contracts and those that change their class.
    pub changes: ThinStateDiff,
    /// Those of `changes.deployed_contracts` that must be there before.
    pub replaced: BTreeSet<ContractAddress>,
    /// The classes that `changes` may declare, and others. A class that is declared already is left
    /// out.
    pub classes: Vec<(ClassHash, Arc<Class>)>,
}

impl Diff {
    /// Whether it fits this state; then without what is declared already.
    pub(super) fn checked(mut self, state: &State) -> Result<Self, DevError> {
        self.classes.sort_by_key(|(class_hash, _)| *class_hash);
        self.classes.dedup_by_key(|(class_hash, _)| *class_hash);
        let mut new = Vec::new();
        for (class_hash, class) in std::mem::take(&mut self.classes) {
            if state.class(class_hash)?.is_none() {
                new.push((class_hash, class));
            }
        }
        self.classes = new;
        self.check_declared(state)?;
        self.check_deployed(state)?;
        self.check_changed(state)?;
        self.declare_all();
        Ok(self)
    }

    /// Declared classes must be there, and compile to what is said.
    fn check_declared(&self, state: &State) -> Result<(), DevError> {
        for (class_hash, compiled) in &self.changes.class_hash_to_compiled_class_hash {
            let class = self.class(state, *class_hash)?;
            let fits = matches!(class.as_ref(), Class::Sierra(class)
                if class.compiled_class_hash == *compiled);
            if !fits {
                let reason = format!("class {class_hash} does not compile to {:#x}", compiled.0);
                return Err(DevError::Diff { reason });
            }
        }
        for class_hash in &self.changes.deprecated_declared_classes {
            if !matches!(self.class(state, *class_hash)?.as_ref(), Class::Deprecated(_)) {
                let reason = format!("class {class_hash} is not one of Cairo 0");
                return Err(DevError::Diff { reason });
            }
        }
        Ok(())
    }

    fn check_deployed(&self, state: &State) -> Result<(), DevError> {
        for (address, class_hash) in &self.changes.deployed_contracts {
            self.class(state, *class_hash)?;
            let is_there = state.class_hash_at(*address)?.is_some();
            match (self.replaced.contains(address), is_there) {
                (true, false) => return Err(DevError::ContractNotFound { address: *address }),
                (false, true) => {
                    let reason = format!("a contract is deployed at {address} already");
                    return Err(DevError::Diff { reason });
                }
                (true, true) | (false, false) => {}
            }
        }
        Ok(())
    }

    fn check_changed(&self, state: &State) -> Result<(), DevError> {
        let changed = self.changes.storage_diffs.keys().chain(self.changes.nonces.keys());
        for address in changed {
            let is_new = self.changes.deployed_contracts.contains_key(address);
            if !is_new && state.class_hash_at(*address)?.is_none() {
                return Err(DevError::ContractNotFound { address: *address });
            }
        }
        Ok(())
    }

    fn class(&self, state: &State, class_hash: ClassHash) -> Result<Arc<Class>, DevError> {
        let ours = self.classes.iter().find(|(known, _)| *known == class_hash);
        match ours {
            Some((_, class)) => Ok(Arc::clone(class)),
            None => state.class(class_hash)?.ok_or(DevError::ClassNotFound { class_hash }),
        }
    }

    /// Exactly the new classes are declared.
    fn declare_all(&mut self) {
        self.changes.class_hash_to_compiled_class_hash.clear();
        self.changes.deprecated_declared_classes.clear();
        for (class_hash, class) in &self.classes {
            match class.as_ref() {
                Class::Sierra(class) => {
                    let compiled = class.compiled_class_hash;
                    let declared = &mut self.changes.class_hash_to_compiled_class_hash;
                    declared.insert(*class_hash, compiled);
                }
                Class::Deprecated(_) => {
                    self.changes.deprecated_declared_classes.push(*class_hash);
                }
            }
        }
    }

    /// Makes a block of it on top of what is stored, while nobody else does.
    pub(super) async fn seal(
        self,
        chain: &Chain,
        storage: &Storage,
        now: Timestamp,
    ) -> Result<BlockHash, StartError> {
        let end = read_end(storage).await?;
        let executed = Executed {
            info: next_info(chain, &end.parent(chain), now),
            transactions: Vec::new(),
            changes: vec![Arc::new(Changes::new(&self.changes, &self.classes))],
            traces: Vec::new(),
            state_diff: self.changes,
            classes: self.classes,
            l2_gas_used: 0,
            executed_up_to: end.executed_up_to,
            before: Before { digest: end.checkpoint, checkpoint: None },
            acceptance: None,
        };
        let (block, tries) = seal::seal(storage, Some(&end.tip.header), executed).await?;
        let (storage, hash) = (storage.clone(), block.header.hash);
        blocking(move || storage.commit_block(&Arc::new(block), tries)).await?;
        Ok(hash)
    }
}
