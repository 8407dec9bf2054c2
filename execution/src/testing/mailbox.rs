//! The contract `contracts/src/mailbox.cairo`, in the state of a test.

use std::sync::{Arc, OnceLock};

use kraken_storage::{Class, SierraClass};
use starknet_api::{
    abi::abi_utils::selector_from_name,
    core::{ClassHash, ContractAddress, EthAddress, Nonce},
    transaction::L1HandlerTransaction,
};
use starknet_types_core::felt::Felt;

use super::world::{World, address};
use crate::{Call, Changes, L1Message, compile, read_artefact};

/// Where it lies.
pub(crate) fn mailbox() -> ContractAddress {
    address(0xb0c)
}

/// Who writes from L1.
pub(crate) fn writer() -> EthAddress {
    EthAddress::try_from(Felt::from(0x1234)).expect("160 bits")
}

/// Its class, compiled once.
pub(crate) fn class() -> &'static (ClassHash, Arc<Class>) {
    static CLASS: OnceLock<(ClassHash, Arc<Class>)> = OnceLock::new();
    CLASS.get_or_init(|| {
        let artefact = include_bytes!("../../../contracts/compiled/mailbox.sierra.json");
        let sierra = read_artefact(artefact).expect("a class");
        let limits = World::new().chain.genesis().limits.clone();
        let class = compile(sierra, &limits).expect("it compiles");
        (class.sierra.calculate_class_hash(), Arc::new(Class::Sierra(Box::new(class))))
    })
}

/// What brings it into a state.
pub(crate) fn changes() -> Arc<Changes> {
    let (class_hash, class) = class().clone();
    let Class::Sierra(sierra) = class.as_ref() else { unreachable!("only Sierra is compiled") };
    let SierraClass { compiled_class_hash, .. } = **sierra;
    let mut changes = Changes::default();
    changes.compiled_class_hashes.insert(class_hash, compiled_class_hash);
    changes.classes.insert(class_hash, Arc::clone(&class));
    changes.class_hashes.insert(mailbox(), class_hash);
    Arc::new(changes)
}

/// A message that pays in.
pub(crate) fn deposit(key: u64, amount: u64) -> L1Message {
    L1Message {
        from: writer(),
        to: mailbox(),
        selector: selector_from_name("deposit"),
        payload: vec![Felt::from(key), Felt::from(amount)],
    }
}

/// The transaction of [`deposit`].
pub(crate) fn deposited(nonce: u64, key: u64, amount: u64) -> L1HandlerTransaction {
    deposit(key, amount).transaction(Nonce(Felt::from(nonce)))
}

/// A call of it.
pub(crate) fn call(function: &str, calldata: &[Felt]) -> Call {
    Call {
        contract_address: mailbox(),
        selector: selector_from_name(function),
        calldata: calldata.to_vec(),
    }
}
