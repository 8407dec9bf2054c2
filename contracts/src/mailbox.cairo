//! The contract that tests use for what the ledger does not touch: messages from and to L1, calls
//! on the own storage, and a change of the own class.

use starknet::{ClassHash, EthAddress};

#[starknet::interface]
pub trait IMailbox<TState> {
    /// Takes `amount` from the balance of `key` and tells `to` on L1; reverts if there is less.
    fn withdraw(ref self: TState, to: EthAddress, key: felt252, amount: u128);
    /// What was deposited for `key` and not withdrawn.
    fn balance(self: @TState, key: felt252) -> u128;
    /// What code of class `class_hash` says is the balance, on the storage of this contract.
    fn balance_by(self: @TState, class_hash: ClassHash, key: felt252) -> u128;
    /// Gives this contract another class.
    fn upgrade(ref self: TState, class_hash: ClassHash);
}

#[starknet::contract]
pub mod Mailbox {
    use core::starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};
    use starknet::{ClassHash, EthAddress, syscalls};
    use super::{IMailboxDispatcherTrait, IMailboxLibraryDispatcher};

    #[storage]
    struct Storage {
        balances: Map<felt252, u128>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Deposited: Deposited,
    }

    /// L1 paid something in.
    #[derive(Drop, starknet::Event)]
    struct Deposited {
        #[key]
        from: felt252,
        key: felt252,
        amount: u128,
    }

    /// Adds to the balance of `key`; reverts if there is nothing to add.
    #[l1_handler]
    fn deposit(ref self: ContractState, from_address: felt252, key: felt252, amount: u128) {
        assert!(amount != 0, "Mailbox: nothing to deposit");
        self.balances.write(key, self.balances.read(key) + amount);
        self.emit(Deposited { from: from_address, key, amount });
    }

    #[abi(embed_v0)]
    impl MailboxImpl of super::IMailbox<ContractState> {
        fn withdraw(ref self: ContractState, to: EthAddress, key: felt252, amount: u128) {
            self.balances.write(key, self.balances.read(key) - amount);
            let payload = [key, amount.into()];
            syscalls::send_message_to_l1_syscall(to.into(), payload.span()).unwrap();
        }

        fn balance(self: @ContractState, key: felt252) -> u128 {
            self.balances.read(key)
        }

        fn balance_by(self: @ContractState, class_hash: ClassHash, key: felt252) -> u128 {
            IMailboxLibraryDispatcher { class_hash }.balance(key)
        }

        fn upgrade(ref self: ContractState, class_hash: ClassHash) {
            syscalls::replace_class_syscall(class_hash).unwrap();
        }
    }
}
