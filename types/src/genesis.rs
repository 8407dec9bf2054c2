//! The settings that must be the same on all validators: `genesis.toml`.
//!
//! The text is for people; the [`Genesis::digest`] covers the values, in their canonical encoding,
//! and is checked at every start. Amounts are in fri or wei, gas in units, times in the unit that
//! ends the name. Large numbers are written as text, because TOML integers end at 2^63.

use std::collections::BTreeSet;

use borsh::BorshSerialize;
use serde::{Deserialize, Serialize};

use crate::{
    Committee, CommitteeError, Digest, Epoch, PublicKey, Stake, Validator, ValidatorId, codec,
};

/// The most workers a validator may have.
pub const WORKERS_MAX: usize = 32;

/// Everything that validators of one chain must agree on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Short text that every transaction hash covers, for example `SN_SEPOLIA`.
    pub chain_id: String,
    /// The Starknet version whose rules blocks follow, for example `0.14.4`.
    pub starknet_version: String,
    /// The time of block 0, in seconds since the Unix epoch.
    pub timestamp_seconds: u64,
    /// Receives the fees; hexadecimal. Never an account that sends transactions.
    pub sequencer_address: String,
    /// Which rule orders certificates.
    pub protocol: Protocol,
    /// How long the mempool remembers.
    pub mempool: MempoolRules,
    /// When a block ends.
    pub block: BlockRules,
    /// What gas costs.
    pub fees: Fees,
    /// What a transaction may contain.
    pub limits: Limits,
    /// Accounts that exist in block 0.
    pub accounts: Accounts,
    /// Who orders and executes, in the order of their ids.
    pub committee: Vec<Member>,
}

/// The ordering protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// First come, first served: the first validator numbers certificates as they come.
    Fcfs,
    /// HotStuff with two phases: leaders in turn propose certificates of the DAG.
    HotStuff,
    /// Bullshark, partially synchronous: the DAG itself is the vote.
    Bullshark,
}

/// How long the mempool remembers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MempoolRules {
    /// How many rounds below a committed anchor a certificate may still be ordered.
    pub gc_depth: u64,
}

/// When a block ends.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRules {
    /// A block ends this long after it began; without it, only the other rules end one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_millis: Option<u64>,
    /// Whether an interval without transactions still makes a block.
    pub empty_blocks: bool,
    /// A block ends with this many transactions.
    pub transactions_max: u32,
    /// A block ends before its transactions use more L2 gas than this.
    pub l2_gas_max: u64,
}

/// What gas costs. The price of L2 gas moves by the rule of EIP-1559; the others are fixed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// Fri per unit of L1 gas.
    #[serde(with = "text")]
    pub l1_gas_price_fri: u128,
    /// Wei per unit of L1 gas.
    #[serde(with = "text")]
    pub l1_gas_price_wei: u128,
    /// Fri per unit of L1 data gas.
    #[serde(with = "text")]
    pub l1_data_gas_price_fri: u128,
    /// Wei per unit of L1 data gas.
    #[serde(with = "text")]
    pub l1_data_gas_price_wei: u128,
    /// Fri per unit of L2 gas, in block 0 and never below.
    #[serde(with = "text")]
    pub l2_gas_price_fri_min: u128,
    /// Wei per unit of L2 gas at the lowest price; moves in proportion to the price in fri.
    #[serde(with = "text")]
    pub l2_gas_price_wei_min: u128,
    /// L2 gas of a block at which its price stays as it is.
    pub l2_gas_target: u64,
    /// How slowly the price moves: by this part of itself for each target's worth of L2 gas above
    /// or below the target. Zero: all prices stay as they are.
    pub l2_gas_price_change_denominator: u64,
}

/// What a transaction may contain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Felts of calldata.
    pub calldata_felts_max: u32,
    /// Felts of a signature.
    pub signature_felts_max: u32,
    /// L2 gas that an invoke or deploy_account may ask for.
    pub l2_gas_max: u64,
    /// Bytes of a class, as JSON.
    pub class_bytes_max: u32,
    /// Felts of a Sierra program.
    pub sierra_felts_max: u32,
    /// Felts of the bytecode that it compiles to.
    pub bytecode_felts_max: u32,
    /// How far a nonce may be ahead of its account.
    pub nonce_ahead_max: u32,
}

