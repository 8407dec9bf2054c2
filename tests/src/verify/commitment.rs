//! The commitments of a block to its transactions, events and receipts.

use starknet_types_core::felt::Felt;

use super::{
    hash::{counted, poseidon, poseidon_of, starknet_keccak},
    transaction::{Event, Message, Receipt, Transaction},
    trie::root_of_list,
};

/// The root over all transactions: their hashes and signatures.
pub fn transactions(transactions: &[Transaction]) -> Felt {
    let leaf = |transaction: &Transaction| {
        let mut felts = vec![transaction.hash];
        felts.extend(&transaction.signature);
        poseidon_of(&felts)
    };
    root_of_list(&transactions.iter().map(leaf).collect::<Vec<_>>(), poseidon)
}

/// The root over all events, in order.
pub fn events(transactions: &[Transaction]) -> Felt {
    let leaves: Vec<_> = transactions
        .iter()
        .flat_map(|transaction| {
            let hash = transaction.hash;
            transaction.receipt.events.iter().map(move |event| event_leaf(event, hash))
        })
        .collect();
    root_of_list(&leaves, poseidon)
}

/// The root over all receipts.
pub fn receipts(transactions: &[Transaction]) -> Felt {
    let leaf = |transaction: &Transaction| receipt_leaf(&transaction.receipt, transaction.hash);
    root_of_list(&transactions.iter().map(leaf).collect::<Vec<_>>(), poseidon)
}

fn event_leaf(event: &Event, transaction_hash: Felt) -> Felt {
    let mut felts = vec![event.from_address, transaction_hash];
    felts.extend(counted(&event.keys));
    felts.extend(counted(&event.data));
    poseidon_of(&felts)
}

fn receipt_leaf(receipt: &Receipt, transaction_hash: Felt) -> Felt {
    let revert_reason = receipt.revert_reason.as_deref();
    poseidon_of(&[
        transaction_hash,
        receipt.fee,
        messages(&receipt.messages),
        revert_reason.map_or(Felt::ZERO, |reason| starknet_keccak(reason.as_bytes())),
        // L2 gas is not covered.
        Felt::ZERO,
        Felt::from(receipt.gas.l1_gas),
        Felt::from(receipt.gas.l1_data_gas),
    ])
}

fn messages(messages: &[Message]) -> Felt {
    let mut felts = vec![Felt::from(messages.len())];
    for message in messages {
        felts.extend([message.from_address, message.to_address]);
        felts.extend(counted(&message.payload));
    }
    poseidon_of(&felts)
}
