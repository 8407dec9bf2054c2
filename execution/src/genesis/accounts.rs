//! Accounts that follow from a seed, as starknet-devnet derives them.

use std::sync::Arc;

use starknet_api::{
    core::{ClassHash, ContractAddress, calculate_contract_address},
    transaction::fields::{Calldata, ContractAddressSalt},
};
use starknet_types_core::felt::Felt;

use super::{PredeployedAccount, address, class};

/// The class that addresses are computed with; frozen long ago, and not the class that is deployed.
const ADDRESS_CLASS_HASH: ClassHash =
    class("0x03fcbf77b28c96f4f2fb5bd2d176ab083a12a5e123adeb0de955d7ee228c9854");

/// The salt that addresses are computed with.
const ADDRESS_SALT: u64 = 20;

/// Where the account that mints is.
const CHARGEABLE_ADDRESS: ContractAddress =
    address("0x01caf2df5ed5dde1ae3faef4acd72522ac3cb16e23f6dc4c7f9faed67124c511");

/// The accounts of a genesis, derived as starknet-devnet derives them from the same seed.
///
/// Slow for many: a multiplication on the curve for each.
pub fn accounts(seed: u32, count: u16) -> Vec<PredeployedAccount> {
    let mut random = Mt64::new(seed_of(seed));
    (0..count).map(|_| account(random.next_u128())).collect()
}

/// The account that mints: it exists in every block 0, may mint STRK and ETH, and holds 2^255 of
/// each. Its key is known to everybody.
pub fn chargeable_account() -> PredeployedAccount {
    PredeployedAccount {
        address: CHARGEABLE_ADDRESS,
        public_key: Felt::from_hex_unchecked(
            "0x04c37ab4f0994879337bfd4ead0800776db57da382b8ed8efaa478c5d3b942a4",
        ),
        private_key: Felt::from_hex_unchecked("0x5fb2959e3011a873a7160f5bb32b0ece"),
    }
}

fn account(private_key: u128) -> PredeployedAccount {
    let private_key = Felt::from(private_key);
    let public_key = starknet_crypto::get_public_key(&private_key);
    let address = calculate_contract_address(
        ContractAddressSalt(Felt::from(ADDRESS_SALT)),
        ADDRESS_CLASS_HASH,
        &Calldata(Arc::new(vec![public_key])),
        ContractAddress::default(),
    )
    .expect("the hash is reduced to the range of addresses");
    PredeployedAccount { address, public_key, private_key }
}

/// Expands a seed as `SeedableRng::seed_from_u64` of the crate `rand_core` 0.9 does for a generator
/// with a seed of eight bytes: two outputs of PCG32.
fn seed_of(seed: u32) -> u64 {
    let mut state = u64::from(seed);
    let mut output = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(11_634_580_027_462_260_723);
        let shifted = (((state >> 18) ^ state) >> 27) & u64::from(u32::MAX);
        let low = u32::try_from(shifted).expect("masked to 32 bits");
        let turn = u32::try_from(state >> 59).expect("five bits");
        u64::from(low.rotate_right(turn))
    };
    let low = output();
    low | output() << 32
}

/// The Mersenne Twister of 64 bits, MT19937-64.
///
/// Takuji Nishimura and Makoto Matsumoto, `mt19937-64.c`, 2004. For reproducing accounts, not for
/// secrets.
struct Mt64 {
    state: [u64; Self::LEN],
    next: usize,
}

impl Mt64 {
    const LEN: usize = 312;
    const MIDDLE: usize = 156;
    const MATRIX: u64 = 0xb502_6f5a_a966_19e9;
    /// The lowest 31 bits of a word; the others are the upper part.
    const LOWER: u64 = 0x7fff_ffff;

    fn new(seed: u64) -> Self {
        let mut state = [seed; Self::LEN];
        let mut word = seed;
        for (index, slot) in (1_u64..).zip(&mut state[1..]) {
            word =
                (word ^ (word >> 62)).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(index);
            *slot = word;
        }
        Self { state, next: Self::LEN }
    }

    /// The earlier output is the lower half.
    fn next_u128(&mut self) -> u128 {
        let low = self.next_u64();
        u128::from(low) | u128::from(self.next_u64()) << 64
    }

    fn next_u64(&mut self) -> u64 {
        if self.next == Self::LEN {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= (word >> 29) & 0x5555_5555_5555_5555;
        word ^= (word << 17) & 0x71d6_7fff_eda6_0000;
        word ^= (word << 37) & 0xfff7_eee0_0000_0000;
        word ^ (word >> 43)
    }

    fn twist(&mut self) {
        for index in 0..Self::LEN {
            let word = (self.state[index] & !Self::LOWER)
                | (self.state[(index + 1) % Self::LEN] & Self::LOWER);
            let matrix = if word & 1 == 0 { 0 } else { Self::MATRIX };
            self.state[index] =
                self.state[(index + Self::MIDDLE) % Self::LEN] ^ (word >> 1) ^ matrix;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_accounts_of_starknet_devnet() {
        let published = [
            (
                0,
                "0x71d7bb07b9a64f6f78ac4c816aff4da9",
                "0x64b48806902a367c8598f4f95c305e8c1a1acba5f082d294a43793113115691",
            ),
            (
                1,
                "0xc10662b7b247c7cecf7e8a30726cff12",
                "0x260a8311b4f1092db620b923e8d7d20e76dedcc615fb4b6fdf28315b81de201",
            ),
            (
                42,
                "0xb137668388dbe9acdfa3bc734cc2c469",
                "0x34ba56f92265f0868c57d3fe72ecab144fc96f97954bbbc4252cef8e8a979ba",
            ),
        ];
        for (seed, private_key, address) in published {
            let first = accounts(seed, 1)[0];
            assert_eq!(first.private_key, Felt::from_hex_unchecked(private_key), "seed {seed}");
            assert_eq!(first.address, super::address(address), "seed {seed}");
        }
    }

    /// Test vector of devnet's `account.rs`, there from the devnet before it.
    #[test]
    fn an_address_follows_from_the_public_key() {
        let address = calculate_contract_address(
            ContractAddressSalt(Felt::from(ADDRESS_SALT)),
            ADDRESS_CLASS_HASH,
            &Calldata(Arc::new(vec![Felt::from_hex_unchecked(
                "0x60dea6c1228f1db4ca1f9db11c01b6e9cce5e627f7181dcaa27d69cbdbe57b5",
            )])),
            ContractAddress::default(),
        )
        .expect("in range");
        let expected = "0x6e3205f9b7c4328f00f718fdecf56ab31acfb3cd6ffeb999dcbac41236ea502";
        assert_eq!(address, super::address(expected));
    }

    #[test]
    fn more_accounts_begin_with_the_same_ones() {
        let (few, many) = (accounts(7, 2), accounts(7, 4));
        assert_eq!(many[..2], few);
        assert_ne!(many[2], many[3]);
        assert!(accounts(7, 0).is_empty());
    }

    #[test]
    fn the_keys_of_the_chargeable_account_belong_together() {
        let account = chargeable_account();
        assert_eq!(starknet_crypto::get_public_key(&account.private_key), account.public_key);
    }

    /// The 10,000th output for the default seed 5489, which the C++ standard prescribes for
    /// `std::mt19937_64`.
    #[test]
    fn the_twister_is_the_standard_one() {
        let mut random = Mt64::new(5_489);
        let last = (0..10_000).map(|_| random.next_u64()).last();
        assert_eq!(last, Some(9_981_545_732_273_789_042));
    }
}