/// Accounts that exist in block 0, funded in STRK and ETH and derived as starknet-devnet does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// Where the keys come from. Whoever knows the seed owns the accounts.
    pub seed: u32,
    /// How many.
    pub count: u16,
    /// What each holds, in fri of STRK and in wei of ETH.
    #[serde(with = "text")]
    pub initial_balance: u128,
}

/// A validator as the genesis file names it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its consensus key, 64 hexadecimal digits.
    pub key: String,
    /// Its voting weight.
    pub stake: Stake,
    /// The keys by which its peers know its connections; only a committee of one does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<MemberNetwork>,
}

/// The keys of a validator's connections, as the genesis file names them: 64 hexadecimal digits
/// each. They sign nothing but handshakes, so that a leaked one lets nobody vote.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberNetwork {
    /// Of its primary.
    pub primary: String,
    /// Of its workers, in the order of their ids; every validator has as many.
    pub workers: Vec<String>,
}

/// The keys of a validator's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkKeys {
    /// Of its primary.
    pub primary: PublicKey,
    /// Of its workers, in the order of their ids.
    pub workers: Vec<PublicKey>,
}

/// Why a text is no genesis.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum GenesisError {
    /// Not TOML, or a setting is missing, unknown or of the wrong kind.
    #[error("not a genesis file")]
    Text(#[source] Box<toml::de::Error>),
    /// A key is not 64 hexadecimal digits.
    #[error("{key:?} is not a validator key: expected 64 hexadecimal digits")]
    Key { key: String },
    /// The members make no committee.
    #[error("not a committee")]
    Committee(#[source] CommitteeError),
    /// Peers could not tell who this is.
    #[error("validator {id} has no network keys, and it is not alone")]
    NoNetwork { id: ValidatorId },
    /// Workers talk to the worker at the same place of every other validator.
    #[error(
        "validator {id} has {got} workers; every validator has the same number, 1 to {WORKERS_MAX}"
    )]
    Workers { id: ValidatorId, got: usize },
    /// A key that has two uses lets what is said in one of them count in the other.
    #[error("key {key} has more than one use")]
    KeyUsedTwice { key: PublicKey },
}

impl Genesis {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// [`GenesisError`] if a setting is missing, unknown or malformed, or the members are no
    /// committee.
    pub fn from_toml(text: &str) -> Result<Self, GenesisError> {
        let genesis: Self =
            toml::from_str(text).map_err(|error| GenesisError::Text(Box::new(error)))?;
        genesis.committee()?;
        genesis.network()?;
        Ok(genesis)
    }

    /// Writes a genesis file.
    ///
    /// # Panics
    /// Never: every field has a form in TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field has a form in TOML")
    }

    /// What identifies the chain.
    pub fn digest(&self) -> Digest {
        Digest::of("kraken genesis v2", &codec::encode(self))
    }

    /// The committee of epoch 0.
    ///
    /// # Errors
    /// [`GenesisError::Key`] or [`GenesisError::Committee`].
    pub fn committee(&self) -> Result<Committee, GenesisError> {
        let member =
            |member: &Member| Ok(Validator { key: public_key(&member.key)?, stake: member.stake });
        let validators = self.committee.iter().map(member).collect::<Result<_, _>>()?;
        Committee::new(self.digest(), Epoch(0), validators).map_err(GenesisError::Committee)
    }

    /// The keys of all connections, in the order of the committee; empty for a committee of one
    /// that names none.
    ///
    /// # Errors
    /// [`GenesisError::Key`], [`GenesisError::NoNetwork`], [`GenesisError::Workers`] or
    /// [`GenesisError::KeyUsedTwice`].
    pub fn network(&self) -> Result<Vec<NetworkKeys>, GenesisError> {
        let mut keys = Vec::new();
        let mut used = BTreeSet::new();
        for (id, member) in (0..).map(ValidatorId).zip(&self.committee) {
            let Some(network) = &member.network else {
                if self.committee.len() == 1 {
                    return Ok(Vec::new());
                }
                return Err(GenesisError::NoNetwork { id });
            };
            let workers = network.workers.iter().map(|key| public_key(key));
            let workers = workers.collect::<Result<Vec<_>, _>>()?;
            let primary = public_key(&network.primary)?;
            for key in [public_key(&member.key)?, primary].iter().chain(&workers) {
                if !used.insert(*key) {
                    return Err(GenesisError::KeyUsedTwice { key: *key });
                }
            }
            keys.push(NetworkKeys { primary, workers });
        }
        check_workers(&keys)?;
        Ok(keys)
    }
}

