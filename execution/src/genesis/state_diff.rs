//! What block 0 writes.

use std::{collections::BTreeMap, sync::Arc};

use kraken_storage::Class;
use kraken_types::genesis::Accounts;
use num_bigint::BigUint;
use starknet_api::{
    abi::abi_utils::{get_fee_token_var_address, get_storage_var_address},
    core::{ClassHash, ContractAddress, L2_ADDRESS_UPPER_BOUND},
    state::{StorageKey, ThinStateDiff},
};
use starknet_types_core::{felt::Felt, hash::Poseidon};

use super::{
    ACCOUNT_CLASS_HASH, ETH_ADDRESS, ETH_CLASS_HASH, STRK_ADDRESS, STRK_CLASS_HASH, UDC_ADDRESS,
    UDC_CLASS_HASH, UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH, accounts, chargeable_account,
};

/// The interface of accounts (SNIP-6), which they say by SRC-5 that they have.
const ISRC6_ID: Felt =
    Felt::from_hex_unchecked("0x02ceccef7f994940b3962a6c67e0ba4fcd37df7d131417c604f91e03caecc1cd");

/// Both fee tokens count in parts of 10^-18.
const TOKEN_DECIMALS: u64 = 18;

/// The chargeable account holds 2 to this power of each token.
const CHARGEABLE_BALANCE_BITS: u32 = 255;

/// A fee token as its constructor would have left it: address, name, symbol.
const TOKENS: [(ContractAddress, &str, &str); 2] =
    [(STRK_ADDRESS, "StarkNet Token", "STRK"), (ETH_ADDRESS, "Ether", "ETH")];

/// Everything that block 0 writes, every part sorted.
pub(super) fn state_diff(
    settings: &Accounts,
    account_class: ClassHash,
    classes: &[(ClassHash, Arc<Class>)],
) -> ThinStateDiff {
    let predeployed = accounts(settings.seed, settings.count);
    let chargeable = chargeable_account();

    let mut contracts = BTreeMap::from([
        (STRK_ADDRESS, STRK_CLASS_HASH),
        (ETH_ADDRESS, ETH_CLASS_HASH),
        (UDC_ADDRESS, UDC_CLASS_HASH),
        (UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH),
    ]);
    let mut cells = Cells::default();
    let ours = predeployed.iter().map(|account| (account, account_class));
    for (account, class_hash) in ours.chain([(&chargeable, ACCOUNT_CLASS_HASH)]) {
        contracts.insert(account.address, class_hash);
        // What the constructor writes.
        cells.set(account.address, variable("Account_public_key"), account.public_key);
        let supports = get_storage_var_address("SRC5_supported_interfaces", &[ISRC6_ID]);
        cells.set(account.address, supports, Felt::ONE);
    }

    let balance = BigUint::from(settings.initial_balance);
    let mut balances: BTreeMap<_, _> =
        predeployed.iter().map(|account| (account.address, balance.clone())).collect();
    balances.insert(chargeable.address, BigUint::from(1_u8) << CHARGEABLE_BALANCE_BITS);
    for (token, name, symbol) in TOKENS {
        write_token(&mut cells, token, name, symbol, chargeable.address);
        for (&account, balance) in &balances {
            cells.set_u256(token, get_fee_token_var_address(account), balance);
        }
        cells.set_u256(token, variable("ERC20_total_supply"), &balances.values().sum());
    }

    let mut diff = ThinStateDiff {
        deployed_contracts: contracts.into_iter().collect(),
        storage_diffs: cells
            .0
            .into_iter()
            .map(|(at, cells)| (at, cells.into_iter().collect()))
            .collect(),
        ..ThinStateDiff::default()
    };
    for (hash, class) in classes {
        match &**class {
            Class::Sierra(class) => {
                diff.class_hash_to_compiled_class_hash.insert(*hash, class.compiled_class_hash);
            }
            Class::Deprecated(_) => diff.deprecated_declared_classes.push(*hash),
        }
    }
    diff
}

/// What the constructor of a fee token writes, but for balances.
fn write_token(
    cells: &mut Cells,
    token: ContractAddress,
    name: &str,
    symbol: &str,
    minter: ContractAddress,
) {
    cells.set_text(token, variable("ERC20_name"), name);
    cells.set_text(token, variable("ERC20_symbol"), symbol);
    cells.set(token, variable("ERC20_decimals"), Felt::from(TOKEN_DECIMALS));
    cells.set(token, variable("permitted_minter"), Felt::from(minter));
}

fn variable(name: &str) -> StorageKey {
    get_storage_var_address(name, &[])
}

/// Storage cells, sorted. Zeros are left out, because every cell is zero before block 0.
#[derive(Debug, Default)]
struct Cells(BTreeMap<ContractAddress, BTreeMap<StorageKey, Felt>>);

impl Cells {
    fn set(&mut self, contract: ContractAddress, key: StorageKey, value: Felt) {
        if value != Felt::ZERO {
            self.0.entry(contract).or_default().insert(key, value);
        }
    }

    /// A `u256`: the lower 128 bits, and in the next cell the upper ones.
    fn set_u256(&mut self, contract: ContractAddress, key: StorageKey, value: &BigUint) {
        let high = value >> 128_u32;
        let low = value - (&high << 128_u32);
        let next = key.next_storage_key().expect("a hash is not the last key");
        self.set(contract, key, Felt::from(low));
        self.set(contract, next, Felt::from(high));
    }

    /// A `ByteArray` of less than 31 bytes: its length, and the bytes in a cell of their own, where
    /// Cairo puts the first chunk.
    fn set_text(&mut self, contract: ContractAddress, key: StorageKey, text: &str) {
        let marker = Felt::from_bytes_be_slice(b"ByteArray");
        let mut state = [Felt::from(key), Felt::ZERO, marker];
        Poseidon::hades_permutation(&mut state);
        let bytes = StorageKey::try_from(state[0].mod_floor(&L2_ADDRESS_UPPER_BOUND))
            .expect("reduced to the range of keys");
        self.set(contract, key, Felt::from(text.len()));
        self.set(contract, bytes, Felt::from_bytes_be_slice(text.as_bytes()));
    }
}
