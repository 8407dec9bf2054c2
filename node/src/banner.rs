//! What `kraken dev` prints once it serves: everything that a client needs to know.

use std::{
    fmt::{self, Display},
    io::{self, Write},
    net::SocketAddr,
    path::Path,
};

use kraken_execution::{
    Chain,
    genesis::{
        ACCOUNT_CLASS_HASH, ETH_ADDRESS, ETH_CLASS_HASH, PredeployedAccount, STRK_ADDRESS,
        STRK_CLASS_HASH, UDC_ADDRESS, UDC_CLASS_HASH, UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH,
    },
};
use kraken_types::genesis::BlockRules;
use starknet_api::core::{ChainId, ClassHash, ContractAddress};
use starknet_types_core::felt::Felt;

use crate::{args::value::BlockGeneration, genesis};

/// What to print.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    /// What the chain is.
    pub(crate) chain: &'a Chain,
    /// Funded, with keys that anybody may know.
    pub(crate) accounts: &'a [PredeployedAccount],
    /// Where JSON-RPC is served.
    pub(crate) address: SocketAddr,
    /// Where the chain is kept.
    pub(crate) folder: Option<&'a Path>,
}

/// Contracts of block 0 that clients ask for.
const CONTRACTS: [(&str, ContractAddress, ClassHash); 4] = [
    ("ETH token", ETH_ADDRESS, ETH_CLASS_HASH),
    ("STRK token", STRK_ADDRESS, STRK_CLASS_HASH),
    ("UDC", UDC_ADDRESS, UDC_CLASS_HASH),
    ("UDC, legacy", UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH),
];

impl Banner<'_> {
    /// Prints to the output stream. Nobody need read it, so a closed stream is no error.
    pub(crate) fn print(&self) {
        let mut out = io::stdout().lock();
        if let Err(error) = write!(out, "{self}").and_then(|()| out.flush()) {
            tracing::debug!("nobody reads the output: {error}");
        }
    }

    fn write_contracts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Predeployed contracts")?;
        for (name, address, class_hash) in CONTRACTS {
            writeln!(f, "| {name:<15} |  {}", Hex(*address.0.key()))?;
            writeln!(f, "| {:<15} |  {}", "class", Hex(class_hash.0))?;
        }
        writeln!(f)
    }

    fn write_accounts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accounts.is_empty() {
            return writeln!(f, "No predeployed accounts\n");
        }
        let settings = &self.chain.genesis().accounts;
        let class = Hex(ACCOUNT_CLASS_HASH.0);
        writeln!(f, "Predeployed accounts, OpenZeppelin 1.0.0, class {class}")?;
        for account in self.accounts {
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
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let genesis = self.chain.genesis();
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            f,
            "\nKraken {version}, a chain for development, Starknet {}\n",
            genesis.starknet_version
        )?;
        self.write_contracts(f)?;
        self.write_accounts(f)?;

        let id = ChainId::from(genesis.chain_id.clone());
        let id_felt = Felt::from_bytes_be_slice(id.to_string().as_bytes());
        writeln!(f, "Chain ID: {id} ({id_felt:#x})")?;
        writeln!(f, "Blocks: {}", describe(&genesis.block))?;
        match self.folder {
            Some(folder) => {
                writeln!(f, "Data: {} (the same command goes on with it)", folder.display())?
            }
            None => writeln!(f, "Data: in memory (--data-dir DIR keeps it)")?,
        }
        writeln!(f)?;
        // A person opens what is printed here, and 0.0.0.0 is no place to go to.
        let mut reachable = self.address;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(crate::settings::HOST);
        }
        writeln!(f, "Listening on http://{reachable}")?;
        writeln!(f, "JSON-RPC 0.10.2 at / and /rpc/v0_10; health check at /is_alive")?;
        writeln!(f)
    }
}

/// When a block ends, in words.
fn describe(rules: &BlockRules) -> String {
    match genesis::block_generation(rules) {
        BlockGeneration::Transaction => "one for each transaction".to_owned(),
        BlockGeneration::Demand => "when devnet_createBlock asks for one".to_owned(),
        every @ BlockGeneration::Every { .. } => format!("one every {every} s"),
    }
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
    use kraken_execution::genesis::accounts;

    use super::*;
    use crate::settings::ChainSettings;

    #[test]
    fn a_banner_tells_all_that_a_client_needs() {
        let wishes = ChainSettings { accounts: Some(2), ..ChainSettings::default() };
        let chain = Chain::new(&genesis::create(&wishes, 0, 1_000)).expect("own genesis");
        let banner = Banner {
            chain: &chain,
            accounts: &accounts(0, 2),
            address: SocketAddr::from(([0, 0, 0, 0], 5050)),
            folder: Some(Path::new("chain")),
        };
        insta::assert_snapshot!(banner.to_string());
    }

    #[test]
    fn a_felt_is_printed_with_all_its_digits() {
        assert_eq!(Hex(Felt::ONE).to_string(), format!("0x{}1", "0".repeat(63)));
    }
}
