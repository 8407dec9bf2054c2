//! What is printed once something serves: everything that a client needs to know.

pub(crate) mod dev;
pub(crate) mod testnet;
pub(crate) mod validator;

use std::{
    fmt::{self, Display},
    io::{self, Write},
    net::SocketAddr,
};

use kraken_execution::genesis::{
    ACCOUNT_CLASS_HASH, ETH_ADDRESS, ETH_CLASS_HASH, STRK_ADDRESS, STRK_CLASS_HASH, UDC_ADDRESS,
    UDC_CLASS_HASH, UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH, accounts,
};
use kraken_types::{
    Genesis,
    genesis::{Accounts, BlockRules},
};
use starknet_api::core::{ChainId, ClassHash, ContractAddress};
use starknet_types_core::felt::Felt;

use crate::{args::value::BlockGeneration, genesis};

/// Contracts of block 0 that clients ask for.
const CONTRACTS: [(&str, ContractAddress, ClassHash); 4] = [
    ("ETH token", ETH_ADDRESS, ETH_CLASS_HASH),
    ("STRK token", STRK_ADDRESS, STRK_CLASS_HASH),
    ("UDC", UDC_ADDRESS, UDC_CLASS_HASH),
    ("UDC, legacy", UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH),
];

/// Prints to the output stream. Nobody need read it, so a closed stream is no error.
pub(crate) fn print(banner: &impl Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = write!(out, "{banner}").and_then(|()| out.flush()) {
        tracing::debug!("nobody reads the output: {error}");
    }
}

/// Where what is served.
fn write_paths(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "JSON-RPC and WebSocket: 0.10.2 at / and /rpc/v0_10, 0.9.0 at /rpc/v0_9")?;
    writeln!(f, "Health: /health, /ready and /is_alive")
}

fn write_contracts(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "Predeployed contracts")?;
    for (name, address, class_hash) in CONTRACTS {
        writeln!(f, "| {name:<15} |  {}", Hex(*address.0.key()))?;
        writeln!(f, "| {:<15} |  {}", "class", Hex(class_hash.0))?;
    }
    writeln!(f)
}

fn write_accounts(f: &mut fmt::Formatter<'_>, settings: &Accounts) -> fmt::Result {
    if settings.count == 0 {
        return writeln!(f, "No predeployed accounts\n");
    }
    let class = Hex(ACCOUNT_CLASS_HASH.0);
    writeln!(f, "Predeployed accounts, OpenZeppelin 1.0.0, class {class}")?;
    for account in accounts(settings.seed, settings.count) {
        writeln!(f)?;
        writeln!(f, "| Account address |  {}", Hex(*account.address.0.key()))?;
        writeln!(f, "| Private key     |  {}", Hex(account.private_key))?;
        writeln!(f, "| Public key      |  {}", Hex(account.public_key))?;
    }
    let balance = settings.initial_balance;
    writeln!(f)?;
    writeln!(f, "Initial balance of each account: {balance} WEI and FRI")?;
    writeln!(f, "Seed to replicate this account sequence: {}", settings.seed)?;
    writeln!(f, "Anybody can know these keys: never use them on a public chain")?;
    writeln!(f)
}

fn write_chain(f: &mut fmt::Formatter<'_>, genesis: &Genesis) -> fmt::Result {
    let id = ChainId::from(genesis.chain_id.clone());
    let id_felt = Felt::from_bytes_be_slice(id.to_string().as_bytes());
    writeln!(f, "Chain ID: {id} ({id_felt:#x})")?;
    writeln!(f, "Blocks: {}", describe(&genesis.block))
}

/// When a block ends, in words.
fn describe(rules: &BlockRules) -> String {
    match genesis::block_generation(rules) {
        BlockGeneration::Transaction => "one for each transaction".to_owned(),
        BlockGeneration::Demand => "when devnet_createBlock asks for one".to_owned(),
        every @ BlockGeneration::Every { .. } if rules.empty_blocks => {
            format!("one every {every} s")
        }
        every @ BlockGeneration::Every { .. } => {
            format!("one every {every} s while there are transactions")
        }
    }
}

/// A person opens what is printed, and 0.0.0.0 is no place to go to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(crate::settings::HOST);
    }
    address
}

/// A felt with all its digits, so that columns align.
struct Hex(Felt);

impl Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#066x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_felt_is_printed_with_all_its_digits() {
        assert_eq!(Hex(Felt::ONE).to_string(), format!("0x{}1", "0".repeat(63)));
    }
}