/// Every validator has as many workers as the first.
fn check_workers(keys: &[NetworkKeys]) -> Result<(), GenesisError> {
    let expected = keys.first().map_or(0, |first| first.workers.len());
    for (id, keys) in (0..).map(ValidatorId).zip(keys) {
        let got = keys.workers.len();
        if got != expected || got == 0 || WORKERS_MAX < got {
            return Err(GenesisError::Workers { id, got });
        }
    }
    Ok(())
}

fn public_key(key: &str) -> Result<PublicKey, GenesisError> {
    PublicKey::from_hex(key).ok_or_else(|| GenesisError::Key { key: key.to_owned() })
}

/// Numbers beyond 2^63 as decimal text.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;

    fn genesis() -> Genesis {
        Genesis {
            chain_id: "SN_SEPOLIA".to_owned(),
            starknet_version: "0.14.4".to_owned(),
            timestamp_seconds: 1,
            sequencer_address: "0x1".to_owned(),
            protocol: Protocol::Fcfs,
            mempool: MempoolRules { gc_depth: 50 },
            block: BlockRules {
                interval_millis: Some(1_000),
                empty_blocks: false,
                transactions_max: 1_000,
                l2_gas_max: 5_800_000_000,
            },
            fees: Fees {
                l1_gas_price_fri: 1,
                l1_gas_price_wei: 2,
                l1_data_gas_price_fri: 3,
                l1_data_gas_price_wei: 4,
                l2_gas_price_fri_min: u128::MAX,
                l2_gas_price_wei_min: 6,
                l2_gas_target: 7,
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
            accounts: Accounts { seed: 0, count: 10, initial_balance: 10_u128.pow(21) },
            committee: vec![Member { key: key(1), stake: 1, network: None }],
        }
    }

    fn key(seed: u8) -> String {
        Signer::from_seed([seed; 32]).public_key().to_string()
    }

    fn member(seed: u8) -> Member {
        let network = MemberNetwork { primary: key(seed + 1), workers: vec![key(seed + 2)] };
        Member { key: key(seed), stake: 1, network: Some(network) }
    }

    #[test]
    fn several_validators_have_network_keys_of_their_own() {
        let several = |change: fn(&mut Vec<Member>)| {
            let mut committee = vec![member(10), member(20)];
            change(&mut committee);
            Genesis::from_toml(&Genesis { committee, ..genesis() }.to_toml())
        };
        let read = several(|_| ()).expect("two good members");
        assert_eq!(read.network().expect("checked").len(), 2);
        assert!(matches!(
            several(|members| drop(members[1].network.take())),
            Err(GenesisError::NoNetwork { id: ValidatorId(1) })
        ));
        assert!(matches!(
            several(|members| members[1].network = members[0].network.clone()),
            Err(GenesisError::KeyUsedTwice { .. })
        ));
        assert!(matches!(
            several(|members| {
                let network = members[1].network.as_mut().expect("it has one");
                network.workers.push(key(99));
            }),
            Err(GenesisError::Workers { id: ValidatorId(1), got: 2 })
        ));
    }

    #[test]
    fn a_genesis_survives_its_file() {
        let text = genesis().to_toml();
        let read = Genesis::from_toml(&text).expect("own output");
        assert_eq!(read, genesis());
        assert_eq!(read.digest(), genesis().digest());
    }

    #[test]
    fn the_digest_covers_each_part() {
        let changes: [fn(&mut Genesis); 5] = [
            |genesis| genesis.chain_id.push('X'),
            |genesis| genesis.block.interval_millis = None,
            |genesis| genesis.fees.l2_gas_target += 1,
            |genesis| genesis.accounts.seed += 1,
            |genesis| genesis.committee[0].stake += 1,
        ];
        for change in changes {
            let mut changed = genesis();
            change(&mut changed);
            assert_ne!(changed.digest(), genesis().digest());
        }
    }

    #[test]
    fn unknown_settings_and_bad_keys_are_refused() {
        let unknown = format!("colour = 1\n{}", genesis().to_toml());
        assert!(matches!(Genesis::from_toml(&unknown), Err(GenesisError::Text(_))));

        let mut bad = genesis();
        bad.committee[0].key = "0x12".to_owned();
        assert!(matches!(Genesis::from_toml(&bad.to_toml()), Err(GenesisError::Key { .. })));
    }
}
