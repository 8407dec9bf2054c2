//! The contract that the client suites deploy: a small ledger of named counters.
//!
//! It is made to touch everything a client can see of a contract: a constructor with arguments,
//! plain and mapped storage, events with keys and data, a revert with a reason, and a call to
//! another contract.

use starknet::ContractAddress;

#[starknet::interface]
pub trait ILedger<TState> {
    /// Adds `amount` to the counter `key`, emits `Added`, and returns the new value.
    fn add(ref self: TState, key: felt252, amount: u128) -> u128;
    /// Reverts with "Ledger: refused" after writing, so that the write must not be seen.
    fn refuse(ref self: TState, key: felt252);
    /// Calls `add` of another ledger, whose caller then is this contract.
    fn add_through(
        ref self: TState, other: ContractAddress, key: felt252, amount: u128
    ) -> u128;
    /// The value of the counter `key`, zero when never added to.
    fn value(self: @TState, key: felt252) -> u128;
    /// The sum of everything ever added, the constructor's value included.
    fn total(self: @TState) -> u128;
    /// The account that the constructor was given.
    fn owner(self: @TState) -> ContractAddress;
    /// Number and timestamp of the block that is being built.
    fn block(self: @TState) -> (u64, u64);
}

#[starknet::contract]
pub mod Ledger {
    use core::starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess
    };
    use starknet::{ContractAddress, get_block_number, get_block_timestamp, get_caller_address};
    use super::{ILedgerDispatcher, ILedgerDispatcherTrait};

    #[storage]
    struct Storage {
        owner: ContractAddress,
        total: u128,
        values: Map<felt252, u128>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Opened: Opened,
        Added: Added,
    }

    /// The ledger was deployed.
    #[derive(Drop, starknet::Event)]
    struct Opened {
        #[key]
        owner: ContractAddress,
        total: u128,
    }

    /// A counter grew.
    #[derive(Drop, starknet::Event)]
    struct Added {
        #[key]
        key: felt252,
        #[key]
        caller: ContractAddress,
        amount: u128,
        value: u128,
    }

    #[constructor]
    fn constructor(ref self: ContractState, owner: ContractAddress, total: u128) {
        self.owner.write(owner);
        self.total.write(total);
        self.emit(Opened { owner, total });
    }

    #[abi(embed_v0)]
    impl LedgerImpl of super::ILedger<ContractState> {
        fn add(ref self: ContractState, key: felt252, amount: u128) -> u128 {
            let value = self.values.read(key) + amount;
            self.values.write(key, value);
            self.total.write(self.total.read() + amount);
            self.emit(Added { key, caller: get_caller_address(), amount, value });
            value
        }

        fn refuse(ref self: ContractState, key: felt252) {
            self.values.write(key, 1);
            panic!("Ledger: refused");
        }

        fn add_through(
            ref self: ContractState, other: ContractAddress, key: felt252, amount: u128
        ) -> u128 {
            ILedgerDispatcher { contract_address: other }.add(key, amount)
        }

        fn value(self: @ContractState, key: felt252) -> u128 {
            self.values.read(key)
        }

        fn total(self: @ContractState) -> u128 {
            self.total.read()
        }

        fn owner(self: @ContractState) -> ContractAddress {
            self.owner.read()
        }

        fn block(self: @ContractState) -> (u64, u64) {
            (get_block_number(), get_block_timestamp())
        }
    }
}
