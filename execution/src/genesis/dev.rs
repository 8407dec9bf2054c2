//! The genesis of a chain for developing.

use kraken_types::{
    Genesis, PublicKey,
    genesis::{Accounts, BlockRules, Fees, Limits, Member, MempoolRules, Protocol},
};

/// Every price of gas, in fri and in wei.
const GAS_PRICE: u128 = 1_000_000_000;

/// What each account holds: 1,000 STRK and 1,000 ETH.
const INITIAL_BALANCE: u128 = 1_000_000_000_000_000_000_000;

/// A chain of one validator with the settings of starknet-devnet 0.10.1: its prices, balances and
/// sequencer address, a block for each transaction. Limits, and the rule by which the price of L2
/// gas moves, are those of Starknet 0.14.4.
///
/// `chain_id` is for example `SN_SEPOLIA`; seed 0 gives the accounts of `starknet-devnet --seed 0`.
/// All of it may be changed before it is used.
pub fn dev_genesis(
    chain_id: &str,
    seed: u32,
    accounts: u16,
    timestamp_seconds: u64,
    validator_key: &PublicKey,
) -> Genesis {
    Genesis {
        chain_id: chain_id.to_owned(),
        starknet_version: "0.14.4".to_owned(),
        timestamp_seconds,
        sequencer_address: "0x1000".to_owned(),
        protocol: Protocol::Fcfs,
        mempool: MempoolRules { gc_depth: 50 },
        block: BlockRules {
            interval_millis: None,
            empty_blocks: false,
            transactions_max: 1,
            l2_gas_max: 5_800_000_000,
        },
        fees: Fees {
            l1_gas_price_fri: GAS_PRICE,
            l1_gas_price_wei: GAS_PRICE,
            l1_data_gas_price_fri: GAS_PRICE,
            l1_data_gas_price_wei: GAS_PRICE,
            l2_gas_price_fri_min: GAS_PRICE,
            l2_gas_price_wei_min: GAS_PRICE,
            l2_gas_target: 1_040_000_000,
            l2_gas_price_change_denominator: 48,
        },
        limits: Limits {
            calldata_felts_max: 5_000,
            signature_felts_max: 4_000,
            l2_gas_max: 1_210_000_000,
            class_bytes_max: 4_089_446,
            sierra_felts_max: 81_920,
            bytecode_felts_max: 81_920,
            nonce_ahead_max: 200,
        },
        accounts: Accounts { seed, count: accounts, initial_balance: INITIAL_BALANCE },
        committee: vec![Member { key: validator_key.to_string(), stake: 1, network: None }],
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::Signer;

    use super::*;

    #[test]
    fn the_genesis_for_developing_is_a_valid_one() {
        let key = Signer::from_seed([1; 32]).public_key();
        let genesis = dev_genesis("SN_SEPOLIA", 0, 10, 1, &key);
        let read = Genesis::from_toml(&genesis.to_toml()).expect("own output");
        assert_eq!(read, genesis);
        crate::Chain::new(&genesis).expect("it can be executed");
    }
}
